#pragma once
/* An intrusive hash table. The element embeds a map_node; the table never owns elements. Iteration
 * order is not defined and must not reach any output. */

#include "base/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

struct map {
    struct map_node **buckets; /* power of two */
    size_t bucket_count;
    size_t count;
};

typedef bool (*map_equal_fn)(const struct map_node *node, const void *key);

void map_init(struct map *map);
/* Frees the bucket array only; the elements are the caller's. */
void map_done(struct map *map);
/* The key must not be in the map already. */
void map_insert(struct map *map, struct map_node *node, uint64_t hash);
struct map_node *map_find(
        const struct map *map, uint64_t hash, map_equal_fn equal, const void *key);
/* The node must be in the map. */
void map_remove(struct map *map, struct map_node *node);
/* Next node after `node` (NULL: first), or NULL at the end. The map must not change in between,
 * except that the node returned last may be removed after the call that follows it was made. */
struct map_node *map_next(const struct map *map, const struct map_node *node);

#define MAP_FOREACH(node, map)                                                                     \
    for (struct map_node *node = map_next(map, NULL); node; node = map_next(map, node))
/* `node` may be removed and freed in the body. */
#define MAP_FOREACH_SAFE(node, map)                                                                \
    for (struct map_node *node = map_next(map, NULL), *node##_next;                                \
            node && (node##_next = map_next(map, node), true); node = node##_next)
