/* See support_random.h. */
#include "support_random.h"

#include "base/check.h"
#include "base/mem.h"
#include "support_records.h"

#include <stdio.h>

#define BROKERS 3

uint64_t
history_below(struct history *history, uint64_t bound)
{
    history->random += 0x9e3779b97f4a7c15;
    return hash_u64(history->random) % bound;
}

struct meta_result
history_replay_last(struct history *history, struct meta_state *state)
{
    struct meta_record record;
    size_t size;
    arena_reset(&history->arena);
    CHECK(meta_record_decode(strbuf_bytes(&history->last), &history->arena, &record, &size) == 0);
    return meta_state_apply(state, &record, history->sequence);
}

static struct meta_result
step(struct history *history, const struct meta_record *record)
{
    strbuf_clear(&history->last);
    CHECK(meta_record_encode(record, &history->last) == 0);
    history->sequence += 1 + history_below(history, 3);
    return history_replay_last(history, history->state);
}

void
history_init(struct history *history, uint64_t seed)
{
    *history = (struct history){ .random = seed * 1000003, .next_topic = 1, .next_controller = 1 };
    history->state = meta_state_new();
    history->used = mem_alloc(HISTORY_IDS_MAX);
    history->removed = mem_alloc(HISTORY_IDS_MAX);
    history->manifests = mem_alloc_array(HISTORY_MANIFESTS_MAX, sizeof *history->manifests);
    arena_init(&history->arena, META_ARENA_SIZE);
    strbuf_init(&history->last, META_RECORD_SIZE_MAX);
}

void
history_done(struct history *history)
{
    meta_state_free(history->state);
    mem_free(history->used);
    mem_free(history->removed);
    mem_free(history->manifests);
    arena_done(&history->arena);
    strbuf_done(&history->last);
}

static int64_t
broker_epoch(const struct history *history, int32_t id)
{
    const struct meta_broker *broker = meta_broker_find(history->state, id);
    return broker ? broker->epoch : 0;
}

static int32_t
any_broker(struct history *history)
{
    return (int32_t)history_below(history, BROKERS);
}

/* A random topic, or NULL. */
static const struct meta_topic *
any_topic(struct history *history)
{
    size_t count = meta_topic_count(history->state);
    if (count == 0) {
        return NULL;
    }
    const struct meta_topic *topic = meta_topic_next(history->state, NULL);
    for (uint64_t i = history_below(history, count); i > 0; i--) {
        topic = meta_topic_next(history->state, topic);
    }
    return topic;
}

static const struct meta_partition *
any_partition(struct history *history)
{
    const struct meta_topic *topic = any_topic(history);
    return topic ? &topic->partitions[history_below(history, (uint64_t)topic->partition_count)]
                 : NULL;
}

/* An id that the broker may use now; `skip` unused ones are passed over. 0: none. */
static uint64_t
fresh_id(struct history *history, int32_t broker_id, size_t skip)
{
    const struct meta_intent *intent = meta_intent_next(history->state, 0);
    for (; intent; intent = meta_intent_next(history->state, intent->first_id)) {
        if (intent->broker_id != broker_id ||
                intent->broker_epoch != broker_epoch(history, broker_id)) {
            continue;
        }
        for (int32_t i = 0; i < intent->count; i++) {
            uint64_t id = intent->first_id + (uint64_t)i;
            if (!meta_intent_is_used(intent, id) && skip-- == 0) {
                return id;
            }
        }
    }
    return 0;
}

static void
mark_used(struct history *history, uint64_t id)
{
    CHECK(id < HISTORY_IDS_MAX);
    history->used[id] = 1;
}

static struct meta_result
step_commit(struct history *history)
{
    struct meta_commit_range ranges[3];
    int32_t count = 0;
    int32_t broker = any_broker(history);
    uint64_t id = fresh_id(history, broker, history_below(history, 3));
    for (int i = 0; i < 12 && count < 3; i++) {
        const struct meta_partition *partition = any_partition(history);
        if (!partition || (partition->owner != broker && history_below(history, 50))) {
            continue;
        }
        bool twice = false;
        for (int32_t j = 0; j < count; j++) {
            twice = twice || (uuid_equal(&ranges[j].key.topic_id, &partition->key.topic_id) &&
                                     ranges[j].key.index == partition->key.index);
        }
        if (twice) {
            continue;
        }
        int64_t base = partition->end_offset + (history_below(history, 60) == 0);
        int64_t end = base + 1 + (int64_t)history_below(history, 20);
        int32_t epoch = partition->epoch - (history_below(history, 60) == 0);
        ranges[count++] = test_range(0, partition->key.index, id, base, end, epoch);
        ranges[count - 1].key = partition->key;
    }
    struct meta_record record =
            test_commit(broker, broker_epoch(history, broker), id, ranges, count);
    struct meta_result result = step(history, &record);
    if (result.error == 0) {
        mark_used(history, id);
    }
    return result;
}

static struct naive_manifest *
naive_find(struct history *history, uint64_t id)
{
    for (size_t i = 0; id && i < history->manifest_count; i++) {
        if (history->manifests[i].id == id) {
            return &history->manifests[i];
        }
    }
    return NULL;
}

/* What the model's manifest names after a merge: the old one's without the garbage, and what was
 * added. */
static void
naive_merge(struct history *history, const struct meta_merge_record *merge,
        struct naive_manifest *former)
{
    struct naive_manifest next = { .key = merge->key, .id = merge->manifest_id, .alive = true };
    for (size_t i = 0; former && i < former->count; i++) {
        bool dropped = false;
        for (int32_t j = 0; j < merge->garbage_count; j++) {
            dropped = dropped || merge->garbage[j] == former->named[i];
        }
        if (!dropped) {
            next.named[next.count++] = former->named[i];
        }
    }
    for (int32_t j = 0; j < merge->added_count; j++) {
        next.named[next.count++] = merge->added[j];
        mark_used(history, merge->added[j]);
    }
    if (former) {
        former->gone = true;
    }
    if (merge->manifest_id) {
        mark_used(history, merge->manifest_id);
        CHECK(history->manifest_count < HISTORY_MANIFESTS_MAX);
        history->manifests[history->manifest_count++] = next;
    }
}

/* Drops all manifests of the partition: everything is below the log start. */
static struct meta_result
step_merge_away(struct history *history, const struct meta_partition *partition,
        struct naive_manifest *former)
{
    struct meta_merge_record merge = { .key = partition->key,
        .leader_epoch = partition->epoch,
        .manifest_end_offset = partition->manifest_end_offset,
        .log_start_offset = partition->manifest_end_offset };
    uint64_t garbage[HISTORY_NAMED_MAX];
    memcpy(garbage, former->named, sizeof garbage);
    merge.garbage = garbage;
    merge.garbage_count = (int32_t)former->count;
    const struct meta_record record = { .type = META_MERGE, .merge = merge };
    struct meta_result result = step(history, &record);
    if (result.error == 0) {
        naive_merge(history, &merge, former);
    }
    return result;
}

static struct meta_result
step_merge(struct history *history)
{
    const struct meta_partition *partition = any_partition(history);
    if (!partition) {
        return (struct meta_result){ .error = -1 };
    }
    struct naive_manifest *former = naive_find(history, partition->manifest_id);
    if (former && history_below(history, 6) == 0) {
        return step_merge_away(history, partition, former);
    }
    struct meta_merge_record merge = { .key = partition->key,
        .leader_epoch = partition->epoch,
        .manifest_end_offset = partition->manifest_end_offset };
    uint64_t added[HISTORY_NAMED_MAX];
    uint64_t garbage[HISTORY_NAMED_MAX];
    merge.manifest_id = fresh_id(history, partition->owner, 0);
    if (former && !merge.manifest_id) {
        /* Without a manifest nothing may stay named: that is step_merge_away. */
        return (struct meta_result){ .error = -1 };
    }
    merge.added = added;
    merge.garbage = garbage;
    if (partition->range_count) {
        uint64_t last = history_below(history, (uint64_t)partition->range_count);
        merge.manifest_end_offset = partition->ranges[last].end_offset;
        bool adopt = history_below(history, 4) == 0;
        added[merge.added_count++] =
                adopt ? partition->ranges[last].object_id : fresh_id(history, partition->owner, 1);
    }
    for (size_t i = 0; former && i < former->count; i++) {
        bool again = merge.added_count && added[0] == former->named[i];
        if (again || former->count > HISTORY_NAMED_MAX / 2 || history_below(history, 3) == 0) {
            garbage[merge.garbage_count++] = former->named[i];
        }
    }
    if (merge.added_count && merge.garbage_count && added[0] == garbage[0]) {
        merge.garbage_count = 0; /* an object that was adopted twice: keep the model simple */
        return (struct meta_result){ .error = -1 };
    }
    const struct meta_record record = { .type = META_MERGE, .merge = merge };
    struct meta_result result = step(history, &record);
    if (result.error == 0) {
        naive_merge(history, &merge, former);
    }
    return result;
}

static struct meta_result
step_topic(struct history *history)
{
    static const int32_t owners[] = { 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0 };
    static const struct meta_config_entry configs[] = { { { (const uint8_t *)"a", 1 },
                                                                { (const uint8_t *)"1", 1 } },
        { { (const uint8_t *)"b", 1 }, { (const uint8_t *)"2", 1 } } };
    struct meta_record record =
            test_topic(history->next_topic % 256, 1 + (int32_t)history_below(history, 5));
    record.topic.topic_id = test_uuid(history->next_topic);
    record.topic.owners = owners;
    record.topic.configs = configs;
    record.topic.config_count = (int32_t)history_below(history, 3);
    record.topic.internal = history_below(history, 5) == 0;
    history->next_topic += meta_topic_count(history->state) < 12;
    return step(history, &record);
}

static struct meta_result
step_delete(struct history *history)
{
    const struct meta_topic *topic = any_topic(history);
    struct meta_record record = { .type = META_TOPIC_DELETE,
        .topic_delete = { topic ? topic->id : UUID_ZERO } };
    struct meta_result result = step(history, &record);
    for (size_t i = 0; result.error == 0 && i < history->manifest_count; i++) {
        struct naive_manifest *manifest = &history->manifests[i];
        if (uuid_equal(&manifest->key.topic_id, &record.topic_delete.topic_id)) {
            manifest->alive = false;
        }
    }
    return result;
}

static struct meta_result
step_manifest_garbage(struct history *history)
{
    struct meta_dead_manifest dead;
    if (meta_dead_manifest_list(history->state, &dead, 1) == 0) {
        return (struct meta_result){ .error = -1 };
    }
    struct naive_manifest *manifest = naive_find(history, dead.manifest_id);
    CHECK(manifest && !manifest->alive && !manifest->gone);
    const struct meta_record record = { .type = META_MANIFEST_GARBAGE,
        .manifest_garbage = { dead.manifest_id, manifest->named, (int32_t)manifest->count } };
    struct meta_result result = step(history, &record);
    CHECK(result.error == 0);
    manifest->gone = true;
    return result;
}

static struct meta_result
step_removed(struct history *history)
{
    uint64_t ids[8];
    size_t count = MIN(meta_garbage_list(history->state, ids, 8), (size_t)8);
    const struct meta_record record = { .type = META_GARBAGE_REMOVED,
        .ids = { ids, (int32_t)count } };
    struct meta_result result = step(history, &record);
    for (size_t i = 0; i < count; i++) {
        history->removed[ids[i]] = 1;
    }
    return result;
}

static struct meta_result
step_intent_done(struct history *history)
{
    const struct meta_intent *intent =
            meta_intent_next(history->state, history_below(history, 500));
    struct meta_record record = { .type = META_INTENT_DONE };
    if (intent) {
        record.intent_done.first_id = intent->first_id;
        record.intent_done.count = intent->count;
    }
    return step(history, &record);
}

static struct meta_result
step_partition(struct history *history, uint64_t kind)
{
    const struct meta_partition *partition = any_partition(history);
    struct partition_key key = partition ? partition->key : test_key(99999, 0);
    struct meta_record record;
    if (kind == 0) {
        int64_t from = partition ? partition->log_start_offset : 0;
        record = (struct meta_record){ .type = META_LOG_START,
            .log_start = { key, partition ? partition->epoch : 0,
                    from + (int64_t)history_below(history, 60) } };
    } else {
        int32_t broker =
                history_below(history, 8) && partition ? partition->owner : any_broker(history);
        record = (struct meta_record){ .type = META_OPEN,
            .open = { key, broker, broker_epoch(history, broker) } };
    }
    return step(history, &record);
}

/* K1, K2: whoever lives takes over from whoever does not. */
static struct meta_result
step_take_over(struct history *history)
{
    int32_t id = any_broker(history);
    int32_t taker = any_broker(history);
    const struct meta_broker *dead = meta_broker_find(history->state, id);
    const struct meta_taker takers[] = { { taker, broker_epoch(history, taker), true } };
    struct meta_record record = { .type = META_TAKE_OVER,
        .take_over = { id, dead ? dead->epoch : 0, takers, 1 } };
    if (dead && dead->taker_count) {
        record = (struct meta_record){ .type = META_RECOVERED,
            .recovered = { id, dead->epoch, dead->takers[0].broker_id, dead->takers[0].broker_epoch,
                    0, dead->taker_count } };
    }
    return step(history, &record);
}

static struct meta_result
step_small(struct history *history)
{
    int32_t broker = any_broker(history);
    int64_t epoch = broker_epoch(history, broker);
    static const int32_t owners[] = { 2 };
    const struct meta_topic *topic = any_topic(history);
    struct meta_record record = { 0 };
    switch (history_below(history, 9)) {
    case 0:
        record = test_broker(broker, history->next_incarnation++);
        record.broker.wal_logs = (int32_t)history_below(history, 3);
        break;
    case 7:
    case 8:
        return step_take_over(history);
    case 1:
        record = (struct meta_record){ .type = META_BROKER_GONE,
            .broker_gone = { broker, epoch, history_below(history, 2) } };
        break;
    case 2:
        record = (struct meta_record){ .type = META_CONTROLLER,
            .controller = { history->next_controller++, test_uuid(7), broker } };
        break;
    case 3:
        record = (struct meta_record){ .type = META_PRODUCER_IDS,
            .producer_ids = { broker, epoch, 100 } };
        break;
    case 4:
        record = (struct meta_record){ .type = META_PARTITIONS,
            .partitions = { topic ? topic->id : UUID_ZERO, topic ? topic->partition_count + 1 : 1,
                    owners, 1 } };
        break;
    case 5:
        record = (struct meta_record){ .type = META_CONFIG,
            .config = { META_RESOURCE_BROKER, BYTES_LITERAL(""),
                    history_below(history, 2) ? BYTES_LITERAL("x") : BYTES_LITERAL("y"),
                    history_below(history, 3) ? BYTES_LITERAL("value") : BYTES_NULL } };
        break;
    default:
        record = (struct meta_record){ .type = META_CLUSTER,
            .cluster = { test_uuid(900), META_FORMAT_VERSION } };
        break;
    }
    return step(history, &record);
}

struct meta_result
history_step(struct history *history)
{
    for (;;) {
        struct meta_result result = { .error = -1 };
        uint64_t kind = history_below(history, 100);
        if (kind < 38) {
            result = step_commit(history);
        } else if (kind < 50) {
            result = step_merge(history);
        } else if (kind < 56) {
            result = step_partition(history, 0);
        } else if (kind < 70) {
            result = step_partition(history, 1);
        } else if (kind < 74) {
            result = step_topic(history);
        } else if (kind < 75) {
            result = step_delete(history);
        } else if (kind < 82) {
            int32_t broker = any_broker(history);
            struct meta_record record = test_intent(broker, broker_epoch(history, broker), 7);
            result = step(history, &record);
        } else if (kind < 86) {
            result = step_removed(history);
        } else if (kind < 88) {
            result = step_intent_done(history);
        } else if (kind < 90) {
            result = step_manifest_garbage(history);
        } else {
            result = step_small(history);
        }
        if (result.error != -1) {
            return result;
        }
    }
}

/* Who names the object: recent ranges of all partitions, manifests of the model. */
static void
naive_count(
        const struct history *history, uint64_t id, uint32_t *ret_ranges, uint32_t *ret_manifests)
{
    uint32_t ranges = 0;
    uint32_t manifests = 0;
    const struct meta_topic *topic = NULL;
    while ((topic = meta_topic_next(history->state, topic))) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            for (int32_t j = 0; j < topic->partitions[i].range_count; j++) {
                ranges += topic->partitions[i].ranges[j].object_id == id;
            }
        }
    }
    for (size_t i = 0; i < history->manifest_count; i++) {
        const struct naive_manifest *manifest = &history->manifests[i];
        manifests += !manifest->gone && manifest->id == id;
        for (size_t j = 0; !manifest->gone && j < manifest->count; j++) {
            manifests += manifest->named[j] == id;
        }
    }
    *ret_ranges = ranges;
    *ret_manifests = manifests;
}

static bool
ranges_are_contiguous(const struct meta_partition *partition)
{
    int64_t next =
            partition->range_count ? partition->ranges[0].base_offset : partition->end_offset;
    if (partition->range_count && next < partition->manifest_end_offset) {
        return false;
    }
    for (int32_t i = 0; i < partition->range_count; i++) {
        if (partition->ranges[i].base_offset != next) {
            return false;
        }
        next = partition->ranges[i].end_offset;
    }
    return next == partition->end_offset;
}

bool
history_check(struct history *history)
{
    size_t count = meta_garbage_list(history->state, NULL, 0);
    uint64_t *ids = mem_alloc_array(count + 1, sizeof *ids);
    meta_garbage_list(history->state, ids, count);
    uint8_t *is_garbage = mem_alloc(HISTORY_IDS_MAX);
    for (size_t i = 0; i < count; i++) {
        is_garbage[ids[i]] = 1;
    }
    history->why[0] = 0;
    for (uint64_t id = 1; id < meta_state_next_object_id(history->state) && !history->why[0];
            id++) {
        uint32_t ranges;
        uint32_t manifests;
        naive_count(history, id, &ranges, &manifests);
        bool wanted = history->used[id] && !history->removed[id] && ranges + manifests == 0;
        if (meta_object_references(history->state, id) != ranges || is_garbage[id] != wanted) {
            snprintf(history->why, sizeof history->why,
                    "object %llu: %u ranges, %u manifests, counted %u, garbage %d",
                    (unsigned long long)id, ranges, manifests,
                    meta_object_references(history->state, id), is_garbage[id]);
        }
    }
    const struct meta_topic *topic = NULL;
    while ((topic = meta_topic_next(history->state, topic))) {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            if (!ranges_are_contiguous(&topic->partitions[i])) {
                snprintf(history->why, sizeof history->why, "%s-%d has a hole", topic->name, i);
            }
        }
    }
    mem_free(ids);
    mem_free(is_garbage);
    return !history->why[0];
}
