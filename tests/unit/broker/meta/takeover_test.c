/* Take-overs in the state machine (K1, K2): who may commit for a dead broker, when its partitions
 * are released, and which are not. */
#include "base/check.h"
#include "meta/state.h"
#include "support_records.h"
#include "unit/test.h"

#include <errno.h>

/* Brokers 1, 2 and 3 with their WALs in the bucket; topic 5 of two partitions is open by broker 1.
 * */
struct world {
    struct meta_state *state;
    int64_t epochs[4];
};

static int64_t
must(struct world *world, struct meta_record record)
{
    struct meta_result result = test_apply(world->state, &record);
    CHECK(result.error == 0);
    return result.epoch ? result.epoch : (int64_t)result.first_id;
}

static int
try(struct world *world, struct meta_record record)
{
    return test_apply(world->state, &record).error;
}

static struct meta_record
gone(const struct world *world, int32_t id)
{
    return (struct meta_record){ .type = META_BROKER_GONE,
        .broker_gone = { id, world->epochs[id], false } };
}

static struct meta_record
take_over(const struct world *world, const struct meta_taker *takers, int32_t count)
{
    return (struct meta_record){ .type = META_TAKE_OVER,
        .take_over = { 1, world->epochs[1], takers, count } };
}

static struct meta_record
recovered(const struct world *world, int32_t taker, int32_t share)
{
    return (struct meta_record){ .type = META_RECOVERED,
        .recovered = { 1, world->epochs[1], taker, world->epochs[taker], share,
                meta_broker_find(world->state, 1)->taker_count } };
}

static int
commit_as(struct world *world, int32_t id, int32_t index, int64_t base, int64_t end)
{
    uint64_t object = (uint64_t)must(world, test_intent(id, world->epochs[id], 1));
    struct meta_commit_range range = test_range(5, index, object, base, end, 1);
    return try(world, test_commit(id, world->epochs[id], object, &range, 1));
}

static void
world_init(struct world *world, struct meta_record first)
{
    *world = (struct world){ .state = meta_state_new() };
    must(world, (struct meta_record){
                        .type = META_CLUSTER, .cluster = { test_uuid(900), META_FORMAT_VERSION } });
    world->epochs[1] = must(world, first);
    world->epochs[2] = must(world, test_bucket_broker(2, 2));
    world->epochs[3] = must(world, test_bucket_broker(3, 3));
    must(world, test_topic(5, 2));
    must(world, test_open(5, 0, 1, world->epochs[1]));
    must(world, test_open(5, 1, 1, world->epochs[1]));
}

static struct meta_taker
taker_of(const struct world *world, int32_t id)
{
    return (struct meta_taker){ .broker_id = id, .broker_epoch = world->epochs[id] };
}

static const struct meta_partition *
partition(const struct world *world, int32_t index)
{
    return meta_partition_find(world->state, test_key(5, index));
}

/* K1 */
TEST(only_those_named_commit_for_a_dead_broker)
{
    struct world world;
    world_init(&world, test_bucket_broker(1, 1));
    struct meta_taker takers[] = { taker_of(&world, 2) };
    ASSERT_EQ(try(&world, take_over(&world, takers, 1)), -ESTALE); /* it lives */
    ASSERT_EQ(commit_as(&world, 2, 0, 0, 10), -ESTALE);
    must(&world, gone(&world, 1));
    ASSERT(meta_broker_find(world.state, 1)->unrecovered);
    ASSERT_EQ(commit_as(&world, 2, 0, 0, 10), -ESTALE); /* nobody is named yet */
    must(&world, take_over(&world, takers, 1));
    ASSERT_EQ(commit_as(&world, 2, 0, 0, 10), 0);
    ASSERT_EQ(commit_as(&world, 3, 0, 10, 20), -ESTALE);
    ASSERT_EQ(partition(&world, 0)->owner, 1);
    takers[0] = taker_of(&world, 3); /* another assignment: the former one is over */
    must(&world, take_over(&world, takers, 1));
    ASSERT_EQ(commit_as(&world, 2, 0, 10, 20), -ESTALE);
    ASSERT_EQ(try(&world, recovered(&world, 2, 0)), -ESTALE);
    ASSERT_EQ(commit_as(&world, 3, 0, 10, 20), 0);
    meta_state_free(world.state);
}

/* K2 */
TEST(partitions_are_released_when_all_shares_are_done)
{
    struct world world;
    world_init(&world, test_bucket_broker(1, 1));
    must(&world, gone(&world, 1));
    struct meta_taker takers[] = { taker_of(&world, 2), taker_of(&world, 3) };
    must(&world, take_over(&world, takers, 2));
    ASSERT_EQ(meta_broker_share(meta_broker_find(world.state, 1), 3, world.epochs[3]), 1);
    must(&world, recovered(&world, 3, 1));
    ASSERT_EQ(meta_broker_share(meta_broker_find(world.state, 1), 3, world.epochs[3]), -1);
    ASSERT_EQ(try(&world, recovered(&world, 3, 1)), -EEXIST);
    ASSERT_EQ(try(&world, recovered(&world, 3, 0)), -ESTALE);
    ASSERT_EQ(try(&world, test_open(5, 0, 2, world.epochs[2])), -EBUSY); /* M5 */
    must(&world, recovered(&world, 2, 0));
    ASSERT_EQ(partition(&world, 0)->owner_broker_epoch, 0);
    ASSERT(!meta_broker_find(world.state, 1)->unrecovered);
    ASSERT_EQ(must(&world, test_open(5, 0, 2, world.epochs[2])), 2);
    ASSERT_EQ(try(&world, take_over(&world, takers, 2)), -EALREADY);
    meta_state_free(world.state);
}

/* K2: the other taker has died, and the work was given to the first alone while it was at its
 * share: that one is done, and the logs of the other are not. */
TEST(a_share_of_another_division_is_none)
{
    struct world world;
    world_init(&world, test_bucket_broker(1, 1));
    must(&world, gone(&world, 1));
    struct meta_taker takers[] = { taker_of(&world, 2), taker_of(&world, 3) };
    must(&world, take_over(&world, takers, 2));
    struct meta_record half = recovered(&world, 2, 0);
    must(&world, gone(&world, 3));
    must(&world, take_over(&world, takers, 1));
    ASSERT_EQ(try(&world, half), -ESTALE);
    ASSERT(meta_broker_find(world.state, 1)->unrecovered);
    ASSERT_EQ(meta_broker_share(meta_broker_find(world.state, 1), 2, world.epochs[2]), 0);
    must(&world, recovered(&world, 2, 0));
    ASSERT(!meta_broker_find(world.state, 1)->unrecovered);
    meta_state_free(world.state);
}

/* K1: a taker that died is none, and its commit is of a dead epoch. */
TEST(a_taker_that_died_is_none)
{
    struct world world;
    world_init(&world, test_bucket_broker(1, 1));
    must(&world, gone(&world, 1));
    struct meta_taker takers[] = { taker_of(&world, 2), taker_of(&world, 3) };
    must(&world, gone(&world, 3));
    ASSERT_EQ(try(&world, take_over(&world, takers, 2)), -EBUSY);
    must(&world, take_over(&world, takers, 1));
    uint64_t object = (uint64_t)must(&world, test_intent(2, world.epochs[2], 1));
    must(&world, gone(&world, 2));
    struct meta_commit_range range = test_range(5, 0, object, 0, 10, 1);
    ASSERT_EQ(try(&world, test_commit(2, world.epochs[2], object, &range, 1)), -ESTALE);
    ASSERT_EQ(try(&world, recovered(&world, 2, 0)), -ESTALE);
    meta_state_free(world.state);
}

/* K1: the id is back, and its new incarnation recovers. */
TEST(a_new_incarnation_ends_the_take_over)
{
    struct world world;
    world_init(&world, test_bucket_broker(1, 1));
    must(&world, gone(&world, 1));
    struct meta_taker takers[] = { taker_of(&world, 2) };
    must(&world, take_over(&world, takers, 1));
    int64_t again = must(&world, test_bucket_broker(1, 9));
    ASSERT_EQ(commit_as(&world, 2, 0, 0, 10), -ESTALE);
    ASSERT_EQ(try(&world, recovered(&world, 2, 0)), -ESTALE);
    ASSERT(meta_partition_wal_is_in_bucket(world.state, partition(&world, 0)));
    /* It dies before it has recovered: both epochs are in the bucket. */
    world.epochs[1] = again;
    must(&world, gone(&world, 1));
    must(&world, take_over(&world, takers, 1));
    must(&world, recovered(&world, 2, 0));
    ASSERT_EQ(partition(&world, 1)->owner_broker_epoch, 0);
    meta_state_free(world.state);
}

/* K2: what may be on a volume waits for the volume. */
TEST(a_tail_on_a_volume_is_not_released)
{
    struct world world;
    world_init(&world, test_broker(1, 1)); /* wal.type: volume */
    ASSERT(!meta_partition_wal_is_in_bucket(world.state, partition(&world, 0)));
    int64_t again = must(&world, test_bucket_broker(1, 9)); /* s3 from now on */
    must(&world, test_open(5, 1, 1, again));
    world.epochs[1] = again;
    must(&world, gone(&world, 1)); /* before it has opened partition 0 again */
    struct meta_taker takers[] = { taker_of(&world, 2) };
    must(&world, take_over(&world, takers, 1));
    must(&world, recovered(&world, 2, 0));
    ASSERT_EQ(partition(&world, 1)->owner_broker_epoch, 0);
    ASSERT(partition(&world, 0)->owner_broker_epoch != 0);
    ASSERT_EQ(try(&world, test_open(5, 0, 2, world.epochs[2])), -EBUSY);
    meta_state_free(world.state);
}

TEST(a_broker_with_a_volume_is_not_taken_over)
{
    struct world world;
    world_init(&world, test_broker(1, 1));
    must(&world, gone(&world, 1));
    struct meta_taker takers[] = { taker_of(&world, 2) };
    ASSERT_EQ(try(&world, take_over(&world, takers, 1)), -EALREADY);
    ASSERT(partition(&world, 0)->owner_broker_epoch != 0);
    meta_state_free(world.state);
}

TEST(an_assignment_goes_through_a_snapshot)
{
    struct world world;
    world_init(&world, test_bucket_broker(1, 1));
    must(&world, gone(&world, 1));
    struct meta_taker takers[] = { taker_of(&world, 2), taker_of(&world, 3) };
    must(&world, take_over(&world, takers, 2));
    must(&world, recovered(&world, 2, 0));
    struct strbuf bytes = test_bytes(world.state);
    struct meta_state *copy;
    ASSERT_OK(meta_state_decode(strbuf_bytes(&bytes), &copy));
    ASSERT(test_states_equal(world.state, copy));
    ASSERT_EQ(meta_broker_share(meta_broker_find(copy, 1), 2, world.epochs[2]), -1);
    ASSERT_EQ(meta_broker_share(meta_broker_find(copy, 1), 3, world.epochs[3]), 1);
    strbuf_done(&bytes);
    meta_state_free(copy);
    meta_state_free(world.state);
}
