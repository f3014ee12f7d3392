/* The rooms below partition/, wired as the broker's main does it. */
#include "support_rig.h"

#include "partition/topics.h"
#include "reactor/clock.h"
#include "unit/test.h"
#include "wire/record_builder.h"

#include <errno.h>
#include <stdio.h>

static void
limits_of(void *arg, const char *topic_name, struct topic_limits *ret_limits)
{
    (void)arg;
    (void)topic_name;
    *ret_limits = (struct topic_limits){
        .message_bytes_max = 1 << 20,
        .retention_ms = -1,
        .retention_bytes = -1,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
    };
}

static int
start_meta(struct rig *rig)
{
    struct meta_options options = {
        .objects = rig->objects,
        .broker_id = 1,
        .host = BYTES_LITERAL("127.0.0.1"),
        .port = 9092,
        .admin_host = BYTES_LITERAL("127.0.0.1"),
        .former_holder = rig->writer,
    };
    int r = meta_start(&options, &rig->meta);
    if (r < 0) {
        return r;
    }
    rig->writer = meta_writer(rig->meta);
    return meta_share(rig->meta);
}

static int
open_wal(struct rig *rig)
{
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
    struct recover_options recover = {
        .meta = rig->meta, .store = rig->store, .wal = rig->wal, .object_size_max = 1 << 20
    };
    return wal_recover(&recover, &rig->recovered);
}

static int
open_shard(struct rig *rig)
{
    const struct meta_topic *topic = meta_topic_by_name(meta_state(rig->meta), BYTES_LITERAL("t"));
    for (int32_t i = 0; topic && i < topic->partition_count; i++) {
        struct meta_result result;
        struct meta_record record = {
            .type = META_OPEN,
            .open = { topic->partitions[i].key, 1, meta_broker_epoch(rig->meta) },
        };
        int r = meta_propose_one(rig->meta, &record, &result);
        if (r < 0) {
            return r;
        }
        topic = meta_topic_by_name(meta_state(rig->meta), BYTES_LITERAL("t"));
    }
    struct shard_options options = {
        .meta = rig->meta,
        .store = rig->store,
        .wal = rig->wal,
        .log_cache_bytes = 8 << 20,
        .upload_bytes = 4 << 20,
        .upload_interval_ns =
                rig->upload_interval_ns ? rig->upload_interval_ns : 3600ull * NS_PER_S,
        .object_size_max = 8 << 20,
        .limits_of = limits_of,
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

int
rig_new(struct rig *rig, const char *name)
{
    static char urls[16][96];
    static unsigned count;
    struct topic_spec spec = { .name = BYTES_LITERAL("t"), .partition_count = 32 };
    int error = 0;
    struct uuid id = UUID_ZERO;
    unsigned n = count++ % 16;
    *rig = (struct rig){ .url = urls[n] };
    snprintf(urls[n], sizeof urls[n], "memory://%s-%u", name, count);
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

/* The memory store keeps its objects under its name when it is closed. */
static int
close_rest(struct rig *rig)
{
    int r = wal_close(rig->wal);
    store_free(rig->store);
    int stopped = meta_stop(rig->meta);
    objectstore_close(rig->objects);
    return r < 0 ? r : stopped;
}

int
rig_crash(struct rig *rig)
{
    shard_free(rig->shard);
    return close_rest(rig);
}

int
rig_stop(struct rig *rig)
{
    int r = shard_drain(rig->shard);
    shard_free(rig->shard);
    int closed = close_rest(rig);
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
