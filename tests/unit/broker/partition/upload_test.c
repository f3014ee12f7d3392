/* What can happen around an upload: objects that are full, a store that is away while producers go
 * on, topics and partitions that go away under it. */
#include "base/mark.h"
#include "objectstore/faulty.h"
#include "reactor/clock.h"
#include "support_rig.h"
#include "unit/test.h"

#include <errno.h>

FIBER_TEST(what_does_not_fit_into_one_object_goes_into_the_next)
{
    struct rig rig;
    struct shard_stats stats;
    ASSERT_OK(rig_new(&rig, "full"));
    ASSERT_OK(rig_stop(&rig));
    rig.object_size_max = 1;
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 3), NULL), 0);
    ASSERT_EQ(rig_append(&rig, rig.second, rig_batch(-1, -1, 5), NULL), 0);
    ASSERT_OK(shard_flush(rig.shard));
    shard_stats_get(rig.shard, &stats);
    ASSERT_EQ(stats.uploads, 2);
    ASSERT(mark_count("upload: object is full") > 0);
    ASSERT_EQ(rig_description(&rig, rig.key)->end_offset, 3);
    ASSERT_EQ(rig_description(&rig, rig.second)->end_offset, 5);
    ASSERT_OK(rig_stop(&rig));
}

struct away_producer {
    struct rig *rig;
    int acknowledged;
    int error;
};

#define PRODUCED 256

static void
produce_main(void *arg)
{
    struct away_producer *producer = arg;
    for (int i = 0; i < PRODUCED && producer->error == 0; i++) {
        producer->error =
                rig_append(producer->rig, producer->rig->key, rig_batch(-1, -1, 5000), NULL);
        producer->acknowledged += producer->error == 0;
    }
}

/* W5's counterpart in memory: the store is away, the cache is full of what is not uploaded yet, and
 * producers wait. Nothing is refused and nothing is lost. */
FIBER_TEST(producers_wait_while_the_cache_is_full_and_the_store_is_away)
{
    struct rig rig;
    struct fiber *fiber;
    ASSERT_OK(rig_new(&rig, "away"));
    ASSERT_OK(rig_fault(&rig, "put:data*:503:ms=1"));
    struct away_producer producer = { .rig = &rig };
    ASSERT_OK(fiber_spawn("producer", produce_main, &producer, &fiber));
    for (int i = 0; i < 3000 && mark_count("append: waits for the upload") == 0; i++) {
        ASSERT_OK(fiber_sleep_ns(10 * NS_PER_MS));
    }
    ASSERT(mark_count("append: waits for the upload") > 0);
    ASSERT(producer.acknowledged < PRODUCED);
    faulty_clear(rig.faults);
    fiber_join(fiber);
    ASSERT_EQ(producer.error, 0);
    ASSERT_EQ(producer.acknowledged, PRODUCED);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), PRODUCED * 5000);
    ASSERT_OK(rig_stop(&rig));
}

static void
flush_main(void *arg)
{
    struct rig *rig = arg;
    (void)!shard_flush(rig->shard);
}

/* Begins an upload of both partitions whose PUT fails until the faults are cleared. */
static int
upload_begin(struct rig *rig, struct fiber **ret_fiber)
{
    struct shard_stats stats = { 0 };
    int r = rig_append(rig, rig->key, rig_batch(-1, -1, 3), NULL);
    r = r ? r : rig_append(rig, rig->second, rig_batch(-1, -1, 5), NULL);
    if (r) {
        return r;
    }
    r = rig_fault(rig, "put:data*:denied");
    r = r < 0 ? r : fiber_spawn("flush", flush_main, rig, ret_fiber);
    for (int i = 0; r == 0 && i < 3000 && stats.upload_failures == 0; i++) {
        r = fiber_sleep_ns(10 * NS_PER_MS);
        shard_stats_get(rig->shard, &stats);
    }
    return r;
}

/* M6, Q3: the commit carries the epoch in which the batches were written, and is refused. */
FIBER_TEST(what_is_opened_again_during_its_upload_is_recovered)
{
    struct rig rig;
    struct fiber *fiber;
    ASSERT_OK(rig_new(&rig, "closed"));
    ASSERT_OK(upload_begin(&rig, &fiber));
    struct meta_record record = { .type = META_OPEN,
        .open = { rig.key, 1, meta_broker_epoch(rig.meta), .again = true } };
    ASSERT_OK(meta_propose_one(rig.meta, &record, NULL));
    faulty_clear(rig.faults);
    fiber_join(fiber);
    ASSERT_ERROR(shard_error(rig.shard), -ESTALE);
    ASSERT_EQ(rig_description(&rig, rig.second)->end_offset, 0);
    ASSERT_OK(rig_crash(&rig));
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 3);
    ASSERT_EQ(rig_count(&rig, rig.second, 0), 5);
    ASSERT_OK(rig_stop(&rig));
}

/* G3 */
FIBER_TEST(an_upload_waits_for_a_lease)
{
    struct rig rig;
    struct fiber *fiber;
    ASSERT_OK(rig_new(&rig, "upload-lease"));
    ASSERT_OK(rig_crash(&rig));
    rig.lease_ns = 2 * NS_PER_S;
    ASSERT_OK(rig_start(&rig));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 3), NULL), 0);
    ASSERT(rig_fault(&rig, "put:meta/lease*:503:ms=1") >= 0);
    ASSERT(EVENTUALLY(!meta_lease_is_valid(rig.meta)));
    int64_t objects = rig_objects(&rig);
    ASSERT_OK(fiber_spawn("flush", flush_main, &rig, &fiber));
    ASSERT(EVENTUALLY(mark_count("upload: waits for a lease") > 2));
    ASSERT_EQ(rig_objects(&rig), objects);
    faulty_clear(rig.faults);
    fiber_join(fiber);
    ASSERT_EQ(rig_objects(&rig), objects + 1);
    ASSERT_EQ(rig_description(&rig, rig.key)->end_offset, 3);
    ASSERT_OK(rig_stop(&rig));
}

/* O2: what was written for a topic that is gone is garbage, and the WAL lets go of it. */
FIBER_TEST(a_topic_that_is_deleted_during_the_upload_leaves_garbage_and_no_debt)
{
    struct rig rig;
    struct fiber *fiber;
    ASSERT_OK(rig_new(&rig, "deleted"));
    ASSERT_OK(upload_begin(&rig, &fiber));
    struct meta_record record = { .type = META_TOPIC_DELETE, .topic_delete = { rig.key.topic_id } };
    ASSERT_OK(meta_propose_one(rig.meta, &record, NULL));
    faulty_clear(rig.faults);
    fiber_join(fiber);
    ASSERT_EQ(meta_garbage_list(meta_state(rig.meta), NULL, 0), 1);
    ASSERT_OK(rig_stop(&rig)); /* -EIO while the WAL keeps anything */
}
