/* Bytes to records. Integrity is the log object's (its CRC covers all records); here nothing is
 * believed about shape: each count is held against the bytes that are left before anything is
 * allocated. */
#include "base/fault.h"
#include "meta/codec.h"
#include "meta/record.h"
#include "meta/record_format.h"

#include <errno.h>

/* Where arrays go while a body is read. */
struct record_reader {
    struct meta_reader in;
    struct arena *arena;
    uint16_t version;
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

/* Sizes are the state machine's business: it refuses, while an undecodable record would stop every
 * broker. */
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

/* Before version 4: one, without a name. */
static const struct meta_endpoint *
read_endpoints(struct record_reader *r, int32_t *ret_count)
{
    bool named = r->version >= 4;
    int32_t count = named ? meta_read_count(&r->in, 12) : 1;
    struct meta_endpoint *endpoints = read_array(r, count, sizeof *endpoints);
    for (int32_t i = 0; endpoints && i < count; i++) {
        endpoints[i].listener = named ? read_blob(r) : BYTES_LITERAL(RECORD_LISTENER_OLD);
        endpoints[i].host = read_blob(r);
        endpoints[i].port = meta_read_i32(&r->in);
    }
    *ret_count = endpoints ? count : 0;
    return endpoints;
}

static void
read_broker(struct record_reader *r, struct meta_broker_record *broker)
{
    broker->broker_id = meta_read_i32(&r->in);
    broker->incarnation = meta_read_uuid(&r->in);
    broker->endpoints = read_endpoints(r, &broker->endpoint_count);
    broker->rack = read_blob(r);
    broker->admin_host = read_blob(r);
    broker->admin_port = meta_read_i32(&r->in);
    if (r->version >= 2) {
        broker->internal_host = read_blob(r);
        broker->internal_port = meta_read_i32(&r->in);
    }
    if (r->version >= 3) {
        broker->wal_logs = meta_read_i32(&r->in);
    }
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
read_cluster_body(struct record_reader *r, struct meta_record *record)
{
    record->cluster.cluster_id = meta_read_uuid(&r->in);
    record->cluster.version = meta_read_i32(&r->in);
}

static void
read_controller_body(struct record_reader *r, struct meta_record *record)
{
    record->controller.epoch = meta_read_i64(&r->in);
    record->controller.writer = meta_read_uuid(&r->in);
    record->controller.broker_id = meta_read_i32(&r->in);
}

static void
read_broker_body(struct record_reader *r, struct meta_record *record)
{
    read_broker(r, &record->broker);
}

static void
read_broker_gone_body(struct record_reader *r, struct meta_record *record)
{
    record->broker_gone.broker_id = meta_read_i32(&r->in);
    record->broker_gone.broker_epoch = meta_read_i64(&r->in);
    record->broker_gone.clean = r->version >= 2 && meta_read_bool(&r->in);
}

static void
read_topic_body(struct record_reader *r, struct meta_record *record)
{
    read_topic(r, &record->topic);
}

static void
read_topic_delete_body(struct record_reader *r, struct meta_record *record)
{
    record->topic_delete.topic_id = meta_read_uuid(&r->in);
}

static void
read_partitions_body(struct record_reader *r, struct meta_record *record)
{
    record->partitions.topic_id = meta_read_uuid(&r->in);
    record->partitions.partition_count = meta_read_i32(&r->in);
    record->partitions.owners = read_owners(r, &record->partitions.owner_count);
}

static void
read_config_body(struct record_reader *r, struct meta_record *record)
{
    read_config(r, record);
}

static void
read_open_body(struct record_reader *r, struct meta_record *record)
{
    record->open.key = meta_read_key(&r->in);
    record->open.broker_id = meta_read_i32(&r->in);
    record->open.broker_epoch = meta_read_i64(&r->in);
    record->open.again = r->version < 2;
}

static void
read_producer_ids_body(struct record_reader *r, struct meta_record *record)
{
    record->producer_ids.broker_id = meta_read_i32(&r->in);
    record->producer_ids.broker_epoch = meta_read_i64(&r->in);
    record->producer_ids.count = meta_read_i32(&r->in);
}

static void
read_intent_body(struct record_reader *r, struct meta_record *record)
{
    record->intent.broker_id = meta_read_i32(&r->in);
    record->intent.broker_epoch = meta_read_i64(&r->in);
    record->intent.count = meta_read_i32(&r->in);
}

static void
read_commit_body(struct record_reader *r, struct meta_record *record)
{
    read_commit(r, &record->commit);
}

static void
read_merge_body(struct record_reader *r, struct meta_record *record)
{
    read_merge(r, &record->merge);
}

static void
read_log_start_body(struct record_reader *r, struct meta_record *record)
{
    record->log_start.key = meta_read_key(&r->in);
    record->log_start.leader_epoch = meta_read_i32(&r->in);
    record->log_start.offset = meta_read_i64(&r->in);
}

static void
read_garbage_removed_body(struct record_reader *r, struct meta_record *record)
{
    record->ids.ids = read_ids(r, &record->ids.count);
}

static void
read_intent_done_body(struct record_reader *r, struct meta_record *record)
{
    record->intent_done.first_id = meta_read_u64(&r->in);
    record->intent_done.count = meta_read_i32(&r->in);
}

static void
read_manifest_garbage_body(struct record_reader *r, struct meta_record *record)
{
    record->manifest_garbage.manifest_id = meta_read_u64(&r->in);
    record->manifest_garbage.ids = read_ids(r, &record->manifest_garbage.count);
}

static void
read_broker_state_body(struct record_reader *r, struct meta_record *record)
{
    record->broker_state.broker_id = meta_read_i32(&r->in);
    record->broker_state.state = (enum meta_broker_state)meta_read_u8(&r->in);
}

static void
read_move_body(struct record_reader *r, struct meta_record *record)
{
    record->move.key = meta_read_key(&r->in);
    record->move.target = meta_read_i32(&r->in);
}

static void
read_handover_body(struct record_reader *r, struct meta_record *record)
{
    record->handover.key = meta_read_key(&r->in);
    record->handover.broker_id = meta_read_i32(&r->in);
    record->handover.broker_epoch = meta_read_i64(&r->in);
    record->handover.leader_epoch = meta_read_i32(&r->in);
    record->handover.end_offset = meta_read_i64(&r->in);
}

static void
read_proposal_body(struct record_reader *r, struct meta_record *record)
{
    record->proposal.writer = meta_read_uuid(&r->in);
    record->proposal.number = meta_read_u64(&r->in);
    record->proposal.count = meta_read_i32(&r->in);
    if (record->proposal.count < 0) {
        r->in.error = -EBADMSG;
    }
}

static void
read_broker_remove_body(struct record_reader *r, struct meta_record *record)
{
    record->broker_remove.broker_id = meta_read_i32(&r->in);
    record->broker_remove.broker_epoch = meta_read_i64(&r->in);
}

static void
read_balance_body(struct record_reader *r, struct meta_record *record)
{
    record->balance.key = meta_read_key(&r->in);
    record->balance.target = meta_read_i32(&r->in);
    record->balance.leader_epoch = meta_read_i32(&r->in);
}

static void
read_take_over_body(struct record_reader *r, struct meta_record *record)
{
    struct meta_take_over_record *take = &record->take_over;
    take->broker_id = meta_read_i32(&r->in);
    take->broker_epoch = meta_read_i64(&r->in);
    int32_t count = meta_read_count(&r->in, 12);
    struct meta_taker *takers = read_array(r, count, sizeof *takers);
    for (int32_t i = 0; takers && i < count; i++) {
        int32_t id = meta_read_i32(&r->in);
        takers[i] = (struct meta_taker){ .broker_id = id, .broker_epoch = meta_read_i64(&r->in) };
    }
    take->takers = takers;
    take->taker_count = takers ? count : 0;
}

static void
read_recovered_body(struct record_reader *r, struct meta_record *record)
{
    struct meta_recovered_record *recovered = &record->recovered;
    recovered->broker_id = meta_read_i32(&r->in);
    recovered->broker_epoch = meta_read_i64(&r->in);
    recovered->taker_id = meta_read_i32(&r->in);
    recovered->taker_epoch = meta_read_i64(&r->in);
    recovered->share = meta_read_i32(&r->in);
    recovered->shares = r->version >= 2 ? meta_read_i32(&r->in) : 0;
}

static void (*const body_readers[])(struct record_reader *r, struct meta_record *record) = {
    [META_CLUSTER] = read_cluster_body,
    [META_CONTROLLER] = read_controller_body,
    [META_BROKER] = read_broker_body,
    [META_BROKER_GONE] = read_broker_gone_body,
    [META_TOPIC] = read_topic_body,
    [META_TOPIC_DELETE] = read_topic_delete_body,
    [META_PARTITIONS] = read_partitions_body,
    [META_CONFIG] = read_config_body,
    [META_OPEN] = read_open_body,
    [META_PRODUCER_IDS] = read_producer_ids_body,
    [META_INTENT] = read_intent_body,
    [META_COMMIT] = read_commit_body,
    [META_MERGE] = read_merge_body,
    [META_LOG_START] = read_log_start_body,
    [META_GARBAGE_REMOVED] = read_garbage_removed_body,
    [META_INTENT_DONE] = read_intent_done_body,
    [META_MANIFEST_GARBAGE] = read_manifest_garbage_body,
    [META_BROKER_STATE] = read_broker_state_body,
    [META_MOVE] = read_move_body,
    [META_HANDOVER] = read_handover_body,
    [META_PROPOSAL] = read_proposal_body,
    [META_BROKER_REMOVE] = read_broker_remove_body,
    [META_BALANCE] = read_balance_body,
    [META_TAKE_OVER] = read_take_over_body,
    [META_RECOVERED] = read_recovered_body,
};

int
meta_record_decode(
        struct bytes bytes, struct arena *arena, struct meta_record *ret_record, size_t *ret_size)
{
    struct meta_reader header = meta_reader_of(bytes);
    uint16_t type = meta_read_u16(&header);
    uint16_t version = meta_read_u16(&header);
    uint32_t size = meta_read_u32(&header);
    if (header.error || size > header.left || size > META_RECORD_SIZE_MAX) {
        return fault(-EBADMSG,
                "meta: a record of type %u is cut short: %u bytes announced, %zu there", type, size,
                header.left);
    }
    if (type == 0 || version == 0) {
        return fault(-EBADMSG, "meta: record type %u version %u", type, version);
    }
    if (!meta_record_type_is_known(type) || version > record_version(type)) {
        return fault(-EMEDIUMTYPE, "meta: record type %u version %u was written by a newer Freshet",
                type, version);
    }
    struct record_reader r = {
        .in = meta_reader_of(bytes_of(header.at, size)), .arena = arena, .version = version
    };
    struct meta_record record = { .type = (enum meta_record_type)type };
    body_readers[record.type](&r, &record);
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
