/* The table of open partitions: follows the metadata, owns the memory. */
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "partition/shard_internal.h"
#include "partition/upkeep.h"
#include "reactor/clock.h"

#include <errno.h>

#define DEBTS_MIN 1024

uint64_t
partition_hash(struct partition_key key)
{
    return hash_u64(uuid_hash(&key.topic_id) ^ (uint64_t)(uint32_t)key.index);
}

unsigned
partition_reactor(struct partition_key key)
{
    return (unsigned)(partition_hash(key) % reactor_count());
}

bool
partition_has_key(const struct map_node *node, const void *key)
{
    const struct partition *partition = CONTAINER_OF(node, struct partition, node);
    const struct partition_key *wanted = key;
    return partition->key.index == wanted->index &&
           uuid_equal(&partition->key.topic_id, &wanted->topic_id);
}

struct partition *
shard_find(struct shard *shard, struct partition_key key)
{
    struct map_node *node = map_find(&shard->by_key, partition_hash(key), partition_has_key, &key);
    return node ? CONTAINER_OF(node, struct partition, node) : NULL;
}

struct partition *
shard_find_led(struct shard *shard, struct partition_key key)
{
    if (!meta_lease_is_valid(shard->options.meta)) {
        MARK("shard: a read without a valid lease");
        return NULL;
    }
    return shard_find(shard, key);
}

int
partition_check(const struct partition *partition)
{
    return partition->quarantined
                   ? fault(-EBADMSG,
                             "%s-%d is quarantined: acknowledged records of it cannot be read",
                             partition->topic_name, partition->key.index)
                   : 0;
}

void
partition_hold(struct partition *partition)
{
    partition->users++;
}

void
partition_forget_manifest(struct partition *partition)
{
    if (partition->manifest) {
        manifest_done(partition->manifest);
        mem_free(TAKE_PTR(partition->manifest));
    }
}

static void
partition_free(struct partition *partition)
{
    CHECK(partition->closed && partition->users == 0);
    list_remove(&partition->dirty);
    log_tail_done(&partition->tail);
    producer_states_done(&partition->producers);
    partition_forget_manifest(partition);
    mem_free(partition->topic_name);
    mem_free(partition);
}

void
partition_release(struct partition *partition)
{
    CHECK(partition->users > 0);
    if (--partition->users == 0 && partition->closed) {
        partition_free(partition);
    }
}

void
partition_watch_add(struct partition *partition, struct partition_watch *watch)
{
    list_push_back(&partition->watches, &watch->link);
}

void
partition_watch_remove(struct partition_watch *watch)
{
    list_remove(&watch->link);
}

static void
partition_tell_watches(struct partition *partition)
{
    LIST_FOREACH_SAFE (link, &partition->watches) {
        struct partition_watch *watch = CONTAINER_OF(link, struct partition_watch, link);
        watch->fn(watch);
    }
}

void
partition_advance(struct partition *partition, int64_t high_watermark)
{
    if (high_watermark <= partition->high_watermark) {
        return;
    }
    partition->high_watermark = high_watermark;
    wait_queue_wake_all(&partition->durable);
    partition_tell_watches(partition);
}

void
shard_listen(struct shard *shard, struct shard_listener *listener)
{
    list_push_back(&shard->listeners, &listener->link);
    LIST_FOREACH (link, &shard->partitions) {
        listener->opened(listener, CONTAINER_OF(link, struct partition, link));
    }
}

void
shard_unlisten(struct shard_listener *listener)
{
    list_remove(&listener->link);
}

static void
shard_tell_opened(struct shard *shard, struct partition *partition)
{
    LIST_FOREACH (link, &shard->listeners) {
        struct shard_listener *listener = CONTAINER_OF(link, struct shard_listener, link);
        listener->opened(listener, partition);
    }
}

static void
shard_tell_closed(struct shard *shard, struct partition *partition)
{
    LIST_FOREACH (link, &shard->listeners) {
        struct shard_listener *listener = CONTAINER_OF(link, struct shard_listener, link);
        listener->closed(listener, partition);
    }
}

struct partition *
partition_new(struct shard *shard, const struct meta_topic *topic,
        const struct meta_partition *description)
{
    struct partition *partition = mem_alloc(sizeof *partition);
    partition->shard = shard;
    partition->key = description->key;
    partition->topic_name = mem_strdup(topic->name);
    partition->epoch = description->epoch;
    partition->opened_ns = clock_mono_ns();
    partition->quarantined = quarantine_has(shard->options.quarantine, description->key);
    partition->high_watermark = description->end_offset;
    log_tail_init(&partition->tail, &shard->cache, description->end_offset);
    list_init(&partition->watches);
    list_init(&partition->dirty);
    list_init(&partition->move);
    wait_queue_init(&partition->durable);
    mutex_init(&partition->producers_lock);
    mutex_init(&partition->load_lock);
    mutex_init(&partition->upkeep_lock);
    producer_states_init(&partition->producers);
    shard->options.limits_of(shard->options.limits_arg, topic->name, &partition->limits);
    return partition;
}

void
partition_shut(struct partition *partition)
{
    partition->closed = true;
    /* Someone may hold it only by waiting in one of these. */
    partition_hold(partition);
    wait_queue_wake_all(&partition->durable);
    partition_tell_watches(partition);
    partition_release(partition);
}

static void
shard_open_partition(struct shard *shard, const struct meta_topic *topic,
        const struct meta_partition *description)
{
    struct partition *partition = partition_new(shard, topic, description);
    map_insert(&shard->by_key, &partition->node, partition_hash(partition->key));
    list_push_back(&shard->partitions, &partition->link);
    shard->stats.partitions++;
    shard_tell_opened(shard, partition);
    handover_follow(shard, partition);
}

static void
shard_close_partition(struct shard *shard, struct partition *partition)
{
    partition->closed = true; /* before anybody is told */
    map_remove(&shard->by_key, &partition->node);
    list_remove(&partition->link);
    list_remove(&partition->dirty);
    list_remove(&partition->move);
    shard->stats.partitions--;
    shard->upload_bytes -= partition->upload_bytes;
    partition_hold(partition);
    partition_shut(partition);
    shard_tell_closed(shard, partition);
    partition_release(partition);
}

/* Q3: opened a second time in our own epoch, over what is in the WAL alone. Closed for that, it
 * would be forgotten there: the process ends instead, and recovery commits it. */
static void
shard_give_up_for(struct shard *shard, const struct partition *partition)
{
    MARK("shard: opened again over appends");
    LOG_ERROR("a partition was opened again over appends that are in no object: the broker ends "
              "for recovery",
            LOG_STR("topic", partition->topic_name), LOG_INT("partition", partition->key.index),
            LOG_INT("leader_epoch", partition->epoch),
            LOG_INT("from_offset", partition->tail.uploaded_offset));
    shard->upload_error = -ESTALE;
    shard->giving_up = true;
    wait_queue_wake_all(&shard->upload_done);
    wait_queue_wake_all(&shard->cache_room);
}

/* Opens or closes one partition so that it fits the metadata. */
static void
shard_follow_partition(struct shard *shard, const struct meta_topic *topic,
        const struct meta_partition *description)
{
    struct meta *meta = shard->options.meta;
    if (partition_reactor(description->key) != reactor_index()) {
        return;
    }
    bool ours = description->owner == meta_broker_id(meta) &&
                description->owner_broker_epoch == meta_broker_epoch(meta);
    struct partition *open = shard_find(shard, description->key);
    if (open && ours && open->epoch != description->epoch &&
            open->tail.uploaded_offset < open->tail.end_offset) {
        shard_give_up_for(shard, open);
        return;
    }
    if (open && (!ours || open->epoch != description->epoch)) {
        shard_close_partition(shard, open);
        shard_pay_debts(shard);
        open = NULL;
    }
    if (ours && !open) {
        shard_open_partition(shard, topic, description);
    }
}

static void
shard_close_topic(struct shard *shard, const struct uuid *topic_id)
{
    LIST_FOREACH_SAFE (link, &shard->partitions) {
        struct partition *partition = CONTAINER_OF(link, struct partition, link);
        if (uuid_equal(&partition->key.topic_id, topic_id)) {
            shard_close_partition(shard, partition);
        }
    }
    shard_pay_debts(shard);
}

static void
shard_follow_config(struct shard *shard, const struct meta_record *record)
{
    LIST_FOREACH (link, &shard->partitions) {
        struct partition *partition = CONTAINER_OF(link, struct partition, link);
        if (record->config.resource != META_RESOURCE_TOPIC ||
                bytes_equal(record->config.name, bytes_of_string(partition->topic_name))) {
            shard->options.limits_of(
                    shard->options.limits_arg, partition->topic_name, &partition->limits);
        }
    }
}

/* meta_listener_fn */
static void
shard_follow(void *arg, const struct meta_record *record, const struct meta_result *result,
        uint64_t sequence)
{
    struct shard *shard = arg;
    (void)sequence;
    if (result->error || shard->giving_up) {
        return;
    }
    followed_follow(shard, record);
    if (record->type == META_TOPIC_DELETE) {
        shard_close_topic(shard, &record->topic_delete.topic_id);
    } else if (record->type == META_CONFIG) {
        shard_follow_config(shard, record);
    } else if (record->type == META_OPEN || record->type == META_HANDOVER) {
        struct partition_key key =
                record->type == META_OPEN ? record->open.key : record->handover.key;
        const struct meta_state *state = meta_state(shard->options.meta);
        const struct meta_topic *topic = meta_topic_by_id(state, &key.topic_id);
        const struct meta_partition *description = meta_partition_find(state, key);
        CHECK(topic && description);
        shard_follow_partition(shard, topic, description);
    } else if (record->type == META_MOVE || record->type == META_BALANCE) {
        struct partition *partition = shard_find(
                shard, record->type == META_MOVE ? record->move.key : record->balance.key);
        if (partition) {
            handover_follow(shard, partition);
        }
    } else if (record->type == META_MERGE) {
        struct partition *partition = shard_find(shard, record->merge.key);
        if (partition) {
            partition_forget_manifest(partition);
        }
    }
}

static void
shard_open_all(struct shard *shard)
{
    const struct meta_state *state = meta_state(shard->options.meta);
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            shard_follow_partition(shard, t, &t->partitions[i]);
        }
    }
}

static int
shard_start_fibers(struct shard *shard)
{
    int r = fiber_spawn("upload", shard_upload_main, shard, &shard->upload_fiber);
    if (r == 0) {
        r = fiber_spawn("retention", shard_retention_main, shard, &shard->retention_fiber);
    }
    if (r == 0) {
        r = fiber_spawn("merge", shard_merge_main, shard, &shard->merge_fiber);
    }
    if (r == 0) {
        r = fiber_spawn("handover", shard_handover_main, shard, &shard->handover_fiber);
    }
    return r;
}

static void
shard_end_fiber(struct fiber **fiber)
{
    if (*fiber) {
        fiber_cancel(*fiber);
        fiber_join(TAKE_PTR(*fiber));
    }
}

struct partition_key *
shard_keys(const struct shard *shard, size_t *ret_count)
{
    size_t count = 0;
    struct partition_key *keys = mem_alloc_array(shard->stats.partitions + 1, sizeof *keys);
    LIST_FOREACH (link, &shard->partitions) {
        keys[count++] = CONTAINER_OF(link, const struct partition, link)->key;
    }
    *ret_count = count;
    return keys;
}

int
shard_new(const struct shard_options *options, struct shard **ret_shard)
{
    struct shard *shard = mem_alloc(sizeof *shard);
    shard->options = *options;
    map_init(&shard->by_key);
    map_init(&shard->followed_by_key);
    list_init(&shard->followed);
    list_init(&shard->partitions);
    list_init(&shard->listeners);
    list_init(&shard->dirty);
    list_init(&shard->moves);
    wait_queue_init(&shard->moves_wanted);
    log_cache_init(&shard->cache, options->log_cache_bytes, options->log_cache_uploaded_bytes);
    object_ids_init(&shard->ids, options->meta);
    object_ids_init(&shard->upkeep_ids, options->meta);
    mutex_init(&shard->append_lock);
    wait_queue_init(&shard->cache_room);
    wait_queue_init(&shard->upload_wanted);
    wait_queue_init(&shard->upload_done);
    wait_queue_init(&shard->retention_wanted);
    shard->debt_capacity = DEBTS_MIN;
    shard->debts = mem_alloc_array(shard->debt_capacity, sizeof(struct wal_debt));
    int r = shard_start_fibers(shard);
    if (r < 0) {
        shard_free(shard);
        return r;
    }
    meta_listen(options->meta, shard_follow, shard);
    shard_open_all(shard);
    *ret_shard = shard;
    return 0;
}

void
shard_free(struct shard *shard)
{
    meta_unlisten(shard->options.meta, shard_follow, shard);
    shard->stopping = true;
    shard->giving_up = true;
    wait_queue_wake_all(&shard->cache_room);
    wait_queue_wake_all(&shard->upload_wanted);
    shard_end_fiber(&shard->handover_fiber);
    shard_end_fiber(&shard->merge_fiber);
    shard_end_fiber(&shard->retention_fiber);
    shard_end_fiber(&shard->upload_fiber);
    while (shard->debt_count) {
        partition_release(shard->debts[shard->debt_first].partition);
        shard->debt_first = (shard->debt_first + 1) & (shard->debt_capacity - 1);
        shard->debt_count--;
    }
    LIST_FOREACH_SAFE (link, &shard->partitions) {
        shard_close_partition(shard, CONTAINER_OF(link, struct partition, link));
    }
    LIST_FOREACH_SAFE (link, &shard->followed) {
        followed_close(shard, CONTAINER_OF(link, struct partition, link));
    }
    map_done(&shard->followed_by_key);
    map_done(&shard->by_key);
    log_cache_done(&shard->cache);
    mem_free(shard->debts);
    mem_free(shard);
}

void
shard_add_debt(
        struct shard *shard, uint64_t sequence, struct partition *partition, int64_t end_offset)
{
    if (shard->debt_count == shard->debt_capacity) {
        struct wal_debt *grown = mem_alloc_array(shard->debt_capacity * 2, sizeof *grown);
        for (size_t i = 0; i < shard->debt_count; i++) {
            grown[i] = shard->debts[(shard->debt_first + i) & (shard->debt_capacity - 1)];
        }
        mem_free(shard->debts);
        shard->debts = grown;
        shard->debt_first = 0;
        shard->debt_capacity *= 2;
    }
    size_t at = (shard->debt_first + shard->debt_count++) & (shard->debt_capacity - 1);
    partition_hold(partition);
    shard->debts[at] = (struct wal_debt){ sequence, partition, end_offset };
}

void
shard_pay_debts(struct shard *shard)
{
    while (shard->debt_count) {
        struct wal_debt *debt = &shard->debts[shard->debt_first];
        /* What was deleted or given away needs no object from us any more. */
        if (!debt->partition->closed && !MUTANT(MUTANT_TRIM_EARLY) &&
                debt->partition->tail.uploaded_offset < debt->end_offset) {
            break;
        }
        partition_release(debt->partition);
        shard->debt_first = (shard->debt_first + 1) & (shard->debt_capacity - 1);
        shard->debt_count--;
    }
    uint64_t keep = shard->debt_count ? shard->debts[shard->debt_first].sequence
                                      : wal_next_sequence(shard->options.wal);
    wal_trim(shard->options.wal, keep);
}

int
shard_error(const struct shard *shard)
{
    int r = wal_error(shard->options.wal);
    return r < 0 ? r : shard->upload_error;
}

void
shard_stats_get(const struct shard *shard, struct shard_stats *ret_stats)
{
    *ret_stats = shard->stats;
    ret_stats->upload_lag_bytes = shard->cache.pinned_bytes;
    ret_stats->cache_bytes = shard->cache.bytes;
    LIST_FOREACH (link, &shard->moves) {
        ret_stats->moving++;
    }
}
