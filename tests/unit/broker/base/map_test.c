/* The hash table, against a plain array. */
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "unit/test.h"

#define COUNT 3000

struct item {
    struct map_node link;
    uint64_t key;
    bool in;
};

static bool
item_equal(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, struct item, link)->key == *(const uint64_t *)key;
}

static struct item *
find(const struct map *map, uint64_t key, uint64_t hash)
{
    struct map_node *node = map_find(map, hash, item_equal, &key);
    return node ? CONTAINER_OF(node, struct item, link) : NULL;
}

/* Poor hashes make collisions: they must only be slow. */
static uint64_t
poor_hash(uint64_t key)
{
    return key % 300;
}

TEST(what_was_inserted_is_found_and_what_was_removed_is_not)
{
    struct map map;
    struct item *items = mem_alloc_array(COUNT, sizeof *items);
    map_init(&map);
    ASSERT(find(&map, 1, 1) == NULL);
    for (uint64_t i = 0; i < COUNT; i++) {
        items[i].key = i;
        items[i].in = true;
        map_insert(&map, &items[i].link, poor_hash(i));
    }
    ASSERT_EQ(map.count, COUNT);
    for (uint64_t i = 0; i < COUNT; i += 3) {
        map_remove(&map, &items[i].link);
        items[i].in = false;
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        ASSERT(find(&map, i, poor_hash(i)) == (items[i].in ? &items[i] : NULL));
    }
    map_done(&map);
    mem_free(items);
}

TEST(a_walk_meets_each_once_and_may_remove_as_it_goes)
{
    struct map map;
    struct item *items = mem_alloc_array(COUNT, sizeof *items);
    map_init(&map);
    MAP_FOREACH(node, &map)
    {
        ASSERT(node == NULL);
    }
    for (uint64_t i = 0; i < COUNT; i++) {
        items[i].key = i;
        map_insert(&map, &items[i].link, hash_u64(i));
    }
    size_t met = 0;
    MAP_FOREACH(node, &map)
    {
        met += !CONTAINER_OF(node, struct item, link)->in;
        CONTAINER_OF(node, struct item, link)->in = true;
    }
    ASSERT_EQ(met, COUNT);
    MAP_FOREACH_SAFE(node, &map)
    {
        struct item *item = CONTAINER_OF(node, struct item, link);
        if (item->key % 2) {
            map_remove(&map, node);
            memset(item, 0xff, sizeof *item);
        }
    }
    ASSERT_EQ(map.count, COUNT / 2);
    map_done(&map);
    mem_free(items);
}

TEST(lists_push_pop_and_remove)
{
    struct list head;
    struct list nodes[4];
    list_init(&head);
    ASSERT(list_is_empty(&head));
    ASSERT(list_pop_front(&head) == NULL);
    list_push_back(&head, &nodes[1]);
    list_push_back(&head, &nodes[2]);
    list_push_front(&head, &nodes[0]);
    list_insert_before(&nodes[2], &nodes[3]);
    list_remove(&nodes[1]);
    list_remove(&nodes[1]);
    ASSERT(list_pop_front(&head) == &nodes[0]);
    ASSERT(list_pop_front(&head) == &nodes[3]);
    size_t count = 0;
    LIST_FOREACH_SAFE (node, &head) {
        list_remove(node);
        count++;
    }
    ASSERT_EQ(count, 1);
    ASSERT(list_is_empty(&head));
}
