/* The upload fiber of a shard: gathers what is durable and not yet in the bucket from all
 * partitions, writes one object, commits it, and only then lets the WAL and the cache go of it
 * (Q3). Sleeps while nothing is dirty. */
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "partition/shard_internal.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"
#include "reactor/random.h"

#include <errno.h>

#define UPLOAD_TIMEOUT_NS (60ull * NS_PER_S)
#define DRAIN_LOOK_NS (1 * (uint64_t)NS_PER_MS)
#define UPLOAD_PAUSE_MIN_NS (100ull * NS_PER_MS)
#define UPLOAD_PAUSE_MAX_NS (5ull * NS_PER_S)
#define CHECKPOINT_SIZE_MAX (64 * MIB)

/* One partition's part of a round. */
struct upload_part {
    struct partition *partition; /* held */
    int64_t end_offset;
    struct slices slices;
};

struct upload_round {
    struct object_builder *builder;
    struct upload_part *parts;
    size_t count;
    size_t capacity;
    uint64_t object_id;
};

static void
round_done(struct upload_round *round)
{
    for (size_t i = 0; i < round->count; i++) {
        slices_done(&round->parts[i].slices);
        partition_release(round->parts[i].partition);
    }
    mem_free(round->parts);
    object_builder_free(round->builder);
    *round = (struct upload_round){ 0 };
}

void
shard_mark_dirty(struct shard *shard, struct partition *partition)
{
    bool first = list_is_empty(&shard->dirty);
    if (list_is_empty(&partition->dirty)) {
        list_push_back(&shard->dirty, &partition->dirty);
    }
    if (first) {
        shard->dirty_since_ns = clock_mono_coarse_ns();
        wait_queue_wake_all(&shard->upload_wanted);
    }
}

/* Enough to begin early, or appends wait for room. Goes by what an upload can take, which is what
 * is durable: what is pinned may all be on its way into the WAL still, and an upload fiber that
 * went by that would spin and starve the WAL. */
static bool
upload_is_pressing(const struct shard *shard)
{
    return shard->upload_bytes >= (int64_t)shard->options.upload_bytes ||
           log_cache_is_full(&shard->cache);
}

void
shard_count_upload(struct shard *shard, struct partition *partition, int64_t bytes)
{
    if (partition->closed) {
        return;
    }
    partition->upload_bytes += bytes;
    shard->upload_bytes += bytes;
    if (upload_is_pressing(shard)) {
        wait_queue_wake_all(&shard->upload_wanted);
    }
}

static struct upload_part *
round_add_part(struct upload_round *round, struct partition *partition)
{
    if (round->count == round->capacity) {
        round->capacity = round->capacity ? round->capacity * 2 : 16;
        round->parts = mem_realloc(round->parts, round->capacity * sizeof *round->parts);
    }
    struct upload_part *part = &round->parts[round->count++];
    *part = (struct upload_part){ .partition = partition };
    slices_init(&part->slices);
    partition_hold(partition);
    return part;
}

/* Adds what the partition has to the object. */
static int
round_add(struct upload_round *round, struct partition *partition, size_t max_bytes)
{
    int64_t base = partition->tail.uploaded_offset;
    if (base >= partition->high_watermark) {
        return 0;
    }
    struct upload_part *part = round_add_part(round, partition);
    part->end_offset = log_tail_take_upload(
            &partition->tail, partition->high_watermark, max_bytes, &part->slices);
    CHECK(part->end_offset > base);
    struct strbuf checkpoint;
    strbuf_init(&checkpoint, CHECKPOINT_SIZE_MAX);
    if (partition->producers.changed) {
        producer_states_encode(&partition->producers, part->end_offset, &checkpoint);
    }
    struct object_run run = {
        .key = partition->key,
        .leader_epoch = partition->epoch,
        .base_offset = base,
        .end_offset = part->end_offset,
        .batches = part->slices.items,
        .batch_count = part->slices.count,
        .checkpoint = strbuf_bytes(&checkpoint),
    };
    int r = object_builder_add(round->builder, &run);
    strbuf_done(&checkpoint);
    if (r < 0) {
        slices_done(&part->slices);
        partition_release(partition);
        round->count--;
    }
    return r;
}

/* The last part may go beyond object_size_max by one batch and one checkpoint: far below what an
 * object can hold. */
static bool
round_is_full(const struct upload_round *round, uint64_t size, const struct shard *shard)
{
    return round->count == STORE_OBJECT_RUNS_MAX ||
           (round->count && size >= shard->options.object_size_max);
}

/* Fills the round from the dirty partitions; those that do not fit stay dirty. */
static int
round_gather(struct upload_round *round, struct shard *shard)
{
    struct meta *meta = shard->options.meta;
    round->builder =
            object_builder_new(round->object_id, meta_broker_id(meta), meta_broker_epoch(meta));
    LIST_FOREACH (link, &shard->dirty) {
        struct partition *partition = CONTAINER_OF(link, struct partition, dirty);
        uint64_t size = object_builder_size(round->builder);
        if (round_is_full(round, size, shard)) {
            MARK("upload: object is full");
            break;
        }
        int r = round_add(round, partition,
                shard->options.object_size_max - MIN(size, shard->options.object_size_max));
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int
round_commit(struct upload_round *round, struct shard *shard, const struct store_range *ranges)
{
    struct meta_commit_range *commit = mem_alloc_array(round->count, sizeof *commit);
    for (size_t i = 0; i < round->count; i++) {
        commit[i] = (struct meta_commit_range){ round->parts[i].partition->key, ranges[i] };
    }
    struct meta_record record = {
        .type = META_COMMIT,
        .commit = {
            .broker_id = meta_broker_id(shard->options.meta),
            .broker_epoch = meta_broker_epoch(shard->options.meta),
            .object_id = round->object_id,
            .object_size = object_builder_size(round->builder),
            .ranges = commit,
            .range_count = (int32_t)round->count,
        },
    };
    struct meta_result result;
    crash_point("upload: object written");
    int r = meta_propose_one(shard->options.meta, &record, &result);
    mem_free(commit);
    return r;
}

/* O4, Q3: the object is committed. */
static void
round_finish(struct upload_round *round, struct shard *shard)
{
    crash_point("upload: object committed");
    for (size_t i = 0; i < round->count; i++) {
        struct partition *partition = round->parts[i].partition;
        if (partition->closed) {
            continue;
        }
        log_tail_uploaded(&partition->tail, round->parts[i].end_offset);
        shard_count_upload(shard, partition, -(int64_t)round->parts[i].slices.bytes);
        list_remove(&partition->dirty);
        if (partition->tail.uploaded_offset < partition->tail.end_offset) {
            list_push_back(&shard->dirty, &partition->dirty);
        }
    }
    shard->dirty_since_ns = clock_mono_coarse_ns();
    shard_pay_debts(shard);
    wait_queue_wake_all(&shard->cache_room);
    shard->stats.uploads++;
}

/* G3 of meta/orphans.h. -ESTALE: fenced, there will be no lease any more. */
static int
lease_wait(const struct meta *meta)
{
    int r = 0;
    while (r == 0 && !meta_lease_is_valid(meta)) {
        if (meta_is_fenced(meta)) {
            return fault(-ESTALE, "upload: this broker may not write any more");
        }
        MARK("upload: waits for a lease");
        r = fiber_sleep_ns(UPLOAD_PAUSE_MIN_NS);
    }
    return r;
}

/* Writes the object, again and again with the same bytes while the store is away. */
static int
round_write(struct upload_round *round, struct shard *shard, const struct store_range **ret_ranges)
{
    uint64_t pause = UPLOAD_PAUSE_MIN_NS;
    for (;;) {
        size_t count;
        int r = lease_wait(shard->options.meta);
        if (r < 0) {
            return r;
        }
        r = store_write_object(shard->options.store, round->builder,
                clock_mono_ns() + UPLOAD_TIMEOUT_NS, ret_ranges, &count);
        if (r == 0 || r == -ECANCELED) {
            CHECK(r < 0 || count == round->count);
            return r;
        }
        shard->stats.upload_failures++;
        LOG_WARN("upload failed, will be repeated", LOG_INT("object", round->object_id),
                LOG_INT("bytes", object_builder_size(round->builder)), LOG_FAULT(r));
        r = fiber_sleep_ns(pause + random_below(pause));
        if (r < 0) {
            return r;
        }
        pause = MIN(pause * 2, UPLOAD_PAUSE_MAX_NS);
    }
}

/* 0: a round was committed or there was nothing to do. What the metadata refuses it would refuse
 * again: all that this round has is in the WAL, for recovery. */
static int
upload_once(struct shard *shard)
{
    CLEANUP(round_done) struct upload_round round = { 0 };
    const struct store_range *ranges;
    int r = object_ids_take(&shard->ids, &round.object_id);
    if (r < 0) {
        return r;
    }
    r = round_gather(&round, shard);
    if (r < 0 || round.count == 0) {
        shard->ids.next--;
        shard->ids.left++;
        return r;
    }
    r = round_write(&round, shard, &ranges);
    if (r < 0) {
        return r;
    }
    r = round_commit(&round, shard, ranges);
    if (r == 0) {
        round_finish(&round, shard);
    }
    return r;
}

static bool
something_is_durable(const struct shard *shard)
{
    LIST_FOREACH (link, &shard->dirty) {
        const struct partition *partition = CONTAINER_OF(link, struct partition, dirty);
        if (partition->tail.uploaded_offset < partition->high_watermark) {
            return true;
        }
    }
    return false;
}

/* Waits until an upload is due. -ECANCELED. */
static int
upload_wait(struct shard *shard)
{
    for (;;) {
        bool asked = shard->upload_requests > shard->uploads_finished;
        bool dirty = !list_is_empty(&shard->dirty);
        uint64_t due =
                dirty ? shard->dirty_since_ns + shard->options.upload_interval_ns : DEADLINE_NONE;
        if (asked || (upload_is_pressing(shard) && something_is_durable(shard)) ||
                clock_mono_ns() >= due) {
            return 0;
        }
        int r = wait_queue_wait(&shard->upload_wanted, due);
        if (r < 0 && r != -ETIMEDOUT) {
            return r;
        }
    }
}

void
shard_upload_main(void *arg)
{
    struct shard *shard = arg;
    int r = 0;
    while (!shard->giving_up && (r = upload_wait(shard)) == 0) {
        uint64_t covers = shard->upload_requests;
        do {
            r = upload_once(shard);
        } while (r == 0 && covers > shard->uploads_finished && something_is_durable(shard));
        if (r < 0) {
            break;
        }
        shard->uploads_finished = MAX(covers, shard->uploads_finished);
        wait_queue_wake_all(&shard->upload_done);
        if (list_is_empty(&shard->dirty) || something_is_durable(shard)) {
            continue;
        }
        shard->dirty_since_ns = clock_mono_ns();
    }
    if (r < 0 && r != -ECANCELED) {
        LOG_ERROR("uploads have stopped", LOG_FAULT(r));
    }
    shard->upload_error = r < 0 ? r : -ESHUTDOWN;
    shard->giving_up = true;
    wait_queue_wake_all(&shard->upload_done);
    wait_queue_wake_all(&shard->cache_room);
}

int
shard_flush(struct shard *shard)
{
    uint64_t wanted = ++shard->upload_requests;
    wait_queue_wake_all(&shard->upload_wanted);
    while (shard->uploads_finished < wanted) {
        if (shard->upload_error < 0) {
            return shard->upload_error;
        }
        int r = wait_queue_wait(&shard->upload_done, DEADLINE_NONE);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int
shard_drain(struct shard *shard)
{
    shard->stopping = true;
    wait_queue_wake_all(&shard->cache_room);
    /* Whoever has the lock is in line already; after it nobody gets in. */
    int r = mutex_lock(&shard->append_lock);
    if (r < 0) {
        return r;
    }
    mutex_unlock(&shard->append_lock);
    for (;;) {
        r = shard_flush(shard);
        if (r < 0 || list_is_empty(&shard->dirty)) {
            break;
        }
        /* What is left is on its way into the WAL, which may take as long as its store does, or
         * never ends there. */
        MARK("drain: waits for the WAL");
        r = wal_error(shard->options.wal);
        if (r < 0 || (!something_is_durable(shard) && fiber_sleep_ns(DRAIN_LOOK_NS) < 0)) {
            break;
        }
    }
    if (r == 0 && shard->debt_count) {
        return fault(
                -EIO, "drain: %zu records of the wal are not in the bucket", shard->debt_count);
    }
    return r;
}
