/* The rooms below partition/, wired as the broker's main does it. */
#include "support_rig.h"

#include "objectstore/faulty.h"
#include "partition/take_over.h"
#include "partition/topics.h"
#include "reactor/clock.h"
#include "unit/test.h"
#include "wal/objects.h"
#include "wire/record_builder.h"

#include <errno.h>
#include <stdio.h>

static void
limits_of(void *arg, const char *topic_name, struct topic_limits *ret_limits)
{
    const struct rig *rig = arg;
    (void)topic_name;
    *ret_limits = rig->limits;
}

static int
start_meta(struct rig *rig)
{
    const struct meta_endpoint endpoint = { BYTES_LITERAL("PLAINTEXT"), BYTES_LITERAL("127.0.0.1"),
        9092 };
    struct meta_options options = {
        .objects = rig->objects,
        .broker_id = 1,
        .endpoints = &endpoint,
        .endpoint_count = 1,
        .admin_host = BYTES_LITERAL("127.0.0.1"),
        .wal_logs = rig->in_bucket ? 1 : 0,
        .former_holder = rig->writer,
        .garbage_delay_ns = rig->garbage_delay_ns,
        .lease_ns = rig->lease_ns,
    };
    int r = meta_start(&options, &rig->meta);
    if (r < 0) {
        return r;
    }
    rig->writer = meta_writer(rig->meta);
    return meta_share(rig->meta);
}

static int
create_wal(struct rig *rig)
{
    const struct take_over_options own = { .meta = rig->meta,
        .objects = rig->objects,
        .store = rig->store,
        .quarantine = rig->quarantine,
        .object_size_max = 1 << 20 };
    const struct wal_objects_options options = { .store = rig->objects,
        .log = { meta_cluster_id(rig->meta), 1, (uint64_t)meta_broker_epoch(rig->meta), 0 },
        .log_count = 1,
        .capacity = 16 << 20 };
    rig->recovered = (struct recover_result){ 0 };
    int r = take_over_own(&own, &rig->recovered);
    return r < 0 ? r : wal_objects_create(&options, &rig->wal);
}

static int
open_wal(struct rig *rig)
{
    if (rig->in_bucket) {
        return create_wal(rig);
    }
    struct wal_options options = {
        .folder = rig->folder,
        .cluster_id = meta_cluster_id(rig->meta),
        .broker_id = 1,
        .incarnation = (uint64_t)meta_broker_epoch(rig->meta),
        .capacity = 16 << 20,
        .segment_size = 1 << 20,
    };
    int r = wal_open(&options, &rig->wal);
    if (r < 0) {
        return r;
    }
    struct recover_options recover = { .meta = rig->meta,
        .store = rig->store,
        .wal = rig->wal,
        .quarantine = rig->quarantine,
        .object_size_max = 1 << 20 };
    return wal_recover(&recover, &rig->recovered);
}

/* Opens the partition of each topic at its next epoch, as main does. */
static int
open_partitions(struct rig *rig, struct uuid topic_id, int32_t count)
{
    int r = 0;
    for (int32_t i = 0; i < count && r == 0; i++) {
        struct meta_result result;
        if (rig->in_bucket && rig->quarantine &&
                quarantine_has(rig->quarantine, (struct partition_key){ topic_id, i })) {
            continue;
        }
        struct meta_record record = {
            .type = META_OPEN,
            .open = { { topic_id, i }, 1, meta_broker_epoch(rig->meta) },
        };
        r = meta_propose_one(rig->meta, &record, &result);
    }
    return r;
}

static int
open_shard(struct rig *rig)
{
    struct uuid ids[8];
    int32_t counts[8];
    size_t n = 0;
    const struct meta_state *state = meta_state(rig->meta);
    for (const struct meta_topic *topic = meta_topic_next(state, NULL); topic && n < 8;
            topic = meta_topic_next(state, topic)) {
        ids[n] = topic->id;
        counts[n++] = topic->partition_count;
    }
    for (size_t i = 0; i < n; i++) {
        int r = open_partitions(rig, ids[i], counts[i]);
        if (r < 0) {
            return r;
        }
    }
    struct shard_options options = {
        .quarantine = rig->quarantine,
        .meta = rig->meta,
        .store = rig->store,
        .wal = rig->wal,
        .log_cache_bytes = 8 << 20,
        .log_cache_uploaded_bytes = 8 << 20,
        .upload_bytes = 4 << 20,
        .upload_interval_ns =
                rig->upload_interval_ns ? rig->upload_interval_ns : 3600ull * NS_PER_S,
        .object_size_max = rig->object_size_max ? rig->object_size_max : 8 << 20,
        .limits_of = limits_of,
        .limits_arg = rig,
        .merge_ranges_min = 8,
        .clean_keys_max = rig->clean_keys_max,
        .merge_interval_ns = 3600ull * NS_PER_S, /* tests merge by hand */
    };
    return shard_new(&options, &rig->shard);
}

int
rig_start(struct rig *rig)
{
    int r = objectstore_open(rig->url, &rig->objects);
    if (r == 0) {
        r = start_meta(rig);
    }
    if (r == 0) {
        struct store_options options = { rig->objects, 4 << 20, 1 << 20, 10ull * NS_PER_S };
        r = store_new(&options, &rig->store);
    }
    if (r == 0) {
        r = open_wal(rig);
    }
    return r < 0 ? r : open_shard(rig);
}

/* The first partition from `index` on that belongs to this reactor. */
static struct partition_key
key_here(struct uuid topic_id, int32_t index)
{
    struct partition_key key = { topic_id, index };
    while (partition_reactor(key) != reactor_index()) {
        key.index++;
    }
    return key;
}

static int
rig_make(struct rig *rig, const char *name, bool in_bucket)
{
    static char urls[16][160];
    static unsigned count;
    struct topic_spec spec = { .name = BYTES_LITERAL("t"), .partition_count = 32 };
    int error = 0;
    struct uuid id = UUID_ZERO;
    unsigned n = count++ % 16;
    *rig = (struct rig){
        .url = urls[n],
        .in_bucket = in_bucket,
        .limits = {
            .message_bytes_max = 1 << 20,
            .retention_ms = -1,
            .retention_bytes = -1,
            .timestamp_before_max_ms = INT64_MAX,
            .timestamp_after_max_ms = INT64_MAX,
            .compression = -1,
        },
    };
    snprintf(rig->faults, sizeof rig->faults, "%s-%u", name, count);
    snprintf(urls[n], sizeof urls[n], "faulty+memory://%s?faults=%s", rig->faults, rig->faults);
    snprintf(rig->folder, sizeof rig->folder, "%s/wal-%s-%u", test_directory(), name, count);
    int r = rig_start(rig);
    if (r == 0) {
        r = topics_create(rig->meta, &spec, 1, &error, &id);
    }
    if (r < 0 || error) {
        return r < 0 ? r : error;
    }
    rig->key = key_here(id, 0);
    rig->second = key_here(id, rig->key.index + 1);
    return 0;
}

int
rig_new(struct rig *rig, const char *name)
{
    return rig_make(rig, name, false);
}

int
rig_new_in_bucket(struct rig *rig, const char *name)
{
    return rig_make(rig, name, true);
}

/* The memory store keeps its objects under its name when it is closed. */
static int
close_rest(struct rig *rig, bool clean)
{
    int r = wal_close(rig->wal);
    store_free(rig->store);
    int stopped = meta_stop_as(rig->meta, clean);
    objectstore_close(rig->objects);
    return r < 0 ? r : stopped;
}

int
rig_crash(struct rig *rig)
{
    shard_free(rig->shard);
    return close_rest(rig, !rig->in_bucket);
}

int
rig_stop(struct rig *rig)
{
    int r = shard_drain(rig->shard);
    shard_free(rig->shard);
    int closed = close_rest(rig, true);
    return r < 0 ? r : closed;
}

struct buf *
rig_batch(int64_t producer_id, int32_t sequence, int32_t count)
{
    struct record_builder builder;
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct buf *batch = NULL;
    options.producer_id = producer_id;
    options.producer_epoch = producer_id < 0 ? -1 : 0;
    options.base_sequence = sequence;
    record_builder_init(&builder, &options, 1 << 20);
    for (int32_t i = 0; i < count; i++) {
        char value[16];
        int n = snprintf(value, sizeof value, "%d", sequence + i);
        struct record record = {
            .value = bytes_of(value, (size_t)n), .offset = i, .timestamp = 1000 + i
        };
        record_builder_append(&builder, &record);
    }
    int r = record_builder_finish(&builder, &batch);
    record_builder_done(&builder);
    return r < 0 ? NULL : batch;
}

int
rig_append(struct rig *rig, struct partition_key key, struct buf *batch, int64_t *ret_offset)
{
    struct partition_append append = {
        .key = key, .owner = batch, .batches = batch->data, .size = batch->size
    };
    partition_append_begin(rig->shard, &append);
    int r = partition_append_wait(rig->shard, &append);
    buf_unref(batch);
    if (ret_offset) {
        *ret_offset = append.base_offset;
    }
    return r < 0 ? r : append.error;
}

const struct meta_partition *
rig_description(const struct rig *rig, struct partition_key key)
{
    return meta_partition_find(meta_state(rig->meta), key);
}

int
rig_upload(struct rig *rig, struct partition_key key, int count)
{
    int r = 0;
    for (int i = 0; i < count && r == 0; i++) {
        r = rig_append(rig, key, rig_batch(-1, -1, 1), NULL);
        r = r == 0 ? shard_flush(rig->shard) : r;
    }
    return r;
}

int64_t
rig_objects(struct rig *rig)
{
    struct object_list list;
    int r = objectstore_list(
            rig->objects, "data/", NULL, 1000, clock_mono_ns() + 10ull * NS_PER_S, &list);
    if (r < 0) {
        return r;
    }
    int64_t count = (int64_t)list.count;
    object_list_done(&list);
    return count;
}

int
rig_fault(struct rig *rig, const char *text)
{
    struct faulty_rule rule;
    int r = faulty_parse(text, &rule);
    return r < 0 ? r : faulty_add(rig->faults, &rule);
}

int64_t
rig_count(struct rig *rig, struct partition_key key, int64_t offset)
{
    int64_t count = 0;
    for (;;) {
        struct partition *partition = shard_find(rig->shard, key);
        struct slices slices;
        if (!partition) {
            return -ENOENT;
        }
        slices_init(&slices);
        int r = partition_read(rig->shard, partition, offset, 64 << 10, NULL, &slices);
        bool end = slices.count == 0;
        for (size_t i = 0; r == 0 && i < slices.count; i++) {
            struct bytes run = slices.items[i].bytes;
            struct record_batch batch;
            while (r == 0 && record_batch_next(&run, &batch) > 0) {
                if (batch.base_offset > offset || record_batch_check_crc(&batch) < 0) {
                    r = -EBADMSG;
                } else {
                    count += record_batch_last_offset(&batch) + 1 - offset;
                    offset = record_batch_last_offset(&batch) + 1;
                }
            }
        }
        slices_done(&slices);
        if (r < 0 || end) {
            return r < 0 ? r : count;
        }
    }
}

int
rig_register_second(struct rig *rig, struct meta_result *ret_result)
{
    const struct meta_endpoint endpoint = { BYTES_LITERAL("PLAINTEXT"), BYTES_LITERAL("second"),
        9092 };
    const struct meta_record broker = { .type = META_BROKER,
        .broker = { .broker_id = 2,
                .incarnation = { { 2 } },
                .endpoints = &endpoint,
                .endpoint_count = 1 } };
    return meta_propose_one(rig->meta, &broker, ret_result);
}
