/* Committed offsets as records of __consumer_offsets, in Kafka's own key and value formats, so that
 * Kafka's tools can read the topic. A group's records are all in one partition: Java's hash of its
 * id, as in Kafka. */
#include "base/fault.h"
#include "base/log.h"
#include "groups/group.h"
#include "partition/topics.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "wire/messages/consumer_offsets.h"
#include "wire/record_builder.h"

#include <errno.h>

#define KEY_VERSION 1
#define VALUE_VERSION 3
#define BATCH_SIZE_MAX (16 * MIB)
#define LOAD_CHUNK_SIZE (1 * MIB)

static const struct bytes topic_name = { (const uint8_t *)"__consumer_offsets", 18 };

/* String.hashCode of Java, over UTF-16 units; ids are almost always ASCII, other bytes only spread
 * differently. */
static int32_t
java_hash(struct bytes text)
{
    uint32_t h = 0;
    for (size_t i = 0; i < text.size; i++) {
        h = 31 * h + text.data[i];
    }
    return (int32_t)(h & 0x7fffffff);
}

static int
ensure_topic(struct groups *groups, struct uuid *ret_id, int32_t *ret_count)
{
    struct meta *meta = groups->options.meta;
    const struct meta_topic *topic = meta_topic_by_name(meta_state(meta), topic_name);
    if (!topic) {
        struct meta_config_entry config = { BYTES_LITERAL("cleanup.policy"),
            BYTES_LITERAL("compact") };
        struct topic_spec spec = {
            .name = topic_name,
            .partition_count =
                    settings_int(groups->options.settings, "offsets.topic.num.partitions"),
            .internal = true,
            .configs = &config,
            .config_count = 1,
        };
        int error;
        struct uuid id;
        int r = topics_create(meta, &spec, 1, &error, &id);
        if (r < 0) {
            return r;
        }
        topic = meta_topic_by_name(meta_state(meta), topic_name);
        if (!topic) {
            return fault(-ENOENT, "__consumer_offsets could not be created");
        }
    }
    *ret_id = topic->id;
    *ret_count = topic->partition_count;
    return 0;
}

/* Encodes `version` and the message into bytes of the writer. */
static int
encode(struct wire_writer *w, const struct wire_type *type, int16_t version, const void *message)
{
    wire_writer_clear(w);
    wire_writer_int16(w, version);
    return wire_write(w, type, type == &offset_commit_key_type ? 0 : version, message);
}

static int
add_record(struct record_builder *builder, struct bytes group_id, const struct group_offset *offset,
        int64_t now_ms, int64_t index)
{
    struct wire_writer key;
    struct wire_writer value;
    struct offset_commit_key key_message = { group_id, offset->topic, offset->partition };
    struct offset_commit_value value_message = offset_commit_value_default;
    value_message.offset = offset->offset;
    value_message.leader_epoch = offset->leader_epoch;
    value_message.metadata = offset->metadata.data ? offset->metadata : BYTES_LITERAL("");
    value_message.commit_timestamp = now_ms;
    wire_writer_init(&key, BATCH_SIZE_MAX);
    wire_writer_init(&value, BATCH_SIZE_MAX);
    int r = encode(&key, &offset_commit_key_type, KEY_VERSION, &key_message);
    if (r == 0) {
        r = encode(&value, &offset_commit_value_type, VALUE_VERSION, &value_message);
    }
    if (r == 0) {
        struct record record = {
            .key = bytes_of(key.data, key.size),
            .value = bytes_of(value.data, value.size),
            .offset = index,
            .timestamp = now_ms,
        };
        record_builder_append(builder, &record);
    }
    wire_writer_done(&key);
    wire_writer_done(&value);
    return r;
}

static int
build_batch(struct bytes group_id, const struct group_offset *offsets, size_t count,
        struct buf **ret_batch)
{
    struct record_builder builder;
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    int64_t now_ms = clock_wall_ms();
    int64_t index = 0;
    int r = 0;
    record_builder_init(&builder, &options, BATCH_SIZE_MAX);
    for (size_t i = 0; i < count && r == 0; i++) {
        if (offsets[i].error == 0) {
            r = add_record(&builder, group_id, &offsets[i], now_ms, index++);
        }
    }
    if (r == 0) {
        r = record_builder_finish(&builder, ret_batch);
    }
    record_builder_done(&builder);
    return r;
}

struct append_call {
    struct shard **shards;
    struct partition_append append;
};

static int
append_here(void *arg)
{
    struct append_call *call = arg;
    struct shard *shard = call->shards[reactor_index()];
    partition_append_begin(shard, &call->append);
    return partition_append_wait(shard, &call->append);
}

int
offsets_log_append(struct groups *groups, struct bytes group_id, const struct group_offset *offsets,
        size_t count)
{
    CLEANUP(buf_unrefp) struct buf *batch = NULL;
    struct uuid topic_id;
    int32_t partitions = 0;
    int r = ensure_topic(groups, &topic_id, &partitions);
    if (r < 0) {
        return r;
    }
    r = build_batch(group_id, offsets, count, &batch);
    if (r < 0) {
        return r;
    }
    struct append_call call = {
        .shards = groups->options.shards,
        .append = {
            .key = { topic_id, java_hash(group_id) % partitions },
            .owner = batch,
            .batches = batch->data,
            .size = batch->size,
            .internal = true,
        },
    };
    r = reactor_call(partition_reactor(call.append.key), append_here, &call);
    if (r == 0 && call.append.error) {
        r = fault(-EIO, "__consumer_offsets-%d refused a commit (%d)", call.append.key.index,
                call.append.error);
    }
    if (r < 0) {
        LOG_WARN("offset commit failed", LOG_BYTES("group", group_id), LOG_FAULT(r));
    }
    return r;
}

static int
load_record(struct groups *groups, const struct record *record)
{
    struct wire_reader key;
    struct offset_commit_key commit;
    wire_reader_init(&key, record->key);
    int16_t version = wire_reader_int16(&key);
    if (version < 0 || version > KEY_VERSION) {
        return 0; /* group metadata and newer kinds: not kept in memory */
    }
    int r = wire_read(&key, &offset_commit_key_type, 0, &commit);
    if (r < 0) {
        return r;
    }
    struct group_offset offset = {
        .topic = commit.topic, .partition = commit.partition, .offset = -1
    };
    if (record->value.data) {
        struct wire_reader value;
        struct offset_commit_value message;
        wire_reader_init(&value, record->value);
        version = wire_reader_int16(&value);
        r = wire_read(&value, &offset_commit_value_type, version, &message);
        if (r < 0) {
            return r;
        }
        offset.offset = message.offset;
        offset.leader_epoch = message.leader_epoch;
        offset.metadata = message.metadata;
    }
    struct group *group = group_get(groups, commit.group);
    if (!group) {
        return fault(-ENOSPC, "more than %d groups have committed offsets", GROUPS_MAX);
    }
    group_set_offset(group, &offset);
    return 0;
}

static int
load_batch(struct groups *groups, const struct record_batch *batch)
{
    struct strbuf unpacked;
    struct bytes records = batch->records;
    int r = 0;
    strbuf_init(&unpacked, DECOMPRESSED_SIZE_MAX);
    if (record_batch_compression(batch) != COMPRESSION_NONE) {
        r = decompress(record_batch_compression(batch), batch->records, 0, &unpacked);
        records = strbuf_bytes(&unpacked);
    }
    if (r == 0 && !record_batch_is_control(batch)) {
        struct record_iterator it;
        struct record record;
        record_iterator_init(&it, batch, records);
        while ((r = record_iterator_next(&it, &record)) > 0) {
            r = load_record(groups, &record);
            if (r < 0) {
                break;
            }
        }
    }
    strbuf_done(&unpacked);
    return r;
}

struct read_call {
    struct shard **shards;
    struct partition_key key;
    int64_t offset; /* -1: begin at the log start */
    struct slices slices;
};

static int
read_here(void *arg)
{
    struct read_call *call = arg;
    struct shard *shard = call->shards[reactor_index()];
    struct partition *partition = shard_find(shard, call->key);
    if (!partition) {
        return fault(-ENOENT, "__consumer_offsets-%d is not open", call->key.index);
    }
    if (call->offset < 0) {
        call->offset = partition_log_start(partition);
    }
    partition_hold(partition);
    int r = partition_read(shard, partition, call->offset, LOAD_CHUNK_SIZE, NULL, &call->slices);
    partition_release(partition);
    return r;
}

/* Applies what one read brought; moves the offset on. */
static int
load_slices(struct groups *groups, struct read_call *call)
{
    for (size_t i = 0; i < call->slices.count; i++) {
        struct bytes run = call->slices.items[i].bytes;
        struct record_batch batch;
        int r;
        while ((r = record_batch_next(&run, &batch)) > 0) {
            r = load_batch(groups, &batch);
            if (r < 0) {
                return fault_note(r, "__consumer_offsets-%d, batch at offset %lld", call->key.index,
                        (long long)batch.base_offset);
            }
            call->offset = record_batch_last_offset(&batch) + 1;
        }
        if (r < 0) {
            return fault_note(r, "__consumer_offsets-%d after offset %lld", call->key.index,
                    (long long)call->offset);
        }
    }
    return 0;
}

static int
load_partition(struct groups *groups, struct partition_key key)
{
    struct read_call call = { .shards = groups->options.shards, .key = key, .offset = -1 };
    for (;;) {
        slices_init(&call.slices);
        int r = reactor_call(partition_reactor(key), read_here, &call);
        bool end = call.slices.count == 0;
        if (r == 0) {
            r = load_slices(groups, &call);
        }
        slices_done(&call.slices);
        if (r < 0 || end) {
            return r;
        }
    }
}

int
offsets_log_load(struct groups *groups)
{
    const struct meta_topic *topic =
            meta_topic_by_name(meta_state(groups->options.meta), topic_name);
    if (!topic) {
        return 0;
    }
    struct uuid id = topic->id;
    int32_t count = topic->partition_count;
    for (int32_t i = 0; i < count; i++) {
        int r = load_partition(groups, (struct partition_key){ id, i });
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
