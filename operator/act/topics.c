/* Topics and settings over the admin API. */
#include "act/topics.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "resource/names.h"

#include <errno.h>
#include <stdio.h>

struct admin_call {
    const char *method;
    const char *path; /* behind "/v1/" */
    const cJSON *body;
};

static int
error_of(long status)
{
    switch (status) {
    case 404:
        return -ENOENT;
    case 409:
        return -EEXIST;
    case 400:
    case 405:
    case 413:
    case 414:
        return -EINVAL;
    default:
        return -EAGAIN;
    }
}

static int
answer_take(const struct admin_call *call, const char *ip, const struct http_answer *answer,
        cJSON **ret_json)
{
    CLEANUP(json_freep) cJSON *json = NULL;
    if (answer->error < 0) {
        return fault(-EAGAIN, "%s http://%s:%d/v1/%s: %s", call->method, ip, ADMIN_PORT, call->path,
                answer->reason);
    }
    int r = json_parse(answer->body, &json);
    if (answer->status >= 200 && answer->status < 300) {
        if (r == 0 && ret_json) {
            *ret_json = json;
            json = NULL;
        }
        return r < 0 ? fault_note(-EAGAIN, "%s /v1/%s", call->method, call->path) : 0;
    }
    if (r < 0) {
        fault_clear();
    }
    return fault(error_of(answer->status), "%s: %.300s", json_text(json, "error"),
            json_text(json, "message"));
}

static int
admin_call(struct act *act, const char *ip, const struct admin_call *call, cJSON **ret_json)
{
    struct strbuf url;
    struct http_answer answer;
    bool is_v6 = strchr(ip, ':') != NULL;
    CLEANUP(mem_freep) char *body = call->body ? json_print(call->body) : NULL;
    strbuf_init(&url, 1024);
    strbuf_printf(&url, is_v6 ? "http://[%s]:%d/v1/%s" : "http://%s:%d/v1/%s", ip, ADMIN_PORT,
            call->path);
    struct http_request request = {
        .method = call->method,
        .url = strbuf_cstring(&url),
        .body = body ? bytes_of_string(body) : BYTES_NULL,
        .content_type = body ? "application/json" : NULL,
        .timeout_ms = BROKER_CALL_MS,
        .answer_max = BROKER_ANSWER_MAX,
    };
    http_call(act->kube->http, &request, &answer);
    if (strcmp(call->method, "GET") != 0) {
        kube_wrote(act->kube);
    }
    int r = answer_take(call, ip, &answer, ret_json);
    http_answer_done(&answer);
    strbuf_done(&url);
    return r;
}

#define PATH_SIZE 400

/* Names have no character that needs an escape: the broker and the schema see to it. */
static const char *
path_of(const struct topic_call *call, const char *what, char out[PATH_SIZE])
{
    bool has_id = call->id && *call->id;
    snprintf(out, PATH_SIZE, "topics/%.249s%s%s%s", call->topic->name, what, has_id ? "?id=" : "",
            has_id ? call->id : "");
    return out;
}

int
act_topic_look(struct act *act, const struct topic_call *call, struct topic_told *ret_told)
{
    char path[PATH_SIZE];
    CLEANUP(json_freep) cJSON *json = NULL;
    const struct topic_call plain = { call->ip, call->topic, NULL };
    const struct admin_call get = { "GET", path_of(&plain, "", path), NULL };
    int r = admin_call(act, call->ip, &get, &json);
    if (r == -ENOENT) {
        fault_clear();
        *ret_told = (struct topic_told){ .exists = false };
        return 0;
    }
    return r < 0 ? r : topic_told_parse(json, ret_told);
}

static void
body_config(const struct topic *topic, cJSON *body)
{
    const cJSON *item;
    cJSON *config = json_object(body, "config");
    cJSON_ArrayForEach(item, topic->config)
    {
        char number[JSON_SCALAR_SIZE];
        json_set(config, item->string, json_scalar(item, number));
    }
}

int
act_topic_create(struct act *act, const struct topic_call *call, bool is_trial)
{
    char path[PATH_SIZE];
    const struct topic_call plain = { call->ip, call->topic, NULL };
    CLEANUP(json_freep) cJSON *body = cJSON_CreateObject();
    json_set_int(body, "partitions", call->topic->partitions);
    body_config(call->topic, body);
    if (is_trial) {
        json_set_bool(body, "validateOnly", true);
    } else {
        json_set(body, "id", call->id);
    }
    const struct admin_call post = { "POST", path_of(&plain, "", path), body };
    return admin_call(act, call->ip, &post, NULL);
}

int
act_topic_alter(struct act *act, const struct topic_call *call)
{
    char path[PATH_SIZE];
    CLEANUP(json_freep) cJSON *body = cJSON_CreateObject();
    body_config(call->topic, body);
    const struct admin_call put = { "PUT", path_of(call, "/config", path), body };
    return admin_call(act, call->ip, &put, NULL);
}

int
act_topic_grow(struct act *act, const struct topic_call *call)
{
    char path[PATH_SIZE];
    CLEANUP(json_freep) cJSON *body = cJSON_CreateObject();
    json_set_int(body, "partitions", call->topic->partitions);
    const struct admin_call post = { "POST", path_of(call, "/partitions", path), body };
    return admin_call(act, call->ip, &post, NULL);
}

int
act_topic_delete(struct act *act, const struct topic_call *call)
{
    char path[PATH_SIZE];
    const struct admin_call delete = { "DELETE", path_of(call, "", path), NULL };
    int r = admin_call(act, call->ip, &delete, NULL);
    if (r == -ENOENT) {
        fault_clear();
        return 0;
    }
    return r;
}

int
act_settings(struct act *act, const char *ip, const cJSON *body)
{
    const struct admin_call post = { "POST", "config", body };
    return admin_call(act, ip, &post, NULL);
}

int
act_topic_finalizer(struct act *act, const struct topic *topic, bool is_wished)
{
    char namespace[64];
    CLEANUP(json_freep) cJSON *there = NULL;
    CLEANUP(json_freep) cJSON *answer = NULL;
    CLEANUP(mem_freep) char *name = mem_strdup(topic->meta.name);
    CLEANUP(mem_freep) char *uid = mem_strdup(topic->meta.uid);
    snprintf(namespace, sizeof namespace, "%.63s", topic->meta.namespace);
    int r = kube_get(act->kube, &KUBE_TOPICS, namespace, name, &there);
    if (r < 0) {
        return r;
    }
    if (strcmp(json_text(there, "metadata/uid"), uid) != 0) {
        return fault(-ESTALE, "FreshetTopic %s/%s is another one by now", namespace, name);
    }
    cJSON *list = json_array(json_object(there, "metadata"), "finalizers");
    for (int i = cJSON_GetArraySize(list) - 1; i >= 0; i--) {
        const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(list, i));
        if (text && strcmp(text, FINALIZER_TOPIC) == 0) {
            cJSON_DeleteItemFromArray(list, i);
        }
    }
    if (is_wished) {
        json_push_text(list, FINALIZER_TOPIC);
    }
    r = kube_replace(act->kube, &KUBE_TOPICS, namespace, there, &answer);
    if (r < 0) {
        return r;
    }
    bool is_gone = *json_text(answer, "metadata/deletionTimestamp") &&
                   cJSON_GetArraySize(json_at(answer, "metadata/finalizers")) == 0;
    if (is_gone) {
        table_forget(&act->cache->topics, namespace, name, uid);
    } else {
        table_upsert(&act->cache->topics, answer);
    }
    return 0;
}
