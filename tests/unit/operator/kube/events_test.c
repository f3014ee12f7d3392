/* Events: the first, the series, the storm. */
#include "base/mem.h"
#include "kube/clock.h"
#include "kube/events.h"
#include "unit/operator/kube/support_server.h"
#include "unit/test.h"

#include <pthread.h>
#include <stdio.h>

struct mailbox {
    pthread_mutex_t mutex;
    unsigned posts;
    unsigned patches;
    unsigned refusals; /* so many are refused first */
    char last[4096];
    char path[1024];
};

static void
take(struct server_request *request, void *arg)
{
    struct mailbox *box = arg;
    pthread_mutex_lock(&box->mutex);
    bool is_post = strcmp(request->method, "POST") == 0;
    box->posts += is_post;
    box->patches += !is_post;
    snprintf(box->last, sizeof box->last, "%.4000s", request->body);
    snprintf(box->path, sizeof box->path, "%s", request->path);
    bool is_refused = box->refusals > 0;
    box->refusals -= is_refused;
    pthread_mutex_unlock(&box->mutex);
    server_json(request, is_refused ? 429 : 201, "{}");
}

struct bench {
    struct mailbox box;
    struct api api;
    struct events *events;
};

static void
bench_begin(struct bench *bench)
{
    *bench = (struct bench){ .box = { .mutex = PTHREAD_MUTEX_INITIALIZER } };
    api_begin(&bench->api, take, &bench->box);
    bench->events = events_new(bench->api.kube, "operator-0");
}

static void
bench_end(struct bench *bench)
{
    events_free(bench->events);
    api_end(&bench->api);
}

static void
run_until(struct bench *bench, unsigned requests)
{
    int64_t end_ms = clock_now_ms() + 10000;
    while (atomic_load(&bench->api.server->count) < requests && clock_now_ms() < end_ms) {
        http_run(bench->api.http, 20);
    }
    http_run(bench->api.http, 50);
}

static struct event
drained(const char *note)
{
    return (struct event){ .regarding = { &KUBE_CLUSTERS, "ns", "c", "u1" },
        .reason = "DrainStarted",
        .action = "Drain",
        .note = note };
}

TEST(the_first_is_posted_the_second_starts_a_series_more_are_only_counted)
{
    struct bench bench;
    bench_begin(&bench);
    struct event event = drained("broker 3");
    events_tell(bench.events, &event);
    run_until(&bench, 1);
    ASSERT_EQ(bench.box.posts, 1);
    ASSERT_STRING(bench.box.path, "/apis/events.k8s.io/v1/namespaces/ns/events");
    CLEANUP(json_freep) cJSON *posted = NULL;
    ASSERT_OK(json_parse(bytes_of_string(bench.box.last), &posted));
    ASSERT_STRING(json_text(posted, "regarding/uid"), "u1");
    ASSERT_STRING(json_text(posted, "type"), "Normal");
    ASSERT_STRING(json_text(posted, "reportingInstance"), "operator-0");
    for (int i = 0; i < 5; i++) {
        events_tell(bench.events, &event);
    }
    run_until(&bench, 2);
    ASSERT_EQ(bench.box.posts, 1);
    ASSERT_EQ(bench.box.patches, 1);
    ASSERT(strstr(bench.box.last, "\"count\":2"));
    event = drained("broker 4");
    events_tell(bench.events, &event);
    run_until(&bench, 3);
    ASSERT_EQ(bench.box.posts, 2);
    bench_end(&bench);
}

/* K9 */
TEST(k9_a_storm_of_events_is_bounded_and_what_is_dropped_is_counted)
{
    struct bench bench;
    bench_begin(&bench);
    char note[3000];
    for (int i = 0; i < 200; i++) {
        memset(note, 'a', sizeof note);
        snprintf(note + 2980, sizeof note - 2980, "%d", i);
        note[i] = 'b';
        struct event event = drained(note);
        events_tell(bench.events, &event);
    }
    ASSERT_EQ(events_dropped(bench.events), 200 - EVENTS_UNDER_WAY_MAX);
    run_until(&bench, EVENTS_UNDER_WAY_MAX);
    ASSERT_EQ(atomic_load(&bench.api.server->count), EVENTS_UNDER_WAY_MAX);
    CLEANUP(json_freep) cJSON *posted = NULL;
    ASSERT_OK(json_parse(bytes_of_string(bench.box.last), &posted));
    ASSERT_EQ(strlen(json_text(posted, "note")), EVENT_NOTE_MAX);
    bench_end(&bench);
}

TEST(one_that_was_refused_is_posted_again_when_it_comes_again)
{
    struct bench bench;
    bench_begin(&bench);
    bench.box.refusals = 1;
    struct event event = drained("broker 3");
    events_tell(bench.events, &event);
    run_until(&bench, 1);
    ASSERT_EQ(events_dropped(bench.events), 1);
    events_tell(bench.events, &event);
    run_until(&bench, 2);
    ASSERT_EQ(bench.box.posts, 2);
    ASSERT_EQ(bench.box.patches, 0);
    bench_end(&bench);
}

TEST(a_long_name_is_cut_where_a_name_may_end)
{
    struct bench bench;
    bench_begin(&bench);
    struct event event = drained("topic");
    event.regarding.name = "a123456789012345678901234567890123456789012345678901234567-.-b";
    events_tell(bench.events, &event);
    run_until(&bench, 1);
    CLEANUP(json_freep) cJSON *posted = NULL;
    ASSERT_OK(json_parse(bytes_of_string(bench.box.last), &posted));
    const char *name = json_text(posted, "metadata/name");
    ASSERT_EQ(strspn(name, "a0123456789"), 58);
    ASSERT_EQ(name[58], '.');
    bench_end(&bench);
}
