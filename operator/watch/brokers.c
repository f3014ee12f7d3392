/* The look at brokers. */
#include "watch/brokers.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "kube/clock.h"
#include "resource/names.h"
#include "watch/asker.h"

#include <stdio.h>

#define TICK_MS 500
#define ANSWER_MAX ((size_t)256 << 10)

struct brokers {
    struct http *http;
    struct cache *cache;
    struct http_timer timer;
    struct asker asker;
};

static bool
is_news(const struct broker_view *view, const struct broker *told)
{
    const struct broker *known = &view->broker;
    return !view->is_known || known->state != told->state || known->epoch != told->epoch ||
           known->is_wal_empty != told->is_wal_empty || known->is_alive != told->is_alive ||
           known->quarantined != told->quarantined;
}

static void
problem_note(struct broker_view *view, const char *problem)
{
    snprintf(view->problem, sizeof view->problem, "%s", problem);
}

/* Takes what was told; false, with the view's problem, when it was nothing. */
static bool
answer_take(struct broker_view *view, const struct question *question,
        const struct http_answer *answer, struct broker *ret_told)
{
    CLEANUP(json_freep) cJSON *json = NULL;
    char text[160];
    if (answer->error < 0) {
        problem_note(view, answer->reason);
        return false;
    }
    if (answer->status != 200) {
        snprintf(text, sizeof text, "GET /v1/broker: HTTP %ld", answer->status);
        problem_note(view, text);
        return false;
    }
    if (json_parse(answer->body, &json) < 0 || broker_parse(json, ret_told) < 0) {
        problem_note(view, fault_text());
        fault_clear();
        return false;
    }
    if (ret_told->id != question->id) {
        snprintf(text, sizeof text, "broker %d answers in the pod of broker %d", ret_told->id,
                question->id);
        problem_note(view, text);
        return false;
    }
    problem_note(view, "");
    return true;
}

static void
on_answer(void *arg, const struct question *question, const struct http_answer *answer)
{
    struct brokers *brokers = arg;
    struct cache *cache = brokers->cache;
    struct broker_view *view = cache_view(cache, question->uid);
    struct broker told;
    if (view && answer_take(view, question, answer, &told)) {
        if (is_news(view, &told)) {
            queue_add(&cache->queue, question->cluster);
        }
        view->broker = told;
        view->is_known = true;
        view->told_ms = clock_now_ms();
        view->of_ms = view->asked_ms; /* there is one question at a time */
    }
}

static bool
is_going(const struct cache *cache, const struct pod *pod)
{
    const struct claim *claim = cache_claim_of(cache, &pod->meta);
    return (claim && claim->state != CLAIM_ACTIVE) || strcmp(pod->role, ROLE_DRAINING) == 0;
}

static void
look_at(struct brokers *brokers, const struct pod *pod)
{
    char key[QUEUE_KEY_SIZE];
    cache_key(key, pod->meta.namespace, pod->meta.cluster);
    struct broker_view *view = cache_view_make(brokers->cache, pod->meta.uid, key);
    enum broker_state state = view->is_known ? view->broker.state : BROKER_STARTING;
    bool drains = state == BROKER_DRAINING || state == BROKER_DRAINED;
    int64_t interval_ms = drains || is_going(brokers->cache, pod) ? BROKERS_FAST_MS
                          : state == BROKER_ACTIVE                ? BROKERS_SLOW_MS
                                                                  : BROKERS_SLOW_MS / 3;
    int64_t now_ms = clock_now_ms();
    if (now_ms - view->asked_ms >= interval_ms && brokers->asker.count < BROKERS_UNDER_WAY_MAX &&
            !asker_has_asked(&brokers->asker, pod->meta.uid)) {
        view->asked_ms = now_ms;
        asker_ask(&brokers->asker, pod, key);
    }
}

/* Views of pods that are gone. */
static void
sweep(struct brokers *brokers)
{
    MAP_FOREACH_SAFE(node, &brokers->cache->views)
    {
        struct broker_view *view = CONTAINER_OF(node, struct broker_view, node);
        if (!view->is_seen) {
            cache_view_forget(brokers->cache, view->pod_uid);
        } else {
            view->is_seen = false;
        }
    }
}

static void
on_tick(void *arg)
{
    struct brokers *brokers = arg;
    http_timer_start(brokers->http, &brokers->timer, TICK_MS);
    TABLE_FOREACH(entry, &brokers->cache->pods)
    {
        const struct pod *pod = entry->object;
        if (pod->id >= 0 && *pod->ip && *pod->meta.cluster && pod->phase == POD_RUNNING) {
            look_at(brokers, pod);
            struct broker_view *view = cache_view(brokers->cache, pod->meta.uid);
            view->is_seen = true;
        }
    }
    sweep(brokers);
}

struct brokers *
brokers_start(struct http *http, struct cache *cache)
{
    struct brokers *brokers = mem_alloc(sizeof *brokers);
    brokers->http = http;
    brokers->cache = cache;
    brokers->timer.fn = on_tick;
    brokers->timer.arg = brokers;
    brokers->asker = (struct asker){ .http = http,
        .path = "/v1/broker",
        .answer_max = ANSWER_MAX,
        .answered = on_answer,
        .arg = brokers };
    asker_init(&brokers->asker);
    http_timer_start(http, &brokers->timer, TICK_MS);
    return brokers;
}

void
brokers_stop(struct brokers *brokers)
{
    if (!brokers) {
        return;
    }
    http_timer_stop(&brokers->timer);
    asker_stop(&brokers->asker);
    mem_free(brokers);
}
