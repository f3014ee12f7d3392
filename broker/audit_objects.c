/* The objects of the bucket, and who can name them. */
#include "audit.h"
#include "base/fault.h"
#include "base/mem.h"
#include "reactor/clock.h"

#include <errno.h>
#include <string.h>

#define LIST_TIMEOUT_NS ((uint64_t)60 * NS_PER_S)
#define LIST_PAGE 1000

static bool
object_has_id(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, struct audit_object, node)->id == *(const uint64_t *)key;
}

struct audit_object *
audit_find(const struct audit *audit, uint64_t id)
{
    struct map_node *node = map_find(&audit->by_id, hash_u64(id), object_has_id, &id);
    return node ? CONTAINER_OF(node, struct audit_object, node) : NULL;
}

void
audit_objects_done(struct audit *audit)
{
    MAP_FOREACH_SAFE(node, &audit->by_id)
    {
        map_remove(&audit->by_id, node);
        mem_free(CONTAINER_OF(node, struct audit_object, node));
    }
    map_done(&audit->by_id);
}

static int
list_entry(struct audit *audit, const struct object_list_entry *entry)
{
    uint64_t id;
    if (store_object_id_of_key(entry->key, &id) < 0) {
        audit_finding(audit, "key", "not ours");
        inspect_string(&audit->out, "key", entry->key);
        return inspect_line_end(&audit->out);
    }
    if (audit->by_id.count >= AUDIT_OBJECTS_MAX) {
        return fault(-ENOBUFS, "audit: more than %d objects", AUDIT_OBJECTS_MAX);
    }
    struct audit_object *object = mem_alloc(sizeof *object);
    object->id = id;
    object->size = entry->size;
    map_insert(&audit->by_id, &object->node, hash_u64(id));
    return 0;
}

int
audit_list(struct audit *audit)
{
    char last[OBJECT_KEY_SIZE_MAX + 1] = "";
    bool more = true;
    while (more) {
        struct object_list list;
        int r = objectstore_list(
                audit->objects, "data/", last, LIST_PAGE, clock_mono_ns() + LIST_TIMEOUT_NS, &list);
        if (r < 0) {
            return r;
        }
        for (size_t i = 0; i < list.count && r == 0; i++) {
            r = list_entry(audit, &list.entries[i]);
        }
        if (list.count) {
            memcpy(last, list.entries[list.count - 1].key, sizeof last);
        }
        more = list.more && list.count;
        object_list_done(&list);
        if (r < 0) {
            return r;
        }
        audit_progress(audit, "objects listed", audit->by_id.count, 0);
    }
    return 0;
}

static void
claim(struct audit *audit, uint64_t id, enum audit_claim claim)
{
    struct audit_object *object = audit_find(audit, id);
    if (object) {
        object->claim = MAX(object->claim, claim);
    }
}

/* A manifest that the earlier state named may be gone meanwhile; the later state's is looked at
 * again by audit_offsets. */
static int
claim_manifest(struct audit *audit, struct partition_key key, uint64_t id, enum audit_claim as)
{
    struct manifest manifest;
    if (id == 0 || !audit_find(audit, id)) {
        return 0;
    }
    claim(audit, id, as);
    int r = store_read_manifest(audit->store, key, id, &manifest);
    if (r < 0) {
        return r == -ENOENT || r == -EBADMSG ? 0 : r;
    }
    for (size_t i = 0; i < manifest.count; i++) {
        claim(audit, manifest.ranges[i].object_id, as);
    }
    manifest_done(&manifest);
    return 0;
}

static int
claim_partitions(struct audit *audit, const struct meta_state *state)
{
    uint64_t done = 0;
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            const struct meta_partition *p = &t->partitions[i];
            for (int32_t k = 0; k < p->range_count; k++) {
                claim(audit, p->ranges[k].object_id, AUDIT_LIVE);
            }
            int r = claim_manifest(audit, p->key, p->manifest_id, AUDIT_LIVE);
            if (r < 0) {
                return r;
            }
            audit_progress(audit, "partitions looked up", ++done, meta_partition_count(state));
        }
    }
    return 0;
}

static int
claim_dead_manifests(struct audit *audit, const struct meta_state *state)
{
    size_t count = meta_dead_manifest_list(state, NULL, 0);
    struct meta_dead_manifest *dead = mem_alloc_array(count + 1, sizeof *dead);
    meta_dead_manifest_list(state, dead, count);
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        r = claim_manifest(audit, dead[i].key, dead[i].manifest_id, AUDIT_GARBAGE);
    }
    mem_free(dead);
    return r;
}

static void
claim_garbage(struct audit *audit, const struct meta_state *state)
{
    size_t count = meta_garbage_list(state, NULL, 0);
    uint64_t *ids = mem_alloc_array(count + 1, sizeof *ids);
    meta_garbage_list(state, ids, count);
    for (size_t i = 0; i < count; i++) {
        claim(audit, ids[i], AUDIT_GARBAGE);
    }
    mem_free(ids);
}

static void
claim_intents(struct audit *audit, const struct meta_state *state)
{
    const struct meta_intent *intent = NULL;
    while ((intent = meta_intent_next(state, intent ? intent->first_id : 0))) {
        bool dead = meta_intent_is_dead(state, intent);
        for (int32_t i = 0; i < intent->count; i++) {
            claim(audit, intent->first_id + (uint64_t)i, dead ? AUDIT_ORPHAN : AUDIT_PENDING);
        }
    }
}

int
audit_claim_all(struct audit *audit)
{
    const struct meta_state *const states[] = { audit->before, audit->after };
    for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
        int r = claim_partitions(audit, states[i]);
        if (r == 0) {
            r = claim_dead_manifests(audit, states[i]);
        }
        if (r < 0) {
            return r;
        }
        claim_garbage(audit, states[i]);
        claim_intents(audit, states[i]);
    }
    return 0;
}

static int
ignore_entry(void *arg, const struct object_inspect_entry *entry)
{
    (void)arg;
    (void)entry;
    return 0;
}

/* --read: every byte of a live object against its checks. */
static int
read_through(struct audit *audit, struct audit_object *object)
{
    if (!audit->read_objects || object->claim != AUDIT_LIVE) {
        return 0;
    }
    int r = store_inspect_object(audit->store, object->id, ignore_entry, NULL);
    if (r == -EBADMSG || r == -ENOENT) {
        audit_finding(audit, "object", r == -ENOENT ? "missing" : "damaged");
        inspect_unsigned(&audit->out, "object_id", object->id);
        return inspect_line_end(&audit->out);
    }
    return r;
}

int
audit_report_objects(struct audit *audit)
{
    uint64_t done = 0;
    MAP_FOREACH(node, &audit->by_id)
    {
        struct audit_object *object = CONTAINER_OF(node, struct audit_object, node);
        audit->claims[object->claim]++;
        audit->live_bytes += object->claim == AUDIT_LIVE ? object->size : 0;
        int r = read_through(audit, object);
        if (r == 0 && object->claim == AUDIT_UNKNOWN) {
            audit_finding(audit, "object", "unreferenced");
            inspect_unsigned(&audit->out, "object_id", object->id);
            inspect_unsigned(&audit->out, "size", object->size);
            r = inspect_line_end(&audit->out);
        }
        if (r < 0) {
            return r;
        }
        audit_progress(audit, "objects looked at", ++done, audit->by_id.count);
    }
    return 0;
}
