/* Giving a partition away: the tail goes first, a wish that is withdrawn changes nothing, and
 * nothing is appended while a handover is on its way. */
#include "base/mark.h"
#include "partition/shard_internal.h"
#include "reactor/clock.h"
#include "support_rig.h"
#include "unit/test.h"

#include <errno.h>

static int
wish(struct rig *rig, int32_t target)
{
    const struct meta_record move = { .type = META_MOVE, .move = { rig->key, target } };
    return meta_propose_one(rig->meta, &move, NULL);
}

/* V2 */
FIBER_TEST(a_partition_goes_with_its_tail_and_the_wal_keeps_nothing)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "handover"));
    ASSERT_OK(rig_register_second(&rig, NULL));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(7, 0, 3), NULL), 0);
    ASSERT_EQ(rig_append(&rig, rig.second, rig_batch(-1, -1, 1), NULL), 0);
    ASSERT_EQ(rig_description(&rig, rig.key)->end_offset, 0);
    ASSERT_OK(wish(&rig, 2));
    ASSERT(EVENTUALLY(rig_description(&rig, rig.key)->owner == 2));
    ASSERT_EQ(rig_description(&rig, rig.key)->end_offset, 3);
    ASSERT_EQ(rig_description(&rig, rig.key)->epoch, 2);
    ASSERT(!shard_find(rig.shard, rig.key));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(7, 3, 1), NULL), APPEND_NOT_LEADER);
    ASSERT_EQ(rig_append(&rig, rig.second, rig_batch(-1, -1, 1), NULL), 0);
    struct shard_stats stats;
    shard_stats_get(rig.shard, &stats);
    ASSERT_EQ(stats.handed_over, 1);
    ASSERT_EQ(stats.moving, 0);
    ASSERT_OK(rig_stop(&rig));
}

struct append_in_fiber {
    struct rig *rig;
    int result;
    bool done;
};

static void
append_main(void *arg)
{
    struct append_in_fiber *append = arg;
    append->result = rig_append(append->rig, append->rig->key, rig_batch(-1, -1, 1), NULL);
    append->done = true;
}

/* V1, V3: the wish is withdrawn while the handover is on its way. */
FIBER_TEST(a_wish_that_is_withdrawn_late_lets_nothing_slip_in)
{
    struct rig rig;
    struct fiber *fiber;
    ASSERT_OK(rig_new(&rig, "withdrawn"));
    ASSERT_OK(rig_register_second(&rig, NULL));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 3), NULL), 0);
    struct partition *partition = shard_find(rig.shard, rig.key);
    partition_hold(partition);
    /* As if a handover were on its way: its result alone lets appends go on. */
    partition->handing = true;
    ASSERT_OK(wish(&rig, 2));
    ASSERT(partition->moving);
    ASSERT_OK(wish(&rig, -1));
    ASSERT(partition->moving && partition->handing);
    struct append_in_fiber append = { .rig = &rig };
    ASSERT_OK(fiber_spawn("append", append_main, &append, &fiber));
    ASSERT_OK(fiber_sleep_ns(50 * NS_PER_MS));
    ASSERT(!append.done);
    partition->handing = false;
    handover_follow(rig.shard, partition);
    fiber_join(fiber);
    ASSERT_EQ(append.result, 0);
    ASSERT(!partition->moving);
    ASSERT(mark_count("handover: the wish was withdrawn") > 0);
    ASSERT_EQ(rig_description(&rig, rig.key)->owner, 1);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 4);
    partition_release(partition);
    ASSERT_OK(rig_stop(&rig));
}

/* V1: the target died. */
FIBER_TEST(a_target_that_is_gone_gets_nothing)
{
    struct rig rig;
    ASSERT_OK(rig_new(&rig, "target-gone"));
    ASSERT_OK(rig_register_second(&rig, NULL));
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 3), NULL), 0);
    const struct meta_broker *second = meta_broker_find(meta_state(rig.meta), 2);
    const struct meta_record records[] = {
        { .type = META_MOVE, .move = { rig.key, 2 } },
        { .type = META_BROKER_GONE, .broker_gone = { 2, second->epoch, false } },
    };
    struct meta_result results[2];
    ASSERT_OK(meta_propose(rig.meta, records, 2, results));
    ASSERT(results[0].error == 0 && results[1].error == 0);
    /* The controller withdraws the wish, and the partition serves again. */
    ASSERT(EVENTUALLY(rig_description(&rig, rig.key)->target == -1));
    ASSERT(EVENTUALLY(!shard_find(rig.shard, rig.key)->moving));
    ASSERT_EQ(rig_description(&rig, rig.key)->owner, 1);
    ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(-1, -1, 1), NULL), 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 4);
    ASSERT_OK(rig_stop(&rig));
}
