/* ListConfigResources (KIP-1142): which resources have configs of their own. Version 0 lists client
 * metrics only. */
#include "wire/messages/list_config_resources.h"

#include "base/attr.h"
#include "handlers/config_resources.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

#include <stdio.h>

struct listing {
    struct request *request;
    struct list_config_resources_response_config_resource *out;
    size_t count;
};

static void
add(struct listing *listing, enum config_resource_type type, struct bytes name)
{
    listing->out[listing->count++] = (struct list_config_resources_response_config_resource){
        arena_dup(&listing->request->arena, name), (int8_t)type
    };
}

static bool
is_wanted(const struct list_config_resources_request *message, int8_t wanted)
{
    struct wire_iterator it = wire_iterate(&message->resource_types);
    int8_t type;
    if (message->resource_types.count == 0) {
        return true;
    }
    while (wire_int8_next(&it, &type)) {
        if (type == wanted) {
            return true;
        }
    }
    return false;
}

/* The first type of the request that there is not; 0: none. */
static int8_t
unknown_type(const struct list_config_resources_request *message)
{
    struct wire_iterator it = wire_iterate(&message->resource_types);
    int8_t type;
    while (wire_int8_next(&it, &type)) {
        if (type != CONFIG_TOPIC && type != CONFIG_BROKER && type != CONFIG_BROKER_LOGGER &&
                type != CONFIG_CLIENT_METRICS && type != CONFIG_GROUP) {
            return type;
        }
    }
    return 0;
}

static void
list_brokers(struct listing *listing, enum config_resource_type type)
{
    const struct meta_state *state = meta_state(listing->request->broker->meta);
    const struct meta_broker *broker;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        char text[16];
        snprintf(text, sizeof text, "%d", broker->id);
        add(listing, type, bytes_of_string(text));
    }
}

/* Those that have configs. */
static void
list_named(struct listing *listing, enum config_resource_type type)
{
    const struct meta_state *state = meta_state(listing->request->broker->meta);
    size_t count = meta_config_names(state, (enum meta_resource)type, NULL, 0);
    struct bytes *names = request_alloc(listing->request, count, sizeof *names);
    meta_config_names(state, (enum meta_resource)type, names, count);
    for (size_t i = 0; i < count; i++) {
        add(listing, type, names[i]);
    }
}

static void
list_all(struct listing *listing, const struct list_config_resources_request *message)
{
    static const enum config_resource_type named[] = { CONFIG_GROUP, CONFIG_CLIENT_METRICS };
    static const enum config_resource_type brokers[] = { CONFIG_BROKER_LOGGER, CONFIG_BROKER };
    const struct meta_state *state = meta_state(listing->request->broker->meta);
    const struct meta_topic *topic = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(named); i++) {
        if (is_wanted(message, (int8_t)named[i])) {
            list_named(listing, named[i]);
        }
        if (is_wanted(message, (int8_t)brokers[i])) {
            list_brokers(listing, brokers[i]);
        }
    }
    while (is_wanted(message, CONFIG_TOPIC) && (topic = meta_topic_next(state, topic))) {
        add(listing, CONFIG_TOPIC, bytes_of_string(topic->name));
    }
}

static size_t
most_resources(const struct meta_state *state)
{
    const struct meta_broker *broker;
    size_t most = meta_topic_count(state);
    most += meta_config_names(state, META_RESOURCE_GROUP, NULL, 0);
    most += meta_config_names(state, META_RESOURCE_CLIENT_METRICS, NULL, 0);
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        most += 2;
    }
    return most;
}

void
handle_list_config_resources(struct request *request)
{
    struct list_config_resources_request message;
    struct list_config_resources_response response = list_config_resources_response_default;
    struct listing listing = { .request = request };
    if (request_read(request, &message) < 0) {
        return;
    }
    listing.out = request_alloc(
            request, most_resources(meta_state(request->broker->meta)), sizeof *listing.out);
    if (request->version == 0) {
        list_named(&listing, CONFIG_CLIENT_METRICS);
    } else if (unknown_type(&message)) {
        response.error_code = KAFKA_UNSUPPORTED_VERSION;
    } else {
        list_all(&listing, &message);
    }
    response.config_resources = wire_array_of(listing.out, listing.count);
    request_reply(request, &response);
}
