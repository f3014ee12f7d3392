/* Topics, their partitions, and who has them open. */
#include "base/check.h"
#include "meta/state_internal.h"

#include <errno.h>

static bool
topic_name_equal(const struct map_node *node, const void *key)
{
    const struct meta_topic *topic = CONTAINER_OF(node, const struct meta_topic, by_name);
    return bytes_equal(bytes_of_string(topic->name), *(const struct bytes *)key);
}

static bool
topic_id_equal(const struct map_node *node, const void *key)
{
    return uuid_equal(&CONTAINER_OF(node, const struct meta_topic, by_id)->id, key);
}

const struct meta_topic *
meta_topic_by_name(const struct meta_state *state, struct bytes name)
{
    struct map_node *node =
            map_find(&state->topics_by_name, bytes_hash(name, 0), topic_name_equal, &name);
    return node ? CONTAINER_OF(node, struct meta_topic, by_name) : NULL;
}

static struct meta_topic *
topic_find(const struct meta_state *state, const struct uuid *id)
{
    struct map_node *node = map_find(&state->topics_by_id, uuid_hash(id), topic_id_equal, id);
    return node ? CONTAINER_OF(node, struct meta_topic, by_id) : NULL;
}

const struct meta_topic *
meta_topic_by_id(const struct meta_state *state, const struct uuid *id)
{
    return topic_find(state, id);
}

struct meta_partition *
partition_find(const struct meta_state *state, struct partition_key key)
{
    const struct meta_topic *topic = topic_find(state, &key.topic_id);
    if (!topic || key.index < 0 || key.index >= topic->partition_count) {
        return NULL;
    }
    return &topic->partitions[key.index];
}

const struct meta_partition *
meta_partition_find(const struct meta_state *state, struct partition_key key)
{
    return partition_find(state, key);
}

const struct meta_topic *
meta_topic_next(const struct meta_state *state, const struct meta_topic *topic)
{
    const struct list *next = topic ? topic->link.next : state->topics.next;
    return next == &state->topics ? NULL : CONTAINER_OF(next, const struct meta_topic, link);
}

size_t
meta_topic_count(const struct meta_state *state)
{
    return state->topic_count;
}

size_t
meta_partition_count(const struct meta_state *state)
{
    return state->partition_count;
}

/* Partitions first..count - 1 as they are born. */
static void
partitions_init(struct meta_topic *topic, int32_t first, int32_t count)
{
    topic->partitions = mem_realloc(topic->partitions, (size_t)count * sizeof *topic->partitions);
    for (int32_t i = first; i < count; i++) {
        topic->partitions[i] =
                (struct meta_partition){ .key = { topic->id, i }, .owner = -1, .target = -1 };
    }
    topic->partition_count = count;
}

struct meta_topic *
topic_add(struct meta_state *state, struct bytes name, struct uuid id, int32_t partition_count)
{
    struct meta_topic *topic = mem_alloc(sizeof *topic);
    topic->id = id;
    topic->name = mem_alloc(name.size + 1);
    memcpy(topic->name, name.data, name.size);
    partitions_init(topic, 0, partition_count);
    map_insert(&state->topics_by_name, &topic->by_name, bytes_hash(name, 0));
    map_insert(&state->topics_by_id, &topic->by_id, uuid_hash(&topic->id));
    list_push_back(&state->topics, &topic->link);
    state->topic_count++;
    state->partition_count += (size_t)partition_count;
    return topic;
}

static bool
owners_are_known(const struct meta_state *state, const int32_t *owners, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        if (!broker_find(state, owners[i])) {
            return false;
        }
    }
    return true;
}

/* 0, or why the topic cannot be. */
static int
topic_check(const struct meta_state *state, const struct meta_topic_record *record)
{
    struct bytes name = record->name;
    if (name.size == 0 || name.size > TOPIC_NAME_SIZE_MAX || memchr(name.data, 0, name.size)) {
        return -EINVAL;
    }
    if (uuid_is_zero(&record->topic_id) || record->partition_count <= 0 ||
            record->config_count < 0) {
        return -EINVAL;
    }
    if (meta_topic_by_name(state, name) || topic_find(state, &record->topic_id)) {
        return -EEXIST;
    }
    if ((size_t)record->partition_count > PARTITIONS_MAX - state->partition_count ||
            (size_t)record->config_count >
                    META_CONFIGS_MAX - MIN(state->config_count, (size_t)META_CONFIGS_MAX)) {
        return -ENOSPC;
    }
    for (int32_t i = 0; i < record->config_count; i++) {
        if (!record->configs[i].value.data || !config_entry_is_valid(&record->configs[i])) {
            return -EINVAL;
        }
    }
    return owners_are_known(state, record->owners, record->partition_count) ? 0 : -EINVAL;
}

struct meta_result
apply_topic(struct meta_state *state, const struct meta_topic_record *record)
{
    int r = topic_check(state, record);
    if (r) {
        return result_error(r);
    }
    struct meta_topic *topic =
            topic_add(state, record->name, record->topic_id, record->partition_count);
    topic->internal = record->internal;
    for (int32_t i = 0; i < record->partition_count; i++) {
        topic->partitions[i].owner = record->owners[i];
    }
    for (int32_t i = 0; i < record->config_count; i++) {
        config_set(state, META_RESOURCE_TOPIC, record->name, &record->configs[i]);
    }
    return result_error(0);
}

static void
topic_free(struct meta_topic *topic)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        mem_free(topic->partitions[i].ranges);
    }
    mem_free(topic->partitions);
    mem_free(topic->name);
    mem_free(topic);
}

struct meta_result
apply_topic_delete(struct meta_state *state, struct uuid topic_id)
{
    struct meta_topic *topic = topic_find(state, &topic_id);
    if (!topic) {
        return result_error(-ENOENT);
    }
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct meta_partition *partition = &topic->partitions[i];
        partition_drop_ranges(state, partition, partition->range_count);
        if (partition->manifest_id) {
            dead_manifest_add(state, partition->key, partition->manifest_id);
        }
    }
    config_drop_resource(state, META_RESOURCE_TOPIC, bytes_of_string(topic->name));
    map_remove(&state->topics_by_name, &topic->by_name);
    map_remove(&state->topics_by_id, &topic->by_id);
    list_remove(&topic->link);
    state->topic_count--;
    state->partition_count -= (size_t)topic->partition_count;
    topic_free(topic);
    return result_error(0);
}

struct meta_result
apply_partitions(struct meta_state *state, const struct meta_record *record)
{
    struct meta_topic *topic = topic_find(state, &record->partitions.topic_id);
    if (!topic) {
        return result_error(-ENOENT);
    }
    int32_t count = record->partitions.partition_count;
    int32_t more = record->partitions.owner_count;
    if (more <= 0 || count <= topic->partition_count || count - topic->partition_count != more) {
        return result_error(-EINVAL);
    }
    if ((size_t)more > PARTITIONS_MAX - state->partition_count) {
        return result_error(-ENOSPC);
    }
    if (!owners_are_known(state, record->partitions.owners, more)) {
        return result_error(-EINVAL);
    }
    int32_t first = topic->partition_count;
    partitions_init(topic, first, count);
    for (int32_t i = 0; i < more; i++) {
        topic->partitions[first + i].owner = record->partitions.owners[i];
    }
    state->partition_count += (size_t)more;
    return result_error(0);
}

struct meta_result
apply_open(struct meta_state *state, const struct meta_open_record *record)
{
    struct meta_partition *partition = partition_find(state, record->key);
    if (!partition) {
        return result_error(-ENOENT);
    }
    if (!broker_is_current(state, record->broker_id, record->broker_epoch)) {
        return result_error(-ESTALE);
    }
    /* M5 */
    if (partition->owner_broker_epoch != 0 && partition->owner != record->broker_id) {
        return result_error(-EBUSY);
    }
    if (!record->again && partition->owner_broker_epoch == record->broker_epoch) {
        return (struct meta_result){ .error = -EALREADY, .epoch = partition->epoch };
    }
    /* Nothing new comes to who drains: what is empty stays empty. */
    if (partition->owner_broker_epoch == 0 &&
            broker_find(state, record->broker_id)->state >= META_BROKER_DRAINING) {
        return result_error(-EBUSY);
    }
    if (partition->epoch == INT32_MAX) {
        return result_error(-ENOSPC);
    }
    partition->owner = record->broker_id;
    partition->owner_broker_epoch = record->broker_epoch;
    partition->epoch++;
    if (partition->target == record->broker_id) {
        partition->target = -1;
    }
    return (struct meta_result){ .epoch = partition->epoch };
}

/* V1 */
struct meta_result
apply_move(struct meta_state *state, const struct meta_record *record)
{
    struct meta_partition *partition = partition_find(state, record->move.key);
    if (!partition) {
        return result_error(-ENOENT);
    }
    int32_t target = record->move.target;
    const struct meta_broker *broker = target >= 0 ? broker_find(state, target) : NULL;
    if (target >= 0 && (!broker || !broker->alive || broker->state >= META_BROKER_DRAINING)) {
        return result_error(-EBUSY);
    }
    partition->target = target == partition->owner ? -1 : target;
    return result_error(0);
}

/* V1: the wish of a plan that may be old. */
struct meta_result
apply_balance(struct meta_state *state, const struct meta_balance_record *record)
{
    struct meta_partition *partition = partition_find(state, record->key);
    if (!partition) {
        return result_error(-ENOENT);
    }
    if (partition->epoch != record->leader_epoch || partition->target >= 0 ||
            partition->owner == record->target) {
        return result_error(-ESTALE);
    }
    const struct meta_broker *broker = broker_find(state, record->target);
    if (!broker || !meta_broker_takes(broker)) {
        return result_error(-EBUSY);
    }
    partition->target = record->target;
    return result_error(0);
}

/* V2 */
struct meta_result
apply_handover(struct meta_state *state, const struct meta_handover_record *record)
{
    struct meta_partition *partition = partition_find(state, record->key);
    if (!partition) {
        return result_error(-ENOENT);
    }
    if (partition->owner != record->broker_id ||
            partition->owner_broker_epoch != record->broker_epoch ||
            partition->epoch != record->leader_epoch ||
            !broker_is_current(state, record->broker_id, record->broker_epoch)) {
        return result_error(-ESTALE);
    }
    if (partition->target < 0 || partition->end_offset != record->end_offset) {
        return result_error(-EINVAL);
    }
    const struct meta_broker *target = broker_find(state, partition->target);
    if (!target || !target->alive || target->state >= META_BROKER_DRAINING) {
        return result_error(-EBUSY);
    }
    if (partition->epoch == INT32_MAX) {
        return result_error(-ENOSPC);
    }
    partition->owner = target->id;
    partition->owner_broker_epoch = target->epoch;
    partition->target = -1;
    partition->epoch++;
    return (struct meta_result){ .epoch = partition->epoch };
}

static bool
partition_is_open_at(const struct meta_partition *partition, int32_t broker_id, int64_t since)
{
    return partition->owner == broker_id && partition->owner_broker_epoch != 0 &&
           partition->owner_broker_epoch >= since;
}

void
partitions_release(struct meta_state *state, int32_t broker_id, int64_t since)
{
    LIST_FOREACH (node, &state->topics) {
        struct meta_topic *topic = CONTAINER_OF(node, struct meta_topic, link);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (partition_is_open_at(&topic->partitions[i], broker_id, since)) {
                topic->partitions[i].owner_broker_epoch = 0;
            }
        }
    }
}

bool
partitions_open_at(const struct meta_state *state, int32_t broker_id, int64_t since)
{
    LIST_FOREACH (node, &state->topics) {
        const struct meta_topic *topic = CONTAINER_OF(node, const struct meta_topic, link);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (partition_is_open_at(&topic->partitions[i], broker_id, since)) {
                return true;
            }
        }
    }
    return false;
}

bool
meta_broker_has_tail(const struct meta_state *state, int32_t broker_id)
{
    return partitions_open_at(state, broker_id, 0);
}

void
partitions_withdraw(struct meta_state *state, int32_t broker_id)
{
    LIST_FOREACH (node, &state->topics) {
        struct meta_topic *topic = CONTAINER_OF(node, struct meta_topic, link);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (topic->partitions[i].target == broker_id) {
                topic->partitions[i].target = -1;
            }
        }
    }
}

void
topics_done(struct meta_state *state)
{
    LIST_FOREACH_SAFE (node, &state->topics) {
        topic_free(CONTAINER_OF(node, struct meta_topic, link));
    }
    map_done(&state->topics_by_name);
    map_done(&state->topics_by_id);
}
