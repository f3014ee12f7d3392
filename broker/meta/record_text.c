/* Records as lines for people: type, then key=value with the names of docs/formats/metadata.md. */
#include "meta/inspect.h"

#define TEXT_ITEMS_MAX 16 /* of a list; the rest is counted */

static void
put_uuid(struct strbuf *out, const char *name, const struct uuid *uuid)
{
    char text[UUID_TEXT_SIZE];
    strbuf_printf(out, " %s=%s", name, uuid_format(uuid, text));
}

/* Quoted, with what would break a line as \xNN. */
static void
put_bytes(struct strbuf *out, const char *name, struct bytes bytes)
{
    if (!bytes.data) {
        strbuf_printf(out, " %s=null", name);
        return;
    }
    strbuf_printf(out, " %s=\"", name);
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = bytes.data[i];
        if (c < ' ' || c >= 0x7f || c == '"' || c == '\\') {
            strbuf_printf(out, "\\x%02x", c);
        } else {
            strbuf_append_char(out, (char)c);
        }
    }
    strbuf_append_char(out, '"');
}

static void
put_number(struct strbuf *out, const char *name, int64_t number)
{
    strbuf_printf(out, " %s=%lld", name, (long long)number);
}

static void
put_object(struct strbuf *out, const char *name, uint64_t id)
{
    strbuf_printf(out, " %s=%016llx", name, (unsigned long long)id);
}

static void
put_key(struct strbuf *out, const struct partition_key *key)
{
    put_uuid(out, "topic", &key->topic_id);
    put_number(out, "partition", key->index);
}

static void
put_ids(struct strbuf *out, const char *name, const uint64_t *ids, int32_t count)
{
    strbuf_printf(out, " %s=%d[", name, count);
    for (int32_t i = 0; i < MIN(count, TEXT_ITEMS_MAX); i++) {
        strbuf_printf(out, "%s%016llx", i ? "," : "", (unsigned long long)ids[i]);
    }
    strbuf_append_string(out, count > TEXT_ITEMS_MAX ? ",...]" : "]");
}

static void
put_owners(struct strbuf *out, const int32_t *owners, int32_t count)
{
    strbuf_printf(out, " owners=%d[", count);
    for (int32_t i = 0; i < MIN(count, TEXT_ITEMS_MAX); i++) {
        strbuf_printf(out, "%s%d", i ? "," : "", owners[i]);
    }
    strbuf_append_string(out, count > TEXT_ITEMS_MAX ? ",...]" : "]");
}

static void
put_broker(struct strbuf *out, const struct meta_broker_record *broker)
{
    put_number(out, "broker", broker->broker_id);
    put_uuid(out, "incarnation", &broker->incarnation);
    for (int32_t i = 0; i < MIN(broker->endpoint_count, TEXT_ITEMS_MAX); i++) {
        put_bytes(out, "listener", broker->endpoints[i].listener);
        put_bytes(out, "host", broker->endpoints[i].host);
        put_number(out, "port", broker->endpoints[i].port);
    }
    put_bytes(out, "rack", broker->rack);
    put_bytes(out, "admin_host", broker->admin_host);
    put_number(out, "admin_port", broker->admin_port);
    put_bytes(out, "internal_host", broker->internal_host);
    put_number(out, "internal_port", broker->internal_port);
    put_number(out, "wal_logs", broker->wal_logs);
}

static void
put_topic(struct strbuf *out, const struct meta_topic_record *topic)
{
    put_bytes(out, "name", topic->name);
    put_uuid(out, "topic", &topic->topic_id);
    put_number(out, "internal", topic->internal);
    put_owners(out, topic->owners, topic->partition_count);
    for (int32_t i = 0; i < MIN(topic->config_count, TEXT_ITEMS_MAX); i++) {
        put_bytes(out, "config", topic->configs[i].key);
        put_bytes(out, "value", topic->configs[i].value);
    }
    put_number(out, "configs", topic->config_count);
}

static void
put_commit(struct strbuf *out, const struct meta_commit_record *commit)
{
    put_number(out, "broker", commit->broker_id);
    put_number(out, "broker_epoch", commit->broker_epoch);
    put_object(out, "object", commit->object_id);
    put_number(out, "size", (int64_t)commit->object_size);
    put_number(out, "ranges", commit->range_count);
    for (int32_t i = 0; i < MIN(commit->range_count, TEXT_ITEMS_MAX); i++) {
        const struct meta_commit_range *range = &commit->ranges[i];
        char text[UUID_TEXT_SIZE];
        strbuf_printf(out, " %s-%d@%lld..%lld/e%d", uuid_format(&range->key.topic_id, text),
                range->key.index, (long long)range->range.base_offset,
                (long long)range->range.end_offset, range->range.leader_epoch);
    }
}

static void
put_merge(struct strbuf *out, const struct meta_merge_record *merge)
{
    put_key(out, &merge->key);
    put_number(out, "leader_epoch", merge->leader_epoch);
    put_object(out, "manifest", merge->manifest_id);
    put_number(out, "manifest_end", merge->manifest_end_offset);
    put_number(out, "log_start", merge->log_start_offset);
    put_ids(out, "added", merge->added, merge->added_count);
    put_ids(out, "garbage", merge->garbage, merge->garbage_count);
}

static void
put_config(struct strbuf *out, const struct meta_record *record)
{
    put_number(out, "resource", (int64_t)record->config.resource);
    put_bytes(out, "name", record->config.name);
    put_bytes(out, "key", record->config.key);
    put_bytes(out, "value", record->config.value);
}

static void
put_cluster_record(struct strbuf *out, const struct meta_record *record)
{
    put_uuid(out, "cluster", &record->cluster.cluster_id);
    put_number(out, "version", record->cluster.version);
}

static void
put_controller_record(struct strbuf *out, const struct meta_record *record)
{
    put_number(out, "epoch", record->controller.epoch);
    put_uuid(out, "writer", &record->controller.writer);
    put_number(out, "broker", record->controller.broker_id);
}

static void
put_broker_record(struct strbuf *out, const struct meta_record *record)
{
    put_broker(out, &record->broker);
}

static void
put_broker_gone_record(struct strbuf *out, const struct meta_record *record)
{
    put_number(out, "broker", record->broker_gone.broker_id);
    put_number(out, "broker_epoch", record->broker_gone.broker_epoch);
    put_number(out, "clean", record->broker_gone.clean);
}

static void
put_topic_record(struct strbuf *out, const struct meta_record *record)
{
    put_topic(out, &record->topic);
}

static void
put_topic_delete_record(struct strbuf *out, const struct meta_record *record)
{
    put_uuid(out, "topic", &record->topic_delete.topic_id);
}

static void
put_partitions_record(struct strbuf *out, const struct meta_record *record)
{
    put_uuid(out, "topic", &record->partitions.topic_id);
    put_number(out, "partitions", record->partitions.partition_count);
    put_owners(out, record->partitions.owners, record->partitions.owner_count);
}

static void
put_config_record(struct strbuf *out, const struct meta_record *record)
{
    put_config(out, record);
}

static void
put_open_record(struct strbuf *out, const struct meta_record *record)
{
    put_key(out, &record->open.key);
    put_number(out, "broker", record->open.broker_id);
    put_number(out, "broker_epoch", record->open.broker_epoch);
    if (record->open.again) {
        put_number(out, "again", 1);
    }
}

static void
put_producer_ids_record(struct strbuf *out, const struct meta_record *record)
{
    put_number(out, "broker", record->producer_ids.broker_id);
    put_number(out, "broker_epoch", record->producer_ids.broker_epoch);
    put_number(out, "count", record->producer_ids.count);
}

static void
put_intent_record(struct strbuf *out, const struct meta_record *record)
{
    put_number(out, "broker", record->intent.broker_id);
    put_number(out, "broker_epoch", record->intent.broker_epoch);
    put_number(out, "count", record->intent.count);
}

static void
put_commit_record(struct strbuf *out, const struct meta_record *record)
{
    put_commit(out, &record->commit);
}

static void
put_merge_record(struct strbuf *out, const struct meta_record *record)
{
    put_merge(out, &record->merge);
}

static void
put_log_start_record(struct strbuf *out, const struct meta_record *record)
{
    put_key(out, &record->log_start.key);
    put_number(out, "leader_epoch", record->log_start.leader_epoch);
    put_number(out, "offset", record->log_start.offset);
}

static void
put_garbage_removed_record(struct strbuf *out, const struct meta_record *record)
{
    put_ids(out, "ids", record->ids.ids, record->ids.count);
}

static void
put_intent_done_record(struct strbuf *out, const struct meta_record *record)
{
    put_object(out, "first", record->intent_done.first_id);
    put_number(out, "count", record->intent_done.count);
}

static void
put_manifest_garbage_record(struct strbuf *out, const struct meta_record *record)
{
    put_object(out, "manifest", record->manifest_garbage.manifest_id);
    put_ids(out, "ids", record->manifest_garbage.ids, record->manifest_garbage.count);
}

static void
put_broker_state_record(struct strbuf *out, const struct meta_record *record)
{
    put_number(out, "broker", record->broker_state.broker_id);
    put_number(out, "state", (int64_t)record->broker_state.state);
}

static void
put_move_record(struct strbuf *out, const struct meta_record *record)
{
    put_key(out, &record->move.key);
    put_number(out, "target", record->move.target);
}

static void
put_handover_record(struct strbuf *out, const struct meta_record *record)
{
    put_key(out, &record->handover.key);
    put_number(out, "broker", record->handover.broker_id);
    put_number(out, "broker_epoch", record->handover.broker_epoch);
    put_number(out, "leader_epoch", record->handover.leader_epoch);
    put_number(out, "end_offset", record->handover.end_offset);
}

static void
put_proposal_record(struct strbuf *out, const struct meta_record *record)
{
    put_uuid(out, "writer", &record->proposal.writer);
    put_number(out, "number", (int64_t)record->proposal.number);
    put_number(out, "count", record->proposal.count);
}

static void
put_broker_remove_record(struct strbuf *out, const struct meta_record *record)
{
    put_number(out, "broker", record->broker_remove.broker_id);
    put_number(out, "broker_epoch", record->broker_remove.broker_epoch);
}

static void
put_balance_record(struct strbuf *out, const struct meta_record *record)
{
    put_key(out, &record->balance.key);
    put_number(out, "target", record->balance.target);
    put_number(out, "leader_epoch", record->balance.leader_epoch);
}

static void
put_take_over_record(struct strbuf *out, const struct meta_record *record)
{
    const struct meta_take_over_record *take = &record->take_over;
    put_number(out, "broker", take->broker_id);
    put_number(out, "broker_epoch", take->broker_epoch);
    put_number(out, "takers", take->taker_count);
    for (int32_t i = 0; i < MIN(take->taker_count, TEXT_ITEMS_MAX); i++) {
        strbuf_printf(out, " %d/%lld", take->takers[i].broker_id,
                (long long)take->takers[i].broker_epoch);
    }
}

static void
put_recovered_record(struct strbuf *out, const struct meta_record *record)
{
    put_number(out, "broker", record->recovered.broker_id);
    put_number(out, "broker_epoch", record->recovered.broker_epoch);
    put_number(out, "taker", record->recovered.taker_id);
    put_number(out, "taker_epoch", record->recovered.taker_epoch);
    put_number(out, "share", record->recovered.share);
    put_number(out, "shares", record->recovered.shares);
}

static void (*const describers[])(struct strbuf *out, const struct meta_record *record) = {
    [META_CLUSTER] = put_cluster_record,
    [META_CONTROLLER] = put_controller_record,
    [META_BROKER] = put_broker_record,
    [META_BROKER_GONE] = put_broker_gone_record,
    [META_TOPIC] = put_topic_record,
    [META_TOPIC_DELETE] = put_topic_delete_record,
    [META_PARTITIONS] = put_partitions_record,
    [META_CONFIG] = put_config_record,
    [META_OPEN] = put_open_record,
    [META_PRODUCER_IDS] = put_producer_ids_record,
    [META_INTENT] = put_intent_record,
    [META_COMMIT] = put_commit_record,
    [META_MERGE] = put_merge_record,
    [META_LOG_START] = put_log_start_record,
    [META_GARBAGE_REMOVED] = put_garbage_removed_record,
    [META_INTENT_DONE] = put_intent_done_record,
    [META_MANIFEST_GARBAGE] = put_manifest_garbage_record,
    [META_BROKER_STATE] = put_broker_state_record,
    [META_MOVE] = put_move_record,
    [META_HANDOVER] = put_handover_record,
    [META_PROPOSAL] = put_proposal_record,
    [META_BROKER_REMOVE] = put_broker_remove_record,
    [META_BALANCE] = put_balance_record,
    [META_TAKE_OVER] = put_take_over_record,
    [META_RECOVERED] = put_recovered_record,
};

void
meta_record_describe(const struct meta_record *record, struct strbuf *out)
{
    strbuf_append_string(out, meta_record_type_name(record->type));
    describers[record->type](out, record);
}
