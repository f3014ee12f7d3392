/* Finding offsets by time: the ranges know their greatest timestamp, so only one object is read. */
#include "partition/shard_internal.h"

#include <errno.h>

/* The first range from *offset on that may hold the timestamp; moves *offset behind the ranges that
 * cannot. */
static int
find_range_by_time(struct shard *shard, struct partition *partition, int64_t timestamp_ms,
        int64_t *offset, struct store_range *ret_range)
{
    for (;;) {
        struct store_range range;
        if (*offset >= partition->tail.start_offset) {
            return -ENOENT;
        }
        int r = partition_find_range(shard, partition, *offset, &range);
        if (r < 0) {
            return r;
        }
        if (range.timestamp_max >= timestamp_ms) {
            *ret_range = range;
            return 0;
        }
        *offset = range.end_offset;
    }
}

int
partition_find_timestamp(struct shard *shard, struct partition *partition, int64_t timestamp_ms,
        int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    int64_t offset = partition_log_start(partition);
    for (;;) {
        struct store_range range;
        int r = find_range_by_time(shard, partition, timestamp_ms, &offset, &range);
        if (r == -ENOENT) {
            break;
        }
        if (r < 0) {
            return r;
        }
        r = store_find_timestamp(
                shard->options.store, &range, timestamp_ms, ret_offset, ret_timestamp_ms);
        if (r != -ENOENT) {
            return r;
        }
        offset = range.end_offset;
    }
    return log_tail_find_timestamp(&partition->tail, timestamp_ms, partition->high_watermark,
            ret_offset, ret_timestamp_ms);
}

/* The greatest timestamp of the objects from the log start to the cache. */
static int
objects_max_timestamp(struct shard *shard, struct partition *partition, int64_t *ret_timestamp_ms)
{
    int64_t offset = partition_log_start(partition);
    int64_t greatest = -1;
    while (offset < partition->tail.start_offset) {
        struct store_range range;
        int r = partition_find_range(shard, partition, offset, &range);
        if (r < 0) {
            return r;
        }
        greatest = MAX(greatest, range.timestamp_max);
        offset = range.end_offset;
    }
    *ret_timestamp_ms = greatest;
    return 0;
}

int
partition_find_max_timestamp(struct shard *shard, struct partition *partition, int64_t *ret_offset,
        int64_t *ret_timestamp_ms)
{
    int64_t greatest;
    int r = objects_max_timestamp(shard, partition, &greatest);
    if (r < 0) {
        return r;
    }
    /* Something newer than all objects may be in the cache: follow it upwards. */
    int64_t offset;
    int64_t timestamp;
    while (log_tail_find_timestamp(&partition->tail, greatest + 1, partition->high_watermark,
                   &offset, &timestamp) == 0) {
        greatest = timestamp;
    }
    if (greatest < 0) {
        return -ENOENT;
    }
    return partition_find_timestamp(shard, partition, greatest, ret_offset, ret_timestamp_ms);
}
