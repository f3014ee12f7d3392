/* The look at who is registered: half an answer is none. */
#include "base/mem.h"
#include "kube/clock.h"
#include "resource/names.h"
#include "unit/operator/kube/support_server.h"
#include "unit/test.h"
#include "watch/rosters.h"

#include <stdio.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static void
serve(struct server_request *request, void *arg)
{
    server_json(request, 200, arg);
}

struct bench {
    char ip[32];
    struct server *server;
    struct http *http;
    struct cache cache;
    struct rosters *rosters;
};

static void
cluster_put(struct bench *bench, const char *uid)
{
    char text[400];
    CLEANUP(json_freep) cJSON *json = NULL;
    snprintf(text, sizeof text,
            "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"c\",\"uid\":\"%s\",\"resourceVersion\":"
            "\"1\"},"
            "\"spec\":{\"objectStore\":{\"bucket\":\"b\"},\"wal\":{\"size\":\"1Gi\"},"
            "\"listeners\":[{\"name\":\"kafka\",\"port\":9092}]}}",
            uid);
    ASSERT_OK(json_parse(bytes_of_string(text), &json));
    table_upsert(&bench->cache.clusters, json);
}

/* A pod whose broker is known to serve. */
static void
pod_put(struct bench *bench)
{
    char text[700];
    CLEANUP(json_freep) cJSON *json = NULL;
    snprintf(text, sizeof text,
            "{\"metadata\":{\"namespace\":\"ns\",\"name\":\"c-0\",\"uid\":\"u\","
            "\"resourceVersion\":\"1\",\"ownerReferences\":[{\"controller\":true,\"uid\":\"k\"}],"
            "\"labels\":{\"freshet.dev/cluster\":\"c\","
            "\"freshet.dev/broker-id\":\"0\"}},\"status\":{\"phase\":\"Running\","
            "\"podIP\":\"%s\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
            bench->ip);
    ASSERT_OK(json_parse(bytes_of_string(text), &json));
    table_upsert(&bench->cache.pods, json);
    struct broker_view *view = cache_view_make(&bench->cache, "u", "ns/c");
    view->is_known = true;
    view->broker.state = BROKER_ACTIVE;
}

static void
bench_begin_for(struct bench *bench, const char *answer, const char *cluster_uid)
{
    json_setup();
    http_setup();
    unsigned pid = (unsigned)getpid();
    *bench = (struct bench){ .server = NULL };
    snprintf(bench->ip, sizeof bench->ip, "127.78.%u.%u", pid / 250 % 250, pid % 250 + 1);
    bench->server = server_start_at(serve, (void *)(uintptr_t)answer, bench->ip, ADMIN_PORT);
    ASSERT(bench->server);
    bench->http = http_new();
    cache_init(&bench->cache);
    cluster_put(bench, cluster_uid);
    pod_put(bench);
    bench->rosters = rosters_start(bench->http, &bench->cache);
}

static void
bench_begin(struct bench *bench, const char *answer)
{
    bench_begin_for(bench, answer, "k");
}

static void
bench_end(struct bench *bench)
{
    rosters_stop(bench->rosters);
    cache_done(&bench->cache);
    http_free(bench->http);
    server_stop(bench->server);
}

/* Until the server has answered once and what it said was looked at. */
static const struct roster *
asked(struct bench *bench)
{
    int64_t end_ms = clock_now_ms() + PATIENCE_MS;
    while (atomic_load(&bench->server->count) == 0 && clock_now_ms() < end_ms) {
        http_run(bench->http, 50);
    }
    for (int i = 0; i < 40; i++) {
        http_run(bench->http, 10);
    }
    return cache_roster(&bench->cache, "ns/c");
}

TEST(who_is_registered_is_told_by_one_who_serves)
{
    static struct bench bench;
    char key[QUEUE_KEY_SIZE];
    bench_begin(&bench, "{\"brokers\":[{\"id\":0,\"epoch\":4,\"alive\":true},"
                        "{\"id\":5,\"epoch\":3,\"alive\":false},{\"id\":6,\"epoch\":9}]}");
    while (queue_take(&bench.cache.queue, clock_now_ms(), key)) {
        queue_finish(&bench.cache.queue, key, 0, -1, clock_now_ms()); /* of the pod */
    }
    const struct roster *roster = asked(&bench);
    ASSERT(roster && roster->told_ms);
    ASSERT_EQ(roster->count, 3);
    ASSERT(!roster->entries[1].is_alive && roster->entries[1].epoch == 3);
    ASSERT(roster->entries[2].is_alive); /* what isn't said is no proof of death */
    ASSERT(queue_take(&bench.cache.queue, clock_now_ms(), key));
    cache_roster_drop(&bench.cache, "ns/c", 5);
    ASSERT_EQ(roster->count, 2);
    ASSERT_EQ(roster->entries[1].id, 6);
    bench_end(&bench);
}

TEST(a_list_with_nonsense_in_it_is_no_list)
{
    static const char *const answers[] = { "{}", "[", "{\"brokers\":[{\"id\":1,\"epoch\":4},{}]}",
        "{\"brokers\":[{\"id\":-1,\"epoch\":4}]}" };
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        static struct bench bench;
        bench_begin(&bench, answers[i]);
        const struct roster *roster = asked(&bench);
        ASSERT(roster && !roster->told_ms);
        bench_end(&bench);
    }
}

/* B2 */
TEST(b2_pods_of_a_cluster_that_had_the_name_before_are_not_asked)
{
    static struct bench bench;
    bench_begin_for(&bench, "{\"brokers\":[]}", "another");
    int64_t end_ms = clock_now_ms() + 2500;
    while (clock_now_ms() < end_ms) {
        http_run(bench.http, 50);
    }
    ASSERT_EQ(atomic_load(&bench.server->count), 0);
    ASSERT(!cache_roster(&bench.cache, "ns/c"));
    bench_end(&bench);
}
