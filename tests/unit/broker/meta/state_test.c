/* The state machine, record by record: what each changes, and what each refuses without changing
 * anything. */
#include "base/mark.h"
#include "base/mem.h"
#include "meta/state.h"
#include "support_world.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

TEST(a_cluster_is_founded_once)
{
    int64_t epoch;
    struct meta_state *state = test_state(&epoch);
    struct uuid id = test_uuid(900);
    ASSERT(uuid_equal(meta_state_cluster_id(state), &id));
    struct meta_record again = { .type = META_CLUSTER, .cluster = { test_uuid(901), 1 } };
    ASSERT_EQ(test_apply(state, &again).error, -EEXIST);
    ASSERT(uuid_equal(meta_state_cluster_id(state), &id));
    meta_state_free(state);
}

/* M2 */
TEST(controllers_take_over_in_rising_epochs_only)
{
    struct meta_state *state = meta_state_new();
    ASSERT_EQ(meta_state_controller(state), -1);
    struct meta_record first = { .type = META_CONTROLLER, .controller = { 3, test_uuid(1), 7 } };
    struct meta_record stale = { .type = META_CONTROLLER, .controller = { 3, test_uuid(2), 8 } };
    ASSERT_EQ(test_apply(state, &first).error, 0);
    ASSERT_EQ(test_apply(state, &stale).error, -ESTALE);
    ASSERT_EQ(meta_state_controller(state), 7);
    ASSERT_EQ(meta_state_controller_epoch(state), 3);
    meta_state_free(state);
}

TEST(broker_epochs_grow_over_all_brokers)
{
    int64_t first;
    struct meta_state *state = test_state(&first);
    struct meta_record two = test_broker(2, 2);
    struct meta_record again = test_broker(1, 3);
    struct meta_result second = test_apply(state, &two);
    struct meta_result third = test_apply(state, &again);
    ASSERT(first < second.epoch && second.epoch < third.epoch);
    ASSERT_EQ(test_apply(state, &again).error, -EEXIST);
    ASSERT_EQ(meta_broker_find(state, 1)->epoch, third.epoch);
    ASSERT_EQ(meta_broker_next(state, -1)->id, 1);
    ASSERT_EQ(meta_broker_next(state, 1)->id, 2);
    ASSERT(!meta_broker_next(state, 2));
    struct meta_record gone = { .type = META_BROKER_GONE, .broker_gone = { 1, first } };
    ASSERT_EQ(test_apply(state, &gone).error, -ESTALE);
    gone.broker_gone.broker_epoch = third.epoch;
    ASSERT_EQ(test_apply(state, &gone).error, 0);
    ASSERT(!meta_broker_find(state, 1)->alive);
    gone.broker_gone.broker_id = 9;
    ASSERT_EQ(test_apply(state, &gone).error, -ENOENT);
    meta_state_free(state);
}

TEST(a_broker_is_found_by_each_listener_of_its_newest_registration)
{
    int64_t epoch;
    struct meta_state *state = test_state(&epoch);
    const struct meta_broker *one = meta_broker_find(state, 1);
    ASSERT_STRING(meta_broker_endpoint(one, "PLAINTEXT")->host, "localhost");
    ASSERT_EQ(meta_broker_endpoint(one, "EXTERNAL")->port, 31092);
    ASSERT(!meta_broker_endpoint(one, "INTERNAL"));
    ASSERT(!meta_broker_endpoint(one, "external"));
    struct meta_record again = test_broker(1, 9);
    again.broker.endpoint_count = 1;
    ASSERT_EQ(test_apply(state, &again).error, 0);
    ASSERT(!meta_broker_endpoint(meta_broker_find(state, 1), "EXTERNAL"));
    meta_state_free(state);
}

TEST(a_broker_with_a_bad_address_is_refused)
{
    int64_t epoch;
    struct meta_state *state = test_state(&epoch);
    struct meta_record broker = test_broker(2, 2);
    static const struct meta_endpoint good = { { (const uint8_t *)"A", 1 },
        { (const uint8_t *)"h", 1 }, 1 };
    const struct meta_endpoint bad[] = {
        { BYTES_LITERAL("B"), bytes_of("a\0b", 3), 1 }, { BYTES_LITERAL("B"), BYTES_NULL, 1 },
        { bytes_of("a\0b", 3), BYTES_LITERAL("h"), 1 },
        { BYTES_LITERAL(""), BYTES_LITERAL("h"), 1 }, good, /* twice */
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        const struct meta_endpoint endpoints[2] = { good, bad[i] };
        broker.broker.endpoints = endpoints;
        ASSERT_EQ(test_apply(state, &broker).error, -EINVAL);
    }
    broker.broker.endpoint_count = 0;
    ASSERT_EQ(test_apply(state, &broker).error, -EINVAL);
    broker.broker.endpoint_count = META_ENDPOINTS_MAX + 1;
    ASSERT_EQ(test_apply(state, &broker).error, -EINVAL);
    broker = test_broker(-1, 2);
    ASSERT_EQ(test_apply(state, &broker).error, -EINVAL);
    ASSERT(!meta_broker_find(state, 2));
    meta_state_free(state);
}

TEST(topics_are_found_by_name_and_by_id)
{
    struct world world;
    ASSERT(world_init(&world));
    struct uuid id = test_uuid(5);
    const struct meta_topic *topic = meta_topic_by_name(world.state, BYTES_LITERAL("topic-5"));
    ASSERT(topic && topic == meta_topic_by_id(world.state, &id));
    ASSERT_EQ(topic->partition_count, 4);
    ASSERT_EQ(meta_partition_count(world.state), 4);
    ASSERT_EQ(meta_partition_find(world.state, test_key(5, 3))->owner, 1);
    ASSERT(!meta_partition_find(world.state, test_key(5, 4)));
    ASSERT(!meta_partition_find(world.state, test_key(5, -1)));
    ASSERT(!meta_partition_find(world.state, test_key(6, 0)));
    struct meta_record other = test_topic(6, 1);
    ASSERT_EQ(test_apply(world.state, &other).error, 0);
    ASSERT_EQ(meta_topic_count(world.state), 2);
    ASSERT(meta_topic_next(world.state, NULL) == topic);
    ASSERT_STRING(meta_topic_next(world.state, topic)->name, "topic-6");
    meta_state_free(world.state);
}

TEST(a_topic_that_cannot_be_is_refused)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record topic = test_topic(5, 1);
    ASSERT_EQ(test_apply(world.state, &topic).error, -EEXIST);
    topic = test_topic(6, 1);
    topic.topic.topic_id = test_uuid(5);
    ASSERT_EQ(test_apply(world.state, &topic).error, -EEXIST);
    topic = test_topic(6, 1);
    topic.topic.name = BYTES_LITERAL("");
    ASSERT_EQ(test_apply(world.state, &topic).error, -EINVAL);
    char name[TOPIC_NAME_SIZE_MAX + 1];
    memset(name, 'a', sizeof name);
    topic.topic.name = bytes_of(name, sizeof name);
    ASSERT_EQ(test_apply(world.state, &topic).error, -EINVAL);
    topic = test_topic(6, 1);
    topic.topic.partition_count = 0;
    ASSERT_EQ(test_apply(world.state, &topic).error, -EINVAL);
    topic.topic.partition_count = PARTITIONS_MAX + 1;
    ASSERT_EQ(test_apply(world.state, &topic).error, -ENOSPC);
    static const int32_t nobody[] = { 99 };
    topic = test_topic(6, 1);
    topic.topic.owners = nobody;
    ASSERT_EQ(test_apply(world.state, &topic).error, -EINVAL);
    ASSERT_EQ(meta_topic_count(world.state), 1);
    meta_state_free(world.state);
}

TEST(the_number_of_partitions_has_a_limit_over_all_topics)
{
    int64_t epoch;
    struct meta_state *state = test_state(&epoch);
    int32_t *owners = mem_alloc_array(PARTITIONS_MAX, sizeof *owners);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++) {
        owners[i] = 1;
    }
    struct meta_record topic = test_topic(1, 1);
    topic.topic.owners = owners;
    topic.topic.partition_count = PARTITIONS_MAX;
    ASSERT_EQ(test_apply(state, &topic).error, 0);
    struct meta_record more = test_topic(2, 1);
    ASSERT_EQ(test_apply(state, &more).error, -ENOSPC);
    struct meta_record grow = { .type = META_PARTITIONS,
        .partitions = { test_uuid(1), PARTITIONS_MAX + 1, owners, 1 } };
    ASSERT_EQ(test_apply(state, &grow).error, -ENOSPC);
    mem_free(owners);
    meta_state_free(state);
}

TEST(partitions_are_added_and_the_old_ones_keep_their_state)
{
    struct world world;
    ASSERT(world_init(&world));
    ASSERT_EQ(world_commit_one(&world, 1, 2, 0, 10), 0);
    static const int32_t owners[] = { 1, 1 };
    struct meta_record grow = { .type = META_PARTITIONS,
        .partitions = { test_uuid(5), 6, owners, 2 } };
    ASSERT_EQ(test_apply(world.state, &grow).error, 0);
    ASSERT_EQ(meta_partition_find(world.state, test_key(5, 2))->end_offset, 10);
    ASSERT_EQ(meta_partition_find(world.state, test_key(5, 5))->epoch, 0);
    ASSERT_EQ(meta_partition_count(world.state), 6);
    ASSERT_EQ(test_apply(world.state, &grow).error, -EINVAL);
    grow.partitions.partition_count = 9;
    ASSERT_EQ(test_apply(world.state, &grow).error, -EINVAL);
    grow.partitions.topic_id = test_uuid(6);
    ASSERT_EQ(test_apply(world.state, &grow).error, -ENOENT);
    meta_state_free(world.state);
}

/* M5 */
TEST(a_partition_whose_tail_may_be_in_anothers_wal_cannot_be_taken)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record two = test_broker(2, 2);
    int64_t second = test_apply(world.state, &two).epoch;
    struct meta_record take = test_open(5, 0, 2, second);
    ASSERT_EQ(test_apply(world.state, &take).error, -EBUSY);
    struct meta_record gone = { .type = META_BROKER_GONE, .broker_gone = { 1, world.epoch } };
    ASSERT_EQ(test_apply(world.state, &gone).error, 0);
    ASSERT_EQ(test_apply(world.state, &take).error, -EBUSY);
    gone.broker_gone.clean = true;
    ASSERT_EQ(test_apply(world.state, &gone).error, 0);
    struct meta_result result = test_apply(world.state, &take);
    ASSERT_EQ(result.error, 0);
    ASSERT_EQ(result.epoch, 2);
    ASSERT_EQ(meta_partition_find(world.state, test_key(5, 0))->owner, 2);
    struct meta_record stale = test_open(5, 1, 1, world.epoch);
    ASSERT_EQ(test_apply(world.state, &stale).error, -ESTALE);
    struct meta_record nowhere = test_open(5, 9, 2, second);
    ASSERT_EQ(test_apply(world.state, &nowhere).error, -ENOENT);
    meta_state_free(world.state);
}

/* M5 */
TEST(what_is_open_is_not_opened_a_second_time)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record open = test_open(5, 0, 1, world.epoch);
    struct meta_result result = test_apply(world.state, &open);
    ASSERT_EQ(result.error, -EALREADY);
    ASSERT_EQ(result.epoch, 1);
    ASSERT_EQ(meta_partition_find(world.state, test_key(5, 0))->epoch, 1);
    /* As it was in logs of version 1, whose later records count on it. */
    open.open.again = true;
    ASSERT_EQ(test_apply(world.state, &open).epoch, 2);
    /* A new epoch of the broker is one of the partition. */
    struct meta_record back = test_broker(1, 9);
    open = test_open(5, 0, 1, test_apply(world.state, &back).epoch);
    ASSERT_EQ(test_apply(world.state, &open).epoch, 3);
    meta_state_free(world.state);
}

static struct meta_record
move_to(int32_t index, int32_t target)
{
    return (struct meta_record){ .type = META_MOVE, .move = { test_key(5, index), target } };
}

static struct meta_record
handover(const struct world *world, int32_t index, int32_t leader_epoch, int64_t end_offset)
{
    return (struct meta_record){ .type = META_HANDOVER,
        .handover = { test_key(5, index), 1, world->epoch, leader_epoch, end_offset } };
}

/* V1 */
TEST(a_wish_is_noted_replaced_and_withdrawn)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record two = test_broker(2, 2);
    ASSERT_EQ(test_apply(world.state, &two).error, 0);
    struct meta_record wish = move_to(0, 2);
    ASSERT_EQ(test_apply(world.state, &wish).error, 0);
    const struct meta_partition *partition = meta_partition_find(world.state, test_key(5, 0));
    ASSERT_EQ(partition->target, 2);
    ASSERT_EQ(partition->owner, 1);
    ASSERT_EQ(partition->epoch, 1);
    wish.move.target = 3;
    ASSERT_EQ(test_apply(world.state, &wish).error, -EBUSY);
    wish.move.target = 1;
    ASSERT_EQ(test_apply(world.state, &wish).error, 0);
    ASSERT_EQ(partition->target, -1);
    wish.move.key.index = 9;
    ASSERT_EQ(test_apply(world.state, &wish).error, -ENOENT);
    meta_state_free(world.state);
}

/* V1: it gives way to any other wish, and to what has changed since the plan. */
TEST(a_wish_of_the_balancer_gives_way)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record two = test_broker(2, 2);
    struct meta_record three = test_broker(3, 3);
    ASSERT_EQ(test_apply(world.state, &two).error, 0);
    ASSERT_EQ(test_apply(world.state, &three).error, 0);
    const struct meta_partition *partition = meta_partition_find(world.state, test_key(5, 0));
    struct meta_record wish = { .type = META_BALANCE,
        .balance = { test_key(5, 0), 2, partition->epoch + 1 } };
    ASSERT_EQ(test_apply(world.state, &wish).error, -ESTALE);
    wish.balance.leader_epoch = partition->epoch;
    wish.balance.target = 1;
    ASSERT_EQ(test_apply(world.state, &wish).error, -ESTALE);
    wish.balance.target = 9;
    ASSERT_EQ(test_apply(world.state, &wish).error, -EBUSY);
    struct meta_record cordon = { .type = META_BROKER_STATE,
        .broker_state = { 2, META_BROKER_CORDONED } };
    ASSERT_EQ(test_apply(world.state, &cordon).error, 0);
    wish.balance.target = 2;
    ASSERT_EQ(test_apply(world.state, &wish).error, -EBUSY);
    struct meta_record other = move_to(0, 3);
    ASSERT_EQ(test_apply(world.state, &other).error, 0);
    cordon.broker_state.state = META_BROKER_OPEN;
    ASSERT_EQ(test_apply(world.state, &cordon).error, 0);
    ASSERT_EQ(test_apply(world.state, &wish).error, -ESTALE);
    ASSERT_EQ(partition->target, 3);
    other.move.target = 1;
    ASSERT_EQ(test_apply(world.state, &other).error, 0);
    ASSERT_EQ(test_apply(world.state, &wish).error, 0);
    ASSERT_EQ(partition->target, 2);
    wish.balance.key.index = 9;
    ASSERT_EQ(test_apply(world.state, &wish).error, -ENOENT);
    meta_state_free(world.state);
}

/* V2 */
TEST(one_record_gives_a_partition_away)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record two = test_broker(2, 2);
    int64_t second = test_apply(world.state, &two).epoch;
    ASSERT_EQ(world_commit_one(&world, 1, 0, 0, 10), 0);
    struct meta_record wish = move_to(0, 2);
    ASSERT_EQ(test_apply(world.state, &wish).error, 0);
    struct meta_record give = handover(&world, 0, 1, 10);
    struct meta_result result = test_apply(world.state, &give);
    ASSERT_EQ(result.error, 0);
    ASSERT_EQ(result.epoch, 2);
    const struct meta_partition *partition = meta_partition_find(world.state, test_key(5, 0));
    ASSERT_EQ(partition->owner, 2);
    ASSERT_EQ(partition->owner_broker_epoch, second);
    ASSERT_EQ(partition->target, -1);
    ASSERT_EQ(partition->end_offset, 10);
    ASSERT_EQ(test_apply(world.state, &give).error, -ESTALE);
    ASSERT_EQ(world_commit_one(&world, 2, 0, 10, 20), -ESTALE); /* M6 */
    meta_state_free(world.state);
}

/* V2: what is not committed would be lost with the old owner. */
TEST(a_handover_that_does_not_name_the_committed_end_is_refused)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record two = test_broker(2, 2);
    int64_t second = test_apply(world.state, &two).epoch;
    struct meta_record give = handover(&world, 0, 1, 0);
    ASSERT_EQ(test_apply(world.state, &give).error, -EINVAL); /* nobody wished for it */
    struct meta_record wish = move_to(0, 2);
    ASSERT_EQ(test_apply(world.state, &wish).error, 0);
    give.handover.end_offset = 10;
    ASSERT_EQ(test_apply(world.state, &give).error, -EINVAL);
    give.handover.leader_epoch = 2;
    ASSERT_EQ(test_apply(world.state, &give).error, -ESTALE);
    struct meta_record gone = { .type = META_BROKER_GONE, .broker_gone = { 2, second } };
    ASSERT_EQ(test_apply(world.state, &gone).error, 0);
    give = handover(&world, 0, 1, 0);
    ASSERT_EQ(test_apply(world.state, &give).error, -EBUSY);
    ASSERT_EQ(meta_partition_find(world.state, test_key(5, 0))->owner, 1);
    meta_state_free(world.state);
}

TEST(a_broker_is_cordoned_and_a_stop_ends_with_the_next_start)
{
    int64_t epoch;
    struct meta_state *state = test_state(&epoch);
    struct meta_record set = { .type = META_BROKER_STATE,
        .broker_state = { 1, META_BROKER_CORDONED } };
    ASSERT(meta_broker_takes(meta_broker_find(state, 1)));
    ASSERT_EQ(test_apply(state, &set).error, 0);
    ASSERT(!meta_broker_takes(meta_broker_find(state, 1)));
    struct meta_record again = test_broker(1, 2);
    ASSERT_EQ(test_apply(state, &again).error, 0);
    ASSERT_EQ(meta_broker_find(state, 1)->state, META_BROKER_CORDONED);
    set.broker_state.state = META_BROKER_STOPPING;
    ASSERT_EQ(test_apply(state, &set).error, 0);
    again = test_broker(1, 3);
    ASSERT_EQ(test_apply(state, &again).error, 0);
    ASSERT_EQ(meta_broker_find(state, 1)->state, META_BROKER_OPEN);
    set.broker_state.broker_id = 9;
    ASSERT_EQ(test_apply(state, &set).error, -ENOENT);
    set.broker_state.broker_id = 1;
    set.broker_state.state = (enum meta_broker_state)9;
    ASSERT_EQ(test_apply(state, &set).error, -EINVAL);
    meta_state_free(state);
}

static struct meta_record
remove_of(int32_t id, int64_t epoch)
{
    return (struct meta_record){ .type = META_BROKER_REMOVE, .broker_remove = { id, epoch } };
}

/* M5: forgotten is who is gone, and has nothing that only its WAL knows. */
TEST(a_broker_that_may_have_a_tail_is_not_forgotten)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record two = test_broker(2, 2);
    int64_t second = test_apply(world.state, &two).epoch;
    struct meta_record forget = remove_of(1, world.epoch);
    ASSERT_EQ(test_apply(world.state, &forget).error, -EBUSY);
    struct meta_record gone = { .type = META_BROKER_GONE, .broker_gone = { 1, world.epoch } };
    ASSERT_EQ(test_apply(world.state, &gone).error, 0);
    ASSERT(meta_broker_has_tail(world.state, 1));
    ASSERT_EQ(test_apply(world.state, &forget).error, -EBUSY);
    forget = remove_of(9, world.epoch);
    ASSERT_EQ(test_apply(world.state, &forget).error, -ENOENT);
    forget = remove_of(1, second);
    ASSERT_EQ(test_apply(world.state, &forget).error, -ESTALE);
    ASSERT(meta_broker_find(world.state, 1) != NULL);
    gone.broker_gone.clean = true;
    ASSERT_EQ(test_apply(world.state, &gone).error, 0);
    forget = remove_of(1, world.epoch);
    ASSERT_EQ(test_apply(world.state, &forget).error, 0);
    ASSERT(!meta_broker_find(world.state, 1));
    ASSERT_EQ(meta_broker_next(world.state, -1)->id, 2);
    ASSERT_EQ(test_apply(world.state, &forget).error, -ENOENT);
    /* Its partitions wait for whoever is alive, also after a snapshot. */
    struct strbuf bytes = test_bytes(world.state);
    struct meta_state *copy;
    ASSERT_OK(meta_state_decode(strbuf_bytes(&bytes), &copy));
    ASSERT(test_states_equal(world.state, copy));
    meta_state_free(copy);
    strbuf_done(&bytes);
    struct meta_record open = test_open(5, 0, 2, second);
    ASSERT_EQ(test_apply(world.state, &open).error, 0);
    meta_state_free(world.state);
}

TEST(a_wish_for_a_forgotten_broker_is_withdrawn_and_its_id_is_free)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record two = test_broker(2, 2);
    int64_t second = test_apply(world.state, &two).epoch;
    struct meta_record wish = move_to(0, 2);
    ASSERT_EQ(test_apply(world.state, &wish).error, 0);
    struct meta_record gone = { .type = META_BROKER_GONE, .broker_gone = { 2, second } };
    ASSERT_EQ(test_apply(world.state, &gone).error, 0);
    struct meta_record forget = remove_of(2, second);
    ASSERT_EQ(test_apply(world.state, &forget).error, 0);
    ASSERT_EQ(meta_partition_find(world.state, test_key(5, 0))->target, -1);
    struct meta_result again = test_apply(world.state, &two);
    ASSERT_EQ(again.error, 0);
    ASSERT(again.epoch > second);
    ASSERT_EQ(test_apply(world.state, &forget).error, -ESTALE);
    meta_state_free(world.state);
}

TEST(configs_are_set_listed_in_order_and_deleted)
{
    struct world world;
    ASSERT(world_init(&world));
    struct bytes topic = BYTES_LITERAL("topic-5");
    static const char *const keys[] = { "retention.ms", "cleanup.policy", "max.message.bytes" };
    for (size_t i = 0; i < 3; i++) {
        struct meta_record set = { .type = META_CONFIG,
            .config = { META_RESOURCE_TOPIC, topic, bytes_of_string(keys[i]),
                    bytes_of_string(keys[i]) } };
        ASSERT_EQ(test_apply(world.state, &set).error, 0);
    }
    struct meta_config_entry entries[2];
    ASSERT_EQ(meta_config_list(world.state, META_RESOURCE_TOPIC, topic, entries, 2), 3);
    ASSERT_BYTES(entries[0].key, BYTES_LITERAL("cleanup.policy"));
    ASSERT_BYTES(entries[1].value, BYTES_LITERAL("max.message.bytes"));
    struct bytes value;
    ASSERT(meta_config_get(
            world.state, META_RESOURCE_TOPIC, topic, BYTES_LITERAL("retention.ms"), &value));
    struct meta_record change = { .type = META_CONFIG,
        .config = {
                META_RESOURCE_TOPIC, topic, BYTES_LITERAL("retention.ms"), BYTES_LITERAL("") } };
    ASSERT_EQ(test_apply(world.state, &change).error, 0);
    ASSERT(meta_config_get(
            world.state, META_RESOURCE_TOPIC, topic, BYTES_LITERAL("retention.ms"), &value));
    ASSERT_EQ(value.size, 0);
    change.config.value = BYTES_NULL;
    ASSERT_EQ(test_apply(world.state, &change).error, 0);
    ASSERT(!meta_config_get(
            world.state, META_RESOURCE_TOPIC, topic, BYTES_LITERAL("retention.ms"), &value));
    ASSERT(!meta_config_get(
            world.state, META_RESOURCE_BROKER, topic, BYTES_LITERAL("cleanup.policy"), &value));
    change.config.name = BYTES_LITERAL("no-such-topic");
    ASSERT_EQ(test_apply(world.state, &change).error, -ENOENT);
    change.config.resource = (enum meta_resource)3;
    ASSERT_EQ(test_apply(world.state, &change).error, -EINVAL);
    struct meta_record gone = { .type = META_TOPIC_DELETE, .topic_delete = { test_uuid(5) } };
    ASSERT_EQ(test_apply(world.state, &gone).error, 0);
    ASSERT_EQ(meta_config_list(world.state, META_RESOURCE_TOPIC, topic, entries, 2), 0);
    meta_state_free(world.state);
}

TEST(the_default_of_all_brokers_is_the_broker_without_a_name)
{
    int64_t epoch;
    struct meta_state *state = test_state(&epoch);
    struct meta_record set = { .type = META_CONFIG,
        .config = {
                META_RESOURCE_BROKER, BYTES_LITERAL(""), BYTES_LITERAL("k"), BYTES_LITERAL("v") } };
    ASSERT_EQ(test_apply(state, &set).error, 0);
    struct bytes value;
    ASSERT(meta_config_get(state, META_RESOURCE_BROKER, BYTES_NULL, BYTES_LITERAL("k"), &value));
    set.config.key = BYTES_LITERAL("");
    ASSERT_EQ(test_apply(state, &set).error, -EINVAL);
    meta_state_free(state);
}

TEST(blocks_of_ids_never_overlap)
{
    struct world world;
    ASSERT(world_init(&world));
    struct meta_record intent = test_intent(1, world.epoch, 50);
    ASSERT_EQ(test_apply(world.state, &intent).first_id, 101);
    ASSERT_EQ(test_apply(world.state, &intent).first_id, 151);
    ASSERT_EQ(meta_state_next_object_id(world.state), 201);
    intent.intent.count = 0;
    ASSERT_EQ(test_apply(world.state, &intent).error, -EINVAL);
    intent.intent.count = META_INTENT_COUNT_MAX + 1;
    ASSERT_EQ(test_apply(world.state, &intent).error, -EINVAL);
    intent.intent.count = 1;
    intent.intent.broker_epoch--;
    ASSERT_EQ(test_apply(world.state, &intent).error, -ESTALE);
    struct meta_record producers = { .type = META_PRODUCER_IDS,
        .producer_ids = { 1, world.epoch, 1000 } };
    ASSERT_EQ(test_apply(world.state, &producers).first_id, 0);
    ASSERT_EQ(test_apply(world.state, &producers).first_id, 1000);
    producers.producer_ids.broker_epoch--;
    ASSERT_EQ(test_apply(world.state, &producers).error, -ESTALE);
    meta_state_free(world.state);
}
