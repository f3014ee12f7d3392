/* Actions against the test's API server: whose objects they are, what they expect, what isn't
 * repeated. */
#include "act/act.h"
#include "base/fault.h"
#include "base/mem.h"
#include "kube/clock.h"
#include "unit/operator/kube/support_server.h"
#include "unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

/* One object that is there, and what was asked. */
struct shelf {
    pthread_mutex_t mutex;
    const char *owner;   /* uid of the object's owner; NULL: there is none */
    bool is_stale;       /* writes are refused: it isn't as expected */
    bool is_absent;      /* the kind isn't there */
    bool is_going;       /* the object is being deleted */
    const char *manager; /* label of the object; NULL: none */
    bool refuses;        /* what is posted is invalid */
    const char *quota;   /* or there is no room for it, by these words */
    char log[4096];
};

/* What is posted has its own name. */
static void
name_of(const struct server_request *request, char out[128])
{
    CLEANUP(json_freep) cJSON *json = NULL;
    const char *name = "";
    if (strcmp(request->method, "POST") == 0 &&
            json_parse(bytes_of_string(request->body), &json) == 0) {
        name = json_text(json, "metadata/name");
    }
    snprintf(out, 128, "%s", *name ? name : "c-x");
}

static void
serve(struct server_request *request, void *arg)
{
    struct shelf *shelf = arg;
    char body[800];
    char name[128];
    name_of(request, name);
    pthread_mutex_lock(&shelf->mutex);
    size_t used = strlen(shelf->log);
    snprintf(shelf->log + used, sizeof shelf->log - used, "%s %s\n", request->method,
            strcmp(request->method, "PATCH") == 0 ? request->body : "");
    snprintf(body, sizeof body,
            "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"%s\",\"uid\":\"o\","
            "\"resourceVersion\":"
            "\"8\",\"ownerReferences\":[{\"controller\":true,\"uid\":\"%s\"}],\"labels\":{"
            "\"freshet.dev/cluster\":\"c\",\"app.kubernetes.io/managed-by\":\"%s\"}%s}}",
            name, shelf->owner ? shelf->owner : "u", shelf->manager ? shelf->manager : "",
            shelf->is_going ? ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"" : "");
    if (shelf->quota && strcmp(request->method, "POST") == 0) {
        server_json(request, 403, shelf->quota);
    } else if (shelf->refuses) {
        server_json(request, 422, "{\"reason\":\"Invalid\"}");
    } else if (shelf->is_absent) {
        server_json(request, 404, "{\"reason\":\"NotFound\"}");
    } else if (shelf->is_stale) {
        server_json(request, 409, "{\"reason\":\"Conflict\"}");
    } else if (strcmp(request->method, "POST") == 0 && shelf->owner) {
        server_json(request, 409, "{\"reason\":\"AlreadyExists\"}");
    } else {
        server_json(request, 200, body);
    }
    pthread_mutex_unlock(&shelf->mutex);
}

struct bench {
    struct shelf shelf;
    struct api api;
    struct cache cache;
    struct events *events;
    struct act act;
    struct cluster cluster;
    struct list actions;
};

static void
bench_begin(struct bench *bench)
{
    static char texts[][4] = { "ns", "c", "u" };
    *bench = (struct bench){ .shelf = { .mutex = PTHREAD_MUTEX_INITIALIZER } };
    api_begin(&bench->api, serve, &bench->shelf);
    cache_init(&bench->cache);
    bench->events = events_new(bench->api.kube, "o");
    act_init(&bench->act, bench->api.kube, &bench->cache, bench->events);
    bench->cluster.meta = (struct meta){ .namespace = texts[0], .name = texts[1], .uid = texts[2] };
    list_init(&bench->actions);
}

static void
bench_end(struct bench *bench)
{
    LIST_FOREACH_SAFE (node, &bench->actions) {
        action_free(CONTAINER_OF(node, struct action, node));
    }
    act_done(&bench->act);
    events_free(bench->events);
    cache_done(&bench->cache);
    api_end(&bench->api);
}

static struct action *
add(struct bench *bench, enum action_kind kind)
{
    struct action *action = action_new(kind, 3);
    list_push_back(&bench->actions, &action->node);
    action_set(&action->name, "c-x");
    return action;
}

static void
add_service(struct bench *bench)
{
    struct action *action = add(bench, ACTION_APPLY);
    action->child = CHILD_SERVICE;
    action->object = cJSON_CreateObject();
    json_set(json_object(action->object, "metadata"), "name", "c-x");
}

/* A2 */
TEST(a2_an_object_of_somebody_else_is_not_touched)
{
    static struct bench bench;
    bench_begin(&bench);
    bench.shelf.owner = "somebody";
    add_service(&bench);
    ASSERT_ERROR(act_run(&bench.act, &bench.cluster, &bench.actions), -EEXIST);
    ASSERT(strstr(fault_text(), "does not belong to this cluster"));
    ASSERT_STRING(bench.shelf.log, "POST \nGET \n");
    bench_end(&bench);
}

TEST(an_object_of_ours_is_made_ours_again_and_then_left_alone)
{
    static struct bench bench;
    bench_begin(&bench);
    bench.shelf.owner = "u";
    add_service(&bench);
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_STRING(bench.shelf.log,
            "POST \nGET \nPATCH {\"metadata\":{\"name\":\"c-x\",\"uid\":\"o\"}}\n");
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_EQ(atomic_load(&bench.api.server->count), 3);
    struct action *action = LIST_FIRST(&bench.actions, struct action, node);
    json_set(action->object, "kind", "changed");
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_EQ(atomic_load(&bench.api.server->count), 4);
    bench_end(&bench);
}

#define NAME_40 "a234567890123456789012345678901234567890"

TEST(children_of_the_longest_names_are_applied_once_each)
{
    static const char *const names[] = { NAME_40 "-a2345678901-1", NAME_40 "-a2345678901-2" };
    static char cluster[] = NAME_40;
    static struct bench bench;
    bench_begin(&bench);
    bench.cluster.meta.name = cluster;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        add_service(&bench);
        struct action *action = CONTAINER_OF(bench.actions.prev, struct action, node);
        action_set(&action->name, names[i]);
        json_set(json_object(action->object, "metadata"), "name", names[i]);
    }
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_STRING(bench.shelf.log, "POST \nPOST \n");
    bench_end(&bench);
}

static int
pod_create(struct bench *bench, const char *owner, const char *manager, bool is_going)
{
    bench->shelf.owner = owner;
    bench->shelf.manager = manager;
    bench->shelf.is_going = is_going;
    bench->shelf.log[0] = 0;
    return act_run(&bench->act, &bench->cluster, &bench->actions);
}

/* A2 */
TEST(a2_a_name_that_is_taken_is_told_unless_it_is_our_own_work)
{
    static struct bench bench;
    bench_begin(&bench);
    struct action *action = add(&bench, ACTION_CREATE_POD);
    action->object = cJSON_CreateObject();
    ASSERT_ERROR(pod_create(&bench, "somebody", "helm", false), -EEXIST);
    ASSERT(strstr(fault_text(), "does not belong to this cluster"));
    ASSERT_STRING(bench.shelf.log, "POST \nGET \n");
    ASSERT(!table_find(&bench.cache.pods, "ns", "c-x"));
    /* a cluster that had the name before; its pod, or the answer's loss */
    ASSERT_ERROR(pod_create(&bench, "before", "freshet-operator", false), -EEXIST);
    ASSERT_ERROR(pod_create(&bench, "before", "freshet-operator", true), -ESTALE);
    ASSERT(!table_find(&bench.cache.pods, "ns", "c-x"));
    ASSERT_ERROR(pod_create(&bench, "u", "freshet-operator", false), -ESTALE);
    ASSERT(table_find(&bench.cache.pods, "ns", "c-x"));
    bench_end(&bench);
}

/* A3 */
TEST(a3_a_mark_names_the_claim_as_it_was_seen)
{
    static struct bench bench;
    bench_begin(&bench);
    struct action *mark = add(&bench, ACTION_MARK_CLAIM);
    action_set(&mark->uid, "o");
    action_set(&mark->version, "7");
    mark->state = CLAIM_EMPTY;
    mark->epoch = 12;
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_STRING(bench.shelf.log,
            "PATCH {\"metadata\":{\"uid\":\"o\",\"resourceVersion\":\"7\",\"annotations\":{"
            "\"freshet.dev/state\":\"empty\",\"freshet.dev/drained-epoch\":\"12\"}}}\n");
    bench.shelf.is_stale = true;
    add(&bench, ACTION_DELETE_POD);
    ASSERT_ERROR(act_run(&bench.act, &bench.cluster, &bench.actions), -ESTALE);
    ASSERT_EQ(atomic_load(&bench.api.server->count), 2); /* nothing after the first that failed */
    bench_end(&bench);
}

/* A4 */
TEST(a4_a_refusal_holds_up_what_needs_it_and_nothing_else)
{
    static struct bench bench;
    bench_begin(&bench);
    bench.shelf.owner = "somebody";
    add_service(&bench);
    add(&bench, ACTION_CREATE_CLAIM)->needs_children = true;
    add(&bench, ACTION_CREATE_POD)->needs_last = true;
    struct action *mark = add(&bench, ACTION_MARK_CLAIM);
    ASSERT_ERROR(act_run(&bench.act, &bench.cluster, &bench.actions), -EEXIST);
    ASSERT(strstr(fault_text(), "does not belong to this cluster"));
    ASSERT_EQ(atomic_load(&bench.api.server->count), 3); /* of them one for the mark */
    ASSERT(mark->is_done);
    LIST_FIRST(&bench.actions, struct action, node)->is_base = true;
    ASSERT_ERROR(act_run(&bench.act, &bench.cluster, &bench.actions), -EEXIST);
    ASSERT_EQ(atomic_load(&bench.api.server->count), 5); /* what all needs */
    bench_end(&bench);
}

/* A4 */
TEST(a4_a_pod_ends_only_for_one_that_would_be_taken)
{
    static struct bench bench;
    bench_begin(&bench);
    struct action *try = add(&bench, ACTION_TRY_POD);
    try->object = cJSON_CreateObject();
    struct action *end = add(&bench, ACTION_DELETE_POD);
    end->needs_last = true;
    action_set(&end->uid, "o");
    bench.shelf.refuses = true;
    ASSERT_ERROR(act_run(&bench.act, &bench.cluster, &bench.actions), -EINVAL);
    ASSERT_STRING(bench.shelf.log, "POST \n");
    bench.shelf.refuses = false;
    bench.shelf.owner = "u"; /* its name is taken: by the one that is to end */
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_STRING(bench.shelf.log, "POST \nPOST \nDELETE \nGET \n");
    bench_end(&bench);
}

#define QUOTA(limit)                                                                               \
    "{\"message\":\"pods is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, "       \
    "limited: pods=" limit "\"}"

/* A4 */
TEST(a4_a_pod_ends_only_where_its_end_makes_room_in_the_quota)
{
    static struct bench bench;
    bench_begin(&bench);
    struct action *try = add(&bench, ACTION_TRY_POD);
    try->object = cJSON_CreateObject();
    struct action *end = add(&bench, ACTION_DELETE_POD);
    end->needs_last = true;
    action_set(&end->uid, "o");
    bench.shelf.quota = QUOTA("2");
    ASSERT_ERROR(act_run(&bench.act, &bench.cluster, &bench.actions), -EDQUOT);
    ASSERT_STRING(bench.shelf.log, "POST \nGET \n");
    bench.shelf.quota = QUOTA("3");
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_STRING(bench.shelf.log, "POST \nGET \nPOST \nGET \nDELETE \nGET \n");
    bench_end(&bench);
}

TEST(a_broker_that_does_not_answer_is_tried_again_later)
{
    static struct bench bench;
    bench_begin(&bench);
    struct action *drain = add(&bench, ACTION_DRAIN);
    action_set(&drain->ip, "127.0.0.77"); /* nobody listens there */
    ASSERT_ERROR(act_run(&bench.act, &bench.cluster, &bench.actions), -EAGAIN);
    ASSERT(strstr(fault_text(), "drain of broker 3"));
    bench_end(&bench);
}

TEST(a_status_is_written_once)
{
    static struct bench bench;
    bench_begin(&bench);
    CLEANUP(json_freep) cJSON *status = cJSON_CreateObject();
    json_set(json_object(status, "metadata"), "name", "c");
    ASSERT_OK(act_status(
            &bench.act, &KUBE_CLUSTERS, &bench.cache.clusters, &bench.cluster.meta, status));
    ASSERT_OK(act_status(
            &bench.act, &KUBE_CLUSTERS, &bench.cache.clusters, &bench.cluster.meta, status));
    ASSERT_EQ(atomic_load(&bench.api.server->count), 1);
    act_forget(&bench.act, "ns", "c");
    ASSERT_OK(act_status(
            &bench.act, &KUBE_CLUSTERS, &bench.cache.clusters, &bench.cluster.meta, status));
    ASSERT_EQ(atomic_load(&bench.api.server->count), 2);
    bench_end(&bench);
}

TEST(a_pod_monitor_that_was_left_behind_is_sought_once)
{
    static struct bench bench;
    bench_begin(&bench);
    add(&bench, ACTION_SEEK_CHILD)->child = CHILD_MONITOR;
    bench.shelf.is_absent = true;
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_STRING(bench.shelf.log, "GET \n");
    ASSERT(!table_find(&bench.cache.children[CHILD_MONITOR], "ns", "c-x"));
    act_forget(&bench.act, "ns", "c"); /* as one that begins */
    bench.shelf.is_absent = false;
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT(table_find(&bench.cache.children[CHILD_MONITOR], "ns", "c-x"));
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_STRING(bench.shelf.log, "GET \nGET \n");
    bench_end(&bench);
}

/* A4 */
TEST(a4_a_monitor_that_is_refused_holds_up_no_brokers)
{
    static struct bench bench;
    bench_begin(&bench);
    bench.shelf.owner = "somebody";
    bench.shelf.manager = "freshet-operator";
    add_service(&bench);
    LIST_FIRST(&bench.actions, struct action, node)->child = CHILD_MONITOR;
    struct action *drain = add(&bench, ACTION_MARK_CLAIM);
    drain->needs_children = true;
    ASSERT_ERROR(act_run(&bench.act, &bench.cluster, &bench.actions), -EEXIST);
    ASSERT(drain->is_done);
    bench_end(&bench);
}

TEST(pod_monitors_that_are_not_installed_hold_up_nothing)
{
    static struct bench bench;
    bench_begin(&bench);
    bench.shelf.is_absent = true;
    add_service(&bench);
    struct action *action = LIST_FIRST(&bench.actions, struct action, node);
    action->child = CHILD_MONITOR;
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT_STRING(bench.shelf.log, "POST \n"); /* not asked for all the time */
    bench.shelf.is_absent = false;
    bench.act.monitors_absent_until_ms = 0;
    bench.shelf.owner = "u";
    ASSERT_OK(act_run(&bench.act, &bench.cluster, &bench.actions));
    ASSERT(strstr(bench.shelf.log, "PATCH"));
    bench_end(&bench);
}
