/* The tables and what ties them to the queue. */
#include "cache/cache.h"

#include "base/mem.h"
#include "cache/cache_internal.h"
#include "resource/names.h"

#include <stdio.h>

const struct kube_kind *const child_kinds[CHILD_KIND_COUNT] = {
    [CHILD_SERVICE] = &KUBE_SERVICES,
    [CHILD_CONFIG_MAP] = &KUBE_CONFIG_MAPS,
    [CHILD_BUDGET] = &KUBE_BUDGETS,
    [CHILD_POLICY] = &KUBE_POLICIES,
    [CHILD_MONITOR] = &KUBE_MONITORS,
};

/* Each kind's functions with the types that a table wants. */
#define TABLE_TYPE(name, flags_fn, is_same_fn, follow_fn)                                          \
    static int name##_parse_any(const cJSON *json, void **ret_object)                              \
    {                                                                                              \
        struct name *object = NULL;                                                                \
        int r = name##_parse(json, &object);                                                       \
        if (r >= 0) {                                                                              \
            *ret_object = object;                                                                  \
        }                                                                                          \
        return r;                                                                                  \
    }                                                                                              \
    static void name##_free_any(void *object)                                                      \
    {                                                                                              \
        name##_free(object);                                                                       \
    }                                                                                              \
    static const struct meta *name##_meta(const void *object)                                      \
    {                                                                                              \
        return &((const struct name *)object)->meta;                                               \
    }                                                                                              \
    static const struct table_type name##_type = { name##_parse_any, name##_free_any, name##_meta, \
        flags_fn, is_same_fn, follow_fn }

static int
child_parse(const cJSON *json, struct child **ret_child)
{
    struct child *child = mem_alloc(sizeof *child);
    int r = meta_parse(json, &child->meta);
    if (r < 0) {
        mem_free(child);
        return r;
    }
    *ret_child = child;
    return 0;
}

static void
child_free(struct child *child)
{
    meta_done(&child->meta);
    mem_free(child);
}

static uint32_t
pod_flags(const void *object)
{
    const struct pod *pod = object;
    return (pod->is_ready ? POD_FLAG_READY : 0) | (pod->meta.is_deleting ? POD_FLAG_DELETING : 0);
}

static uint32_t
node_flags(const void *object)
{
    return ((const struct node *)object)->is_ready ? NODE_FLAG_READY : 0;
}

static uint32_t
claim_flags(const void *object)
{
    return (uint32_t)((const struct claim *)object)->state;
}

static bool
meta_is_same(const struct meta *before, const struct meta *after)
{
    return strcmp(before->uid, after->uid) == 0 && before->generation == after->generation &&
           before->is_deleting == after->is_deleting;
}

static bool
topic_is_same(const void *before, const void *after)
{
    const struct topic *a = before;
    const struct topic *b = after;
    return meta_is_same(&a->meta, &b->meta) && a->has_finalizer == b->has_finalizer &&
           a->is_paused == b->is_paused;
}

static bool
user_is_same(const void *before, const void *after)
{
    return meta_is_same(&((const struct user *)before)->meta, &((const struct user *)after)->meta);
}

static bool
cluster_is_same(const void *before, const void *after)
{
    const struct cluster *a = before;
    const struct cluster *b = after;
    return meta_is_same(&a->meta, &b->meta) && a->has_finalizer == b->has_finalizer &&
           a->is_paused == b->is_paused && strcmp(a->accepts_loss, b->accepts_loss) == 0;
}

static void
cluster_follow(const void *before, void *after)
{
    cluster_losses_follow(before, after);
}

/* Nodes tell of themselves often, and of much else. */
static bool
node_is_same(const void *before, const void *after)
{
    const struct node *a = before;
    const struct node *b = after;
    return a->is_ready == b->is_ready && a->is_cordoned == b->is_cordoned &&
           strcmp(a->zone, b->zone) == 0;
}

TABLE_TYPE(cluster, NULL, cluster_is_same, cluster_follow);
TABLE_TYPE(pod, pod_flags, NULL, NULL);
TABLE_TYPE(claim, claim_flags, NULL, NULL);

static int
ledger_parse_any(const cJSON *json, void **ret_object)
{
    struct claim *claim = NULL;
    int r = ledger_parse(json, &claim);
    if (r >= 0) {
        *ret_object = claim;
    }
    return r;
}

static const struct table_type ledger_type = { ledger_parse_any, claim_free_any, claim_meta,
    claim_flags, NULL, NULL };
TABLE_TYPE(node, node_flags, node_is_same, NULL);
TABLE_TYPE(topic, NULL, topic_is_same, NULL);
TABLE_TYPE(user, NULL, user_is_same, NULL);
TABLE_TYPE(child, NULL, NULL, NULL);

char *
cache_key(char out[QUEUE_KEY_SIZE], const char *namespace, const char *name)
{
    snprintf(out, QUEUE_KEY_SIZE, "%.100s/%.253s", namespace, name);
    return out;
}

static void
on_cluster(void *arg, const struct meta *meta)
{
    struct cache *cache = arg;
    char key[QUEUE_KEY_SIZE];
    queue_add(&cache->queue, cache_key(key, meta->namespace, meta->name));
}

/* What belongs to a cluster says so by a label: also what the operator of another day made. */
static void
on_child(void *arg, const struct meta *meta)
{
    struct cache *cache = arg;
    char key[QUEUE_KEY_SIZE];
    if (*meta->cluster) {
        queue_add(&cache->queue, cache_key(key, meta->namespace, meta->cluster));
    }
}

static void
queue_add_kind(struct cache *cache, const char *prefix, const struct meta *meta)
{
    char key[QUEUE_KEY_SIZE];
    snprintf(key, sizeof key, "%s%.63s/%.253s", prefix, meta->namespace, meta->name);
    queue_add(&cache->queue, key);
}

static void
on_topic(void *arg, const struct meta *meta)
{
    queue_add_kind(arg, CACHE_KEY_TOPIC, meta);
}

static void
on_user(void *arg, const struct meta *meta)
{
    queue_add_kind(arg, CACHE_KEY_USER, meta);
}

/* A node says nothing of who runs on it: each cluster with a pod there looks. */
static void
on_node(void *arg, const struct meta *meta)
{
    struct cache *cache = arg;
    TABLE_FOREACH(entry, &cache->pods)
    {
        const struct pod *pod = entry->object;
        if (strcmp(pod->node, meta->name) == 0) {
            on_child(cache, &pod->meta);
        }
    }
}

void
cache_init(struct cache *cache)
{
    *cache = (struct cache){ .has_nodes = false };
    table_init(&cache->clusters, &cluster_type, on_cluster, cache);
    table_init(&cache->pods, &pod_type, on_child, cache);
    table_init(&cache->claims, &claim_type, on_child, cache);
    table_init(&cache->ledgers, &ledger_type, on_child, cache);
    table_init(&cache->nodes, &node_type, on_node, cache);
    table_init(&cache->topics, &topic_type, on_topic, cache);
    table_init(&cache->users, &user_type, on_user, cache);
    for (size_t i = 0; i < CHILD_KIND_COUNT; i++) {
        table_init(&cache->children[i], &child_type, on_child, cache);
    }
    map_init(&cache->views);
    map_init(&cache->rosters);
    queue_init(&cache->queue);
}

static void
view_free(struct cache *cache, struct broker_view *view)
{
    map_remove(&cache->views, &view->node);
    mem_free(view->pod_uid);
    mem_free(view->cluster);
    mem_free(view);
}

void
cache_done(struct cache *cache)
{
    table_done(&cache->clusters);
    table_done(&cache->pods);
    table_done(&cache->claims);
    table_done(&cache->ledgers);
    table_done(&cache->nodes);
    table_done(&cache->topics);
    table_done(&cache->users);
    for (size_t i = 0; i < CHILD_KIND_COUNT; i++) {
        table_done(&cache->children[i]);
    }
    MAP_FOREACH_SAFE(node, &cache->views)
    {
        view_free(cache, CONTAINER_OF(node, struct broker_view, node));
    }
    map_done(&cache->views);
    rosters_done(cache);
    queue_done(&cache->queue);
}

/* Topics and users are nobody's brokers: clusters don't wait for their lists. */
bool
cache_is_synced(const struct cache *cache)
{
    bool is_synced = cache->clusters.is_synced && cache->pods.is_synced &&
                     cache->claims.is_synced && cache->ledgers.is_synced &&
                     (!cache->has_nodes || cache->nodes.is_synced);
    for (size_t i = 0; i < CHILD_WATCHED_COUNT; i++) {
        is_synced = is_synced && cache->children[i].is_synced;
    }
    return is_synced;
}

const struct cluster *
cache_cluster_of(const struct cache *cache, const struct meta *pod)
{
    const struct table_entry *entry = table_find(&cache->clusters, pod->namespace, pod->cluster);
    return entry && strcmp(entry->meta->uid, pod->owner_uid) == 0 ? entry->object : NULL;
}

const struct claim *
cache_claim_of(const struct cache *cache, const struct meta *pod)
{
    char name[300];
    snprintf(name, sizeof name, "wal-%s", pod->name);
    const struct table_entry *entry = table_find(&cache->claims, pod->namespace, name);
    entry = entry ? entry : table_find(&cache->ledgers, pod->namespace, name);
    return entry ? entry->object : NULL;
}

static bool
uid_equal(const struct map_node *node, const void *uid)
{
    return strcmp(CONTAINER_OF(node, struct broker_view, node)->pod_uid, uid) == 0;
}

struct broker_view *
cache_view(const struct cache *cache, const char *pod_uid)
{
    uint64_t hash = bytes_hash(bytes_of_string(pod_uid), 0);
    struct map_node *node = map_find(&cache->views, hash, uid_equal, pod_uid);
    return node ? CONTAINER_OF(node, struct broker_view, node) : NULL;
}

struct broker_view *
cache_view_make(struct cache *cache, const char *pod_uid, const char *cluster_key)
{
    struct broker_view *view = cache_view(cache, pod_uid);
    if (!view) {
        view = mem_alloc(sizeof *view);
        view->pod_uid = mem_strdup(pod_uid);
        view->cluster = mem_strdup(cluster_key);
        map_insert(&cache->views, &view->node, bytes_hash(bytes_of_string(pod_uid), 0));
    }
    return view;
}

void
cache_view_forget(struct cache *cache, const char *pod_uid)
{
    struct broker_view *view = cache_view(cache, pod_uid);
    if (view) {
        view_free(cache, view);
    }
}
