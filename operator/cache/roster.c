/* Who is registered, by cluster. */
#include "base/mem.h"
#include "cache/cache_internal.h"

static bool
is_of(const struct map_node *node, const void *cluster_key)
{
    return strcmp(CONTAINER_OF(node, struct roster, node)->cluster, cluster_key) == 0;
}

struct roster *
cache_roster(const struct cache *cache, const char *cluster_key)
{
    uint64_t hash = bytes_hash(bytes_of_string(cluster_key), 0);
    struct map_node *node = map_find(&cache->rosters, hash, is_of, cluster_key);
    return node ? CONTAINER_OF(node, struct roster, node) : NULL;
}

struct roster *
cache_roster_make(struct cache *cache, const char *cluster_key)
{
    struct roster *roster = cache_roster(cache, cluster_key);
    if (!roster) {
        roster = mem_alloc(sizeof *roster);
        roster->cluster = mem_strdup(cluster_key);
        map_insert(&cache->rosters, &roster->node, bytes_hash(bytes_of_string(cluster_key), 0));
    }
    return roster;
}

static bool
is_news(const struct roster *roster, const struct roster_entry *entries, size_t count)
{
    for (size_t i = 0; i < MIN(count, roster->count); i++) {
        const struct roster_entry *known = &roster->entries[i];
        if (known->id != entries[i].id || known->epoch != entries[i].epoch ||
                known->is_alive != entries[i].is_alive) {
            return true;
        }
    }
    return count != roster->count;
}

void
cache_roster_tell(struct cache *cache, struct roster *roster, const struct roster_entry *entries,
        size_t count, int64_t now_ms)
{
    roster->told_ms = now_ms;
    if (is_news(roster, entries, count)) {
        mem_free(roster->entries);
        roster->entries = mem_dup(entries, count * sizeof *entries);
        roster->count = count;
        queue_add(&cache->queue, roster->cluster);
    }
}

void
cache_roster_drop(struct cache *cache, const char *cluster_key, int id)
{
    struct roster *roster = cache_roster(cache, cluster_key);
    size_t kept = 0;
    for (size_t i = 0; roster && i < roster->count; i++) {
        if (roster->entries[i].id != id) {
            roster->entries[kept++] = roster->entries[i];
        }
    }
    if (roster) {
        roster->count = kept;
    }
}

static void
roster_free(struct cache *cache, struct roster *roster)
{
    map_remove(&cache->rosters, &roster->node);
    mem_free(roster->cluster);
    mem_free(roster->entries);
    mem_free(roster);
}

void
cache_roster_forget(struct cache *cache, const char *cluster_key)
{
    struct roster *roster = cache_roster(cache, cluster_key);
    if (roster) {
        roster_free(cache, roster);
    }
}

void
rosters_done(struct cache *cache)
{
    MAP_FOREACH_SAFE(node, &cache->rosters)
    {
        roster_free(cache, CONTAINER_OF(node, struct roster, node));
    }
    map_done(&cache->rosters);
}
