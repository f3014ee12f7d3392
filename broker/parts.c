/* What each reactor has of its own: store, WAL, settings, shard. */
#include "parts.h"

#include "partition/take_over.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "recover_wals.h"
#include "wal/objects.h"
#include "wire/compression.h"

#include <string.h>

#define GET_TIMEOUT_NS (60ull * NS_PER_S)

static int
on_every_reactor(struct parts *p, int (*fn)(void *arg))
{
    for (unsigned i = 0; i < reactor_count(); i++) {
        int r = reactor_call(i, fn, p);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int
open_store_here(void *arg)
{
    struct parts *p = arg;
    struct store_options options = {
        .objects = p->objects,
        .block_cache_bytes =
                (uint64_t)settings_long(p->settings, "block.cache.bytes") / reactor_count(),
        .read_ahead_bytes_max = (uint64_t)settings_long(p->settings, "read.ahead.max.bytes"),
        .fetch_timeout_ns = GET_TIMEOUT_NS,
    };
    return store_new(&options, &p->stores[reactor_index()]);
}

/* For the reactor that we are on. */
static struct recover_wals
wal_recovery_of(const struct parts *p)
{
    return (struct recover_wals){
        .data_dir = p->data_dir,
        .settings = p->settings,
        .meta = p->meta,
        .store = p->stores[reactor_index()],
        .quarantine = p->quarantine,
        .sum = p->sum,
        .progress = p->progress,
        .in_bucket = p->in_bucket,
    };
}

/* L5: reactor 0 is asked first. */
static int
create_wal_here(struct parts *p)
{
    const struct wal_objects_options options = {
        .store = p->objects,
        .log = { .cluster_id = meta_cluster_id(p->meta),
                .broker_id = meta_broker_id(p->meta),
                .incarnation = (uint64_t)meta_broker_epoch(p->meta),
                .index = reactor_index() },
        .log_count = reactor_count(),
        .capacity = (uint64_t)settings_long(p->settings, "wal.capacity.bytes") / reactor_count(),
        .interval_ns = (uint64_t)settings_long(p->settings, "wal.s3.interval.ms") * NS_PER_MS,
    };
    return p->sum ? 0 : wal_objects_create(&options, &p->wals[reactor_index()]);
}

static int
open_wal_here(void *arg)
{
    struct parts *p = arg;
    if (p->in_bucket) {
        return create_wal_here(p);
    }
    struct recover_wals recovery = wal_recovery_of(p);
    return recover_wal_of(&recovery, reactor_index(), &p->wals[reactor_index()]);
}

/* What former incarnations left in the bucket. */
static int
recover_former_logs(struct parts *p)
{
    const struct take_over_options options = {
        .meta = p->meta,
        .objects = p->objects,
        .store = p->stores[reactor_index()],
        .quarantine = p->quarantine,
        .object_size_max = RECOVER_OBJECT_SIZE,
        .accept_loss = settings_bool(p->settings, "wal.recovery.accept.loss"),
    };
    struct recover_result sum = { 0 };
    int r = take_over_own(&options, &sum);
    if (r < 0) {
        return r;
    }
    p->bucket_damaged = sum.quarantined_partitions > 0;
    if (p->sum) {
        recover_result_add(p->sum, &sum);
    }
    return 0;
}

int
parts_recover(struct parts *p)
{
    int r = on_every_reactor(p, open_store_here);
    struct recover_wals recovery = wal_recovery_of(p);
    if (r == 0) {
        r = recover_kept_wals(&recovery);
    }
    if (r == 0) {
        r = recover_former_logs(p);
    }
    if (r == 0) {
        r = on_every_reactor(p, open_wal_here);
    }
    return r < 0 ? r : recover_other_wals(&recovery);
}

static bool
config_override(void *arg, const char *key, struct bytes *ret_value)
{
    struct {
        struct parts *p;
        const char *topic;
    } *look = arg;
    return meta_config_get(meta_state(look->p->meta), META_RESOURCE_TOPIC,
            bytes_of_string(look->topic), bytes_of_string(key), ret_value);
}

/* compression.type; -1: as the producer has it. */
static int
compression_of(const char *type)
{
    for (int i = COMPRESSION_GZIP; i <= COMPRESSION_ZSTD; i++) {
        if (strcmp(compression_name((enum compression)i), type) == 0) {
            return i;
        }
    }
    return strcmp(type, "uncompressed") == 0 ? COMPRESSION_NONE : -1;
}

static void
limits_of(void *arg, const char *topic_name, struct topic_limits *ret_limits)
{
    struct {
        struct parts *p;
        const char *topic;
    } look = { arg, topic_name };
    struct topic_settings topic;
    topic_settings_resolve(look.p->dynamic[reactor_index()], config_override, &look, &topic);
    *ret_limits = (struct topic_limits){
        .message_bytes_max = topic.max_message_bytes,
        .log_append_time = topic.timestamp_type == TIMESTAMP_LOG_APPEND,
        .compacted = topic.compact_enabled,
        .deleted = topic.delete_enabled,
        .segment_bytes = topic.segment_bytes,
        .segment_ms = topic.segment_ms,
        .retention_ms = topic.retention_ms,
        .retention_bytes = topic.retention_bytes,
        .timestamp_before_max_ms = topic.timestamp_before_max_ms,
        .timestamp_after_max_ms = topic.timestamp_after_max_ms,
        .compression = compression_of(topic.compression_type),
        .delete_retention_ms = topic.delete_retention_ms,
        .min_compaction_lag_ms = topic.min_compaction_lag_ms,
        .max_compaction_lag_ms = topic.max_compaction_lag_ms,
        .min_cleanable_dirty_ratio = topic.min_cleanable_dirty_ratio,
        .producer_expiration_ms =
                settings_int(look.p->dynamic[reactor_index()], "producer.id.expiration.ms"),
    };
}

static int
open_shard_here(void *arg)
{
    struct parts *p = arg;
    unsigned i = reactor_index();
    /* First: the shard asks for settings when it hears of a change. */
    dynamic_settings_start(&p->followers[i], p->meta, p->settings);
    p->dynamic[i] = p->followers[i].values;
    struct shard_options options = {
        .meta = p->meta,
        .store = p->stores[i],
        .wal = p->wals[i],
        .log_cache_bytes =
                (uint64_t)settings_long(p->settings, "log.cache.bytes") / reactor_count(),
        .log_cache_uploaded_bytes =
                (uint64_t)settings_long(p->settings, "log.cache.uploaded.bytes") / reactor_count(),
        .upload_bytes = (uint64_t)settings_long(p->settings, "upload.bytes"),
        .upload_interval_ns =
                (uint64_t)settings_long(p->settings, "upload.interval.ms") * NS_PER_MS,
        .object_size_max = RECOVER_OBJECT_SIZE,
        .retention_interval_ns =
                (uint64_t)settings_long(p->settings, "log.retention.check.interval.ms") * NS_PER_MS,
        .limits_of = limits_of,
        .limits_arg = p,
        .quarantine = p->quarantine,
    };
    return shard_new(&options, &p->shards[i]);
}

int
parts_open_shards(struct parts *p)
{
    return on_every_reactor(p, open_shard_here);
}

static int
shard_error_here(void *arg)
{
    struct parts *p = arg;
    const struct shard *shard = p->shards[reactor_index()];
    return shard ? shard_error(shard) : 0; /* the broker still starts */
}

int
parts_error(struct parts *p)
{
    return on_every_reactor(p, shard_error_here);
}

static int
drain_here(void *arg)
{
    struct parts *p = arg;
    return shard_drain(p->shards[reactor_index()]);
}

int
parts_drain(struct parts *p)
{
    return on_every_reactor(p, drain_here);
}

static int
close_here(void *arg)
{
    struct parts *p = arg;
    unsigned i = reactor_index();
    int r = 0;
    if (p->shards[i]) {
        shard_free(p->shards[i]);
    }
    if (p->dynamic[i]) {
        dynamic_settings_stop(&p->followers[i]);
    }
    if (p->wals[i]) {
        r = wal_close(p->wals[i]);
    }
    store_free(p->stores[i]);
    return r;
}

int
parts_close(struct parts *p)
{
    return on_every_reactor(p, close_here);
}
