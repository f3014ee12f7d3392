/* The look at who is registered. */
#include "watch/rosters.h"

#include "base/fault.h"
#include "base/mem.h"
#include "kube/clock.h"
#include "resource/names.h"
#include "watch/asker.h"

#include <stdio.h>

#define TICK_MS 1000
#define ANSWER_MAX ((size_t)1 << 20)

struct rosters {
    struct http *http;
    struct cache *cache;
    struct http_timer timer;
    struct asker asker;
};

/* All or nothing: who is missing in half a list would seem to be unregistered. */
static bool
entries_parse(const cJSON *json, struct roster_entry *entries, size_t *ret_count)
{
    const cJSON *list = json_at(json, "brokers");
    const cJSON *item;
    size_t count = 0;
    cJSON_ArrayForEach(item, list)
    {
        int64_t id = json_int(item, "id", -1);
        int64_t epoch = json_int(item, "epoch", -1);
        if (id < 0 || id > INT32_MAX || epoch < 0 || count == ROSTER_MAX) {
            return false;
        }
        /* What isn't said is no proof of death. */
        entries[count++] = (struct roster_entry){ (int)id, epoch, json_bool(item, "alive", true) };
    }
    *ret_count = count;
    return cJSON_IsArray(list);
}

static void
answer_take(struct cache *cache, const char *cluster, const struct http_answer *answer)
{
    CLEANUP(json_freep) cJSON *json = NULL;
    struct roster *roster = cache_roster(cache, cluster);
    if (!roster || answer->error < 0 || answer->status != 200) {
        return;
    }
    if (json_parse(answer->body, &json) < 0) {
        fault_clear();
        return;
    }
    size_t count;
    CLEANUP(mem_freep)
    struct roster_entry *entries = mem_alloc_array(ROSTER_MAX, sizeof *entries);
    if (entries_parse(json, entries, &count)) {
        cache_roster_tell(cache, roster, entries, count, clock_now_ms());
    }
}

static void
on_answer(void *arg, const struct question *question, const struct http_answer *answer)
{
    struct rosters *rosters = arg;
    answer_take(rosters->cache, question->cluster, answer);
}

/* A broker that serves, as far as is known: others may not follow the metadata log. */
static bool
may_know(const struct cache *cache, const struct pod *pod)
{
    const struct broker_view *view = cache_view(cache, pod->meta.uid);
    return pod->id >= 0 && *pod->ip && pod->is_ready && view && view->is_known &&
           view->broker.state == BROKER_ACTIVE && !*view->problem &&
           cache_cluster_of(cache, &pod->meta); /* for whom nobody forgets what was told */
}

static void
on_tick(void *arg)
{
    struct rosters *rosters = arg;
    int64_t now_ms = clock_now_ms();
    http_timer_start(rosters->http, &rosters->timer, TICK_MS);
    TABLE_FOREACH(entry, &rosters->cache->pods)
    {
        const struct pod *pod = entry->object;
        char key[QUEUE_KEY_SIZE];
        if (rosters->asker.count == ROSTERS_UNDER_WAY_MAX || !may_know(rosters->cache, pod)) {
            continue;
        }
        cache_key(key, pod->meta.namespace, pod->meta.cluster);
        struct roster *roster = cache_roster_make(rosters->cache, key);
        if (!roster->asked_ms || now_ms - roster->asked_ms >= ROSTERS_MS) {
            roster->asked_ms = now_ms;
            asker_ask(&rosters->asker, pod, key);
        }
    }
}

struct rosters *
rosters_start(struct http *http, struct cache *cache)
{
    struct rosters *rosters = mem_alloc(sizeof *rosters);
    rosters->http = http;
    rosters->cache = cache;
    rosters->timer.fn = on_tick;
    rosters->timer.arg = rosters;
    rosters->asker = (struct asker){ .http = http,
        .path = "/v1/brokers",
        .answer_max = ANSWER_MAX,
        .answered = on_answer,
        .arg = rosters };
    asker_init(&rosters->asker);
    http_timer_start(http, &rosters->timer, TICK_MS);
    return rosters;
}

void
rosters_stop(struct rosters *rosters)
{
    if (!rosters) {
        return;
    }
    http_timer_stop(&rosters->timer);
    asker_stop(&rosters->asker);
    mem_free(rosters);
}
