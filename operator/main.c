/* freshet-operator: wires the rooms together and turns the loop. */
#include "base/fault.h"
#include "base/log.h"
#include "cache/cache.h"
#include "health.h"
#include "kube/clock.h"
#include "leader.h"
#include "memory.h"
#include "options.h"
#include "reconcile/reconcile.h"
#include "watch/watches.h"

#include <malloc.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define TURN_MS_MAX 1000
#define ALIVE_MS 500
#define GIVE_BACK_MS 50 /* while lists are read for the first time */

struct operator_state {
    struct options options;
    struct health health;
    struct http *http;
    struct kube kube;
    struct cache cache;
    struct watches watches;
    struct events *events;
    struct act act;
    struct reconciler reconciler;
    struct leader *leader;
    struct health_server *health_server;
    struct http_timer alive;
    char instance[64];
    int64_t give_back_ms; /* -1: no more */
};

static int64_t
wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A pass may wait for hundreds of slow answers, one after the other. Crash scenario: a large
 * cluster and a busy API server; the operator is killed in its first pass, again and again. */
static void
on_alive(void *arg)
{
    struct operator_state *state = arg;
    uint64_t not_ready = 0;
    TABLE_FOREACH(entry, &state->cache.clusters)
    {
        const struct cluster *cluster = entry->object;
        not_ready += cluster->replicas > 0 && !cluster_is_ready(cluster);
    }
    state->health.not_ready = not_ready;
    state->health.turned_ms = clock_now_ms();
    http_timer_start(state->http, &state->alive, ALIVE_MS);
}

/* What /metrics tells: written here only. */
static void
health_note(struct operator_state *state)
{
    struct health *health = &state->health;
    health->turned_ms = clock_now_ms();
    health->is_synced = cache_is_synced(&state->cache);
    health->passes = state->reconciler.passes;
    health->failures = state->reconciler.failures;
    health->queue_depth = state->cache.queue.ready_count;
    health->clusters = state->cache.clusters.entries.count;
    health->pods = state->cache.pods.entries.count;
    health->calls = state->kube.call_count;
    health->call_errors = state->kube.error_count;
    health->writes = state->kube.write_count;
    health->watch_restarts = watches_restarts(&state->watches);
    health->watch_expired = watches_expired(&state->watches);
    health->events_dropped = events_dropped(state->events);
}

static void
pass(struct operator_state *state, const char *key)
{
    int64_t again_ms = -1;
    int64_t began_ms = clock_now_ms();
    int r = reconcile(&state->reconciler, key, &again_ms);
    int64_t now_ms = clock_now_ms();
    uint64_t took_ms = (uint64_t)(now_ms - began_ms);
    state->health.pass_ms = took_ms;
    state->health.pass_ms_max = MAX((uint64_t)state->health.pass_ms_max, took_ms);
    queue_finish(&state->cache.queue, key, r, again_ms, now_ms);
    if (r == 0 && again_ms < 0) {
        queue_forget(&state->cache.queue, key);
    }
}

/* What the start touches comes and goes while it lasts, so that its parts never add up: TLS, name
 * services, parsers, lists. */
static void
give_back(struct operator_state *state)
{
    int64_t now_ms = clock_now_ms();
    if (state->give_back_ms >= 0 && now_ms >= state->give_back_ms) {
        memory_give_back();
        state->give_back_ms = cache_is_synced(&state->cache) ? -1 : now_ms + GIVE_BACK_MS;
    }
}

/* One turn: what came in, then one key. R2: nothing before all lists were complete. */
static void
turn(struct operator_state *state)
{
    char key[QUEUE_KEY_SIZE];
    int64_t now_ms = clock_now_ms();
    bool may_act = leader_is_leading(state->leader) && cache_is_synced(&state->cache);
    int64_t wait_ms =
            may_act ? queue_wait_ms(&state->cache.queue, now_ms, TURN_MS_MAX) : TURN_MS_MAX;
    http_run(state->http, wait_ms);
    health_note(state);
    give_back(state);
    if (may_act && leader_is_leading(state->leader) &&
            queue_take(&state->cache.queue, clock_now_ms(), key)) {
        pass(state, key);
    }
}

static int
rooms_open(struct operator_state *state)
{
    struct credentials *credentials = NULL;
    const struct options *options = &state->options;
    int r = credentials_open(options->kubeconfig, &credentials);
    if (r < 0) {
        return r;
    }
    state->http = http_new();
    r = leader_start(options, &state->health, state->http, &state->leader);
    r = r < 0 ? r : health_start(&state->health, options->port, &state->health_server);
    if (r < 0) {
        return r;
    }
    kube_init(&state->kube, state->http, credentials);
    state->kube.die_after_writes = (uint64_t)options->die_after_writes;
    cache_init(&state->cache);
    state->alive.fn = on_alive;
    state->alive.arg = state;
    http_timer_start(state->http, &state->alive, 0);
    state->cache.has_nodes = options->has_nodes;
    watches_start(&state->watches, &state->kube, &state->cache, options->namespace);
    state->events = events_new(&state->kube, state->instance);
    act_init(&state->act, &state->kube, &state->cache, state->events);
    state->reconciler = (struct reconciler){ .cache = &state->cache,
        .act = &state->act,
        /* With a kubeconfig we are somewhere else than where its context looks. */
        .settings = { options->image_repository, FRESHET_VERSION,
                credentials->kubeconfig ? "" : credentials->namespace } };
    return 0;
}

static void
rooms_close(struct operator_state *state)
{
    http_timer_stop(&state->alive);
    health_stop(state->health_server);
    events_free(state->events);
    act_done(&state->act);
    watches_stop(&state->watches);
    leader_stop(state->leader);
    cache_done(&state->cache);
    kube_done(&state->kube);
    http_free(state->http);
}

int
main(int argc, char **argv)
{
    static struct operator_state state;
    int r = options_parse(argc, argv, &state.options);
    if (r != 0) {
        return r - 1;
    }
    /* Few threads and small objects: one arena, and what is free goes back. */
    /* NOLINTBEGIN(concurrency-mt-unsafe): no other thread runs yet */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_TRIM_THRESHOLD, 128 << 10);
    /* NOLINTEND(concurrency-mt-unsafe) */
    log_setup(LOG_LEVEL_INFO, state.options.is_json ? LOG_FORMAT_JSON : LOG_FORMAT_LOGFMT);
    log_set_clock(wall_ms);
    json_setup();
    http_setup();
    gethostname(state.instance, sizeof state.instance - 1);
    state.health.version = FRESHET_VERSION;
    state.health.turned_ms = clock_now_ms();
    r = rooms_open(&state);
    if (r < 0) {
        LOG_ERROR("cannot start", LOG_FAULT(r));
        return 1;
    }
    LOG_INFO("freshet-operator runs", LOG_STR("version", FRESHET_VERSION),
            LOG_STR("server", state.kube.credentials->server));
    while (!leader_must_end(state.leader)) {
        turn(&state);
    }
    rooms_close(&state);
    LOG_INFO("freshet-operator has ended");
    return 0;
}
