/* Brokers that never began, and clusters that must not begin. */
#include "base/mem.h"
#include "unit/operator/plan/support_world.h"
#include "unit/test.h"

#include <stdio.h>

#define OK "ready says:active"
#define WAITING "starting waiting"

struct row {
    const char *why;
    int replicas;
    const char *brokers[WORLD_ROW_BROKERS];
    bool is_told; /* who is registered; "ghost" is */
    const char *plan;
};

static void
rows_check(const struct row *rows, size_t count, const char *spec)
{
    for (size_t i = 0; i < count; i++) {
        static struct world world;
        world_begin(&world, rows[i].replicas, spec);
        world.roster.told_ms = rows[i].is_told ? 999000 : 0;
        world_expect(&world, rows[i].why, rows[i].brokers, rows[i].plan);
        world_end(&world);
    }
}

static const struct row never_rows[] = {
    { "no node takes it, and it is too many", 1, { OK, WAITING " unbound" }, false,
            "mark-claim 1 draining" },
    { "its claim was never bound", 1, { OK, WAITING " unbound draining" }, false,
            "mark-claim 1 empty" },
    { "nor is there a pod", 1, { OK, "nopod unbound draining" }, false, "mark-claim 1 empty" },
    { "its volume is there: who knows", 1, { OK, WAITING " draining drained-role" }, false, "" },
    { "nobody of its number is registered", 1, { OK, WAITING " draining" }, true,
            "mark-claim 1 empty" },
    { "P3: without a pod that says nothing", 1, { OK, "nopod draining" }, true, "create-pod 1" },
    { "a node has it", 1, { OK, "starting unbound draining drained-role" }, true, "" },
    { "it is going to have a volume that was there before", 1,
            { OK, WAITING " unbound chosen draining drained-role" }, false, "" },
    { "P3: nor without a pod", 1, { OK, "nopod unbound chosen draining" }, false, "create-pod 1" },
    { "told before its pod was there", 1, { OK, WAITING " young draining drained-role" }, true,
            "" },
    { "lost is not unbound", 1, { OK, "nopod unbound lost draining" }, true, "" },
    { "then pod, id and claim", 1, { OK, WAITING " unbound empty" }, false, "delete-pod 1" },
    { "a node took the pod after all: a drain like all", 1,
            { OK, "starting unbound empty unproven" }, false, "mark-claim 1 draining" },
    { "the same, going", 1, { OK, "ending empty unproven" }, false, "mark-claim 1 draining" },
    { "a proof is one, whatever the pod does", 1, { OK, OK " empty" }, false, "delete-pod 1" },
    { "whoever has the id", 1, { OK, "nopod unbound empty" }, false,
            "unregister 1, delete-claim 1" },
    { "wished again", 2, { OK, WAITING " unbound draining" }, false, "mark-claim 1 active" },
};

/* P12 P1 */
TEST(p12_a_broker_that_never_began_has_an_empty_log)
{
    rows_check(never_rows, ARRAY_SIZE(never_rows), "{}");
}

/* P12 */
TEST(p12_a_registered_one_may_have_begun)
{
    static struct world world;
    world_begin(&world, 1, "{}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, "ghost");
    world_broker(&world, 1, WAITING " draining drained-role");
    ASSERT_STRING(world_plan(&world), "");
    world_end(&world);
    world_begin(&world, 1, "{}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, "ghost");
    world_broker(&world, 1, "nopod empty unproven"); /* marked before that was known */
    ASSERT_STRING(world_plan(&world), "mark-claim 1 draining");
    world.claims[1].has_volume = false; /* it was registered before its claim was made: P9 */
    ASSERT_STRING(world_plan(&world), "delete-claim 1");
    world_end(&world);
}

/* P12 P1 */
TEST(p12_a_pod_that_waits_ends_only_as_it_was_seen)
{
    static struct world world;
    world_begin(&world, 1, "{}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, WAITING " unbound empty unproven");
    ASSERT_STRING(world_plan(&world), "delete-pod 1");
    const struct action *last = CONTAINER_OF(world.plan.actions.prev, struct action, node);
    ASSERT_STRING(last->version, "7");
    world_end(&world);
}

static const struct row anew_rows[] = {
    { "as wished", 2, { OK, WAITING " unbound" }, false, "" },
    { "another access mode: the pod first", 2, { OK, WAITING " unbound shared" }, false,
            "delete-pod 1" },
    { "then the claim", 2, { OK, "nopod unbound shared" }, false, "delete-claim 1" },
    { "which takes its time", 2, { OK, "nopod unbound shared deleting" }, false, "" },
    { "then both anew", 2, { OK }, false, "create-claim 1, create-pod 1" },
    { "bound: it stays as it is", 2, { OK, WAITING " shared" }, true, "" },
    { "a node has the pod", 2, { OK, "starting unbound shared" }, false, "" },
    { "somebody's volume is chosen for it", 2, { OK, "nopod unbound shared chosen" }, false,
            "create-pod 1" },
};

/* P12 */
TEST(p12_a_claim_that_was_never_bound_follows_the_wish)
{
    rows_check(anew_rows, ARRAY_SIZE(anew_rows), "{}");
    const struct row larger[] = {
        { "larger", 1, { WAITING " unbound" }, false, "delete-pod 0" },
        { "bound ones grow", 1, { OK }, false, "grow-claim 0 20Gi" },
    };
    const struct row zones[] = {
        { "there", 1, { WAITING " unbound zone:a" }, false, "" },
        { "nowhere", 1, { WAITING " unbound zone:z" }, false, "delete-pod 0" },
        { "of before there were zones", 1, { WAITING " unbound" }, false, "delete-pod 0" },
        { "bound: its data is there", 1, { WAITING " zone:z" }, true, "" },
    };
    rows_check(zones, ARRAY_SIZE(zones),
            "{\"spec\":{\"zones\":{\"topologyKey\":\"z\",\"values\":[\"a\"]}}}");
    rows_check(larger, ARRAY_SIZE(larger), "{\"spec\":{\"wal\":{\"size\":\"20Gi\"}}}");
}

TEST(a_mistyped_number_makes_few_at_a_time)
{
    static struct world world;
    world_begin(&world, 1000, "{}");
    for (int id = 0; id < 5; id++) {
        world_broker(&world, id, WAITING " unbound");
    }
    ASSERT_STRING(world_plan(&world), "create-claim 5, create-pod 5, create-claim 6, "
                                      "create-pod 6, create-claim 7, create-pod 7");
    for (int id = 5; id < 8; id++) {
        world_broker(&world, id, id == 6 ? "stuck" : WAITING " unbound");
    }
    ASSERT_STRING(world_plan(&world), "");
    world_end(&world);
}

/* P13 */
TEST(p13_a_place_in_a_bucket_has_one_cluster)
{
    static struct world world;
    world_begin(&world, 2, "{}");
    world_broker(&world, 0, OK);
    struct cluster other = *world.cluster;
    struct cluster *mine = world.cluster;
    world.rival = &other;
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_RECONCILED), "False/StoreInUse");
    ASSERT_STRING(world_condition(&world, CONDITION_READY), "False/StoreInUse");
    static char uid[] = "v";
    other.meta.uid = uid;
    snprintf(mine->created, sizeof mine->created, "2026-01-01T00:00:01Z");
    snprintf(other.created, sizeof other.created, "2026-01-01T00:00:00Z");
    ASSERT(cluster_is_rival(mine, &other) && !cluster_is_rival(&other, mine));
    snprintf(other.created, sizeof other.created, "2026-01-01T00:00:01Z");
    ASSERT(cluster_is_rival(mine, &other) != cluster_is_rival(&other, mine));
    other.prefix = "elsewhere";
    ASSERT(!cluster_is_rival(mine, &other) && !cluster_is_rival(&other, mine));
    world_end(&world);
}

/* P13 P10 */
TEST(p13_the_end_of_the_younger_one_leaves_the_objects)
{
    static struct world world;
    world_begin(&world, 1,
            "{\"metadata\":{\"deletionTimestamp\":\"x\"},\"spec\":{\"deletionPolicy\":{"
            "\"objects\":\"Delete\"}},\"status\":{\"clusterId\":\"x\"}}");
    ASSERT_STRING(world_plan(&world), "create-pod");
    struct cluster other = *world.cluster;
    world.rival = &other;
    ASSERT_STRING(world_plan(&world), "remove-finalizer");
    world_end(&world);
}

TEST(a_volume_that_cannot_be_made_is_told)
{
    static struct world world;
    world_begin(&world, 1, "{}");
    world_broker(&world, 0, "starting");
    world.pods[0].is_unschedulable = true;
    world.claims[0].is_bound = false;
    world.pods[0].is_volume_missed = true;
    int64_t since_ms = world.plan_pods[0].since_ms;
    world.plan_pods[0].since_ms = 999000;
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_DEGRADED), "False/AsExpected");
    ASSERT_EQ(world.plan.again_ms, 4000);
    world.plan_pods[0].since_ms = since_ms;
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_DEGRADED), "True/VolumePending");
    world.pods[0].is_volume_missed = false; /* the class waits for a node, and there is none */
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_DEGRADED), "True/Unschedulable");
    world.pods[0].is_volume_missed = true;
    world.claims[0].is_bound = true;
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_DEGRADED), "True/Unschedulable");
    world_end(&world);
}

#define ENDPOINT(text) "{\"spec\":{\"objectStore\":{\"endpoint\":\"" text "\"}}}"

/* P5 */
TEST(p5_a_store_that_is_reached_by_another_name_is_the_same)
{
    static struct world world;
    world_begin(&world, 2, ENDPOINT("http://a:9000"));
    world_broker(&world, 0, "ready says:active");
    world_broker(&world, 1, "ready says:active");
    world_wish(&world, 2, ENDPOINT("https://b"));
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_DEGRADED), "False/AsExpected");
    world_end(&world);
}

/* P10: a quota may want them of every pod. */
TEST(p10_the_pod_that_empties_the_bucket_has_the_resources_of_brokers)
{
    static struct world world;
    world_begin(&world, 1,
            "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{"
            "\"deletionPolicy\":{\"objects\":\"Delete\"},\"resources\":{\"limits\":{\"memory\":"
            "\"3Gi\"}}},\"status\":{\"clusterId\":\"x\"}}");
    ASSERT_STRING(world_plan(&world), "create-pod");
    const struct action *action = LIST_FIRST(&world.plan.actions, struct action, node);
    const cJSON *container = cJSON_GetArrayItem(json_at(action->object, "spec/containers"), 0);
    ASSERT_STRING(json_text(container, "resources/limits/memory"), "3Gi");
    world_end(&world);
}
