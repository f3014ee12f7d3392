/* Chained hash table that doubles at a load of one. */
#include "base/map.h"

#include "base/check.h"
#include "base/mem.h"

#define MAP_BUCKETS_MIN 16

void
map_init(struct map *map)
{
    *map = (struct map){ 0 };
}

void
map_done(struct map *map)
{
    mem_free(map->buckets);
    *map = (struct map){ 0 };
}

static void
map_grow(struct map *map)
{
    size_t count = map->bucket_count ? map->bucket_count * 2 : MAP_BUCKETS_MIN;
    struct map_node **buckets = mem_alloc_array(count, sizeof(struct map_node *));
    for (size_t i = 0; i < map->bucket_count; i++) {
        struct map_node *node = map->buckets[i];
        while (node) {
            struct map_node *next = node->next;
            struct map_node **bucket = &buckets[node->hash & (count - 1)];
            node->next = *bucket;
            *bucket = node;
            node = next;
        }
    }
    mem_free(map->buckets);
    map->buckets = buckets;
    map->bucket_count = count;
}

void
map_insert(struct map *map, struct map_node *node, uint64_t hash)
{
    if (map->count >= map->bucket_count) {
        map_grow(map);
    }
    struct map_node **bucket = &map->buckets[hash & (map->bucket_count - 1)];
    node->hash = hash;
    node->next = *bucket;
    *bucket = node;
    map->count++;
}

struct map_node *
map_find(const struct map *map, uint64_t hash, map_equal_fn equal, const void *key)
{
    if (map->count == 0) {
        return NULL;
    }
    struct map_node *node = map->buckets[hash & (map->bucket_count - 1)];
    while (node && !(node->hash == hash && equal(node, key))) {
        node = node->next;
    }
    return node;
}

void
map_remove(struct map *map, struct map_node *node)
{
    struct map_node **link = &map->buckets[node->hash & (map->bucket_count - 1)];
    while (*link != node) {
        CHECK(*link);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    map->count--;
}

struct map_node *
map_next(const struct map *map, const struct map_node *node)
{
    size_t i = 0;
    if (node) {
        if (node->next) {
            return node->next;
        }
        i = (node->hash & (map->bucket_count - 1)) + 1;
    }
    for (; i < map->bucket_count; i++) {
        if (map->buckets[i]) {
            return map->buckets[i];
        }
    }
    return NULL;
}
