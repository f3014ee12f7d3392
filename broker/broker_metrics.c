/* Gathers the rooms' counters on each reactor, adds them up, writes the families. */
#include "broker_metrics.h"

#include "base/mem.h"
#include "groups/groups.h"
#include "handlers/error_names.h"
#include "handlers/telemetry.h"
#include "meta/balancer.h"
#include "reactor/call.h"
#include "session/session.h"
#include "wire/api.h"

/* Sums over the reactors. */
struct sums {
    const struct broker_metrics *source;
    struct reactor_stats reactor;
    struct wal_stats wal;
    uint64_t wal_used;
    uint64_t wal_capacity;
    struct store_stats store;
    struct shard_stats shard;
    struct session_api_stats apis[WIRE_API_KEY_MAX + 1];
};

/* Adds `count` words of `from` to `to`: the stats structs below consist of uint64_t only. */
static void
add_words(void *to, const void *from, size_t size)
{
    uint64_t *sum = to;
    const uint64_t *part = from;
    for (size_t i = 0; i < size / sizeof *sum; i++) {
        sum[i] += part[i];
    }
}

static int
collect_here(void *arg)
{
    struct sums *sums = arg;
    const struct broker_metrics *source = sums->source;
    unsigned i = reactor_index();
    struct reactor_stats reactor;
    struct wal_stats wal;
    struct store_stats store;
    struct shard_stats shard;
    reactor_stats_get(&reactor);
    wal_stats_get(source->wals[i], &wal);
    store_stats_get(source->broker->stores[i], &store);
    shard_stats_get(source->broker->shards[i], &shard);
    add_words(&sums->reactor, &reactor, sizeof reactor);
    add_words(&sums->wal, &wal, sizeof wal);
    add_words(&sums->store, &store, sizeof store);
    add_words(&sums->shard, &shard, sizeof shard);
    sums->wal_used += wal_used(source->wals[i]);
    sums->wal_capacity += wal_capacity(source->wals[i]);
    for (int16_t key = 0; key <= WIRE_API_KEY_MAX; key++) {
        add_words(&sums->apis[key], session_stats(key), sizeof sums->apis[key]);
    }
    return 0;
}

/* Buckets of powers of two of microseconds, in seconds. */
static void
microsecond_bounds(double *upper, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        upper[i] = (double)(1ull << i) / 1e6;
    }
}

static void
write_requests(struct metrics *m, const struct sums *sums)
{
    double upper[ARRAY_SIZE(sums->apis[0].latency_us_buckets)];
    microsecond_bounds(upper, ARRAY_SIZE(upper));
    metrics_family(m, METRIC_COUNTER, "freshet_requests_total", "Kafka requests answered, by API.");
    for (int16_t key = 0; key <= WIRE_API_KEY_MAX; key++) {
        const struct wire_api *api = wire_api_find(key);
        if (api && sums->apis[key].requests) {
            metrics_sample(
                    m, &(struct metric_label){ "api", api->name }, 1, sums->apis[key].requests);
        }
    }
    metrics_family(m, METRIC_HISTOGRAM, "freshet_request_duration_seconds",
            "Time from request to answer, by API.");
    for (int16_t key = 0; key <= WIRE_API_KEY_MAX; key++) {
        const struct wire_api *api = wire_api_find(key);
        if (api && sums->apis[key].requests) {
            struct metric_histogram h = { sums->apis[key].latency_us_buckets, ARRAY_SIZE(upper),
                upper, true, (double)sums->apis[key].latency_us_sum / 1e6 };
            metrics_sample_histogram(m, &(struct metric_label){ "api", api->name }, 1, &h);
        }
    }
}

static void
write_errors(struct metrics *m)
{
    metrics_family(m, METRIC_COUNTER, "freshet_request_errors_total",
            "Error codes in answers, by API and Kafka's name of the error.");
    for (int16_t key = 0; key <= WIRE_API_KEY_MAX; key++) {
        const struct wire_api *api = wire_api_find(key);
        for (int16_t code = SESSION_ERROR_CODE_MIN; api && code <= SESSION_ERROR_CODE_MAX; code++) {
            uint64_t count = session_error_count(key, code);
            if (count) {
                const struct metric_label labels[] = { { "api", api->name },
                    { "error", kafka_error_name(code) } };
                metrics_sample(m, labels, ARRAY_SIZE(labels), count);
            }
        }
    }
}

static void
write_traffic(struct metrics *m, const struct sums *sums)
{
    uint64_t in = 0;
    uint64_t out = 0;
    uint64_t errors = 0;
    for (int16_t key = 0; key <= WIRE_API_KEY_MAX; key++) {
        in += sums->apis[key].bytes_in;
        out += sums->apis[key].bytes_out;
        errors += sums->apis[key].errors;
    }
    metrics_counter(
            m, "freshet_network_receive_bytes_total", "Bytes of Kafka requests received.", in);
    metrics_counter(m, "freshet_network_transmit_bytes_total", "Bytes of Kafka answers sent.", out);
    metrics_counter(
            m, "freshet_requests_failed_total", "Requests that ended their connection.", errors);
    metrics_counter(m, "freshet_append_bytes_total", "Bytes of record batches appended.",
            sums->shard.appended_bytes);
    metrics_counter(m, "freshet_append_batches_total", "Record batches appended.",
            sums->shard.appended_batches);
    metrics_counter(m, "freshet_append_duplicates_total",
            "Repeated batches of idempotent producers.", sums->shard.duplicate_batches);
    metrics_counter(m, "freshet_read_bytes_total", "Bytes of record batches read for consumers.",
            sums->shard.read_bytes);
    metrics_counter(m, "freshet_read_followed_bytes_total",
            "Of them, of partitions that another broker leads (client.rack).",
            sums->shard.followed_bytes);
    metrics_gauge(
            m, "freshet_partitions", "Partitions open on this broker.", sums->shard.partitions);
    metrics_gauge(m, "freshet_upload_lag_bytes", "Bytes that are not in committed objects yet.",
            sums->shard.upload_lag_bytes);
    metrics_gauge(m, "freshet_log_cache_bytes", "Bytes held by the cache of newest batches.",
            sums->shard.cache_bytes);
    metrics_counter(
            m, "freshet_uploads_total", "Objects written and committed.", sums->shard.uploads);
    metrics_counter(m, "freshet_upload_failures_total",
            "Writes of objects that had to be repeated.", sums->shard.upload_failures);
    metrics_counter(
            m, "freshet_merges_total", "Merges of a partition's small ranges.", sums->shard.merges);
    metrics_counter(m, "freshet_merged_ranges_total", "Ranges that went into merged objects.",
            sums->shard.merged_ranges);
    metrics_counter(
            m, "freshet_merged_bytes_total", "Bytes of merged objects.", sums->shard.merged_bytes);
    metrics_counter(m, "freshet_log_compactions_total", "Log compactions of partitions.",
            sums->shard.cleanings);
    metrics_counter(m, "freshet_log_compaction_records_total",
            "Records that log compaction removed.", sums->shard.cleaned_records);
}

static void
write_groups(struct metrics *m, struct groups *groups)
{
    static const char *const states[GROUP_STATE_COUNT] = { "empty", "preparing_rebalance",
        "completing_rebalance", "stable" };
    struct groups_stats stats;
    groups_stats_get(groups, &stats);
    metrics_family(m, METRIC_GAUGE, "freshet_groups",
            "Consumer groups that this broker coordinates, by state.");
    for (size_t i = 0; i < GROUP_STATE_COUNT; i++) {
        const struct metric_label label = { "state", states[i] };
        metrics_sample(m, &label, 1, stats.groups[i]);
    }
    metrics_gauge(m, "freshet_group_members", "Members of these groups.", stats.members);
    metrics_gauge(m, "freshet_group_offsets", "Committed offsets in memory.", stats.offsets);
    metrics_gauge(m, "freshet_group_memory_bytes", "Memory of groups, members and offsets.",
            stats.memory_bytes);
    metrics_gauge(m, "freshet_group_coordinators",
            "Partitions of __consumer_offsets that are open here.", stats.coordinators);
    metrics_gauge(m, "freshet_group_coordinators_loading", "Those that are still being loaded.",
            stats.loading);
    metrics_counter(m, "freshet_group_commits_total", "Offsets committed.", stats.commits);
    metrics_counter(m, "freshet_group_expired_offsets_total",
            "Offsets removed: past their retention, or of deleted topics.", stats.expired_offsets);
    metrics_counter(m, "freshet_group_rebalances_total", "Rebalances completed.", stats.rebalances);
}

static void
write_telemetry(struct metrics *m, const struct broker *broker)
{
    struct telemetry_stats stats;
    telemetry_stats_get(broker->telemetry, &stats);
    metrics_gauge(m, "freshet_telemetry_clients",
            "Clients that asked for their metrics subscription or pushed metrics of late.",
            stats.clients);
    metrics_counter(m, "freshet_telemetry_pushes_total", "Pushes of metrics by clients (dropped).",
            stats.pushes);
    metrics_counter(m, "freshet_telemetry_push_bytes_total",
            "Compressed bytes of metrics that clients pushed (dropped).", stats.push_bytes);
}

static void
write_wal(struct metrics *m, const struct sums *sums)
{
    double upper[ARRAY_SIZE(sums->wal.commit_us_buckets)];
    microsecond_bounds(upper, ARRAY_SIZE(upper));
    struct metric_histogram h = { sums->wal.commit_us_buckets, ARRAY_SIZE(upper), upper, true,
        (double)sums->wal.commit_us_sum / 1e6 };
    metrics_family(m, METRIC_HISTOGRAM, "freshet_wal_commit_duration_seconds",
            "Time until a record is durable.");
    metrics_sample_histogram(m, NULL, 0, &h);
    metrics_gauge(m, "freshet_wal_used_bytes",
            "Bytes on the WAL volume that are not in objects yet.", sums->wal_used);
    metrics_gauge(m, "freshet_wal_capacity_bytes", "Most bytes that the WAL may take.",
            sums->wal_capacity);
    metrics_counter(m, "freshet_wal_groups_total", "Group commits.", sums->wal.groups);
    metrics_counter(m, "freshet_wal_written_bytes_total", "Bytes written to the WAL, with headers.",
            sums->wal.group_bytes);
    metrics_counter(m, "freshet_wal_full_waits_total",
            "Appends that waited because the WAL was full.", sums->wal.full_waits);
}

/* Buckets of powers of two of milliseconds. */
static void
write_store_latency(struct metrics *m, const struct object_stats *stats,
        const char *const names[OBJECT_OP_COUNT])
{
    double upper[OBJECT_LATENCY_BUCKETS];
    for (size_t i = 0; i < ARRAY_SIZE(upper); i++) {
        upper[i] = (double)(1ull << i) / 1e3;
    }
    metrics_family(m, METRIC_HISTOGRAM, "freshet_store_request_duration_seconds",
            "Time of requests to the object store, retries included.");
    for (size_t i = 0; i < OBJECT_OP_COUNT; i++) {
        struct metric_histogram h = { stats->latency_ms_buckets[i], ARRAY_SIZE(upper), upper, true,
            (double)stats->latency_us_sum[i] / 1e6 };
        metrics_sample_histogram(m, &(struct metric_label){ "operation", names[i] }, 1, &h);
    }
    metrics_family(m, METRIC_COUNTER, "freshet_store_retries_total",
            "Requests to the object store that were made once more.");
    for (size_t i = 0; i < OBJECT_OP_COUNT; i++) {
        metrics_sample(m, &(struct metric_label){ "operation", names[i] }, 1, stats->retries[i]);
    }
}

static void
write_objects(struct metrics *m, const struct sums *sums)
{
    static const char *const names[OBJECT_OP_COUNT] = { "get", "head", "put", "delete", "list" };
    struct object_stats stats;
    objectstore_stats_get(sums->source->objects, &stats);
    metrics_family(
            m, METRIC_COUNTER, "freshet_store_requests_total", "Requests to the object store.");
    for (size_t i = 0; i < OBJECT_OP_COUNT; i++) {
        metrics_sample(m, &(struct metric_label){ "operation", names[i] }, 1, stats.requests[i]);
    }
    metrics_family(m, METRIC_COUNTER, "freshet_store_errors_total",
            "Failed requests to the object store.");
    for (size_t i = 0; i < OBJECT_OP_COUNT; i++) {
        metrics_sample(m, &(struct metric_label){ "operation", names[i] }, 1, stats.errors[i]);
    }
    write_store_latency(m, &stats, names);
    metrics_counter(m, "freshet_store_undecided_total",
            "Conditional writes whose outcome was not known at once.", stats.undecided);
    metrics_counter(m, "freshet_store_receive_bytes_total", "Bytes read from the object store.",
            stats.bytes_in);
    metrics_counter(m, "freshet_store_transmit_bytes_total", "Bytes written to the object store.",
            stats.bytes_out);
    metrics_gauge(m, "freshet_block_cache_bytes", "Bytes held by the block cache.",
            sums->store.block_cache_bytes);
    metrics_counter(m, "freshet_block_cache_hits_total", "Blocks found in the cache.",
            sums->store.block_cache_hits);
    metrics_counter(m, "freshet_block_cache_misses_total", "Blocks that had to be read.",
            sums->store.block_cache_misses);
}

static void
write_process(struct metrics *m, const struct sums *sums)
{
    struct meta_stats meta;
    struct net_stats net;
    meta_stats_get(sums->source->broker->meta, &meta);
    net_stats_get(sums->source->net, &net);
    metrics_counter(m, "freshet_metadata_log_objects_total", "Objects written to the metadata log.",
            meta.log_objects);
    metrics_counter(m, "freshet_metadata_lease_failures_total",
            "Renewals of the lease that failed.", meta.lease_failures);
    metrics_gauge(m, "freshet_connections", "Client connections open now.", net.connections);
    metrics_counter(
            m, "freshet_connections_accepted_total", "Client connections accepted.", net.accepted);
    metrics_counter(m, "freshet_connections_refused_total",
            "Client connections refused for the limit of their address.", net.refused);
    metrics_counter(m, "freshet_connections_waited_total",
            "Client connections that waited for another one to end, for max.connections.",
            net.waited);
    metrics_counter(m, "freshet_connections_delayed_total",
            "Client connections that waited for max.connection.creation.rate.", net.delayed);
    metrics_counter(m, "freshet_bad_frames_total", "Connections closed for a frame that cannot be.",
            net.bad_frames);
    metrics_counter_real(m, "freshet_reactor_busy_seconds_total",
            "Time the reactors spent working.", (double)sums->reactor.busy_ns / 1e9);
    metrics_counter(m, "freshet_reactor_stalls_total", "Turns of a reactor over 100 ms.",
            sums->reactor.stalls);
    metrics_gauge(m, "freshet_fibers", "Fibers alive.", sums->reactor.fibers);
}

static void
write_balancer(struct metrics *m, const struct meta *meta)
{
    struct balancer_view *view = mem_alloc(sizeof *view);
    meta_balancer_view(meta, view);
    metrics_gauge(m, "freshet_balancer_enabled", "1: on; of what this broker would do.",
            view->options.is_enabled);
    if (view->state != BALANCER_ELSEWHERE) {
        metrics_counter(m, "freshet_balancer_runs_total", "Looks of this controller's balancer.",
                view->runs);
        metrics_counter(m, "freshet_balancer_moves_total",
                "Moves of partitions that this controller's balancer wished for.", view->moves);
        metrics_counter(m, "freshet_balancer_moves_done_total",
                "Of them, those that were carried out.", view->done);
        metrics_gauge(m, "freshet_balancer_moves_under_way",
                "Moves under way at the last look, anybody's.", view->under_way);
        metrics_gauge(m, "freshet_balancer_partition_spread",
                "The most partitions of a broker less the fewest, at the last look.",
                view->count_spread);
        metrics_gauge(m, "freshet_balancer_traffic_excess_percent",
                "Traffic of the busiest broker above the mean, at the last look.",
                view->load_percent);
    }
    mem_free(view);
}

void
broker_metrics_collect(void *arg, struct metrics *metrics)
{
    struct sums *sums = mem_alloc(sizeof *sums);
    int r = 0;
    sums->source = arg;
    for (unsigned i = 0; i < reactor_count() && r == 0; i++) {
        r = reactor_call(i, collect_here, sums);
    }
    if (r == 0) {
        write_requests(metrics, sums);
        write_errors(metrics);
        write_traffic(metrics, sums);
        write_groups(metrics, sums->source->broker->groups);
        write_telemetry(metrics, sums->source->broker);
        write_wal(metrics, sums);
        write_objects(metrics, sums);
        write_balancer(metrics, sums->source->broker->meta);
        write_process(metrics, sums);
    }
    mem_free(sums);
}
