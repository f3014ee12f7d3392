/* Topics over HTTP, by the handlers of Kafka's requests. */
#include "broker_topics.h"

#include "api_json.h"
#include "base/fault.h"
#include "base/log.h"
#include "handlers/config_resources.h"
#include "handlers/error_names.h"
#include "handlers/errors.h"
#include "handlers/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TOPIC_NAME_SIZE 250 /* with NUL */
#define CONFIGS_MAX 1000    /* in one body */
#define OP_SET 0            /* AlterConfigOp.OpType */
#define OP_DELETE 1

/* One call on its way. */
struct topic_call {
    struct request request; /* for the handlers' code */
    struct strbuf *out;
    const char *query;
    char name[TOPIC_NAME_SIZE];
    cJSON *body; /* or NULL */
};

static unsigned
status_of(int16_t code)
{
    switch (code) {
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_UNKNOWN_TOPIC_ID:
        return 404;
    case KAFKA_TOPIC_ALREADY_EXISTS:
        return 409;
    case KAFKA_REQUEST_TIMED_OUT:
    case KAFKA_UNKNOWN_SERVER_ERROR:
        return 503; /* T2 */
    default:
        return 400;
    }
}

static unsigned
refuse(struct topic_call *call, int16_t code, struct bytes message)
{
    char text[600];
    bytes_to_string(
            message.data ? message : bytes_of_string(kafka_error_message(code)), text, sizeof text);
    return api_error(call->out, status_of(code), kafka_error_name(code), text);
}

static void
put_configs(struct topic_call *call, int8_t type, struct bytes name)
{
    struct config_target target;
    struct meta_config_entry *entries = NULL;
    struct bytes message;
    size_t count = config_target_find(&call->request, type, name, &target, &message) == KAFKA_NONE
                           ? config_target_values(&call->request, &target, &entries)
                           : 0;
    strbuf_append_string(call->out, "\"config\": {");
    for (size_t i = 0; i < count; i++) {
        strbuf_append_string(call->out, i ? ", " : "");
        api_put_bytes(call->out, entries[i].key);
        strbuf_append_string(call->out, ": ");
        api_put_bytes(call->out, entries[i].value);
    }
    strbuf_append_string(call->out, "}");
}

static const struct meta_topic *
topic_of(const struct topic_call *call)
{
    return meta_topic_by_name(meta_state(call->request.broker->meta), bytes_of_string(call->name));
}

static unsigned
answer_topic(struct topic_call *call, unsigned status)
{
    char id[UUID_TEXT_SIZE];
    const struct meta_topic *topic = topic_of(call);
    if (!topic) {
        return refuse(call, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, BYTES_NULL);
    }
    strbuf_append_string(call->out, "{\"name\": ");
    api_put_text(call->out, topic->name);
    strbuf_printf(call->out, ", \"id\": \"%s\", \"partitions\": %d, ", uuid_format(&topic->id, id),
            topic->partition_count);
    put_configs(call, CONFIG_TOPIC, bytes_of_string(call->name));
    strbuf_append_string(call->out, "}");
    return status;
}

/* T1: 0 when the topic is the one that the query names, else the status of the refusal. */
static unsigned
check_id(struct topic_call *call, struct uuid *ret_id)
{
    char text[UUID_TEXT_SIZE + 1];
    const struct meta_topic *topic = topic_of(call);
    if (!api_query(call->query, "id", text, sizeof text) ||
            uuid_parse(bytes_of_string(text), ret_id) < 0) {
        fault_clear();
        return api_error(call->out, 400, "BAD_QUERY",
                "the query is ?id=ID with the topic's id, so that no other topic of the name is "
                "meant");
    }
    if (!topic) {
        return refuse(call, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, BYTES_NULL);
    }
    if (!uuid_equal(&topic->id, ret_id)) {
        return api_error(call->out, 409, "OTHER_TOPIC",
                "the topic of this name has another id: it was deleted and made again");
    }
    return 0;
}

/* A value of "config" as text; false: it is no text, number or boolean. */
static bool
value_text(struct topic_call *call, const cJSON *item, struct bytes *ret_text)
{
    if (cJSON_IsString(item)) {
        *ret_text = bytes_of_string(item->valuestring);
    } else if (cJSON_IsNumber(item) && item->valuedouble >= -9007199254740992.0 &&
               item->valuedouble <= 9007199254740992.0 &&
               item->valuedouble == (double)(int64_t)item->valuedouble) {
        *ret_text = request_text(&call->request, "%lld", (long long)item->valuedouble);
    } else if (cJSON_IsNumber(item)) {
        *ret_text = request_text(&call->request, "%.17g", item->valuedouble);
    } else if (cJSON_IsBool(item)) {
        *ret_text = cJSON_IsTrue(item) ? BYTES_LITERAL("true") : BYTES_LITERAL("false");
    } else {
        return false;
    }
    return true;
}

/* The object `name` of the body as names and values. 0, or the status of the refusal. */
static unsigned
read_configs(struct topic_call *call, const char *name, struct meta_config_entry **ret_entries,
        size_t *ret_count)
{
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(call->body, name);
    size_t count = config ? (size_t)cJSON_GetArraySize(config) : 0;
    size_t n = 0;
    if ((config && !cJSON_IsObject(config)) || count > CONFIGS_MAX) {
        return api_error(call->out, 400, "BAD_BODY", "config is an object of names and values");
    }
    struct meta_config_entry *entries = request_alloc(&call->request, count, sizeof *entries);
    const cJSON *item;
    cJSON_ArrayForEach(item, config)
    {
        entries[n].key = bytes_of_string(item->string);
        if (!value_text(call, item, &entries[n++].value)) {
            return api_error(call->out, 400, "BAD_BODY",
                    "each value of config is a text, a number, true or false");
        }
    }
    *ret_entries = entries;
    *ret_count = n;
    return 0;
}

/* The body's whole number of that name, `otherwise` where there is none; false: something else. */
static bool
read_number(const struct topic_call *call, const char *name, int32_t otherwise, int32_t *ret)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(call->body, name);
    bool is_number = cJSON_IsNumber(item) && item->valuedouble == (double)item->valueint;
    *ret = is_number ? (int32_t)item->valueint : otherwise;
    return !item || is_number;
}

/* The id that the caller chose, or NULL. False: it is none. */
static bool
read_id(const struct topic_call *call, struct uuid *id, const struct uuid **ret_id)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(call->body, "id");
    *ret_id = NULL;
    if (!item) {
        return true;
    }
    if (!cJSON_IsString(item) || uuid_parse(bytes_of_string(item->valuestring), id) < 0 ||
            uuid_is_zero(id)) {
        fault_clear();
        return false;
    }
    *ret_id = id;
    return true;
}

static unsigned
topic_create(struct topic_call *call)
{
    struct meta_config_entry *entries;
    struct uuid id;
    const struct uuid *chosen;
    size_t count;
    int32_t partitions;
    if (!read_number(call, "partitions", -1, &partitions) || !read_id(call, &id, &chosen)) {
        return api_error(call->out, 400, "BAD_BODY",
                "partitions is a whole number, id 22 characters of URL-safe base64");
    }
    unsigned status = read_configs(call, "config", &entries, &count);
    if (status) {
        return status;
    }
    /* meta_config_entry and the message's element are both a name and a value. */
    struct create_topics_request_creatable_topic_config *configs =
            request_alloc(&call->request, count, sizeof *configs);
    for (size_t i = 0; i < count; i++) {
        configs[i] = (struct create_topics_request_creatable_topic_config){ entries[i].key,
            entries[i].value };
    }
    struct create_topics_request_creatable_topic topic = {
        .name = bytes_of_string(call->name),
        .num_partitions = partitions,
        .replication_factor = -1,
        .configs = wire_array_of(configs, count),
    };
    struct create_topics_request message = create_topics_request_default;
    struct create_topics_response response;
    struct create_topics_response_creatable_topic_result result;
    message.topics = wire_array_of(&topic, 1);
    message.validate_only =
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(call->body, "validateOnly"));
    create_topics_run(&call->request, &message, chosen, &response);
    struct wire_iterator it = wire_iterate(&response.topics);
    if (!create_topics_response_creatable_topic_result_next(&it, &result) || result.error_code) {
        return refuse(call, result.error_code, result.error_message);
    }
    if (message.validate_only) {
        strbuf_append_string(call->out, "{\"valid\": true}");
        return 200;
    }
    LOG_INFO("a topic was created", LOG_STR("topic", call->name),
            LOG_INT("partitions", result.num_partitions));
    return answer_topic(call, 201);
}

static unsigned
topic_alter(struct topic_call *call)
{
    struct meta_config_entry *entries;
    struct uuid id;
    size_t count;
    unsigned status = check_id(call, &id);
    status = status ? status : read_configs(call, "config", &entries, &count);
    if (status) {
        return status;
    }
    struct alter_configs_request_alterable_config *configs =
            request_alloc(&call->request, count, sizeof *configs);
    for (size_t i = 0; i < count; i++) {
        configs[i] =
                (struct alter_configs_request_alterable_config){ entries[i].key, entries[i].value };
    }
    struct alter_configs_request_resource resource = {
        .resource_type = CONFIG_TOPIC,
        .resource_name = bytes_of_string(call->name),
        .configs = wire_array_of(configs, count),
    };
    struct alter_configs_request message = alter_configs_request_default;
    struct alter_configs_response response;
    struct alter_configs_response_resource result;
    message.resources = wire_array_of(&resource, 1);
    alter_configs_run(&call->request, &message, &response);
    struct wire_iterator it = wire_iterate(&response.responses);
    if (!alter_configs_response_resource_next(&it, &result) || result.error_code) {
        return refuse(call, result.error_code, result.error_message);
    }
    LOG_INFO("a topic's config was replaced", LOG_STR("topic", call->name));
    return answer_topic(call, 200);
}

static unsigned
topic_grow(struct topic_call *call)
{
    struct uuid id;
    struct create_partitions_request_topic topic = {
        .name = bytes_of_string(call->name),
        .assignments = WIRE_ARRAY_NULL,
    };
    if (!read_number(call, "partitions", 0, &topic.count)) {
        return api_error(call->out, 400, "BAD_BODY", "partitions is a whole number");
    }
    unsigned status = check_id(call, &id);
    if (status) {
        return status;
    }
    if (topic_of(call)->partition_count == topic.count) {
        return answer_topic(call, 200); /* asked again */
    }
    struct create_partitions_request message = create_partitions_request_default;
    struct create_partitions_response response;
    struct create_partitions_response_topic_result result;
    message.topics = wire_array_of(&topic, 1);
    create_partitions_run(&call->request, &message, &response);
    struct wire_iterator it = wire_iterate(&response.results);
    if (!create_partitions_response_topic_result_next(&it, &result) || result.error_code) {
        return refuse(call, result.error_code, result.error_message);
    }
    LOG_INFO("a topic got partitions", LOG_STR("topic", call->name),
            LOG_INT("partitions", topic.count));
    return answer_topic(call, 200);
}

/* By id: what has the name when the record is applied is of no matter. */
static unsigned
topic_delete(struct topic_call *call)
{
    struct delete_topics_request_delete_topic_state topic = { .name = BYTES_NULL };
    unsigned status = check_id(call, &topic.topic_id);
    if (status) {
        return status;
    }
    struct delete_topics_request message = delete_topics_request_default;
    struct delete_topics_response response;
    struct delete_topics_response_deletable_topic_result result;
    message.topics = wire_array_of(&topic, 1);
    delete_topics_run(&call->request, &message, &response);
    struct wire_iterator it = wire_iterate(&response.responses);
    if (!delete_topics_response_deletable_topic_result_next(&it, &result) || result.error_code) {
        return refuse(call, result.error_code, result.error_message);
    }
    LOG_INFO("a topic was deleted", LOG_STR("topic", call->name));
    strbuf_append_string(call->out, "{\"deleted\": true}");
    return 200;
}

static unsigned
topic_answer(struct topic_call *call, const char *method, const char *what)
{
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    bool post = strcmp(method, "POST") == 0;
    if (!*what && get) {
        return answer_topic(call, 200);
    }
    if (!*what && post) {
        return topic_create(call);
    }
    if (!*what && strcmp(method, "DELETE") == 0) {
        return topic_delete(call);
    }
    if (strcmp(what, "/config") == 0 && strcmp(method, "PUT") == 0) {
        return topic_alter(call);
    }
    if (strcmp(what, "/partitions") == 0 && post) {
        return topic_grow(call);
    }
    return api_error(call->out, 405, "BAD_METHOD",
            "GET, POST, DELETE the topic, PUT its config, POST its partitions");
}

/* Reads the body where there is one. */
static unsigned
call_begin(struct topic_call *call, struct broker *broker, const struct admin_request *request,
        struct strbuf *out)
{
    call->out = out;
    call->query = request->query;
    request_begin_own(&call->request, broker);
    if (request->body.size && api_body(request->body, &call->body) < 0) {
        return api_error(out, 400, "BAD_BODY", "the body is not a JSON object");
    }
    return 0;
}

static void
call_end(struct topic_call *call)
{
    cJSON_Delete(call->body);
    request_end_own(&call->request);
}

unsigned
broker_topics_answer(struct broker *broker, const struct admin_request *request, struct strbuf *out)
{
    struct topic_call call = { 0 };
    size_t size = strcspn(request->path, "/");
    struct bytes name = bytes_of(request->path, size);
    char problem[TOPIC_NAME_PROBLEM_SIZE];
    if (!topic_name_is_valid(name)) {
        topic_name_problem(name, problem);
        return api_error(out, 400, "INVALID_TOPIC_EXCEPTION", problem);
    }
    bytes_to_string(name, call.name, sizeof call.name);
    unsigned status = call_begin(&call, broker, request, out);
    status = status ? status : topic_answer(&call, request->method, request->path + size);
    call_end(&call);
    return status;
}

/* {"set": {...}, "unset": [...]} as the operations of one resource: all brokers. */
static unsigned
config_change(struct topic_call *call)
{
    struct meta_config_entry *entries;
    size_t count;
    unsigned status = read_configs(call, "set", &entries, &count);
    const cJSON *unset = cJSON_GetObjectItemCaseSensitive(call->body, "unset");
    int unset_count = cJSON_GetArraySize(unset);
    if (status) {
        return status;
    }
    if ((unset && !cJSON_IsArray(unset)) || unset_count > CONFIGS_MAX) {
        return api_error(call->out, 400, "BAD_BODY", "unset is a list of names");
    }
    struct incremental_alter_configs_request_alterable_config *changes =
            /* api_error returns no 0. NOLINTNEXTLINE(*-core.UndefinedBinaryOperatorResult) */
            request_alloc(&call->request, count + (size_t)unset_count, sizeof *changes);
    for (size_t i = 0; i < count; i++) {
        changes[i] = (struct incremental_alter_configs_request_alterable_config){ entries[i].key,
            OP_SET, entries[i].value };
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, unset)
    {
        const char *name = cJSON_GetStringValue(item);
        changes[count++] = (struct incremental_alter_configs_request_alterable_config){
            bytes_of_string(name ? name : ""), OP_DELETE, BYTES_NULL
        };
    }
    struct incremental_alter_configs_request_alter_configs_resource resource = {
        .resource_type = CONFIG_BROKER,
        .resource_name = BYTES_LITERAL(""),
        .configs = wire_array_of(changes, count),
    };
    struct incremental_alter_configs_request message = incremental_alter_configs_request_default;
    struct incremental_alter_configs_response response;
    struct incremental_alter_configs_response_alter_configs_resource result;
    message.resources = wire_array_of(&resource, 1);
    incremental_alter_configs_run(&call->request, &message, &response);
    struct wire_iterator it = wire_iterate(&response.responses);
    if (!incremental_alter_configs_response_alter_configs_resource_next(&it, &result) ||
            result.error_code) {
        return refuse(call, result.error_code, result.error_message);
    }
    LOG_INFO("settings of all brokers were changed", LOG_INT("count", count));
    return 0;
}

unsigned
broker_config_answer(struct broker *broker, const struct admin_request *request, struct strbuf *out)
{
    struct topic_call call = { 0 };
    bool post = strcmp(request->method, "POST") == 0;
    bool get = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if (!get && !post) {
        return api_error(out, 405, "BAD_METHOD", "GET, or POST with set and unset");
    }
    unsigned status = call_begin(&call, broker, request, out);
    if (!status && post) {
        status = config_change(&call);
    }
    if (!status) {
        strbuf_append_string(out, "{");
        put_configs(&call, CONFIG_BROKER, BYTES_LITERAL(""));
        strbuf_append_string(out, "}");
        status = 200;
    }
    call_end(&call);
    return status;
}
