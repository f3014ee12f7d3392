/* What changes a partition's ranges: commits, merges, log starts. All of M6 is here. */
#include "base/check.h"
#include "meta/state_internal.h"

#include <errno.h>

#define RANGES_SLACK_MAX 64

void
partition_append_range(struct meta_partition *partition, const struct store_range *range)
{
    if (partition->range_count == partition->range_capacity) {
        partition->range_capacity = partition->range_capacity * 2 + 4;
        partition->ranges = mem_realloc(
                partition->ranges, (size_t)partition->range_capacity * sizeof *partition->ranges);
    }
    partition->ranges[partition->range_count++] = *range;
}

void
partition_drop_ranges(struct meta_state *state, struct meta_partition *partition, int32_t count)
{
    CHECK(count <= partition->range_count);
    if (count == 0) {
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        object_release(state, partition->ranges[i].object_id);
    }
    partition->range_count -= count;
    memmove(partition->ranges, partition->ranges + count,
            (size_t)partition->range_count * sizeof *partition->ranges);
    if (partition->range_capacity > 2 * partition->range_count + RANGES_SLACK_MAX) {
        partition->range_capacity = partition->range_count + 4;
        partition->ranges = mem_realloc(
                partition->ranges, (size_t)partition->range_capacity * sizeof *partition->ranges);
    }
}

/* Number of leading ranges that end at or before `offset`. */
static int32_t
ranges_before(const struct meta_partition *partition, int64_t offset)
{
    int32_t count = 0;
    while (count < partition->range_count && partition->ranges[count].end_offset <= offset) {
        count++;
    }
    return count;
}

static void
partition_raise_log_start(
        struct meta_state *state, struct meta_partition *partition, int64_t offset)
{
    partition->log_start_offset = MAX(partition->log_start_offset, offset);
    partition_drop_ranges(state, partition, ranges_before(partition, partition->log_start_offset));
}

/* 0, or why the range cannot be committed; the partition is NULL when its topic is gone. */
static int
commit_check_range(struct meta_state *state, const struct meta_commit_record *record,
        const struct meta_commit_range *range)
{
    struct meta_partition *partition = partition_find(state, range->key);
    if (!partition) {
        return meta_topic_by_id(state, &range->key.topic_id) ? -EINVAL : 0;
    }
    /* M6. The owner's broker epoch may be older than the record's: a restarted broker commits what
     * it recovered from its old WAL before it opens the partition again, under the epoch in which
     * the batches were written. A taker does so for a dead one (K1). */
    bool may = partition->owner == record->broker_id ||
               taker_may_commit(state, partition->owner, record->broker_id, record->broker_epoch);
    if (!may || partition->epoch != range->range.leader_epoch) {
        return -ESTALE;
    }
    if (partition->touched == state->sequence || range->range.object_id != record->object_id ||
            range->range.base_offset != partition->end_offset ||
            range->range.end_offset <= range->range.base_offset) {
        return -EINVAL;
    }
    if (partition->range_count >= META_PARTITION_RANGES_MAX) {
        return -ENOSPC;
    }
    partition->touched = state->sequence;
    return 0;
}

static int
commit_check(struct meta_state *state, const struct meta_commit_record *record)
{
    if (!broker_is_current(state, record->broker_id, record->broker_epoch)) {
        return -ESTALE;
    }
    uint64_t id = record->object_id;
    const struct meta_intent *intent = intent_find(state, id);
    if (!intent) {
        /* A broker's intent goes only when all of it is used, or when that epoch is dead. */
        return id > 0 && id < state->next_object_id ? -EEXIST : -EINVAL;
    }
    if (intent->broker_id != record->broker_id || intent->broker_epoch != record->broker_epoch) {
        return -EINVAL;
    }
    if (meta_intent_is_used(intent, id)) {
        return -EEXIST;
    }
    if (record->range_count <= 0) {
        return -EINVAL;
    }
    for (int32_t i = 0; i < record->range_count; i++) {
        int r = commit_check_range(state, record, &record->ranges[i]);
        if (r) {
            return r;
        }
    }
    return 0;
}

struct meta_result
apply_commit(struct meta_state *state, const struct meta_commit_record *record)
{
    int r = commit_check(state, record);
    if (r) {
        return result_error(r);
    }
    intent_use(state, record->object_id);
    for (int32_t i = 0; i < record->range_count; i++) {
        const struct store_range *range = &record->ranges[i].range;
        struct meta_partition *partition = partition_find(state, record->ranges[i].key);
        if (!partition) {
            continue;
        }
        partition->end_offset = range->end_offset;
        if (range->end_offset > partition->log_start_offset) {
            partition_append_range(partition, range);
            object_get(state, record->object_id)->references++;
        }
    }
    if (!object_find(state, record->object_id)) {
        garbage_add(state, record->object_id, state->sequence);
    }
    return result_error(0);
}

/* M6: the partition is open in this leader epoch, and the broker that opened it has not been
 * replaced since. */
static bool
owner_is_current(const struct meta_state *state, const struct meta_partition *partition,
        int32_t leader_epoch)
{
    return leader_epoch == partition->epoch &&
           broker_is_current(state, partition->owner, partition->owner_broker_epoch);
}

/* The id was handed to the partition's owner and nothing has used it yet. */
static bool
id_is_fresh(const struct meta_state *state, const struct meta_partition *partition, uint64_t id)
{
    const struct meta_intent *intent = intent_find(state, id);
    return intent && intent->broker_id == partition->owner &&
           intent->broker_epoch == partition->owner_broker_epoch &&
           !meta_intent_is_used(intent, id);
}

static int
merge_check_ids(const struct meta_state *state, const struct meta_partition *partition,
        const struct meta_merge_record *record)
{
    if (record->manifest_id && !id_is_fresh(state, partition, record->manifest_id)) {
        return -EINVAL;
    }
    for (int32_t i = 0; i < record->added_count; i++) {
        uint64_t id = record->added[i];
        if (id == record->manifest_id ||
                (!id_is_fresh(state, partition, id) && !object_find(state, id))) {
            return -EINVAL;
        }
    }
    for (int32_t i = 0; i < record->garbage_count; i++) {
        uint64_t id = record->garbage[i];
        if (id == 0 || id >= state->next_object_id || id == record->manifest_id) {
            return -EINVAL;
        }
    }
    return 0;
}

static int
merge_check(const struct meta_state *state, const struct meta_partition *partition,
        const struct meta_merge_record *record)
{
    if (!owner_is_current(state, partition, record->leader_epoch)) {
        return -ESTALE;
    }
    if (record->manifest_id && record->manifest_id == partition->manifest_id) {
        return -EEXIST;
    }
    int64_t end = record->manifest_end_offset;
    int64_t log_start = MAX(partition->log_start_offset, record->log_start_offset);
    if (end < partition->manifest_end_offset || end > partition->end_offset ||
            (!record->manifest_id && end > log_start)) {
        return -EINVAL;
    }
    int32_t dropped = ranges_before(partition, end);
    if (dropped < partition->range_count && partition->ranges[dropped].base_offset < end) {
        return -EINVAL; /* would cut a range in two */
    }
    /* What holds offsets that are still readable must have gone somewhere. */
    if (dropped > 0 && partition->ranges[dropped - 1].end_offset > log_start &&
            record->added_count == 0) {
        return -EINVAL;
    }
    return merge_check_ids(state, partition, record);
}

struct meta_result
apply_merge(struct meta_state *state, const struct meta_merge_record *record)
{
    struct meta_partition *partition = partition_find(state, record->key);
    if (!partition) {
        return result_error(-ENOENT);
    }
    int r = merge_check(state, partition, record);
    if (r) {
        return result_error(r);
    }
    for (int32_t i = 0; i < record->added_count; i++) {
        struct object_entry *object = object_find(state, record->added[i]);
        if (object) {
            object->manifest_references++;
        } else {
            intent_use(state, record->added[i]);
        }
    }
    uint64_t former = partition->manifest_id;
    if (record->manifest_id) {
        intent_use(state, record->manifest_id);
    }
    partition->manifest_id = record->manifest_id;
    partition->manifest_end_offset = record->manifest_end_offset;
    partition_drop_ranges(state, partition, ranges_before(partition, record->manifest_end_offset));
    partition_raise_log_start(state, partition, record->log_start_offset);
    if (former) {
        garbage_add(state, former, state->sequence);
    }
    for (int32_t i = 0; i < record->garbage_count; i++) {
        if (!garbage_has(state, record->garbage[i])) {
            object_release_manifest(state, record->garbage[i]);
        }
    }
    return result_error(0);
}

struct meta_result
apply_log_start(struct meta_state *state, const struct meta_record *record)
{
    struct meta_partition *partition = partition_find(state, record->log_start.key);
    if (!partition) {
        return result_error(-ENOENT);
    }
    if (!owner_is_current(state, partition, record->log_start.leader_epoch)) {
        return result_error(-ESTALE);
    }
    if (record->log_start.offset < partition->log_start_offset) {
        return result_error(-EINVAL);
    }
    partition_raise_log_start(state, partition, record->log_start.offset);
    return result_error(0);
}
