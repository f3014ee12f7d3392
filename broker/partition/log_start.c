/* Moving a partition's log start up: DeleteRecords and retention (Q8). */
#include "base/fault.h"
#include "base/mark.h"
#include "partition/upkeep.h"

#include <errno.h>

/* How often the partition may change under us before we give up. */
#define ATTEMPTS_MAX 8

/* True when the range with the newest checkpoint lies wholly below `offset`. */
static bool
would_lose_checkpoint(const struct meta_partition *description, int64_t offset)
{
    for (int32_t i = description->range_count - 1; i >= 0; i--) {
        if (description->ranges[i].checkpoint_size) {
            return description->ranges[i].end_offset <= offset;
        }
    }
    return false;
}

static int
propose_log_start(struct shard *shard, struct partition *partition, int64_t offset)
{
    const struct meta_record record = {
        .type = META_LOG_START,
        .log_start = { partition->key, partition->epoch, offset },
    };
    struct meta_result result;
    int r = meta_propose_one(shard->options.meta, &record, &result);
    /* -EINVAL: it is higher already. */
    return r == -EINVAL ? 0 : r;
}

/* The ranges below `offset` go, and a manifest keeps their checkpoint. */
static int
commit_log_start(struct shard *shard, struct partition *partition, int64_t offset)
{
    struct layout layout;
    int r = layout_load(shard, partition, &layout);
    if (r < 0) {
        return r;
    }
    size_t first = 0;
    while (first < layout.manifest_count && layout.ranges[first].end_offset <= offset) {
        first++;
    }
    struct layout_change change = {
        .ranges = layout.ranges + first,
        .count = layout.manifest_count - first,
        .manifest_end_offset = layout.manifest_end_offset,
        .log_start_offset = offset,
    };
    for (size_t i = layout.manifest_count; i < layout.count; i++) {
        if (layout.ranges[i].end_offset <= offset) {
            change.manifest_end_offset = layout.ranges[i].end_offset;
        }
    }
    if (change.manifest_end_offset > layout.manifest_end_offset) {
        MARK("log start: a manifest takes the checkpoint over");
        r = layout_commit(shard, partition, &layout, &change);
    }
    layout_done(&layout);
    return r;
}

static int
move_log_start(struct shard *shard, struct partition *partition, int64_t offset)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    if (!would_lose_checkpoint(description, offset)) {
        return propose_log_start(shard, partition, offset);
    }
    int r = mutex_lock(&partition->upkeep_lock);
    if (r < 0) {
        return r;
    }
    r = commit_log_start(shard, partition, offset);
    mutex_unlock(&partition->upkeep_lock);
    return r;
}

/* 0: the log start is there; 1: one step was made, look again. */
static int
step_log_start(struct shard *shard, struct partition *partition, int64_t offset)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    if (!description || partition->closed) {
        return -ENOENT;
    }
    if (description->log_start_offset >= offset) {
        return 0;
    }
    /* What is not committed yet would be passed over by its commit, checkpoint and all. */
    int r = description->end_offset < offset ? shard_flush(shard)
                                             : move_log_start(shard, partition, offset);
    return r == 0 || r == -EAGAIN ? 1 : r;
}

int
partition_set_log_start(struct shard *shard, struct partition *partition, int64_t offset)
{
    if (partition->closed) {
        return -ENOENT;
    }
    if (offset > partition->high_watermark || offset < 0) {
        return -ERANGE;
    }
    int r = 1;
    partition_hold(partition);
    for (int i = 0; i < ATTEMPTS_MAX && r > 0; i++) {
        r = step_log_start(shard, partition, offset);
    }
    if (r == 0) {
        wait_queue_wake_all(&shard->retention_wanted);
    } else if (r > 0) {
        r = fault(-EAGAIN, "%s-%d: the log start was not moved: the partition kept changing",
                partition->topic_name, partition->key.index);
    }
    partition_release(partition);
    return r;
}
