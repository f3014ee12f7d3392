/* Records to bytes. Each record: type, version, size of the body, body; docs/formats/metadata.md
 * has every body. record_decode.c is the way back. */
#include "meta/record.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/fault.h"
#include "meta/codec.h"
#include "meta/record_format.h"

#include <errno.h>

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
    [META_BROKER_STATE] = "broker-state",
    [META_MOVE] = "move",
    [META_HANDOVER] = "handover",
    [META_PROPOSAL] = "proposal",
    [META_BROKER_REMOVE] = "broker-remove",
    [META_BALANCE] = "balance",
    [META_TAKE_OVER] = "take-over",
    [META_RECOVERED] = "recovered",
};

const char *
meta_record_type_name(enum meta_record_type type)
{
    return (unsigned)type < ARRAY_SIZE(type_names) && type_names[type] ? type_names[type]
                                                                       : "unknown";
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
write_endpoints(struct strbuf *out, const struct meta_endpoint *endpoints, int32_t count)
{
    write_count(out, count);
    for (int32_t i = 0; i < count; i++) {
        meta_write_blob(out, endpoints[i].listener);
        meta_write_blob(out, endpoints[i].host);
        meta_write_i32(out, endpoints[i].port);
    }
}

static void
write_broker(struct strbuf *out, const struct meta_broker_record *broker)
{
    meta_write_i32(out, broker->broker_id);
    meta_write_uuid(out, broker->incarnation);
    write_endpoints(out, broker->endpoints, broker->endpoint_count);
    meta_write_blob(out, broker->rack);
    meta_write_blob(out, broker->admin_host);
    meta_write_i32(out, broker->admin_port);
    meta_write_blob(out, broker->internal_host);
    meta_write_i32(out, broker->internal_port);
    meta_write_i32(out, broker->wal_logs);
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
write_cluster_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_uuid(out, record->cluster.cluster_id);
    meta_write_i32(out, record->cluster.version);
}

static void
write_controller_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_i64(out, record->controller.epoch);
    meta_write_uuid(out, record->controller.writer);
    meta_write_i32(out, record->controller.broker_id);
}

static void
write_broker_body(struct strbuf *out, const struct meta_record *record)
{
    write_broker(out, &record->broker);
}

static void
write_broker_gone_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_i32(out, record->broker_gone.broker_id);
    meta_write_i64(out, record->broker_gone.broker_epoch);
    meta_write_bool(out, record->broker_gone.clean);
}

static void
write_topic_body(struct strbuf *out, const struct meta_record *record)
{
    write_topic(out, &record->topic);
}

static void
write_topic_delete_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_uuid(out, record->topic_delete.topic_id);
}

static void
write_partitions_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_uuid(out, record->partitions.topic_id);
    meta_write_i32(out, record->partitions.partition_count);
    write_owners(out, record->partitions.owners, record->partitions.owner_count);
}

static void
write_config_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_u8(out, (uint8_t)record->config.resource);
    meta_write_blob(out, record->config.name);
    meta_write_blob(out, record->config.key);
    meta_write_blob(out, record->config.value);
}

static void
write_open_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_key(out, record->open.key);
    meta_write_i32(out, record->open.broker_id);
    meta_write_i64(out, record->open.broker_epoch);
}

static void
write_producer_ids_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_i32(out, record->producer_ids.broker_id);
    meta_write_i64(out, record->producer_ids.broker_epoch);
    meta_write_i32(out, record->producer_ids.count);
}

static void
write_intent_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_i32(out, record->intent.broker_id);
    meta_write_i64(out, record->intent.broker_epoch);
    meta_write_i32(out, record->intent.count);
}

static void
write_commit_body(struct strbuf *out, const struct meta_record *record)
{
    write_commit(out, &record->commit);
}

static void
write_merge_body(struct strbuf *out, const struct meta_record *record)
{
    write_merge(out, &record->merge);
}

static void
write_log_start_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_key(out, record->log_start.key);
    meta_write_i32(out, record->log_start.leader_epoch);
    meta_write_i64(out, record->log_start.offset);
}

static void
write_garbage_removed_body(struct strbuf *out, const struct meta_record *record)
{
    write_ids(out, record->ids.ids, record->ids.count);
}

static void
write_intent_done_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_u64(out, record->intent_done.first_id);
    meta_write_i32(out, record->intent_done.count);
}

static void
write_manifest_garbage_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_u64(out, record->manifest_garbage.manifest_id);
    write_ids(out, record->manifest_garbage.ids, record->manifest_garbage.count);
}

static void
write_broker_state_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_i32(out, record->broker_state.broker_id);
    meta_write_u8(out, (uint8_t)record->broker_state.state);
}

static void
write_move_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_key(out, record->move.key);
    meta_write_i32(out, record->move.target);
}

static void
write_handover_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_key(out, record->handover.key);
    meta_write_i32(out, record->handover.broker_id);
    meta_write_i64(out, record->handover.broker_epoch);
    meta_write_i32(out, record->handover.leader_epoch);
    meta_write_i64(out, record->handover.end_offset);
}

static void
write_proposal_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_uuid(out, record->proposal.writer);
    meta_write_u64(out, record->proposal.number);
    write_count(out, record->proposal.count);
}

static void
write_broker_remove_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_i32(out, record->broker_remove.broker_id);
    meta_write_i64(out, record->broker_remove.broker_epoch);
}

static void
write_balance_body(struct strbuf *out, const struct meta_record *record)
{
    meta_write_key(out, record->balance.key);
    meta_write_i32(out, record->balance.target);
    meta_write_i32(out, record->balance.leader_epoch);
}

static void
write_take_over_body(struct strbuf *out, const struct meta_record *record)
{
    const struct meta_take_over_record *take = &record->take_over;
    meta_write_i32(out, take->broker_id);
    meta_write_i64(out, take->broker_epoch);
    write_count(out, take->taker_count);
    for (int32_t i = 0; i < take->taker_count; i++) {
        meta_write_i32(out, take->takers[i].broker_id);
        meta_write_i64(out, take->takers[i].broker_epoch);
    }
}

static void
write_recovered_body(struct strbuf *out, const struct meta_record *record)
{
    const struct meta_recovered_record *recovered = &record->recovered;
    meta_write_i32(out, recovered->broker_id);
    meta_write_i64(out, recovered->broker_epoch);
    meta_write_i32(out, recovered->taker_id);
    meta_write_i64(out, recovered->taker_epoch);
    meta_write_i32(out, recovered->share);
    meta_write_i32(out, recovered->shares);
}

static void (*const body_writers[])(struct strbuf *out, const struct meta_record *record) = {
    [META_CLUSTER] = write_cluster_body,
    [META_CONTROLLER] = write_controller_body,
    [META_BROKER] = write_broker_body,
    [META_BROKER_GONE] = write_broker_gone_body,
    [META_TOPIC] = write_topic_body,
    [META_TOPIC_DELETE] = write_topic_delete_body,
    [META_PARTITIONS] = write_partitions_body,
    [META_CONFIG] = write_config_body,
    [META_OPEN] = write_open_body,
    [META_PRODUCER_IDS] = write_producer_ids_body,
    [META_INTENT] = write_intent_body,
    [META_COMMIT] = write_commit_body,
    [META_MERGE] = write_merge_body,
    [META_LOG_START] = write_log_start_body,
    [META_GARBAGE_REMOVED] = write_garbage_removed_body,
    [META_INTENT_DONE] = write_intent_done_body,
    [META_MANIFEST_GARBAGE] = write_manifest_garbage_body,
    [META_BROKER_STATE] = write_broker_state_body,
    [META_MOVE] = write_move_body,
    [META_HANDOVER] = write_handover_body,
    [META_PROPOSAL] = write_proposal_body,
    [META_BROKER_REMOVE] = write_broker_remove_body,
    [META_BALANCE] = write_balance_body,
    [META_TAKE_OVER] = write_take_over_body,
    [META_RECOVERED] = write_recovered_body,
};

bool
meta_record_type_is_known(unsigned type)
{
    return type < ARRAY_SIZE(body_writers) && body_writers[type];
}

/* What was of an older version and means something else stays so. */
static unsigned
version_of(const struct meta_record *record)
{
    return record->type == META_OPEN && record->open.again ? 1 : record_version(record->type);
}

int
meta_record_encode(const struct meta_record *record, struct strbuf *out)
{
    CHECK(meta_record_type_is_known(record->type));
    size_t start = out->size;
    meta_write_u16(out, (uint16_t)record->type);
    meta_write_u16(out, (uint16_t)version_of(record));
    meta_write_u32(out, 0);
    body_writers[record->type](out, record);
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
