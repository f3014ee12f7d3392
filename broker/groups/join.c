/* JoinGroup: who may come in, and whether that begins a new generation. The rules are those of
 * Kafka's classic groups, KIP-345 (static members), KIP-394 (member ids), KIP-814 (skipping the
 * assignment). */
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "groups/call.h"
#include "groups/kafka_codes.h"
#include "groups/rebalance.h"
#include "reactor/clock.h"
#include "reactor/random.h"

/* A new member that waits longer is taken for one whose client has given up. */
#define NEW_MEMBER_JOIN_TIMEOUT_MS (5 * 60 * 1000)
#define NAME_IN_MEMBER_ID_MAX 255

/* "<client id or instance id>-<random UUID>", as in Kafka. */
static struct bytes
new_member_id(struct group_join *join)
{
    struct uuid uuid = random_uuid();
    const uint8_t *u = uuid.bytes;
    struct bytes prefix = join->instance_id.data ? join->instance_id : join->client_id;
    return arena_printf(join->arena,
            "%.*s-%02x%02x%02x%02x-%02x%02x-4%01x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
            (int)MIN(prefix.size, (size_t)NAME_IN_MEMBER_ID_MAX),
            prefix.data ? (const char *)prefix.data : "", u[0], u[1], u[2], u[3], u[4], u[5],
            u[6] & 0xfu, u[7], (u[8] & 0x3fu) | 0x80u, u[9], u[10], u[11], u[12], u[13], u[14],
            u[15]);
}

static void
set_timeouts(struct member *member, const struct group_join *join)
{
    member->session_timeout_ms = join->session_timeout_ms;
    member->rebalance_timeout_ms =
            join->rebalance_timeout_ms < 0 ? join->session_timeout_ms : join->rebalance_timeout_ms;
}

/* The join changes what the member brings, and waits for the next generation. */
static void
update_member(struct group_join *join, struct group *group, struct member *member)
{
    member_set_protocols(group, member, join->protocols, join->protocol_count);
    set_timeouts(member, join);
    rebalance_park_join(group, member, join);
}

/* The member is in the group from now on; it has no protocols yet. */
static void
enter(struct group_join *join, struct coordinator *c, struct group *group, struct member *member)
{
    if (group->member_count == 1) {
        replace_bytes(&group->protocol_type, join->protocol_type);
    }
    if (group->state == GROUP_PREPARING && group->initial) {
        group->newcomer = true;
    }
    member_set_client(group, member, join->client_id, join->client_host);
    update_member(join, group, member);
    member->is_new = true;
    member->expires_ns = clock_mono_ns() + NEW_MEMBER_JOIN_TIMEOUT_MS * (uint64_t)NS_PER_MS;
    rebalance_watch_member(c, group, member);
    rebalance_follow(c, group);
}

/* A static member that came again while the group is stable: its new id is on its way into the log.
 */
struct replacement {
    struct bytes group_id;
    struct bytes member_id;
    struct bytes old_member_id;
    bool may_skip_assign;
};

static void
replacement_free(struct replacement *replacement)
{
    drop_bytes(&replacement->group_id);
    drop_bytes(&replacement->member_id);
    drop_bytes(&replacement->old_member_id);
    mem_free(replacement);
}

/* coordinator_done_fn */
static void
replacement_done(struct coordinator *c, void *arg, int16_t error)
{
    struct replacement *replacement = arg;
    struct group *group = coordinator_group(c, replacement->group_id);
    struct member *member = group ? group_member(group, replacement->member_id) : NULL;
    if (member && error) {
        MARK("groups: a replacement failed");
        rebalance_refuse_join(group, member, error);
        group_rename_member(group, member, replacement->old_member_id);
        member_alive(member);
    } else if (member && member->join && group->state == GROUP_STABLE) {
        struct group_join *join = member->join;
        struct bytes leader = group->leader;
        rebalance_tell_generation(join, group, member);
        if (replacement->may_skip_assign) {
            join->ret_skip_assignment = group_leads(group, member);
        } else if (group_leads(group, member)) {
            /* Its clients would assign anew if they were told that they lead (KIP-345). */
            leader = replacement->old_member_id;
            join->ret_member_count = 0;
        }
        join->ret_leader = arena_dup(join->arena, leader);
        rebalance_answer_join(group, member);
    }
    replacement_free(replacement);
}

/* KIP-345: the new member id takes the place of the old one. When the group is stable and its
 * protocol stays the same there is no rebalance, but the log must know before the member does. */
static void
replace_static(struct group_join *join, struct coordinator *c, struct group *group,
        struct member *member, struct bytes id)
{
    struct replacement *replacement = mem_alloc(sizeof *replacement);
    *replacement = (struct replacement){ keep_bytes(group->id), keep_bytes(id),
        keep_bytes(member->id), join->may_skip_assign };
    rebalance_fence(group, member);
    group_rename_member(group, member, id);
    member_set_client(group, member, join->client_id, join->client_host);
    update_member(join, group, member);
    member_alive(member);
    rebalance_watch_member(c, group, member);
    bool same = bytes_equal(group->protocol_name, group_choose_protocol(group));
    if (group->state == GROUP_STABLE && same) {
        struct group_records records;
        group_records_init(&records);
        group_records_group(&records, group, false);
        coordinator_write(c, &records, false, replacement_done, replacement);
        return;
    }
    replacement_free(replacement);
    if (group->state == GROUP_COMPLETING || group->state == GROUP_STABLE) {
        rebalance_prepare(c, group);
    } else {
        rebalance_maybe_complete(c, group);
    }
}

static void
join_new(struct group_join *join, struct coordinator *c, struct group *group)
{
    struct bytes id = new_member_id(join);
    struct member *old =
            join->instance_id.data ? group_static_member(group, join->instance_id) : NULL;
    if (old) {
        replace_static(join, c, group, old, id);
        return;
    }
    if (coordinators_are_full(c->home)) {
        MARK("groups: no room for a member");
        join->error = CODE_GROUP_MAX_SIZE_REACHED;
        return;
    }
    bool pending = join->id_required && !join->instance_id.data;
    struct member *member = group_add_member(group, id, join->instance_id, pending);
    if (pending) {
        set_timeouts(member, join);
        member_alive(member);
        rebalance_watch_member(c, group, member);
        join->ret_member_id = id;
        join->error = CODE_MEMBER_ID_REQUIRED;
        return;
    }
    enter(join, c, group, member);
}

/* What a member that is known already does, by the group's state. */
static void
join_again(
        struct group_join *join, struct coordinator *c, struct group *group, struct member *member)
{
    bool same = member_has_protocols(member, join->protocols, join->protocol_count);
    if (group->state == GROUP_EMPTY) {
        join->error = CODE_UNKNOWN_MEMBER_ID;
    } else if (same && (group->state == GROUP_COMPLETING ||
                               (group->state == GROUP_STABLE && !group_leads(group, member)))) {
        /* It did not hear the answer, or asks again without need. */
        rebalance_tell_generation(join, group, member);
    } else {
        update_member(join, group, member);
        rebalance_follow(c, group);
    }
}

static void
join_known(struct group_join *join, struct coordinator *c, struct group *group)
{
    struct member *member = group_member(group, join->member_id);
    if (member && member->pending) {
        if (join->instance_id.data) {
            join->error = CODE_UNKNOWN_MEMBER_ID;
            return;
        }
        group_admit_pending(group, member);
        enter(join, c, group, member);
        return;
    }
    member = group_speaker(group, join->member_id, join->instance_id, &join->error);
    if (member) {
        join_again(join, c, group, member);
    }
}

/* group.max.size. While a rebalance is prepared those who wait are counted, so that the last ones
 * to rejoin are left out when the maximum has become smaller. */
static bool
has_room(const struct group_join *join, const struct coordinator *c, const struct group *group)
{
    size_t max = (size_t)settings_int(c->home->groups->options.settings, "group.max.size");
    const struct member *member =
            join->member_id.size ? group_member(group, join->member_id) : NULL;
    bool known = member && !member->pending;
    switch (group->state) {
    case GROUP_PREPARING:
        return (known && member->join) || group->joined_count < max;
    case GROUP_COMPLETING:
    case GROUP_STABLE:
        return known || group->member_count < max;
    case GROUP_EMPTY:
    default:
        return true;
    }
}

/* GROUPS_MEMORY_MAX: members that are there may not bring more than they had. */
static bool
has_memory(const struct group_join *join, const struct coordinator *c, const struct group *group)
{
    const struct member *member =
            join->member_id.size ? group_member(group, join->member_id) : NULL;
    return !coordinators_are_full(c->home) || !member ||
           protocols_size(join->protocols, join->protocol_count) <= member->protocols_size;
}

static void
leave_no_room(struct group_join *join, struct coordinator *c, struct group *group)
{
    struct member *member = join->member_id.size ? group_member(group, join->member_id) : NULL;
    join->error = CODE_GROUP_MAX_SIZE_REACHED;
    join->ret_member_id = BYTES_LITERAL("");
    if (member) {
        rebalance_remove_member(group, member);
        rebalance_maybe_complete(c, group);
    }
}

static int
join_here(struct coordinator *c, void *arg)
{
    struct group_join *join = arg;
    struct group *group = coordinator_group(c, join->group_id);
    if (!group && join->member_id.size) {
        return CODE_UNKNOWN_MEMBER_ID;
    }
    if (!group && coordinators_are_full(c->home)) {
        MARK("groups: no room for a group");
        return CODE_GROUP_MAX_SIZE_REACHED;
    }
    group = group ? group : coordinator_new_group(c, join->group_id);
    join->error = CODE_NONE;
    if (!has_room(join, c, group)) {
        leave_no_room(join, c, group);
    } else if (!has_memory(join, c, group)) {
        MARK("groups: no room for what a member brings");
        join->error = CODE_GROUP_MAX_SIZE_REACHED;
    } else if (!group_supports(group, join->protocol_type, join->protocols, join->protocol_count)) {
        join->error = CODE_INCONSISTENT_GROUP_PROTOCOL;
    } else if (join->member_id.size) {
        join_known(join, c, group);
    } else {
        join_new(join, c, group);
    }
    if (group_is_unused(group)) {
        coordinator_free_group(c, group);
    }
    return join->error;
}

void
group_join(struct group_join *join)
{
    const struct settings *settings = join->groups->options.settings;
    join->generation = -1;
    join->ret_leader = BYTES_LITERAL("");
    join->ret_member_id = join->member_id;
    if (join->group_id.size == 0) {
        join->error = CODE_INVALID_GROUP_ID;
        return;
    }
    if (join->session_timeout_ms < settings_int(settings, "group.min.session.timeout.ms") ||
            join->session_timeout_ms > settings_int(settings, "group.max.session.timeout.ms")) {
        join->error = CODE_INVALID_SESSION_TIMEOUT;
        return;
    }
    foreign_wait_init(&join->wait);
    int16_t error = group_call(join->groups, join->group_id, join_here, join);
    if (join->waits) {
        (void)!foreign_wait_for(&join->wait);
        return;
    }
    join->error = error;
}
