/* OffsetCommit, OffsetFetch and OffsetDelete. */
#include "base/mark.h"
#include "base/mutant.h"
#include "groups/call.h"
#include "groups/java_string.h"
#include "groups/kafka_codes.h"
#include "groups/rebalance.h"
#include "reactor/clock.h"

/* G2 for commits: members of the present generation, and anybody while nobody is a member. */
static int16_t
check_commit(const struct group_commit *commit, struct group *group)
{
    int16_t error;
    if (!group) {
        return commit->generation < 0 ? CODE_NONE
               : commit->group_error  ? CODE_GROUP_ID_NOT_FOUND
                                      : CODE_ILLEGAL_GENERATION;
    }
    if (commit->generation < 0 && group->state == GROUP_EMPTY) {
        return CODE_NONE;
    }
    if (commit->generation < 0 && commit->member_id.size == 0 && !commit->instance_id.data) {
        return CODE_UNKNOWN_MEMBER_ID;
    }
    struct member *member = group_speaker(group, commit->member_id, commit->instance_id, &error);
    if (!member) {
        return error;
    }
    if (commit->generation != group->generation) {
        return CODE_ILLEGAL_GENERATION;
    }
    if (group->state == GROUP_COMPLETING) {
        return CODE_REBALANCE_IN_PROGRESS;
    }
    member_alive(member);
    return CODE_NONE;
}

static int16_t
check_offset(const struct coordinator *c, const struct group *group,
        const struct group_offset *offset, size_t metadata_max)
{
    if (java_string_length(offset->metadata) > metadata_max) {
        return CODE_OFFSET_METADATA_TOO_LARGE;
    }
    const struct committed *old =
            group ? group_get_offset(group, offset->topic, offset->partition) : NULL;
    if (coordinators_are_full(c->home) && (!old || offset->metadata.size > old->metadata.size)) {
        MARK("groups: no room for an offset");
        return CODE_COORDINATOR_NOT_AVAILABLE;
    }
    return CODE_NONE;
}

static int
commit_here(struct coordinator *c, void *arg)
{
    struct group_commit *commit = arg;
    struct group_records records;
    size_t metadata_max =
            (size_t)settings_int(c->home->groups->options.settings, "offset.metadata.max.bytes");
    struct group *group = coordinator_group(c, commit->group_id);
    int16_t error = check_commit(commit, group);
    if (error) {
        return error;
    }
    int64_t now_ms = clock_wall_ms();
    group_records_init(&records);
    for (size_t i = 0; i < commit->count; i++) {
        struct group_offset *offset = &commit->offsets[i];
        offset->error =
                offset->error ? offset->error : check_offset(c, group, offset, metadata_max);
        offset->commit_ms = now_ms;
        offset->expire_ms = commit->retention_ms < 0 ? -1 : now_ms + commit->retention_ms;
        if (!offset->error) {
            group_records_offset(&records, commit->group_id, offset);
            c->home->commits++;
        }
    }
    return coordinator_commit(c, &records);
}

void
group_commit(struct group_commit *commit)
{
    int16_t error = commit->group_id.size == 0
                            ? CODE_INVALID_GROUP_ID
                            : group_call(commit->groups, commit->group_id, commit_here, commit);
    for (size_t i = 0; i < commit->count; i++) {
        struct group_offset *offset = &commit->offsets[i];
        offset->error = offset->error ? offset->error : error;
    }
}

static void
fill(struct group_fetch *fetch, const struct committed *committed, struct group_offset *out)
{
    out->offset = committed ? committed->offset + (MUTANT(MUTANT_COMMIT_AHEAD) ? 1 : 0) : -1;
    out->leader_epoch = committed ? committed->leader_epoch : -1;
    out->metadata = committed ? arena_dup(fetch->arena, committed->metadata) : BYTES_LITERAL("");
    out->error = CODE_NONE;
}

static void
fetch_all(struct group_fetch *fetch, const struct group *group)
{
    fetch->offsets = arena_alloc_array(fetch->arena, group->offsets.count, sizeof *fetch->offsets);
    MAP_FOREACH(node, &group->offsets)
    {
        const struct committed *committed = CONTAINER_OF(node, struct committed, node);
        struct group_offset *out = &fetch->offsets[fetch->count++];
        out->topic = arena_dup(fetch->arena, committed->topic);
        out->topic_id = committed->topic_id;
        out->partition = committed->partition;
        fill(fetch, committed, out);
    }
}

static int
fetch_here(struct coordinator *c, void *arg)
{
    struct group_fetch *fetch = arg;
    const struct group *group = coordinator_group(c, fetch->group_id);
    if (!fetch->offsets) {
        fetch->count = 0;
        if (group) {
            fetch_all(fetch, group);
        }
        return CODE_NONE;
    }
    for (size_t i = 0; i < fetch->count; i++) {
        struct group_offset *out = &fetch->offsets[i];
        if (!out->error) {
            fill(fetch, group ? group_get_offset(group, out->topic, out->partition) : NULL, out);
        }
    }
    return CODE_NONE;
}

void
group_fetch(struct group_fetch *fetch)
{
    fetch->error = fetch->group_id.size == 0
                           ? CODE_INVALID_GROUP_ID
                           : group_call(fetch->groups, fetch->group_id, fetch_here, fetch);
}

static int
forget_here(struct coordinator *c, void *arg)
{
    struct group_forget *forget = arg;
    struct group_records records;
    const struct group *group = coordinator_group(c, forget->group_id);
    if (!group) {
        return CODE_GROUP_ID_NOT_FOUND;
    }
    if (group->state != GROUP_EMPTY && !group_of_consumers(group)) {
        return CODE_NON_EMPTY_GROUP;
    }
    group_records_init(&records);
    for (size_t i = 0; i < forget->count; i++) {
        struct group_offset *offset = &forget->offsets[i];
        if (offset->error) {
            continue;
        }
        if (group_subscribes(group, offset->topic)) {
            offset->error = CODE_GROUP_SUBSCRIBED_TO_TOPIC;
        } else if (group_get_offset(group, offset->topic, offset->partition)) {
            group_records_offset_gone(&records, forget->group_id, offset->topic, offset->partition);
        }
    }
    return coordinator_commit(c, &records);
}

void
group_forget(struct group_forget *forget)
{
    forget->error = forget->group_id.size == 0
                            ? CODE_INVALID_GROUP_ID
                            : group_call(forget->groups, forget->group_id, forget_here, forget);
}
