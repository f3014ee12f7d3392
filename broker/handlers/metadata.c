/* Metadata: brokers, topics, leaders. Creates missing topics when both sides allow it. */
#include "wire/messages/metadata.h"

#include "base/check.h"
#include "base/log.h"
#include "base/map.h"
#include "handlers/errors.h"
#include "handlers/fetch_rack.h"
#include "handlers/handlers.h"
#include "handlers/leaders.h"
#include "handlers/operations.h"
#include "partition/topics.h"

#include <errno.h>

static void
fill_partition(struct request *request, const struct fetch_racks *racks,
        const struct meta_partition *partition, struct metadata_response_partition *out)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    int16_t error = leaders_error(request, partition);
    bool alive = error == KAFKA_NONE;
    int32_t *nodes = request_alloc(request, racks->count + 1, sizeof *nodes);
    size_t count = fetch_racks_replicas(racks, state, partition, nodes);
    *out = metadata_response_partition_default;
    out->error_code = error == KAFKA_LISTENER_NOT_FOUND && request->version < 6
                              ? KAFKA_LEADER_NOT_AVAILABLE
                              : error;
    out->partition_index = partition->key.index;
    out->leader_id = alive ? partition->owner : -1;
    out->leader_epoch = partition->epoch;
    out->replica_nodes = wire_array_of(nodes, count);
    out->isr_nodes = wire_array_of(nodes, count);
    out->offline_replicas = wire_array_of(nodes, alive ? 0 : 1);
}

static void
fill_topic(struct request *request, const struct fetch_racks *racks, const struct meta_topic *topic,
        struct metadata_response_topic *out)
{
    size_t count = (size_t)topic->partition_count;
    struct metadata_response_partition *partitions =
            request_alloc(request, count, sizeof *partitions);
    for (size_t i = 0; i < count; i++) {
        fill_partition(request, racks, &topic->partitions[i], &partitions[i]);
    }
    *out = metadata_response_topic_default;
    out->name = arena_dup(&request->arena, bytes_of_string(topic->name));
    out->topic_id = topic->id;
    out->is_internal = topic->internal;
    out->partitions = wire_array_of(partitions, count);
}

static void
fill_unknown(const struct metadata_request_topic *asked, int16_t error,
        struct metadata_response_topic *out)
{
    *out = metadata_response_topic_default;
    out->error_code = error;
    out->name = asked->name;
    out->topic_id = asked->topic_id;
}

/* The topics that a request names, each once: naming a topic of a thousand partitions a thousand
 * times must not make a million. */
struct asked_topic {
    struct map_node node;
    struct metadata_request_topic topic;
    bool was_missing; /* this request has it created */
};

static bool
asked_is_same(const struct map_node *node, const void *key)
{
    const struct asked_topic *asked = CONTAINER_OF(node, struct asked_topic, node);
    const struct metadata_request_topic *topic = key;
    return bytes_equal(asked->topic.name, topic->name) &&
           uuid_equal(&asked->topic.topic_id, &topic->topic_id);
}

static struct asked_topic *
asked_once(struct request *request, const struct wire_array *array, size_t *ret_count)
{
    size_t count = 0;
    struct map seen;
    struct asked_topic *all = request_alloc(request, (size_t)array->count, sizeof *all);
    struct wire_iterator it = wire_iterate(array);
    struct metadata_request_topic topic;
    map_init(&seen);
    while (metadata_request_topic_next(&it, &topic)) {
        uint64_t hash = bytes_hash(topic.name, uuid_hash(&topic.topic_id));
        if (!map_find(&seen, hash, asked_is_same, &topic)) {
            all[count] = (struct asked_topic){ .topic = topic };
            map_insert(&seen, &all[count++].node, hash);
        }
    }
    map_done(&seen);
    *ret_count = count;
    return all;
}

/* Creates what the request names and the cluster lacks. As with Kafka the answer calls it unknown,
 * and the client's next request finds it: programs that ask whether a topic is gone ask so. */
static void
create_missing(struct request *request, struct asked_topic *asked, size_t asked_count)
{
    const struct settings *settings = request->broker->settings;
    size_t count = 0;
    struct topic_spec *specs = request_alloc(request, asked_count, sizeof *specs);
    for (size_t i = 0; i < asked_count; i++) {
        struct bytes name = asked[i].topic.name;
        bool named = name.data && topic_name_is_valid(name);
        if (named && !meta_topic_by_name(meta_state(request->broker->meta), name)) {
            asked[i].was_missing = true;
            specs[count++] = (struct topic_spec){
                .name = name,
                .partition_count = settings_int(settings, "num.partitions"),
            };
        }
    }
    if (count == 0) {
        return;
    }
    int *errors = request_alloc(request, count, sizeof *errors);
    struct uuid *ids = request_alloc(request, count, sizeof *ids);
    int r = topics_create(request->broker->meta, specs, count, errors, ids);
    if (r < 0) {
        LOG_WARN("topics could not be created automatically", LOG_FAULT(r));
    }
}

static size_t
fill_all_topics(struct request *request, const struct fetch_racks *racks,
        struct metadata_response_topic **ret_topics)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    size_t n = 0;
    struct metadata_response_topic *topics =
            request_alloc(request, meta_topic_count(state), sizeof *topics);
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        fill_topic(request, racks, t, &topics[n++]);
    }
    *ret_topics = topics;
    return n;
}

static void
fill_asked_topic(struct request *request, const struct fetch_racks *racks,
        const struct asked_topic *asked_topic, struct metadata_response_topic *out)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    const struct metadata_request_topic *asked = &asked_topic->topic;
    if (!asked->name.data) {
        const struct meta_topic *topic = meta_topic_by_id(state, &asked->topic_id);
        if (topic) {
            fill_topic(request, racks, topic, out);
        } else {
            fill_unknown(asked, KAFKA_UNKNOWN_TOPIC_ID, out);
        }
        return;
    }
    const struct meta_topic *topic =
            asked_topic->was_missing ? NULL : meta_topic_by_name(state, asked->name);
    if (topic) {
        fill_topic(request, racks, topic, out);
    } else {
        bool bad = !topic_name_is_valid(asked->name);
        fill_unknown(
                asked, bad ? KAFKA_INVALID_TOPIC_EXCEPTION : KAFKA_UNKNOWN_TOPIC_OR_PARTITION, out);
    }
}

static struct wire_array
fill_brokers(struct request *request, const struct meta_state *state)
{
    size_t count = 0;
    for (const struct meta_broker *b = meta_broker_next(state, -1); b;
            b = meta_broker_next(state, b->id)) {
        count += b->alive;
    }
    struct metadata_response_broker *brokers = request_alloc(request, count, sizeof *brokers);
    size_t n = 0;
    for (const struct meta_broker *b = meta_broker_next(state, -1); b;
            b = meta_broker_next(state, b->id)) {
        const struct meta_broker_endpoint *endpoint = meta_broker_endpoint(b, request->listener);
        if (b->alive && endpoint) {
            brokers[n++] = (struct metadata_response_broker){
                .node_id = b->id,
                .host = arena_dup(&request->arena, bytes_of_string(endpoint->host)),
                .port = endpoint->port,
                .rack = b->rack ? arena_dup(&request->arena, bytes_of_string(b->rack)) : BYTES_NULL,
            };
        }
    }
    return wire_array_of(brokers, n);
}

static void
tell_operations(const struct metadata_request *message, struct metadata_response *response,
        struct metadata_response_topic *topics, size_t count)
{
    for (size_t i = 0; message->include_topic_authorized_operations && i < count; i++) {
        topics[i].topic_authorized_operations =
                topics[i].error_code ? OPERATIONS_UNKNOWN : OPERATIONS_TOPIC;
    }
    if (message->include_cluster_authorized_operations) {
        response->cluster_authorized_operations = OPERATIONS_CLUSTER;
    }
}

void
handle_metadata(struct request *request)
{
    struct metadata_request message;
    if (request_read(request, &message) < 0 || !leaders_wait(request)) {
        return;
    }
    bool all = wire_array_is_null(&message.topics) ||
               (request->version == 0 && message.topics.count == 0);
    size_t asked_count = 0;
    struct asked_topic *asked = all ? NULL : asked_once(request, &message.topics, &asked_count);
    if (!all && message.allow_auto_topic_creation &&
            settings_bool(request->broker->settings, "auto.create.topics.enable")) {
        create_missing(request, asked, asked_count);
    }
    const struct meta_state *state = meta_state(request->broker->meta);
    struct metadata_response response = metadata_response_default;
    struct metadata_response_topic *topics = NULL;
    struct fetch_racks racks;
    fetch_racks_list(request, &racks);
    size_t count = 0;
    if (all) {
        count = fill_all_topics(request, &racks, &topics);
    } else {
        topics = request_alloc(request, asked_count, sizeof *topics);
        for (; count < asked_count && !request_is_too_large(request); count++) {
            fill_asked_topic(request, &racks, &asked[count], &topics[count]);
        }
    }
    char cluster_id[UUID_TEXT_SIZE];
    response.cluster_id = bytes_of_string(uuid_format(meta_state_cluster_id(state), cluster_id));
    response.controller_id = meta_state_controller(state);
    response.brokers = fill_brokers(request, state);
    response.topics = wire_array_of(topics, count);
    tell_operations(&message, &response, topics, count);
    request_reply(request, &response);
}
