/* JoinGroup, SyncGroup, Heartbeat and LeaveGroup: straight-line calls that wait for the group to
 * move on. */
#include "base/mem.h"
#include "groups/group.h"
#include "groups/kafka_codes.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#define CLIENT_ID_IN_MEMBER_ID_MAX 128

static struct bytes
keep(struct arena *arena, const char *text)
{
    return text ? arena_dup(arena, bytes_of_string(text)) : BYTES_NULL;
}

/* A call that waits is counted, so that groups_stop can wait for it. */
static int
wait_change(struct groups *groups, struct group *group)
{
    groups->calls++;
    int r = wait_queue_wait(&group->changed, DEADLINE_NONE);
    groups->calls--;
    if (groups->stopping) {
        wait_queue_wake_all(&groups->calls_ended);
        return -1;
    }
    return r;
}

/* G2. The member that speaks, or NULL with Kafka's code. */
static struct member *
speaker(struct group *group, struct bytes member_id, struct bytes instance_id, int16_t *ret_error)
{
    struct member *member;
    if (instance_id.data) {
        member = group_static_member(group, instance_id);
        if (member && !bytes_equal(member_id, bytes_of_string(member->id))) {
            *ret_error = CODE_FENCED_INSTANCE_ID;
            return NULL;
        }
    } else {
        member = group_member(group, member_id);
    }
    if (!member || member->pending) {
        *ret_error = CODE_UNKNOWN_MEMBER_ID;
        return NULL;
    }
    return member;
}

static struct bytes
new_member_id(struct group_join *join)
{
    char random[UUID_TEXT_SIZE];
    struct uuid uuid = random_uuid();
    struct bytes prefix = join->instance_id.data ? join->instance_id : join->client_id;
    return arena_printf(join->arena, "%.*s-%s",
            (int)MIN(prefix.size, (size_t)CLIENT_ID_IN_MEMBER_ID_MAX),
            prefix.data ? (const char *)prefix.data : "", uuid_format(&uuid, random));
}

static void
set_timeouts(struct member *member, const struct group_join *join)
{
    int32_t rebalance_ms =
            join->rebalance_timeout_ms < 0 ? join->session_timeout_ms : join->rebalance_timeout_ms;
    member->session_timeout_ns = (uint64_t)join->session_timeout_ms * NS_PER_MS;
    member->rebalance_timeout_ns = (uint64_t)rebalance_ms * NS_PER_MS;
    member_alive(member);
}

static int16_t
check_join(const struct group_join *join)
{
    const struct settings *settings = join->groups->options.settings;
    if (join->group_id.size == 0) {
        return CODE_INVALID_GROUP_ID;
    }
    if (join->session_timeout_ms < settings_int(settings, "group.min.session.timeout.ms") ||
            join->session_timeout_ms > settings_int(settings, "group.max.session.timeout.ms")) {
        return CODE_INVALID_SESSION_TIMEOUT;
    }
    return CODE_NONE;
}

/* A static member that comes again gets a new id; whoever used the old one is fenced. */
static struct member *
replace_static_member(struct group *group, struct member *member, struct bytes id)
{
    if (group->leader && strcmp(group->leader, member->id) == 0) {
        mem_free(group->leader);
        group->leader = mem_dup(id.data, id.size + 1);
    }
    mem_free(member->id);
    member->id = mem_dup(id.data, id.size + 1);
    wait_queue_wake_all(&group->changed);
    return member;
}

/* The member of a join without an id: new, or a static one that restarted. NULL: join->error is
 * set. */
static struct member *
admit_new(struct group_join *join, struct group *group)
{
    join->ret_member_id = new_member_id(join);
    struct member *old =
            join->instance_id.data ? group_static_member(group, join->instance_id) : NULL;
    if (old) {
        return replace_static_member(group, old, join->ret_member_id);
    }
    if (group->member_count >=
            (size_t)settings_int(join->groups->options.settings, "group.max.size")) {
        join->error = CODE_GROUP_MAX_SIZE_REACHED;
        return NULL;
    }
    struct member *member = group_add_member(group, join->ret_member_id, join->instance_id);
    if (join->id_required && !join->instance_id.data) {
        member->pending = true;
        group->member_count--;
        set_timeouts(member, join);
        groups_wake_sweeper(join->groups);
        join->error = CODE_MEMBER_ID_REQUIRED;
        return NULL;
    }
    return member;
}

static struct member *
admit_known(struct group_join *join, struct group *group)
{
    struct member *member = group_member(group, join->member_id);
    if (member && member->pending) {
        member->pending = false;
        group->member_count++;
    } else {
        member = speaker(group, join->member_id, join->instance_id, &join->error);
    }
    if (member) {
        join->ret_member_id = keep(join->arena, member->id);
    }
    return member;
}

/* True when the member may simply be told the present generation: nothing about it has changed. */
static bool
nothing_new(const struct group_join *join, const struct group *group, const struct member *member)
{
    bool same = member->protocol_count > 0 &&
                member_has_protocols(member, join->protocols, join->protocol_count);
    bool leads = group->leader && strcmp(group->leader, member->id) == 0;
    return same && (group->state == GROUP_COMPLETING || (group->state == GROUP_STABLE && !leads));
}

static void
tell_generation(struct group_join *join, const struct group *group)
{
    join->generation = group->generation;
    join->ret_protocol_name = keep(join->arena, group->protocol_name);
    join->ret_leader = keep(join->arena, group->leader);
    if (!bytes_equal(join->ret_leader, join->ret_member_id)) {
        return;
    }
    join->ret_members =
            arena_alloc_array(join->arena, group->member_count, sizeof *join->ret_members);
    LIST_FOREACH (link, &group->members) {
        const struct member *member = CONTAINER_OF(link, struct member, link);
        for (size_t i = 0; !member->pending && i < member->protocol_count; i++) {
            if (bytes_equal(member->protocols[i].name, join->ret_protocol_name)) {
                join->ret_members[join->ret_member_count++] = (struct group_member_info){
                    keep(join->arena, member->id),
                    keep(join->arena, member->instance_id),
                    arena_dup(join->arena, member->protocols[i].metadata),
                };
                break;
            }
        }
    }
}

/* Waits until the generation that is being prepared has begun. */
static void
wait_for_generation(struct group_join *join, struct group *group)
{
    int32_t before = group->generation;
    struct member *member = group_member(group, join->ret_member_id);
    member->waiting++;
    while (group->generation == before) {
        int r = wait_change(join->groups, group);
        member = group_member(group, join->ret_member_id);
        if (r < 0 || !member) {
            join->error = r < 0                    ? CODE_NOT_COORDINATOR
                          : join->instance_id.data ? CODE_FENCED_INSTANCE_ID
                                                   : CODE_UNKNOWN_MEMBER_ID;
            if (member) {
                member->waiting--;
            }
            return;
        }
    }
    member->waiting--;
    tell_generation(join, group);
}

void
group_join(struct group_join *join)
{
    join->error = check_join(join);
    join->generation = -1;
    join->ret_member_id = join->member_id;
    struct group *group = join->error ? NULL : group_find(join->groups, join->group_id);
    if (join->error == 0 && !group && join->member_id.size) {
        join->error = CODE_UNKNOWN_MEMBER_ID;
    }
    if (join->error) {
        return;
    }
    group = group ? group : group_get(join->groups, join->group_id);
    if (!group || join->groups->stopping) {
        join->error = CODE_NOT_COORDINATOR;
        return;
    }
    const struct member *self = join->member_id.size ? group_member(group, join->member_id) : NULL;
    if (!group_supports(group, self, join->protocol_type, join->protocols, join->protocol_count)) {
        join->error = CODE_INCONSISTENT_GROUP_PROTOCOL;
        return;
    }
    struct member *member =
            join->member_id.size ? admit_known(join, group) : admit_new(join, group);
    if (!member) {
        return;
    }
    set_timeouts(member, join);
    if (nothing_new(join, group, member)) {
        tell_generation(join, group);
        return;
    }
    member_set_protocols(member, join->protocols, join->protocol_count);
    mem_free(group->protocol_type);
    group->protocol_type = mem_alloc(join->protocol_type.size + 1);
    memcpy(group->protocol_type, join->protocol_type.data, join->protocol_type.size);
    group_prepare(join->groups, group);
    member->joined = true;
    int32_t before = group->generation;
    group_try_complete(group);
    if (group->generation != before) {
        tell_generation(join, group);
    } else {
        wait_for_generation(join, group);
    }
}

static void
store_assignments(struct group *group, const struct group_sync *sync)
{
    for (size_t i = 0; i < sync->assignment_count; i++) {
        struct member *member = group_member(group, sync->assignments[i].member_id);
        if (member) {
            struct bytes assignment = sync->assignments[i].assignment;
            mem_free((void *)(uintptr_t)member->assignment.data);
            member->assignment =
                    bytes_of(mem_dup(assignment.data, assignment.size), assignment.size);
        }
    }
    group->state = GROUP_STABLE;
    wait_queue_wake_all(&group->changed);
}

static int16_t
check_sync(const struct group_sync *sync, const struct group *group)
{
    if (sync->generation != group->generation) {
        return CODE_ILLEGAL_GENERATION;
    }
    bool type_fits = !sync->protocol_type.data || !group->protocol_type ||
                     bytes_equal(sync->protocol_type, bytes_of_string(group->protocol_type));
    bool name_fits = !sync->protocol_name.data || !group->protocol_name ||
                     bytes_equal(sync->protocol_name, bytes_of_string(group->protocol_name));
    if (!type_fits || !name_fits) {
        return CODE_INCONSISTENT_GROUP_PROTOCOL;
    }
    return group->state == GROUP_PREPARING ? CODE_REBALANCE_IN_PROGRESS : CODE_NONE;
}

/* Waits until the leader has brought the assignments. */
static struct member *
wait_for_assignment(struct group_sync *sync, struct group *group)
{
    struct member *member = group_member(group, sync->member_id);
    while (member && group->state == GROUP_COMPLETING && group->generation == sync->generation) {
        member->waiting++;
        int r = wait_change(sync->groups, group);
        member = group_member(group, sync->member_id);
        if (member) {
            member->waiting--;
        }
        if (r < 0) {
            sync->error = CODE_NOT_COORDINATOR;
            return NULL;
        }
    }
    if (!member) {
        sync->error = CODE_UNKNOWN_MEMBER_ID;
    } else if (group->state != GROUP_STABLE || group->generation != sync->generation) {
        sync->error = CODE_REBALANCE_IN_PROGRESS;
    }
    return sync->error ? NULL : member;
}

void
group_sync(struct group_sync *sync)
{
    struct group *group = group_find(sync->groups, sync->group_id);
    sync->error = CODE_NONE;
    struct member *member =
            group ? speaker(group, sync->member_id, sync->instance_id, &sync->error) : NULL;
    if (!member) {
        sync->error = sync->error ? sync->error : CODE_UNKNOWN_MEMBER_ID;
        return;
    }
    sync->error = check_sync(sync, group);
    if (sync->error) {
        return;
    }
    member_alive(member);
    if (group->state == GROUP_COMPLETING && group->leader &&
            strcmp(group->leader, member->id) == 0) {
        store_assignments(group, sync);
    }
    member = wait_for_assignment(sync, group);
    if (!member) {
        return;
    }
    member_alive(member);
    sync->ret_assignment = arena_dup(sync->arena, member->assignment);
    sync->ret_protocol_type = keep(sync->arena, group->protocol_type);
    sync->ret_protocol_name = keep(sync->arena, group->protocol_name);
}

void
group_heartbeat(struct group_heartbeat *heartbeat)
{
    struct group *group = group_find(heartbeat->groups, heartbeat->group_id);
    heartbeat->error = CODE_NONE;
    struct member *member =
            group ? speaker(group, heartbeat->member_id, heartbeat->instance_id, &heartbeat->error)
                  : NULL;
    if (!member) {
        heartbeat->error = heartbeat->error ? heartbeat->error : CODE_UNKNOWN_MEMBER_ID;
    } else if (heartbeat->generation != group->generation) {
        heartbeat->error = CODE_ILLEGAL_GENERATION;
    } else {
        member_alive(member);
        heartbeat->error = group->state == GROUP_PREPARING ? CODE_REBALANCE_IN_PROGRESS : CODE_NONE;
    }
}

void
group_leave(struct group_leave *leave)
{
    struct group *group = group_find(leave->groups, leave->group_id);
    struct member *member = NULL;
    leave->error = CODE_NONE;
    if (group && leave->instance_id.data && leave->member_id.size == 0) {
        member = group_static_member(
                group, leave->instance_id); /* an operator removes it by name (KIP-345) */
    } else if (group && !leave->instance_id.data) {
        member = group_member(group, leave->member_id); /* a pending one too */
    } else if (group) {
        member = speaker(group, leave->member_id, leave->instance_id, &leave->error);
    }
    if (!member) {
        leave->error = leave->error ? leave->error : CODE_UNKNOWN_MEMBER_ID;
        return;
    }
    bool pending = member->pending;
    group_remove_member(leave->groups, group, member);
    if (!pending && (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING)) {
        group_prepare(leave->groups, group);
        if (group->member_count == 0) {
            group->deadline_ns = 0;
        }
    }
    group_tick(leave->groups, group, clock_mono_ns());
}
