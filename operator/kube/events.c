/* Events as requests that nobody waits for. */
#include "kube/events.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "kube/clock.h"

#include <stdio.h>

#define SERIES_NAME_SIZE 128

struct series {
    uint64_t key; /* 0: free */
    char name[SERIES_NAME_SIZE];
    char namespace[64];
    uint64_t count;
    int64_t told_ms; /* of the last request */
    int64_t seen_ms;
};

struct events {
    struct kube *kube;
    const char *instance;
    struct series series[EVENTS_KEPT];
    struct list sends;
    size_t send_count;
    uint64_t dropped;
    uint64_t number;
};

struct send {
    struct list node;
    struct events *events;
    struct http_transfer *transfer;
    uint64_t key; /* of the series */
};

struct events *
events_new(struct kube *kube, const char *instance)
{
    struct events *events = mem_alloc(sizeof *events);
    events->kube = kube;
    events->instance = instance;
    list_init(&events->sends);
    return events;
}

void
events_free(struct events *events)
{
    if (!events) {
        return;
    }
    LIST_FOREACH_SAFE (node, &events->sends) {
        struct send *send = CONTAINER_OF(node, struct send, node);
        http_cancel(send->transfer);
        mem_free(send);
    }
    mem_free(events);
}

uint64_t
events_dropped(const struct events *events)
{
    return events->dropped;
}

/* What was not told is not there to be changed: the next one is told as the first. */
static void
series_forget(struct events *events, uint64_t key)
{
    for (size_t i = 0; i < EVENTS_KEPT; i++) {
        if (events->series[i].key == key) {
            events->series[i] = (struct series){ .key = 0 };
        }
    }
}

static void
on_sent(void *arg, const struct http_answer *answer)
{
    struct send *send = arg;
    int r = kube_answer_error("POST", "events", answer);
    if (r < 0) {
        send->events->dropped++;
        LOG_DEBUG("an event was not taken", LOG_FAULT(r));
        series_forget(send->events, send->key);
    }
    list_remove(&send->node);
    send->events->send_count--;
    mem_free(send);
}

static void
send_json(struct events *events, uint64_t key, const char *path, const cJSON *body)
{
    struct kube *kube = events->kube;
    bool is_first = !json_at(body, "series");
    if (events->send_count >= EVENTS_UNDER_WAY_MAX) {
        events->dropped++;
        series_forget(events, key);
        return;
    }
    CLEANUP(mem_freep) char *text = json_print(body);
    struct send *send = mem_alloc(sizeof *send);
    struct strbuf url;
    strbuf_init(&url, 4096);
    strbuf_printf(&url, "%s%s", kube->credentials->server, path);
    send->events = events;
    send->key = key;
    struct http_request request = {
        .method = is_first ? "POST" : "PATCH",
        .url = strbuf_cstring(&url),
        .body = bytes_of_string(text),
        .content_type = is_first ? "application/json" : "application/merge-patch+json",
        .authorization = kube->credentials->authorization,
        .tls = &kube->credentials->tls,
        .timeout_ms = kube->timeout_ms,
        .answer_max = KUBE_ANSWER_MAX,
        .done = on_sent,
        .arg = send,
    };
    if (http_start(kube->http, &request, &send->transfer) < 0) {
        events->dropped++;
        series_forget(events, key);
        mem_free(send);
    } else {
        list_push_back(&events->sends, &send->node);
        events->send_count++;
    }
    strbuf_done(&url);
}

static void
reference(cJSON *event, const char *name, const struct event_object *object)
{
    cJSON *json = json_object(event, name);
    json_set(json, "apiVersion", object->kind->version);
    json_set(json, "kind", object->kind->kind);
    if (!object->kind->is_cluster_wide) {
        json_set(json, "namespace", object->namespace);
    }
    json_set(json, "name", object->name);
    if (object->uid && *object->uid) {
        json_set(json, "uid", object->uid);
    }
}

static void
path_of(struct strbuf *path, const struct series *series, const char *name)
{
    strbuf_init(path, 1024);
    kube_path(path, &KUBE_EVENTS, series->namespace, name, NULL);
}

/* Of the regarded name what makes a name with what follows: it may not be cut behind a '-' or '.'.
 */
static void
name_make(struct events *events, const char *regarding, char out[SERIES_NAME_SIZE])
{
    size_t size = strnlen(regarding, 60);
    while (size && strchr("-.", regarding[size - 1])) {
        size--;
    }
    snprintf(out, SERIES_NAME_SIZE, "%.*s.%08x%08x", (int)size, regarding, clock_dice(UINT32_MAX),
            (unsigned)events->number++);
}

static void
tell_first(struct events *events, const struct event *event, struct series *series)
{
    char now[KUBE_MICROTIME_SIZE];
    char note[EVENT_NOTE_MAX + 1];
    CLEANUP(json_freep) cJSON *json = cJSON_CreateObject();
    snprintf(note, sizeof note, "%s", event->note);
    name_make(events, event->regarding.name, series->name);
    json_set(json, "apiVersion", KUBE_EVENTS.version);
    json_set(json, "kind", KUBE_EVENTS.kind);
    json_set(json_object(json, "metadata"), "name", series->name);
    json_set(json_object(json, "metadata"), "namespace", series->namespace);
    json_set(json, "eventTime", clock_microtime(now));
    json_set(json, "type", event->is_warning ? "Warning" : "Normal");
    json_set(json, "reason", event->reason);
    json_set(json, "action", event->action);
    json_set(json, "note", note);
    json_set(json, "reportingController", "freshet.dev/operator");
    json_set(json, "reportingInstance", events->instance);
    reference(json, "regarding", &event->regarding);
    if (event->related) {
        reference(json, "related", event->related);
    }
    struct strbuf path;
    path_of(&path, series, NULL);
    send_json(events, series->key, strbuf_cstring(&path), json);
    strbuf_done(&path);
}

static void
tell_again(struct events *events, const struct series *series)
{
    char now[KUBE_MICROTIME_SIZE];
    CLEANUP(json_freep) cJSON *json = cJSON_CreateObject();
    cJSON *object = json_object(json, "series");
    json_set_int(object, "count", (int64_t)series->count);
    json_set(object, "lastObservedTime", clock_microtime(now));
    struct strbuf path;
    path_of(&path, series, series->name);
    send_json(events, series->key, strbuf_cstring(&path), json);
    strbuf_done(&path);
}

static uint64_t
key_of(const struct event *event)
{
    uint64_t hash = bytes_hash(bytes_of_string(event->regarding.uid), 1);
    hash = bytes_hash(bytes_of_string(event->regarding.name), hash);
    hash = bytes_hash(bytes_of_string(event->reason), hash);
    hash = bytes_hash(bytes_of_string(event->action), hash);
    hash = bytes_hash(bytes_of_string(event->related ? event->related->name : ""), hash);
    hash = bytes_hash(bytes_of_string(event->note), hash);
    return hash ? hash : 1;
}

/* The series of that key, or the one that was not needed for the longest time. */
static struct series *
series_of(struct events *events, uint64_t key)
{
    struct series *oldest = &events->series[0];
    for (size_t i = 0; i < EVENTS_KEPT; i++) {
        if (events->series[i].key == key) {
            return &events->series[i];
        }
        if (events->series[i].seen_ms < oldest->seen_ms) {
            oldest = &events->series[i];
        }
    }
    return oldest;
}

void
events_tell(struct events *events, const struct event *event)
{
    int64_t now_ms = clock_now_ms();
    uint64_t key = key_of(event);
    struct series *series = series_of(events, key);
    if (series->key != key || now_ms - series->seen_ms > EVENTS_IDLE_MS) {
        *series = (struct series){ .key = key };
        snprintf(series->namespace, sizeof series->namespace, "%s",
                event->regarding.kind->is_cluster_wide ? "default" : event->regarding.namespace);
    }
    series->seen_ms = now_ms;
    series->count++;
    if (series->count == 1) {
        series->told_ms = now_ms;
        tell_first(events, event, series);
    } else if (series->count == 2 || now_ms - series->told_ms >= EVENTS_REFRESH_MS) {
        series->told_ms = now_ms;
        tell_again(events, series);
    }
}
