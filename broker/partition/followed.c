/* See followed.h. */
#include "partition/followed.h"

#include "base/mark.h"
#include "base/mem.h"
#include "partition/shard_internal.h"

static bool
leads(const struct shard *shard, const struct meta_partition *description)
{
    const struct meta *meta = shard->options.meta;
    return description->owner == meta_broker_id(meta) &&
           description->owner_broker_epoch == meta_broker_epoch(meta);
}

static struct partition *
followed_find(const struct shard *shard, struct partition_key key)
{
    struct map_node *node =
            map_find(&shard->followed_by_key, partition_hash(key), partition_has_key, &key);
    return node ? CONTAINER_OF(node, struct partition, node) : NULL;
}

void
followed_close(struct shard *shard, struct partition *partition)
{
    map_remove(&shard->followed_by_key, &partition->node);
    list_remove(&partition->link);
    shard->followed_count--;
    partition_shut(partition);
}

/* The one that nobody has read for longest; false: all are in use. */
static bool
followed_evict(struct shard *shard)
{
    LIST_FOREACH (link, &shard->followed) {
        struct partition *partition = CONTAINER_OF(link, struct partition, link);
        if (partition->users == 0) {
            MARK("followed: the least recently read one is dropped");
            followed_close(shard, partition);
            return true;
        }
    }
    return false;
}

static struct partition *
followed_open(struct shard *shard, const struct meta_partition *description)
{
    const struct meta_topic *topic =
            meta_topic_by_id(meta_state(shard->options.meta), &description->key.topic_id);
    if (shard->followed_count >= FOLLOWED_MAX && !followed_evict(shard)) {
        return NULL;
    }
    struct partition *partition = partition_new(shard, topic, description);
    partition->followed = true;
    map_insert(&shard->followed_by_key, &partition->node, partition_hash(partition->key));
    list_push_back(&shard->followed, &partition->link);
    shard->followed_count++;
    return partition;
}

struct partition *
shard_find_followed(struct shard *shard, struct partition_key key)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), key);
    if (!description || leads(shard, description) || shard->stopping ||
            !meta_lease_is_valid(shard->options.meta)) {
        return NULL;
    }
    struct partition *partition = followed_find(shard, key);
    if (!partition) {
        return followed_open(shard, description);
    }
    list_remove(&partition->link);
    list_push_back(&shard->followed, &partition->link);
    return partition;
}

/* F1: what is committed now may be read. */
static void
follow_commit(struct shard *shard, const struct meta_commit_record *commit)
{
    for (int32_t i = 0; i < commit->range_count; i++) {
        struct partition *partition = followed_find(shard, commit->ranges[i].key);
        const struct meta_partition *description =
                partition ? meta_partition_find(meta_state(shard->options.meta), partition->key)
                          : NULL;
        if (description) {
            partition_advance(partition, description->end_offset);
        }
    }
}

/* It was opened somewhere at the next epoch: whoever reads it looks again. */
static void
follow_owner(struct shard *shard, struct partition_key key)
{
    struct partition *partition = followed_find(shard, key);
    if (partition) {
        followed_close(shard, partition);
    }
}

static void
follow_merge(struct shard *shard, struct partition_key key)
{
    struct partition *partition = followed_find(shard, key);
    if (partition) {
        partition_forget_manifest(partition);
    }
}

static void
follow_deletion(struct shard *shard, const struct uuid *topic_id)
{
    LIST_FOREACH_SAFE (link, &shard->followed) {
        struct partition *partition = CONTAINER_OF(link, struct partition, link);
        if (uuid_equal(&partition->key.topic_id, topic_id)) {
            followed_close(shard, partition);
        }
    }
}

void
followed_follow(struct shard *shard, const struct meta_record *record)
{
    if (shard->followed_count == 0) {
        return;
    }
    if (record->type == META_COMMIT) {
        follow_commit(shard, &record->commit);
    } else if (record->type == META_OPEN) {
        follow_owner(shard, record->open.key);
    } else if (record->type == META_HANDOVER) {
        follow_owner(shard, record->handover.key);
    } else if (record->type == META_MERGE) {
        follow_merge(shard, record->merge.key);
    } else if (record->type == META_TOPIC_DELETE) {
        follow_deletion(shard, &record->topic_delete.topic_id);
    }
}
