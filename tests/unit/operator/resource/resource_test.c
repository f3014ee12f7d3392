/* What is read of clusters, pods, claims, nodes and brokers. */
#include "base/fault.h"
#include "resource/broker.h"
#include "resource/cluster.h"
#include "resource/pod.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

#define META "\"metadata\":{\"namespace\":\"ns\",\"name\":\"x\",\"uid\":\"u\""

static cJSON *
parse(const char *text)
{
    cJSON *json = NULL;
    json_setup();
    return json_parse(bytes_of_string(text), &json) < 0 ? NULL : json;
}

#define SPEC(more)                                                                                 \
    "{" META "},\"spec\":{\"objectStore\":{\"bucket\":\"data\"},\"wal\":{\"size\":\"1Gi\"}" more   \
    "}}"
#define LISTENERS ",\"listeners\":[{\"name\":\"kafka\",\"port\":9092}]"

static const struct {
    const char *json;
    const char *says; /* NULL: fine */
} clusters[] = {
    { SPEC(LISTENERS), NULL },
    { SPEC(""), "spec.listeners" },
    { SPEC(",\"listeners\":[{\"name\":\"kafka\"}]"), "spec.listeners[0]" },
    { SPEC(",\"listeners\":[{\"port\":1}]"), "spec.listeners[0]" },
    { "{" META "},\"spec\":{}}", "spec.objectStore.bucket" },
    { "{" META "}}", "spec.objectStore.bucket" },
    { "{\"metadata\":{\"name\":\"x\"}}", "uid" },
    { SPEC(LISTENERS ",\"zones\":{\"values\":[1]}"), "spec.zones.values" },
};

TEST(a_cluster_is_read_or_refused_with_the_path_of_what_is_wrong)
{
    for (size_t i = 0; i < ARRAY_SIZE(clusters); i++) {
        CLEANUP(json_freep) cJSON *json = parse(clusters[i].json);
        struct cluster *cluster = NULL;
        int r = cluster_parse(json, &cluster);
        ASSERT_EQ(r, clusters[i].says ? -EBADMSG : 0);
        ASSERT(!clusters[i].says || strstr(fault_text(), clusters[i].says));
        cluster_free(cluster);
    }
}

TEST(numbers_of_a_cluster_have_defaults_and_bounds)
{
    CLEANUP(json_freep) cJSON *json = parse(SPEC(LISTENERS));
    struct cluster *cluster = NULL;
    ASSERT_OK(cluster_parse(json, &cluster));
    ASSERT_EQ(cluster->replicas, 3);
    ASSERT_EQ(cluster->drain_max_concurrent, 1);
    ASSERT_EQ(cluster->rollout_pod_timeout_ms, 300000);
    ASSERT(!cluster->is_paused && !cluster->has_finalizer && !cluster->deletes_volumes);
    cluster_free(cluster);
    CLEANUP(json_freep)
    cJSON *wild = parse(SPEC(LISTENERS ",\"replicas\":-5,\"drain\":{"
                                       "\"maxConcurrent\":1e300}"));
    ASSERT_OK(cluster_parse(wild, &cluster));
    ASSERT_EQ(cluster->replicas, 0);
    ASSERT_EQ(cluster->drain_max_concurrent, 1);
    cluster_free(cluster);
}

TEST(a_volume_belongs_to_bucket_and_prefix_wherever_they_are_reached)
{
    char hash[4][STORE_HASH_SIZE];
    static const char *const endpoints[] = { "", "", "", "http://a" };
    static const char *const specs[] = { SPEC(LISTENERS), SPEC(LISTENERS ",\"replicas\":9"),
        "{" META "},\"spec\":{\"objectStore\":{\"bucket\":\"data\",\"prefix\":\"p\"},\"wal\":{"
        "\"size\":\"1Gi\"}" LISTENERS "}}",
        SPEC(LISTENERS) };
    for (size_t i = 0; i < 4; i++) {
        CLEANUP(json_freep) cJSON *json = parse(specs[i]);
        struct cluster *cluster = NULL;
        ASSERT_OK(cluster_parse(json, &cluster));
        cluster->endpoint = endpoints[i];
        cluster_store_hash(cluster, hash[i]);
        ASSERT(cluster_has_store(cluster, hash[i]));
        ASSERT_EQ(cluster_has_store(cluster, hash[0]), i != 2);
        ASSERT_EQ(cluster_has_store(cluster, "54d1f8f8f3e1d2a5"), false);
        cluster_free(cluster);
    }
    ASSERT_STRING(hash[0], hash[1]);
    ASSERT(strcmp(hash[0], hash[2]) != 0);
    ASSERT_STRING(hash[0], hash[3]);
}

TEST(a_pod_is_read)
{
    CLEANUP(json_freep)
    cJSON *json = parse(
            "{" META ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\",\"ownerReferences\":[{"
            "\"uid\":\"no\"},{\"uid\":\"yes\",\"controller\":true}],\"labels\":{"
            "\"freshet.dev/cluster\":\"c\",\"freshet.dev/broker-id\":\"7\"}},\"spec\":{"
            "\"nodeName\":\"n\"},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.7\","
            "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],\"containerStatuses\":[{"
            "\"restartCount\":3,\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\","
            "\"message\":\"back-off\"}},\"lastState\":{\"terminated\":{\"message\":\"no "
            "bucket\"}}}]}}");
    struct pod *pod = NULL;
    ASSERT_OK(pod_parse(json, &pod));
    ASSERT_EQ(pod->id, 7);
    ASSERT(pod->meta.is_deleting && pod->is_ready);
    ASSERT_STRING(pod->meta.owner_uid, "yes");
    ASSERT_STRING(pod->trouble, "CrashLoopBackOff");
    ASSERT_STRING(pod->message, "no bucket");
    ASSERT_EQ(pod->restarts, 3);
    pod_free(pod);
    CLEANUP(json_freep)
    cJSON *pending = parse(
            "{" META ",\"labels\":{\"freshet.dev/broker-id\":\"-7\"}},\"status\":{\"conditions\":[{"
            "\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":\"Unschedulable\","
            "\"message\":\"0/1 nodes are available: 1 node(s) had no available volume zone.\"}]}}");
    ASSERT_OK(pod_parse(pending, &pod));
    ASSERT_EQ(pod->id, -1);
    ASSERT(pod->is_unschedulable && pod->phase == POD_PENDING && !pod->is_ready);
    ASSERT(strstr(pod->message, "no available") && pod->is_volume_tied && pod->is_volume_missed);
    pod_free(pod);
}

static const struct {
    const char *annotations;
    enum claim_state state;
    long long epoch;
} claims[] = {
    { "{}", CLAIM_ACTIVE, -1 },
    { "{\"freshet.dev/state\":\"draining\"}", CLAIM_DRAINING, -1 },
    { "{\"freshet.dev/state\":\"empty\",\"freshet.dev/drained-epoch\":\"12\"}", CLAIM_EMPTY, 12 },
    { "{\"freshet.dev/state\":\"Empty\"}", CLAIM_ACTIVE, -1 },
    { "{\"freshet.dev/state\":7}", CLAIM_ACTIVE, -1 },
    { "{\"volume.kubernetes.io/selected-node\":\"n\"}", CLAIM_ACTIVE, -1 },
};

TEST(a_claim_is_empty_only_when_it_says_so_exactly)
{
    for (size_t i = 0; i < ARRAY_SIZE(claims); i++) {
        char text[512];
        snprintf(text, sizeof text, "{" META ",\"annotations\":%s}}", claims[i].annotations);
        CLEANUP(json_freep) cJSON *json = parse(text);
        struct claim *claim = NULL;
        ASSERT_OK(claim_parse(json, &claim));
        ASSERT_EQ(claim->state, claims[i].state);
        ASSERT_EQ(claim->epoch, claims[i].epoch);
        ASSERT_STRING(claim->node, strstr(text, "selected-node") ? "n" : "");
        claim_free(claim);
    }
}

TEST(what_a_broker_does_not_say_is_unknown)
{
    struct broker broker;
    CLEANUP(json_freep) cJSON *nothing = parse("{}");
    ASSERT_ERROR(broker_parse(nothing, &broker), -EBADMSG);
    CLEANUP(json_freep) cJSON *little = parse("{\"id\":3,\"state\":\"Drained\",\"wal\":7}");
    ASSERT_OK(broker_parse(little, &broker));
    ASSERT_EQ(broker.state, BROKER_UNKNOWN);
    ASSERT_EQ(broker.epoch, -1);
    ASSERT_EQ(broker.partitions, -1);
    ASSERT_EQ(broker.quarantined, -1);
    ASSERT(!broker.is_wal_empty);
    CLEANUP(json_freep)
    cJSON *all = parse("{\"id\":3,\"epoch\":17,\"state\":\"drained\",\"alive\":"
                       "true,\"partitions\":{\"owned\":1,\"closing\":2},"
                       "\"wal\":{\"empty\":true,\"quarantined\":4}}");
    ASSERT_OK(broker_parse(all, &broker));
    ASSERT_EQ(broker.state, BROKER_DRAINED);
    ASSERT_EQ(broker.partitions, 3);
    ASSERT_EQ(broker.quarantined, 4);
    ASSERT(broker.is_wal_empty && broker.is_alive);
}

TEST(versions_are_compared_as_numbers_of_any_length)
{
    ASSERT(version_compare("9", "10") < 0);
    ASSERT(version_compare("100000000000000000000000001", "100000000000000000000000000") > 0);
    ASSERT_EQ(version_compare("7", "7"), 0);
    ASSERT_EQ(version_compare("7", "x"), 0);
    ASSERT_EQ(version_compare("", "7"), 0);
}

TEST(the_last_line_of_a_broker_that_ended_is_why)
{
    CLEANUP(json_freep)
    cJSON *json = parse(
            "{" META "},\"status\":{\"containerStatuses\":[{\"state\":{\"waiting\":{"
            "\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off\"}},\"lastState\":{"
            "\"terminated\":{\"message\":\"begins\\ntime=1 level=error no such bucket\\n\"}}}]}}");
    struct pod *pod = NULL;
    ASSERT_OK(pod_parse(json, &pod));
    ASSERT_STRING(pod->trouble, "CrashLoopBackOff");
    ASSERT_STRING(pod->message, "no such bucket");
    pod_free(pod);
}

/* What a crash loop looks like while its container runs for a moment. */
static const struct {
    const char *status; /* of the container */
    const char *trouble;
    const char *message;
} loops[] = {
    { "\"restartCount\":2,\"lastState\":{\"terminated\":{\"exitCode\":1,\"message\":\"why\","
      "\"startedAt\":\"2026-01-01T00:00:00Z\",\"finishedAt\":\"2026-01-01T00:00:01Z\"}}",
            "CrashLoopBackOff", "why" },
    { "\"restartCount\":2,\"lastState\":{\"terminated\":{\"exitCode\":137,\"reason\":"
      "\"OOMKilled\",\"startedAt\":\"2026-01-01T23:59:59Z\",\"finishedAt\":"
      "\"2026-01-02T00:00:01Z\"}}",
            "CrashLoopBackOff", "OOMKilled: it took more memory than resources.limits.memory" },
    { "\"restartCount\":1,\"lastState\":{\"terminated\":{\"exitCode\":1,\"startedAt\":"
      "\"2026-01-01T00:00:00Z\",\"finishedAt\":\"2026-01-01T00:00:01Z\"}}",
            "", "" },
    { "\"restartCount\":9,\"ready\":true,\"lastState\":{\"terminated\":{\"exitCode\":1,"
      "\"startedAt\":\"2026-01-01T00:00:00Z\",\"finishedAt\":\"2026-01-01T00:00:01Z\"}}",
            "", "" },
    { "\"restartCount\":9,\"lastState\":{\"terminated\":{\"exitCode\":1,\"startedAt\":"
      "\"2026-01-01T00:00:00Z\",\"finishedAt\":\"2026-01-01T05:00:00Z\"}}",
            "", "" },
    { "\"restartCount\":9,\"lastState\":{\"terminated\":{\"exitCode\":1}}", "", "" },
    { "\"restartCount\":0,\"state\":{\"waiting\":{\"reason\":\"ContainerCreating\"}}", "",
            "its container is not made yet: a volume that is not mounted, or the node; see kubectl "
            "describe pod" },
};

TEST(a_crash_loop_is_one_between_its_waits_too)
{
    for (size_t i = 0; i < ARRAY_SIZE(loops); i++) {
        char text[1024];
        snprintf(text, sizeof text, "{" META "},\"status\":{\"containerStatuses\":[{%s}]}}",
                loops[i].status);
        CLEANUP(json_freep) cJSON *json = parse(text);
        struct pod *pod = NULL;
        ASSERT_OK(pod_parse(json, &pod));
        ASSERT_STRING(pod->trouble, loops[i].trouble);
        ASSERT_STRING(pod->message, loops[i].message);
        pod_free(pod);
    }
}

TEST(losses_are_accepted_by_number)
{
    static const struct {
        const char *list;
        int id;
        bool is_accepted;
    } rows[] = { { "", 0, false }, { "0", 0, true }, { "10", 0, false }, { "1,0", 0, true },
        { "1,0", 1, true }, { "1,,0", 0, true }, { "all", 0, false }, { " 0", 0, false },
        { "00000000000000000000", 0, false } };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char list[64];
        snprintf(list, sizeof list, "%s", rows[i].list);
        const struct cluster cluster = { .accepts_loss = list };
        ASSERT_EQ(cluster_accepts_loss(&cluster, rows[i].id), rows[i].is_accepted);
    }
}

TEST(a_loss_that_is_over_is_accepted_no_more_until_it_is_named_anew)
{
    static char both[] = "1,2";
    static char one[] = "1";
    struct cluster before = { .accepts_loss = both };
    struct cluster after = { .accepts_loss = both };
    json_setup();
    after.losses = parse("[2]");
    ASSERT(cluster_accepts_loss(&after, 1));
    ASSERT(!cluster_accepts_loss(&after, 2));
    ASSERT(cluster_loss_is_spent(&after, 2));
    ASSERT(!cluster_loss_is_spent(&after, 1));
    cluster_losses_follow(&before, &after);
    ASSERT(!cluster_accepts_loss(&after, 2));
    before.accepts_loss = one; /* named and spent while nobody looked */
    cluster_losses_follow(&before, &after);
    ASSERT(!cluster_accepts_loss(&after, 2));
    before.losses = parse("[2]"); /* taken away, and set anew before the status told */
    struct cluster between = { .accepts_loss = one, .losses = parse("[2]") };
    cluster_losses_follow(&before, &between);
    cluster_losses_follow(&between, &after);
    ASSERT(cluster_accepts_loss(&after, 2));
    cluster_losses_note(&after, between.losses);
    ASSERT(cluster_loss_is_spent(&after, 2));
    cluster_losses_note(&after, NULL);
    ASSERT(cluster_accepts_loss(&after, 2));
    cJSON_Delete(before.losses);
    cJSON_Delete(between.losses);
}
