/* The committed offsets of a group, in memory. */
#include "base/mem.h"
#include "groups/group.h"

struct offset_key {
    struct bytes topic;
    int32_t partition;
};

static uint64_t
key_hash(struct offset_key key)
{
    return hash_u64(bytes_hash(key.topic, 0) ^ (uint64_t)(uint32_t)key.partition);
}

static bool
committed_has_key(const struct map_node *node, const void *key)
{
    const struct offset_key *wanted = key;
    const struct committed *committed = CONTAINER_OF(node, struct committed, node);
    return committed->partition == wanted->partition &&
           bytes_equal(committed->topic, wanted->topic);
}

struct committed *
group_get_offset(const struct group *group, struct bytes topic, int32_t partition)
{
    struct offset_key key = { topic, partition };
    struct map_node *node = map_find(&group->offsets, key_hash(key), committed_has_key, &key);
    return node ? CONTAINER_OF(node, struct committed, node) : NULL;
}

static size_t
committed_size(const struct committed *committed)
{
    return sizeof *committed + committed->topic.size + committed->metadata.size;
}

void
group_set_offset(struct group *group, const struct group_offset *offset)
{
    struct committed *committed = group_get_offset(group, offset->topic, offset->partition);
    if (committed) {
        *group->memory -= committed_size(committed);
    } else {
        struct offset_key key = { offset->topic, offset->partition };
        committed = mem_alloc(sizeof *committed);
        committed->topic = keep_bytes(offset->topic);
        committed->partition = offset->partition;
        map_insert(&group->offsets, &committed->node, key_hash(key));
    }
    replace_bytes(
            &committed->metadata, offset->metadata.data ? offset->metadata : BYTES_LITERAL(""));
    committed->topic_id = offset->topic_id;
    committed->offset = offset->offset;
    committed->leader_epoch = offset->leader_epoch;
    committed->commit_ms = offset->commit_ms;
    committed->expire_ms = offset->expire_ms;
    *group->memory += committed_size(committed);
}

static void
committed_free(struct group *group, struct committed *committed)
{
    *group->memory -= committed_size(committed);
    map_remove(&group->offsets, &committed->node);
    drop_bytes(&committed->topic);
    drop_bytes(&committed->metadata);
    mem_free(committed);
}

void
group_remove_offset(struct group *group, struct bytes topic, int32_t partition)
{
    struct committed *committed = group_get_offset(group, topic, partition);
    if (committed) {
        committed_free(group, committed);
    }
}

void
group_free_offsets(struct group *group)
{
    MAP_FOREACH_SAFE(node, &group->offsets)
    {
        committed_free(group, CONTAINER_OF(node, struct committed, node));
    }
}

bool
group_offset_expired(const struct group *group, const struct committed *committed, int64_t now_ms,
        int64_t retention_ms)
{
    int64_t since_ms = committed->commit_ms;
    if (group->protocol_type.data && group->state == GROUP_EMPTY) {
        since_ms = group->state_ms < 0 ? since_ms : group->state_ms;
    } else if (group->protocol_type.data &&
               (group->state != GROUP_STABLE || !group_of_consumers(group))) {
        return false;
    }
    bool old = committed->expire_ms >= 0 ? now_ms >= committed->expire_ms
                                         : now_ms - since_ms >= retention_ms;
    return old && !group_subscribes(group, committed->topic);
}
