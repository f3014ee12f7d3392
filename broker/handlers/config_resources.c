/* Which resources have configs. */
#include "handlers/config_resources.h"

#include "handlers/errors.h"
#include "reactor/reactor.h"

#include <stdlib.h>

static int16_t
find_topic(struct request *request, struct bytes name, struct bytes *ret_message)
{
    char problem[TOPIC_NAME_PROBLEM_SIZE];
    if (!topic_name_is_valid(name)) {
        topic_name_problem(name, problem);
        *ret_message = request_text(request, "%s", problem);
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    }
    if (!meta_topic_by_name(meta_state(request->broker->meta), name)) {
        *ret_message = request_text(request, "The topic '%.*s' does not exist.", (int)name.size,
                (const char *)name.data);
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return KAFKA_NONE;
}

/* "" or the number of this broker: another one's values are asked of that one. */
static int16_t
find_broker(struct request *request, struct config_target *target, struct bytes *ret_message)
{
    char text[16];
    char *end;
    if (target->name.size == 0) {
        target->origin = SETTING_FROM_DYNAMIC_DEFAULT;
        return KAFKA_NONE;
    }
    target->origin = SETTING_FROM_DYNAMIC_BROKER;
    bytes_to_string(target->name, text, sizeof text);
    /* check-text: allow strtol: end and range are looked at */
    long id = strtol(text, &end, 10);
    if (target->name.size >= sizeof text || end == text || *end) {
        *ret_message = request_text(request, "Broker id must be an integer, but it is: %s", text);
        return KAFKA_INVALID_REQUEST;
    }
    int32_t here = meta_broker_id(request->broker->meta);
    if (id != here) {
        *ret_message = request_text(request,
                "Unexpected broker id, expected %d or empty string, but received %ld", here, id);
        return KAFKA_INVALID_REQUEST;
    }
    return KAFKA_NONE;
}

int16_t
config_target_find(struct request *request, int8_t type, struct bytes name,
        struct config_target *ret_target, struct bytes *ret_message)
{
    struct config_target target = { .type = (enum config_resource_type)type, .name = name };
    int16_t error = KAFKA_NONE;
    switch (type) {
    case CONFIG_TOPIC:
        target.scope = SETTING_TOPIC;
        error = find_topic(request, name, ret_message);
        break;
    case CONFIG_BROKER:
        target.scope = SETTING_BROKER;
        error = find_broker(request, &target, ret_message);
        break;
    case CONFIG_GROUP:
        target.scope = SETTING_GROUP;
        if (name.size == 0) {
            *ret_message = BYTES_LITERAL("Default group resources are not allowed.");
            error = KAFKA_INVALID_REQUEST;
        }
        break;
    case CONFIG_CLIENT_METRICS:
        target.scope = SETTING_CLIENT_METRICS;
        if (name.size == 0) {
            *ret_message = BYTES_LITERAL("Subscription name can't be empty");
            error = KAFKA_INVALID_REQUEST;
        }
        break;
    case CONFIG_BROKER_LOGGER:
        *ret_message = BYTES_LITERAL(
                "There is one logger, and its level is the broker's config log.level.");
        error = KAFKA_INVALID_REQUEST;
        break;
    default:
        *ret_message = request_text(request, "Unsupported resource type: %d", type);
        error = KAFKA_INVALID_REQUEST;
    }
    *ret_target = target;
    return error;
}

size_t
config_target_values(struct request *request, const struct config_target *target,
        struct meta_config_entry **ret_entries)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    enum meta_resource resource = (enum meta_resource)target->type;
    size_t count = meta_config_list(state, resource, target->name, NULL, 0);
    struct meta_config_entry *entries = request_alloc(request, count, sizeof *entries);
    meta_config_list(state, resource, target->name, entries, count);
    for (size_t i = 0; i < count; i++) {
        entries[i].key = arena_dup(&request->arena, entries[i].key);
        entries[i].value = arena_dup(&request->arena, entries[i].value);
    }
    *ret_entries = entries;
    return count;
}

const struct settings *
config_settings(const struct request *request)
{
    return request->broker->dynamic ? request->broker->dynamic[reactor_index()]
                                    : request->broker->settings;
}
