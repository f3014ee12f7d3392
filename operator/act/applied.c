/* Applying children: only what changed since the last time, and never what belongs to somebody
 * else. */
#include "act/act_internal.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/clock.h"

#include <errno.h>
#include <stdio.h>

#define KEY_SIZE 200

struct applied {
    struct map_node node;
    uint64_t hash; /* of what was applied */
    char *version; /* that came of it; owned, or NULL. There are many of these: no room to spare */
    char key[];    /* namespace, cluster, kind, name */
};

void
act_init(struct act *act, struct kube *kube, struct cache *cache, struct events *events)
{
    *act = (struct act){ .kube = kube, .cache = cache, .events = events };
    map_init(&act->applied);
}

static void
applied_free(struct act *act, struct applied *applied)
{
    map_remove(&act->applied, &applied->node);
    mem_free(applied->version);
    mem_free(applied);
}

void
act_done(struct act *act)
{
    MAP_FOREACH_SAFE(node, &act->applied)
    {
        applied_free(act, CONTAINER_OF(node, struct applied, node));
    }
    map_done(&act->applied);
}

void
act_forget(struct act *act, const char *namespace, const char *cluster)
{
    char prefix[KEY_SIZE];
    snprintf(prefix, sizeof prefix, "%.63s/%.63s/", namespace, cluster);
    MAP_FOREACH_SAFE(node, &act->applied)
    {
        struct applied *applied = CONTAINER_OF(node, struct applied, node);
        if (strncmp(applied->key, prefix, strlen(prefix)) == 0) {
            applied_free(act, applied);
        }
    }
}

static bool
key_equal(const struct map_node *node, const void *key)
{
    return strcmp(CONTAINER_OF(node, struct applied, node)->key, key) == 0;
}

static struct applied *
applied_of(struct act *act, const char *key)
{
    uint64_t hash = bytes_hash(bytes_of_string(key), 0);
    struct map_node *node = map_find(&act->applied, hash, key_equal, key);
    if (node) {
        return CONTAINER_OF(node, struct applied, node);
    }
    size_t size = strlen(key) + 1;
    struct applied *applied = mem_alloc(sizeof *applied + size);
    memcpy(applied->key, key, size);
    map_insert(&act->applied, &applied->node, hash);
    return applied;
}

static void
applied_note(struct applied *applied, uint64_t hash, const cJSON *answer)
{
    applied->hash = hash;
    mem_free(applied->version);
    applied->version = mem_strdup(json_text(answer, "metadata/resourceVersion"));
}

#define UID_SIZE 64

/* A2: creates; when the name is taken looks whose it is. 1: ours, with that uid; apply it. */
static int
create_or_own(struct act *act, const struct act_for *cluster, const struct action *action,
        char ret_uid[UID_SIZE], cJSON **ret_answer)
{
    const struct kube_kind *kind = child_kinds[action->child];
    int r = kube_create(act->kube, kind, cluster->namespace, action->object, ret_answer);
    if (r != -EEXIST) {
        return r;
    }
    CLEANUP(json_freep) cJSON *there = NULL;
    struct meta meta;
    const char *name = json_text(action->object, "metadata/name");
    r = kube_get(act->kube, kind, cluster->namespace, name, &there);
    r = r < 0 ? r : meta_parse(there, &meta);
    if (r < 0) {
        return r;
    }
    bool is_ours = strcmp(meta.owner_uid, cluster->uid) == 0;
    snprintf(ret_uid, UID_SIZE, "%s", meta.uid);
    meta_done(&meta);
    return is_ours ? 1
                   : fault(-EEXIST,
                             "%s %s/%s exists and does not belong to this cluster; remove or "
                             "rename it",
                             kind->kind, cluster->namespace, name);
}

/* Says that the object is that one (A2): what somebody else has put in its place is refused. */
static int
apply_to(struct act *act, const struct act_for *cluster, struct action *action, const char *uid,
        cJSON **ret_answer)
{
    cJSON *meta = json_object(action->object, "metadata");
    json_set(meta, "uid", uid);
    int r = kube_apply(act->kube, child_kinds[action->child], cluster->namespace, NULL,
            action->object, ret_answer);
    cJSON_DeleteItemFromObjectCaseSensitive(meta, "uid");
    return r;
}

static void
key_of(const struct act_for *cluster, const struct action *action, char out[KEY_SIZE])
{
    snprintf(out, KEY_SIZE, "%.63s/%.40s/%.12s/%.79s", cluster->namespace, cluster->name,
            child_kinds[action->child]->kind, action->name);
}

void
act_applied_drop(struct act *act, const struct act_for *cluster, const struct action *action)
{
    char key[KEY_SIZE];
    key_of(cluster, action, key);
    applied_free(act, applied_of(act, key));
}

static int
apply_now(struct act *act, const struct act_for *cluster, struct action *action)
{
    char key[KEY_SIZE];
    struct table *table = &act->cache->children[action->child];
    uint64_t hash = json_hash(action->object);
    char uid[UID_SIZE] = "";
    key_of(cluster, action, key);
    struct applied *applied = applied_of(act, key);
    struct table_entry *entry = table_find(table, cluster->namespace, action->name);
    bool is_ours = entry && strcmp(entry->meta->owner_uid, cluster->uid) == 0;
    if (is_ours && applied->hash == hash && applied->version &&
            strcmp(entry->meta->version, applied->version) == 0) {
        return 0;
    }
    CLEANUP(json_freep) cJSON *answer = NULL;
    snprintf(uid, sizeof uid, "%s", is_ours ? entry->meta->uid : "");
    int r = is_ours ? 1 : create_or_own(act, cluster, action, uid, &answer);
    r = r == 1 ? apply_to(act, cluster, action, uid, &answer) : r;
    if (r < 0) {
        return r;
    }
    /* The wait may have freed what was found before. */
    applied_note(applied_of(act, key), hash, answer);
    table_upsert(table, answer);
    return 0;
}

/* PodMonitors are a convenience: without their kind, or the right to it, all else goes on. */
static int
apply_monitor(struct act *act, const struct act_for *cluster, struct action *action)
{
    int64_t now_ms = clock_now_ms();
    if (now_ms < act->monitors_absent_until_ms) {
        return 0;
    }
    int r = apply_now(act, cluster, action);
    if (r == -ENOENT || r == -EACCES) {
        LOG_WARN("no PodMonitor", LOG_STR("cluster", cluster->name), LOG_FAULT(r));
        act->monitors_absent_until_ms = now_ms + MONITORS_ABSENT_MS;
        return 0;
    }
    return r;
}

#define SOUGHT 1 /* in the place of the hash of what was applied */

/* What isn't watched is not seen to be left behind: switched off while no operator ran. Without its
 * kind, or the right to it, there is none. */
int
act_seek(struct act *act, const struct act_for *cluster, struct action *action)
{
    char key[KEY_SIZE];
    CLEANUP(json_freep) cJSON *there = NULL;
    const struct kube_kind *kind = child_kinds[action->child];
    key_of(cluster, action, key);
    if (applied_of(act, key)->hash == SOUGHT) {
        return 0;
    }
    int r = kube_get(act->kube, kind, cluster->namespace, action->name, &there);
    if (r == -ENOENT || r == -EACCES) {
        fault_clear();
        r = 0;
    }
    if (r < 0) {
        return r;
    }
    applied_of(act, key)->hash = SOUGHT;
    if (there) {
        table_upsert(&act->cache->children[action->child], there);
    }
    return 0;
}

int
act_apply(struct act *act, const struct act_for *cluster, struct action *action)
{
    return action->child == CHILD_MONITOR ? apply_monitor(act, cluster, action)
                                          : apply_now(act, cluster, action);
}

/* Names of topics are longer than a key: they are in it as a hash. */
int
act_status(struct act *act, const struct kube_kind *kind, struct table *table,
        const struct meta *meta, const cJSON *object)
{
    char key[KEY_SIZE];
    char namespace[64];
    uint64_t hash = json_hash(object);
    snprintf(key, sizeof key, "%.63s/%.63s/status/%.16s/%016llx", meta->namespace, meta->name,
            kind->plural, (unsigned long long)bytes_hash(bytes_of_string(meta->name), 0));
    snprintf(namespace, sizeof namespace, "%.63s", meta->namespace);
    if (applied_of(act, key)->hash == hash) {
        return 0;
    }
    CLEANUP(json_freep) cJSON *answer = NULL;
    int r = kube_apply(act->kube, kind, namespace, "status", object, &answer);
    if (r < 0) {
        return r;
    }
    applied_note(applied_of(act, key), hash, answer);
    table_upsert(table, answer);
    return 0;
}
