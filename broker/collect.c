/* Counters of all reactors to text. */
#include "collect.h"

#include "base/mem.h"
#include "meta/meta.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#include <stdio.h>

#define US_PER_S 1e6

/* Of one reactor. */
struct numbers {
    unsigned reactor;
    const struct collect_rooms *rooms;
    struct reactor_stats loop;
    struct wal_stats wal;
    uint64_t wal_used;
    uint64_t wal_capacity;
    uint64_t wal_failed;
    struct store_stats store;
    struct shard_stats shard;
    uint64_t shard_failed;
};

static int
gather_one(void *arg)
{
    struct numbers *n = arg;
    const struct broker *broker = n->rooms->broker;
    const struct wal *wal = n->rooms->wals ? n->rooms->wals[n->reactor] : NULL;
    const struct store *store = broker && broker->stores ? broker->stores[n->reactor] : NULL;
    const struct shard *shard = broker && broker->shards ? broker->shards[n->reactor] : NULL;
    reactor_stats_get(&n->loop);
    if (wal) {
        wal_stats_get(wal, &n->wal);
        n->wal_used = wal_used(wal);
        n->wal_capacity = wal_capacity(wal);
        n->wal_failed = wal_error(wal) != 0;
    }
    if (store) {
        store_stats_get(store, &n->store);
    }
    if (shard) {
        shard_stats_get(shard, &n->shard);
        n->shard_failed = shard_error(shard) != 0;
    }
    return 0;
}

/* A counter or gauge that each reactor has: where it lies in struct numbers. */
struct column {
    const char *name;
    const char *help;
    enum metric_type type;
    size_t place;
};
#define COLUMN(type, name, field, help) { name, help, type, offsetof(struct numbers, field) }

static uint64_t
number_at(const struct numbers *numbers, size_t place)
{
    uint64_t value;
    memcpy(&value, (const char *)numbers + place, sizeof value);
    return value;
}

static const struct column loop_columns[] = {
    COLUMN(METRIC_COUNTER, "freshet_reactor_turns_total", loop.turns, "Turns of the event loop."),
    COLUMN(METRIC_COUNTER, "freshet_reactor_switches_total", loop.switches, "Switches between fibers."),
    COLUMN(METRIC_COUNTER, "freshet_reactor_stalls_total", loop.stalls, "Turns that took so long that they were logged."),
    COLUMN(METRIC_GAUGE, "freshet_reactor_fibers", loop.fibers, "Fibers alive."),
    COLUMN(METRIC_GAUGE, "freshet_reactor_fibers_max", loop.fibers_max, "Most fibers alive at once since the start."),
    COLUMN(METRIC_COUNTER, "freshet_reactor_io_total", loop.io_submitted, "Operations given to the kernel."),
};

static const struct column sum_columns[] = {
    COLUMN(METRIC_COUNTER, "freshet_wal_records_total", wal.records, "Records appended to the write-ahead log."),
    COLUMN(METRIC_COUNTER, "freshet_wal_record_bytes_total", wal.bytes, "Bytes of those records."),
    COLUMN(METRIC_COUNTER, "freshet_wal_groups_total", wal.groups, "Group commits: flushed writes."),
    COLUMN(METRIC_COUNTER, "freshet_wal_written_bytes_total", wal.group_bytes, "Bytes written, with headers and padding."),
    COLUMN(METRIC_COUNTER, "freshet_wal_full_waits_total", wal.full_waits, "Appends that waited because the log was full."),
    COLUMN(METRIC_GAUGE, "freshet_wal_used_bytes", wal_used, "Bytes in the log that are not in committed objects yet."),
    COLUMN(METRIC_GAUGE, "freshet_wal_capacity_bytes", wal_capacity, "The most that the log may hold."),
    COLUMN(METRIC_GAUGE, "freshet_wal_failed", wal_failed, "Logs that refuse appends after a failed write."),
    COLUMN(METRIC_GAUGE, "freshet_block_cache_bytes", store.block_cache_bytes, "Memory in the block cache."),
    COLUMN(METRIC_COUNTER, "freshet_block_cache_hits_total", store.block_cache_hits, "Blocks found in the cache."),
    COLUMN(METRIC_COUNTER, "freshet_block_cache_misses_total", store.block_cache_misses, "Blocks that had to be read."),
    COLUMN(METRIC_COUNTER, "freshet_block_cache_evictions_total", store.block_cache_evictions, "Extents evicted."),
    COLUMN(METRIC_COUNTER, "freshet_read_ahead_bytes_total", store.read_ahead_bytes, "Bytes asked for before anyone "
            "needed them."),
    COLUMN(METRIC_COUNTER, "freshet_read_ahead_wasted_bytes_total", store.read_ahead_wasted_bytes, "Bytes read ahead "
            "that nobody read."),
    COLUMN(METRIC_COUNTER, "freshet_object_misfits_total", store.misfits, "Reads whose bytes did not fit their checks and "
            "were repeated."),
    COLUMN(METRIC_COUNTER, "freshet_object_damaged_total", store.damaged, "Reads that did not fit the second time either."),
    COLUMN(METRIC_COUNTER, "freshet_objects_written_total", store.objects_written, "Objects written."),
    COLUMN(METRIC_COUNTER, "freshet_object_written_bytes_total", store.object_bytes_written, "Bytes of those objects."),
    COLUMN(METRIC_GAUGE, "freshet_partitions", shard.partitions, "Partitions that this broker serves."),
    COLUMN(METRIC_COUNTER, "freshet_appended_batches_total", shard.appended_batches, "Record batches appended."),
    COLUMN(METRIC_COUNTER, "freshet_appended_bytes_total", shard.appended_bytes, "Bytes of those batches."),
    COLUMN(METRIC_COUNTER, "freshet_duplicate_batches_total", shard.duplicate_batches, "Batches that idempotent "
            "producers sent again."),
    COLUMN(METRIC_COUNTER, "freshet_read_bytes_total", shard.read_bytes, "Bytes read from partitions."),
    COLUMN(METRIC_COUNTER, "freshet_read_tail_hits_total", shard.read_tail_hits, "Reads answered by the log cache."),
    COLUMN(METRIC_COUNTER, "freshet_uploads_total", shard.uploads, "Uploads committed."),
    COLUMN(METRIC_COUNTER, "freshet_upload_failures_total", shard.upload_failures, "Uploads that failed and were repeated."),
    COLUMN(METRIC_GAUGE, "freshet_upload_lag_bytes", shard.upload_lag_bytes, "Bytes acknowledged but not yet in committed "
            "objects."),
    COLUMN(METRIC_GAUGE, "freshet_log_cache_bytes", shard.cache_bytes, "Memory in the log cache."),
    COLUMN(METRIC_GAUGE, "freshet_shards_failed", shard_failed, "Reactors whose partitions serve no more."),
};

static void
write_loops(struct metrics *m, const struct numbers *numbers, unsigned count)
{
    for (size_t c = 0; c < ARRAY_SIZE(loop_columns) + 2; c++) {
        bool busy = c == ARRAY_SIZE(loop_columns);
        bool stall = c == ARRAY_SIZE(loop_columns) + 1;
        if (busy) {
            metrics_family(m, METRIC_COUNTER, "freshet_reactor_busy_seconds_total", "Time not spent waiting.");
        } else if (stall) {
            metrics_family(m, METRIC_GAUGE, "freshet_reactor_stall_max_seconds", "The longest turn of the loop.");
        } else {
            metrics_family(m, loop_columns[c].type, loop_columns[c].name, loop_columns[c].help);
        }
        for (unsigned i = 0; i < count; i++) {
            char index[16];
            const struct metric_label label = { "reactor", index };
            snprintf(index, sizeof index, "%u", i);
            if (busy || stall) {
                uint64_t ns = busy ? numbers[i].loop.busy_ns : numbers[i].loop.stall_max_ns;
                metrics_sample_real(m, &label, 1, (double)ns / NS_PER_S);
            } else {
                metrics_sample(m, &label, 1, number_at(&numbers[i], loop_columns[c].place));
            }
        }
    }
}

static void
write_sums(struct metrics *m, const struct numbers *numbers, unsigned count)
{
    for (size_t c = 0; c < ARRAY_SIZE(sum_columns); c++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < count; i++) {
            sum += number_at(&numbers[i], sum_columns[c].place);
        }
        metrics_family(m, sum_columns[c].type, sum_columns[c].name, sum_columns[c].help);
        metrics_sample(m, NULL, 0, sum);
    }
}

static void
write_commits(struct metrics *m, const struct numbers *numbers, unsigned count)
{
    uint64_t buckets[ARRAY_SIZE(numbers->wal.commit_us_buckets)] = { 0 };
    double upper[ARRAY_SIZE(buckets)];
    uint64_t sum_us = 0;
    uint64_t max_us = 0;
    for (unsigned i = 0; i < count; i++) {
        for (size_t b = 0; b < ARRAY_SIZE(buckets); b++) {
            buckets[b] += numbers[i].wal.commit_us_buckets[b];
        }
        sum_us += numbers[i].wal.commit_us_sum;
        max_us = MAX(max_us, numbers[i].wal.commit_us_max);
    }
    for (size_t b = 0; b < ARRAY_SIZE(buckets); b++) {
        upper[b] = (double)((uint64_t)1 << b) / US_PER_S;
    }
    const struct metric_histogram histogram = { buckets, ARRAY_SIZE(buckets), upper, true, (double)sum_us / US_PER_S };
    metrics_family(m, METRIC_HISTOGRAM, "freshet_wal_commit_seconds", "From taking a place in the log to being durable.");
    metrics_sample_histogram(m, NULL, 0, &histogram);
    metrics_gauge_real(m, "freshet_wal_commit_max_seconds", "The slowest commit.", (double)max_us / US_PER_S);
}

static const char *const operations[OBJECT_OP_COUNT] = { "get", "head", "put", "delete", "list" };

static void
write_by_operation(struct metrics *m, const char *name, const char *help, const uint64_t values[OBJECT_OP_COUNT])
{
    metrics_family(m, METRIC_COUNTER, name, help);
    for (size_t i = 0; i < OBJECT_OP_COUNT; i++) {
        const struct metric_label label = { "operation", operations[i] };
        metrics_sample(m, &label, 1, values[i]);
    }
}

static void
write_objectstore(struct metrics *m, const struct objectstore *objects)
{
    CLEANUP(mem_freep) struct object_stats *stats = mem_alloc(sizeof *stats);
    double upper[OBJECT_LATENCY_BUCKETS];
    objectstore_stats_get(objects, stats);
    write_by_operation(m, "freshet_objectstore_requests_total", "Requests to the object store.", stats->requests);
    write_by_operation(m, "freshet_objectstore_errors_total", "Requests that failed for good.", stats->errors);
    write_by_operation(m, "freshet_objectstore_retries_total", "Requests that were made again.", stats->retries);
    write_by_operation(m, "freshet_objectstore_hedges_total", "Slow requests that got a second one beside them.",
            stats->hedges);
    metrics_counter(m, "freshet_objectstore_undecided_total", "Conditional writes of unknown outcome.", stats->undecided);
    metrics_counter(m, "freshet_objectstore_received_bytes_total", "Bytes read from the store.", stats->bytes_in);
    metrics_counter(m, "freshet_objectstore_sent_bytes_total", "Bytes written to the store.", stats->bytes_out);
    metrics_family(m, METRIC_HISTOGRAM, "freshet_objectstore_request_seconds", "How long requests took, with retries.");
    for (size_t b = 0; b < OBJECT_LATENCY_BUCKETS; b++) {
        upper[b] = (double)((uint64_t)1 << b) / 1e3;
    }
    for (size_t i = 0; i < OBJECT_OP_COUNT; i++) {
        const struct metric_label label = { "operation", operations[i] };
        const struct metric_histogram histogram = { stats->latency_ms_buckets[i], OBJECT_LATENCY_BUCKETS, upper, true,
            (double)stats->latency_us_sum[i] / US_PER_S };
        metrics_sample_histogram(m, &label, 1, &histogram);
    }
}

static void
write_meta(struct metrics *m, const struct meta *meta)
{
    struct meta_stats stats;
    meta_stats_get(meta, &stats);
    metrics_counter(m, "freshet_meta_log_objects_total", "Objects written into the metadata log.", stats.log_objects);
    metrics_counter(m, "freshet_meta_log_records_total", "Records in those objects.", stats.log_records);
    metrics_counter(m, "freshet_meta_undecided_total", "Writes of the log of unknown outcome.", stats.undecided);
    metrics_counter(m, "freshet_meta_lease_renewals_total", "Renewals of the lease.", stats.lease_renewals);
    metrics_counter(m, "freshet_meta_lease_failures_total", "Renewals that failed.", stats.lease_failures);
    metrics_counter_real(m, "freshet_meta_commit_seconds_total", "Time that proposals took, added up.",
            (double)stats.commit_us_sum / US_PER_S);
    metrics_gauge_real(m, "freshet_meta_commit_max_seconds", "The slowest proposal.",
            (double)stats.commit_us_max / US_PER_S);
    metrics_gauge(m, "freshet_meta_last_snapshot", "Sequence of the newest snapshot.", stats.last_snapshot);
    metrics_gauge(m, "freshet_meta_lease_valid", "1 while this broker may serve.", meta_lease_is_valid(meta) ? 1 : 0);
    metrics_gauge(m, "freshet_meta_fenced", "1 once another broker has taken over.", meta_is_fenced(meta) ? 1 : 0);
    metrics_gauge(m, "freshet_topics", "Topics of the cluster.", meta_topic_count(meta_state(meta)));
    metrics_gauge(m, "freshet_cluster_partitions", "Partitions of the cluster.", meta_partition_count(meta_state(meta)));
}

static void
write_net(struct metrics *m, const struct net *net)
{
    struct net_stats stats;
    net_stats_get(net, &stats);
    metrics_gauge(m, "freshet_connections", "Open connections of Kafka clients.", stats.connections);
    metrics_counter(m, "freshet_connections_accepted_total", "Connections accepted.", stats.accepted);
    metrics_counter(m, "freshet_connections_refused_total", "Connections over the limit.", stats.refused);
    metrics_counter(m, "freshet_bad_frames_total", "Connections closed because of an unreadable frame.", stats.bad_frames);
}

void
collect_metrics(void *arg, struct metrics *metrics)
{
    const struct collect_rooms *rooms = arg;
    unsigned count = reactor_count();
    CLEANUP(mem_freep) struct numbers *numbers = mem_alloc_array(count, sizeof *numbers);
    for (unsigned i = 0; i < count; i++) {
        numbers[i].reactor = i;
        numbers[i].rooms = rooms;
        if (reactor_call(i, gather_one, &numbers[i]) < 0) {
            return; /* the process ends: whoever asks next gets no answer at all */
        }
    }
    write_loops(metrics, numbers, count);
    write_sums(metrics, numbers, count);
    write_commits(metrics, numbers, count);
    if (rooms->objects) {
        write_objectstore(metrics, rooms->objects);
    }
    if (rooms->broker && rooms->broker->meta) {
        write_meta(metrics, rooms->broker->meta);
    }
    if (rooms->net) {
        write_net(metrics, rooms->net);
    }
}
