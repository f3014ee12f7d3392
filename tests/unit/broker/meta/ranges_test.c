/* Commits, merges, log starts and deletions: which ranges a partition has, and when an object
 * becomes garbage. */
#include "base/mark.h"
#include "meta/state.h"
#include "support_world.h"
#include "unit/test.h"

#include <errno.h>

static int
merge(struct world *world, const struct meta_merge_record *merge)
{
    struct meta_record record = { .type = META_MERGE, .merge = *merge };
    return test_apply(world->state, &record).error;
}

static int
log_start(struct world *world, int32_t index, int64_t offset)
{
    struct meta_record record = { .type = META_LOG_START,
        .log_start = { test_key(5, index), 1, offset } };
    return test_apply(world->state, &record).error;
}

static size_t
garbage(const struct world *world, uint64_t *ids, size_t capacity)
{
    return meta_garbage_list(world->state, ids, capacity);
}

/* O1 */
TEST(a_commit_extends_its_partitions_and_counts_its_object)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_commit_range ranges[] = { test_range(5, 0, 7, 0, 10, 1),
        test_range(5, 3, 7, 0, 25, 1) };
    ASSERT_EQ(world_commit(&world, 7, ranges, 2), 0);
    const struct meta_partition *partition = meta_partition_find(world.state, test_key(5, 3));
    ASSERT_EQ(partition->end_offset, 25);
    ASSERT_EQ(partition->range_count, 1);
    ASSERT_EQ(partition->ranges[0].object_id, 7);
    ASSERT_EQ(partition->ranges[0].timestamp_max, 1700000000025);
    ASSERT_EQ(meta_object_references(world.state, 7), 2);
    ASSERT_EQ(meta_object_references(world.state, 8), 0);
    ASSERT(meta_intent_is_used(meta_intent_next(world.state, 0), 7));
    ASSERT(!meta_intent_is_used(meta_intent_next(world.state, 0), 8));
    meta_state_free(world.state);
}

TEST(a_repeated_commit_changes_nothing)
{
    struct world world;
    ASSERT(world_init(&world));
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), 0);
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), -EEXIST);
    ASSERT_EQ(world_commit_one(&world, 1, 0, 10, 20), -EEXIST);
    ASSERT_EQ(meta_partition_find(world.state, test_key(5, 0))->end_offset, 10);
    /* Still so when the whole intent is used up and forgotten. */
    struct meta_record intent = test_intent(1, world.epoch, 1);
    uint64_t id = test_apply(world.state, &intent).first_id;
    ASSERT_EQ(world_commit_one(&world, id, 1, 0, 10), 0);
    ASSERT(!meta_intent_next(world.state, id - 1));
    ASSERT_EQ(world_commit_one(&world, id, 1, 0, 10), -EEXIST);
    meta_state_free(world.state);
}

/* O1 */
TEST(an_object_outside_the_brokers_intent_cannot_be_committed)
{
    struct world world;
    ASSERT(world_init(&world));
    ASSERT_EQ(world_commit_one(&world, 101, 0, 0, 10), -EINVAL);
    ASSERT_EQ(world_commit_one(&world, 0, 0, 0, 10), -EINVAL);
    struct meta_record two = test_broker(2, 2);
    int64_t second = test_apply(world.state, &two).epoch;
    struct meta_record intent = test_intent(2, second, 10);
    uint64_t foreign = test_apply(world.state, &intent).first_id;
    ASSERT_EQ(world_commit_one(&world, foreign, 0, 0, 10), -EINVAL);
    meta_state_free(world.state);
}

TEST(a_commit_with_a_gap_or_an_overlap_is_refused_whole)
{
    struct world world;
    ASSERT(world_init(&world));
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), 0);
    ASSERT_EQ(world_commit_one(&world, 2, 0, 11, 20), -EINVAL);
    ASSERT_EQ(world_commit_one(&world, 2, 0, 9, 20), -EINVAL);
    ASSERT_EQ(world_commit_one(&world, 2, 0, 10, 10), -EINVAL);
    struct meta_commit_range ranges[] = { test_range(5, 1, 2, 0, 10, 1),
        test_range(5, 0, 2, 11, 20, 1) };
    ASSERT_EQ(world_commit(&world, 2, ranges, 2), -EINVAL);
    ranges[1] = test_range(5, 1, 2, 10, 20, 1);
    ASSERT_EQ(world_commit(&world, 2, ranges, 2), -EINVAL); /* a partition twice */
    ranges[1] = test_range(5, 0, 3, 10, 20, 1);
    ASSERT_EQ(world_commit(&world, 2, ranges, 2), -EINVAL); /* of another object */
    ranges[1] = test_range(5, 17, 2, 0, 20, 1);
    ASSERT_EQ(world_commit(&world, 2, ranges, 2), -EINVAL); /* no such partition */
    ASSERT_EQ(world_commit(&world, 2, ranges, 0), -EINVAL);
    ASSERT_EQ(meta_partition_find(world.state, test_key(5, 1))->end_offset, 0);
    ASSERT_EQ(world_commit_one(&world, 2, 0, 10, 20), 0);
    meta_state_free(world.state);
}

/* M6 */
TEST(a_commit_of_an_old_leader_epoch_or_broker_epoch_is_stale)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_commit_range old = test_range(5, 0, 1, 0, 10, 0);
    ASSERT_EQ(world_commit(&world, 1, &old, 1), -ESTALE);
    struct meta_commit_range early = test_range(5, 0, 1, 0, 10, 2);
    ASSERT_EQ(world_commit(&world, 1, &early, 1), -ESTALE);
    struct meta_record again = test_broker(1, 2);
    int64_t newest = test_apply(world.state, &again).epoch;
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), -ESTALE);
    world.epoch = newest;
    struct meta_record gone = { .type = META_BROKER_GONE, .broker_gone = { 1, newest } };
    ASSERT_EQ(test_apply(world.state, &gone).error, 0);
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), -ESTALE);
    meta_state_free(world.state);
}

/* M5, M6 */
TEST(a_restarted_broker_commits_its_old_wal_before_it_opens_again)
{
    struct world world;
    ASSERT(world_init(&world));
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), 0);
    struct meta_record again = test_broker(1, 2);
    int64_t former = world.epoch;
    world.epoch = test_apply(world.state, &again).epoch;
    struct meta_record intent = test_intent(1, world.epoch, 10);
    uint64_t id = test_apply(world.state, &intent).first_id;
    /* Written under leader epoch 1, committed under the new broker epoch. */
    ASSERT_EQ(world_commit_one(&world, id, 0, 10, 30), 0);
    /* What the dead incarnation may still send is refused. */
    struct meta_commit_range late = test_range(5, 0, 2, 30, 40, 1);
    struct meta_record zombie = test_commit(1, former, 2, &late, 1);
    ASSERT_EQ(test_apply(world.state, &zombie).error, -ESTALE);
    struct meta_record open = test_open(5, 0, 1, world.epoch);
    ASSERT_EQ(test_apply(world.state, &open).epoch, 2);
    ASSERT_EQ(world_commit_one(&world, id + 1, 0, 30, 40), -ESTALE);
    struct meta_commit_range next = test_range(5, 0, id + 1, 30, 40, 2);
    ASSERT_EQ(world_commit(&world, id + 1, &next, 1), 0);
    meta_state_free(world.state);
}

/* M6 */
TEST(a_commit_by_a_broker_that_does_not_own_the_partition_is_stale)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record two = test_broker(2, 2);
    int64_t second = test_apply(world.state, &two).epoch;
    struct meta_record intent = test_intent(2, second, 10);
    uint64_t id = test_apply(world.state, &intent).first_id;
    struct meta_commit_range range = test_range(5, 0, id, 0, 10, 1);
    struct meta_record foreign = test_commit(2, second, id, &range, 1);
    ASSERT_EQ(test_apply(world.state, &foreign).error, -ESTALE);
    meta_state_free(world.state);
}

TEST(ranges_of_a_deleted_topic_are_passed_over)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_commit_range ranges[] = { test_range(9, 0, 1, 0, 10, 1),
        test_range(5, 0, 1, 0, 10, 1) };
    ASSERT_EQ(world_commit(&world, 1, ranges, 2), 0);
    ASSERT_EQ(meta_object_references(world.state, 1), 1);
    /* Nothing is left: garbage at once. */
    ranges[0] = test_range(9, 0, 2, 0, 10, 1);
    ASSERT_EQ(world_commit(&world, 2, ranges, 1), 0);
    uint64_t ids[4];
    ASSERT_EQ(garbage(&world, ids, 4), 1);
    ASSERT_EQ(ids[0], 2);
    meta_state_free(world.state);
}

/* O2 */
TEST(an_object_becomes_garbage_with_its_last_range)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_commit_range ranges[] = { test_range(5, 0, 1, 0, 10, 1),
        test_range(5, 1, 1, 0, 10, 1) };
    ASSERT_EQ(world_commit(&world, 1, ranges, 2), 0);
    ASSERT_EQ(log_start(&world, 0, 9), 0);
    ASSERT_EQ(meta_object_references(world.state, 1), 2); /* offset 9 is still inside */
    ASSERT_EQ(log_start(&world, 0, 10), 0);
    ASSERT_EQ(meta_object_references(world.state, 1), 1);
    uint64_t ids[4];
    ASSERT_EQ(garbage(&world, ids, 4), 0);
    ASSERT_EQ(log_start(&world, 1, 10), 0);
    ASSERT_EQ(garbage(&world, ids, 4), 1);
    ASSERT_EQ(ids[0], 1);
    ASSERT_EQ(log_start(&world, 1, 9), -EINVAL);
    struct meta_record removed = { .type = META_GARBAGE_REMOVED, .ids = { ids, 1 } };
    ASSERT_EQ(test_apply(world.state, &removed).error, 0);
    ASSERT_EQ(garbage(&world, ids, 4), 0);
    ASSERT_EQ(test_apply(world.state, &removed).error, -ENOENT);
    meta_state_free(world.state);
}

TEST(a_commit_below_the_log_start_leaves_nothing_behind)
{
    struct world world;
    ASSERT(world_init(&world));
    ASSERT_EQ(log_start(&world, 0, 50), 0);
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 50), 0);
    const struct meta_partition *partition = meta_partition_find(world.state, test_key(5, 0));
    ASSERT_EQ(partition->end_offset, 50);
    ASSERT_EQ(partition->range_count, 0);
    uint64_t ids[4];
    ASSERT_EQ(garbage(&world, ids, 4), 1);
    meta_state_free(world.state);
}

/* O2 */
TEST(a_merge_moves_ranges_into_a_manifest)
{
    struct world world;
    ASSERT(world_init(&world));
    for (uint64_t i = 0; i < 4; i++) {
        ASSERT_EQ(world_commit_one(&world, i + 1, 0, (int64_t)i * 10, (int64_t)i * 10 + 10), 0);
    }
    uint64_t added[] = { 20 };
    struct meta_merge_record first = { .key = test_key(5, 0),
        .leader_epoch = 1,
        .manifest_id = 21,
        .manifest_end_offset = 30,
        .added = added,
        .added_count = 1 };
    ASSERT_EQ(merge(&world, &first), 0);
    const struct meta_partition *partition = meta_partition_find(world.state, test_key(5, 0));
    ASSERT_EQ(partition->manifest_id, 21);
    ASSERT_EQ(partition->range_count, 1);
    ASSERT_EQ(partition->ranges[0].base_offset, 30);
    uint64_t ids[8];
    ASSERT_EQ(garbage(&world, ids, 8), 3);
    ASSERT_EQ(ids[0], 1);
    ASSERT_EQ(ids[2], 3);
    /* The merged object and the manifest have left the intent: they are no orphans when this epoch
     * dies. */
    ASSERT(meta_intent_is_used(meta_intent_next(world.state, 0), 20));
    ASSERT(meta_intent_is_used(meta_intent_next(world.state, 0), 21));
    ASSERT_EQ(merge(&world, &first), -EEXIST);
    /* The next one replaces object 20 and the manifest. */
    uint64_t added2[] = { 30 };
    uint64_t old[] = { 20 };
    struct meta_merge_record second = { .key = test_key(5, 0),
        .leader_epoch = 1,
        .manifest_id = 31,
        .manifest_end_offset = 40,
        .log_start_offset = 5,
        .added = added2,
        .added_count = 1,
        .garbage = old,
        .garbage_count = 1 };
    ASSERT_EQ(merge(&world, &second), 0);
    ASSERT_EQ(garbage(&world, ids, 8), 6);
    ASSERT_EQ(ids[3], 4);
    ASSERT_EQ(ids[4], 21);
    ASSERT_EQ(ids[5], 20);
    ASSERT_EQ(partition->log_start_offset, 5);
    meta_state_free(world.state);
}

TEST(a_merge_that_would_lose_data_is_refused)
{
    struct world world;
    ASSERT(world_init(&world));
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), 0);
    ASSERT_EQ(world_commit_one(&world, 2, 0, 10, 20), 0);
    uint64_t added[] = { 20 };
    struct meta_merge_record good = { .key = test_key(5, 0),
        .leader_epoch = 1,
        .manifest_id = 21,
        .manifest_end_offset = 10,
        .added = added,
        .added_count = 1 };
    struct meta_merge_record bad = good;
    bad.added_count = 0; /* readable offsets with no object that holds them */
    ASSERT_EQ(merge(&world, &bad), -EINVAL);
    bad = good;
    bad.manifest_end_offset = 15; /* cuts a range in two */
    ASSERT_EQ(merge(&world, &bad), -EINVAL);
    bad.manifest_end_offset = 30; /* beyond what is committed */
    ASSERT_EQ(merge(&world, &bad), -EINVAL);
    bad = good;
    bad.manifest_id = 0; /* no manifest that could name them */
    ASSERT_EQ(merge(&world, &bad), -EINVAL);
    bad = good;
    bad.manifest_id = 200; /* never handed out */
    ASSERT_EQ(merge(&world, &bad), -EINVAL);
    bad = good;
    bad.manifest_id = 1; /* committed already */
    ASSERT_EQ(merge(&world, &bad), -EINVAL);
    bad = good;
    uint64_t never[] = { 500 };
    bad.added = never;
    ASSERT_EQ(merge(&world, &bad), -EINVAL);
    bad = good;
    bad.garbage = never;
    bad.garbage_count = 1;
    ASSERT_EQ(merge(&world, &bad), -EINVAL);
    bad = good;
    bad.key.index = 8;
    ASSERT_EQ(merge(&world, &bad), -ENOENT);
    uint64_t ids[4];
    ASSERT_EQ(garbage(&world, ids, 4), 0);
    ASSERT_EQ(merge(&world, &good), 0);
    good.manifest_id = 22;
    good.manifest_end_offset = 9; /* manifests do not shrink */
    ASSERT_EQ(merge(&world, &good), -EINVAL);
    meta_state_free(world.state);
}

/* M6 */
TEST(merges_and_log_starts_of_an_old_epoch_are_stale)
{
    struct world world;
    ASSERT(world_init(&world));
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), 0);
    uint64_t added[] = { 20 };
    struct meta_merge_record record = { .key = test_key(5, 0),
        .leader_epoch = 0,
        .manifest_id = 21,
        .manifest_end_offset = 10,
        .added = added,
        .added_count = 1 };
    ASSERT_EQ(merge(&world, &record), -ESTALE);
    struct meta_record start = { .type = META_LOG_START, .log_start = { test_key(5, 0), 0, 5 } };
    ASSERT_EQ(test_apply(world.state, &start).error, -ESTALE);
    /* The broker came back: what its former self sends with the present leader epoch is stale as
     * well, because the ids that it names may have been removed as orphans. */
    struct meta_record again = test_broker(1, 2);
    ASSERT_EQ(test_apply(world.state, &again).error, 0);
    record.leader_epoch = 1;
    ASSERT_EQ(merge(&world, &record), -ESTALE);
    start.log_start.leader_epoch = 1;
    ASSERT_EQ(test_apply(world.state, &start).error, -ESTALE);
    meta_state_free(world.state);
}

/* O2 */
TEST(an_object_that_a_manifest_takes_over_lives_until_the_manifest_lets_go)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_commit_range ranges[] = { test_range(5, 0, 1, 0, 10, 1),
        test_range(5, 1, 1, 0, 10, 1) };
    ASSERT_EQ(world_commit(&world, 1, ranges, 2), 0);
    uint64_t shared[] = { 1 };
    struct meta_merge_record take = { .key = test_key(5, 0),
        .leader_epoch = 1,
        .manifest_id = 21,
        .manifest_end_offset = 10,
        .added = shared,
        .added_count = 1 };
    ASSERT_EQ(merge(&world, &take), 0);
    ASSERT_EQ(meta_object_references(world.state, 1), 1);
    ASSERT_EQ(meta_object_manifest_references(world.state, 1), 1);
    ASSERT_EQ(log_start(&world, 1, 10), 0);
    uint64_t ids[4];
    ASSERT_EQ(garbage(&world, ids, 4), 0);
    struct meta_merge_record drop = { .key = test_key(5, 0),
        .leader_epoch = 1,
        .manifest_id = 0,
        .manifest_end_offset = 10,
        .log_start_offset = 10,
        .garbage = shared,
        .garbage_count = 1 };
    ASSERT_EQ(merge(&world, &drop), 0);
    ASSERT_EQ(garbage(&world, ids, 4), 2);
    ASSERT_EQ(ids[0], 21);
    ASSERT_EQ(ids[1], 1);
    meta_state_free(world.state);
}

/* O2 */
TEST(an_object_that_somebody_still_names_is_not_marked)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_commit_range ranges[] = { test_range(5, 0, 1, 0, 10, 1),
        test_range(5, 1, 1, 0, 10, 1) };
    ASSERT_EQ(world_commit(&world, 1, ranges, 2), 0);
    uint64_t named[] = { 1 };
    uint64_t added[] = { 20 };
    struct meta_merge_record wrong = { .key = test_key(5, 0),
        .leader_epoch = 1,
        .manifest_id = 21,
        .manifest_end_offset = 10,
        .added = added,
        .added_count = 1,
        .garbage = named,
        .garbage_count = 1 };
    uint64_t before = mark_count("meta: a named object was not marked as garbage");
    ASSERT_EQ(merge(&world, &wrong), 0);
    ASSERT_EQ(mark_count("meta: a named object was not marked as garbage"), before + 1);
    uint64_t ids[4];
    ASSERT_EQ(garbage(&world, ids, 4), 0);
    ASSERT_EQ(meta_object_references(world.state, 1), 1);
    meta_state_free(world.state);
}

/* O2 */
TEST(a_deleted_topics_manifest_waits_until_it_was_read)
{
    struct world world;
    ASSERT(world_init(&world));
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), 0);
    ASSERT_EQ(world_commit_one(&world, 2, 0, 10, 20), 0);
    uint64_t added[] = { 20 };
    struct meta_merge_record move = { .key = test_key(5, 0),
        .leader_epoch = 1,
        .manifest_id = 21,
        .manifest_end_offset = 10,
        .added = added,
        .added_count = 1 };
    ASSERT_EQ(merge(&world, &move), 0);
    struct meta_record gone = { .type = META_TOPIC_DELETE, .topic_delete = { test_uuid(5) } };
    ASSERT_EQ(test_apply(world.state, &gone).error, 0);
    ASSERT_EQ(test_apply(world.state, &gone).error, -ENOENT);
    ASSERT_EQ(meta_partition_count(world.state), 0);
    uint64_t ids[8];
    ASSERT_EQ(garbage(&world, ids, 8), 2); /* object 1 by the merge, object 2 by the deletion */
    ASSERT_EQ(ids[1], 2);
    struct meta_dead_manifest dead[2];
    ASSERT_EQ(meta_dead_manifest_list(world.state, dead, 2), 1);
    ASSERT_EQ(dead[0].manifest_id, 21);
    uint64_t never[] = { 20, 600 };
    struct meta_record read = { .type = META_MANIFEST_GARBAGE,
        .manifest_garbage = { 21, never, 2 } };
    ASSERT_EQ(test_apply(world.state, &read).error, -EINVAL);
    read.manifest_garbage.count = 1;
    ASSERT_EQ(test_apply(world.state, &read).error, 0);
    ASSERT_EQ(test_apply(world.state, &read).error, -ENOENT);
    ASSERT_EQ(meta_dead_manifest_list(world.state, dead, 2), 0);
    ASSERT_EQ(garbage(&world, ids, 8), 4);
    ASSERT_EQ(ids[2], 20);
    ASSERT_EQ(ids[3], 21);
    meta_state_free(world.state);
}

TEST(garbage_is_listed_up_to_a_point_in_the_log)
{
    struct world world;
    ASSERT(world_init(&world));
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), 0);
    ASSERT_EQ(world_commit_one(&world, 2, 0, 10, 20), 0);
    ASSERT_EQ(log_start(&world, 0, 10), 0);
    uint64_t sequence = meta_state_sequence(world.state);
    ASSERT_EQ(log_start(&world, 0, 20), 0);
    uint64_t ids[4];
    ASSERT_EQ(meta_garbage_list_until(world.state, sequence, ids, 4), 1);
    ASSERT_EQ(ids[0], 1);
    ASSERT_EQ(meta_garbage_list_until(world.state, sequence + 1, ids, 4), 2);
    ASSERT_EQ(meta_garbage_list_until(world.state, sequence + 1, NULL, 0), 2);
    meta_state_free(world.state);
}

/* O2 */
TEST(an_intent_is_done_only_when_its_epoch_is_dead)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record done = { .type = META_INTENT_DONE, .intent_done = { 1, 100 } };
    ASSERT(!meta_intent_is_dead(world.state, meta_intent_next(world.state, 0)));
    ASSERT_EQ(test_apply(world.state, &done).error, -ESTALE);
    struct meta_record again = test_broker(1, 2);
    ASSERT_EQ(test_apply(world.state, &again).error, 0);
    ASSERT(meta_intent_is_dead(world.state, meta_intent_next(world.state, 0)));
    done.intent_done.count = 99;
    ASSERT_EQ(test_apply(world.state, &done).error, -ENOENT);
    done.intent_done.count = 100;
    ASSERT_EQ(test_apply(world.state, &done).error, 0);
    ASSERT(!meta_intent_next(world.state, 0));
    meta_state_free(world.state);
}
