/* The objects that are made, what makes a new revision, and the status. */
#include "base/mem.h"
#include "unit/operator/plan/support_world.h"
#include "unit/test.h"

#include <stdio.h>

static const cJSON *
made(struct world *world, enum action_kind kind, const char *name)
{
    LIST_FOREACH (node, &world->plan.actions) {
        const struct action *action = CONTAINER_OF(node, struct action, node);
        if (action->kind == kind && strcmp(action->name, name) == 0) {
            return action->object;
        }
    }
    return NULL;
}

TEST(a_pod_has_its_volume_its_name_and_the_restricted_profile)
{
    static struct world world;
    world_begin(&world, 1,
            "{\"spec\":{\"objectStore\":{\"credentials\":{\"secretName\":\"s3\"}},\"template\":{"
            "\"labels\":{\"team\":\"x\"}}}}");
    world_plan(&world);
    const cJSON *pod = made(&world, ACTION_CREATE_POD, "c-0");
    const cJSON *container = cJSON_GetArrayItem(json_at(pod, "spec/containers"), 0);
    ASSERT(pod && container);
    ASSERT_STRING(json_text(container, "image"), "registry/freshet:0.1.0");
    ASSERT(json_bool(pod, "spec/securityContext/runAsNonRoot", false));
    ASSERT(json_bool(container, "securityContext/readOnlyRootFilesystem", false));
    ASSERT(!json_bool(container, "securityContext/allowPrivilegeEscalation", true));
    ASSERT(!json_bool(pod, "spec/automountServiceAccountToken", true));
    ASSERT_STRING(json_member(pod, "metadata/labels", "team"), "x");
    ASSERT_STRING(json_member(pod, "metadata/labels", "freshet.dev/broker-id"), "0");
    /* An ending broker is nowhere to be found from its first refusal on, and lingers until then. */
    ASSERT_STRING(json_text(container, "readinessProbe/httpGet/path"), "/readyz");
    ASSERT_EQ(json_int(container, "readinessProbe/periodSeconds", 0), 1);
    ASSERT_EQ(json_int(container, "readinessProbe/failureThreshold", 0), 1);
    CLEANUP(mem_freep) char *env = json_print(json_at(container, "env"));
    ASSERT(strstr(env, "KAFKA://c-kafka-0.ns.svc:9092"));
    /* Brokers find each other inside, even where the first listener is for clients outside. */
    ASSERT(strstr(env, "\"FRESHET_INTERNAL_ADVERTISED_HOST\",\"value\":\"c-0.c-brokers.ns.svc\""));
    ASSERT(strstr(env, "\"secretKeyRef\":{\"name\":\"s3\",\"key\":\"accessKeyId\"}"));
    const cJSON *claim = made(&world, ACTION_CREATE_CLAIM, "wal-c-0");
    ASSERT(!json_at(claim, "metadata/ownerReferences"));
    ASSERT_STRING(json_text(claim, "spec/resources/requests/storage"), "10Gi");
    world_end(&world);
}

TEST(the_configuration_has_what_the_operator_sets_and_what_is_wished)
{
    static struct world world;
    world_begin(&world, 1,
            "{\"spec\":{\"objectStore\":{\"prefix\":\"p/q\",\"region\":\"eu-1\",\"endpoint\":"
            "\"http://s3:9000\",\"pathStyle\":true},\"config\":{\"z.last\":1,\"a.first\":\"x: "
            "\\\"y\\\"\"}}}");
    world_plan(&world);
    char name[64];
    snprintf(name, sizeof name, "c-config-%s", world.revision);
    const cJSON *config = made(&world, ACTION_APPLY, name);
    ASSERT(json_bool(config, "immutable", false));
    ASSERT_STRING(json_member(config, "data", "freshet.yaml"),
            "# Written by freshet-operator.\n"
            "listeners: \"KAFKA://:9092\"\n"
            "listener.security.protocol.map: \"KAFKA:PLAINTEXT\"\n"
            "admin.listener: \":9190\"\n"
            "internal.listener: \":9191\"\n"
            "data.dir: \"/var/lib/freshet\"\n"
            "store.url: \"s3://data/p/q?region=eu-1&endpoint=http://s3:9000&path_style=true\"\n"
            "wal.capacity.bytes: \"8589934592\"\n"
            "shutdown.linger.ms: \"5000\"\n"
            "a.first: \"x: \\\"y\\\"\"\n"
            "z.last: \"1\"\n");
    world_end(&world);
}

static const struct {
    const char *spec;
    const char *line;
} lingers[] = {
    { "{}", "shutdown.linger.ms: \"5000\"\n" },
    { "{\"spec\":{\"config\":{\"shutdown.linger.ms\":700}}}", "shutdown.linger.ms: \"700\"\n" },
    { "{\"spec\":{\"template\":{\"terminationGracePeriodSeconds\":10}}}",
            "shutdown.linger.ms: \"2500\"\n" },
};

TEST(a_broker_lingers_for_as_long_as_is_wished_or_fits_into_its_time)
{
    static struct world world;
    char name[64];
    for (size_t i = 0; i < ARRAY_SIZE(lingers); i++) {
        world_begin(&world, 1, lingers[i].spec);
        world_plan(&world);
        snprintf(name, sizeof name, "c-config-%s", world.revision);
        const char *text = json_member(made(&world, ACTION_APPLY, name), "data", "freshet.yaml");
        const char *place = strstr(text, "shutdown.linger.ms");
        ASSERT(place && strstr(text, lingers[i].line) == place);
        ASSERT(!strstr(place + 1, "shutdown.linger.ms"));
        world_end(&world);
    }
}

static const struct {
    const char *spec;
    bool is_new;
} revisions[] = {
    { "{\"spec\":{\"config\":{\"a.b\":1}}}", true },
    { "{\"spec\":{\"image\":\"other\"}}", true },
    { "{\"spec\":{\"version\":\"0.2.0\"}}", true },
    { "{\"spec\":{\"resources\":{\"limits\":{\"memory\":\"3Gi\"}}}}", true },
    { "{\"spec\":{\"template\":{\"labels\":{\"a\":\"b\"}}}}", true },
    { "{\"spec\":{\"template\":{\"annotations\":{\"a\":\"b\"}}}}", true },
    { "{\"spec\":{\"objectStore\":{\"region\":\"eu-1\"}}}", true },
    { "{\"spec\":{\"replicas\":7}}", false },
    { "{\"spec\":{\"rollout\":{\"maxUnavailable\":3}}}", false },
    { "{\"spec\":{\"drain\":{\"timeoutSeconds\":33}}}", false },
    { "{\"spec\":{\"pdb\":{\"enabled\":false}}}", false },
    { "{\"metadata\":{\"generation\":99}}", false },
};

TEST(a_revision_is_new_for_what_needs_a_restart_and_for_nothing_else)
{
    static struct world world;
    world_begin(&world, 3, "{}");
    char before[32];
    snprintf(before, sizeof before, "%s", world.revision);
    for (size_t i = 0; i < ARRAY_SIZE(revisions); i++) {
        world_wish(&world, 3, revisions[i].spec);
        ASSERT_EQ(strcmp(before, world.revision) != 0, revisions[i].is_new);
    }
    world.settings.version = "9.9.9";
    world_wish(&world, 3, "{\"spec\":{\"version\":\"0.1.0\"}}");
    ASSERT_STRING(world.revision, before);
    world_end(&world);
}

static void
child(struct world *world, enum child_kind kind, char *name)
{
    static char text[] = "x";
    static char owner[] = "u";
    struct meta *meta = &world->children[world->child_count];
    *meta = (struct meta){ .name = name, .uid = text, .owner_uid = owner, .version = text };
    world->plan_children[world->child_count++] = (struct plan_child){ kind, meta };
}

TEST(what_is_not_wished_any_more_is_removed_and_what_is_used_stays)
{
    static struct world world;
    char budget[] = "c";
    char used[] = "c-config-old";
    char unused[] = "c-config-older";
    char external[] = "c-public";
    world_begin(&world, 1, "{\"spec\":{\"pdb\":{\"enabled\":false}}}");
    world_broker(&world, 0, "ready says:active old young");
    child(&world, CHILD_BUDGET, budget);
    child(&world, CHILD_CONFIG_MAP, used);
    child(&world, CHILD_CONFIG_MAP, unused);
    child(&world, CHILD_SERVICE, external);
    ASSERT_STRING(world_plan(&world),
            "delete-child c, delete-child c-config-older, delete-child c-public");
    world_end(&world);
}

static const struct {
    int replicas;
    const char *brokers[3];
    enum condition_type type;
    const char *expected;
} conditions[] = {
    { 2, { "ready", "ready" }, CONDITION_READY, "True/Ready" },
    { 2, { "ready", "starting" }, CONDITION_READY, "False/Starting" },
    { 2, { "ready", "starting" }, CONDITION_AVAILABLE, "True/Serving" },
    { 2, { "starting", "starting" }, CONDITION_AVAILABLE, "False/NoBrokerReady" },
    { 2, { "ready", "ready old" }, CONDITION_PROGRESSING, "True/RollingUpdate" },
    { 2, { "ready", "stuck" }, CONDITION_DEGRADED, "True/BrokerStuck" },
    { 2, { "ready old", "stuck" }, CONDITION_PROGRESSING, "False/RolloutStuck" },
    { 2, { "ready", "ready", "starting node:down" }, CONDITION_DEGRADED, "True/NodeLost" },
    { 2, { "ready", "ready", "starting node:down" }, CONDITION_PROGRESSING, "False/Idle" },
    { 1, { "ready", "ready draining says:draining" }, CONDITION_PROGRESSING, "True/Draining" },
    { 1, { "ready", "ready draining says:draining" }, CONDITION_SCALE_IN_BLOCKED,
            "True/DrainTimedOut" },
    { 1, { "ready says:active", "ready says:active" }, CONDITION_SCALE_IN_BLOCKED,
            "False/NotBlocked" },
    { 1, { "ready", "nopod foreign" }, CONDITION_DEGRADED, "True/ForeignVolume" },
    { 2, { "ready", "ready deleting" }, CONDITION_DEGRADED, "True/WalLost" },
    { 2, { "ready", "ready draining drained-role says:draining" }, CONDITION_READY,
            "False/Undraining" },
    { 2, { "ready", "ready drained-role says:draining" }, CONDITION_READY, "False/Undraining" },
    { 2, { "ready", "ready drained-role says:active" }, CONDITION_READY, "False/Undraining" },
    { 2, { "ready", "ready says:drained" }, CONDITION_READY, "False/Undraining" },
    { 2, { "ready", "ready says:nothing" }, CONDITION_READY, "True/Ready" },
    { 2, { "ready", "ready young" }, CONDITION_READY, "False/Starting" },
    { 2, { "ready", "ready young" }, CONDITION_AVAILABLE, "True/Serving" },
    { 0, { NULL }, CONDITION_READY, "False/Stopped" },
    { 2, { NULL }, CONDITION_PROGRESSING, "True/ScalingOut" },
};

TEST(conditions_say_what_is_the_matter)
{
    for (size_t i = 0; i < ARRAY_SIZE(conditions); i++) {
        static struct world world;
        world_begin(&world, conditions[i].replicas, "{}");
        for (int id = 0; id < 3 && conditions[i].brokers[id]; id++) {
            world_broker(&world, id, conditions[i].brokers[id]);
        }
        world_plan(&world);
        ASSERT_STRING(world_condition(&world, conditions[i].type), conditions[i].expected);
        world_end(&world);
    }
}

/* What clients are led to a broker by knows of it a moment later. */
TEST(a_cluster_becomes_ready_when_its_last_broker_has_been_so_for_a_moment)
{
    static struct world world;
    world_begin(&world, 2, "{}");
    world_broker(&world, 0, "ready says:active");
    world_broker(&world, 1, "ready says:active young");
    world_plan(&world);
    ASSERT_STRING(world_condition(&world, CONDITION_READY), "False/Starting");
    ASSERT_EQ(world.plan.again_ms, 1990);
    world.plan_pods[1].since_ms -= 1990;
    world_plan(&world);
    ASSERT_STRING(world_condition(&world, CONDITION_READY), "True/Ready");
    world_end(&world);
    /* A new operator, for which all is new, takes nothing back. */
    world_begin(
            &world, 1, "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}");
    world_broker(&world, 0, "ready says:active young");
    world_plan(&world);
    ASSERT_STRING(world_condition(&world, CONDITION_READY), "True/Ready");
    world_end(&world);
}

/* Its broker may still drain: it gets clients when it has said that it does not. */
TEST(a_pod_for_a_drain_that_was_taken_back_begins_without_clients)
{
    static struct world world;
    world_begin(&world, 2, "{}");
    world_broker(&world, 0, "ready says:active");
    world_broker(&world, 1, "nopod empty");
    ASSERT_STRING(world_plan(&world), "mark-claim 1 active, create-pod 1");
    struct action *action = CONTAINER_OF(world.plan.actions.prev, struct action, node);
    LIST_FOREACH (node, &world.plan.actions) {
        struct action *each = CONTAINER_OF(node, struct action, node);
        action = each->kind == ACTION_CREATE_POD ? each : action;
    }
    ASSERT_STRING(json_member(action->object, "metadata/labels", "freshet.dev/role"), "draining");
    world_end(&world);
}

TEST(a_listener_on_node_ports_has_a_fixed_one_for_each_broker)
{
    static struct world world;
    world_begin(&world, 1,
            "{\"spec\":{\"listeners\":[{\"name\":\"out\",\"port\":9094,\"type\":\"nodeport\","
            "\"host\":\"node.example.com\",\"nodePort\":30100}]}}");
    world_broker(&world, 2, "ready says:active old");
    world_plan(&world);
    const cJSON *all = made(&world, ACTION_APPLY, "c-out");
    const cJSON *one = made(&world, ACTION_APPLY, "c-out-2");
    ASSERT_STRING(json_text(all, "spec/type"), "NodePort");
    ASSERT_EQ(json_int(cJSON_GetArrayItem(json_at(all, "spec/ports"), 0), "nodePort", 0), 30100);
    ASSERT_EQ(json_int(cJSON_GetArrayItem(json_at(one, "spec/ports"), 0), "nodePort", 0), 30103);
    ASSERT(!json_bool(all, "spec/publishNotReadyAddresses", false));
    ASSERT(!json_bool(one, "spec/publishNotReadyAddresses", false));
    world_end(&world);
    world_begin(&world, 1,
            "{\"spec\":{\"listeners\":[{\"name\":\"out\",\"port\":9094,\"type\":\"nodeport\","
            "\"host\":\"node.example.com\",\"nodePort\":30100}]}}");
    world_plan(&world);
    const cJSON *pod = made(&world, ACTION_CREATE_POD, "c-0");
    CLEANUP(mem_freep)
    char *env = json_print(json_at(cJSON_GetArrayItem(json_at(pod, "spec/containers"), 0), "env"));
    ASSERT(strstr(env, "OUT://node.example.com:30101"));
    world_end(&world);
}

TEST(a_broker_has_an_address_that_outlives_its_pod)
{
    static struct world world;
    world_begin(&world, 1, "{}");
    world_broker(&world, 0, "ready says:active");
    world_plan(&world);
    const cJSON *one = made(&world, ACTION_APPLY, "c-kafka-0");
    ASSERT_STRING(json_text(one, "spec/type"), "ClusterIP");
    ASSERT(!json_bool(one, "spec/publishNotReadyAddresses", false));
    ASSERT_STRING(json_member(one, "spec/selector", "freshet.dev/broker-id"), "0");
    ASSERT(!json_at(one, "spec/clusterIP"));
    ASSERT(!made(&world, ACTION_APPLY, "c-kafka"));
    /* Where clients begin they find those that are ready. */
    ASSERT(!json_at(made(&world, ACTION_APPLY, "c-bootstrap"), "spec/publishNotReadyAddresses"));
    world_end(&world);
}

TEST(a_pod_monitor_is_made_where_it_is_wished)
{
    static struct world world;
    world_begin(&world, 1, "{}");
    world_plan(&world);
    ASSERT(!made(&world, ACTION_APPLY, "c") ||
            strcmp(json_text(made(&world, ACTION_APPLY, "c"), "kind"), "PodMonitor") != 0);
    world_end(&world);
    world_begin(&world, 1,
            "{\"spec\":{\"metrics\":{\"podMonitor\":true,\"podMonitorLabels\":{\"release\":\"p\","
            "\"freshet.dev/cluster\":\"other\"}},\"pdb\":{\"enabled\":false},"
            "\"networkPolicy\":{\"enabled\":false}}}");
    world_plan(&world);
    const cJSON *monitor = made(&world, ACTION_APPLY, "c");
    ASSERT_STRING(json_text(monitor, "kind"), "PodMonitor");
    ASSERT_STRING(json_member(monitor, "spec/selector/matchLabels", "freshet.dev/cluster"), "c");
    ASSERT_STRING(json_member(monitor, "metadata/labels", "release"), "p");
    ASSERT_STRING(json_member(monitor, "metadata/labels", "freshet.dev/cluster"), "c");
    const cJSON *endpoint = cJSON_GetArrayItem(json_at(monitor, "spec/podMetricsEndpoints"), 0);
    ASSERT_STRING(json_text(endpoint, "port"), "admin");
    world_end(&world);
}

/* P11 */
TEST(p11_the_admin_port_is_for_brokers_and_the_operator_in_its_namespace)
{
    static struct world world;
    static const char *const namespaces[] = { "system", "" };
    static const char *const wished[] = {
        "{\"ports\":[{\"port\":9190,\"protocol\":\"TCP\"}],\"from\":[{\"podSelector\":{"
        "\"matchLabels\":{\"freshet.dev/cluster\":\"c\"}}},{\"namespaceSelector\":{"
        "\"matchLabels\":{\"kubernetes.io/metadata.name\":\"system\"}},\"podSelector\":{"
        "\"matchLabels\":{\"app.kubernetes.io/name\":\"freshet-operator\"}}}]}",
        "{\"ports\":[{\"port\":9190,\"protocol\":\"TCP\"}],\"from\":[{\"podSelector\":{"
        "\"matchLabels\":{\"freshet.dev/cluster\":\"c\"}}},{\"namespaceSelector\":{},"
        "\"podSelector\":{\"matchLabels\":{\"app.kubernetes.io/name\":\"freshet-operator\"}}}]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
        world_begin(&world, 1,
                "{\"spec\":{\"pdb\":{\"enabled\":false},\"listeners\":[{\"name\":\"kafka\","
                "\"port\":9092},{\"name\":\"out\",\"port\":9094}]}}");
        world.settings.namespace = namespaces[i];
        world_plan(&world);
        const cJSON *policy = made(&world, ACTION_APPLY, "c");
        ASSERT_STRING(json_text(policy, "kind"), "NetworkPolicy");
        const cJSON *rules = json_at(policy, "spec/ingress");
        ASSERT_EQ(cJSON_GetArraySize(rules), 3);
        CLEANUP(mem_freep) char *clients = json_print(cJSON_GetArrayItem(rules, 0));
        CLEANUP(mem_freep) char *admin = json_print(cJSON_GetArrayItem(rules, 1));
        CLEANUP(mem_freep) char *internal = json_print(cJSON_GetArrayItem(rules, 2));
        ASSERT_STRING(clients, "{\"ports\":[{\"port\":9092,\"protocol\":\"TCP\"},{\"port\":9094,"
                               "\"protocol\":\"TCP\"}]}");
        ASSERT_STRING(admin, wished[i]);
        ASSERT_STRING(internal,
                "{\"ports\":[{\"port\":9191,\"protocol\":\"TCP\"}],\"from\":[{\"podSelector\":{"
                "\"matchLabels\":{\"freshet.dev/cluster\":\"c\"}}}]}");
        world_end(&world);
    }
}

/* P6 */
TEST(p6_a_broker_whose_log_is_given_up_is_told_so)
{
    static struct world world;
    static const char *const lists[] = { "", "1", "0" };
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        world_begin(&world, 1, "{}");
        mem_free(world.cluster->accepts_loss);
        world.cluster->accepts_loss = mem_strdup(lists[i]);
        world_plan(&world);
        const cJSON *pod = made(&world, ACTION_CREATE_POD, "c-0");
        CLEANUP(mem_freep) char *text = json_print(pod);
        ASSERT_EQ(strstr(text, "FRESHET_WAL_RECOVERY_ACCEPT_LOSS") != NULL, i == 2);
        ASSERT_STRING(json_member(pod, "metadata/annotations", "freshet.dev/accepts-wal-loss"),
                i == 2 ? "true" : "");
        world_end(&world);
    }
}

TEST(a_broker_whose_log_is_in_the_bucket_has_no_volume)
{
    static struct world world;
    world_begin(&world, 1, "{\"spec\":{\"wal\":{\"type\":\"s3\"}}}");
    world_plan(&world);
    const cJSON *ledger = made(&world, ACTION_CREATE_CLAIM, "wal-c-0");
    ASSERT_STRING(json_text(ledger, "kind"), "ConfigMap");
    ASSERT_STRING(json_member(ledger, "metadata/labels", "freshet.dev/ledger"), "true");
    ASSERT(*json_member(ledger, "metadata/annotations", "freshet.dev/store"));
    ASSERT(!json_at(ledger, "metadata/ownerReferences"));
    CLEANUP(mem_freep)
    char *volumes = json_print(json_at(made(&world, ACTION_CREATE_POD, "c-0"), "spec/volumes"));
    ASSERT(strstr(volumes, "{\"name\":\"wal\",\"emptyDir\":{}}"));
    char name[64];
    snprintf(name, sizeof name, "c-config-%s", world.revision);
    const char *text = json_member(made(&world, ACTION_APPLY, name), "data", "freshet.yaml");
    ASSERT(strstr(text, "wal.type: \"s3\"\n") && !strstr(text, "wal.capacity.bytes"));
    world_end(&world);
}
