/* CreateTopics. Replication factor and manual assignments are accepted as far as they make sense:
 * durability is the store's, so the factor is kept only for the answer. */
#include "wire/messages/create_topics.h"

#include "base/log.h"
#include "base/map.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/run.h"
#include "handlers/topic_configs.h"
#include "partition/topics.h"
#include "reactor/fiber.h"

#include <errno.h>

#define PARTITIONS_PER_TOPIC_MAX 100000
#define TOPICS_PER_TURN 64 /* then other requests have theirs */

struct creation {
    struct request *request;
    struct create_topics_response_creatable_topic_result *out;
    struct topic_spec *specs; /* of those that passed */
    size_t *out_index;        /* of each spec */
    size_t count;
    const struct uuid *id; /* of the only topic, chosen by the caller; or NULL */
    struct map names;      /* of struct named */
};

static void
refuse(struct creation *creation, size_t i, int16_t code, struct bytes text)
{
    creation->out[i].error_code = code;
    creation->out[i].error_message = text;
}

/* Copies the configs after checking them; false when one is bad. */
static bool
check_configs(struct creation *creation, size_t i,
        const struct create_topics_request_creatable_topic *topic, struct topic_spec *spec)
{
    struct request *request = creation->request;
    size_t count = (size_t)MAX(topic->configs.count, 0);
    struct meta_config_entry *configs = request_alloc(request, count, sizeof *configs);
    struct wire_iterator it = wire_iterate(&topic->configs);
    struct create_topics_request_creatable_topic_config config;
    size_t n = 0;
    while (create_topics_request_creatable_topic_config_next(&it, &config)) {
        char error[SETTINGS_ERROR_SIZE];
        if (!config.value.data) {
            refuse(creation, i, KAFKA_INVALID_CONFIG,
                    request_text(request, "Null value not supported for topic configs: %.*s",
                            (int)MIN(config.name.size, (size_t)100),
                            (const char *)config.name.data));
            return false;
        }
        if (topic_settings_check(config.name, config.value, error) < 0) {
            refuse(creation, i, KAFKA_INVALID_CONFIG, request_text(request, "%s", error));
            return false;
        }
        configs[n++] = (struct meta_config_entry){ config.name, config.value };
    }
    spec->configs = configs;
    spec->config_count = (int32_t)n;
    return true;
}

static bool
brokers_exist(struct creation *creation, size_t i, const struct wire_array *ids)
{
    const struct meta_state *state = meta_state(creation->request->broker->meta);
    struct wire_iterator it = wire_iterate(ids);
    int32_t id;
    while (wire_int32_next(&it, &id)) {
        if (!meta_broker_find(state, id)) {
            refuse(creation, i, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                    request_text(creation->request,
                            "The manual partition assignment includes broker %d, but no such "
                            "broker is registered.",
                            id));
            return false;
        }
    }
    return true;
}

static bool
check_assignments(struct creation *creation, size_t i,
        const struct create_topics_request_creatable_topic *topic)
{
    size_t count = (size_t)topic->assignments.count;
    bool *seen = request_alloc(creation->request, count, sizeof *seen);
    struct wire_iterator it = wire_iterate(&topic->assignments);
    struct create_topics_request_creatable_replica_assignment assignment;
    while (create_topics_request_creatable_replica_assignment_next(&it, &assignment)) {
        int32_t index = assignment.partition_index;
        if (index < 0 || (size_t)index >= count || seen[index] || assignment.broker_ids.count < 1) {
            refuse(creation, i, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                    BYTES_LITERAL(
                            "Assignments must name partitions 0 to n-1 once, each with a broker."));
            return false;
        }
        if (!brokers_exist(creation, i, &assignment.broker_ids)) {
            return false;
        }
        seen[index] = true;
    }
    return true;
}

/* The number of partitions, or 0 when the request is refused. */
static int32_t
check_partitions(struct creation *creation, size_t i,
        const struct create_topics_request_creatable_topic *topic)
{
    const struct settings *settings = creation->request->broker->settings;
    if (topic->assignments.count > 0) {
        if (topic->num_partitions != -1 || topic->replication_factor != -1) {
            refuse(creation, i, KAFKA_INVALID_REQUEST,
                    BYTES_LITERAL("Both assignments and a number of partitions or a replication "
                                  "factor were given."));
            return 0;
        }
        if (topic->assignments.count > PARTITIONS_PER_TOPIC_MAX) {
            refuse(creation, i, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                    BYTES_LITERAL("More than 100000 partitions are assigned."));
            return 0;
        }
        return check_assignments(creation, i, topic) ? topic->assignments.count : 0;
    }
    if (topic->replication_factor < 1 && topic->replication_factor != -1) {
        refuse(creation, i, KAFKA_INVALID_REPLICATION_FACTOR,
                BYTES_LITERAL("Replication factor must be larger than 0, or -1 to use the default "
                              "value."));
        return 0;
    }
    if (topic->num_partitions == -1) {
        return settings_int(settings, "num.partitions");
    }
    if (topic->num_partitions < 1 || topic->num_partitions > PARTITIONS_PER_TOPIC_MAX) {
        refuse(creation, i, KAFKA_INVALID_PARTITIONS,
                BYTES_LITERAL("Number of partitions was set to an invalid value: it must be 1 to "
                              "100000, or -1 for the default."));
        return 0;
    }
    return topic->num_partitions;
}

/* How often a request names a topic. */
struct named {
    struct map_node node;
    struct bytes name;
    uint32_t count;
};

static bool
named_is_same(const struct map_node *node, const void *key)
{
    const struct bytes *name = key;
    return bytes_equal(CONTAINER_OF(node, struct named, node)->name, *name);
}

static struct named *
named_find(const struct map *names, struct bytes name)
{
    struct map_node *node = map_find(names, bytes_hash(name, 0), named_is_same, &name);
    return node ? CONTAINER_OF(node, struct named, node) : NULL;
}

static void
count_names(struct request *request, const struct create_topics_request *message, struct map *names)
{
    struct named *all = request_alloc(request, (size_t)MAX(message->topics.count, 0), sizeof *all);
    struct wire_iterator it = wire_iterate(&message->topics);
    struct create_topics_request_creatable_topic topic;
    while (create_topics_request_creatable_topic_next(&it, &topic)) {
        struct named *named = named_find(names, topic.name);
        if (!named) {
            named = all++;
            named->name = topic.name;
            map_insert(names, &named->node, bytes_hash(topic.name, 0));
        }
        named->count++;
    }
}

static struct wire_array
list_configs(struct request *request, const struct topic_spec *spec)
{
    struct topic_config *all;
    size_t count = topic_configs_list(request, spec->configs, (size_t)spec->config_count, &all);
    struct create_topics_response_creatable_topic_configs *out =
            request_alloc(request, count, sizeof *out);
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct create_topics_response_creatable_topic_configs){
            .name = all[i].name,
            .value = all[i].value,
            .config_source = (int8_t)all[i].source,
        };
    }
    return wire_array_of(out, count);
}

#define SHOWN(b) (int)(b).size, (const char *)(b).data

static bool
check_name(struct creation *creation, size_t i, struct bytes name)
{
    struct request *request = creation->request;
    const struct meta_state *state = meta_state(request->broker->meta);
    char problem[TOPIC_NAME_PROBLEM_SIZE];
    if (!topic_name_is_valid(name)) {
        topic_name_problem(name, problem);
        refuse(creation, i, KAFKA_INVALID_TOPIC_EXCEPTION, request_text(request, "%s", problem));
        return false;
    }
    if (named_find(&creation->names, name)->count > 1) {
        refuse(creation, i, KAFKA_INVALID_REQUEST, BYTES_LITERAL("Duplicate topic name."));
        return false;
    }
    if (meta_topic_by_name(state, name)) {
        refuse(creation, i, KAFKA_TOPIC_ALREADY_EXISTS,
                request_text(request, "Topic '%.*s' already exists.", SHOWN(name)));
        return false;
    }
    const struct meta_topic *other = NULL;
    while ((other = meta_topic_next(state, other))) {
        if (topic_names_collide(name, bytes_of_string(other->name))) {
            refuse(creation, i, KAFKA_INVALID_TOPIC_EXCEPTION,
                    request_text(request, "Topic '%.*s' collides with existing topic: %s",
                            SHOWN(name), other->name));
            return false;
        }
    }
    return true;
}

static void
check_topic(struct creation *creation, size_t i,
        const struct create_topics_request_creatable_topic *topic)
{
    struct request *request = creation->request;
    creation->out[i] = create_topics_response_creatable_topic_result_default;
    creation->out[i].name = topic->name;
    creation->out[i].configs = WIRE_ARRAY_NULL;
    if (!check_name(creation, i, topic->name)) {
        return;
    }
    struct topic_spec spec = { .name = topic->name,
        .id = creation->id,
        .partition_count = check_partitions(creation, i, topic) };
    if (spec.partition_count == 0 || !check_configs(creation, i, topic, &spec)) {
        return;
    }
    if (request->version >= 5) {
        creation->out[i].configs = list_configs(request, &spec);
    }
    creation->out[i].num_partitions = spec.partition_count;
    creation->out[i].replication_factor = (int16_t)MAX(topic->replication_factor, 1);
    creation->out_index[creation->count] = i;
    creation->specs[creation->count++] = spec;
}

static void
create(struct creation *creation)
{
    struct request *request = creation->request;
    int *errors = request_alloc(request, creation->count, sizeof *errors);
    struct uuid *ids = request_alloc(request, creation->count, sizeof *ids);
    int r = topics_create(request->broker->meta, creation->specs, creation->count, errors, ids);
    if (r < 0) {
        LOG_WARN("topics could not be created", LOG_FAULT(r));
    }
    for (size_t i = 0; i < creation->count; i++) {
        struct create_topics_response_creatable_topic_result *out =
                &creation->out[creation->out_index[i]];
        int error = r < 0 ? r : errors[i];
        if (error == 0) {
            out->topic_id = ids[i];
        } else {
            out->error_code = r < 0 ? (int16_t)KAFKA_REQUEST_TIMED_OUT : kafka_error_of(error);
            out->error_message = bytes_of_string(kafka_error_message(out->error_code));
        }
    }
}

void
create_topics_run(struct request *request, const struct create_topics_request *message,
        const struct uuid *id, struct create_topics_response *ret_response)
{
    size_t count = (size_t)MAX(message->topics.count, 0);
    struct creation creation = {
        .request = request,
        .out = request_alloc(request, count, sizeof *creation.out),
        .specs = request_alloc(request, count, sizeof *creation.specs),
        .out_index = request_alloc(request, count, sizeof *creation.out_index),
        .id = id,
    };
    map_init(&creation.names);
    count_names(request, message, &creation.names);
    struct wire_iterator it = wire_iterate(&message->topics);
    struct create_topics_request_creatable_topic topic;
    for (size_t i = 0; create_topics_request_creatable_topic_next(&it, &topic); i++) {
        check_topic(&creation, i, &topic);
        if (request_is_too_large(request) || (i % TOPICS_PER_TURN == 0 && fiber_yield() < 0)) {
            break;
        }
    }
    map_done(&creation.names);
    if (!message->validate_only && creation.count && !request_is_too_large(request)) {
        create(&creation);
    }
    *ret_response = create_topics_response_default;
    ret_response->topics = wire_array_of(creation.out, count);
}

void
handle_create_topics(struct request *request)
{
    struct create_topics_request message;
    struct create_topics_response response;
    if (request_read(request, &message) < 0) {
        return;
    }
    create_topics_run(request, &message, NULL, &response);
    request_reply(request, &response);
}
