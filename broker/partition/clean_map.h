#pragma once
/* The newest offset of each key, for log compaction: 24 bytes a key, whatever the key's length.
 * Keys are known by 128 bits of two seeded hashes; the seeds are random for each map, so nobody can
 * choose keys that collide. Internal to clean.c and clean_filter.c.
 *
 * Limits: keys_max of clean_map_init; memory doubles as it fills: at most 32 bytes for each of
 * keys_max. */

#include "base/attr.h"
#include "base/bytes.h"

struct clean_slot {
    uint64_t high;
    uint64_t low;
    int64_t offset; /* -1: free */
};

struct clean_map {
    struct clean_slot *slots;
    size_t capacity; /* power of two */
    size_t count;
    size_t keys_max;
    uint64_t seeds[2];
};

void clean_map_init(struct clean_map *map, size_t keys_max);
void clean_map_done(struct clean_map *map);
/* Offsets come in ascending order. False: the key is new and the map is full. */
bool clean_map_put(struct clean_map *map, struct bytes key, int64_t offset);
/* -1: not there. */
int64_t clean_map_get(const struct clean_map *map, struct bytes key);
