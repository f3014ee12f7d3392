/* Config values, kept by resource and sorted by key. */
#include "base/check.h"
#include "base/crc.h"
#include "meta/state_internal.h"

#include <errno.h>
#include <stdlib.h>

struct scope_key {
    enum meta_resource resource;
    struct bytes name;
};

static struct bytes
scope_name(const struct config_scope *scope)
{
    return bytes_of(scope->name, scope->name_size);
}

static bool
scope_equal(const struct map_node *node, const void *key)
{
    const struct config_scope *scope = CONTAINER_OF(node, const struct config_scope, node);
    const struct scope_key *wanted = key;
    return scope->resource == wanted->resource && bytes_equal(scope_name(scope), wanted->name);
}

static uint64_t
scope_hash(enum meta_resource resource, struct bytes name)
{
    return bytes_hash(name, (uint64_t)resource);
}

static struct config_scope *
scope_find(const struct meta_state *state, enum meta_resource resource, struct bytes name)
{
    struct scope_key key = { resource, name };
    struct map_node *node = map_find(&state->scopes, scope_hash(resource, name), scope_equal, &key);
    return node ? CONTAINER_OF(node, struct config_scope, node) : NULL;
}

static struct config_scope *
scope_get(struct meta_state *state, enum meta_resource resource, struct bytes name)
{
    struct config_scope *scope = scope_find(state, resource, name);
    if (scope) {
        return scope;
    }
    scope = mem_alloc(sizeof *scope);
    scope->resource = resource;
    scope->name = mem_alloc(name.size + 1);
    scope->name_size = name.size;
    if (name.size) {
        memcpy(scope->name, name.data, name.size);
    }
    map_insert(&state->scopes, &scope->node, scope_hash(resource, name));
    return scope;
}

static void
scope_free(struct config_scope *scope)
{
    for (size_t i = 0; i < scope->count; i++) {
        mem_free(scope->values[i].data);
    }
    mem_free(scope->values);
    mem_free(scope->name);
    mem_free(scope);
}

static struct bytes
value_key(const struct config_value *value)
{
    return bytes_of(value->data, value->key_size);
}

static struct bytes
value_value(const struct config_value *value)
{
    return bytes_of(value->data + value->key_size, value->value_size);
}

/* Index of the first value whose key is not before `key`. */
static size_t
scope_lower(const struct config_scope *scope, struct bytes key)
{
    size_t low = 0;
    size_t high = scope->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (bytes_compare(value_key(&scope->values[middle]), key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool
scope_has(const struct config_scope *scope, size_t place, struct bytes key)
{
    return place < scope->count && bytes_equal(value_key(&scope->values[place]), key);
}

static struct config_value
value_make(const struct meta_config_entry *entry)
{
    struct config_value value = { .key_size = entry->key.size, .value_size = entry->value.size };
    value.data = mem_alloc(entry->key.size + entry->value.size + 1);
    memcpy(value.data, entry->key.data, entry->key.size);
    if (entry->value.size) {
        memcpy(value.data + entry->key.size, entry->value.data, entry->value.size);
    }
    return value;
}

static void
scope_insert(struct config_scope *scope, size_t place, const struct meta_config_entry *entry)
{
    if (scope->count == scope->capacity) {
        scope->capacity = scope->capacity * 2 + 4;
        scope->values = mem_realloc(scope->values, scope->capacity * sizeof *scope->values);
    }
    memmove(scope->values + place + 1, scope->values + place,
            (scope->count - place) * sizeof *scope->values);
    scope->values[place] = value_make(entry);
    scope->count++;
}

static void
scope_remove(struct config_scope *scope, size_t place)
{
    mem_free(scope->values[place].data);
    scope->count--;
    memmove(scope->values + place, scope->values + place + 1,
            (scope->count - place) * sizeof *scope->values);
}

static void
config_delete(
        struct meta_state *state, enum meta_resource resource, struct bytes name, struct bytes key)
{
    struct config_scope *scope = scope_find(state, resource, name);
    size_t place = scope ? scope_lower(scope, key) : 0;
    if (!scope || !scope_has(scope, place, key)) {
        return;
    }
    scope_remove(scope, place);
    state->config_count--;
    if (scope->count == 0) {
        map_remove(&state->scopes, &scope->node);
        scope_free(scope);
    }
}

void
config_set(struct meta_state *state, enum meta_resource resource, struct bytes name,
        const struct meta_config_entry *entry)
{
    if (!entry->value.data) {
        config_delete(state, resource, name, entry->key);
        return;
    }
    struct config_scope *scope = scope_get(state, resource, name);
    size_t place = scope_lower(scope, entry->key);
    if (scope_has(scope, place, entry->key)) {
        mem_free(scope->values[place].data);
        scope->values[place] = value_make(entry);
        return;
    }
    scope_insert(scope, place, entry);
    state->config_count++;
}

void
config_drop_resource(struct meta_state *state, enum meta_resource resource, struct bytes name)
{
    struct config_scope *scope = scope_find(state, resource, name);
    if (scope) {
        state->config_count -= scope->count;
        map_remove(&state->scopes, &scope->node);
        scope_free(scope);
    }
}

bool
config_resource_is_valid(enum meta_resource resource)
{
    return resource == META_RESOURCE_TOPIC || resource == META_RESOURCE_BROKER ||
           resource == META_RESOURCE_CLIENT_METRICS || resource == META_RESOURCE_GROUP;
}

bool
config_entry_is_valid(const struct meta_config_entry *entry)
{
    return entry->key.size > 0 && entry->key.size <= META_CONFIG_SIZE_MAX &&
           entry->value.size <= META_CONFIG_SIZE_MAX;
}

struct meta_result
apply_config(struct meta_state *state, const struct meta_record *record)
{
    struct meta_config_entry entry = { record->config.key, record->config.value };
    if (!config_resource_is_valid(record->config.resource) || !config_entry_is_valid(&entry) ||
            record->config.name.size > META_CONFIG_SIZE_MAX) {
        return result_error(-EINVAL);
    }
    if (record->config.resource == META_RESOURCE_TOPIC &&
            !meta_topic_by_name(state, record->config.name)) {
        return result_error(-ENOENT);
    }
    if (entry.value.data && state->config_count >= META_CONFIGS_MAX) {
        return result_error(-ENOSPC);
    }
    config_set(state, record->config.resource, record->config.name, &entry);
    return result_error(0);
}

bool
meta_config_get(const struct meta_state *state, enum meta_resource resource, struct bytes name,
        struct bytes key, struct bytes *ret_value)
{
    const struct config_scope *scope = scope_find(state, resource, name);
    if (!scope) {
        return false;
    }
    size_t place = scope_lower(scope, key);
    if (!scope_has(scope, place, key)) {
        return false;
    }
    *ret_value = value_value(&scope->values[place]);
    return true;
}

size_t
meta_config_list(const struct meta_state *state, enum meta_resource resource, struct bytes name,
        struct meta_config_entry *entries, size_t capacity)
{
    const struct config_scope *scope = scope_find(state, resource, name);
    if (!scope) {
        return 0;
    }
    for (size_t i = 0; i < MIN(scope->count, capacity); i++) {
        entries[i].key = value_key(&scope->values[i]);
        entries[i].value = value_value(&scope->values[i]);
    }
    return scope->count;
}

static int
scope_compare(const void *a, const void *b)
{
    const struct config_scope *left = *(const struct config_scope *const *)a;
    const struct config_scope *right = *(const struct config_scope *const *)b;
    if (left->resource != right->resource) {
        return left->resource < right->resource ? -1 : 1;
    }
    return bytes_compare(scope_name(left), scope_name(right));
}

static int
name_compare(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

size_t
meta_config_names(const struct meta_state *state, enum meta_resource resource, struct bytes *names,
        size_t capacity)
{
    size_t count = 0;
    MAP_FOREACH(node, &state->scopes)
    {
        const struct config_scope *scope = CONTAINER_OF(node, struct config_scope, node);
        if (scope->resource != resource) {
            continue;
        }
        if (count < capacity) {
            names[count] = scope_name(scope);
        }
        count++;
    }
    if (capacity) {
        qsort(names, MIN(count, capacity), sizeof *names, name_compare);
    }
    return count;
}

uint32_t
meta_config_checksum(const struct meta_state *state, enum meta_resource resource)
{
    uint32_t sum = 0;
    MAP_FOREACH(node, &state->scopes)
    {
        const struct config_scope *scope = CONTAINER_OF(node, struct config_scope, node);
        for (size_t i = 0; scope->resource == resource && i < scope->count; i++) {
            const struct config_value *value = &scope->values[i];
            uint32_t crc = crc32c_extend(crc32c(scope_name(scope)), value_key(value));
            /* Added, since a map has no order. */
            sum += crc32c_extend(crc, value_value(value));
        }
    }
    return sum;
}

struct config_scope **
config_scopes_sorted(const struct meta_state *state)
{
    struct config_scope **scopes =
            mem_alloc_array(state->scopes.count + 1, sizeof(struct config_scope *));
    size_t count = 0;
    MAP_FOREACH(node, &state->scopes)
    {
        scopes[count++] = CONTAINER_OF(node, struct config_scope, node);
    }
    CHECK(count == state->scopes.count);
    qsort(scopes, count, sizeof(struct config_scope *), scope_compare);
    return scopes;
}

void
configs_done(struct meta_state *state)
{
    MAP_FOREACH_SAFE(node, &state->scopes)
    {
        scope_free(CONTAINER_OF(node, struct config_scope, node));
    }
    map_done(&state->scopes);
}
