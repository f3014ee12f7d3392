/* Tables of topics: what is wished, noted and told, and the next step. */
#include "plan/topic.h"
#include "unit/test.h"

#include <stdio.h>

#define ID "AAAAAAAAAAAAAAAAAAAAAQ"
#define OTHER "AAAAAAAAAAAAAAAAAAAAAg"
#define META "\"name\":\"t\",\"namespace\":\"ns\",\"uid\":\"u\""
#define FINALIZERS ",\"finalizers\":[\"freshet.dev/topic\"]"
#define GOING ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\""

/* What the cluster is like. */
enum { NONE, FINE, PAUSED, ENDING, SILENT };

struct row {
    const char *why;
    const char *meta;   /* besides META */
    const char *spec;   /* besides clusterRef */
    const char *status; /* members of it */
    int cluster;
    const char *rival;
    const char *told; /* NULL: not asked; "": there is none */
    const char *plan; /* the step, or "ask", or the reason of Ready */
};

#define TOLD(id, partitions, config)                                                               \
    "{\"id\":\"" id "\",\"partitions\":" #partitions ",\"config\":{" config "}}"
#define OURS "\"topicId\":\"" ID "\""
#define DELETES ",\"deletionPolicy\":\"Delete\""

static const struct row rows[] = {
    { "no cluster", "", "", "", NONE, NULL, NULL, "NoCluster" },
    { "a paused one", "", "", "", PAUSED, NULL, NULL, "Paused" },
    { "nobody to ask", "", "", "", SILENT, NULL, NULL, "NoBroker" },
    { "an older resource has the topic", "", "", "", FINE, "first", NULL, "Conflict" },
    { "first look", "", "", "", FINE, NULL, NULL, "ask" },
    { "there is none", "", "", "", FINE, NULL, "", "create" },
    { "P7: created by us and not noted yet", "", "", "\"pendingTopicId\":\"" ID "\"", FINE, NULL,
            TOLD(ID, 1, ""), "Ready" },
    { "P7: somebody else's", "", "", "", FINE, NULL, TOLD(ID, 1, ""), "TopicExists" },
    { "P7: somebody else's, although we were about to create it", "", "",
            "\"pendingTopicId\":\"" OTHER "\"", FINE, NULL, TOLD(ID, 1, ""), "TopicExists" },
    { "P7: made again by somebody", "", "", OURS, FINE, NULL, TOLD(OTHER, 1, ""), "TopicReplaced" },
    { "taken over", "", ",\"adopt\":true", "", FINE, NULL, TOLD(ID, 1, ""), "adopt" },
    { "taken over again", "", ",\"adopt\":true", OURS, FINE, NULL, TOLD(OTHER, 1, ""), "adopt" },
    { "deleted by hand", "", "", OURS, FINE, NULL, "", "create" },
    { "as wished", "", ",\"partitions\":3", OURS, FINE, NULL, TOLD(ID, 3, ""), "Ready" },
    { "more", "", ",\"partitions\":4", OURS, FINE, NULL, TOLD(ID, 3, ""), "grow" },
    { "fewer", "", ",\"partitions\":2", OURS, FINE, NULL, TOLD(ID, 3, ""),
            "PartitionsCannotShrink" },
    { "a config", "", ",\"config\":{\"a\":1}", OURS, FINE, NULL, TOLD(ID, 1, ""), "alter" },
    { "another value", "", ",\"config\":{\"a\":1}", OURS, FINE, NULL, TOLD(ID, 1, "\"a\":\"2\""),
            "alter" },
    { "the same, as a number", "", ",\"config\":{\"a\":1}", OURS, FINE, NULL,
            TOLD(ID, 1, "\"a\":\"1\""), "Ready" },
    { "the same, as a text", "", ",\"config\":{\"a\":\"b\"}", OURS, FINE, NULL,
            TOLD(ID, 1, "\"a\":\"b\""), "Ready" },
    { "one that isn't wished any more", "", "", OURS, FINE, NULL, TOLD(ID, 1, "\"a\":\"2\""),
            "alter" },
    { "it is to go with its resource", "", DELETES, "", FINE, NULL, NULL, "add finalizer" },
    { "also before there is a cluster", "", DELETES, "", NONE, NULL, NULL, "add finalizer" },
    { "and then not", FINALIZERS, "", OURS, FINE, NULL, NULL, "remove finalizer" },
    { "deleted, retained", GOING FINALIZERS, "", OURS, FINE, NULL, NULL, "remove finalizer" },
    { "deleted, never made", GOING FINALIZERS, DELETES, "", FINE, NULL, NULL, "remove finalizer" },
    { "P8: deleted: look first", GOING FINALIZERS, DELETES, OURS, FINE, NULL, NULL, "ask" },
    { "P8: nobody to ask: wait", GOING FINALIZERS, DELETES, OURS, SILENT, NULL, NULL, "NoBroker" },
    { "P8: the topic goes", GOING FINALIZERS, DELETES, OURS, FINE, NULL, TOLD(ID, 1, ""),
            "delete" },
    { "P8: a topic that was created and not noted goes too", GOING FINALIZERS, DELETES,
            "\"pendingTopicId\":\"" ID "\"", FINE, NULL, TOLD(ID, 1, ""), "delete" },
    { "P8: another topic of the name stays", GOING FINALIZERS, DELETES, OURS, FINE, NULL,
            TOLD(OTHER, 1, ""), "remove finalizer" },
    { "it has gone", GOING FINALIZERS, DELETES, OURS, FINE, NULL, "", "remove finalizer" },
    { "its cluster has gone", GOING FINALIZERS, DELETES, OURS, NONE, NULL, NULL,
            "remove finalizer" },
    { "its cluster goes", GOING FINALIZERS, DELETES, OURS, ENDING, NULL, NULL, "remove finalizer" },
    { "the rest is others' business", GOING, DELETES, OURS, FINE, NULL, NULL, "Deleting" },
};

static struct topic *
topic_make(const struct row *row)
{
    char text[1000];
    cJSON *json = NULL;
    struct topic *topic = NULL;
    snprintf(text, sizeof text,
            "{\"metadata\":{" META
            "%s},\"spec\":{\"clusterRef\":{\"name\":\"c\"}%s},\"status\":{%s}}",
            row->meta, row->spec, row->status);
    json_setup();
    if (json_parse(bytes_of_string(text), &json) < 0 || topic_parse(json, &topic) < 0) {
        test_fail(__FILE__, __LINE__, "%s: no topic", row->why);
    }
    cJSON_Delete(json);
    return topic;
}

static const char *
said(const struct row *row, struct topic_plan *ret_plan)
{
    struct topic *parsed = topic_make(row);
    struct topic *topic = topic_dup(parsed); /* the copy is as good */
    struct topic_told told = { .exists = false };
    CLEANUP(json_freep) cJSON *json = NULL;
    topic_free(parsed);
    if (row->told && *row->told) {
        bool is_read = json_parse(bytes_of_string(row->told), &json) == 0 &&
                       topic_told_parse(json, &told) == 0;
        if (!is_read) {
            test_fail(__FILE__, __LINE__, "%s: nothing told", row->why);
        }
    }
    const struct topic_input input = {
        .topic = topic,
        .has_cluster = row->cluster != NONE,
        .is_cluster_deleting = row->cluster == ENDING,
        .is_cluster_paused = row->cluster == PAUSED,
        .has_broker = row->cluster != NONE && row->cluster != SILENT,
        .rival = row->rival,
        .told = row->told ? &told : NULL,
    };
    topic_plan_make(&input, ret_plan);
    topic_told_done(&told);
    topic_free(topic);
    return ret_plan->must_ask             ? "ask"
           : ret_plan->step == TOPIC_DONE ? ret_plan->reason
                                          : topic_step_name(ret_plan->step);
}

/* P7 P8 */
TEST(p7_p8_each_topic_has_its_next_step)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct topic_plan plan;
        const char *what = said(&rows[i], &plan);
        if (strcmp(what, rows[i].plan) != 0) {
            test_fail(__FILE__, __LINE__, "%s: planned \"%s\", not \"%s\"", rows[i].why, what,
                    rows[i].plan);
        }
        test_pass();
    }
}

TEST(a_topic_that_cannot_be_read_is_refused)
{
    static const char *const texts[] = {
        "{\"metadata\":{" META "},\"spec\":{}}",
        "{\"metadata\":{" META "},\"spec\":{\"clusterRef\":{\"name\":\"c\"},\"partitions\":0}}",
        "{\"metadata\":{}}",
    };
    json_setup();
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        CLEANUP(json_freep) cJSON *json = NULL;
        struct topic *topic = NULL;
        ASSERT_OK(json_parse(bytes_of_string(texts[i]), &json));
        ASSERT(topic_parse(json, &topic) < 0);
    }
}
