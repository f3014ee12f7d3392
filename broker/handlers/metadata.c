/* Metadata: brokers, topics, leaders. Creates missing topics when both sides allow it. */
#include "wire/messages/metadata.h"

#include "base/check.h"
#include "base/log.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "partition/topics.h"

#include <errno.h>

static void
fill_partition(struct request *request, const struct meta_state *state,
        const struct meta_partition *partition, struct metadata_response_partition *out)
{
    const struct meta_broker *owner = meta_broker_find(state, partition->owner);
    bool alive = owner && owner->alive && partition->owner_broker_epoch == owner->epoch;
    int32_t *nodes = request_alloc(request, 1, sizeof *nodes);
    nodes[0] = partition->owner;
    *out = metadata_response_partition_default;
    out->error_code = alive ? KAFKA_NONE : KAFKA_LEADER_NOT_AVAILABLE;
    out->partition_index = partition->key.index;
    out->leader_id = alive ? partition->owner : -1;
    out->leader_epoch = partition->epoch;
    out->replica_nodes = wire_array_of(nodes, 1);
    out->isr_nodes = wire_array_of(nodes, 1);
    out->offline_replicas = wire_array_of(nodes, alive ? 0 : 1);
}

static void
fill_topic(struct request *request, const struct meta_state *state, const struct meta_topic *topic,
        struct metadata_response_topic *out)
{
    size_t count = (size_t)topic->partition_count;
    struct metadata_response_partition *partitions =
            request_alloc(request, count, sizeof *partitions);
    for (size_t i = 0; i < count; i++) {
        fill_partition(request, state, &topic->partitions[i], &partitions[i]);
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

/* Creates what the request names and the cluster lacks. Failures show as unknown topics below. */
static void
create_missing(struct request *request, const struct metadata_request *message)
{
    const struct settings *settings = request->broker->settings;
    size_t count = 0;
    struct topic_spec *specs =
            request_alloc(request, (size_t)MAX(message->topics.count, 0), sizeof *specs);
    struct wire_iterator it = wire_iterate(&message->topics);
    struct metadata_request_topic asked;
    while (metadata_request_topic_next(&it, &asked)) {
        bool named = asked.name.data && !topic_name_problem(asked.name);
        if (named && !meta_topic_by_name(meta_state(request->broker->meta), asked.name)) {
            specs[count++] = (struct topic_spec){
                .name = asked.name,
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
fill_all_topics(struct request *request, const struct meta_state *state,
        struct metadata_response_topic **ret_topics)
{
    size_t n = 0;
    struct metadata_response_topic *topics =
            request_alloc(request, meta_topic_count(state), sizeof *topics);
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        fill_topic(request, state, t, &topics[n++]);
    }
    *ret_topics = topics;
    return n;
}

static void
fill_asked_topic(struct request *request, const struct meta_state *state,
        const struct metadata_request_topic *asked, struct metadata_response_topic *out)
{
    if (!asked->name.data) {
        const struct meta_topic *topic = meta_topic_by_id(state, &asked->topic_id);
        if (topic) {
            fill_topic(request, state, topic, out);
        } else {
            fill_unknown(asked, KAFKA_UNKNOWN_TOPIC_ID, out);
        }
        return;
    }
    const struct meta_topic *topic = meta_topic_by_name(state, asked->name);
    if (topic) {
        fill_topic(request, state, topic, out);
    } else {
        bool bad = topic_name_problem(asked->name) != NULL;
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
        if (b->alive) {
            brokers[n++] = (struct metadata_response_broker){
                .node_id = b->id,
                .host = arena_dup(&request->arena, bytes_of_string(b->host)),
                .port = b->port,
                .rack = b->rack ? arena_dup(&request->arena, bytes_of_string(b->rack)) : BYTES_NULL,
            };
        }
    }
    return wire_array_of(brokers, count);
}

void
handle_metadata(struct request *request)
{
    struct metadata_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    bool all = wire_array_is_null(&message.topics) ||
               (request->version == 0 && message.topics.count == 0);
    if (!all && message.allow_auto_topic_creation &&
            settings_bool(request->broker->settings, "auto.create.topics.enable")) {
        create_missing(request, &message);
    }
    const struct meta_state *state = meta_state(request->broker->meta);
    struct metadata_response response = metadata_response_default;
    struct metadata_response_topic *topics = NULL;
    size_t count = 0;
    if (all) {
        count = fill_all_topics(request, state, &topics);
    } else {
        topics = request_alloc(request, (size_t)message.topics.count, sizeof *topics);
        struct wire_iterator it = wire_iterate(&message.topics);
        struct metadata_request_topic asked;
        while (metadata_request_topic_next(&it, &asked)) {
            fill_asked_topic(request, state, &asked, &topics[count++]);
        }
    }
    char cluster_id[UUID_TEXT_SIZE];
    response.cluster_id = bytes_of_string(uuid_format(meta_state_cluster_id(state), cluster_id));
    response.controller_id = meta_state_controller(state);
    response.brokers = fill_brokers(request, state);
    response.topics = wire_array_of(topics, count);
    request_reply(request, &response);
}
