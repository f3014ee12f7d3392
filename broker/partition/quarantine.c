/* A set of partitions. */
#include "partition/quarantine.h"

#include "base/map.h"
#include "base/mem.h"

struct quarantine {
    struct map by_key;
};

struct quarantined {
    struct map_node node;
    struct partition_key key;
};

static uint64_t
hash_of(struct partition_key key)
{
    return hash_u64(uuid_hash(&key.topic_id) ^ (uint64_t)(uint32_t)key.index);
}

static bool
has_key(const struct map_node *node, const void *key)
{
    const struct quarantined *q = CONTAINER_OF(node, struct quarantined, node);
    const struct partition_key *wanted = key;
    return q->key.index == wanted->index && uuid_equal(&q->key.topic_id, &wanted->topic_id);
}

struct quarantine *
quarantine_new(void)
{
    struct quarantine *quarantine = mem_alloc(sizeof *quarantine);
    map_init(&quarantine->by_key);
    return quarantine;
}

void
quarantine_free(struct quarantine *quarantine)
{
    if (!quarantine) {
        return;
    }
    MAP_FOREACH_SAFE(node, &quarantine->by_key)
    {
        map_remove(&quarantine->by_key, node);
        mem_free(CONTAINER_OF(node, struct quarantined, node));
    }
    map_done(&quarantine->by_key);
    mem_free(quarantine);
}

void
quarantine_add(struct quarantine *quarantine, struct partition_key key)
{
    if (quarantine_has(quarantine, key)) {
        return;
    }
    struct quarantined *q = mem_alloc(sizeof *q);
    q->key = key;
    map_insert(&quarantine->by_key, &q->node, hash_of(key));
}

bool
quarantine_has(const struct quarantine *quarantine, struct partition_key key)
{
    return quarantine && map_find(&quarantine->by_key, hash_of(key), has_key, &key);
}

size_t
quarantine_count(const struct quarantine *quarantine)
{
    return quarantine->by_key.count;
}
