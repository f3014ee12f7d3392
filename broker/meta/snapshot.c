/* The whole state as bytes. Everything is written in an order that the state itself defines, so
 * equal states give equal bytes: two replicas are compared by comparing snapshots.
 * docs/formats/metadata.md has the layout. */
#include "meta/snapshot.h"

#include "base/check.h"
#include "base/fault.h"
#include "meta/codec.h"
#include "meta/state_internal.h"

#include <errno.h>
#include <stdlib.h>

static void
encode_head(const struct meta_state *state, struct strbuf *out)
{
    meta_write_u32(out, STATE_MAGIC);
    meta_write_u16(out, STATE_VERSION);
    meta_write_u16(out, 0);
    meta_write_uuid(out, state->cluster_id);
    meta_write_i32(out, state->version);
    meta_write_u64(out, state->sequence);
    meta_write_i64(out, state->controller_epoch);
    meta_write_uuid(out, state->controller_writer);
    meta_write_i32(out, state->controller_id);
    meta_write_u64(out, state->next_object_id);
    meta_write_i64(out, state->next_producer_id);
}

static struct bytes
text_or_null(const char *text)
{
    return text ? bytes_of_string(text) : BYTES_NULL;
}

static void
encode_wal(const struct meta_broker *broker, struct strbuf *out)
{
    meta_write_i32(out, broker->wal_logs);
    meta_write_i64(out, broker->wal_since);
    meta_write_bool(out, broker->unrecovered);
    meta_write_i32(out, broker->taker_count);
    for (int32_t i = 0; i < broker->taker_count; i++) {
        meta_write_i32(out, broker->takers[i].broker_id);
        meta_write_i64(out, broker->takers[i].broker_epoch);
        meta_write_bool(out, broker->takers[i].done);
    }
}

static void
encode_endpoints(const struct meta_broker *broker, struct strbuf *out)
{
    meta_write_i32(out, broker->endpoint_count);
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        meta_write_blob(out, bytes_of_string(broker->endpoints[i].listener));
        meta_write_blob(out, bytes_of_string(broker->endpoints[i].host));
        meta_write_i32(out, broker->endpoints[i].port);
    }
}

static void
encode_brokers(const struct meta_state *state, struct strbuf *out)
{
    meta_write_i32(out, (int32_t)state->broker_count);
    for (size_t i = 0; i < state->broker_count; i++) {
        const struct meta_broker *broker = state->brokers[i];
        meta_write_i32(out, broker->id);
        meta_write_i64(out, broker->epoch);
        meta_write_uuid(out, broker->incarnation);
        encode_endpoints(broker, out);
        meta_write_blob(out, text_or_null(broker->rack));
        meta_write_blob(out, text_or_null(broker->admin_host));
        meta_write_i32(out, broker->admin_port);
        meta_write_blob(out, text_or_null(broker->internal_host));
        meta_write_i32(out, broker->internal_port);
        meta_write_u8(out, (uint8_t)broker->state);
        meta_write_bool(out, broker->alive);
        encode_wal(broker, out);
    }
}

static void
encode_partition(const struct meta_partition *partition, struct strbuf *out)
{
    meta_write_i32(out, partition->owner);
    meta_write_i64(out, partition->owner_broker_epoch);
    meta_write_i32(out, partition->target);
    meta_write_i32(out, partition->epoch);
    meta_write_i64(out, partition->log_start_offset);
    meta_write_i64(out, partition->end_offset);
    meta_write_u64(out, partition->manifest_id);
    meta_write_i64(out, partition->manifest_end_offset);
    meta_write_i32(out, partition->range_count);
    for (int32_t i = 0; i < partition->range_count; i++) {
        meta_write_range(out, &partition->ranges[i]);
    }
}

static void
encode_topics(const struct meta_state *state, struct strbuf *out)
{
    meta_write_i32(out, (int32_t)state->topic_count);
    const struct meta_topic *topic = NULL;
    while ((topic = meta_topic_next(state, topic))) {
        meta_write_blob(out, bytes_of_string(topic->name));
        meta_write_uuid(out, topic->id);
        meta_write_bool(out, topic->internal);
        meta_write_i32(out, topic->partition_count);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            encode_partition(&topic->partitions[i], out);
        }
    }
}

static void
encode_configs(const struct meta_state *state, struct strbuf *out)
{
    struct config_scope **scopes = config_scopes_sorted(state);
    meta_write_i32(out, (int32_t)state->scopes.count);
    for (size_t i = 0; i < state->scopes.count; i++) {
        const struct config_scope *scope = scopes[i];
        meta_write_u8(out, (uint8_t)scope->resource);
        meta_write_blob(out, bytes_of(scope->name, scope->name_size));
        meta_write_i32(out, (int32_t)scope->count);
        for (size_t j = 0; j < scope->count; j++) {
            const struct config_value *value = &scope->values[j];
            meta_write_blob(out, bytes_of(value->data, value->key_size));
            meta_write_blob(out, bytes_of(value->data + value->key_size, value->value_size));
        }
    }
    mem_free(scopes);
}

static int
object_compare(const void *a, const void *b)
{
    const struct object_entry *left = *(const struct object_entry *const *)a;
    const struct object_entry *right = *(const struct object_entry *const *)b;
    return left->id < right->id ? -1 : left->id > right->id;
}

/* References by recent ranges follow from the ranges; those by manifests are known to nobody else.
 */
static void
encode_adopted(const struct meta_state *state, struct strbuf *out)
{
    struct object_entry **objects =
            mem_alloc_array(state->objects.count + 1, sizeof(struct object_entry *));
    size_t count = 0;
    MAP_FOREACH(node, &state->objects)
    {
        struct object_entry *object = CONTAINER_OF(node, struct object_entry, node);
        if (object->manifest_references) {
            objects[count++] = object;
        }
    }
    qsort(objects, count, sizeof(struct object_entry *), object_compare);
    meta_write_i32(out, (int32_t)count);
    for (size_t i = 0; i < count; i++) {
        meta_write_u64(out, objects[i]->id);
        meta_write_u32(out, objects[i]->manifest_references);
    }
    mem_free(objects);
}

static void
encode_garbage(const struct meta_state *state, struct strbuf *out)
{
    meta_write_i32(out, (int32_t)state->garbage_by_id.count);
    LIST_FOREACH (node, &state->garbage) {
        const struct garbage_entry *entry = CONTAINER_OF(node, struct garbage_entry, link);
        meta_write_u64(out, entry->id);
        meta_write_u64(out, entry->sequence);
    }
    meta_write_i32(out, (int32_t)state->dead_manifest_count);
    LIST_FOREACH (node, &state->dead_manifests) {
        const struct meta_dead_manifest *dead = CONTAINER_OF(node, struct meta_dead_manifest, link);
        meta_write_key(out, dead->key);
        meta_write_u64(out, dead->manifest_id);
    }
}

static void
encode_intents(const struct meta_state *state, struct strbuf *out)
{
    meta_write_i32(out, (int32_t)state->intent_count);
    for (size_t i = 0; i < state->intent_count; i++) {
        const struct meta_intent *intent = &state->intents[i];
        meta_write_u64(out, intent->first_id);
        meta_write_i32(out, intent->count);
        meta_write_i32(out, intent->broker_id);
        meta_write_i64(out, intent->broker_epoch);
        strbuf_append(out, bytes_of(intent->used, ((size_t)intent->count + 7) / 8));
    }
}

int
meta_state_encode(const struct meta_state *state, struct strbuf *out)
{
    encode_head(state, out);
    encode_brokers(state, out);
    encode_topics(state, out);
    encode_configs(state, out);
    encode_adopted(state, out);
    encode_garbage(state, out);
    encode_intents(state, out);
    if (out->error) {
        return fault(-EMSGSIZE, "meta: the state is larger than %zu bytes", out->max);
    }
    return 0;
}
