/* Finding offsets by time: the ranges know their greatest timestamp, so only one object is read. */
#include "base/fault.h"
#include "base/mark.h"
#include "base/strbuf.h"
#include "partition/shard_internal.h"
#include "wire/record_batch.h"

#include <errno.h>

#define LOOKUPS_MAX 4
/* How far a look-up goes on by records when what the indexes say is below the log start. */
#define NEAR_LOG_START (16 * MIB)

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
        if (r == -ENOENT && *offset < partition_log_start(partition)) {
            /* Q7: the log start has passed us. */
            MARK("offsets: the log start moved during the look-up");
            *offset = partition_log_start(partition);
            continue;
        }
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

/* Looks into the objects from the log start on. -ENOENT: none of them has it. */
static int
objects_find_timestamp(struct shard *shard, struct partition *partition, int64_t timestamp_ms,
        int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    int64_t offset = partition_log_start(partition);
    int stale = 0;
    for (;;) {
        struct store_range range;
        int r = find_range_by_time(shard, partition, timestamp_ms, &offset, &range);
        if (r < 0) {
            return r;
        }
        r = store_find_timestamp(
                shard->options.store, &range, timestamp_ms, ret_offset, ret_timestamp_ms);
        if (r == -ESTALE && stale++ < LOOKUPS_MAX) {
            /* Q7: merged or removed while we looked. */
            MARK("offsets: object replaced during the look-up");
            offset = MAX(offset, partition_log_start(partition));
            continue;
        }
        if (r == -ESTALE) {
            return fault_note(-EIO, "%s-%d: an object is missing", partition->topic_name,
                    partition->key.index);
        }
        if (r != -ENOENT) {
            return r;
        }
        offset = range.end_offset;
    }
}

/* The first record of the run from `offset` on that is not older. 1: found. */
static int
batches_find_timestamp(struct bytes run, int64_t timestamp_ms, int64_t offset, int64_t *ret_offset,
        int64_t *ret_timestamp_ms)
{
    struct record_batch batch;
    int r;
    while ((r = record_batch_next(&run, &batch)) > 0) {
        struct strbuf unfolded;
        struct record_iterator it;
        struct record record;
        enum compression codec = record_batch_compression(&batch);
        strbuf_init(&unfolded, DECOMPRESSED_SIZE_MAX);
        r = codec == COMPRESSION_NONE ? 0 : decompress(codec, batch.records, 0, &unfolded);
        record_iterator_init(
                &it, &batch, codec == COMPRESSION_NONE ? batch.records : strbuf_bytes(&unfolded));
        while (r == 0 && (r = record_iterator_next(&it, &record)) > 0) {
            bool fits = record.offset >= offset && record.timestamp >= timestamp_ms;
            *ret_offset = record.offset;
            *ret_timestamp_ms = record.timestamp;
            r = fits;
        }
        strbuf_done(&unfolded);
        if (r != 0) {
            return r;
        }
    }
    return r;
}

/* Reads on from the log start: timestamps ascend but for a few, so the record is near. */
static int
find_from_log_start(struct shard *shard, struct partition *partition, int64_t timestamp_ms,
        int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    int64_t offset = partition_log_start(partition);
    for (size_t bytes = 0; bytes < NEAR_LOG_START;) {
        struct slices slices;
        slices_init(&slices);
        int r = partition_read(shard, partition, offset, MIB, NULL, &slices);
        for (size_t i = 0; r == 0 && i < slices.count; i++) {
            r = batches_find_timestamp(
                    slices.items[i].bytes, timestamp_ms, offset, ret_offset, ret_timestamp_ms);
        }
        bool end = slices.bytes == 0;
        bytes += slices.bytes;
        slices_done(&slices);
        if (r != 0 || end) {
            return r > 0 ? 0 : r == 0 ? -ENOENT : r;
        }
        offset = *ret_offset + 1;
    }
    /* Far from sorted. */
    *ret_offset = offset;
    return 0;
}

int
partition_find_timestamp(struct shard *shard, struct partition *partition, int64_t timestamp_ms,
        int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    int r = objects_find_timestamp(shard, partition, timestamp_ms, ret_offset, ret_timestamp_ms);
    if (r == -ENOENT) {
        r = log_tail_find_timestamp(&partition->tail, timestamp_ms, partition->high_watermark,
                ret_offset, ret_timestamp_ms);
    }
    /* Batches are whole, also in the cache: what lies below the log start is not there. */
    if (r == 0 && *ret_offset < partition_log_start(partition)) {
        MARK("offsets: the record found is below the log start");
        r = find_from_log_start(shard, partition, timestamp_ms, ret_offset, ret_timestamp_ms);
    }
    return r;
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
