/* Merges of small ranges: what readers, crashes, failing stores and successors see of them. */
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

static int
merge(struct rig *rig)
{
    return partition_merge(rig->shard, open_partition(rig));
}

/* What is read comes from the objects. */
static int
restart(struct rig *rig)
{
    int r = rig_crash(rig);
    return r < 0 ? r : rig_start(rig);
}

/* Q5, Q7 */
FIBER_TEST(merged_ranges_hold_the_same_records_also_after_a_restart)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "merge"));
    ASSERT_OK(rig_upload(&rig, rig.key, 7));
    ASSERT_EQ(merge(&rig), 0); /* not worth it */
    ASSERT_OK(rig_upload(&rig, rig.key, 13));
    ASSERT_EQ(rig_description(&rig, rig.key)->range_count, 20);
    ASSERT_EQ(merge(&rig), 1);
    ASSERT_EQ(rig_description(&rig, rig.key)->range_count, 0);
    ASSERT_EQ(rig_description(&rig, rig.key)->manifest_end_offset, 20);
    ASSERT_EQ(meta_garbage_list(meta_state(rig.meta), NULL, 0), 20);
    ASSERT_OK(rig_upload(&rig, rig.key, 3));
    ASSERT_OK(restart(&rig));
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 23);
    ASSERT_EQ(rig_count(&rig, rig.key, 11), 12);
    struct layout layout;
    ASSERT_OK(layout_load(rig.shard, open_partition(&rig), &layout));
    ASSERT_EQ(layout.manifest_count, 1);
    ASSERT_EQ(layout.count, 4);
    layout_done(&layout);
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(a_thousand_small_uploads_leave_a_handful_of_ranges)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "many"));
    uint64_t copied = 0;
    for (int i = 0; i < 125; i++) {
        ASSERT_OK(rig_upload(&rig, rig.key, 8));
        ASSERT_EQ(merge(&rig), 1);
    }
    struct layout layout;
    struct shard_stats stats;
    ASSERT_OK(layout_load(rig.shard, open_partition(&rig), &layout));
    ASSERT(layout.count <= 8);
    layout_done(&layout);
    shard_stats_get(rig.shard, &stats);
    copied = stats.merged_bytes;
    ASSERT_OK(restart(&rig));
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 1000);
    /* Each record was copied a few times, not a hundred. */
    ASSERT(copied < 1000 * 200 * 12);
    ASSERT_OK(rig_stop(&rig));
}

/* Q5: each object of the pass is written, then the next step fails; then the process dies. What was
 * written is an orphan, the partition is as before. */
FIBER_TEST(a_crash_between_the_steps_of_a_merge_changes_nothing)
{
    static const char *const faults[] = {
        "put:data*:denied",        /* nothing is written */
        "put:data*:denied:skip=1", /* the merged object is, the manifest is not */
    };
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        struct rig rig;
        ASSERT_OK(rig_new(&rig, "steps"));
        rig.garbage_delay_ns = NS_PER_MS;
        ASSERT_OK(rig_upload(&rig, rig.key, 12));
        ASSERT(rig_fault(&rig, faults[i]) >= 0);
        ASSERT(merge(&rig) < 0);
        faulty_clear(rig.faults);
        ASSERT_EQ(rig_description(&rig, rig.key)->range_count, 12);
        ASSERT_EQ(meta_garbage_list(meta_state(rig.meta), NULL, 0), 0);
        ASSERT_EQ(rig_count(&rig, rig.key, 0), 12);
        ASSERT_OK(restart(&rig));
        ASSERT_OK(fiber_sleep_ns(50 * NS_PER_MS)); /* the orphans go */
        ASSERT_EQ(rig_count(&rig, rig.key, 0), 12);
        ASSERT_EQ(merge(&rig), 1);
        ASSERT_OK(fiber_sleep_ns(50 * NS_PER_MS)); /* the merged ranges go */
        ASSERT_OK(restart(&rig));
        ASSERT_EQ(rig_count(&rig, rig.key, 0), 12);
        ASSERT_OK(rig_stop(&rig));
    }
}

/* Q5, O2: nothing is left in the bucket but the manifest and what it names. */
FIBER_TEST(what_merges_replace_leaves_the_bucket)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "leaves"));
    rig.garbage_delay_ns = NS_PER_MS;
    ASSERT_OK(restart(&rig));
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(rig_upload(&rig, rig.key, 8));
        ASSERT_EQ(merge(&rig), 1);
    }
    struct layout layout;
    ASSERT_OK(layout_load(rig.shard, open_partition(&rig), &layout));
    int64_t named = 1 + (int64_t)layout.manifest_count;
    layout_done(&layout);
    for (int i = 0; i < 100 && rig_objects(&rig) > named; i++) {
        ASSERT_OK(fiber_sleep_ns(10 * NS_PER_MS));
    }
    ASSERT_EQ(rig_objects(&rig), named);
    ASSERT_OK(partition_set_log_start(rig.shard, open_partition(&rig), 32));
    ASSERT_OK(partition_retain(rig.shard, open_partition(&rig)));
    for (int i = 0; i < 100 && rig_objects(&rig) > 0; i++) {
        ASSERT_OK(fiber_sleep_ns(10 * NS_PER_MS));
    }
    ASSERT_EQ(rig_objects(&rig), 0);
    ASSERT_OK(rig_stop(&rig));
}

/* Q5: the record is in the log, the process dies before it looks. */
FIBER_TEST(a_crash_after_the_commit_of_a_merge_keeps_it)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "committed"));
    rig.garbage_delay_ns = NS_PER_MS;
    ASSERT_OK(restart(&rig));
    ASSERT_OK(rig_upload(&rig, rig.key, 12));
    ASSERT_EQ(merge(&rig), 1);
    ASSERT_OK(restart(&rig));
    ASSERT_OK(fiber_sleep_ns(50 * NS_PER_MS));
    ASSERT_EQ(meta_garbage_list(meta_state(rig.meta), NULL, 0), 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 12);
    ASSERT_OK(rig_stop(&rig));
}

/* Q6 */
FIBER_TEST(lost_and_late_answers_of_the_store_lose_nothing)
{
    static const char *const faults[] = { "put:data*:lost:n=2", "put:data*:late:n=2:ms=20",
        "put:meta/log*:lost:n=1", "get:data*:503:n=3:ms=1", "put+get:*:500:p=0.2" };
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        struct rig rig;
        ASSERT_OK(rig_new(&rig, "lost"));
        ASSERT_OK(rig_upload(&rig, rig.key, 12));
        ASSERT(rig_fault(&rig, faults[i]) >= 0);
        int r = merge(&rig);
        ASSERT(r == 1 || r < 0);
        faulty_clear(rig.faults);
        ASSERT_EQ(rig_count(&rig, rig.key, 0), 12);
        ASSERT_OK(restart(&rig));
        ASSERT_EQ(rig_count(&rig, rig.key, 0), 12);
        ASSERT_OK(rig_stop(&rig));
    }
}

/* Q9: somebody else opens the partition while our merge is under way. */
FIBER_TEST(the_merge_of_a_fenced_owner_is_refused)
{
    struct rig rig;
    struct layout layout;
    ASSERT_OK(rig_new(&rig, "fenced-merge"));
    ASSERT_OK(rig_upload(&rig, rig.key, 10));
    struct partition *partition = open_partition(&rig);
    partition_hold(partition);
    ASSERT_OK(layout_load(rig.shard, partition, &layout));
    struct meta_record record = { .type = META_OPEN,
        .open = { rig.key, 1, meta_broker_epoch(rig.meta), .again = true } };
    struct meta_result result;
    ASSERT_OK(meta_propose_one(rig.meta, &record, &result));
    struct layout_change change = { layout.ranges, 5, layout.ranges[4].end_offset, 0 };
    ASSERT_ERROR(layout_commit(rig.shard, partition, &layout, &change), -ESTALE);
    layout_done(&layout);
    partition_release(partition);
    ASSERT_EQ(rig_description(&rig, rig.key)->range_count, 10);
    ASSERT_EQ(rig_description(&rig, rig.key)->manifest_id, 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 10);
    ASSERT_OK(rig_stop(&rig));
}

/* P1, Q8: the checkpoints of the merged ranges are in the manifest. */
FIBER_TEST(producers_are_known_after_a_merge_and_a_restart)
{
    struct rig rig;
    int64_t offset;
    ASSERT_OK(rig_new(&rig, "known"));
    for (int32_t s = 0; s < 6; s++) {
        ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(7, s, 1), NULL), 0);
        ASSERT_OK(shard_flush(rig.shard));
    }
    ASSERT_OK(rig_upload(&rig, rig.key, 4));
    ASSERT_EQ(merge(&rig), 1);
    ASSERT_OK(restart(&rig));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(7, 5, 1), &offset), 0);
    ASSERT_EQ(offset, 5);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(7, 6, 1), &offset), 0);
    ASSERT_EQ(offset, 10);
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(retention_trims_the_manifest_after_merges)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "trimmed"));
    struct partition *partition = open_partition(&rig);
    partition->limits.deleted = true;
    partition->limits.retention_ms = 8000; /* groups of one second */
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(rig_upload(&rig, rig.key, 8));
        ASSERT_EQ(merge(&rig), 1);
    }
    struct layout layout;
    partition->limits.retention_ms = -1;
    ASSERT_OK(partition_set_log_start(rig.shard, partition, 24));
    ASSERT_OK(partition_retain(rig.shard, partition));
    ASSERT(mark_count("retention: a manifest is trimmed") > 0);
    ASSERT_OK(layout_load(rig.shard, partition, &layout));
    ASSERT_EQ(layout.count, 0);
    layout_done(&layout);
    ASSERT_EQ(rig_count(&rig, rig.key, 24), 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 23), -ERANGE);
    ASSERT_OK(rig_upload(&rig, rig.key, 9));
    ASSERT_EQ(merge(&rig), 1);
    ASSERT_OK(restart(&rig));
    ASSERT_EQ(rig_count(&rig, rig.key, 24), 9);
    ASSERT_OK(rig_stop(&rig));
}

/* A log start in the middle of a batch, then a merge: the batch stays whole. */
FIBER_TEST(a_merge_leaves_out_what_is_below_the_log_start)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "below"));
    for (int i = 0; i < 10; i++) {
        ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 4), NULL), 0);
        ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 4), NULL), 0);
        ASSERT_OK(shard_flush(rig.shard));
    }
    ASSERT_OK(partition_set_log_start(rig.shard, open_partition(&rig), 6));
    ASSERT_EQ(merge(&rig), 1);
    struct layout layout;
    ASSERT_OK(layout_load(rig.shard, open_partition(&rig), &layout));
    ASSERT_EQ(layout.ranges[0].base_offset, 4);
    layout_done(&layout);
    ASSERT_OK(restart(&rig));
    ASSERT_EQ(rig_count(&rig, rig.key, 6), 74);
    ASSERT_EQ(rig_count(&rig, rig.key, 5), -ERANGE);
    ASSERT_OK(rig_stop(&rig));
}

struct reading {
    struct rig *rig;
    int64_t offset;
    int64_t count;
    bool by_time;
    int result;
};

static int
read_main(void *arg)
{
    struct reading *reading = arg;
    struct rig *rig = reading->rig;
    int64_t timestamp;
    if (reading->by_time) {
        reading->result = partition_find_timestamp(
                rig->shard, open_partition(rig), 1000, &reading->offset, &timestamp);
    } else {
        reading->count = rig_count(rig, rig->key, reading->offset);
    }
    return 0;
}

/* Until a GET of the reader is under way. */
static int
wait_for_hit(const struct rig *rig, int rule)
{
    int r = 0;
    while (r == 0 && faulty_hits(rig->faults, rule) == 0) {
        r = fiber_sleep_ns(NS_PER_MS);
    }
    return r;
}

static int
wait_for_garbage(const struct rig *rig)
{
    int r = 0;
    while (r == 0 && meta_garbage_list(meta_state(rig->meta), NULL, 0) > 0) {
        r = fiber_sleep_ns(NS_PER_MS);
    }
    return r;
}

/* One reader whose first GET is held until a merge has replaced the object and it is gone. */
static int
read_during_merge(struct rig *rig, struct reading *reading)
{
    struct fiber_group group;
    int rule = rig_fault(rig, "get:data*:held:n=1");
    fiber_group_init(&group);
    fiber_group_spawn(&group, "reader", read_main, reading);
    int r = rule < 0 ? rule : wait_for_hit(rig, rule);
    if (r == 0) {
        r = merge(rig);
    }
    if (r == 1) { /* merged */
        r = wait_for_garbage(rig);
    }
    faulty_clear(rig->faults);
    int joined = fiber_group_wait(&group);
    return r < 0 ? r : joined;
}

/* Q7 */
FIBER_TEST(a_reader_whose_object_goes_away_finds_its_successor)
{
    const char *marks[] = { "read: object replaced during the read",
        "offsets: object replaced during the look-up" };
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
        struct rig rig;
        ASSERT_OK(rig_new(&rig, "replaced"));
        rig.garbage_delay_ns = NS_PER_MS;
        ASSERT_OK(rig_upload(&rig, rig.key, 10));
        ASSERT_OK(restart(&rig));
        struct reading reading = { .rig = &rig, .by_time = i == 1 };
        ASSERT_OK(read_during_merge(&rig, &reading));
        ASSERT_EQ(reading.by_time ? reading.result : reading.count, reading.by_time ? 0 : 10);
        ASSERT(mark_count(marks[i]) > 0);
        ASSERT_OK(rig_stop(&rig));
    }
}

/* Q7: everything that the reader looks for goes while it waits for the manifest. */
FIBER_TEST(a_reader_that_the_log_start_passes_is_told)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "passed"));
    ASSERT_OK(rig_upload(&rig, rig.key, 10));
    ASSERT_EQ(merge(&rig), 1);
    ASSERT_OK(restart(&rig));
    struct partition *partition = open_partition(&rig);
    struct reading by_time = { .rig = &rig, .by_time = true };
    struct reading by_offset = { .rig = &rig };
    struct fiber_group group;
    fiber_group_init(&group);
    ASSERT_OK(mutex_lock(&partition->load_lock));
    fiber_group_spawn(&group, "by time", read_main, &by_time);
    fiber_group_spawn(&group, "by offset", read_main, &by_offset);
    struct meta_record records[2] = {
        { .type = META_LOG_START, .log_start = { rig.key, partition->epoch, 10 } },
        { .type = META_MERGE,
                .merge = { .key = rig.key,
                        .leader_epoch = partition->epoch,
                        .manifest_end_offset = 10,
                        .log_start_offset = 10 } },
    };
    struct meta_result results[2];
    ASSERT_OK(meta_propose(rig.meta, records, 2, results));
    ASSERT_EQ(results[0].error, 0);
    ASSERT_EQ(results[1].error, 0);
    mutex_unlock(&partition->load_lock);
    ASSERT_OK(fiber_group_wait(&group));
    ASSERT(mark_count("offsets: the log start moved during the look-up") > 0);
    ASSERT_EQ(by_time.result, -ENOENT);
    ASSERT_EQ(by_offset.count, -ERANGE);
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(a_sequential_reader_reads_ahead_over_small_ranges)
{
    struct rig rig;
    struct store_reader reader = { 0 };
    struct store_stats stats;
    ASSERT_OK(rig_new(&rig, "ahead"));
    for (int i = 0; i < 7; i++) {
        ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 2000), NULL), 0);
        ASSERT_OK(shard_flush(rig.shard));
    }
    ASSERT_OK(restart(&rig));
    int64_t offset = 0;
    while (offset < 14000) {
        struct slices slices;
        slices_init(&slices);
        ASSERT_OK(
                partition_read(rig.shard, open_partition(&rig), offset, 1 << 20, &reader, &slices));
        ASSERT(slices.count > 0);
        offset += 2000;
        slices_done(&slices);
    }
    ASSERT(mark_count("read: reads ahead into the next ranges") > 0);
    store_stats_get(rig.store, &stats);
    ASSERT(stats.read_ahead_bytes > 0);
    store_reader_done(rig.store, &reader);
    ASSERT_OK(rig_stop(&rig));
}

/* Q2 */
FIBER_TEST(no_answer_leaves_once_the_lease_has_run_out)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "lease"));
    rig.lease_ns = 300 * NS_PER_MS;
    ASSERT_OK(restart(&rig));
    ASSERT(EVENTUALLY(meta_lease_is_valid(rig.meta)));
    struct buf *batch = rig_batch(-1, -1, 1);
    struct partition_append append = {
        .key = rig.key, .owner = batch, .batches = batch->data, .size = batch->size
    };
    partition_append_begin(rig.shard, &append);
    ASSERT_EQ(append.error, 0);
    ASSERT(rig_fault(&rig, "put:meta/lease*:503:ms=1") >= 0);
    ASSERT(EVENTUALLY(!meta_lease_is_valid(rig.meta)));
    ASSERT_ERROR(partition_append_wait(rig.shard, &append), -ESTALE);
    buf_unref(batch);
    /* M4: nor does what was there at the end of the lease; and it is led again with the lease. */
    uint64_t refused = mark_count("shard: a read without a valid lease");
    ASSERT(!shard_find_led(rig.shard, rig.key) && shard_find(rig.shard, rig.key));
    ASSERT_EQ(mark_count("shard: a read without a valid lease"), refused + 1);
    faulty_clear(rig.faults);
    for (int i = 0; i < 1000 && !meta_lease_is_valid(rig.meta); i++) {
        ASSERT_OK(fiber_sleep_ns(10 * NS_PER_MS));
    }
    ASSERT(shard_find_led(rig.shard, rig.key));
    ASSERT_OK(rig_crash(&rig));
}
