/* Appending, reading, uploading and recovering partitions on a real WAL and a store in memory. */
#include "base/mark.h"
#include "partition/topics.h"
#include "reactor/clock.h"
#include "support_rig.h"
#include "unit/test.h"

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
    ASSERT_EQ(rig_append(&rig, rig.key, batch, NULL), APPEND_UNSUPPORTED_FORMAT);
    struct partition_key other = rig.key;
    other.index = 99;
    ASSERT_EQ(rig_append(&rig, other, rig_batch(-1, -1, 2), NULL), APPEND_NOT_LEADER);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 1), NULL), 0);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 2, 1), NULL), APPEND_OUT_OF_ORDER_SEQUENCE);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 1);
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
