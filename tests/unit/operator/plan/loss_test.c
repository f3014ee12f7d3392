/* Volumes that are lost, and given up. */
#include "base/mem.h"
#include "unit/operator/plan/support_world.h"
#include "unit/test.h"

#define OK "ready says:active"
#define NAMES_1 "{\"metadata\":{\"annotations\":{\"freshet.dev/accept-wal-loss\":\"1\"}}"

/* Broker 1's log is given up. */
static const struct world_row loss_rows[] = {
    { "nothing is wrong with it", 2, { OK, OK }, "" },
    { "lost, with a pod: first the pod", 2, { OK, "starting lost" }, "delete-pod 1" },
    { "that takes its time", 2, { OK, "ending lost" }, "" },
    { "then the claim", 2, { OK, "nopod lost" }, "delete-claim 1" },
    { "which takes its time too", 2, { OK, "nopod lost deleting" }, "" },
    { "then both anew", 2, { OK }, "create-claim 1, create-pod 1" },
    { "being deleted, its broker runs: it uploads", 2, { OK, OK " deleting" }, "delete-pod 1" },
    { "its broker refuses its volume", 2, { OK, "stuck" }, "delete-pod 1" },
    { "and does so although it is allowed to go on", 2, { OK, "stuck accepts" }, "" },
    { "its node is gone and no other takes it: pod and claim", 2,
            { OK, "starting unschedulable gone" }, "delete-pod 1, delete-claim 1" },
    { "its node is gone, another took it", 2, { OK, "starting gone" }, "" },
    { "no node takes it, but its own is there", 2, { OK, "starting unschedulable" }, "" },
    { "its claim goes", 2, { OK, "starting unschedulable gone deleting" }, "delete-pod 1" },
    { "P6: nobody gave up broker 0's, whose node is gone", 2, { "starting unschedulable gone", OK },
            "" },
    { "P6: nobody gave up broker 0's", 2, { "nopod lost", OK }, "" },
    { "P6: nor when it refuses its volume", 2, { "stuck", OK }, "" },
    { "once it serves it is left alone", 2, { OK, OK " accepts" }, "" },
    { "P6: broker 0 must not go on so: it was taken back", 2, { OK " accepts", OK },
            "try-pod 0, delete-pod 0" },
    { "it serves without some partitions, whose records are given up", 2, { OK, OK " damaged" },
            "try-pod 1, delete-pod 1" },
    { "and goes on without them", 2, { OK, OK " damaged accepts" }, "" },
    { "P2: not while another one is away", 2, { "starting", OK " damaged" }, "" },
    { "P6: nobody gave up broker 0's", 2, { OK " damaged", OK }, "" },
    { "on a lost node", 2, { OK, "starting lost node:down" }, "create-claim 2, create-pod 2" },
};

/* P6 */
TEST(p6_a_log_is_given_up_only_where_a_human_said_so)
{
    world_rows_check(loss_rows, ARRAY_SIZE(loss_rows), NAMES_1 "}");
}

/* P6: what is left of the annotation accepts no later loss of the same broker. */
TEST(p6_an_acceptance_is_for_one_loss)
{
    static const struct {
        const char *broker;
        const char *losses;
    } rows[] = { { OK " accepts", "[1]" }, { OK, "[1]" }, { "starting accepts", "[]" },
        { OK " lost", "[]" }, { OK " deleting", "[]" }, { "nopod lost", "[]" },
        { "stuck accepts", "[]" }, { OK " noclaim", "[]" }, { OK " damaged", "[]" },
        { OK " damaged accepts", "[]" }, { "ready says:nothing", "[]" } };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        static struct world world;
        world_begin(&world, 2, NAMES_1 "}");
        world_broker(&world, 0, OK);
        world_broker(&world, 1, rows[i].broker);
        world_plan(&world);
        CLEANUP(mem_freep) char *losses = json_print(world.plan.status.losses);
        ASSERT_STRING(losses, rows[i].losses);
        world_end(&world);
    }
}

static const struct world_row spent_rows[] = {
    { "its pod goes on without", 2, { OK, OK " accepts" }, "try-pod 1, delete-pod 1" },
    { "lost again", 2, { OK, "starting lost" }, "" },
    { "refused again", 2, { OK, "stuck" }, "" },
    { "damaged again", 2, { OK, OK " damaged" }, "" },
    { "stranded again", 2, { OK, "starting unschedulable gone" }, "" },
    { "its claim was removed", 1, { OK, "ghost" }, "unregister-gone 1" },
};

/* P6 */
TEST(p6_a_loss_after_the_accepted_one_waits_for_a_human)
{
    static struct world world;
    world_rows_check(
            spent_rows, ARRAY_SIZE(spent_rows), NAMES_1 ",\"status\":{\"acceptedLosses\":[1]}}");
    world_begin(&world, 2, NAMES_1 ",\"status\":{\"acceptedLosses\":[1,4]}}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, "starting lost");
    world_plan(&world);
    ASSERT(strstr(world.plan.status.conditions[CONDITION_DEGRADED].message, "set it anew"));
    CLEANUP(mem_freep) char *losses = json_print(world.plan.status.losses);
    ASSERT_STRING(losses, "[1]"); /* who isn't named any more can be named anew */
    mem_free(world.cluster->accepts_loss);
    world.cluster->accepts_loss = mem_strdup("");
    world_plan(&world);
    ASSERT_EQ(cJSON_GetArraySize(world.plan.status.losses), 0);
    world_end(&world);
}

TEST(p6_a_volume_without_its_node_is_told_of)
{
    static struct world world;
    world_begin(&world, 2, "{}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, "starting unschedulable gone");
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_DEGRADED), "True/WalLost");
    ASSERT(strstr(world.plan.status.conditions[CONDITION_DEGRADED].message, ": \"1\""));
    world.pods[1].is_volume_tied = false; /* it waits for room */
    mem_free(world.cluster->accepts_loss);
    world.cluster->accepts_loss = mem_strdup("1");
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_DEGRADED), "True/Unschedulable");
    world_end(&world);
}

TEST(p6_a_damaged_log_is_told_of)
{
    static struct world world;
    world_begin(&world, 2, "{}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, OK " damaged");
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_DEGRADED), "True/WalDamaged");
    const char *message = world.plan.status.conditions[CONDITION_DEGRADED].message;
    ASSERT(strstr(message, "broker 1 ") && strstr(message, "3 partitions"));
    ASSERT(strstr(message, "accept-wal-loss: \"1\""));
    world_end(&world);
}

/* P9 P12 */
TEST(p9_a_broker_that_is_made_anew_to_be_drained_is_let_begin)
{
    static struct world world;
    world_begin(&world, 1, NAMES_1 "}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, "starting waiting unbound draining drained-role");
    ASSERT_STRING(world_plan(&world), "mark-claim 1 empty"); /* nobody is registered */
    world_broker(&world, 1, "ghost");
    ASSERT_STRING(world_plan(&world), "");
    world_end(&world);
}
