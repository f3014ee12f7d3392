/* Log compaction of one partition: what is due, the reading and the writing. */
#include "partition/clean.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#include <errno.h>
#include <stdlib.h>

#define CLEAN_TIMEOUT_NS (120ull * NS_PER_S)
/* What a small batch costs in memory beside its bytes. */
#define BATCH_OVERHEAD 192u

static uint64_t
ranges_size(const struct layout *layout, size_t first, size_t end)
{
    uint64_t size = 0;
    for (size_t i = first; i < end; i++) {
        size += layout->ranges[i].size;
    }
    return size;
}

/* The first timestamp that the dirty part is known to have; INT64_MAX: none. */
static int64_t
dirty_since_ms(const struct cleaner *cleaner)
{
    for (size_t i = cleaner->dirty; i < cleaner->end; i++) {
        if (cleaner->layout.ranges[i].timestamp_max >= 0) {
            return cleaner->layout.ranges[i].timestamp_max;
        }
    }
    return INT64_MAX;
}

static bool
is_older(const struct cleaner *cleaner, int64_t since_ms, int64_t age_ms)
{
    return since_ms < cleaner->now_ms && cleaner->now_ms - since_ms > age_ms;
}

bool
clean_is_due(const struct cleaner *cleaner, uint32_t ranges_min)
{
    const struct topic_limits *limits = &cleaner->partition->limits;
    if (cleaner->dirty >= cleaner->end) {
        return false;
    }
    int64_t since_ms = dirty_since_ms(cleaner);
    if (limits->max_compaction_lag_ms > 0 &&
            is_older(cleaner, since_ms, limits->max_compaction_lag_ms)) {
        return true;
    }
    uint64_t dirty = ranges_size(&cleaner->layout, cleaner->dirty, cleaner->end);
    uint64_t all = ranges_size(&cleaner->layout, cleaner->first, cleaner->end);
    bool enough = cleaner->end - cleaner->dirty >= ranges_min ||
                  (limits->segment_bytes > 0 && dirty >= (uint64_t)limits->segment_bytes) ||
                  (limits->segment_ms > 0 && is_older(cleaner, since_ms, limits->segment_ms));
    return enough && (double)dirty >= limits->min_cleanable_dirty_ratio * (double)all;
}

/* Which ranges the pass is about. */
static void
cleaner_bound(struct cleaner *cleaner)
{
    const struct layout *layout = &cleaner->layout;
    int64_t lag_ms = cleaner->partition->limits.min_compaction_lag_ms;
    while (cleaner->first < layout->count &&
            layout->ranges[cleaner->first].end_offset <= layout->log_start_offset) {
        cleaner->first++;
    }
    cleaner->dirty = cleaner->first;
    while (cleaner->dirty < layout->count &&
            (layout->ranges[cleaner->dirty].flags & STORE_RANGE_CLEANED)) {
        cleaner->dirty++;
    }
    cleaner->end = cleaner->dirty;
    while (cleaner->end < layout->count &&
            (lag_ms <= 0 ||
                    is_older(cleaner, layout->ranges[cleaner->end].timestamp_max, lag_ms))) {
        cleaner->end++;
    }
}

static int
clean_producer_compare(const void *a, const void *b)
{
    int64_t left = ((const struct clean_producer *)a)->id;
    int64_t right = ((const struct clean_producer *)b)->id;
    return left < right ? -1 : left > right;
}

static int
cleaner_load_producers(struct cleaner *cleaner)
{
    struct producer_states *states = &cleaner->partition->producers;
    size_t capacity = 0;
    int r = partition_load_producers(cleaner->shard, cleaner->partition);
    if (r < 0) {
        return r;
    }
    LIST_FOREACH (link, &states->by_use) {
        const struct producer *producer = CONTAINER_OF(link, struct producer, link);
        if (producer->batch_count == 0) {
            continue;
        }
        if (cleaner->producer_count == capacity) {
            capacity = capacity * 2 + 16;
            cleaner->producers =
                    mem_realloc(cleaner->producers, capacity * sizeof *cleaner->producers);
        }
        cleaner->producers[cleaner->producer_count++] = (struct clean_producer){ producer->id,
            producer->batches[producer->batch_count - 1].last_offset, false };
    }
    if (cleaner->producer_count) {
        qsort(cleaner->producers, cleaner->producer_count, sizeof *cleaner->producers,
                clean_producer_compare);
    }
    return 0;
}

/* Reads some batches of range i from *offset on and hands them to fn. */
static int
cleaner_step(struct cleaner *cleaner, size_t i, int64_t *offset, int (*fn)(void *chunk),
        bool *ret_stopped)
{
    const struct store_range *range = &cleaner->layout.ranges[i];
    struct slices batches;
    slices_init(&batches);
    int r = store_read(
            cleaner->shard->options.store, range, *offset, CLEAN_READ_SIZE, NULL, &batches);
    struct clean_chunk chunk = {
        .cleaner = cleaner,
        .batches = &batches,
        .next_offset = batches.count ? *offset : range->end_offset,
    };
    if (r == 0) {
        r = offload_run(fn, &chunk);
    }
    slices_done(&batches);
    *offset = MAX(*offset, chunk.next_offset);
    *ret_stopped = chunk.stopped;
    return r;
}

/* Hands the dirty part to fn until it stops. Returns the offset behind what it has looked at in
 * *ret_offset, and the range that is in. */
static int
cleaner_walk(
        struct cleaner *cleaner, int (*fn)(void *chunk), int64_t *ret_offset, size_t *ret_range)
{
    bool stopped = false;
    for (size_t i = cleaner->dirty; i < cleaner->end && !stopped; i++) {
        const struct store_range *range = &cleaner->layout.ranges[i];
        int64_t offset = range->base_offset;
        while (offset < range->end_offset && !stopped) {
            int r = cleaner_step(cleaner, i, &offset, fn, &stopped);
            if (r < 0) {
                return r;
            }
        }
        *ret_offset = stopped ? offset : range->end_offset;
        *ret_range = i;
    }
    return 0;
}

/* Begins the map anew. */
static void
cleaner_forget(struct cleaner *cleaner)
{
    size_t keys_max = cleaner->map.keys_max;
    clean_map_done(&cleaner->map);
    clean_map_init(&cleaner->map, keys_max);
}

/* The keys of what is dirty. Where the map is full, or a transaction is open, the rest is left for
 * another pass. 0: nothing can be done now; 1: there is something. */
static int
cleaner_gather(struct cleaner *cleaner)
{
    size_t last = cleaner->dirty;
    int r = cleaner_walk(cleaner, clean_gather, &cleaner->mapped_offset, &last);
    if (r == 0 && cleaner->txns.wanted) {
        r = cleaner_walk(cleaner, clean_scan, &cleaner->mapped_offset, &last);
        clean_txns_settle(&cleaner->txns);
        cleaner_forget(cleaner);
        if (r == 0) {
            r = cleaner_walk(cleaner, clean_gather, &cleaner->mapped_offset, &last);
        }
    }
    if (r < 0) {
        return r;
    }
    cleaner->end = last + 1;
    return cleaner->mapped_offset > cleaner->layout.ranges[cleaner->dirty].base_offset;
}

static int
cleaner_add_run(void *arg)
{
    void **args = arg;
    return object_builder_add(args[0], args[1]);
}

/* Writes one object of what has come together, and notes its range. */
static int
cleaner_write(struct cleaner *cleaner, int64_t base_offset, int64_t end_offset)
{
    struct shard *shard = cleaner->shard;
    struct meta *meta = shard->options.meta;
    const struct store_range *ranges;
    size_t count;
    uint64_t id;
    int r = object_ids_take(&shard->upkeep_ids, &id);
    if (r < 0) {
        return r;
    }
    struct object_builder *builder =
            object_builder_new(id, meta_broker_id(meta), meta_broker_epoch(meta));
    struct object_run run = {
        .key = cleaner->partition->key,
        .leader_epoch = cleaner->partition->epoch,
        .base_offset = base_offset,
        .end_offset = end_offset,
        .batches = cleaner->out.items,
        .batch_count = cleaner->out.count,
    };
    r = offload_run(cleaner_add_run, (void *[]){ builder, &run });
    if (r == 0) {
        r = store_write_object(
                shard->options.store, builder, clock_mono_ns() + CLEAN_TIMEOUT_NS, &ranges, &count);
    }
    if (r == 0) {
        if (cleaner->count == cleaner->capacity) {
            cleaner->capacity = cleaner->capacity * 2 + 16;
            cleaner->ranges =
                    mem_realloc(cleaner->ranges, cleaner->capacity * sizeof *cleaner->ranges);
        }
        struct store_range *range = &cleaner->ranges[cleaner->count++];
        *range = ranges[0];
        range->flags = end_offset <= cleaner->mapped_offset ? STORE_RANGE_CLEANED : 0;
    }
    object_builder_free(builder);
    slices_done(&cleaner->out);
    slices_init(&cleaner->out);
    return r;
}

/* Writes what was filtered when it is enough for an object, or when the map ends here: what comes
 * then is not clean. */
static int
cleaner_flush(struct cleaner *cleaner, int64_t *base, int64_t offset, bool stopped)
{
    uint64_t held = cleaner->out.bytes + cleaner->out.count * BATCH_OVERHEAD;
    cleaner->beyond = cleaner->beyond || stopped;
    if (held < CLEAN_OBJECT_SIZE && !(stopped && offset > *base)) {
        return 0;
    }
    int r = cleaner_write(cleaner, *base, offset);
    *base = offset;
    return r;
}

/* Rewrites range i. *base: the first offset that is in no object yet. */
static int
cleaner_rewrite_range(struct cleaner *cleaner, size_t i, int64_t *base)
{
    const struct store_range *range = &cleaner->layout.ranges[i];
    int64_t offset = MAX(range->base_offset, cleaner->layout.log_start_offset);
    int r = 0;
    while (r == 0 && offset < range->end_offset) {
        bool stopped;
        r = cleaner_step(cleaner, i, &offset, clean_filter, &stopped);
        if (r == 0) {
            r = cleaner_flush(cleaner, base, offset, stopped);
        }
    }
    return r;
}

static int
cleaner_rewrite(struct cleaner *cleaner)
{
    const struct layout *layout = &cleaner->layout;
    int64_t base = layout->ranges[cleaner->first].base_offset;
    int64_t end = layout->ranges[cleaner->end - 1].end_offset;
    for (size_t i = cleaner->first; i < cleaner->end; i++) {
        int r = cleaner_rewrite_range(cleaner, i, &base);
        if (r < 0) {
            return r;
        }
    }
    return base < end ? cleaner_write(cleaner, base, end) : 0;
}

static int
cleaner_commit(struct cleaner *cleaner)
{
    const struct layout *layout = &cleaner->layout;
    size_t rest = layout->manifest_count > cleaner->end ? layout->manifest_count - cleaner->end : 0;
    struct store_range *ranges = mem_alloc_array(cleaner->count + rest + 1, sizeof *ranges);
    memcpy(ranges, cleaner->ranges, cleaner->count * sizeof *ranges);
    if (rest) {
        memcpy(ranges + cleaner->count, layout->ranges + cleaner->end, rest * sizeof *ranges);
    }
    struct layout_change change = {
        .ranges = ranges,
        .count = cleaner->count + rest,
        .manifest_end_offset =
                MAX(layout->manifest_end_offset, layout->ranges[cleaner->end - 1].end_offset),
        .log_start_offset = layout->log_start_offset,
    };
    int r = layout_commit(cleaner->shard, cleaner->partition, layout, &change);
    mem_free(ranges);
    return r;
}

static int
cleaner_run(struct cleaner *cleaner)
{
    uint64_t before = ranges_size(&cleaner->layout, cleaner->first, cleaner->end);
    int r = cleaner_load_producers(cleaner);
    if (r == 0) {
        r = cleaner_gather(cleaner);
        if (r == 0) {
            MARK("clean: nothing can be compacted yet");
            return 0;
        }
        r = r < 0 ? r : 0;
    }
    if (r == 0) {
        r = cleaner_rewrite(cleaner);
    }
    if (r == 0) {
        r = cleaner_commit(cleaner);
    }
    if (r == 0) {
        struct shard_stats *stats = &cleaner->shard->stats;
        stats->cleanings++;
        stats->cleaned_records += cleaner->records_removed;
        LOG_INFO("log compacted", LOG_STR("topic", cleaner->partition->topic_name),
                LOG_INT("partition", cleaner->partition->key.index),
                LOG_INT("records_removed", cleaner->records_removed),
                LOG_INT("bytes_before", before));
    }
    return r < 0 ? r : 1;
}

int
partition_clean_locked(struct shard *shard, struct partition *partition, uint32_t ranges_min)
{
    struct cleaner cleaner = {
        .shard = shard,
        .partition = partition,
        .now_ms = clock_wall_ms(),
        .delete_retention_ms = partition->limits.delete_retention_ms,
        .txns = { .stable_offset = INT64_MAX },
    };
    int r = layout_load(shard, partition, &cleaner.layout);
    if (r < 0) {
        return r;
    }
    slices_init(&cleaner.out);
    cleaner_bound(&cleaner);
    if (clean_is_due(&cleaner, ranges_min)) {
        size_t keys_max = shard->options.clean_keys_max;
        clean_map_init(&cleaner.map, keys_max ? keys_max : CLEAN_KEYS_MAX);
        r = cleaner_run(&cleaner);
        clean_map_done(&cleaner.map);
    }
    slices_done(&cleaner.out);
    clean_txns_done(&cleaner.txns);
    mem_free(cleaner.producers);
    mem_free(cleaner.ranges);
    layout_done(&cleaner.layout);
    return r;
}
