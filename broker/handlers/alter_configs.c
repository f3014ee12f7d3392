/* AlterConfigs (replaces all values of a resource) and IncrementalAlterConfigs (KIP-339). All
 * resources that pass are changed by one object of the metadata log. */
#include "base/log.h"
#include "handlers/client_metrics.h"
#include "handlers/config_resources.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/run.h"

#include <errno.h>

/* AlterConfigOp.OpType of Kafka 4.4. */
enum config_operation { OP_SET, OP_DELETE, OP_APPEND, OP_SUBTRACT };

struct change {
    struct bytes name;
    int8_t operation;
    struct bytes value;
};

/* One resource of the request. */
struct alteration {
    struct config_target target;
    struct bytes name;
    int8_t type;
    struct change *changes;
    size_t change_count;
    bool replaces; /* what is not named goes */
    int16_t error;
    struct bytes message;
    struct meta_config_entry *values; /* as they will be */
    size_t value_count;
};

struct work {
    struct request *request;
    struct alteration *alterations;
    size_t count;
    struct meta_record *records;
    size_t record_count;
    size_t record_capacity;
};

#define SHOWN(b) (int)MIN((b).size, (size_t)200), (const char *)(b).data

static void
refuse(struct alteration *a, int16_t error, struct bytes message)
{
    a->error = error;
    a->message = message;
}

static struct meta_config_entry *
value_find(const struct alteration *a, struct bytes key)
{
    for (size_t i = 0; i < a->value_count; i++) {
        if (bytes_equal(a->values[i].key, key)) {
            return &a->values[i];
        }
    }
    return NULL;
}

static void
value_set(struct alteration *a, struct bytes key, struct bytes value)
{
    struct meta_config_entry *entry = value_find(a, key);
    entry = entry ? entry : &a->values[a->value_count++];
    *entry = (struct meta_config_entry){ key, value };
}

static void
value_delete(struct alteration *a, struct bytes key)
{
    struct meta_config_entry *entry = value_find(a, key);
    if (entry) {
        *entry = a->values[--a->value_count];
    }
}

/* Takes the next element off a list with commas; false at its end. */
static bool
list_next(struct bytes *rest, struct bytes *ret_element)
{
    while (rest->size) {
        size_t size = 0;
        while (size < rest->size && rest->data[size] != ',') {
            size++;
        }
        struct bytes element = bytes_of(rest->data, size);
        size = MIN(size + 1, rest->size);
        *rest = bytes_of(rest->data + size, rest->size - size);
        while (element.size && element.data[0] == ' ') {
            element = bytes_of(element.data + 1, element.size - 1);
        }
        while (element.size && element.data[element.size - 1] == ' ') {
            element.size--;
        }
        if (element.size) {
            *ret_element = element;
            return true;
        }
    }
    return false;
}

static bool
list_has(struct bytes list, struct bytes wanted)
{
    struct bytes element;
    while (list_next(&list, &element)) {
        if (bytes_equal(element, wanted)) {
            return true;
        }
    }
    return false;
}

/* `list` with the elements of `change`, or without them. */
static struct bytes
list_change(struct request *request, struct bytes list, struct bytes change, bool append)
{
    uint8_t *out = request_alloc(request, list.size + change.size + 2, 1);
    struct bytes rest = list;
    struct bytes element;
    size_t size = 0;
    for (int pass = 0; pass < (append ? 2 : 1); pass++) {
        while (list_next(&rest, &element)) {
            bool drop = pass == 0 ? !append && list_has(change, element) : list_has(list, element);
            if (drop) {
                continue;
            }
            if (size) {
                out[size++] = ',';
            }
            memcpy(out + size, element.data, element.size);
            size += element.size;
        }
        rest = change;
    }
    return bytes_of(out, size);
}

/* What holds now for a list, whoever set it. */
static struct bytes
effective_value(struct request *request, const struct alteration *a, const struct setting *setting)
{
    const struct settings *settings = config_settings(request);
    const struct meta_config_entry *entry = value_find(a, bytes_of_string(setting->name));
    char scratch[24];
    if (entry) {
        return entry->value;
    }
    const char *text = a->target.scope == SETTING_BROKER
                               ? settings_text(settings, setting)
                               : topic_settings_default(settings, setting, scratch, NULL);
    return text ? arena_dup(&request->arena, bytes_of_string(text)) : BYTES_LITERAL("");
}

static void
check_value(struct request *request, struct alteration *a, const struct setting *setting,
        struct bytes key, struct bytes value)
{
    char error[SETTINGS_ERROR_SIZE];
    /* Kafka has two codes for one thing. */
    int16_t code = a->target.scope == SETTING_BROKER ? KAFKA_INVALID_REQUEST : KAFKA_INVALID_CONFIG;
    int r = setting_check(setting, value, error);
    if (r == 0 && a->target.scope == SETTING_CLIENT_METRICS) {
        r = client_metrics_check(key, value, &code, error);
    }
    if (r < 0) {
        refuse(a, code, request_text(request, "%s", error));
    } else {
        value_set(a, key, value);
    }
}

static void
refuse_unknown(struct request *request, struct alteration *a, struct bytes name)
{
    static const char *const texts[] = {
        [SETTING_BROKER] = "Unknown config name",
        [SETTING_TOPIC] = "Unknown topic config name",
        [SETTING_GROUP] = "Unknown group config name",
        [SETTING_CLIENT_METRICS] = "Unknown client metrics configuration",
    };
    refuse(a,
            a->target.scope == SETTING_CLIENT_METRICS ? KAFKA_INVALID_REQUEST
                                                      : KAFKA_INVALID_CONFIG,
            request_text(request, "%s: %.*s", texts[a->target.scope], SHOWN(name)));
}

/* False when a broker's setting may not be changed here; then it is refused. */
static bool
may_change(struct request *request, struct alteration *a, const struct setting *setting)
{
    const char *reason = setting->per_broker && a->name.size == 0
                                 ? "Cannot update these configs at default cluster level, broker "
                                   "id must be specified"
                         : !setting->dynamic ? "Cannot update these configs dynamically"
                                             : NULL;
    if (a->target.scope == SETTING_BROKER && reason) {
        refuse(a, KAFKA_INVALID_REQUEST, request_text(request, "%s: [%s]", reason, setting->name));
        return false;
    }
    return true;
}

static void
apply_change(struct request *request, struct alteration *a, const struct change *change)
{
    struct bytes listener;
    const struct setting *setting = setting_find_of(a->target.scope, change->name, &listener);
    if (!setting) {
        refuse_unknown(request, a, change->name);
        return;
    }
    if (!may_change(request, a, setting)) {
        return;
    }
    if (change->operation == OP_DELETE) {
        value_delete(a, change->name);
    } else if (!change->value.data) {
        refuse(a, KAFKA_INVALID_REQUEST,
                request_text(request, "Null value not supported for : %s", setting->name));
    } else if (change->operation == OP_SET) {
        check_value(request, a, setting, change->name, change->value);
    } else if (change->operation != OP_APPEND && change->operation != OP_SUBTRACT) {
        refuse(a, KAFKA_INVALID_REQUEST,
                request_text(request, "Unknown operation %d for config %s", change->operation,
                        setting->name));
    } else if (setting->type != SETTING_LIST) {
        refuse(a, KAFKA_INVALID_CONFIG,
                request_text(request, "Config value %s is not allowed for config key: %s",
                        change->operation == OP_APPEND ? "append" : "subtract", setting->name));
    } else {
        struct bytes list = effective_value(request, a, setting);
        check_value(request, a, setting, change->name,
                list_change(request, list, change->value, change->operation == OP_APPEND));
    }
}

static bool
override_of(void *arg, const char *key, struct bytes *ret_value)
{
    const struct alteration *a = arg;
    const struct meta_config_entry *entry = value_find(a, bytes_of_string(key));
    if (entry) {
        *ret_value = entry->value;
    }
    return entry;
}

static void
check_combination(struct request *request, struct alteration *a)
{
    const struct settings *settings = config_settings(request);
    struct topic_settings topic;
    char error[SETTINGS_ERROR_SIZE];
    int r = 0;
    if (a->target.scope == SETTING_TOPIC) {
        topic_settings_resolve(settings, override_of, a, &topic);
        r = topic_settings_check_combination(&topic, error);
    } else if (a->target.scope == SETTING_GROUP) {
        r = group_settings_check_combination(settings, override_of, a, error);
    }
    if (r < 0) {
        refuse(a, KAFKA_INVALID_CONFIG, request_text(request, "%s", error));
    }
}

/* Each key and each resource may be named once. */
static bool
is_repeated(const struct work *work, const struct alteration *a)
{
    for (size_t i = 0; i < work->count; i++) {
        const struct alteration *other = &work->alterations[i];
        if (other != a && other->type == a->type && bytes_equal(other->name, a->name)) {
            return true;
        }
    }
    return false;
}

static bool
has_repeated_key(const struct alteration *a)
{
    for (size_t i = 0; i < a->change_count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (bytes_equal(a->changes[i].name, a->changes[k].name)) {
                return true;
            }
        }
    }
    return false;
}

static void
add_record(struct work *work, const struct alteration *a, struct bytes key, struct bytes value)
{
    if (work->record_count == work->record_capacity) {
        size_t capacity = MAX(work->record_capacity * 2, (size_t)16);
        struct meta_record *records = request_alloc(work->request, capacity, sizeof *records);
        if (work->record_count) {
            memcpy(records, work->records, work->record_count * sizeof *records);
        }
        work->records = records;
        work->record_capacity = capacity;
    }
    work->records[work->record_count++] = (struct meta_record){
        .type = META_CONFIG,
        .config = { (enum meta_resource)a->target.type, a->name, key, value },
    };
}

/* What has to be logged to come from `old` to the alteration's values. */
static void
add_records(struct work *work, const struct alteration *a, const struct meta_config_entry *old,
        size_t old_count)
{
    for (size_t i = 0; i < old_count; i++) {
        if (!value_find(a, old[i].key)) {
            add_record(work, a, old[i].key, BYTES_NULL);
        }
    }
    for (size_t i = 0; i < a->value_count; i++) {
        bool same = false;
        for (size_t k = 0; k < old_count && !same; k++) {
            same = bytes_equal(old[k].key, a->values[i].key) &&
                   bytes_equal(old[k].value, a->values[i].value);
        }
        if (!same) {
            add_record(work, a, a->values[i].key, a->values[i].value);
        }
    }
}

static void
alter(struct work *work, struct alteration *a)
{
    struct request *request = work->request;
    struct meta_config_entry *old;
    if (is_repeated(work, a)) {
        refuse(a, KAFKA_INVALID_REQUEST, BYTES_LITERAL("Each resource must appear at most once."));
        return;
    }
    if (has_repeated_key(a)) {
        refuse(a, KAFKA_INVALID_REQUEST, BYTES_LITERAL("Error due to duplicate config keys"));
        return;
    }
    a->error = config_target_find(request, a->type, a->name, &a->target, &a->message);
    if (a->error) {
        return;
    }
    size_t old_count = config_target_values(request, &a->target, &old);
    a->values = request_alloc(request, old_count + a->change_count, sizeof *a->values);
    if (!a->replaces && old_count) {
        memcpy(a->values, old, old_count * sizeof *old);
        a->value_count = old_count;
    }
    for (size_t i = 0; i < a->change_count && !a->error; i++) {
        apply_change(request, a, &a->changes[i]);
    }
    if (!a->error) {
        check_combination(request, a);
    }
    if (!a->error) {
        add_records(work, a, old, old_count);
    }
}

/* Logs what passed. What the log itself refuses concerns all of it. */
static void
alter_all(struct work *work, bool validate_only)
{
    struct request *request = work->request;
    for (size_t i = 0; i < work->count; i++) {
        alter(work, &work->alterations[i]);
    }
    if (validate_only || work->record_count == 0) {
        return;
    }
    struct meta_result *results = request_alloc(request, work->record_count, sizeof *results);
    int r = meta_propose(request->broker->meta, work->records, work->record_count, results);
    for (size_t i = 0; r == 0 && i < work->record_count; i++) {
        r = results[i].error;
    }
    if (r == 0) {
        return;
    }
    LOG_WARN("configs could not be changed", LOG_FAULT(r));
    for (size_t i = 0; i < work->count; i++) {
        if (!work->alterations[i].error) {
            refuse(&work->alterations[i],
                    r == -ENOENT ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_REQUEST_TIMED_OUT,
                    BYTES_LITERAL("The change was not logged."));
        }
    }
}

void
alter_configs_run(struct request *request, const struct alter_configs_request *message,
        struct alter_configs_response *ret_response)
{
    struct work work = { .request = request };
    work.count = (size_t)MAX(message->resources.count, 0);
    work.alterations = request_alloc(request, work.count, sizeof *work.alterations);
    struct wire_iterator it = wire_iterate(&message->resources);
    struct alter_configs_request_resource resource;
    for (size_t i = 0; alter_configs_request_resource_next(&it, &resource); i++) {
        struct alteration *a = &work.alterations[i];
        struct wire_iterator configs = wire_iterate(&resource.configs);
        struct alter_configs_request_alterable_config config;
        *a = (struct alteration){
            .type = resource.resource_type, .name = resource.resource_name, .replaces = true
        };
        a->changes =
                request_alloc(request, (size_t)MAX(resource.configs.count, 0), sizeof *a->changes);
        while (alter_configs_request_alterable_config_next(&configs, &config)) {
            a->changes[a->change_count++] = (struct change){ config.name, OP_SET, config.value };
        }
    }
    alter_all(&work, message->validate_only);
    struct alter_configs_response_resource *out = request_alloc(request, work.count, sizeof *out);
    for (size_t i = 0; i < work.count; i++) {
        const struct alteration *a = &work.alterations[i];
        out[i] = (struct alter_configs_response_resource){ a->error, a->message, a->type, a->name };
    }
    *ret_response = alter_configs_response_default;
    ret_response->responses = wire_array_of(out, work.count);
}

void
handle_alter_configs(struct request *request)
{
    struct alter_configs_request message;
    struct alter_configs_response response;
    if (request_read(request, &message) < 0) {
        return;
    }
    alter_configs_run(request, &message, &response);
    request_reply(request, &response);
}

void
incremental_alter_configs_run(struct request *request,
        const struct incremental_alter_configs_request *message,
        struct incremental_alter_configs_response *ret_response)
{
    struct work work = { .request = request };
    work.count = (size_t)MAX(message->resources.count, 0);
    work.alterations = request_alloc(request, work.count, sizeof *work.alterations);
    struct wire_iterator it = wire_iterate(&message->resources);
    struct incremental_alter_configs_request_alter_configs_resource resource;
    for (size_t i = 0;
            incremental_alter_configs_request_alter_configs_resource_next(&it, &resource); i++) {
        struct alteration *a = &work.alterations[i];
        struct wire_iterator configs = wire_iterate(&resource.configs);
        struct incremental_alter_configs_request_alterable_config config;
        *a = (struct alteration){ .type = resource.resource_type, .name = resource.resource_name };
        a->changes =
                request_alloc(request, (size_t)MAX(resource.configs.count, 0), sizeof *a->changes);
        while (incremental_alter_configs_request_alterable_config_next(&configs, &config)) {
            a->changes[a->change_count++] =
                    (struct change){ config.name, config.config_operation, config.value };
        }
    }
    alter_all(&work, message->validate_only);
    struct incremental_alter_configs_response_alter_configs_resource *out =
            request_alloc(request, work.count, sizeof *out);
    for (size_t i = 0; i < work.count; i++) {
        const struct alteration *a = &work.alterations[i];
        out[i] = (struct incremental_alter_configs_response_alter_configs_resource){ a->error,
            a->message, a->type, a->name };
    }
    *ret_response = incremental_alter_configs_response_default;
    ret_response->responses = wire_array_of(out, work.count);
}

void
handle_incremental_alter_configs(struct request *request)
{
    struct incremental_alter_configs_request message;
    struct incremental_alter_configs_response response;
    if (request_read(request, &message) < 0) {
        return;
    }
    incremental_alter_configs_run(request, &message, &response);
    request_reply(request, &response);
}
