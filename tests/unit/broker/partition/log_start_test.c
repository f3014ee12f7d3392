/* The log start: moved by hand and by retention, over restarts and failing stores. */
#include "base/mark.h"
#include "objectstore/faulty.h"
#include "partition/upkeep.h"
#include "reactor/clock.h"
#include "support_rig.h"
#include "unit/test.h"

#include <errno.h>

static struct partition *
open_partition(struct rig *rig)
{
    return shard_find(rig->shard, rig->key);
}

/* Q8 */
FIBER_TEST(a_log_start_hides_what_is_below_and_survives_a_crash)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "start"));
    ASSERT_OK(rig_upload(&rig, rig.key, 3));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 5), NULL), 0);
    struct partition *partition = open_partition(&rig);
    ASSERT_OK(partition_set_log_start(rig.shard, partition, 2));
    ASSERT_EQ(partition_log_start(partition), 2);
    ASSERT_EQ(rig_count(&rig, rig.key, 1), -ERANGE);
    ASSERT_EQ(rig_count(&rig, rig.key, 2), 6);
    ASSERT_EQ(rig_description(&rig, rig.key)->range_count, 1);
    /* Not committed yet: it is uploaded first. */
    ASSERT_OK(partition_set_log_start(rig.shard, partition, 6));
    ASSERT_EQ(rig_count(&rig, rig.key, 6), 2);
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(partition_log_start(open_partition(&rig)), 6);
    ASSERT_EQ(rig_count(&rig, rig.key, 5), -ERANGE);
    ASSERT_EQ(rig_count(&rig, rig.key, 6), 2);
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(a_silent_producer_is_forgotten_and_begins_anew)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "silent"));
    rig.limits.producer_expiration_ms = 1;
    ASSERT_OK(rig_stop(&rig));
    ASSERT_OK(rig_start(&rig));
    struct partition *partition = open_partition(&rig);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 4), NULL), 0);
    ASSERT_OK(partition_retain(rig.shard, partition));
    partition->opened_ns -= 31 * (uint64_t)NS_PER_S; /* long after the start */
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 9, 1), NULL), APPEND_OUT_OF_ORDER_SEQUENCE);
    ASSERT_OK(fiber_sleep_ns(2 * NS_PER_MS));
    ASSERT_OK(partition_retain(rig.shard, partition));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 9, 1), NULL), 0);
    ASSERT_OK(rig_stop(&rig));
}

/* Q8 */
FIBER_TEST(a_log_start_moves_up_only_and_not_beyond_the_end)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "monotone"));
    ASSERT_OK(rig_upload(&rig, rig.key, 3));
    struct partition *partition = open_partition(&rig);
    ASSERT_ERROR(partition_set_log_start(rig.shard, partition, 4), -ERANGE);
    ASSERT_ERROR(partition_set_log_start(rig.shard, partition, -1), -ERANGE);
    ASSERT_OK(partition_set_log_start(rig.shard, partition, 3));
    ASSERT_OK(partition_set_log_start(rig.shard, partition, 1));
    ASSERT_EQ(partition_log_start(partition), 3);
    ASSERT_EQ(rig_count(&rig, rig.key, 3), 0);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 2), NULL), 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 3), 2);
    ASSERT_OK(rig_stop(&rig));
}

/* Q8, P1: the ranges that go hold the only checkpoint. */
FIBER_TEST(a_log_start_at_the_end_keeps_the_state_of_producers)
{
    struct rig rig;
    int64_t offset;
    ASSERT_OK(rig_new(&rig, "producers"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 4), NULL), 0);
    ASSERT_OK(shard_flush(rig.shard));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 1), NULL), 0);
    ASSERT_OK(partition_set_log_start(rig.shard, open_partition(&rig), 5));
    ASSERT(mark_count("log start: a manifest takes the checkpoint over") > 0);
    ASSERT_EQ(rig_description(&rig, rig.key)->range_count, 0);
    ASSERT(rig_description(&rig, rig.key)->manifest_id != 0);
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 4), &offset), 0);
    ASSERT_EQ(offset, 0); /* a duplicate */
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 4, 1), &offset), 0);
    ASSERT_EQ(offset, 5);
    ASSERT_OK(rig_stop(&rig));
}

/* Q8, P1: the batch is durable but in no object yet. */
FIBER_TEST(a_log_start_above_what_is_uploaded_keeps_the_state_of_producers)
{
    struct rig rig;
    int64_t offset;
    ASSERT_OK(rig_new(&rig, "above"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 4), NULL), 0);
    ASSERT_OK(partition_set_log_start(rig.shard, open_partition(&rig), 4));
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 4), &offset), 0);
    ASSERT_EQ(offset, 0); /* a duplicate */
    ASSERT_OK(rig_stop(&rig));
}

/* Q6: the manifest's PUT fails; the log start stays, and the next try moves it. */
FIBER_TEST(a_log_start_that_failed_can_be_asked_for_again)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "again"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 4), NULL), 0);
    ASSERT_OK(shard_flush(rig.shard));
    ASSERT(rig_fault(&rig, "get:data*:denied") >= 0);
    ASSERT(partition_set_log_start(rig.shard, open_partition(&rig), 4) < 0);
    ASSERT_EQ(partition_log_start(open_partition(&rig)), 0);
    faulty_clear(rig.faults);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 4);
    ASSERT_OK(partition_set_log_start(rig.shard, open_partition(&rig), 4));
    ASSERT_EQ(partition_log_start(open_partition(&rig)), 4);
    ASSERT_OK(rig_stop(&rig));
}

/* Q9: a successor has opened the partition; our opening is closed by then, and what was under way
 * is refused. */
FIBER_TEST(a_fenced_owner_moves_no_log_start)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "fenced"));
    ASSERT_OK(rig_upload(&rig, rig.key, 2));
    struct partition *partition = open_partition(&rig);
    partition_hold(partition);
    struct meta_record record = { .type = META_OPEN,
        .open = { rig.key, 1, meta_broker_epoch(rig.meta), .again = true } };
    struct meta_result result;
    ASSERT_OK(meta_propose_one(rig.meta, &record, &result));
    ASSERT_ERROR(partition_set_log_start(rig.shard, partition, 1), -ENOENT);
    partition_release(partition);
    ASSERT_EQ(partition_log_start(open_partition(&rig)), 0);
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(a_look_up_by_time_begins_at_the_log_start)
{
    struct rig rig;
    int64_t offset;
    int64_t timestamp;
    ASSERT_OK(rig_new(&rig, "look-up"));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 5), NULL), 0);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 9), NULL), 0);
    struct partition *partition = open_partition(&rig);
    ASSERT_OK(partition_set_log_start(rig.shard, partition, 3));
    for (int i = 0; i < 2; i++) {
        ASSERT_OK(partition_find_timestamp(rig.shard, partition, 0, &offset, &timestamp));
        ASSERT(mark_count("offsets: the record found is below the log start") > 0);
        ASSERT_EQ(offset, 3);
        ASSERT_EQ(timestamp, 1003);
        ASSERT_OK(partition_find_timestamp(rig.shard, partition, 1004, &offset, &timestamp));
        ASSERT_EQ(offset, 4);
        ASSERT_OK(partition_find_timestamp(rig.shard, partition, 1007, &offset, &timestamp));
        ASSERT_EQ(offset, 12);
        ASSERT_OK(rig_crash(&rig));
        ASSERT_OK(rig_start(&rig));
        partition = open_partition(&rig);
    }
    ASSERT_OK(partition_set_log_start(rig.shard, partition, 8));
    ASSERT_OK(partition_find_timestamp(rig.shard, partition, 1001, &offset, &timestamp));
    ASSERT_EQ(offset, 8);
    ASSERT_EQ(timestamp, 1003);
    ASSERT_OK(rig_stop(&rig));
}

/* Timestamps of rig_batch are 1000 and some: long ago. */
FIBER_TEST(retention_by_time_drops_what_is_too_old)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "by-time"));
    ASSERT_OK(rig_upload(&rig, rig.key, 3));
    struct partition *partition = open_partition(&rig);
    partition->limits.retention_ms = 3600000;
    ASSERT_OK(partition_retain(rig.shard, partition));
    ASSERT_EQ(partition_log_start(partition), 0); /* cleanup.policy=compact alone */
    partition->limits.deleted = true;
    partition->limits.retention_ms = clock_wall_ms();
    ASSERT_OK(partition_retain(rig.shard, partition));
    ASSERT_EQ(partition_log_start(partition), 0);
    partition->limits.retention_ms = 3600000;
    ASSERT_OK(partition_retain(rig.shard, partition));
    ASSERT_EQ(partition_log_start(partition), 3);
    ASSERT_EQ(rig_description(&rig, rig.key)->range_count, 0);
    ASSERT_EQ(meta_garbage_list(meta_state(rig.meta), NULL, 0), 3);
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(retention_by_size_keeps_at_least_so_many_bytes)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "by-size"));
    ASSERT_OK(rig_upload(&rig, rig.key, 10));
    struct partition *partition = open_partition(&rig);
    partition->limits.deleted = true;
    int64_t size = (int64_t)rig_description(&rig, rig.key)->ranges[9].size;
    partition->limits.retention_bytes = 3 * size + 1;
    ASSERT_OK(partition_retain(rig.shard, partition));
    ASSERT_EQ(partition_log_start(partition), 6);
    partition->limits.retention_bytes = 0;
    ASSERT_OK(partition_retain(rig.shard, partition));
    ASSERT_EQ(partition_log_start(partition), 10);
    ASSERT_OK(rig_stop(&rig));
}
