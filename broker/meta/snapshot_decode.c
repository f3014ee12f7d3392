/* Bytes to state. The bytes come from the bucket: their CRC has been checked, nothing else. What
 * would break the state machine later (a name twice, a range that ends before it begins) is refused
 * here. */
#include "base/fault.h"
#include "meta/codec.h"
#include "meta/record_format.h"
#include "meta/snapshot.h"
#include "meta/state_internal.h"

#include <errno.h>

struct state_reader {
    struct meta_reader in;
    uint16_t version;
};

static int
decode_head(struct state_reader *reader, struct meta_state *state)
{
    struct meta_reader *in = &reader->in;
    uint32_t magic = meta_read_u32(in);
    uint16_t version = meta_read_u16(in);
    uint16_t flags = meta_read_u16(in);
    if (in->error || magic != STATE_MAGIC || version == 0) {
        return fault(-EBADMSG, "meta: not a snapshot: magic %08x version %u", magic, version);
    }
    if (version > STATE_VERSION || flags != 0) {
        return fault(-EMEDIUMTYPE,
                "meta: snapshot version %u flags %x was written by a newer Freshet", version,
                flags);
    }
    reader->version = version;
    state->cluster_id = meta_read_uuid(in);
    state->version = meta_read_i32(in);
    state->sequence = meta_read_u64(in);
    state->controller_epoch = meta_read_i64(in);
    state->controller_writer = meta_read_uuid(in);
    state->controller_id = meta_read_i32(in);
    state->next_object_id = meta_read_u64(in);
    state->next_producer_id = meta_read_i64(in);
    if (in->error || state->next_object_id == 0 || state->next_producer_id < 0) {
        return fault(-EBADMSG, "meta: the head of a snapshot is damaged");
    }
    if (state->version > META_FORMAT_VERSION) {
        return fault(-EMEDIUMTYPE, "meta: format version %d was written by a newer Freshet",
                state->version);
    }
    return 0;
}

static struct bytes
read_text(struct meta_reader *in)
{
    struct bytes text = meta_read_blob(in, META_HOST_SIZE_MAX);
    if (text.size && memchr(text.data, 0, text.size)) {
        in->error = -EBADMSG;
    }
    return text;
}

static void
decode_wal(struct meta_reader *in, struct meta_broker *broker)
{
    struct meta_taker takers[META_TAKERS_MAX];
    broker->wal_logs = meta_read_i32(in);
    broker->wal_since = meta_read_i64(in);
    broker->unrecovered = meta_read_bool(in);
    int32_t count = meta_read_count(in, 13);
    if (in->error || count > META_TAKERS_MAX || broker->wal_logs < 0 ||
            (count && !broker->unrecovered) || (broker->unrecovered && broker->alive)) {
        in->error = -EBADMSG;
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        takers[i].broker_id = meta_read_i32(in);
        takers[i].broker_epoch = meta_read_i64(in);
        takers[i].done = meta_read_bool(in);
    }
    takers_set(broker, takers, count);
}

static void
decode_endpoints(struct state_reader *reader, struct meta_broker *broker)
{
    struct meta_reader *in = &reader->in;
    struct meta_endpoint endpoints[META_ENDPOINTS_MAX];
    bool named = reader->version >= 4;
    int32_t count = named ? meta_read_count(in, 12) : 1;
    if (in->error || count > META_ENDPOINTS_MAX) {
        in->error = -EBADMSG;
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        endpoints[i].listener = named ? read_text(in) : BYTES_LITERAL(RECORD_LISTENER_OLD);
        struct bytes host = read_text(in);
        endpoints[i].host = named || host.data ? host : BYTES_LITERAL("");
        endpoints[i].port = meta_read_i32(in);
    }
    if (in->error || !broker_endpoints_are_valid(endpoints, count)) {
        in->error = -EBADMSG;
        return;
    }
    broker_set_endpoints(broker, endpoints, count);
}

static int
decode_broker(struct state_reader *reader, struct meta_state *state)
{
    struct meta_reader *in = &reader->in;
    int32_t id = meta_read_i32(in);
    if (in->error || id < 0 || broker_find(state, id)) {
        return fault(-EBADMSG, "meta: snapshot: broker %d is damaged or there twice", id);
    }
    struct meta_broker *broker = broker_add(state, id);
    broker->epoch = meta_read_i64(in);
    broker->incarnation = meta_read_uuid(in);
    decode_endpoints(reader, broker);
    broker_set_text(&broker->rack, read_text(in));
    broker_set_text(&broker->admin_host, read_text(in));
    broker->admin_port = meta_read_i32(in);
    if (reader->version >= 2) {
        broker_set_text(&broker->internal_host, read_text(in));
        broker->internal_port = meta_read_i32(in);
        broker->state = (enum meta_broker_state)meta_read_u8(in);
        in->error = broker->state > META_BROKER_STATE_MAX ? -EBADMSG : in->error;
    }
    broker->alive = meta_read_bool(in);
    if (reader->version >= 3) {
        decode_wal(in, broker);
    }
    return in->error ? fault(-EBADMSG, "meta: snapshot: broker %d is damaged", id) : 0;
}

static int
decode_brokers(struct state_reader *reader, struct meta_state *state)
{
    struct meta_reader *in = &reader->in;
    int32_t count = meta_read_count(in, 45);
    if (in->error || count > META_BROKERS_MAX) {
        return fault(-EBADMSG, "meta: snapshot: %d brokers", count);
    }
    for (int32_t i = 0; i < count; i++) {
        int r = decode_broker(reader, state);
        if (r) {
            return r;
        }
    }
    return 0;
}

static bool
range_fits(const struct meta_state *state, const struct meta_partition *partition,
        const struct store_range *range, int64_t after)
{
    return range->object_id > 0 && range->object_id < state->next_object_id &&
           range->base_offset >= after && range->end_offset > range->base_offset &&
           range->end_offset <= partition->end_offset;
}

static int
decode_partition(
        struct state_reader *reader, struct meta_state *state, struct meta_partition *partition)
{
    struct meta_reader *in = &reader->in;
    partition->owner = meta_read_i32(in);
    partition->owner_broker_epoch = meta_read_i64(in);
    if (reader->version >= 2) {
        partition->target = meta_read_i32(in);
    }
    partition->epoch = meta_read_i32(in);
    partition->log_start_offset = meta_read_i64(in);
    partition->end_offset = meta_read_i64(in);
    partition->manifest_id = meta_read_u64(in);
    partition->manifest_end_offset = meta_read_i64(in);
    int32_t count = meta_read_count(in, META_RANGE_SIZE);
    if (in->error || count > META_PARTITION_RANGES_MAX || partition->end_offset < 0 ||
            partition->manifest_end_offset < 0 || partition->manifest_id >= state->next_object_id) {
        return fault(-EBADMSG, "meta: snapshot: partition %d of a topic is damaged",
                partition->key.index);
    }
    int64_t after = partition->manifest_end_offset;
    for (int32_t i = 0; i < count; i++) {
        struct store_range range = meta_read_range(in);
        if (!range_fits(state, partition, &range, after)) {
            return fault(-EBADMSG, "meta: snapshot: range %d of partition %d is damaged", i,
                    partition->key.index);
        }
        after = range.end_offset;
        partition_append_range(partition, &range);
        object_get(state, range.object_id)->references++;
    }
    return 0;
}

#define PARTITION_SIZE_MIN 52

static int
decode_topic(struct state_reader *reader, struct meta_state *state)
{
    struct meta_reader *in = &reader->in;
    struct bytes name = meta_read_blob(in, TOPIC_NAME_SIZE_MAX);
    struct uuid id = meta_read_uuid(in);
    bool internal = meta_read_bool(in);
    int32_t count = meta_read_count(in, PARTITION_SIZE_MIN);
    if (in->error || name.size == 0 || memchr(name.data, 0, name.size) || uuid_is_zero(&id) ||
            count == 0 || (size_t)count > PARTITIONS_MAX - state->partition_count ||
            meta_topic_by_name(state, name) || meta_topic_by_id(state, &id)) {
        return fault(-EBADMSG, "meta: snapshot: topic \"%.*s\" is damaged or there twice",
                (int)name.size, name.size ? (const char *)name.data : "");
    }
    struct meta_topic *topic = topic_add(state, name, id, count);
    topic->internal = internal;
    for (int32_t i = 0; i < count; i++) {
        int r = decode_partition(reader, state, &topic->partitions[i]);
        if (r) {
            return fault_note(r, "topic \"%s\"", topic->name);
        }
    }
    return 0;
}

static int
decode_topics(struct state_reader *reader, struct meta_state *state)
{
    struct meta_reader *in = &reader->in;
    int32_t count = meta_read_count(in, 25 + PARTITION_SIZE_MIN);
    for (int32_t i = 0; i < count; i++) {
        int r = decode_topic(reader, state);
        if (r) {
            return r;
        }
    }
    return in->error ? fault(-EBADMSG, "meta: snapshot: the number of topics is damaged") : 0;
}

static int
decode_scope(struct state_reader *reader, struct meta_state *state)
{
    struct meta_reader *in = &reader->in;
    enum meta_resource resource = (enum meta_resource)meta_read_u8(in);
    struct bytes name = meta_read_blob(in, META_CONFIG_SIZE_MAX);
    int32_t count = meta_read_count(in, 9);
    if (in->error || !config_resource_is_valid(resource) || count == 0 ||
            (size_t)count > META_CONFIGS_MAX - state->config_count) {
        return fault(
                -EBADMSG, "meta: snapshot: configs of resource type %d are damaged", (int)resource);
    }
    for (int32_t i = 0; i < count; i++) {
        struct meta_config_entry entry;
        entry.key = meta_read_blob(in, META_CONFIG_SIZE_MAX);
        entry.value = meta_read_blob(in, META_CONFIG_SIZE_MAX);
        if (in->error || !entry.value.data || !config_entry_is_valid(&entry)) {
            return fault(-EBADMSG, "meta: snapshot: config %d of resource type %d is damaged", i,
                    (int)resource);
        }
        config_set(state, resource, name, &entry);
    }
    return 0;
}

static int
decode_configs(struct state_reader *reader, struct meta_state *state)
{
    struct meta_reader *in = &reader->in;
    int32_t count = meta_read_count(in, 9);
    for (int32_t i = 0; i < count; i++) {
        int r = decode_scope(reader, state);
        if (r) {
            return r;
        }
    }
    return in->error ? fault(-EBADMSG, "meta: snapshot: the number of configs is damaged") : 0;
}

static bool
id_was_given(const struct meta_state *state, uint64_t id)
{
    return id > 0 && id < state->next_object_id;
}

static int
decode_objects(struct state_reader *reader, struct meta_state *state)
{
    struct meta_reader *in = &reader->in;
    int32_t count = meta_read_count(in, 12);
    for (int32_t i = 0; i < count; i++) {
        uint64_t id = meta_read_u64(in);
        uint32_t references = meta_read_u32(in);
        if (!id_was_given(state, id) || references == 0) {
            return fault(
                    -EBADMSG, "meta: snapshot: object %016llx is damaged", (unsigned long long)id);
        }
        object_get(state, id)->manifest_references = references;
    }
    count = meta_read_count(in, 16);
    for (int32_t i = 0; i < count; i++) {
        uint64_t id = meta_read_u64(in);
        uint64_t sequence = meta_read_u64(in);
        if (!id_was_given(state, id) || garbage_has(state, id) || object_find(state, id)) {
            return fault(-EBADMSG, "meta: snapshot: garbage object %016llx is named",
                    (unsigned long long)id);
        }
        garbage_add(state, id, sequence);
    }
    count = meta_read_count(in, META_KEY_SIZE + 8);
    for (int32_t i = 0; i < count; i++) {
        struct partition_key key = meta_read_key(in);
        uint64_t id = meta_read_u64(in);
        if (!id_was_given(state, id)) {
            return fault(-EBADMSG, "meta: snapshot: dead manifest %016llx is damaged",
                    (unsigned long long)id);
        }
        dead_manifest_add(state, key, id);
    }
    return in->error ? fault(-EBADMSG, "meta: snapshot: the list of objects is damaged") : 0;
}

static void
intent_count_used(struct meta_intent *intent)
{
    for (int32_t i = 0; i < intent->count; i++) {
        intent->used_count += meta_intent_is_used(intent, intent->first_id + (uint64_t)i) ? 1 : 0;
    }
}

static int
decode_intents(struct state_reader *reader, struct meta_state *state)
{
    struct meta_reader *in = &reader->in;
    int32_t count = meta_read_count(in, 25);
    uint64_t after = 1;
    for (int32_t i = 0; i < count; i++) {
        uint64_t first_id = meta_read_u64(in);
        int32_t ids = meta_read_i32(in);
        int32_t broker_id = meta_read_i32(in);
        int64_t broker_epoch = meta_read_i64(in);
        if (in->error || first_id < after || first_id >= state->next_object_id || ids <= 0 ||
                ids > META_INTENT_COUNT_MAX || (uint64_t)ids > state->next_object_id - first_id) {
            return fault(-EBADMSG, "meta: snapshot: intent %d is damaged", i);
        }
        size_t size = ((size_t)ids + 7) / 8;
        struct bytes used = meta_read_raw(in, size);
        if (!used.data) {
            return fault(-EBADMSG, "meta: snapshot: intent %d is cut short", i);
        }
        struct meta_intent *intent = intent_append(state, first_id, ids);
        intent->broker_id = broker_id;
        intent->broker_epoch = broker_epoch;
        memcpy(intent->used, used.data, size);
        intent_count_used(intent);
        after = first_id + (uint64_t)ids;
    }
    return in->error ? fault(-EBADMSG, "meta: snapshot: the number of intents is damaged") : 0;
}

static int
state_decode(struct bytes bytes, struct meta_state *state)
{
    static int (*const parts[])(struct state_reader *, struct meta_state *) = { decode_head,
        decode_brokers, decode_topics, decode_configs, decode_objects, decode_intents };
    struct state_reader reader = { .in = meta_reader_of(bytes) };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        int r = parts[i](&reader, state);
        if (r) {
            return r;
        }
    }
    return reader.in.left ? fault(-EBADMSG, "meta: snapshot: %zu bytes too many", reader.in.left)
                          : 0;
}

int
meta_state_decode(struct bytes bytes, struct meta_state **ret_state)
{
    struct meta_state *state = meta_state_new();
    int r = state_decode(bytes, state);
    if (r) {
        meta_state_free(state);
        return r;
    }
    *ret_state = state;
    return 0;
}
