#pragma once
/* Which lists are watched, and the look at brokers. All feed the cache. */

#include "cache/cache.h"
#include "kube/watch.h"

#define WATCHES_MAX 12

struct brokers;
struct rosters;

struct watches {
    struct kube *kube;
    struct cache *cache;
    struct watch list[WATCHES_MAX];
    size_t count;
    struct brokers *brokers;
    struct rosters *rosters;
};

/* `namespace`: NULL for all. Nodes are watched when the cache has_nodes. Begins; nothing is
 * complete yet. */
void watches_start(
        struct watches *watches, struct kube *kube, struct cache *cache, const char *namespace);
void watches_stop(struct watches *watches);
/* Lists begun, and versions that had expired, over all watches. */
uint64_t watches_restarts(const struct watches *watches);
uint64_t watches_expired(const struct watches *watches);
