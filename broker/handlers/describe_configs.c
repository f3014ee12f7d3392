/* DescribeConfigs: each config's value, where it comes from, what else would apply. */
#include "wire/messages/describe_configs.h"

#include "base/check.h"
#include "handlers/config_resources.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

#include <string.h>

/* One resource while it is answered. */
struct description {
    struct request *request;
    const struct describe_configs_request *message;
    struct config_target target;
    struct meta_config_entry *values; /* set for the resource itself */
    size_t value_count;
    const struct settings *settings;
};

/* ConfigEntry.ConfigType of Kafka 4.4. */
static int8_t
config_type(enum setting_type type)
{
    static const int8_t types[] = {
        [SETTING_BOOL] = 1,
        [SETTING_SHORT] = 4,
        [SETTING_INT] = 3,
        [SETTING_LONG] = 5,
        [SETTING_DOUBLE] = 6,
        [SETTING_STRING] = 2,
        [SETTING_ENUM] = 2,
        [SETTING_LIST] = 7,
    };
    return types[type];
}

static const struct meta_config_entry *
value_of(const struct description *d, struct bytes key)
{
    for (size_t i = 0; i < d->value_count; i++) {
        if (bytes_equal(d->values[i].key, key)) {
            return &d->values[i];
        }
    }
    return NULL;
}

static enum config_source
source_of(enum setting_origin origin)
{
    switch (origin) {
    case SETTING_FROM_DYNAMIC_BROKER:
        return CONFIG_SOURCE_DYNAMIC_BROKER;
    case SETTING_FROM_DYNAMIC_DEFAULT:
        return CONFIG_SOURCE_DYNAMIC_DEFAULT;
    case SETTING_FROM_DEFAULT:
        return CONFIG_SOURCE_DEFAULT;
    case SETTING_FROM_MACHINE:
    case SETTING_FROM_FILE:
    case SETTING_FROM_ENVIRONMENT:
    case SETTING_FROM_COMMAND_LINE:
    default:
        return CONFIG_SOURCE_BROKER;
    }
}

#define SYNONYMS_MAX 5

struct synonyms {
    struct describe_configs_response_synonym list[SYNONYMS_MAX];
    size_t count;
};

static void
add_synonym(const struct description *d, struct synonyms *synonyms, const char *name,
        struct bytes value, enum config_source source)
{
    struct arena *arena = &d->request->arena;
    CHECK(synonyms->count < SYNONYMS_MAX);
    synonyms->list[synonyms->count++] =
            (struct describe_configs_response_synonym){ bytes_of_string(name),
                value.data ? arena_dup(arena, value) : BYTES_NULL, (int8_t)source };
}

static enum config_source
own_source(enum setting_scope scope)
{
    switch (scope) {
    case SETTING_TOPIC:
        return CONFIG_SOURCE_TOPIC;
    case SETTING_CLIENT_METRICS:
        return CONFIG_SOURCE_CLIENT_METRICS;
    case SETTING_GROUP:
        return CONFIG_SOURCE_GROUP;
    case SETTING_BROKER:
    default:
        return CONFIG_SOURCE_DYNAMIC_BROKER;
    }
}

/* The values that could apply, the strongest first: the resource's own, what the broker was given,
 * the default. The first one does. Kafka names what stands behind a broker's time in hours, but not
 * behind a topic's. */
static void
list_synonyms(const struct description *d, const struct setting *setting, struct synonyms *out)
{
    bool of_broker = d->target.scope == SETTING_BROKER;
    const char *behind = of_broker ? setting->name : setting->broker_name;
    const struct meta_config_entry *own = value_of(d, bytes_of_string(setting->name));
    if (own && (!of_broker || d->target.name.size == 0)) {
        add_synonym(d, out, setting->name, own->value,
                of_broker ? CONFIG_SOURCE_DYNAMIC_DEFAULT : own_source(d->target.scope));
    }
    while (behind && (!of_broker || d->target.name.size)) {
        const struct setting *row = setting_find(SETTING_BROKER, bytes_of_string(behind));
        enum setting_origin origin = settings_origin(d->settings, row);
        const char *text = settings_text(d->settings, row);
        if (origin != SETTING_FROM_DEFAULT && text) {
            add_synonym(d, out, behind, bytes_of_string(text), source_of(origin));
        }
        if (row->fallback) {
            add_synonym(d, out, behind, bytes_of_string(row->fallback), CONFIG_SOURCE_DEFAULT);
        }
        behind = of_broker ? settings_synonym(behind) : NULL;
    }
}

/* What applies when there are no synonyms. */
static struct bytes
default_value(const struct description *d, const struct setting *setting)
{
    char scratch[24];
    const char *text = setting->fallback;
    if (d->target.scope == SETTING_BROKER) {
        text = settings_text(d->settings, setting);
    } else if (setting->broker_name) {
        text = topic_settings_default(d->settings, setting, scratch, NULL);
    }
    return text ? arena_dup(&d->request->arena, bytes_of_string(text)) : BYTES_NULL;
}

static void
describe(const struct description *d, const struct setting *setting,
        struct describe_configs_response_resource_result *out)
{
    struct synonyms *synonyms = request_alloc(d->request, 1, sizeof *synonyms);
    list_synonyms(d, setting, synonyms);
    *out = describe_configs_response_resource_result_default;
    out->name = bytes_of_string(setting->name);
    out->value = synonyms->count ? synonyms->list[0].value : default_value(d, setting);
    out->config_source = synonyms->count ? synonyms->list[0].source : (int8_t)CONFIG_SOURCE_DEFAULT;
    out->read_only = d->target.scope == SETTING_BROKER && !setting->dynamic;
    out->synonyms =
            wire_array_of(synonyms->list, d->message->include_synonyms ? synonyms->count : 0);
    out->config_type = config_type(setting->type);
    out->documentation =
            d->message->include_documentation ? bytes_of_string(setting->about) : BYTES_NULL;
}

/* A value for one listener: it has no default of its own. */
static void
describe_override(const struct description *d, const struct setting *setting, bool of_all,
        struct describe_configs_response_resource_result *out)
{
    struct arena *arena = &d->request->arena;
    struct synonyms *synonyms = request_alloc(d->request, 1, sizeof *synonyms);
    struct bytes name = arena_dup(arena, bytes_of_string(setting->name));
    struct bytes value = of_all ? value_of(d, name)->value
                                : bytes_of_string(settings_text(d->settings, setting));
    enum config_source source = of_all ? CONFIG_SOURCE_DYNAMIC_DEFAULT
                                       : source_of(settings_origin(d->settings, setting));
    add_synonym(d, synonyms, (const char *)name.data, value, source);
    *out = describe_configs_response_resource_result_default;
    out->name = name;
    out->value = synonyms->list[0].value;
    out->config_source = (int8_t)source;
    out->synonyms = wire_array_of(synonyms->list, d->message->include_synonyms ? 1 : 0);
    out->config_type = config_type(setting->type);
    out->documentation =
            d->message->include_documentation ? bytes_of_string(setting->about) : BYTES_NULL;
}

static bool
is_asked(const struct describe_configs_request_resource *resource, const char *name)
{
    if (wire_array_is_null(&resource->configuration_keys)) {
        return true;
    }
    struct wire_iterator it = wire_iterate(&resource->configuration_keys);
    struct bytes key;
    while (wire_string_next(&it, &key)) {
        if (bytes_equal(key, bytes_of_string(name))) {
            return true;
        }
    }
    return false;
}

static void
describe_all(const struct description *d, const struct describe_configs_request_resource *resource,
        struct describe_configs_response_result *out)
{
    const struct setting *setting;
    size_t rows = SETTINGS_OVERRIDES_MAX;
    size_t count = 0;
    bool only_set = d->target.scope == SETTING_BROKER && d->target.name.size == 0;
    for (size_t i = 0; setting_at(d->target.scope, i); i++) {
        rows++;
    }
    struct describe_configs_response_resource_result *configs =
            request_alloc(d->request, rows, sizeof *configs);
    for (size_t i = 0; (setting = setting_at(d->target.scope, i)); i++) {
        bool set = value_of(d, bytes_of_string(setting->name));
        if (is_asked(resource, setting->name) && (set || !only_set)) {
            describe(d, setting, &configs[count++]);
        }
    }
    for (size_t i = 0;
            d->target.scope == SETTING_BROKER && (setting = settings_override_at(d->settings, i));
            i++) {
        bool set = only_set ? value_of(d, bytes_of_string(setting->name)) != NULL
                            : settings_text(d->settings, setting) != NULL;
        if (set && is_asked(resource, setting->name)) {
            describe_override(d, setting, only_set, &configs[count++]);
        }
    }
    out->configs = wire_array_of(configs, count);
}

static void
describe_resource(struct request *request, const struct describe_configs_request *message,
        const struct describe_configs_request_resource *resource,
        struct describe_configs_response_result *out)
{
    struct description d = {
        .request = request, .message = message, .settings = config_settings(request)
    };
    *out = describe_configs_response_result_default;
    out->resource_type = resource->resource_type;
    out->resource_name = resource->resource_name;
    out->error_message = BYTES_NULL;
    out->error_code = config_target_find(request, resource->resource_type, resource->resource_name,
            &d.target, &out->error_message);
    if (out->error_code == KAFKA_NONE) {
        d.value_count = config_target_values(request, &d.target, &d.values);
        describe_all(&d, resource, out);
    }
}

void
handle_describe_configs(struct request *request)
{
    struct describe_configs_request message;
    struct describe_configs_response response = describe_configs_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = (size_t)MAX(message.resources.count, 0);
    struct describe_configs_response_result *results =
            request_alloc(request, count, sizeof *results);
    struct wire_iterator it = wire_iterate(&message.resources);
    struct describe_configs_request_resource resource;
    for (size_t i = 0; describe_configs_request_resource_next(&it, &resource); i++) {
        describe_resource(request, &message, &resource, &results[i]);
    }
    response.results = wire_array_of(results, count);
    request_reply(request, &response);
}
