/* Open addressing with linear probing, at most three quarters full. */
#include "partition/clean_map.h"

#include "base/mem.h"
#include "reactor/random.h"

#define SLOTS_MIN 1024u

static struct clean_slot *
slots_new(size_t capacity)
{
    struct clean_slot *slots = mem_alloc_array(capacity, sizeof *slots);
    for (size_t i = 0; i < capacity; i++) {
        slots[i].offset = -1;
    }
    return slots;
}

void
clean_map_init(struct clean_map *map, size_t keys_max)
{
    *map = (struct clean_map){
        .slots = slots_new(SLOTS_MIN),
        .capacity = SLOTS_MIN,
        .keys_max = keys_max,
        .seeds = { random_u64(), random_u64() },
    };
}

void
clean_map_done(struct clean_map *map)
{
    mem_free(map->slots);
    *map = (struct clean_map){ 0 };
}

/* The key's slot, or the free one where it belongs. */
static struct clean_slot *
map_slot(const struct clean_map *map, uint64_t high, uint64_t low)
{
    size_t mask = map->capacity - 1;
    size_t i = (size_t)low & mask;
    while (map->slots[i].offset >= 0 && (map->slots[i].high != high || map->slots[i].low != low)) {
        i = (i + 1) & mask;
    }
    return &map->slots[i];
}

static struct clean_slot *
map_find_key(const struct clean_map *map, struct bytes key, uint64_t *ret_high, uint64_t *ret_low)
{
    *ret_high = bytes_hash(key, map->seeds[0]);
    *ret_low = bytes_hash(key, map->seeds[1]);
    return map_slot(map, *ret_high, *ret_low);
}

static void
map_grow(struct clean_map *map)
{
    struct clean_map grown = *map;
    grown.capacity = map->capacity * 2;
    grown.slots = slots_new(grown.capacity);
    for (size_t i = 0; i < map->capacity; i++) {
        const struct clean_slot *old = &map->slots[i];
        if (old->offset >= 0) {
            *map_slot(&grown, old->high, old->low) = *old;
        }
    }
    mem_free(map->slots);
    *map = grown;
}

bool
clean_map_put(struct clean_map *map, struct bytes key, int64_t offset)
{
    uint64_t high;
    uint64_t low;
    struct clean_slot *slot = map_find_key(map, key, &high, &low);
    if (slot->offset < 0) {
        if (map->count == map->keys_max) {
            return false;
        }
        if ((map->count + 1) * 4 > map->capacity * 3) {
            map_grow(map);
            slot = map_slot(map, high, low);
        }
        map->count++;
    }
    *slot = (struct clean_slot){ high, low, offset };
    return true;
}

int64_t
clean_map_get(const struct clean_map *map, struct bytes key)
{
    uint64_t high;
    uint64_t low;
    return map_find_key(map, key, &high, &low)->offset;
}
