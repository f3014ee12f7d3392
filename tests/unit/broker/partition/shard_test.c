/* Appending, reading, uploading and recovering partitions on a real WAL and a store in memory. */
#include "base/crc.h"
#include "base/endian.h"
#include "base/mark.h"
#include "objectstore/faulty.h"
#include "partition/topics.h"
#include "reactor/clock.h"
#include "reactor/disk_fault.h"
#include "support_rig.h"
#include "unit/test.h"
#include "wire/record_batch.h"

#include <errno.h>

/* Q1 */
FIBER_TEST(batches_get_consecutive_offsets_and_are_read_back)
{
    struct rig rig;
    int64_t offset;
    ASSERT_OK(rig_new(&rig, "offsets"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 3), &offset), 0);
    ASSERT_EQ(offset, 0);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 2), &offset), 0);
    ASSERT_EQ(offset, 3);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 5);
    ASSERT_EQ(rig_count(&rig, rig.key, 4), 1);
    ASSERT_EQ(shard_find(rig.shard, rig.key)->high_watermark, 5);
    ASSERT_OK(rig_stop(&rig));
}

/* Q1: what is not durable is not visible. */
FIBER_TEST(a_batch_is_not_visible_before_it_is_durable)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "visible"));
    struct buf *batch = rig_batch(-1, -1, 1);
    struct partition_append append = {
        .key = rig.key, .owner = batch, .batches = batch->data, .size = batch->size
    };
    partition_append_begin(rig.shard, &append);
    ASSERT_EQ(append.error, 0);
    ASSERT_EQ(shard_find(rig.shard, rig.key)->high_watermark, 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 0);
    ASSERT_OK(partition_append_wait(rig.shard, &append));
    buf_unref(batch);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 1);
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(bad_batches_get_their_own_errors_and_change_nothing)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "bad"));
    struct buf *batch = rig_batch(-1, -1, 2);
    batch->data[batch->size - 1] ^= 1;
    ASSERT_EQ(rig_append(&rig, rig.key, batch, NULL), APPEND_CORRUPT);
    batch = rig_batch(-1, -1, 2);
    batch->data[16] = 1;
    ASSERT_EQ(rig_append(&rig, rig.key, batch, NULL), APPEND_INVALID_RECORD);
    struct partition_key other = rig.key;
    other.index = 99;
    ASSERT_EQ(rig_append(&rig, other, rig_batch(-1, -1, 2), NULL), APPEND_NOT_LEADER);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 1), NULL), 0);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 2, 1), NULL), APPEND_OUT_OF_ORDER_SEQUENCE);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 1);
    ASSERT_OK(rig_stop(&rig));
}

/* What comes behind a batch that was refused for want of a lease leaves a gap, and hears the same:
 * told of the gap, librdkafka sends all again under a new epoch. */
FIBER_TEST(a_gap_behind_a_refusal_is_no_gap)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "behind"));
    ASSERT_OK(rig_crash(&rig));
    rig.lease_ns = 2 * NS_PER_S;
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 1), NULL), 0);
    ASSERT_EQ(rig_append(&rig, rig.second, rig_batch(5, 0, 1), NULL), 0);
    ASSERT(rig_fault(&rig, "put:meta/lease*:503:ms=1") >= 0);
    ASSERT(EVENTUALLY(!meta_lease_is_valid(rig.meta)));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 1, 1), NULL), APPEND_NOT_LEADER);
    faulty_clear(rig.faults);
    ASSERT(EVENTUALLY(meta_lease_is_valid(rig.meta)));
    uint64_t behind = mark_count("append: a gap behind a refusal");
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 2, 1), NULL), APPEND_NOT_LEADER);
    ASSERT_EQ(mark_count("append: a gap behind a refusal"), behind + 1);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 1, 1), NULL), 0);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 2, 1), NULL), 0);
    /* Where nothing was refused a gap is one. */
    shard_find(rig.shard, rig.second)->opened_ns -= 31 * (uint64_t)NS_PER_S;
    ASSERT_EQ(rig_append(&rig, rig.second, rig_batch(5, 2, 1), NULL), APPEND_OUT_OF_ORDER_SEQUENCE);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 3);
    ASSERT_OK(rig_stop(&rig));
}

/* The first batch went to the leader before this one, and its connection ended. */
FIBER_TEST(a_gap_behind_a_move_is_no_gap)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "moved"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 1), NULL), 0);
    struct partition *partition = shard_find(rig.shard, rig.key);
    ASSERT_EQ(partition->epoch, 1);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 2, 1), NULL), APPEND_OUT_OF_ORDER_SEQUENCE);
    partition->epoch = 2;
    uint64_t behind = mark_count("append: a gap behind a move");
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 2, 1), NULL), APPEND_NOT_LEADER);
    ASSERT_EQ(mark_count("append: a gap behind a move"), behind + 1);
    partition->opened_ns -= 31 * (uint64_t)NS_PER_S;
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 2, 1), NULL), APPEND_OUT_OF_ORDER_SEQUENCE);
    partition->epoch = 1;
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 1, 1), NULL), 0);
    ASSERT_OK(rig_stop(&rig));
}

/* Q3 */
FIBER_TEST(the_wal_is_trimmed_only_by_an_upload)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "trim"));
    for (int i = 0; i < 10; i++) {
        ASSERT_EQ(rig_append(&rig, i % 2 ? rig.key : rig.second, rig_batch(-1, -1, 10), NULL), 0);
    }
    uint64_t used = wal_used(rig.wal);
    ASSERT(used > 0);
    ASSERT_OK(shard_flush(rig.shard));
    const struct meta_partition *description = meta_partition_find(meta_state(rig.meta), rig.key);
    ASSERT_EQ(description->end_offset, 50);
    ASSERT_EQ(description->range_count, 1);
    ASSERT(wal_used(rig.wal) < used);
    ASSERT_OK(rig_stop(&rig));
}

/* Q3: as in version 1 of the record. */
FIBER_TEST(a_partition_that_is_opened_again_over_appends_is_recovered)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "again"));
    const struct meta_record open = { .type = META_OPEN,
        .open = { rig.key, meta_broker_id(rig.meta), meta_broker_epoch(rig.meta), .again = true } };
    ASSERT_OK(rig_upload(&rig, rig.key, 2));
    ASSERT_OK(meta_propose_one(rig.meta, &open, NULL)); /* all of it is in objects: harmless */
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 2);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 3), NULL), 0);
    ASSERT_OK(shard_error(rig.shard));
    ASSERT_OK(meta_propose_one(rig.meta, &open, NULL));
    ASSERT_ERROR(shard_error(rig.shard), -ESTALE);
    ASSERT(mark_count("shard: opened again over appends") > 0);
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 5);
    ASSERT_OK(rig_stop(&rig));
}

/* A producer far ahead of the disk: more than an early upload's worth is appended before any of it
 * is durable. The upload fiber must wait for the WAL and not in its way. */
FIBER_TEST(an_upload_waits_for_what_is_not_durable_yet)
{
    struct rig rig;
    static struct partition_append appends[256];
    size_t count = 0;
    size_t bytes = 0;
    ASSERT_OK(rig_new(&rig, "ahead"));
    while (bytes < 5 << 20 && count < ARRAY_SIZE(appends)) {
        struct buf *batch = rig_batch(-1, -1, 5000);
        appends[count] = (struct partition_append){
            .key = rig.key, .owner = batch, .batches = batch->data, .size = batch->size
        };
        partition_append_begin(rig.shard, &appends[count]);
        ASSERT_EQ(appends[count++].error, 0);
        bytes += batch->size;
        buf_unref(batch);
    }
    ASSERT(bytes >= 5 << 20);
    for (size_t i = 0; i < count; i++) {
        ASSERT_OK(partition_append_wait(rig.shard, &appends[i]));
    }
    struct shard_stats stats = { 0 };
    for (int i = 0; i < 500 && stats.uploads == 0; i++) {
        ASSERT_OK(fiber_sleep_ns(10 * NS_PER_MS));
        shard_stats_get(rig.shard, &stats);
    }
    ASSERT_EQ(stats.uploads, 1);
    ASSERT_OK(rig_stop(&rig));
}

/* Q4, P1 */
FIBER_TEST(after_a_crash_everything_acknowledged_is_there_once)
{
    struct rig rig;
    int64_t offset;
    ASSERT_OK(rig_new(&rig, "crash"));
    for (int32_t s = 0; s < 20; s++) {
        ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, s, 1), NULL), 0);
        if (s == 9) {
            ASSERT_OK(shard_flush(rig.shard));
        }
    }
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig.recovered.records_committed, 10);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 20);
    /* The answer of the last one was lost: the producer sends it again. */
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 19, 1), &offset), 0);
    ASSERT_EQ(offset, 19);
    ASSERT(mark_count("append: duplicate batch") > 0);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 20, 1), &offset), 0);
    ASSERT_EQ(offset, 20);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 21);
    ASSERT_OK(rig_stop(&rig));
}

/* Q4: recovery after a crash in the middle of a recovery finds what it did. */
FIBER_TEST(a_second_crash_at_once_loses_nothing)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "twice"));
    for (int round = 1; round <= 4; round++) {
        ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 5), NULL), 0);
        ASSERT_OK(rig_crash(&rig));
        ASSERT_OK(rig_start(&rig));
        ASSERT_EQ(rig_count(&rig, rig.key, 0), 5 * round);
    }
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(after_a_clean_stop_the_bucket_alone_is_enough)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "bucket"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 7), NULL), 0);
    ASSERT_OK(rig_stop(&rig));
    rig.folder[strlen(rig.folder) - 1] = 'x'; /* another, empty WAL folder */
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig.recovered.wal.records, 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 7);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 7), NULL), 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 7);
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(offsets_are_found_by_time_in_objects_and_in_the_cache)
{
    struct rig rig;
    int64_t offset;
    int64_t timestamp;
    ASSERT_OK(rig_new(&rig, "time"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 5), NULL), 0);
    ASSERT_OK(shard_flush(rig.shard));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 8), NULL), 0);
    struct partition *partition = shard_find(rig.shard, rig.key);
    ASSERT_OK(partition_find_timestamp(rig.shard, partition, 1003, &offset, &timestamp));
    ASSERT_EQ(offset, 3);
    ASSERT_EQ(timestamp, 1003);
    ASSERT_OK(partition_find_timestamp(rig.shard, partition, 1006, &offset, &timestamp));
    ASSERT_EQ(offset, 11);
    ASSERT_ERROR(
            partition_find_timestamp(rig.shard, partition, 9999, &offset, &timestamp), -ENOENT);
    ASSERT_OK(partition_find_max_timestamp(rig.shard, partition, &offset, &timestamp));
    ASSERT_EQ(offset, 12);
    ASSERT_OK(rig_stop(&rig));
}

/* Q2 */
FIBER_TEST(a_broken_wal_refuses_nothing_it_answers_nothing)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "broken"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 1), NULL), 0);
    ASSERT_OK(disk_faults_setup("write::eio"));
    ASSERT_ERROR(rig_append(&rig, rig.key, rig_batch(5, 1, 1), NULL), -EIO);
    ASSERT_OK(disk_faults_setup(NULL));
    /* Not placed, a repetition of the one before, a gap. */
    ASSERT_ERROR(rig_append(&rig, rig.key, rig_batch(5, 2, 1), NULL), -EIO);
    ASSERT_ERROR(rig_append(&rig, rig.key, rig_batch(5, 1, 1), NULL), -EIO);
    ASSERT_ERROR(rig_append(&rig, rig.key, rig_batch(5, 7, 1), NULL), -EIO);
    ASSERT(mark_count("append: no answer once the wal is broken") > 0);
    ASSERT_ERROR(rig_crash(&rig), -EIO);
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 1, 1), NULL), 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 2);
    ASSERT_OK(rig_stop(&rig));
}

/* Nothing here has begun a transaction, so a client's transactional batch belongs to none. */
FIBER_TEST(a_transactional_batch_without_a_transaction_is_refused)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "transactional"));
    struct buf *batch = rig_batch(5, 0, 1);
    batch->data[22] |= RECORD_BATCH_TRANSACTIONAL;
    store_be32(batch->data + 17, crc32c(bytes_of(batch->data + 21, batch->size - 21)));
    ASSERT_EQ(rig_append(&rig, rig.key, batch, NULL), APPEND_NO_TRANSACTION);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 1), NULL), 0);
    ASSERT_OK(rig_stop(&rig));
}

struct hanging_append {
    struct rig *rig;
    int result;
};

static void
append_to_a_hanging_store(void *arg)
{
    struct hanging_append *append = arg;
    append->result = rig_append(append->rig, append->rig->key, rig_batch(5, 1, 1), NULL);
}

/* A store that is away while one partition's producers are read must not hold up the others. */
FIBER_TEST(producers_are_loaded_without_holding_up_other_partitions)
{
    struct rig rig;
    struct fiber *fiber;
    ASSERT_OK(rig_new(&rig, "hang"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 1), NULL), 0);
    ASSERT_OK(rig_stop(&rig));
    ASSERT_OK(rig_start(&rig));
    int rule = rig_fault(&rig, "get:data*:hang");
    struct hanging_append hanging = { &rig, 1 };
    ASSERT_OK(fiber_spawn("hanging", append_to_a_hanging_store, &hanging, &fiber));
    ASSERT_OK(fiber_yield());
    ASSERT_EQ(rig_append(&rig, rig.second, rig_batch(-1, -1, 1), NULL), 0);
    ASSERT(faulty_hits(rig.faults, rule) > 0);
    ASSERT_EQ(hanging.result, 1);
    fiber_cancel(fiber);
    fiber_join(fiber);
    ASSERT_ERROR(hanging.result, -ECANCELED);
    faulty_clear(rig.faults);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 1, 1), NULL), 0);
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(a_deleted_topic_refuses_and_frees_the_wal)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "delete"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 5), NULL), 0);
    struct meta_record record = { .type = META_TOPIC_DELETE, .topic_delete = { rig.key.topic_id } };
    struct meta_result result;
    ASSERT_OK(meta_propose_one(rig.meta, &record, &result));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 5), NULL), APPEND_NOT_LEADER);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), -ENOENT);
    ASSERT_OK(rig_stop(&rig));
}

struct witness {
    struct shard_listener listener;
    int opened;
    int closed;
};

static void
witness_opened(struct shard_listener *listener, struct partition *partition)
{
    struct witness *witness = CONTAINER_OF(listener, struct witness, listener);
    witness->opened += shard_find(partition->shard, partition->key) == partition;
}

static void
witness_closed(struct shard_listener *listener, struct partition *partition)
{
    struct witness *witness = CONTAINER_OF(listener, struct witness, listener);
    witness->closed += partition->closed && !shard_find(partition->shard, partition->key);
}

FIBER_TEST(who_listens_hears_of_partitions_that_open_and_close)
{
    struct rig rig;
    struct witness witness = { .listener = { .opened = witness_opened, .closed = witness_closed } };
    ASSERT_OK(rig_new(&rig, "listen"));
    shard_listen(rig.shard, &witness.listener);
    int open = witness.opened; /* of topic t: those of this reactor */
    ASSERT(open >= 2);
    struct meta_record record = {
        .type = META_OPEN,
        .open = { rig.key, 1, meta_broker_epoch(rig.meta), .again = true },
    };
    struct meta_result result;
    ASSERT_OK(meta_propose_one(rig.meta, &record, &result)); /* anew, one epoch later */
    ASSERT_EQ(witness.opened, open + 1);
    ASSERT_EQ(witness.closed, 1);
    record =
            (struct meta_record){ .type = META_TOPIC_DELETE, .topic_delete = { rig.key.topic_id } };
    ASSERT_OK(meta_propose_one(rig.meta, &record, &result));
    ASSERT_EQ(witness.closed, open + 1);
    shard_unlisten(&witness.listener);
    ASSERT_OK(rig_stop(&rig));
}
