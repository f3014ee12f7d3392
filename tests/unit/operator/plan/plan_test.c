/* Tables of worlds, and what is planned for them. */
#include "base/mem.h"
#include "unit/operator/plan/support_world.h"
#include "unit/test.h"

#include <stdio.h>

#define OK "ready says:active"

static const struct world_row scale_rows[] = {
    { "nothing is there", 2, { NULL },
            "create-claim 0, create-pod 0, create-claim 1, create-pod 1" },
    { "as wished", 2, { OK, OK }, "" },
    { "one more", 3, { OK, OK }, "create-claim 2, create-pod 2" },
    { "a hole is filled", 3, { OK, "", OK }, "create-claim 1, create-pod 1" },
    { "a pod is gone", 2, { OK, "nopod" }, "create-pod 1" },
    { "a pod has ended", 2, { OK, "ended" }, "delete-pod 1" },
    { "a pod is going", 2, { OK, "ending" }, "" },
    { "one less: the last one goes", 1, { OK, OK }, "mark-claim 1 draining" },
    { "one less: who doesn't serve goes", 2, { OK, "starting", OK }, "mark-claim 1 draining" },
    { "one less: whose node is cordoned goes", 2, { OK, OK " node:cordoned", OK },
            "mark-claim 1 draining" },
    { "one less: who has least to move goes", 2, { OK, OK " few", OK }, "mark-claim 1 draining" },
    { "two less, but one at a time", 1, { OK, OK, OK }, "mark-claim 2 draining" },
    { "a drain that moves is waited for", 1,
            { OK, OK, "ready draining says:draining drained-role" }, "" },
    { "a drain that cannot move holds up nobody", 1, { OK, OK, "starting draining drained-role" },
            "mark-claim 1 draining" },
    { "zero: pods end, volumes stay", 0, { OK, OK, "ready draining" },
            "delete-pod 0, delete-pod 1, delete-pod 2" },
    { "zero, and gone", 0, { "nopod", "nopod" }, "" },
    { "P3: up from zero to fewer than before", 1, { "nopod", "nopod" },
            "create-pod 0, create-pod 1, mark-claim 1 draining" },
    { "P3: a drain whose pod is gone gets it again", 1, { OK, "nopod draining" }, "create-pod 1" },
    { "a volume that is going gets no pod", 1, { "nopod deleting" }, "" },
    { "a volume that is lost gets no pod", 1, { "nopod lost" }, "" },
    { "P5: a volume of another bucket is left alone", 1, { "nopod foreign" },
            "create-claim 1, create-pod 1" },
    { "P5: and a pod on it is too", 1, { OK " foreign", OK }, "" },
};

/* P3 P5 */
TEST(scale_and_repair)
{
    world_rows_check(scale_rows, ARRAY_SIZE(scale_rows), "{}");
}

static const struct world_row surge_rows[] = {
    { "one more first", 2, { OK " old", OK " old" }, "create-claim 2, create-pod 2" },
    { "which must serve", 2, { OK " old", OK " old", "starting" }, "" },
    { "then the old ones", 2, { OK " old", OK " old", OK }, "try-pod 1, delete-pod 1" },
    { "one after the other", 2, { OK " old", "ending old", OK }, "" },
    { "nobody is drained who is just being replaced", 2, { OK, "nopod", OK }, "create-pod 1" },
    { "or has not served for long enough", 2, { OK, OK " young", OK }, "" },
    { "the surge goes when all are back", 2, { OK, OK, OK }, "mark-claim 2 draining" },
    { "a broken one is not waited for", 2, { OK, "stuck", OK }, "mark-claim 1 draining" },
    { "P2: of a bad revision the surge only is stuck", 2, { OK " old", OK " old", "stuck" }, "" },
    { "without a rollout there is none", 2, { OK, "starting" }, "" },
};

/* P2 */
TEST(p2_a_surge_serves_before_old_brokers_go)
{
    world_rows_check(surge_rows, ARRAY_SIZE(surge_rows), "{\"spec\":{\"rollout\":{\"surge\":1}}}");
    const struct world_row paused[] = { { "a rollout that is held", 2, { OK " old", OK " old" },
            "" } };
    world_rows_check(paused, 1, "{\"spec\":{\"rollout\":{\"surge\":1,\"paused\":true}}}");
}

static const struct world_row ghost_rows[] = {
    { "its claim is gone", 1, { OK, "ghost" }, "unregister-gone 1" },
    { "its claim was removed while its pod waited for a node", 1,
            { OK, "starting waiting noclaim" }, "delete-pod 1" },
    { "a claim may be seen after its pod", 1, { OK, "starting waiting noclaim young" }, "" },
    { "it lives: nobody knows why", 1, { OK, "ghost-alive" }, "" },
    { "nobody is there to write it down", 1, { "starting", "ghost" }, "" },
    { "its id is nobody's", 2, { OK, "ghost" }, "create-claim 2, create-pod 2, unregister-gone 1" },
    { "what holds up the retired comes after it", 1, { OK, "ghost", "nopod empty" },
            "unregister-gone 1, unregister 2, delete-claim 2" },
};

/* P9 */
TEST(p9_a_broker_whose_claim_is_gone_is_unregistered)
{
    world_rows_check(ghost_rows, ARRAY_SIZE(ghost_rows), "{}");
}

/* P9 P6 */
TEST(p9_a_human_makes_it_anew_without_its_log)
{
    static struct world world;
    world_begin(
            &world, 1, "{\"metadata\":{\"annotations\":{\"freshet.dev/accept-wal-loss\":\"1\"}}}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, "ghost");
    ASSERT_STRING(world_plan(&world), "create-claim 1, create-pod 1");
    world_end(&world);
}

/* P9 */
TEST(p9_what_was_told_long_ago_says_nothing_of_now)
{
    static struct world world;
    world_begin(&world, 1, "{}");
    world_broker(&world, 0, OK);
    world_broker(&world, 1, "ghost");
    world.roster.told_ms -= 60000;
    ASSERT_STRING(world_plan(&world), "");
    world_end(&world);
}

static const struct world_row drain_rows[] = {
    { "first the label", 1, { OK, OK " draining" }, "label-pod 1 draining, drain 1" },
    { "then the call, again and again", 1, { OK, OK " draining drained-role" }, "drain 1" },
    { "P1: no answer, no step", 1, { OK, "ready draining drained-role says:nothing" }, "" },
    { "P1: drained, but the log isn't empty", 1,
            { OK, "ready draining drained-role says:drained-dirty" }, "" },
    { "P1: empty, but not drained", 1, { OK, "ready draining drained-role says:draining" }, "" },
    { "P1: drained, but not ready: who knows", 1,
            { OK, "starting draining drained-role says:drained" }, "" },
    { "proven: the mark first", 1, { OK, "ready draining drained-role says:drained" },
            "mark-claim 1 empty" },
    { "P1: proven before this drain was begun", 1,
            { OK, "ready draining drained-role says:drained asked-before" }, "" },
    { "then the pod", 1, { OK, "ready empty drained-role says:drained" }, "delete-pod 1" },
    { "which takes its time", 1, { OK, "ending empty drained-role" }, "" },
    { "in which the next may go", 1, { OK, "ending empty drained-role", OK " few" },
            "mark-claim 2 draining" },
    { "then id and volume", 1, { OK, "nopod empty" }, "unregister 1, delete-claim 1" },
    { "pods of others don't wait for an id", 1,
            { "nopod empty", OK, "ready empty drained-role says:drained" },
            "delete-pod 2, unregister 0, delete-claim 0" },
    { "which holds up nothing else, should it fail", 2, { OK " old", OK, "nopod empty" },
            "try-pod 0, delete-pod 0, unregister 2, delete-claim 2" },
    { "nobody is there to write it down", 1, { "starting", "nopod empty" }, "" },
    { "nor is a broker of another bucket", 1, { "starting", "nopod empty", OK " foreign" }, "" },
    { "the volume is going", 1, { OK, "nopod empty deleting" }, "" },
    { "cancelled before the call", 2, { OK, OK " draining" }, "mark-claim 1 active" },
    { "cancelled under way", 2, { OK, "ready draining drained-role says:draining" },
            "mark-claim 1 active" },
    { "and taken back", 2, { OK, "ready drained-role says:draining" },
            "undrain 1, label-pod 1 broker" },
    { "also when it was drained", 2, { OK, "ready says:drained" }, "undrain 1" },
    { "no clients before it is known whether it drains", 2,
            { OK, "ready drained-role says:nothing" }, "" },
    { "clients when it does not", 2, { OK, "ready drained-role says:active" },
            "label-pod 1 broker" },
    { "cancelled after the proof", 2, { OK, "ready empty says:drained" }, "mark-claim 1 active" },
    { "cancelled after the pod", 2, { OK, "nopod empty" }, "mark-claim 1 active, create-pod 1" },
    { "too late: the volume is going", 2, { OK, "nopod empty deleting" },
            "create-claim 2, create-pod 2" },
};

/* P1 */
TEST(p1_drains_go_step_by_step_and_nothing_is_removed_without_proof)
{
    world_rows_check(drain_rows, ARRAY_SIZE(drain_rows), "{}");
}

/* Without volumes config maps are the ledger; all goes the same way. */
static const struct world_row bucket_rows[] = {
    { "nothing is there", 1, { NULL }, "create-claim 0, create-pod 0" },
    { "as wished, and nothing grows", 2, { OK, OK }, "" },
    { "one less", 1, { OK, OK }, "mark-claim 1 draining" },
    { "P1: drained, but the log isn't empty", 1,
            { OK, "ready draining drained-role says:drained-dirty" }, "" },
    { "proven: the mark first", 1, { OK, "ready draining drained-role says:drained" },
            "mark-claim 1 empty" },
    { "then id and ledger", 1, { OK, "nopod empty" }, "unregister 1, delete-claim 1" },
    { "somebody removed a ledger", 2, { OK, OK " noclaim" }, "create-claim 1" },
};

TEST(without_volumes_a_ledger_does)
{
    world_rows_check(bucket_rows, ARRAY_SIZE(bucket_rows),
            "{\"spec\":{\"wal\":{\"type\":\"s3\",\"size\":\"20Gi\",\"reclaimPolicy\":\"Retain\"}}"
            "}");
}

static const struct world_row retain_rows[] = {
    { "an empty volume may stay", 1, { OK, "nopod empty" }, "" },
    { "and is used again before a new one", 2, { OK, "nopod empty" },
            "mark-claim 1 active, create-pod 1" },
};

TEST(empty_volumes_are_kept_when_that_is_wished)
{
    world_rows_check(retain_rows, ARRAY_SIZE(retain_rows),
            "{\"spec\":{\"wal\":{\"reclaimPolicy\":\"Retain\"}}}");
}

static const struct world_row rollout_rows[] = {
    { "one after the other", 3, { OK " old", OK " old", OK " old" }, "try-pod 2, delete-pod 2" },
    { "P2: who is down counts", 3, { OK " old", OK " old", "starting" }, "" },
    { "P2: who has just come up counts", 3, { OK " old", OK " old", OK " young" }, "" },
    { "P2: who is going counts", 3, { OK " old", OK " old", "ending old" }, "" },
    { "also who lingers, ready until a probe fails", 3,
            { OK " old", OK " old", "ready ending old" }, "" },
    { "and as long as it is unready", 3, { OK " old", OK, "ending says:active old" }, "" },
    { "the next", 3, { OK " old", OK " old", OK }, "try-pod 1, delete-pod 1" },
    { "P2: a new revision that doesn't start stops it", 3, { OK " old", OK " old", "stuck" }, "" },
    { "P2: a revert replaces what is stuck at once", 3, { OK, OK, "stuck old" }, "delete-pod 2" },
    { "P2: an old one that is stuck is replaced although others are down", 3,
            { "starting", OK, "stuck old" }, "delete-pod 2" },
    { "an old one that no node takes is", 3, { OK, OK, "starting waiting old" }, "delete-pod 2" },
    { "so is one that drains", 1, { OK, "stuck old draining drained-role" }, "delete-pod 1" },
    { "who drains isn't rolled", 1, { OK, "ready old draining drained-role says:draining" }, "" },
    { "done", 3, { OK, OK, OK }, "" },
};

/* P2 */
TEST(p2_rollouts_keep_to_their_budget_and_stop_when_stuck)
{
    world_rows_check(rollout_rows, ARRAY_SIZE(rollout_rows), "{}");
}

static const struct world_row wide_rows[] = {
    { "two at a time", 4, { OK " old", OK " old", OK " old", OK " old" },
            "try-pod 3, delete-pod 3, try-pod 2, delete-pod 2" },
    { "one is down", 4, { OK " old", OK " old", OK " old", "starting old" },
            "try-pod 2, delete-pod 2" },
};

TEST(p2_a_wider_budget_is_used)
{
    world_rows_check(
            wide_rows, ARRAY_SIZE(wide_rows), "{\"spec\":{\"rollout\":{\"maxUnavailable\":2}}}");
}

static const struct world_row paused_rows[] = {
    { "a rollout may be held", 2, { OK " old", OK " old" }, "" },
    { "repairs go on", 2, { OK " old", "nopod" }, "create-pod 1" },
};

TEST(a_rollout_can_be_paused)
{
    world_rows_check(
            paused_rows, ARRAY_SIZE(paused_rows), "{\"spec\":{\"rollout\":{\"paused\":true}}}");
}

static const struct world_row zone_rows[] = {
    { "new ones go where fewest are", 4, { OK " zone:a", OK " zone:a", OK " zone:b" },
            "create-claim 3, create-pod 3" },
    { "the fullest zone gives", 2, { OK " zone:a", OK " zone:a", OK " zone:b" },
            "mark-claim 1 draining" },
};

TEST(zones_stay_even)
{
    static struct world world;
    world_rows_check(zone_rows, ARRAY_SIZE(zone_rows),
            "{\"spec\":{\"zones\":{\"topologyKey\":\"z\",\"values\":[\"a\",\"b\",\"c\"]}}}");
    world_begin(&world, 3,
            "{\"spec\":{\"zones\":{\"topologyKey\":\"z\",\"values\":[\"a\",\"b\",\"c\"]}}}");
    world_plan(&world);
    char zones[64] = "";
    LIST_FOREACH (node, &world.plan.actions) {
        const struct action *action = CONTAINER_OF(node, struct action, node);
        if (action->kind == ACTION_CREATE_POD) {
            const char *zone = json_member(action->object, "spec/nodeSelector", "z");
            snprintf(zones + strlen(zones), sizeof zones - strlen(zones), "%s", zone);
        }
    }
    ASSERT_STRING(zones, "abc");
    world_end(&world);
}

static const struct world_row pause_rows[] = { { "P5: paused", 3, { OK, "nopod", "ended" }, "" } };
static const struct world_row delete_rows[] = {
    { "deleted: pods first", 2, { OK, "ending" }, "delete-pod 0" },
    { "deleted: then the finalizer, volumes stay", 2, { "nopod", "nopod" }, "remove-finalizer" },
};
static const struct world_row delete_all_rows[] = {
    { "deleted with its volumes", 2, { "nopod", "nopod" },
            "delete-claim 0, delete-claim 1, remove-finalizer" },
};

/* P5 */
TEST(paused_and_deleted)
{
    world_rows_check(
            pause_rows, 1, "{\"metadata\":{\"annotations\":{\"freshet.dev/paused\":\"true\"}}}");
    world_rows_check(delete_rows, ARRAY_SIZE(delete_rows),
            "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"}}");
    world_rows_check(delete_all_rows, 1,
            "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{"
            "\"deletionPolicy\":{\"volumes\":\"Delete\"}}}");
    const struct world_row finalizer_rows[] = { { "no finalizer yet", 0, { NULL },
            "add-finalizer" } };
    world_rows_check(finalizer_rows, 1, "{\"metadata\":{\"finalizers\":[]}}");
    const struct world_row grow_rows[] = { { "volumes grow", 1, { OK }, "grow-claim 0 20Gi" } };
    world_rows_check(grow_rows, 1, "{\"spec\":{\"wal\":{\"size\":\"20Gi\"}}}");
}

#define LACKING                                                                                    \
    "{\"spec\":{\"image\":\"i\",\"listeners\":[{\"name\":\"kafka\",\"port\":9092,\"tls\":{"        \
    "\"enabled\":true}}]}"
#define SERVED                                                                                     \
    ",\"status\":{\"listeners\":[{\"name\":\"kafka\",\"port\":9092,\"type\":\"internal\"}]}}"

/* N1 */
TEST(n1_what_brokers_lack_is_told_and_everything_else_goes_on)
{
    static struct world world;
    char before[sizeof world.revision];
    world_begin(&world, 2, "{\"spec\":{\"image\":\"i\"}}");
    snprintf(before, sizeof before, "%s", world.revision);
    world_wish(&world, 3, LACKING SERVED);
    ASSERT_STRING(world.revision, before); /* nothing of the wish is in a pod that is made anew */
    ASSERT_STRING(world.cluster->listeners[0].name, "kafka");
    ASSERT(!world.cluster->listeners[0].has_tls);
    world_broker(&world, 0, OK);
    world_broker(&world, 1, "nopod");
    ASSERT_STRING(world_plan(&world), "create-pod 1, create-claim 2, create-pod 2");
    ASSERT_STRING(world_condition(&world, CONDITION_RECONCILED), "False/NotYet");
    ASSERT_STRING(world_condition(&world, CONDITION_READY), "False/NotYet");
    world_end(&world);
}

/* N1 */
TEST(n1_what_brokers_lack_makes_no_cluster)
{
    static struct world world;
    world_begin(&world, 1, LACKING ",\"status\":{\"listeners\":[{\"name\":\"kafka\"}]}}");
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_RECONCILED), "False/NotYet");
    world_end(&world);
}

TEST(what_brokers_lack_is_told_and_nothing_is_done)
{
    static const char *const specs[] = {
        "{\"spec\":{\"listeners\":[{\"name\":\"a\",\"port\":9092,\"tls\":{\"enabled\":true}}]}}",
        "{\"spec\":{\"listeners\":[{\"name\":\"a\",\"port\":9092,"
        "\"authentication\":{\"type\":\"scram-sha-512\"}}]}}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
        static struct world world;
        world_begin(&world, 3, specs[i]);
        world_broker(&world, 0, OK " old");
        world_broker(&world, 1, OK);
        ASSERT_STRING(world_plan(&world), "");
        ASSERT_STRING(world_condition(&world, CONDITION_RECONCILED), "False/NotYet");
        world_end(&world);
    }
}

TEST(several_listeners_are_served)
{
    static struct world world;
    world_begin(&world, 1,
            "{\"spec\":{\"listeners\":[{\"name\":\"a\",\"port\":9092},{\"name\":\"b\",\"port\":"
            "9093}]}}");
    ASSERT_STRING(world.cluster->not_yet, "");
    ASSERT_EQ(world.cluster->listener_count, 2);
    world_end(&world);
}

#define DELETED                                                                                    \
    "{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{\"deletionPolicy\":" \
    "{"                                                                                            \
    "\"volumes\":\"Delete\",\"objects\":\"%s\"}},\"status\":{\"clusterId\":\"%s\"}}"

static void
deleted_begin(struct world *world, const char *policy, const char *cluster_id)
{
    char spec[300];
    snprintf(spec, sizeof spec, DELETED, policy, cluster_id);
    world_begin(world, 1, spec);
}

/* A pod that empties the bucket, in that phase. */
static void
purge_put(struct world *world, enum pod_phase phase)
{
    static char role[] = "purge";
    world_broker(world, 9, "noclaim");
    struct pod *pod = &world->pods[world->pod_count - 1];
    pod->id = -1;
    pod->role = role;
    pod->phase = phase;
}

/* P10 */
TEST(p10_a_bucket_is_emptied_after_the_last_pod_and_before_the_volumes)
{
    static struct world world;
    deleted_begin(&world, "Delete", "x");
    world_broker(&world, 0, "ready");
    ASSERT_STRING(world_plan(&world), "delete-pod 0");
    world_end(&world);
    deleted_begin(&world, "Delete", "x");
    world_broker(&world, 0, "nopod");
    ASSERT_STRING(world_plan(&world), "create-pod");
    purge_put(&world, POD_RUNNING);
    ASSERT_STRING(world_plan(&world), "");
    world.pods[0].trouble = world.revision; /* of any text */
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_DEGRADED), "True/PurgeFailed");
    world.pods[0].phase = POD_FAILED;
    ASSERT_STRING(world_plan(&world), "delete-pod");
    world.pods[0].phase = POD_SUCCEEDED;
    ASSERT_STRING(world_plan(&world), "delete-claim 0, remove-finalizer");
    const struct action *claim = CONTAINER_OF(world.plan.actions.next, struct action, node);
    ASSERT(claim->is_base); /* A4: refused, it keeps the finalizer */
    world_end(&world);
}

/* P10 */
TEST(p10_nothing_is_removed_that_is_not_wished_or_whose_name_is_not_known)
{
    static struct world world;
    deleted_begin(&world, "Retain", "x");
    ASSERT_STRING(world_plan(&world), "remove-finalizer");
    purge_put(&world, POD_RUNNING); /* it was wished before */
    ASSERT_STRING(world_plan(&world), "delete-pod");
    world_end(&world);
    deleted_begin(&world, "Delete", "");
    world_broker(&world, 0, "ready says:nothing young");
    ASSERT_STRING(world_plan(&world), ""); /* it will be told in a moment */
    world.plan_pods[0].since_ms -= 60000;
    ASSERT_STRING(world_plan(&world), "delete-pod 0");
    world.views[0].is_known = true;
    snprintf(world.views[0].broker.cluster_id, sizeof world.views[0].broker.cluster_id, "x");
    ASSERT_STRING(world_plan(&world), ""); /* first it is written down */
    ASSERT_STRING(world.plan.status.cluster_id, "x");
    world_end(&world);
    deleted_begin(&world, "Delete", "");
    ASSERT_STRING(world_plan(&world), "remove-finalizer");
    const struct action *last = CONTAINER_OF(world.plan.actions.prev, struct action, node);
    ASSERT_STRING(last->event_reason, "ObjectsRetained");
    world_end(&world);
}

#define RETENTION "{\"spec\":{\"config\":{\"log.retention.ms\":5,\"num.partitions\":2}}}"

static void
settings_note(struct world *world, const char *json)
{
    cJSON_Delete(world->cluster->settings);
    world->cluster->settings = NULL;
    ASSERT_OK(json_parse(bytes_of_string(json), &world->cluster->settings));
}

/* The body of the only action that sets, or "". */
static const char *
settings_body(struct world *world)
{
    static char text[200];
    *text = 0;
    LIST_FOREACH (node, &world->plan.actions) {
        const struct action *action = CONTAINER_OF(node, struct action, node);
        if (action->kind == ACTION_SETTINGS) {
            CLEANUP(mem_freep) char *body = json_print(action->object);
            snprintf(text, sizeof text, "%s", body);
        }
    }
    return text;
}

TEST(dynamic_settings_are_told_to_a_broker_and_roll_nothing)
{
    static struct world world;
    world_begin(&world, 1, "{\"spec\":{\"config\":{\"num.partitions\":2}}}");
    world_broker(&world, 0, OK);
    char before[sizeof world.revision];
    snprintf(before, sizeof before, "%s", world.revision);
    world_wish(&world, 1, RETENTION);
    ASSERT_STRING(world.revision, before);
    ASSERT_STRING(world_plan(&world), "settings 0");
    ASSERT_STRING(settings_body(&world), "{\"set\":{\"log.retention.ms\":\"5\"},\"unset\":[]}");
    ASSERT_STRING(world_condition(&world, CONDITION_CONFIG_APPLIED), "True/Applied");
    settings_note(&world, "{\"log.retention.ms\":\"5\"}");
    ASSERT_STRING(world_plan(&world), "");
    settings_note(&world, "{\"log.retention.ms\":\"4\",\"log.level\":\"warn\"}");
    ASSERT_STRING(world_plan(&world), "settings 0");
    ASSERT_STRING(settings_body(&world),
            "{\"set\":{\"log.retention.ms\":\"5\"},\"unset\":[\"log.level\"]}");
    world_end(&world);
}

TEST(dynamic_settings_wait_for_a_broker)
{
    static struct world world;
    world_begin(&world, 1, RETENTION);
    world_broker(&world, 0, "starting");
    ASSERT_STRING(world_plan(&world), "");
    ASSERT_STRING(world_condition(&world, CONDITION_CONFIG_APPLIED), "False/Waiting");
    ASSERT(!world.plan.status.settings);
    world_end(&world);
}
