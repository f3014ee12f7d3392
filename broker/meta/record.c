/* Records to bytes and back. Each record: type, version, size of the body, body; docs/formats/metadata.md has every
 * body. Integrity is the log object's (its CRC covers all records); this file only trusts nothing about shape. */
#include "meta/record.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/fault.h"
#include "meta/codec.h"

#include <errno.h>

#define RECORD_HEADER_SIZE 8u
#define RECORD_VERSION     1u

static const char *const type_names[] = {
    [META_CLUSTER] = "cluster",
    [META_CONTROLLER] = "controller",
    [META_BROKER] = "broker",
    [META_BROKER_GONE] = "broker-gone",
    [META_TOPIC] = "topic",
    [META_TOPIC_DELETE] = "topic-delete",
    [META_PARTITIONS] = "partitions",
    [META_CONFIG] = "config",
    [META_OPEN] = "open",
    [META_PRODUCER_IDS] = "producer-ids",
    [META_INTENT] = "intent",
    [META_COMMIT] = "commit",
    [META_MERGE] = "merge",
    [META_LOG_START] = "log-start",
    [META_GARBAGE_REMOVED] = "garbage-removed",
    [META_INTENT_DONE] = "intent-done",
    [META_MANIFEST_GARBAGE] = "manifest-garbage",
};

const char *
meta_record_type_name(enum meta_record_type type)
{
    return (unsigned)type < ARRAY_SIZE(type_names) && type_names[type] ? type_names[type] : "unknown";
}

static void
write_count(struct strbuf *out, int32_t count)
{
    CHECK(count >= 0);
    meta_write_i32(out, count);
}

static void
write_ids(struct strbuf *out, const uint64_t *ids, int32_t count)
{
    write_count(out, count);
    for (int32_t i = 0; i < count; i++) {
        meta_write_u64(out, ids[i]);
    }
}

static void
write_owners(struct strbuf *out, const int32_t *owners, int32_t count)
{
    write_count(out, count);
    for (int32_t i = 0; i < count; i++) {
        meta_write_i32(out, owners[i]);
    }
}

static void
write_broker(struct strbuf *out, const struct meta_broker_record *broker)
{
    meta_write_i32(out, broker->broker_id);
    meta_write_uuid(out, broker->incarnation);
    meta_write_blob(out, broker->host);
    meta_write_i32(out, broker->port);
    meta_write_blob(out, broker->rack);
    meta_write_blob(out, broker->admin_host);
    meta_write_i32(out, broker->admin_port);
}

static void
write_topic(struct strbuf *out, const struct meta_topic_record *topic)
{
    meta_write_blob(out, topic->name);
    meta_write_uuid(out, topic->topic_id);
    meta_write_bool(out, topic->internal);
    write_owners(out, topic->owners, topic->partition_count);
    write_count(out, topic->config_count);
    for (int32_t i = 0; i < topic->config_count; i++) {
        meta_write_blob(out, topic->configs[i].key);
        meta_write_blob(out, topic->configs[i].value);
    }
}

static void
write_commit(struct strbuf *out, const struct meta_commit_record *commit)
{
    meta_write_i32(out, commit->broker_id);
    meta_write_i64(out, commit->broker_epoch);
    meta_write_u64(out, commit->object_id);
    meta_write_u64(out, commit->object_size);
    write_count(out, commit->range_count);
    for (int32_t i = 0; i < commit->range_count; i++) {
        meta_write_key(out, commit->ranges[i].key);
        meta_write_range(out, &commit->ranges[i].range);
    }
}

static void
write_merge(struct strbuf *out, const struct meta_merge_record *merge)
{
    meta_write_key(out, merge->key);
    meta_write_i32(out, merge->leader_epoch);
    meta_write_u64(out, merge->manifest_id);
    meta_write_i64(out, merge->manifest_end_offset);
    meta_write_i64(out, merge->log_start_offset);
    write_ids(out, merge->added, merge->added_count);
    write_ids(out, merge->garbage, merge->garbage_count);
}

static void
write_body(struct strbuf *out, const struct meta_record *record)
{
    switch (record->type) {
    case META_CLUSTER:
        meta_write_uuid(out, record->cluster.cluster_id);
        meta_write_i32(out, record->cluster.version);
        return;
    case META_CONTROLLER:
        meta_write_i64(out, record->controller.epoch);
        meta_write_uuid(out, record->controller.writer);
        meta_write_i32(out, record->controller.broker_id);
        return;
    case META_BROKER:
        write_broker(out, &record->broker);
        return;
    case META_BROKER_GONE:
        meta_write_i32(out, record->broker_gone.broker_id);
        meta_write_i64(out, record->broker_gone.broker_epoch);
        return;
    case META_TOPIC:
        write_topic(out, &record->topic);
        return;
    case META_TOPIC_DELETE:
        meta_write_uuid(out, record->topic_delete.topic_id);
        return;
    case META_PARTITIONS:
        meta_write_uuid(out, record->partitions.topic_id);
        meta_write_i32(out, record->partitions.partition_count);
        write_owners(out, record->partitions.owners, record->partitions.owner_count);
        return;
    case META_CONFIG:
        meta_write_u8(out, (uint8_t)record->config.resource);
        meta_write_blob(out, record->config.name);
        meta_write_blob(out, record->config.key);
        meta_write_blob(out, record->config.value);
        return;
    case META_OPEN:
        meta_write_key(out, record->open.key);
        meta_write_i32(out, record->open.broker_id);
        meta_write_i64(out, record->open.broker_epoch);
        return;
    case META_PRODUCER_IDS:
        meta_write_i32(out, record->producer_ids.broker_id);
        meta_write_i64(out, record->producer_ids.broker_epoch);
        meta_write_i32(out, record->producer_ids.count);
        return;
    case META_INTENT:
        meta_write_i32(out, record->intent.broker_id);
        meta_write_i64(out, record->intent.broker_epoch);
        meta_write_i32(out, record->intent.count);
        return;
    case META_COMMIT:
        write_commit(out, &record->commit);
        return;
    case META_MERGE:
        write_merge(out, &record->merge);
        return;
    case META_LOG_START:
        meta_write_key(out, record->log_start.key);
        meta_write_i32(out, record->log_start.leader_epoch);
        meta_write_i64(out, record->log_start.offset);
        return;
    case META_GARBAGE_REMOVED:
        write_ids(out, record->ids.ids, record->ids.count);
        return;
    case META_INTENT_DONE:
        meta_write_u64(out, record->intent_done.first_id);
        meta_write_i32(out, record->intent_done.count);
        return;
    case META_MANIFEST_GARBAGE:
        meta_write_u64(out, record->manifest_garbage.manifest_id);
        write_ids(out, record->manifest_garbage.ids, record->manifest_garbage.count);
        return;
    }
}

int
meta_record_encode(const struct meta_record *record, struct strbuf *out)
{
    size_t start = out->size;
    meta_write_u16(out, (uint16_t)record->type);
    meta_write_u16(out, RECORD_VERSION);
    meta_write_u32(out, 0);
    write_body(out, record);
    size_t size = out->size - start;
    if (out->error || size > META_RECORD_SIZE_MAX) {
        out->size = start;
        out->error = 0;
        return fault(-EMSGSIZE, "meta: a %s record is larger than %zu bytes or the buffer's %zu",
                meta_record_type_name(record->type), META_RECORD_SIZE_MAX, out->max);
    }
    store_be32(out->data + start + 4, (uint32_t)(size - RECORD_HEADER_SIZE));
    return 0;
}

/* Where arrays go while a body is read. */
struct record_reader {
    struct meta_reader in;
    struct arena *arena;
};

static void *
read_array(struct record_reader *r, int32_t count, size_t size)
{
    if (count == 0 || r->in.error) {
        return NULL;
    }
    void *array = arena_try_alloc_array(r->arena, (size_t)count, size);
    if (!array) {
        r->in.error = -ENOBUFS;
    }
    return array;
}

/* Sizes are the state machine's business: it refuses, while an undecodable record would stop every broker. */
static struct bytes
read_blob(struct record_reader *r)
{
    return meta_read_blob(&r->in, META_RECORD_SIZE_MAX);
}

static const uint64_t *
read_ids(struct record_reader *r, int32_t *ret_count)
{
    int32_t count = meta_read_count(&r->in, sizeof(uint64_t));
    uint64_t *ids = read_array(r, count, sizeof *ids);
    for (int32_t i = 0; ids && i < count; i++) {
        ids[i] = meta_read_u64(&r->in);
    }
    *ret_count = ids ? count : 0;
    return ids;
}

static const int32_t *
read_owners(struct record_reader *r, int32_t *ret_count)
{
    int32_t count = meta_read_count(&r->in, sizeof(int32_t));
    int32_t *owners = read_array(r, count, sizeof *owners);
    for (int32_t i = 0; owners && i < count; i++) {
        owners[i] = meta_read_i32(&r->in);
    }
    *ret_count = owners ? count : 0;
    return owners;
}

static void
read_broker(struct record_reader *r, struct meta_broker_record *broker)
{
    broker->broker_id = meta_read_i32(&r->in);
    broker->incarnation = meta_read_uuid(&r->in);
    broker->host = read_blob(r);
    broker->port = meta_read_i32(&r->in);
    broker->rack = read_blob(r);
    broker->admin_host = read_blob(r);
    broker->admin_port = meta_read_i32(&r->in);
}

static void
read_topic(struct record_reader *r, struct meta_topic_record *topic)
{
    topic->name = read_blob(r);
    topic->topic_id = meta_read_uuid(&r->in);
    topic->internal = meta_read_bool(&r->in);
    topic->owners = read_owners(r, &topic->partition_count);
    int32_t count = meta_read_count(&r->in, 8);
    struct meta_config_entry *configs = read_array(r, count, sizeof *configs);
    for (int32_t i = 0; configs && i < count; i++) {
        configs[i].key = read_blob(r);
        configs[i].value = read_blob(r);
    }
    topic->configs = configs;
    topic->config_count = configs ? count : 0;
}

static void
read_commit(struct record_reader *r, struct meta_commit_record *commit)
{
    commit->broker_id = meta_read_i32(&r->in);
    commit->broker_epoch = meta_read_i64(&r->in);
    commit->object_id = meta_read_u64(&r->in);
    commit->object_size = meta_read_u64(&r->in);
    int32_t count = meta_read_count(&r->in, META_KEY_SIZE + META_RANGE_SIZE);
    struct meta_commit_range *ranges = read_array(r, count, sizeof *ranges);
    for (int32_t i = 0; ranges && i < count; i++) {
        ranges[i].key = meta_read_key(&r->in);
        ranges[i].range = meta_read_range(&r->in);
    }
    commit->ranges = ranges;
    commit->range_count = ranges ? count : 0;
}

static void
read_merge(struct record_reader *r, struct meta_merge_record *merge)
{
    merge->key = meta_read_key(&r->in);
    merge->leader_epoch = meta_read_i32(&r->in);
    merge->manifest_id = meta_read_u64(&r->in);
    merge->manifest_end_offset = meta_read_i64(&r->in);
    merge->log_start_offset = meta_read_i64(&r->in);
    merge->added = read_ids(r, &merge->added_count);
    merge->garbage = read_ids(r, &merge->garbage_count);
}

static void
read_config(struct record_reader *r, struct meta_record *record)
{
    record->config.resource = (enum meta_resource)meta_read_u8(&r->in);
    record->config.name = read_blob(r);
    record->config.key = read_blob(r);
    record->config.value = read_blob(r);
}

static void
read_body(struct record_reader *r, struct meta_record *record)
{
    switch (record->type) {
    case META_CLUSTER:
        record->cluster.cluster_id = meta_read_uuid(&r->in);
        record->cluster.version = meta_read_i32(&r->in);
        return;
    case META_CONTROLLER:
        record->controller.epoch = meta_read_i64(&r->in);
        record->controller.writer = meta_read_uuid(&r->in);
        record->controller.broker_id = meta_read_i32(&r->in);
        return;
    case META_BROKER:
        read_broker(r, &record->broker);
        return;
    case META_BROKER_GONE:
        record->broker_gone.broker_id = meta_read_i32(&r->in);
        record->broker_gone.broker_epoch = meta_read_i64(&r->in);
        return;
    case META_TOPIC:
        read_topic(r, &record->topic);
        return;
    case META_TOPIC_DELETE:
        record->topic_delete.topic_id = meta_read_uuid(&r->in);
        return;
    case META_PARTITIONS:
        record->partitions.topic_id = meta_read_uuid(&r->in);
        record->partitions.partition_count = meta_read_i32(&r->in);
        record->partitions.owners = read_owners(r, &record->partitions.owner_count);
        return;
    case META_CONFIG:
        read_config(r, record);
        return;
    case META_OPEN:
        record->open.key = meta_read_key(&r->in);
        record->open.broker_id = meta_read_i32(&r->in);
        record->open.broker_epoch = meta_read_i64(&r->in);
        return;
    case META_PRODUCER_IDS:
        record->producer_ids.broker_id = meta_read_i32(&r->in);
        record->producer_ids.broker_epoch = meta_read_i64(&r->in);
        record->producer_ids.count = meta_read_i32(&r->in);
        return;
    case META_INTENT:
        record->intent.broker_id = meta_read_i32(&r->in);
        record->intent.broker_epoch = meta_read_i64(&r->in);
        record->intent.count = meta_read_i32(&r->in);
        return;
    case META_COMMIT:
        read_commit(r, &record->commit);
        return;
    case META_MERGE:
        read_merge(r, &record->merge);
        return;
    case META_LOG_START:
        record->log_start.key = meta_read_key(&r->in);
        record->log_start.leader_epoch = meta_read_i32(&r->in);
        record->log_start.offset = meta_read_i64(&r->in);
        return;
    case META_GARBAGE_REMOVED:
        record->ids.ids = read_ids(r, &record->ids.count);
        return;
    case META_INTENT_DONE:
        record->intent_done.first_id = meta_read_u64(&r->in);
        record->intent_done.count = meta_read_i32(&r->in);
        return;
    case META_MANIFEST_GARBAGE:
        record->manifest_garbage.manifest_id = meta_read_u64(&r->in);
        record->manifest_garbage.ids = read_ids(r, &record->manifest_garbage.count);
        return;
    }
}

int
meta_record_decode(struct bytes bytes, struct arena *arena, struct meta_record *ret_record, size_t *ret_size)
{
    struct meta_reader header = meta_reader_of(bytes);
    uint16_t type = meta_read_u16(&header);
    uint16_t version = meta_read_u16(&header);
    uint32_t size = meta_read_u32(&header);
    if (header.error || size > header.left || size > META_RECORD_SIZE_MAX) {
        return fault(-EBADMSG, "meta: a record of type %u is cut short: %u bytes announced, %zu there", type,
                size, header.left);
    }
    if (type == 0 || version == 0) {
        return fault(-EBADMSG, "meta: record type %u version %u", type, version);
    }
    if (type > META_RECORD_TYPE_MAX || version > RECORD_VERSION) {
        return fault(-EMEDIUMTYPE, "meta: record type %u version %u was written by a newer Freshet", type,
                version);
    }
    struct record_reader r = { .in = meta_reader_of(bytes_of(header.at, size)), .arena = arena };
    struct meta_record record = { .type = (enum meta_record_type)type };
    read_body(&r, &record);
    if (r.in.error == -ENOBUFS) {
        return fault(-ENOBUFS, "meta: a %s record of %u bytes is beyond the memory budget of %zu",
                meta_record_type_name(record.type), size, arena->budget);
    }
    if (meta_reader_end(&r.in)) {
        return fault(-EBADMSG, "meta: the body of a %s record is damaged, %zu of %u bytes left",
                meta_record_type_name(record.type), r.in.left, size);
    }
    if (record.type == META_CLUSTER && record.cluster.version > META_FORMAT_VERSION) {
        return fault(-EMEDIUMTYPE, "meta: format version %d was written by a newer Freshet",
                record.cluster.version);
    }
    *ret_record = record;
    *ret_size = RECORD_HEADER_SIZE + size;
    return 0;
}
