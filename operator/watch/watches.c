/* Each watched list with its table. */
#include "watch/watches.h"

#include "resource/names.h"
#include "watch/brokers.h"
#include "watch/rosters.h"

static void
on_restart(void *arg)
{
    table_restart(arg);
}

static void
on_upsert(void *arg, const cJSON *object)
{
    table_upsert(arg, object);
}

static void
on_remove(void *arg, const cJSON *object)
{
    table_remove(arg, object);
}

static void
on_synced(void *arg)
{
    table_synced(arg);
}

static const struct watch_sink sink = { on_restart, on_upsert, on_remove, on_synced };

static void
add(struct watches *watches, const struct kube_kind *kind, const char *namespace,
        const char *selector, struct table *table)
{
    struct watch *watch = &watches->list[watches->count++];
    watch_init(watch, watches->kube, kind, &sink, table);
    watch->namespace = namespace;
    watch->label_selector = selector;
    watch_start(watch);
}

void
watches_start(
        struct watches *watches, struct kube *kube, struct cache *cache, const char *namespace)
{
    *watches = (struct watches){ .kube = kube, .cache = cache };
    add(watches, &KUBE_CLUSTERS, namespace, NULL, &cache->clusters);
    add(watches, &KUBE_TOPICS, namespace, NULL, &cache->topics);
    add(watches, &KUBE_USERS, namespace, NULL, &cache->users);
    add(watches, &KUBE_PODS, namespace, SELECTOR_MANAGED, &cache->pods);
    add(watches, &KUBE_CLAIMS, namespace, SELECTOR_MANAGED, &cache->claims);
    add(watches, &KUBE_CONFIG_MAPS, namespace, SELECTOR_LEDGER, &cache->ledgers);
    for (size_t i = 0; i < CHILD_WATCHED_COUNT; i++) {
        add(watches, child_kinds[i], namespace, SELECTOR_MANAGED, &cache->children[i]);
    }
    if (cache->has_nodes) {
        add(watches, &KUBE_NODES, NULL, NULL, &cache->nodes);
    }
    watches->brokers = brokers_start(kube->http, cache);
    watches->rosters = rosters_start(kube->http, cache);
}

void
watches_stop(struct watches *watches)
{
    for (size_t i = 0; i < watches->count; i++) {
        watch_stop(&watches->list[i]);
    }
    rosters_stop(watches->rosters);
    brokers_stop(watches->brokers);
}

uint64_t
watches_restarts(const struct watches *watches)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < watches->count; i++) {
        sum += watches->list[i].restarts;
    }
    return sum;
}

uint64_t
watches_expired(const struct watches *watches)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < watches->count; i++) {
        sum += watches->list[i].expired;
    }
    return sum;
}
