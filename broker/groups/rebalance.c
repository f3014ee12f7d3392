/* Generations: prepared, completed, made stable. */
#include "groups/rebalance.h"

#include "base/check.h"
#include "base/log.h"
#include "base/mark.h"
#include "groups/kafka_codes.h"
#include "reactor/clock.h"

static uint64_t
after_ms(int32_t ms)
{
    return clock_mono_ns() + (uint64_t)MAX(ms, 0) * NS_PER_MS;
}

void
rebalance_answer_join(struct group *group, struct member *member)
{
    struct group_join *join = TAKE_PTR(member->join);
    group->joined_count--;
    foreign_wait_complete(&join->wait, 0);
}

void
rebalance_refuse_join(struct group *group, struct member *member, int16_t error)
{
    if (member->join) {
        member->join->error = error;
        rebalance_answer_join(group, member);
    }
}

static void
refuse_sync(struct member *member, int16_t error)
{
    if (member->sync) {
        struct group_sync *sync = TAKE_PTR(member->sync);
        sync->error = error;
        foreign_wait_complete(&sync->wait, 0);
    }
}

void
rebalance_park_join(struct group *group, struct member *member, struct group_join *join)
{
    /* A client that lost its connection asks again; nobody hears the first answer. */
    rebalance_refuse_join(group, member, CODE_REBALANCE_IN_PROGRESS);
    join->waits = true;
    member->join = join;
    group->joined_count++;
}

void
rebalance_park_sync(struct group *group, struct member *member, struct group_sync *sync)
{
    (void)group;
    refuse_sync(member, CODE_REBALANCE_IN_PROGRESS);
    sync->waits = true;
    member->sync = sync;
}

static struct bytes
tell(struct arena *arena, struct bytes text)
{
    return text.data ? arena_dup(arena, text) : BYTES_NULL;
}

static void
tell_members(struct group_join *join, const struct group *group)
{
    join->ret_members =
            arena_alloc_array(join->arena, group->member_count, sizeof *join->ret_members);
    LIST_FOREACH (link, &group->members) {
        const struct member *member = CONTAINER_OF(link, const struct member, link);
        if (!member->pending) {
            join->ret_members[join->ret_member_count++] = (struct group_member_info){
                tell(join->arena, member->id),
                tell(join->arena, member->instance_id),
                arena_dup(join->arena, member_metadata(member, group->protocol_name)),
            };
        }
    }
}

void
rebalance_tell_generation(
        struct group_join *join, const struct group *group, const struct member *member)
{
    join->error = CODE_NONE;
    join->generation = group->generation;
    join->ret_protocol_type = tell(join->arena, group->protocol_type);
    join->ret_protocol_name = tell(join->arena, group->protocol_name);
    join->ret_leader = tell(join->arena, group->leader);
    join->ret_member_id = tell(join->arena, member->id);
    if (group_leads(group, member)) {
        tell_members(join, group);
    }
}

void
rebalance_tell_assignment(
        struct group_sync *sync, const struct group *group, const struct member *member)
{
    sync->error = CODE_NONE;
    sync->ret_assignment = tell(sync->arena, member->assignment);
    sync->ret_protocol_type = tell(sync->arena, group->protocol_type);
    sync->ret_protocol_name = tell(sync->arena, group->protocol_name);
}

void
rebalance_end_calls(struct group *group, int16_t error)
{
    LIST_FOREACH (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        rebalance_refuse_join(group, member, error);
        refuse_sync(member, error);
    }
}

void
rebalance_fence(struct group *group, struct member *member)
{
    rebalance_refuse_join(group, member, CODE_FENCED_INSTANCE_ID);
    refuse_sync(member, CODE_FENCED_INSTANCE_ID);
}

void
rebalance_remove_member(struct group *group, struct member *member)
{
    rebalance_refuse_join(group, member, CODE_UNKNOWN_MEMBER_ID);
    refuse_sync(member, CODE_UNKNOWN_MEMBER_ID);
    group_remove_member(group, member);
}

void
rebalance_watch_member(struct coordinator *c, struct group *group, struct member *member)
{
    coordinator_arm(c, group, member->expires_ns);
}

static void
arm_join(struct coordinator *c, struct group *group, int32_t ms)
{
    group->join_due_ns = after_ms(ms);
    coordinator_arm(c, group, group->join_due_ns);
}

static void
begin_initial(struct coordinator *c, struct group *group)
{
    int32_t delay_ms =
            settings_int(c->home->groups->options.settings, "group.initial.rebalance.delay.ms");
    group->initial = true;
    group->newcomer = false;
    group->delay_ms = delay_ms;
    group->remaining_ms = MAX(group_rebalance_timeout_ms(group) - delay_ms, 0);
    arm_join(c, group, delay_ms);
}

static void
reset_assignments(struct group *group, int16_t error)
{
    LIST_FOREACH (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        member_set_assignment(group, member, &member->assignment, BYTES_NULL);
        member_set_assignment(group, member, &member->proposed, BYTES_NULL);
        if (member->sync) {
            refuse_sync(member, error);
            member_alive(member);
        }
    }
}

/* The generation has no members: in the log, so that a restart does not bring the old ones back. */
static void
complete_empty(struct coordinator *c, struct group *group)
{
    struct group_records records;
    drop_bytes(&group->protocol_name);
    group_set_state(group, GROUP_EMPTY);
    group_records_init(&records);
    group_records_group(&records, group, false);
    coordinator_write(c, &records, false, NULL, NULL);
}

static void
complete_with_members(struct coordinator *c, struct group *group)
{
    replace_bytes(&group->protocol_name, group_choose_protocol(group));
    CHECK(group->protocol_name.data);
    group_set_state(group, GROUP_COMPLETING);
    LIST_FOREACH (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        if (member->pending) {
            continue;
        }
        if (member->join) {
            rebalance_tell_generation(member->join, group, member);
            rebalance_answer_join(group, member);
        }
        member_alive(member);
        member->is_new = false;
        member->sync_pending = true;
        rebalance_watch_member(c, group, member);
    }
    group->sync_due_ns = after_ms(group_rebalance_timeout_ms(group));
    coordinator_arm(c, group, group->sync_due_ns);
}

/* The leader stays when it has joined; else whoever joined first leads. False: nobody has. */
static bool
elect_leader(struct group *group)
{
    struct member *leader = group->leader.data ? group_member(group, group->leader) : NULL;
    if (leader && leader->join) {
        return true;
    }
    LIST_FOREACH (link, &group->members) {
        const struct member *member = CONTAINER_OF(link, const struct member, link);
        if (member->join) {
            replace_bytes(&group->leader, member->id);
            return true;
        }
    }
    return false;
}

/* The time is up, or all have joined. Static members that did not stay until their session ends. */
static void
complete_join(struct coordinator *c, struct group *group)
{
    LIST_FOREACH_SAFE (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        if (!member->pending && !member->join && !member->instance_id.data) {
            MARK("groups: did not rejoin in time");
            rebalance_remove_member(group, member);
        }
    }
    if (group->member_count && !elect_leader(group)) {
        MARK("groups: nobody has rejoined");
        arm_join(c, group, group_rebalance_timeout_ms(group));
        return;
    }
    group->initial = false;
    group->join_due_ns = DEADLINE_NONE;
    group->generation++;
    if (group->member_count) {
        complete_with_members(c, group);
    } else {
        complete_empty(c, group);
    }
}

void
rebalance_prepare(struct coordinator *c, struct group *group)
{
    bool initial = group->state == GROUP_EMPTY;
    CHECK(group->state != GROUP_PREPARING);
    if (group->state == GROUP_COMPLETING) {
        reset_assignments(group, CODE_REBALANCE_IN_PROGRESS);
    }
    LIST_FOREACH (link, &group->members) {
        CONTAINER_OF(link, struct member, link)->sync_pending = false;
    }
    group->sync_due_ns = DEADLINE_NONE;
    group_set_state(group, GROUP_PREPARING);
    if (initial) {
        begin_initial(c, group);
    } else if (group_all_joined(group)) {
        complete_join(c, group);
    } else {
        arm_join(c, group, group_rebalance_timeout_ms(group));
    }
}

void
rebalance_maybe_complete(struct coordinator *c, struct group *group)
{
    if (group->state == GROUP_PREPARING && !group->initial && group_all_joined(group)) {
        complete_join(c, group);
    }
}

void
rebalance_follow(struct coordinator *c, struct group *group)
{
    if (group->state == GROUP_PREPARING) {
        rebalance_maybe_complete(c, group);
    } else {
        rebalance_prepare(c, group);
    }
}

void
rebalance_stabilise(struct coordinator *c, struct group *group)
{
    LIST_FOREACH (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        member_set_assignment(group, member, &member->assignment, member->proposed);
        member_set_assignment(group, member, &member->proposed, BYTES_NULL);
        if (member->sync) {
            struct group_sync *sync = TAKE_PTR(member->sync);
            rebalance_tell_assignment(sync, group, member);
            foreign_wait_complete(&sync->wait, 0);
            member_alive(member);
        }
    }
    group_set_state(group, GROUP_STABLE);
    c->home->rebalances++;
}

void
rebalance_fail_sync(struct coordinator *c, struct group *group, int16_t error)
{
    reset_assignments(group, error);
    rebalance_follow(c, group);
}

/* --- time --- */

/* Returns what has to follow: 2: a rebalance; 1: a look whether all have joined; 0: nothing. */
static int
expire_member(struct group *group, struct member *member)
{
    if (member->pending) {
        group_remove_member(group, member);
        return 1;
    }
    if (!member->is_new && (member->join || member->sync)) {
        member_alive(member); /* it waits for us */
        return 0;
    }
    MARK("groups: session expired");
    LOG_INFO(
            "group member expired", LOG_BYTES("group", group->id), LOG_BYTES("member", member->id));
    rebalance_remove_member(group, member);
    return 2;
}

static void
expire_members(struct coordinator *c, struct group *group, uint64_t now_ns)
{
    int follows = 0;
    LIST_FOREACH_SAFE (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        if (now_ns >= member->expires_ns) {
            follows = MAX(follows, expire_member(group, member));
        }
    }
    if (follows == 2 && group->state != GROUP_EMPTY && group->state != GROUP_PREPARING) {
        rebalance_prepare(c, group);
    } else if (follows) {
        rebalance_maybe_complete(c, group);
    }
}

static void
end_preparation(struct coordinator *c, struct group *group)
{
    if (group->initial && group->newcomer && group->remaining_ms > 0) {
        /* Someone came during the delay: more may come. */
        int32_t waited_ms = group->delay_ms;
        int32_t delay_ms =
                settings_int(c->home->groups->options.settings, "group.initial.rebalance.delay.ms");
        group->newcomer = false;
        group->delay_ms = MIN(delay_ms, group->remaining_ms);
        group->remaining_ms = MAX(group->remaining_ms - waited_ms, 0);
        arm_join(c, group, group->delay_ms);
        return;
    }
    complete_join(c, group);
}

/* Members that joined and never asked for their assignment. */
static void
expire_syncs(struct coordinator *c, struct group *group)
{
    bool removed = false;
    group->sync_due_ns = DEADLINE_NONE;
    LIST_FOREACH_SAFE (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        if (member->sync_pending) {
            MARK("groups: did not sync in time");
            rebalance_remove_member(group, member);
            removed = true;
        }
    }
    if (removed) {
        rebalance_prepare(c, group);
    }
}

static uint64_t
next_due(const struct group *group)
{
    uint64_t due = MIN(group->join_due_ns, group->sync_due_ns);
    LIST_FOREACH (link, &group->members) {
        due = MIN(due, CONTAINER_OF(link, const struct member, link)->expires_ns);
    }
    return due;
}

void
rebalance_tick(struct coordinator *c, struct group *group, uint64_t now_ns)
{
    expire_members(c, group, now_ns);
    if (group->state == GROUP_PREPARING && now_ns >= group->join_due_ns) {
        end_preparation(c, group);
    }
    if ((group->state == GROUP_COMPLETING || group->state == GROUP_STABLE) &&
            now_ns >= group->sync_due_ns) {
        expire_syncs(c, group);
    }
    if (group_is_unused(group)) {
        coordinator_free_group(c, group);
        return;
    }
    coordinator_arm(c, group, next_due(group));
}

void
rebalance_loaded(struct coordinator *c)
{
    size_t members_max = (size_t)settings_int(c->home->groups->options.settings, "group.max.size");
    LIST_FOREACH (link, &c->all) {
        struct group *group = CONTAINER_OF(link, struct group, link);
        LIST_FOREACH (entry, &group->members) {
            struct member *member = CONTAINER_OF(entry, struct member, link);
            member_alive(member);
            rebalance_watch_member(c, group, member);
        }
        if (group->member_count > members_max) {
            rebalance_prepare(c, group);
        }
    }
}
