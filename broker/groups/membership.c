/* Heartbeat and LeaveGroup. */
#include "base/log.h"
#include "groups/call.h"
#include "groups/kafka_codes.h"
#include "groups/rebalance.h"

static int
heartbeat_here(struct coordinator *c, void *arg)
{
    const struct group_heartbeat *heartbeat = arg;
    int16_t error = CODE_UNKNOWN_MEMBER_ID;
    struct group *group = coordinator_group(c, heartbeat->group_id);
    struct member *member =
            group ? group_speaker(group, heartbeat->member_id, heartbeat->instance_id, &error)
                  : NULL;
    if (!member) {
        return error;
    }
    if (heartbeat->generation != group->generation) {
        return CODE_ILLEGAL_GENERATION;
    }
    member_alive(member);
    return group->state == GROUP_PREPARING ? CODE_REBALANCE_IN_PROGRESS : CODE_NONE;
}

void
group_heartbeat(struct group_heartbeat *heartbeat)
{
    heartbeat->error =
            heartbeat->group_id.size == 0
                    ? CODE_INVALID_GROUP_ID
                    : group_call(heartbeat->groups, heartbeat->group_id, heartbeat_here, heartbeat);
}

/* The member that a leaver means, or NULL with the code. */
static struct member *
leaving_member(const struct group *group, const struct group_leaver *leaver, int16_t *ret_error)
{
    struct member *member = NULL;
    *ret_error = CODE_UNKNOWN_MEMBER_ID;
    if (leaver->member_id.size == 0) {
        member = leaver->instance_id.data ? group_static_member(group, leaver->instance_id) : NULL;
    } else {
        member = group_member(group, leaver->member_id);
        if (!member || !member->pending) {
            return group_speaker(group, leaver->member_id, leaver->instance_id, ret_error);
        }
    }
    *ret_error = member ? CODE_NONE : CODE_UNKNOWN_MEMBER_ID;
    return member;
}

static bool
leave_one(struct group *group, struct group_leaver *leaver)
{
    struct member *member = leaving_member(group, leaver, &leaver->error);
    if (!member) {
        return false;
    }
    LOG_DEBUG("group member leaves", LOG_BYTES("group", group->id), LOG_BYTES("member", member->id),
            LOG_BYTES("reason", leaver->reason));
    rebalance_remove_member(group, member);
    return true;
}

static int
leave_here(struct coordinator *c, void *arg)
{
    struct group_leave *leave = arg;
    struct group *group = coordinator_group(c, leave->group_id);
    bool left = false;
    bool member_left = false;
    if (!group) {
        for (size_t i = 0; i < leave->count; i++) {
            leave->leavers[i].error = CODE_UNKNOWN_MEMBER_ID;
        }
        return CODE_NONE;
    }
    size_t members = group->member_count;
    for (size_t i = 0; i < leave->count; i++) {
        left |= leave_one(group, &leave->leavers[i]);
    }
    member_left = group->member_count < members;
    if (member_left && (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING)) {
        rebalance_prepare(c, group);
    } else if (left) {
        rebalance_maybe_complete(c, group);
    }
    if (group_is_unused(group)) {
        coordinator_free_group(c, group);
    }
    return CODE_NONE;
}

void
group_leave(struct group_leave *leave)
{
    leave->error = leave->group_id.size == 0
                           ? CODE_INVALID_GROUP_ID
                           : group_call(leave->groups, leave->group_id, leave_here, leave);
}
