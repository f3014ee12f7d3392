/* Which objects are named, and which have become garbage (first phase of O2). A multi-partition
 * object lives as long as one partition's recent ranges name it, or a manifest that took it over as
 * it is; a manifest's own objects are not counted here, so that metadata stays small: their owner
 * says when they go. */
#include "base/check.h"
#include "base/mark.h"
#include "meta/state_internal.h"

#include <errno.h>

static bool
object_equal(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct object_entry, node)->id == *(const uint64_t *)key;
}

struct object_entry *
object_find(const struct meta_state *state, uint64_t id)
{
    struct map_node *node = map_find(&state->objects, hash_u64(id), object_equal, &id);
    return node ? CONTAINER_OF(node, struct object_entry, node) : NULL;
}

struct object_entry *
object_get(struct meta_state *state, uint64_t id)
{
    struct object_entry *object = object_find(state, id);
    if (!object) {
        object = mem_alloc(sizeof *object);
        object->id = id;
        map_insert(&state->objects, &object->node, hash_u64(id));
    }
    return object;
}

uint32_t
meta_object_references(const struct meta_state *state, uint64_t object_id)
{
    const struct object_entry *object = object_find(state, object_id);
    return object ? object->references : 0;
}

uint32_t
meta_object_manifest_references(const struct meta_state *state, uint64_t object_id)
{
    const struct object_entry *object = object_find(state, object_id);
    return object ? object->manifest_references : 0;
}

static void
object_drop_unnamed(struct meta_state *state, struct object_entry *object)
{
    if (object->references == 0 && object->manifest_references == 0) {
        uint64_t id = object->id;
        map_remove(&state->objects, &object->node);
        mem_free(object);
        garbage_add(state, id, state->sequence);
    }
}

void
object_release(struct meta_state *state, uint64_t id)
{
    struct object_entry *object = object_find(state, id);
    CHECK(object && object->references > 0);
    object->references--;
    object_drop_unnamed(state, object);
}

void
object_release_manifest(struct meta_state *state, uint64_t id)
{
    intent_use(state, id);
    struct object_entry *object = object_find(state, id);
    if (!object) {
        garbage_add(state, id, state->sequence);
        return;
    }
    if (object->manifest_references == 0) {
        /* Recent ranges name it: whoever says that it is garbage is wrong, and its last range will
         * mark it. */
        MARK("meta: a named object was not marked as garbage");
        return;
    }
    object->manifest_references--;
    object_drop_unnamed(state, object);
}

static bool
garbage_equal(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct garbage_entry, node)->id == *(const uint64_t *)key;
}

static struct garbage_entry *
garbage_find(const struct meta_state *state, uint64_t id)
{
    struct map_node *node = map_find(&state->garbage_by_id, hash_u64(id), garbage_equal, &id);
    return node ? CONTAINER_OF(node, struct garbage_entry, node) : NULL;
}

bool
garbage_has(const struct meta_state *state, uint64_t id)
{
    return garbage_find(state, id) != NULL;
}

void
garbage_add(struct meta_state *state, uint64_t id, uint64_t sequence)
{
    if (garbage_find(state, id)) {
        return;
    }
    struct garbage_entry *entry = mem_alloc(sizeof *entry);
    entry->id = id;
    entry->sequence = sequence;
    map_insert(&state->garbage_by_id, &entry->node, hash_u64(id));
    list_push_back(&state->garbage, &entry->link);
}

static void
garbage_remove(struct meta_state *state, struct garbage_entry *entry)
{
    map_remove(&state->garbage_by_id, &entry->node);
    list_remove(&entry->link);
    mem_free(entry);
}

size_t
meta_garbage_list(const struct meta_state *state, uint64_t *ids, size_t capacity)
{
    return meta_garbage_list_until(state, UINT64_MAX, ids, capacity);
}

size_t
meta_garbage_list_until(
        const struct meta_state *state, uint64_t sequence, uint64_t *ids, size_t capacity)
{
    size_t count = 0;
    LIST_FOREACH (node, &state->garbage) {
        const struct garbage_entry *entry = CONTAINER_OF(node, struct garbage_entry, link);
        if (entry->sequence > sequence) {
            break;
        }
        if (count < capacity) {
            ids[count] = entry->id;
        }
        count++;
    }
    return count;
}

struct meta_result
apply_garbage_removed(struct meta_state *state, const struct meta_record *record)
{
    bool found = false;
    for (int32_t i = 0; i < record->ids.count; i++) {
        struct garbage_entry *entry = garbage_find(state, record->ids.ids[i]);
        if (entry) {
            garbage_remove(state, entry);
            found = true;
        }
    }
    return result_error(found ? 0 : -ENOENT);
}

void
dead_manifest_add(struct meta_state *state, struct partition_key key, uint64_t manifest_id)
{
    struct meta_dead_manifest *dead = mem_alloc(sizeof *dead);
    dead->key = key;
    dead->manifest_id = manifest_id;
    list_push_back(&state->dead_manifests, &dead->link);
    state->dead_manifest_count++;
}

size_t
meta_dead_manifest_list(
        const struct meta_state *state, struct meta_dead_manifest *manifests, size_t capacity)
{
    size_t count = 0;
    LIST_FOREACH (node, &state->dead_manifests) {
        if (count == capacity) {
            break;
        }
        manifests[count++] = *CONTAINER_OF(node, const struct meta_dead_manifest, link);
    }
    return state->dead_manifest_count;
}

static struct meta_dead_manifest *
dead_manifest_find(const struct meta_state *state, uint64_t manifest_id)
{
    LIST_FOREACH (node, &state->dead_manifests) {
        struct meta_dead_manifest *dead = CONTAINER_OF(node, struct meta_dead_manifest, link);
        if (dead->manifest_id == manifest_id) {
            return dead;
        }
    }
    return NULL;
}

struct meta_result
apply_manifest_garbage(struct meta_state *state, const struct meta_manifest_garbage_record *record)
{
    struct meta_dead_manifest *dead = dead_manifest_find(state, record->manifest_id);
    if (!dead) {
        return result_error(-ENOENT);
    }
    for (int32_t i = 0; i < record->count; i++) {
        if (record->ids[i] == 0 || record->ids[i] >= state->next_object_id) {
            return result_error(-EINVAL);
        }
    }
    for (int32_t i = 0; i < record->count; i++) {
        object_release_manifest(state, record->ids[i]);
    }
    garbage_add(state, dead->manifest_id, state->sequence);
    list_remove(&dead->link);
    state->dead_manifest_count--;
    mem_free(dead);
    return result_error(0);
}

void
objects_done(struct meta_state *state)
{
    MAP_FOREACH_SAFE(node, &state->objects)
    {
        mem_free(CONTAINER_OF(node, struct object_entry, node));
    }
    LIST_FOREACH_SAFE (node, &state->garbage) {
        mem_free(CONTAINER_OF(node, struct garbage_entry, link));
    }
    LIST_FOREACH_SAFE (node, &state->dead_manifests) {
        mem_free(CONTAINER_OF(node, struct meta_dead_manifest, link));
    }
    map_done(&state->objects);
    map_done(&state->garbage_by_id);
}
