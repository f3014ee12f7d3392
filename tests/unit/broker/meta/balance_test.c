/* Plans of the balancer, case by case: B1 to B4 of meta/balance.h. */
#include "base/check.h"
#include "base/mem.h"
#include "meta/balance.h"
#include "unit/test.h"

#define BROKERS 8
#define PARTITIONS 4096

struct rig {
    struct balance_broker brokers[BROKERS];
    struct balance_partition partitions[PARTITIONS];
    struct balance_input input;
};

static struct rig *
rig_new(int32_t brokers)
{
    struct rig *rig = mem_alloc(sizeof *rig);
    for (int32_t i = 0; i < brokers; i++) {
        rig->brokers[i].takes = true;
    }
    rig->input = (struct balance_input){ .brokers = rig->brokers,
        .broker_count = brokers,
        .zone_count = 1,
        .partitions = rig->partitions,
        .imbalance_percent = 20,
        .load_min = 1000,
        .moves_max = 1000 };
    return rig;
}

static void
rig_add(struct rig *rig, int32_t topic, int32_t broker, size_t count, uint64_t load)
{
    for (size_t i = 0; i < count; i++) {
        rig->partitions[rig->input.partition_count++] =
                (struct balance_partition){ .topic = topic, .broker = broker, .load = load };
    }
}

/* Plans, carries the moves out, and returns their number. Checks B1 to B4. */
static size_t
rig_balance(struct rig *rig)
{
    struct balance_plan plan;
    bool moved[PARTITIONS] = { 0 };
    balance_plan(&rig->input, &plan);
    rig->input.correcting = plan.correcting;
    CHECK(plan.count <= rig->input.moves_max); /* B3 */
    for (size_t i = 0; i < plan.count; i++) {
        const struct balance_move *move = &plan.moves[i];
        struct balance_partition *partition = &rig->partitions[move->partition];
        CHECK(partition->broker == move->from && move->to != move->from);
        CHECK(rig->brokers[move->from].takes && rig->brokers[move->to].takes); /* B2 */
        CHECK(!partition->fixed && !moved[move->partition]);                   /* B4 */
        moved[move->partition] = true;
        partition->broker = move->to;
    }
    size_t count = plan.count;
    mem_free(plan.moves);
    return count;
}

static size_t
count_on(const struct rig *rig, int32_t broker, int32_t topic)
{
    size_t count = 0;
    for (size_t i = 0; i < rig->input.partition_count; i++) {
        count += rig->partitions[i].broker == broker &&
                 (topic < 0 || rig->partitions[i].topic == topic);
    }
    return count;
}

static uint64_t
load_on(const struct rig *rig, int32_t broker)
{
    uint64_t load = 0;
    for (size_t i = 0; i < rig->input.partition_count; i++) {
        load += rig->partitions[i].broker == broker ? rig->partitions[i].load : 0;
    }
    return load;
}

TEST(new_brokers_get_their_part_of_each_topic)
{
    struct rig *rig = rig_new(3);
    rig_add(rig, 0, 0, 48, 0);
    rig_add(rig, 1, 0, 12, 0);
    ASSERT_EQ(rig_balance(rig), 39); /* to where they differ by 2, half of 20 % of 20 */
    for (int32_t b = 0; b < 3; b++) {
        ASSERT(count_on(rig, b, -1) >= 19 && count_on(rig, b, -1) <= 21);
        ASSERT(count_on(rig, b, 1) >= 2);
    }
    /* B1 */
    ASSERT_EQ(rig_balance(rig), 0);
    mem_free(rig);
}

TEST(a_small_difference_is_left_and_a_correction_goes_on_to_the_goal)
{
    struct rig *rig = rig_new(2);
    rig_add(rig, 0, 0, 59, 0);
    rig_add(rig, 0, 1, 49, 0); /* mean 54: 20 % are 10 */
    ASSERT_EQ(rig_balance(rig), 0);
    rig_add(rig, 0, 0, 1, 0);
    ASSERT_EQ(rig_balance(rig), 3); /* 57 and 52: to half of it */
    ASSERT_EQ(rig_balance(rig), 0);
    mem_free(rig);
}

TEST(a_plan_is_cut_to_its_cap_and_goes_on_with_the_next)
{
    struct rig *rig = rig_new(2);
    rig->input.moves_max = 7;
    rig_add(rig, 0, 0, 40, 0);
    ASSERT_EQ(rig_balance(rig), 7);
    ASSERT_EQ(rig_balance(rig), 7);
    ASSERT_EQ(count_on(rig, 1, -1), 14);
    ASSERT_EQ(rig_balance(rig), 5); /* 21 and 19 */
    ASSERT_EQ(rig_balance(rig), 0);
    mem_free(rig);
}

/* B2 */
TEST(cordoned_and_silent_brokers_are_left_alone)
{
    struct rig *rig = rig_new(4);
    rig->brokers[2].takes = false;
    rig->brokers[3].takes = false;
    rig_add(rig, 0, 0, 30, 5000);
    rig_add(rig, 0, 2, 50, 5000);
    ASSERT_EQ(rig_balance(rig), 15);
    ASSERT_EQ(count_on(rig, 1, -1), 15);
    ASSERT_EQ(count_on(rig, 2, -1), 50);
    ASSERT_EQ(count_on(rig, 3, -1), 0);
    mem_free(rig);
}

/* B4 */
TEST(what_is_fixed_stays)
{
    struct rig *rig = rig_new(2);
    rig_add(rig, 0, 0, 20, 0);
    for (size_t i = 0; i < 15; i++) {
        rig->partitions[i].fixed = true;
    }
    ASSERT_EQ(rig_balance(rig), 5);
    ASSERT_EQ(rig_balance(rig), 0);
    mem_free(rig);
}

TEST(a_broker_whose_partitions_are_all_fixed_does_not_stop_the_others)
{
    struct rig *rig = rig_new(3);
    rig_add(rig, 0, 0, 30, 0);
    for (size_t i = 0; i < 30; i++) {
        rig->partitions[i].fixed = true;
    }
    rig_add(rig, 0, 1, 18, 0);
    ASSERT_EQ(rig_balance(rig), 9);
    ASSERT_EQ(count_on(rig, 2, -1), 9);
    ASSERT_EQ(rig_balance(rig), 0);
    mem_free(rig);
}

TEST(traffic_is_evened_where_the_numbers_are_even)
{
    struct rig *rig = rig_new(2);
    rig_add(rig, 0, 0, 10, 100000);
    rig_add(rig, 1, 0, 10, 10);
    rig_add(rig, 2, 1, 20, 1000);
    size_t moves = rig_balance(rig);
    ASSERT(moves >= 4 && moves <= 10);
    uint64_t first = load_on(rig, 0);
    uint64_t second = load_on(rig, 1);
    ASSERT(first < second + 220000 && second < first + 220000);
    ASSERT(count_on(rig, 0, -1) >= 17 && count_on(rig, 0, -1) <= 23);
    ASSERT_EQ(rig_balance(rig), 0);
    mem_free(rig);
}

/* B1: one partition that is all the traffic would only carry it to the other broker. */
TEST(one_busy_partition_does_not_wander)
{
    struct rig *rig = rig_new(2);
    rig_add(rig, 0, 0, 1, 50000000);
    rig_add(rig, 1, 0, 9, 100);
    rig_add(rig, 1, 1, 10, 100);
    ASSERT_EQ(rig_balance(rig), 0);
    mem_free(rig);
}

/* B4: its traffic is not known there yet. */
TEST(what_has_just_come_is_not_moved_again_for_its_traffic)
{
    struct rig *rig = rig_new(2);
    rig_add(rig, 0, 0, 10, 100000);
    rig_add(rig, 1, 1, 10, 10);
    for (size_t i = 0; i < 10; i++) {
        rig->partitions[i].is_new = true;
    }
    ASSERT_EQ(rig_balance(rig), 0);
    rig_add(rig, 2, 0, 10, 0);
    ASSERT_EQ(rig_balance(rig), 5);
    mem_free(rig);
}

TEST(little_traffic_is_not_worth_a_move)
{
    struct rig *rig = rig_new(2);
    rig_add(rig, 0, 0, 10, 90);
    rig_add(rig, 0, 1, 10, 1);
    ASSERT_EQ(rig_balance(rig), 0);
    mem_free(rig);
}

TEST(a_topic_is_spread_over_the_zones)
{
    struct rig *rig = rig_new(4);
    rig->input.zone_count = 2;
    rig->brokers[2].zone = 1;
    rig->brokers[3].zone = 1;
    rig_add(rig, 0, 0, 4, 0);
    rig_add(rig, 0, 1, 4, 0);
    for (int32_t topic = 1; topic < 5; topic++) {
        for (int32_t b = 0; b < 4; b++) {
            rig_add(rig, topic, b, b < 2 ? 4 : 6, 0);
        }
    }
    /* First the others make room; numbers stay even all the time. */
    int plans = 0;
    while (rig_balance(rig)) {
        ASSERT(++plans < 10);
        for (int32_t b = 0; b < 4; b++) {
            ASSERT(count_on(rig, b, -1) >= 18 && count_on(rig, b, -1) <= 26);
        }
    }
    for (int32_t topic = 0; topic < 5; topic++) {
        size_t in_zone = count_on(rig, 0, topic) + count_on(rig, 1, topic);
        ASSERT_EQ(in_zone, topic ? 10 : 4);
    }
    mem_free(rig);
}

/* Moves for the numbers go to the zone that has least of the topic. */
TEST(new_brokers_in_two_zones_get_the_same_of_a_topic)
{
    struct rig *rig = rig_new(3);
    rig->input.zone_count = 3;
    rig->brokers[1].zone = 1;
    rig->brokers[2].zone = 2;
    rig_add(rig, 0, 0, 9, 0);
    rig_add(rig, 1, 0, 9, 0);
    ASSERT_EQ(rig_balance(rig), 12);
    for (int32_t b = 0; b < 3; b++) {
        ASSERT_EQ(count_on(rig, b, 0), 3);
    }
    mem_free(rig);
}

TEST(nobody_to_balance_over_is_fine)
{
    struct rig *rig = rig_new(2);
    rig->brokers[0].takes = false;
    rig->brokers[1].takes = false;
    rig_add(rig, 0, 0, 10, 0);
    rig_add(rig, 0, -1, 10, 0);
    ASSERT_EQ(rig_balance(rig), 0);
    rig->input.partition_count = 0;
    rig->brokers[0].takes = true;
    ASSERT_EQ(rig_balance(rig), 0);
    mem_free(rig);
}
