/* Partitions that another broker leads, read here (KIP-392): F1, F2 of followed.h. */
#include "base/mark.h"
#include "objectstore/faulty.h"
#include "partition/followed.h"
#include "partition/shard_internal.h"
#include "reactor/clock.h"
#include "support_rig.h"
#include "unit/test.h"

#include <errno.h>

/* Three records are committed and broker 2 has the partition. */
static int
give_away(struct rig *rig, const char *name, int64_t *ret_epoch)
{
    int r = rig_new(rig, name);
    const struct meta_record move = { .type = META_MOVE, .move = { rig->key, 2 } };
    struct meta_result result = { 0 };
    r = r ? r : rig_register_second(rig, &result);
    r = r ? r : rig_append(rig, rig->key, rig_batch(-1, -1, 3), NULL);
    r = r ? r : meta_propose_one(rig->meta, &move, NULL);
    *ret_epoch = result.epoch;
    return r ? r : EVENTUALLY(rig_description(rig, rig->key)->owner == 2) ? 0 : -ETIMEDOUT;
}

static int64_t
read_bytes(struct rig *rig, struct partition *partition, int64_t offset)
{
    struct slices slices;
    slices_init(&slices);
    int r = partition_read(rig->shard, partition, offset, 1 << 20, NULL, &slices);
    int64_t bytes = r < 0 ? r : (int64_t)slices.bytes;
    slices_done(&slices);
    return bytes;
}

/* F1 */
FIBER_TEST(what_is_committed_is_served_and_nothing_beyond)
{
    struct rig rig;
    int64_t epoch;
    ASSERT_OK(give_away(&rig, "followed", &epoch));
    ASSERT(!shard_find(rig.shard, rig.key));
    ASSERT(!shard_find_followed(rig.shard, rig.second)); /* that one is led here */
    struct partition *partition = shard_find_followed(rig.shard, rig.key);
    ASSERT(partition && partition->followed);
    ASSERT_EQ(partition->high_watermark, 3);
    ASSERT_EQ(partition->epoch, rig_description(&rig, rig.key)->epoch);
    ASSERT(read_bytes(&rig, partition, 0) > 0);
    ASSERT_EQ(read_bytes(&rig, partition, 3), 0);
    ASSERT_EQ(read_bytes(&rig, partition, 4), -ERANGE);
    ASSERT_EQ(shard_find_followed(rig.shard, rig.key), partition);
    struct shard_stats stats;
    shard_stats_get(rig.shard, &stats);
    ASSERT(stats.followed_bytes > 0);
    ASSERT_OK(rig_stop(&rig));
}

static bool was_told;

static void
tell(struct partition_watch *watch)
{
    (void)watch;
    was_told = true;
}

/* The leader commits: the high watermark moves to the committed end and waiting fetches hear. */
FIBER_TEST(a_commit_of_the_leader_moves_the_high_watermark)
{
    struct rig rig;
    int64_t epoch;
    ASSERT_OK(give_away(&rig, "followed-commit", &epoch));
    struct partition *partition = shard_find_followed(rig.shard, rig.key);
    ASSERT(partition);
    struct partition_watch watch = { .fn = tell };
    was_told = false;
    partition_hold(partition);
    partition_watch_add(partition, &watch);
    const struct meta_record intent = { .type = META_INTENT, .intent = { 2, epoch, 1 } };
    struct meta_result ids;
    ASSERT_OK(meta_propose_one(rig.meta, &intent, &ids));
    struct meta_commit_range range = { rig.key, { .object_id = ids.first_id,
                                                        .base_offset = 3,
                                                        .end_offset = 8,
                                                        .timestamp_max = 1,
                                                        .size = 100,
                                                        .block_count = 1,
                                                        .leader_epoch = partition->epoch } };
    const struct meta_record commit = { .type = META_COMMIT,
        .commit = { 2, epoch, ids.first_id, 200, &range, 1 } };
    ASSERT_OK(meta_propose_one(rig.meta, &commit, NULL));
    ASSERT(was_told);
    ASSERT_EQ(partition->high_watermark, 8);
    /* It is looked for in the object, of which there is none in this test. */
    ASSERT(read_bytes(&rig, partition, 3) < 0);
    partition_watch_remove(&watch);
    partition_release(partition);
    ASSERT_OK(rig_stop(&rig));
}

/* F2 */
FIBER_TEST(without_a_lease_nothing_of_others_is_served)
{
    struct rig rig;
    int64_t epoch;
    ASSERT_OK(give_away(&rig, "followed-lease", &epoch));
    ASSERT(shard_find_followed(rig.shard, rig.key));
    ASSERT(rig_fault(&rig, "put:meta/lease*:503:ms=1") >= 0);
    for (int i = 0; i < 1500 && meta_lease_is_valid(rig.meta); i++) {
        ASSERT_OK(fiber_sleep_ns(10 * NS_PER_MS));
    }
    ASSERT(!meta_lease_is_valid(rig.meta));
    ASSERT(!shard_find_followed(rig.shard, rig.key));
    faulty_clear(rig.faults);
    for (int i = 0; i < 1500 && !meta_lease_is_valid(rig.meta); i++) {
        ASSERT_OK(fiber_sleep_ns(10 * NS_PER_MS));
    }
    ASSERT(shard_find_followed(rig.shard, rig.key));
    ASSERT_OK(rig_crash(&rig));
}

/* The least recently read one makes room; those in use stay. */
FIBER_TEST(what_is_followed_is_bounded)
{
    struct rig rig;
    int64_t epoch;
    ASSERT_OK(give_away(&rig, "followed-bound", &epoch));
    struct partition *partition = shard_find_followed(rig.shard, rig.key);
    ASSERT(partition);
    rig.shard->followed_count += FOLLOWED_MAX - 1;
    const struct meta_record move = { .type = META_MOVE, .move = { rig.second, 2 } };
    ASSERT_OK(meta_propose_one(rig.meta, &move, NULL));
    ASSERT(EVENTUALLY(rig_description(&rig, rig.second)->owner == 2));
    partition_hold(partition);
    ASSERT(!shard_find_followed(rig.shard, rig.second));
    partition_release(partition);
    uint64_t dropped = mark_count("followed: the least recently read one is dropped");
    ASSERT(shard_find_followed(rig.shard, rig.second));
    ASSERT_EQ(mark_count("followed: the least recently read one is dropped"), dropped + 1);
    rig.shard->followed_count -= FOLLOWED_MAX - 1;
    ASSERT_OK(rig_stop(&rig));
}

/* It is opened anew, here or elsewhere: who reads looks again. */
FIBER_TEST(a_new_leader_and_a_deletion_end_it)
{
    struct rig rig;
    int64_t epoch;
    ASSERT_OK(give_away(&rig, "followed-end", &epoch));
    struct partition *partition = shard_find_followed(rig.shard, rig.key);
    ASSERT(partition);
    partition_hold(partition);
    const struct meta_record open = { .type = META_OPEN, .open = { rig.key, 2, epoch, true } };
    ASSERT_OK(meta_propose_one(rig.meta, &open, NULL));
    ASSERT(partition->closed);
    partition_release(partition);
    partition = shard_find_followed(rig.shard, rig.key);
    ASSERT(partition && !partition->closed);
    partition_hold(partition);
    const struct meta_record gone = { .type = META_TOPIC_DELETE,
        .topic_delete = { rig.key.topic_id } };
    ASSERT_OK(meta_propose_one(rig.meta, &gone, NULL));
    ASSERT(partition->closed);
    partition_release(partition);
    ASSERT(!shard_find_followed(rig.shard, rig.key));
    ASSERT_OK(rig_stop(&rig));
}
