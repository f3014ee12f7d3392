/* Retention: ranges that are past the topic's time or size go, oldest first, as Kafka's segments
 * do. A fiber looks through the shard's partitions at an interval.
 *
 * The greatest timestamp inside decides about a range; one without any (all its records had none,
 * or were removed by compaction) goes together with the one behind it. */
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "partition/upkeep.h"
#include "reactor/clock.h"

#include <errno.h>

#define RETENTION_INTERVAL_NS (300ull * NS_PER_S)

/* Number of leading ranges whose time is over. */
static size_t
expired_by_time(const struct layout *layout, int64_t retention_ms, int64_t now_ms)
{
    size_t expired = 0;
    for (size_t i = 0; i < layout->count; i++) {
        int64_t timestamp = layout->ranges[i].timestamp_max;
        if (timestamp < 0) {
            continue;
        }
        if (timestamp >= now_ms || now_ms - timestamp <= retention_ms) {
            break;
        }
        expired = i + 1;
    }
    return expired;
}

/* Number of leading ranges without which the partition still has retention_bytes. */
static size_t
expired_by_size(const struct layout *layout, uint64_t retention_bytes, uint64_t tail_bytes)
{
    uint64_t size = tail_bytes;
    size_t expired = 0;
    for (size_t i = 0; i < layout->count; i++) {
        size += layout->ranges[i].end_offset > layout->log_start_offset ? layout->ranges[i].size
                                                                        : 0;
    }
    for (; expired < layout->count; expired++) {
        const struct store_range *range = &layout->ranges[expired];
        if (range->end_offset <= layout->log_start_offset) {
            continue;
        }
        bool held = size < retention_bytes || size - retention_bytes < range->size;
        if (held && !MUTANT(MUTANT_RETAIN_NOTHING)) {
            break;
        }
        size -= range->size;
    }
    return expired;
}

static int64_t
wanted_log_start(const struct partition *partition, const struct layout *layout)
{
    const struct topic_limits *limits = &partition->limits;
    size_t expired = 0;
    if (limits->deleted && limits->retention_ms >= 0) {
        expired = expired_by_time(layout, limits->retention_ms, clock_wall_ms());
    }
    if (limits->deleted && limits->retention_bytes >= 0) {
        size_t by_size = expired_by_size(layout, (uint64_t)limits->retention_bytes, 0);
        expired = MAX(expired, by_size);
    }
    int64_t wanted = expired ? layout->ranges[expired - 1].end_offset : 0;
    return MAX(wanted, layout->log_start_offset);
}

/* Ranges of the manifest below the log start are named by nothing else: only now are they garbage.
 */
static int
trim_manifest(struct shard *shard, struct partition *partition)
{
    struct layout layout;
    int r = layout_load(shard, partition, &layout);
    if (r < 0) {
        return r;
    }
    size_t first = 0;
    while (first < layout.manifest_count &&
            layout.ranges[first].end_offset <= layout.log_start_offset) {
        first++;
    }
    if (first > 0) {
        MARK("retention: a manifest is trimmed");
        struct layout_change change = {
            .ranges = layout.ranges + first,
            .count = layout.manifest_count - first,
            .manifest_end_offset = layout.manifest_end_offset,
            .log_start_offset = layout.log_start_offset,
        };
        r = layout_commit(shard, partition, &layout, &change);
    }
    layout_done(&layout);
    return r;
}

static int
raise_log_start(struct shard *shard, struct partition *partition)
{
    struct layout layout;
    int r = layout_load(shard, partition, &layout);
    if (r < 0) {
        return r;
    }
    int64_t now = layout.log_start_offset;
    int64_t wanted = wanted_log_start(partition, &layout);
    layout_done(&layout);
    if (wanted <= now) {
        return 0;
    }
    r = partition_set_log_start(shard, partition, wanted);
    if (r == 0) {
        LOG_INFO("log start moved by retention", LOG_STR("topic", partition->topic_name),
                LOG_INT("partition", partition->key.index), LOG_INT("from", now),
                LOG_INT("to", wanted));
    }
    return r;
}

static bool
may_have_expired(const struct shard *shard, const struct partition *partition)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    const struct topic_limits *limits = &partition->limits;
    bool limited = limits->deleted && (limits->retention_ms >= 0 || limits->retention_bytes >= 0);
    return description && description->end_offset > description->log_start_offset && limited;
}

static bool
may_be_trimmed(const struct shard *shard, const struct partition *partition)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    return description && description->manifest_id &&
           description->log_start_offset > partition->trimmed_offset;
}

static void
forget_idle_producers(struct partition *partition)
{
    int64_t expiration_ms = partition->limits.producer_expiration_ms;
    if (expiration_ms > 0) {
        int64_t now_ms = (int64_t)(clock_mono_ns() / NS_PER_MS);
        producer_states_expire(&partition->producers, now_ms, expiration_ms);
    }
}

int
partition_retain(struct shard *shard, struct partition *partition)
{
    int r = 0;
    partition_hold(partition);
    forget_idle_producers(partition);
    if (may_have_expired(shard, partition)) {
        r = raise_log_start(shard, partition);
    }
    if (r == 0 && may_be_trimmed(shard, partition)) {
        int64_t log_start = partition_log_start(partition);
        r = mutex_lock(&partition->upkeep_lock);
        if (r == 0) {
            r = trim_manifest(shard, partition);
            mutex_unlock(&partition->upkeep_lock);
        }
        if (r == 0) {
            partition->trimmed_offset = log_start;
        }
    }
    partition_release(partition);
    return r;
}

/* One pass over all partitions. < 0: -ECANCELED or -ESTALE. */
static int
retain_all(struct shard *shard)
{
    size_t count;
    CLEANUP(mem_freep) struct partition_key *keys = shard_keys(shard, &count);
    for (size_t i = 0; i < count; i++) {
        struct partition *partition = shard_find(shard, keys[i]);
        int r = partition ? partition_retain(shard, partition) : 0;
        if (upkeep_is_over(shard, r)) {
            return r;
        }
        if (r < 0 && r != -ENOENT && r != -ESTALE) {
            LOG_WARN("retention is tried again later", LOG_FAULT(r));
        }
    }
    return 0;
}

void
shard_retention_main(void *arg)
{
    struct shard *shard = arg;
    uint64_t interval = shard->options.retention_interval_ns ? shard->options.retention_interval_ns
                                                             : RETENTION_INTERVAL_NS;
    int r = 0;
    while (r >= 0 && !shard->stopping) {
        r = wait_queue_wait(&shard->retention_wanted, clock_mono_ns() + interval);
        if (r == 0 || r == -ETIMEDOUT) {
            r = retain_all(shard);
        }
    }
}
