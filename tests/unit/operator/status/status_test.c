/* The status as JSON: the selector, times of conditions, what Ready stands for. */
#include "base/mem.h"
#include "status/status.h"
#include "unit/test.h"

#include <stdio.h>

static struct cluster *
cluster_make(const char *conditions)
{
    char text[2048];
    cJSON *json = NULL;
    struct cluster *cluster = NULL;
    snprintf(text, sizeof text,
            "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"c\",\"uid\":\"u\",\"generation\":4},"
            "\"spec\":{\"replicas\":2,\"objectStore\":{\"bucket\":\"data\"},\"wal\":{\"size\":"
            "\"10Gi\"},\"listeners\":[{\"name\":\"kafka\",\"port\":9092}]},\"status\":{"
            "\"conditions\":%s}}",
            conditions);
    json_setup();
    if (json_parse(bytes_of_string(text), &json) < 0 || cluster_parse(json, &cluster) < 0) {
        cluster = NULL;
    }
    cJSON_Delete(json);
    return cluster;
}

static struct status
status_make(int ready)
{
    struct status status = {
        .generation = 4, .wished = 2, .ready = ready, .updated = ready, .replicas = 2
    };
    status_condition(&status, CONDITION_AVAILABLE, TRUTH_TRUE, "Serving", "ok");
    status_condition(&status, CONDITION_RECONCILED, TRUTH_TRUE, "Synced", "ok");
    status_condition(&status, CONDITION_PROGRESSING, TRUTH_FALSE, "Idle", "ok");
    status_condition(&status, CONDITION_DEGRADED, TRUTH_FALSE, "AsExpected", "ok");
    status_condition(&status, CONDITION_SCALE_IN_BLOCKED, TRUTH_FALSE, "NotBlocked", "ok");
    return status;
}

static const cJSON *
ready_of(const cJSON *object)
{
    return cJSON_GetArrayItem(json_at(object, "status/conditions"), 0);
}

/* T1 */
TEST(t1_the_selector_is_there_and_ready_is_false_until_all_is_as_wished)
{
    struct cluster *cluster = cluster_make("[]");
    struct status status = status_make(1);
    status_sum_up(&status);
    CLEANUP(json_freep) cJSON *object = status_render(&status, cluster, "0.1.0", "now");
    ASSERT_STRING(json_text(object, "status/labelSelector"),
            "freshet.dev/cluster=c,freshet.dev/role=broker");
    ASSERT_EQ(json_int(object, "status/observedGeneration", 0), 4);
    ASSERT_STRING(json_text(object, "metadata/uid"), "u"); /* T4 */
    ASSERT_STRING(json_text(ready_of(object), "status"), "False");
    ASSERT_STRING(json_text(ready_of(object), "reason"), "Reconciling");
    status = status_make(2);
    status_condition(&status, CONDITION_RECONCILED, TRUTH_FALSE, "NameConflict", "taken");
    status_sum_up(&status);
    ASSERT_EQ(status.conditions[CONDITION_READY].truth, TRUTH_FALSE);
    ASSERT_STRING(status.conditions[CONDITION_READY].reason, "NameConflict");
    ASSERT_STRING(status.conditions[CONDITION_READY].message, "taken");
    cluster_free(cluster);
}

/* T2 */
TEST(t2_a_condition_keeps_its_time_while_its_status_stays)
{
    struct cluster *cluster = cluster_make("[{\"type\":\"Ready\",\"status\":\"True\","
                                           "\"reason\":\"Old\",\"lastTransitionTime\":\"then\"},"
                                           "{\"type\":\"Degraded\",\"status\":\"True\","
                                           "\"lastTransitionTime\":\"then\"}]");
    struct status status = status_make(2);
    status_sum_up(&status);
    CLEANUP(json_freep) cJSON *object = status_render(&status, cluster, "0.1.0", "now");
    ASSERT_STRING(json_text(ready_of(object), "lastTransitionTime"), "then");
    ASSERT_STRING(json_text(ready_of(object), "reason"), "Ready");
    const cJSON *degraded =
            cJSON_GetArrayItem(json_at(object, "status/conditions"), CONDITION_DEGRADED);
    ASSERT_STRING(json_text(degraded, "type"), "Degraded");
    ASSERT_STRING(json_text(degraded, "lastTransitionTime"), "now");
    cluster_free(cluster);
}

/* T3: the wish changed while the pass waited; what it says is of the wish that it saw. */
TEST(t3_a_status_speaks_of_the_generation_that_was_planned_for)
{
    struct cluster *cluster = cluster_make("[]");
    struct status status = status_make(2);
    status.generation = 3;
    cluster->replicas = 1;
    status_sum_up(&status);
    CLEANUP(json_freep) cJSON *object = status_render(&status, cluster, "0.1.0", "now");
    ASSERT_EQ(json_int(object, "status/observedGeneration", 0), 3);
    ASSERT_EQ(json_int(ready_of(object), "observedGeneration", 0), 3);
    ASSERT_EQ(json_int(object, "status/desiredReplicas", 0), 2);
    cluster_free(cluster);
}

/* What is worth an event: trouble that the status did not tell of before. */
TEST(trouble_is_news_once)
{
    static const struct {
        const char *before;
        bool is_trouble;
    } rows[] = {
        { "[]", true },
        { "[{\"type\":\"Degraded\",\"status\":\"False\",\"reason\":\"AsExpected\"}]", true },
        { "[{\"type\":\"Degraded\",\"status\":\"True\",\"reason\":\"NodeLost\"}]", true },
        { "[{\"type\":\"Degraded\",\"status\":\"True\",\"reason\":\"WalLost\"}]", false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct cluster *cluster = cluster_make(rows[i].before);
        struct status status = status_make(2);
        status_condition(&status, CONDITION_DEGRADED, TRUTH_TRUE, "WalLost", "broker 1");
        ASSERT_EQ(status_is_trouble(&status, cluster, CONDITION_DEGRADED), rows[i].is_trouble);
        ASSERT(!status_is_trouble(&status, cluster, CONDITION_PROGRESSING));
        ASSERT(!status_is_trouble(&status, cluster, CONDITION_READY));
        status_done(&status);
        cluster_free(cluster);
    }
}
