/* A WAL in the bucket through the partitions: a crash, a start that recovers it in place (K3),
 * damage that is nobody's loss, and the end of what is over (L4). */
#include "base/mark.h"
#include "base/mem.h"
#include "partition/wal_sweep.h"
#include "reactor/clock.h"
#include "support_rig.h"
#include "unit/test.h"
#include "wal/objects.h"

#include <errno.h>
#include <stdio.h>

static int
append(struct rig *rig, struct partition_key key)
{
    return rig_append(rig, key, rig_batch(-1, -1, 1), NULL);
}

/* Objects of the incarnation; 0: of all. */
static int64_t
wal_objects(struct rig *rig, int64_t epoch)
{
    struct object_list list;
    int64_t count = 0;
    if (objectstore_list(rig->objects, WAL_OBJECT_ROOT, NULL, 1000, DEADLINE_NONE, &list)) {
        return -1;
    }
    for (size_t i = 0; i < list.count; i++) {
        struct wal_object_log log;
        uint64_t slot;
        count += wal_object_key_parse(list.entries[i].key, &log, &slot) == 0 &&
                 (epoch == 0 || log.incarnation == (uint64_t)epoch);
    }
    object_list_done(&list);
    return count;
}

/* Flips a bit of an object; again, and it is as it was. */
static int
flip(struct rig *rig, int64_t epoch, uint64_t slot, size_t at)
{
    const struct wal_object_log log = { .broker_id = 1, .incarnation = (uint64_t)epoch };
    char key[WAL_OBJECT_KEY_SIZE];
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    wal_object_key(&log, slot, key);
    int r = objectstore_get(rig->objects, key, OBJECT_WHOLE, DEADLINE_NONE, &object, NULL);
    if (r < 0) {
        return r;
    }
    object->data[at < object->size ? at : object->size - 1] ^= 1;
    const struct iovec part = { object->data, object->size };
    const struct object_put put = {
        .key = key, .parts = &part, .part_count = 1, .deadline_ns = DEADLINE_NONE
    };
    return objectstore_put(rig->objects, &put, NULL);
}

FIBER_TEST(what_a_crash_leaves_in_the_bucket_is_recovered_once)
{
    struct rig rig;
    ASSERT_OK(rig_new_in_bucket(&rig, "bucket-crash"));
    for (int i = 0; i < 5; i++) {
        ASSERT_OK(append(&rig, rig.key));
        ASSERT_OK(append(&rig, rig.second));
    }
    ASSERT_OK(shard_flush(rig.shard));
    ASSERT_OK(append(&rig, rig.key));
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT(rig.recovered.wal.records >= 1);
    ASSERT_EQ(rig.recovered.records_committed, 1);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 6);
    ASSERT_EQ(rig_count(&rig, rig.second, 0), 5);
    ASSERT_OK(append(&rig, rig.key));
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig.recovered.records_committed, 1);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 7);
    ASSERT_OK(rig_stop(&rig));
    /* A clean stop leaves nothing to recover. */
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig.recovered.wal.records, 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 7);
    ASSERT_OK(rig_stop(&rig));
}

/* K3: a start that dies while it recovers leaves two incarnations to the next one. */
FIBER_TEST(a_recovery_that_failed_is_done_by_the_next_start)
{
    struct rig rig;
    ASSERT_OK(rig_new_in_bucket(&rig, "bucket-again"));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(append(&rig, rig.key));
    }
    ASSERT_OK(rig_crash(&rig));
    /* Recovered, and dead before its partitions were opened anew: as far as the state knows they
     * are still open in the first incarnation. */
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig.recovered.records_committed, 3);
    ASSERT_OK(append(&rig, rig.key));
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 4);
    ASSERT_OK(rig_stop(&rig));
}

/* Objects that were restored are recovered with all that is in them: nothing is held back. */
static void
check_restored(struct rig *rig, int64_t records)
{
    ASSERT_OK(rig_crash(rig));
    quarantine_free(rig->quarantine);
    rig->quarantine = quarantine_new();
    ASSERT_OK(rig_start(rig));
    ASSERT_EQ(rig->recovered.quarantined_partitions, 0);
    ASSERT_EQ(rig_count(rig, rig->key, 0), records);
    ASSERT_OK(rig_stop(rig));
    quarantine_free(rig->quarantine);
}

/* From a volume to the bucket: the other kind of log is recovered by its own rules. */
FIBER_TEST(a_damaged_object_keeps_its_partitions_closed_and_the_log_where_it_is)
{
    struct rig rig;
    ASSERT_OK(rig_new_in_bucket(&rig, "bucket-damage"));
    rig.quarantine = quarantine_new();
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(append(&rig, rig.key));
    }
    int64_t epoch = meta_broker_epoch(rig.meta);
    ASSERT_OK(flip(&rig, epoch, 3, SIZE_MAX));
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT(rig.recovered.quarantined_partitions > 0);
    ASSERT(quarantine_has(rig.quarantine, rig.key));
    ASSERT(!shard_find(rig.shard, rig.key));
    ASSERT_EQ(rig_description(&rig, rig.key)->owner_broker_epoch, epoch);
    ASSERT_EQ(rig_description(&rig, rig.key)->end_offset, 1);
    /* Restored, all of it is there. */
    ASSERT_OK(flip(&rig, epoch, 3, SIZE_MAX));
    check_restored(&rig, 4);
}

/* L6: the newest header rots. Where the body is proven nothing is lost; where it is not the
 * log is fenced all the same, and what came before is committed. */
FIBER_TEST(a_damaged_newest_object_does_not_keep_the_log_from_its_recovery)
{
    struct rig rig;
    ASSERT_OK(rig_new_in_bucket(&rig, "bucket-newest"));
    rig.quarantine = quarantine_new();
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(append(&rig, rig.key));
    }
    int64_t epoch = meta_broker_epoch(rig.meta);
    const size_t body_crc = 121;
    ASSERT_OK(flip(&rig, epoch, 5, body_crc));
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT(quarantine_has(rig.quarantine, rig.key));
    ASSERT_EQ(rig_description(&rig, rig.key)->end_offset, 3);
    ASSERT_OK(flip(&rig, epoch, 5, body_crc));
    ASSERT_OK(flip(&rig, epoch, 5, 60)); /* in its nonce */
    check_restored(&rig, 4);
}

/* L5, L6: no object of log 0 says how many logs there are. */
FIBER_TEST(logs_are_counted_where_none_says_how_many_there_are)
{
    struct rig rig;
    ASSERT_OK(rig_new_in_bucket(&rig, "bucket-count"));
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(append(&rig, rig.key));
    }
    for (uint64_t slot = 1; slot <= 5; slot++) {
        ASSERT_OK(flip(&rig, meta_broker_epoch(rig.meta), slot, 60));
    }
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT(mark_count("take over: the number of logs is asked for") > 0);
    ASSERT_EQ(rig.recovered.quarantined_partitions, 0);
    ASSERT_EQ(rig.recovered.records_committed, 4);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 4);
    ASSERT_OK(rig_stop(&rig));
}

static int
append_main(void *arg)
{
    struct rig *rig = arg;
    int r = append(rig, rig->key);
    return r == -EIO ? 0 : r;
}

/* The stop meets an append whose object the store has not taken yet. It waits for it, without
 * turning round all the time; and ends when the log breaks: that record will never be durable. */
FIBER_TEST(a_drain_waits_for_the_wal_and_ends_when_it_breaks)
{
    for (int breaks = 0; breaks < 2; breaks++) {
        struct rig rig;
        struct fiber_group group;
        ASSERT_OK(rig_new_in_bucket(&rig, breaks ? "bucket-drain-broken" : "bucket-drain"));
        ASSERT(rig_fault(&rig, "put:wal/*:hang:n=1:ms=100") >= 0);
        ASSERT(!breaks || rig_fault(&rig, "put:wal/*:412:n=1") >= 0);
        fiber_group_init(&group);
        fiber_group_spawn(&group, "append", append_main, &rig);
        ASSERT_OK(fiber_sleep_ns(5 * (uint64_t)NS_PER_MS));
        uint64_t before = mark_count("drain: waits for the WAL");
        ASSERT_EQ(shard_drain(rig.shard), breaks ? -EIO : 0);
        uint64_t looks = mark_count("drain: waits for the WAL") - before;
        ASSERT(looks > 0 && looks < 1000);
        ASSERT_OK(fiber_group_wait(&group));
        ASSERT_OK(breaks ? 0 : rig_stop(&rig));
        if (breaks) {
            ASSERT_ERROR(rig_crash(&rig), -EIO);
        }
    }
}

/* L4: the controller dies, or the store fails, in the middle of a removal. */
FIBER_TEST(what_is_left_of_a_log_that_is_over_is_swept_later)
{
    struct rig rig;
    char key[WAL_OBJECT_KEY_SIZE];
    ASSERT_OK(rig_new_in_bucket(&rig, "bucket-half-swept"));
    ASSERT_OK(append(&rig, rig.key));
    const struct wal_object_log former = { meta_cluster_id(rig.meta), 1,
        (uint64_t)meta_broker_epoch(rig.meta), 0 };
    int64_t first = meta_broker_epoch(rig.meta);
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_OK(append(&rig, rig.key));
    wal_object_key(&former, 1, key);
    ASSERT_OK(objectstore_delete(rig.objects, key, DEADLINE_NONE));
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig.recovered.quarantined_partitions, 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 2);
    struct wal_sweep *sweep;
    const struct wal_sweep_options options = { .meta = rig.meta, .objects = rig.objects };
    ASSERT_OK(wal_sweep_start(&options, &sweep));
    ASSERT(rig_fault(&rig, "delete:wal/*:denied:n=1") >= 0);
    ASSERT_ERROR(wal_sweep_once(sweep), -EACCES);
    ASSERT(wal_objects(&rig, first) > 0);
    ASSERT(wal_sweep_once(sweep) > 0);
    ASSERT_EQ(wal_objects(&rig, first), 0);
    wal_sweep_stop(sweep);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 2);
    ASSERT_OK(rig_stop(&rig));
}

/* L4 */
FIBER_TEST(only_what_is_over_is_swept_and_only_later)
{
    struct rig rig;
    ASSERT_OK(rig_new_in_bucket(&rig, "bucket-sweep"));
    ASSERT_OK(append(&rig, rig.key));
    int64_t first = meta_broker_epoch(rig.meta);
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_OK(append(&rig, rig.key));
    int64_t second = meta_broker_epoch(rig.meta);
    struct wal_sweep *sweep;
    const struct wal_sweep_options options = {
        .meta = rig.meta, .objects = rig.objects, .delay_ns = 50 * (uint64_t)NS_PER_MS
    };
    ASSERT_OK(wal_sweep_start(&options, &sweep));
    ASSERT_EQ(wal_sweep_once(sweep), 0);
    ASSERT(wal_objects(&rig, first) >= 3); /* its first object, the record's, the fence */
    ASSERT_OK(fiber_sleep_ns(60 * (uint64_t)NS_PER_MS));
    int64_t before = wal_objects(&rig, second);
    ASSERT(wal_sweep_once(sweep) >= 3);
    ASSERT_EQ(wal_objects(&rig, first), 0);
    ASSERT_EQ(wal_objects(&rig, second), before);
    wal_sweep_stop(sweep);
    ASSERT_OK(append(&rig, rig.key));
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 3);
    ASSERT_OK(rig_stop(&rig));
}
