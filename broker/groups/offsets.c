/* Committed offsets of a group: in memory, behind the log. */
#include "base/mem.h"
#include "groups/group.h"
#include "groups/kafka_codes.h"

struct offset_key {
    struct bytes topic;
    int32_t partition;
};

static bool
committed_has_key(const struct map_node *node, const void *key)
{
    const struct committed *committed = CONTAINER_OF(node, struct committed, node);
    const struct offset_key *wanted = key;
    return committed->partition == wanted->partition &&
           bytes_equal(wanted->topic, bytes_of_string(committed->topic));
}

static uint64_t
offset_hash(struct bytes topic, int32_t partition)
{
    return bytes_hash(topic, (uint64_t)(uint32_t)partition);
}

struct committed *
group_get_offset(const struct group *group, struct bytes topic, int32_t partition)
{
    struct offset_key key = { topic, partition };
    struct map_node *node =
            map_find(&group->offsets, offset_hash(topic, partition), committed_has_key, &key);
    return node ? CONTAINER_OF(node, struct committed, node) : NULL;
}

static char *
dup_text(struct bytes bytes)
{
    char *text = mem_alloc(bytes.size + 1);
    if (bytes.size) {
        memcpy(text, bytes.data, bytes.size);
    }
    return text;
}

static void
committed_free(struct group *group, struct committed *committed)
{
    map_remove(&group->offsets, &committed->node);
    mem_free(committed->topic);
    mem_free(committed->metadata);
    mem_free(committed);
}

void
group_set_offset(struct group *group, const struct group_offset *offset)
{
    struct committed *committed = group_get_offset(group, offset->topic, offset->partition);
    if (offset->offset < 0) {
        if (committed) {
            committed_free(group, committed);
        }
        return;
    }
    if (!committed) {
        committed = mem_alloc(sizeof *committed);
        committed->topic = dup_text(offset->topic);
        committed->partition = offset->partition;
        map_insert(
                &group->offsets, &committed->node, offset_hash(offset->topic, offset->partition));
    }
    mem_free(committed->metadata);
    committed->metadata = dup_text(offset->metadata);
    committed->offset = offset->offset;
    committed->leader_epoch = offset->leader_epoch;
}

void
group_free_offsets(struct group *group)
{
    MAP_FOREACH_SAFE(node, &group->offsets)
    {
        committed_free(group, CONTAINER_OF(node, struct committed, node));
    }
    map_done(&group->offsets);
}

/* G2 for commits. */
static int16_t
check_commit(const struct group_commit *commit, struct group *group)
{
    if (commit->generation < 0 && commit->member_id.size == 0) {
        /* A simple consumer commits only while nobody is a member. */
        return group->member_count ? CODE_UNKNOWN_MEMBER_ID : CODE_NONE;
    }
    struct member *member = commit->instance_id.data
                                    ? group_static_member(group, commit->instance_id)
                                    : group_member(group, commit->member_id);
    if (!member || member->pending) {
        return CODE_UNKNOWN_MEMBER_ID;
    }
    if (!bytes_equal(commit->member_id, bytes_of_string(member->id))) {
        return CODE_FENCED_INSTANCE_ID;
    }
    if (commit->generation != group->generation) {
        return CODE_ILLEGAL_GENERATION;
    }
    member_alive(member);
    return group->state == GROUP_COMPLETING ? CODE_REBALANCE_IN_PROGRESS : CODE_NONE;
}

static void
set_all(struct group_commit *commit, int16_t error)
{
    for (size_t i = 0; i < commit->count; i++) {
        commit->offsets[i].error = commit->offsets[i].error ? commit->offsets[i].error : error;
    }
}

void
group_commit(struct group_commit *commit)
{
    size_t metadata_max =
            (size_t)settings_int(commit->groups->options.settings, "offset.metadata.max.bytes");
    struct group *group = group_get(commit->groups, commit->group_id);
    int16_t error = group ? check_commit(commit, group) : (int16_t)CODE_COORDINATOR_NOT_AVAILABLE;
    size_t good = 0;
    for (size_t i = 0; i < commit->count; i++) {
        if (commit->offsets[i].metadata.size > metadata_max && commit->offsets[i].error == 0) {
            commit->offsets[i].error = CODE_OFFSET_METADATA_TOO_LARGE;
        }
        good += commit->offsets[i].error == 0;
    }
    if (error || good == 0) {
        set_all(commit, error);
        return;
    }
    int r = offsets_log_append(commit->groups, commit->group_id, commit->offsets, commit->count);
    if (r < 0) {
        set_all(commit, CODE_COORDINATOR_NOT_AVAILABLE);
        return;
    }
    for (size_t i = 0; i < commit->count; i++) {
        if (commit->offsets[i].error == 0) {
            group_set_offset(group, &commit->offsets[i]);
        }
    }
}

static void
fill(struct group_fetch *fetch, const struct committed *committed, struct group_offset *out)
{
    out->offset = committed ? committed->offset : -1;
    out->leader_epoch = committed ? committed->leader_epoch : -1;
    out->metadata = committed ? arena_dup(fetch->arena, bytes_of_string(committed->metadata))
                              : BYTES_LITERAL("");
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
        out->topic = arena_dup(fetch->arena, bytes_of_string(committed->topic));
        out->partition = committed->partition;
        fill(fetch, committed, out);
    }
}

void
group_fetch(struct group_fetch *fetch)
{
    const struct group *group = group_find(fetch->groups, fetch->group_id);
    fetch->error = CODE_NONE;
    if (!fetch->offsets) {
        fetch->count = 0;
        if (group) {
            fetch_all(fetch, group);
        }
        return;
    }
    for (size_t i = 0; i < fetch->count; i++) {
        struct group_offset *out = &fetch->offsets[i];
        fill(fetch, group ? group_get_offset(group, out->topic, out->partition) : NULL, out);
    }
}
