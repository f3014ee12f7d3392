/* Brokers of lost nodes. */
#include "unit/operator/plan/support_world.h"
#include "unit/test.h"

#include <stdio.h>

#define OK "ready says:active"
#define LIVES "starting says:active node:down"

static const struct world_row lost_rows[] = {
    { "a lost node is replaced by a new id", 3,
            { OK " node:ok", OK " node:ok", "starting node:down" },
            "create-claim 3, create-pod 3" },
    { "once", 3, { OK, OK, "starting node:down", OK }, "" },
    { "also while its pod is going", 3, { OK, OK, "ending node:down", OK }, "" },
    { "when it comes back there is one too many", 3, { OK, OK, OK " node:ok", OK },
            "mark-claim 3 draining" },
    { "P4: two of three are rather our own fault", 3,
            { OK " node:ok", "starting node:down", "starting node:down" }, "" },
    { "P4: all that one node had, while another serves", 3,
            { OK, "starting node:down together", "starting node:down together" },
            "create-claim 3, create-pod 3, create-claim 4, create-pod 4" },
    { "P4: nobody serves: not even one node's", 2,
            { "starting node:down together", "starting node:down together" }, "" },
    { "P4: a second one, when the first is replaced: nobody who serves is drained", 3,
            { OK, "starting node:down", "starting node:down", OK }, "" },
    { "P4: fewer are wished: not those who serve alone", 1, { OK, OK, "starting node:down" },
            "mark-claim 1 draining" },
    { "P2: nobody is stopped while a lost one is not replaced", 2,
            { OK " old", "starting node:down old" }, "create-claim 2, create-pod 2" },
    { "P2: nor while the one in its place is starting", 2,
            { OK " old", "starting node:down old", "starting" }, "" },
    { "P2: a lost one that was replaced holds up no rollout", 2,
            { OK " old", "starting node:down old", OK }, "try-pod 0, delete-pod 0" },
    { "P2: one after the other, all the same", 3,
            { OK " old", "starting node:down old", "starting", OK }, "" },
    { "P2: nor at the moment when an empty one is taken back in its place", 3,
            { OK " old", OK " old", "starting node:down old", "nopod empty" },
            "mark-claim 3 active, create-pod 3" },
    { "a broker that is ready isn't lost", 3, { OK, OK, OK " node:down" }, "" },
    { "P4: it lives: its partitions go to others", 3, { OK, OK, LIVES, OK }, "drain 2" },
    { "P4: also before the one in its place is there", 3, { OK, OK, LIVES },
            "create-claim 3, create-pod 3, drain 2" },
    { "P4: also while its pod is going", 3, { OK, OK, "ending says:active node:down", OK },
            "drain 2" },
    { "P4: that takes its time", 3, { OK, OK, "starting says:draining node:down", OK }, "" },
    { "P4: and stays so", 3, { OK, OK, "starting says:drained node:down", OK }, "" },
    { "P4: until its node is back", 3, { OK, "starting", "ready says:drained node:ok" },
            "undrain 2" },
    { "P4: it lived before", 3, { OK, OK, LIVES " asked-before", OK }, "" },
    { "P4: most live and are not heard: then it is we", 3, { OK " node:ok", LIVES, LIVES }, "" },
    { "P4: nobody could take them", 2, { "starting", LIVES }, "create-claim 2, create-pod 2" },
};

/* A4: a claim whose mark is refused is still marked as one that may go. */
TEST(a4_a_broker_is_made_again_when_its_mark_was_taken_back)
{
    static struct world world;
    world_begin(&world, 2, "{}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, "nopod empty");
    ASSERT_STRING(world_plan(&world), "mark-claim 1 active, create-pod 1");
    const struct action *last = CONTAINER_OF(world.plan.actions.prev, struct action, node);
    ASSERT(last->kind == ACTION_CREATE_POD && last->needs_last);
    world_end(&world);
}

/* P1: it would be refused for ever, by its epoch. */
TEST(p1_one_that_registered_again_after_its_proof_is_drained_again)
{
    static const struct {
        const char *registered;
        const char *broker;
        const char *plan;
    } rows[] = {
        { "ghost", "nopod empty", "unregister 1, delete-claim 1" },
        { "ghost again", "nopod empty", "mark-claim 1 draining" },
        { "ghost-alive again", OK " empty", "mark-claim 1 draining" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        static struct world world;
        world_begin(&world, 1, "{}");
        world_broker(&world, 0, OK);
        world_broker(&world, 1, rows[i].registered);
        world_broker(&world, 1, rows[i].broker);
        ASSERT_STRING(world_plan(&world), rows[i].plan);
        world_end(&world);
    }
}

static const char *
lost_message(const char *spec, const char *broker)
{
    static struct world world;
    static char text[sizeof world.plan.status.conditions[0].message];
    world_begin(&world, 2, spec);
    world_broker(&world, 0, OK);
    world_broker(&world, 1, broker);
    world_plan(&world);
    snprintf(text, sizeof text, "%s", world.plan.status.conditions[CONDITION_DEGRADED].message);
    world_end(&world);
    return text;
}

/* P4 */
TEST(p4_what_is_unheard_is_drained_by_way_of_another_one)
{
    static struct world world;
    static char address[] = "10.9.9.9";
    world_begin(&world, 2, "{}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, LIVES);
    world.pods[0].ip = address;
    ASSERT(strstr(world_plan(&world), "drain 1"));
    size_t drains = 0;
    LIST_FOREACH (node, &world.plan.actions) {
        const struct action *action = CONTAINER_OF(node, struct action, node);
        if (action->kind == ACTION_DRAIN) {
            drains++;
            ASSERT_EQ(action->id, 1);
            ASSERT_STRING(action->ip, address);
        }
    }
    ASSERT_EQ(drains, 1);
    world_end(&world);
}

/* P4 */
TEST(p4_what_a_lost_node_means_is_told)
{
    ASSERT_STRING(lost_message("{}", "starting node:down"),
            "node node-1 with broker 1 is lost; what is in its log waits for the volume");
    ASSERT_STRING(lost_message("{\"spec\":{\"wal\":{\"type\":\"s3\"}}}", "starting node:down"),
            "node node-1 with broker 1 is lost; others take its partitions");
    ASSERT_STRING(lost_message("{}", LIVES),
            "node node-1 with broker 1 is lost; the broker lives, clients don't reach it, and "
            "others take its partitions");
}

/* P4 */
TEST(p4_lost_nodes_are_replaced_but_not_all_of_them)
{
    world_rows_check(lost_rows, ARRAY_SIZE(lost_rows), "{}");
}

/* 20 brokers: 2 on lost nodes, 8 stuck. */
static void
stuck_world_begin(struct world *world, int replicas)
{
    world_begin(world, replicas, "{}");
    for (int id = 0; id < 20; id++) {
        world_broker(world, id, id < 10 ? OK : id < 12 ? "starting node:down" : "stuck");
    }
}

/* P4: those that are stuck are no new ones, of which there may be so many at a time. */
TEST(p4_stuck_brokers_do_not_hold_up_the_replacement_of_lost_ones)
{
    static struct world world;
    stuck_world_begin(&world, 20);
    ASSERT_STRING(
            world_plan(&world), "create-claim 20, create-pod 20, create-claim 21, create-pod 21");
    world_end(&world);
    stuck_world_begin(&world, 500); /* a mistyped number is seen before it is paid for */
    ASSERT_STRING(world_plan(&world), "");
    world_end(&world);
}
