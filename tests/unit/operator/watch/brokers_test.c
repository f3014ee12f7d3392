/* The look at brokers: whose answer it is, and what no answer means. */
#include "base/mem.h"
#include "kube/clock.h"
#include "resource/names.h"
#include "unit/operator/kube/support_server.h"
#include "unit/test.h"
#include "watch/brokers.h"

#include <stdio.h>
#include <unistd.h>

#define PATIENCE_MS 20000

struct script {
    _Atomic(const char *) json; /* NULL: no answer */
};

static void
serve(struct server_request *request, void *arg)
{
    struct script *script = arg;
    const char *json = atomic_load(&script->json);
    if (!json) {
        request->is_closing = true;
    } else {
        server_json(request, *json ? 200 : 404, json);
    }
}

struct bench {
    struct script script;
    char ip[32];
    struct server *server;
    struct http *http;
    struct cache cache;
    struct brokers *brokers;
};

/* An address of this process's own: the port is given. */
static bool
bench_begin(struct bench *bench, const char *json)
{
    json_setup();
    http_setup();
    unsigned pid = (unsigned)getpid();
    *bench = (struct bench){ .script = { json } };
    snprintf(bench->ip, sizeof bench->ip, "127.77.%u.%u", pid / 250 % 250, pid % 250 + 1);
    bench->server = server_start_at(serve, &bench->script, bench->ip, ADMIN_PORT);
    bench->http = http_new();
    cache_init(&bench->cache);
    bench->brokers = brokers_start(bench->http, &bench->cache);
    return bench->server != NULL;
}

static void
bench_end(struct bench *bench)
{
    brokers_stop(bench->brokers);
    cache_done(&bench->cache);
    http_free(bench->http);
    server_stop(bench->server);
}

static void
pod_put(struct bench *bench, const char *uid, const char *version)
{
    char text[700];
    CLEANUP(json_freep) cJSON *json = NULL;
    snprintf(text, sizeof text,
            "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"c-0\",\"uid\":\"%s\","
            "\"resourceVersion\":\"%s\",\"labels\":{\"freshet.dev/cluster\":\"c\","
            "\"freshet.dev/broker-id\":\"0\",\"freshet.dev/role\":\"draining\"}},\"status\":{"
            "\"phase\":\"Running\",\"podIP\":\"%s\"}}",
            uid, version, bench->ip);
    if (json_parse(bytes_of_string(text), &json) == 0) {
        table_upsert(&bench->cache.pods, json);
    }
}

/* Runs until the view of that pod is known, or has a problem. */
static const struct broker_view *
view_of(struct bench *bench, const char *uid)
{
    int64_t end_ms = clock_now_ms() + PATIENCE_MS;
    while (clock_now_ms() < end_ms) {
        const struct broker_view *view = cache_view(&bench->cache, uid);
        if (view && (view->is_known || *view->problem)) {
            return view;
        }
        http_run(bench->http, 50);
    }
    return NULL;
}

#define DRAINED "{\"id\":0,\"epoch\":4,\"state\":\"drained\",\"wal\":{\"empty\":true}}"

/* B1 */
TEST(b1_an_answer_counts_for_the_pod_that_was_asked)
{
    static struct bench bench;
    ASSERT(bench_begin(&bench, DRAINED));
    pod_put(&bench, "u1", "1");
    const struct broker_view *view = view_of(&bench, "u1");
    ASSERT(view && view->is_known);
    ASSERT_EQ(view->broker.state, BROKER_DRAINED);
    ASSERT(view->broker.is_wal_empty);
    char key[QUEUE_KEY_SIZE];
    ASSERT(queue_take(&bench.cache.queue, 0, key));
    ASSERT_STRING(key, "ns/c");
    atomic_store(&bench.script.json, NULL);
    pod_put(&bench, "u2", "2"); /* another pod, the same name and address */
    view = view_of(&bench, "u2");
    ASSERT(view && !view->is_known && *view->problem);
    ASSERT(!cache_view(&bench.cache, "u1"));
    bench_end(&bench);
}

/* B1 */
TEST(b1_no_answer_leaves_what_is_known_and_says_why)
{
    static struct bench bench;
    ASSERT(bench_begin(&bench, DRAINED));
    pod_put(&bench, "u1", "1");
    const struct broker_view *view = view_of(&bench, "u1");
    ASSERT(view && view->is_known);
    int64_t told_ms = view->told_ms;
    atomic_store(&bench.script.json, "");
    int64_t end_ms = clock_now_ms() + PATIENCE_MS;
    while (!*view->problem && clock_now_ms() < end_ms) {
        http_run(bench.http, 50);
    }
    ASSERT_STRING(view->problem, "GET /v1/broker: HTTP 404");
    ASSERT_EQ(view->broker.state, BROKER_DRAINED);
    ASSERT(clock_now_ms() - told_ms >= 900);
    ASSERT(view->of_ms > 0 && view->of_ms <= told_ms && view->asked_ms > view->of_ms);
    bench_end(&bench);
}

TEST(a_broker_that_answers_in_anothers_pod_is_not_believed)
{
    static struct bench bench;
    ASSERT(bench_begin(&bench, "{\"id\":7,\"state\":\"drained\",\"wal\":{\"empty\":true}}"));
    pod_put(&bench, "u1", "1");
    const struct broker_view *view = view_of(&bench, "u1");
    ASSERT(view && !view->is_known);
    ASSERT_STRING(view->problem, "broker 7 answers in the pod of broker 0");
    bench_end(&bench);
}
