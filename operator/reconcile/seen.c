/* Gathering the pods, claims and children of one cluster. */
#include "reconcile/seen.h"

#include "base/mem.h"

static bool
is_of(const struct meta *meta, const struct cluster *cluster)
{
    return strcmp(meta->cluster, cluster->meta.name) == 0 &&
           strcmp(meta->namespace, cluster->meta.namespace) == 0;
}

static size_t
count_of(const struct table *table, const struct cluster *cluster)
{
    size_t count = 0;
    TABLE_FOREACH(entry, table)
    {
        count += is_of(entry->meta, cluster);
    }
    return count;
}

static void
node_of(const struct cache *cache, struct plan_pod *seen)
{
    const struct table_entry *entry = cache->has_nodes && *seen->pod->node
                                              ? table_find(&cache->nodes, "", seen->pod->node)
                                              : NULL;
    if (entry) {
        seen->node = entry->object;
        seen->node_since_ms = entry->flags_ms;
    }
}

/* Pods of a cluster that had the same name before are nobody's: garbage collection takes them. */
static void
pods_gather(const struct cache *cache, const struct cluster *cluster, struct seen *seen)
{
    seen->pods = mem_alloc_array(count_of(&cache->pods, cluster), sizeof *seen->pods);
    TABLE_FOREACH(entry, &cache->pods)
    {
        if (is_of(entry->meta, cluster) && strcmp(entry->meta->owner_uid, cluster->meta.uid) == 0) {
            struct plan_pod *pod = &seen->pods[seen->pod_count++];
            pod->pod = entry->object;
            pod->since_ms = entry->flags_ms;
            pod->view = cache_view(cache, entry->meta->uid);
            node_of(cache, pod);
        }
    }
}

static bool
is_gone(const struct cache *cache, const char *node)
{
    return *node && cache->has_nodes && cache->nodes.is_synced &&
           !table_find(&cache->nodes, "", node);
}

static void
claims_gather(const struct cache *cache, const struct cluster *cluster, struct seen *seen)
{
    const struct table *table = cluster->wal_is_volume ? &cache->claims : &cache->ledgers;
    seen->claims = mem_alloc_array(count_of(table, cluster), sizeof *seen->claims);
    TABLE_FOREACH(entry, table)
    {
        if (is_of(entry->meta, cluster)) {
            struct plan_claim *claim = &seen->claims[seen->claim_count++];
            claim->claim = entry->object;
            claim->since_ms = entry->flags_ms;
            claim->node_is_gone = is_gone(cache, claim->claim->node);
        }
    }
}

static void
children_gather(const struct cache *cache, const struct cluster *cluster, struct seen *seen)
{
    size_t count = 0;
    for (size_t i = 0; i < CHILD_KIND_COUNT; i++) {
        count += count_of(&cache->children[i], cluster);
    }
    seen->children = mem_alloc_array(count, sizeof *seen->children);
    for (size_t i = 0; i < CHILD_KIND_COUNT; i++) {
        TABLE_FOREACH(entry, &cache->children[i])
        {
            if (is_of(entry->meta, cluster)) {
                seen->children[seen->child_count++] =
                        (struct plan_child){ (enum child_kind)i, entry->meta };
            }
        }
    }
}

/* P13 */
static const struct cluster *
rival_of(const struct cache *cache, const struct cluster *cluster)
{
    TABLE_FOREACH(entry, &cache->clusters)
    {
        const struct cluster *other = entry->object;
        if (other && strcmp(other->meta.uid, cluster->meta.uid) != 0 &&
                cluster_is_rival(cluster, other)) {
            return other;
        }
    }
    return NULL;
}

void
seen_gather(const struct cache *cache, const struct cluster *cluster, struct seen *ret_seen)
{
    *ret_seen = (struct seen){ .pod_count = 0 };
    pods_gather(cache, cluster, ret_seen);
    claims_gather(cache, cluster, ret_seen);
    children_gather(cache, cluster, ret_seen);
    ret_seen->rival = rival_of(cache, cluster);
    char key[QUEUE_KEY_SIZE];
    ret_seen->roster =
            cache_roster(cache, cache_key(key, cluster->meta.namespace, cluster->meta.name));
}

void
seen_done(struct seen *seen)
{
    mem_free(seen->pods);
    mem_free(seen->claims);
    mem_free(seen->children);
}
