/* Merges: a partition's small ranges become large single-partition objects that its manifest names,
 * so that metadata stays small however many uploads there were.
 *
 * Each pass takes the recent ranges from the oldest on, and with them those at the end of the
 * manifest that are not larger than what has come together: every record is rewritten a logarithmic
 * number of times at most. Groups end where an object would outgrow the topic's segment.bytes
 * (GROUP_SIZE_MAX at most), or would span more time or size than retention should drop at once.
 * Ranges that are large already are named by the manifest as they are. */
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "partition/upkeep.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>

#define MERGE_RANGES_MIN 64
#define MERGE_INTERVAL_NS (2ull * NS_PER_S)
#define MERGE_TIMEOUT_NS (120ull * NS_PER_S)
#define MERGE_PAUSE_NS (10ull * NS_PER_S)
#define GROUP_SIZE_MAX (64 * MIB)
#define GROUP_SIZE_MIN (1 * MIB)
#define GROUP_RANGES_MAX 4096u
/* Retention drops about this part of a partition at once. */
#define RETENTION_PARTS 8

/* Where groups of ranges end. */
struct merge_bounds {
    uint64_t size_max;
    int64_t span_max_ms;
};

/* What one pass does to ranges[first] and those behind it up to `end`. */
struct merge_pass {
    struct shard *shard;
    struct partition *partition;
    struct layout layout;
    struct merge_bounds bounds;
    size_t first;
    size_t end;
    struct store_range *ranges; /* of the new manifest */
    size_t count;
    size_t merged; /* ranges that were copied */
};

static struct merge_bounds
merge_bounds_of(const struct topic_limits *limits)
{
    struct merge_bounds bounds = { GROUP_SIZE_MAX, INT64_MAX };
    if (limits->segment_bytes > 0) {
        bounds.size_max = MIN(bounds.size_max, (uint64_t)limits->segment_bytes);
    }
    if (limits->segment_ms > 0) {
        bounds.span_max_ms = limits->segment_ms;
    }
    if (limits->deleted && limits->retention_bytes > 0) {
        uint64_t part = (uint64_t)limits->retention_bytes / RETENTION_PARTS;
        bounds.size_max = MIN(bounds.size_max, MAX(part, (uint64_t)GROUP_SIZE_MIN));
    }
    if (limits->deleted && limits->retention_ms > 0) {
        int64_t part = limits->retention_ms / RETENTION_PARTS;
        bounds.span_max_ms = MIN(bounds.span_max_ms, MAX(part, INT64_C(1000)));
    }
    return bounds;
}

/* A group of ranges while it grows, in either direction. */
struct merge_group {
    uint64_t size;
    int64_t oldest_ms;
    int64_t newest_ms;
    bool cleaned;
    bool any;
};

/* Adds the range unless the group would outgrow its bounds by it. */
static bool
group_take(struct merge_group *group, const struct merge_bounds *bounds,
        const struct store_range *range)
{
    int64_t time = range->timestamp_max;
    int64_t oldest = time < 0 ? group->oldest_ms : MIN(group->oldest_ms, time);
    int64_t newest = MAX(group->newest_ms, time);
    bool cleaned = range->flags & STORE_RANGE_CLEANED;
    if (group->any) {
        bool apart = newest >= 0 && newest - oldest > bounds->span_max_ms;
        if (group->size + range->size > bounds->size_max || apart || cleaned != group->cleaned) {
            return false;
        }
    }
    group->size += range->size;
    group->oldest_ms = oldest;
    group->newest_ms = newest;
    group->cleaned = cleaned;
    group->any = true;
    return true;
}

static void
group_init(struct merge_group *group)
{
    *group = (struct merge_group){ .oldest_ms = INT64_MAX, .newest_ms = -1 };
}

/* Number of ranges from `at` on that make one group: at least one. */
static size_t
group_length(const struct merge_pass *pass, size_t at)
{
    const struct layout *layout = &pass->layout;
    struct merge_group group;
    size_t length = 0;
    group_init(&group);
    while (at + length < layout->count && length < GROUP_RANGES_MAX) {
        const struct store_range *range = &layout->ranges[at + length];
        bool large = range->size >= pass->bounds.size_max / 2;
        if (!group_take(&group, &pass->bounds, range) || (large && length > 0)) {
            break;
        }
        length++;
        if (large) {
            break;
        }
    }
    return length;
}

/* How far the first group reaches back into the manifest. */
static size_t
pass_first(const struct merge_pass *pass)
{
    const struct layout *layout = &pass->layout;
    size_t first = layout->manifest_count;
    size_t length = group_length(pass, first);
    struct merge_group group;
    group_init(&group);
    for (size_t i = 0; i < length; i++) {
        bool taken = group_take(&group, &pass->bounds, &layout->ranges[first + i]);
        (void)taken; /* group_length has seen that they go together */
    }
    while (first > 0) {
        const struct store_range *range = &layout->ranges[first - 1];
        if (range->size > 2 * group.size || range->size >= pass->bounds.size_max / 2 ||
                range->end_offset <= layout->log_start_offset ||
                !group_take(&group, &pass->bounds, range)) {
            break;
        }
        first--;
    }
    return first;
}

static int
merge_group(struct merge_pass *pass, size_t at, size_t length, struct store_range *ret_range)
{
    struct shard *shard = pass->shard;
    struct meta *meta = shard->options.meta;
    struct store_merge merge = {
        .key = pass->partition->key,
        .ranges = pass->layout.ranges + at,
        .count = length,
        .broker_id = meta_broker_id(meta),
        .broker_epoch = meta_broker_epoch(meta),
        .start_offset = pass->layout.log_start_offset,
    };
    int r = object_ids_take(&shard->upkeep_ids, &merge.object_id);
    if (r < 0) {
        return r;
    }
    r = store_merge_ranges(
            shard->options.store, &merge, clock_mono_ns() + MERGE_TIMEOUT_NS, ret_range);
    if (r == 0) {
        ret_range->flags = merge.ranges[0].flags;
        shard->stats.merged_ranges += length;
        shard->stats.merged_bytes += ret_range->size;
    }
    return r;
}

/* Merges groups until there was enough work for one commit. */
static int
pass_run(struct merge_pass *pass)
{
    const struct layout *layout = &pass->layout;
    uint64_t size = 0;
    int r = 0;
    pass->end = pass->first;
    while (pass->end < layout->count && size < STORE_MERGE_SIZE_MAX && r == 0) {
        struct store_range *out = &pass->ranges[pass->count];
        const struct store_range *in = &layout->ranges[pass->end];
        size_t length = group_length(pass, pass->end);
        if (length == 1) {
            *out = *in;
        } else {
            r = merge_group(pass, pass->end, length, out);
            pass->merged += length;
            size += out->size;
        }
        pass->end += length;
        pass->count++;
    }
    return r;
}

static int
pass_commit(struct merge_pass *pass)
{
    const struct layout *layout = &pass->layout;
    struct layout_change change = {
        .ranges = pass->ranges,
        .count = pass->count,
        .manifest_end_offset = layout->ranges[pass->end - 1].end_offset,
        .log_start_offset = layout->log_start_offset,
    };
    int r = layout_commit(pass->shard, pass->partition, layout, &change);
    if (r == 0) {
        pass->shard->stats.merges++;
        LOG_DEBUG("ranges merged", LOG_STR("topic", pass->partition->topic_name),
                LOG_INT("partition", pass->partition->key.index),
                LOG_INT("from", pass->end - pass->first), LOG_INT("copied", pass->merged),
                LOG_INT("manifest", pass->count));
    }
    return r;
}

/* Under the partition's lock. */
static int
merge_locked(struct shard *shard, struct partition *partition)
{
    struct merge_pass pass = { .shard = shard, .partition = partition };
    int r = layout_load(shard, partition, &pass.layout);
    if (r < 0) {
        return r;
    }
    const struct layout *layout = &pass.layout;
    if (layout->count > layout->manifest_count) {
        size_t below = 0;
        while (below < layout->manifest_count &&
                layout->ranges[below].end_offset <= layout->log_start_offset) {
            below++;
        }
        pass.bounds = merge_bounds_of(&partition->limits);
        pass.first = pass_first(&pass);
        pass.ranges = mem_alloc_array(layout->count, sizeof *pass.ranges);
        pass.count = pass.first - below;
        memcpy(pass.ranges, layout->ranges + below, pass.count * sizeof *pass.ranges);
        r = pass_run(&pass);
        if (r == 0) {
            r = pass_commit(&pass);
        }
    }
    mem_free(pass.ranges);
    layout_done(&pass.layout);
    return r < 0 ? r : 1;
}

static uint32_t
merge_ranges_min(const struct shard *shard)
{
    return shard->options.merge_ranges_min ? shard->options.merge_ranges_min : MERGE_RANGES_MIN;
}

static uint32_t
recent_ranges(const struct shard *shard, const struct partition *partition)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    return description ? (uint32_t)description->range_count : 0;
}

/* A compacted partition whose newest part has waited for long: the whole look is worth it. */
static bool
may_be_cleaned(const struct shard *shard, const struct partition *partition)
{
    const struct topic_limits *limits = &partition->limits;
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    if (!limits->compacted || !description || description->range_count == 0) {
        return false;
    }
    int64_t age_ms = limits->segment_ms > 0 ? limits->segment_ms : INT64_MAX;
    if (limits->max_compaction_lag_ms > 0) {
        age_ms = MIN(age_ms, limits->max_compaction_lag_ms);
    }
    int64_t since_ms = description->ranges[0].timestamp_max;
    int64_t now_ms = clock_wall_ms();
    return since_ms >= 0 && since_ms < now_ms && now_ms - since_ms > age_ms;
}

static bool
may_be_merged(const struct shard *shard, const struct partition *partition)
{
    return recent_ranges(shard, partition) >= merge_ranges_min(shard);
}

int
partition_merge(struct shard *shard, struct partition *partition)
{
    if (!may_be_merged(shard, partition) && !may_be_cleaned(shard, partition)) {
        return 0;
    }
    partition_hold(partition);
    int r = mutex_lock(&partition->upkeep_lock);
    if (r == 0) {
        if (partition->limits.compacted) {
            r = partition_clean_locked(shard, partition, merge_ranges_min(shard));
        }
        if (r == 0 && may_be_merged(shard, partition)) {
            r = merge_locked(shard, partition);
        }
        mutex_unlock(&partition->upkeep_lock);
    }
    partition_release(partition);
    return r;
}

/* The partition with the most recent ranges; NULL: none is worth it. */
static struct partition *
merge_choose(const struct shard *shard)
{
    struct partition *best = NULL;
    uint32_t most = 0;
    uint64_t now = clock_mono_coarse_ns();
    LIST_FOREACH (link, &shard->partitions) {
        struct partition *partition = CONTAINER_OF(link, struct partition, link);
        uint32_t count = recent_ranges(shard, partition);
        bool due = may_be_merged(shard, partition) || may_be_cleaned(shard, partition);
        if (due && count > most && partition->upkeep_after_ns <= now) {
            most = count;
            best = partition;
        }
    }
    return best;
}

/* After a failure the partition rests, so that others get their turn; also when a look has shown
 * that nothing is to be done. */
static void
merge_rest(struct partition *partition, int r)
{
    if (r < 0) {
        LOG_WARN("a merge is tried again later", LOG_STR("topic", partition->topic_name),
                LOG_INT("partition", partition->key.index), LOG_FAULT(r));
    }
    partition->upkeep_after_ns =
            clock_mono_coarse_ns() + MERGE_PAUSE_NS + random_below(MERGE_PAUSE_NS);
}

/* Nothing more can be done here. Of a partition that was given away meanwhile -ESTALE says nothing
 * about the others. */
bool
upkeep_is_over(const struct shard *shard, int r)
{
    return r == -ECANCELED || (r == -ESTALE && meta_is_fenced(shard->options.meta));
}

/* Merges until nothing is worth it. < 0: -ECANCELED or -ESTALE. */
static int
merge_all(struct shard *shard)
{
    struct partition *partition;
    while (!shard->stopping && (partition = merge_choose(shard))) {
        partition_hold(partition);
        int r = partition_merge(shard, partition);
        if (r <= 0 && !upkeep_is_over(shard, r)) {
            merge_rest(partition, r);
        }
        partition_release(partition);
        if (upkeep_is_over(shard, r)) {
            return r;
        }
    }
    return 0;
}

void
shard_merge_main(void *arg)
{
    struct shard *shard = arg;
    int r = 0;
    while (r == 0 && !shard->stopping) {
        r = fiber_sleep_ns(shard->options.merge_interval_ns ? shard->options.merge_interval_ns
                                                            : MERGE_INTERVAL_NS);
        if (r == 0) {
            r = merge_all(shard);
        }
    }
}
