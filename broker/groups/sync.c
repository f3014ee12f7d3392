/* SyncGroup: the leader brings the assignments; everybody gets theirs when they are in the log. */
#include "base/mark.h"
#include "base/mem.h"
#include "groups/call.h"
#include "groups/kafka_codes.h"
#include "groups/rebalance.h"

/* The generation whose assignments are on their way into the log. */
struct proposal {
    struct bytes group_id;
    int32_t generation;
};

/* coordinator_done_fn. G3. */
static void
proposal_done(struct coordinator *c, void *arg, int16_t error)
{
    struct proposal *proposal = arg;
    struct group *group = coordinator_group(c, proposal->group_id);
    if (group && group->state == GROUP_COMPLETING && group->generation == proposal->generation) {
        if (error) {
            MARK("groups: assignments could not be stored");
            rebalance_fail_sync(c, group, error);
        } else {
            rebalance_stabilise(c, group);
        }
    }
    drop_bytes(&proposal->group_id);
    mem_free(proposal);
}

static void
propose(const struct group_sync *sync, struct coordinator *c, struct group *group)
{
    struct group_records records;
    LIST_FOREACH (link, &group->members) {
        struct member *member = CONTAINER_OF(link, struct member, link);
        member_set_assignment(group, member, &member->proposed, BYTES_LITERAL(""));
    }
    for (size_t i = 0; i < sync->assignment_count; i++) {
        struct member *member = group_member(group, sync->assignments[i].member_id);
        if (member) {
            member_set_assignment(
                    group, member, &member->proposed, sync->assignments[i].assignment);
        }
    }
    struct proposal *proposal = mem_alloc(sizeof *proposal);
    *proposal = (struct proposal){ keep_bytes(group->id), group->generation };
    group_records_init(&records);
    group_records_group(&records, group, true);
    coordinator_write(c, &records, false, proposal_done, proposal);
}

static int16_t
check_sync(const struct group_sync *sync, const struct group *group)
{
    if (sync->generation != group->generation) {
        return CODE_ILLEGAL_GENERATION;
    }
    bool type_fits =
            !sync->protocol_type.data || bytes_equal(sync->protocol_type, group->protocol_type);
    bool name_fits =
            !sync->protocol_name.data || bytes_equal(sync->protocol_name, group->protocol_name);
    return type_fits && name_fits ? CODE_NONE : CODE_INCONSISTENT_GROUP_PROTOCOL;
}

static int
sync_here(struct coordinator *c, void *arg)
{
    struct group_sync *sync = arg;
    int16_t error = CODE_UNKNOWN_MEMBER_ID;
    struct group *group = coordinator_group(c, sync->group_id);
    struct member *member =
            group ? group_speaker(group, sync->member_id, sync->instance_id, &error) : NULL;
    if (!member) {
        return error;
    }
    error = check_sync(sync, group);
    if (error) {
        return error;
    }
    switch (group->state) {
    case GROUP_COMPLETING:
        rebalance_park_sync(group, member, sync);
        member->sync_pending = false;
        if (group_leads(group, member)) {
            propose(sync, c, group);
        }
        return CODE_NONE;
    case GROUP_STABLE:
        member->sync_pending = false;
        rebalance_tell_assignment(sync, group, member);
        return CODE_NONE;
    case GROUP_PREPARING:
        return CODE_REBALANCE_IN_PROGRESS;
    case GROUP_EMPTY:
    default:
        return CODE_UNKNOWN_MEMBER_ID;
    }
}

void
group_sync(struct group_sync *sync)
{
    if (sync->group_id.size == 0) {
        sync->error = CODE_INVALID_GROUP_ID;
        return;
    }
    foreign_wait_init(&sync->wait);
    int16_t error = group_call(sync->groups, sync->group_id, sync_here, sync);
    if (sync->waits) {
        (void)!foreign_wait_for(&sync->wait);
        return;
    }
    sync->error = error;
}
