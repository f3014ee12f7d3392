/* The Lease: one leader, hand-over, loss, and records that change under us. */
#include "base/mark.h"
#include "base/mem.h"
#include "kube/clock.h"
#include "kube/election.h"
#include "unit/operator/kube/support_server.h"
#include "unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define STALE "{\"kind\":\"Status\",\"reason\":\"Conflict\"}"

/* One Lease with a version, as the API server keeps it. */
struct shelf {
    pthread_mutex_t mutex;
    cJSON *lease;
    int version;
    _Atomic bool is_broken;  /* 500 to everything */
    _Atomic int stale_count; /* refuse as many writes */
};

static void
put(struct shelf *shelf, cJSON *lease)
{
    char version[16];
    snprintf(version, sizeof version, "%d", ++shelf->version);
    json_set(json_object(lease, "metadata"), "resourceVersion", version);
    cJSON_Delete(shelf->lease);
    shelf->lease = lease;
}

static bool
may_write(struct shelf *shelf, const struct server_request *request, const cJSON *lease)
{
    if (atomic_load(&shelf->stale_count) > 0) {
        atomic_fetch_sub(&shelf->stale_count, 1);
        return false;
    }
    const char *old = json_text(shelf->lease, "metadata/resourceVersion");
    bool is_post = strcmp(request->method, "POST") == 0;
    return is_post ? !shelf->lease : strcmp(old, json_text(lease, "metadata/resourceVersion")) == 0;
}

static void
serve(struct server_request *request, void *arg)
{
    struct shelf *shelf = arg;
    pthread_mutex_lock(&shelf->mutex);
    if (atomic_load(&shelf->is_broken)) {
        server_json(request, 500, "{}");
    } else if (strcmp(request->method, "GET") == 0) {
        CLEANUP(mem_freep) char *text = shelf->lease ? json_print(shelf->lease) : mem_strdup("{}");
        server_json(request, shelf->lease ? 200 : 404, text);
    } else {
        cJSON *lease = NULL;
        if (json_parse(bytes_of_string(request->body), &lease) == 0 &&
                may_write(shelf, request, lease)) {
            put(shelf, lease);
            CLEANUP(mem_freep) char *text = json_print(shelf->lease);
            server_json(request, 200, text);
        } else {
            cJSON_Delete(lease);
            server_json(request, 409, STALE);
        }
    }
    pthread_mutex_unlock(&shelf->mutex);
}

struct bench {
    struct shelf shelf;
    struct api api;
    struct election a;
    struct election b;
};

static void
bench_begin(struct bench *bench)
{
    *bench = (struct bench){ .shelf = { .mutex = PTHREAD_MUTEX_INITIALIZER } };
    api_begin(&bench->api, serve, &bench->shelf);
    bench->api.kube->is_unlimited = true;
    struct election_options options = { "ns", "lock", "a", 1500, 1000, 100 };
    election_init(&bench->a, bench->api.kube, &options);
    options.identity = "b";
    election_init(&bench->b, bench->api.kube, &options);
}

static void
bench_end(struct bench *bench)
{
    election_done(&bench->a);
    election_done(&bench->b);
    api_end(&bench->api);
    cJSON_Delete(bench->shelf.lease);
}

static void
wait_ms(struct bench *bench, int64_t ms)
{
    for (int64_t end_ms = clock_now_ms() + ms; clock_now_ms() < end_ms;) {
        http_run(bench->api.http, end_ms - clock_now_ms());
    }
}

TEST(the_first_leads_the_second_waits_and_follows_at_once_after_a_release)
{
    struct bench bench;
    bench_begin(&bench);
    ASSERT_EQ(election_step(&bench.a), 1);
    ASSERT_EQ(election_step(&bench.b), 0);
    ASSERT_EQ(election_step(&bench.a), 1);
    ASSERT_STRING(json_text(bench.shelf.lease, "spec/holderIdentity"), "a");
    ASSERT_EQ(strlen(json_text(bench.shelf.lease, "spec/renewTime")), 27);
    ASSERT_OK(election_release(&bench.a));
    ASSERT(!election_is_leader(&bench.a));
    ASSERT_EQ(election_step(&bench.b), 1);
    ASSERT_EQ(bench.b.transitions, 1);
    ASSERT_EQ(election_step(&bench.a), 0);
    bench_end(&bench);
}

/* K8 */
TEST(k8_a_silent_leader_stops_before_another_begins)
{
    struct bench bench;
    bench_begin(&bench);
    ASSERT_EQ(election_step(&bench.a), 1);
    int64_t seen_ms = clock_now_ms();
    ASSERT_EQ(election_step(&bench.b), 0);
    while (election_step(&bench.b) == 0) {
        bool b_may = clock_now_ms() - seen_ms >= 1500 + 5000;
        ASSERT(!b_may);
        wait_ms(&bench, 20);
    }
    ASSERT(clock_now_ms() - seen_ms >= 1500);
    ASSERT(!election_is_leader(&bench.a));
    uint64_t before = mark_count("election: renewed too late");
    ASSERT_EQ(election_step(&bench.a), 0);
    ASSERT_EQ(mark_count("election: renewed too late"), before + 1);
    bench_end(&bench);
}

/* K8 */
TEST(k8_a_leader_that_cannot_renew_stops_leading_in_time)
{
    struct bench bench;
    bench_begin(&bench);
    ASSERT_EQ(election_step(&bench.a), 1);
    int64_t began_ms = clock_now_ms();
    atomic_store(&bench.shelf.is_broken, true);
    ASSERT_ERROR(election_step(&bench.a), -EREMOTEIO);
    while (election_is_leader(&bench.a)) {
        ASSERT(clock_now_ms() - began_ms < 1100);
        ASSERT(election_step(&bench.a) < 0);
        wait_ms(&bench, 20);
    }
    atomic_store(&bench.shelf.is_broken, false);
    ASSERT_EQ(election_step(&bench.a), 1);
    bench_end(&bench);
}

TEST(a_storm_of_conflicts_makes_no_second_leader)
{
    struct bench bench;
    bench_begin(&bench);
    ASSERT_EQ(election_step(&bench.a), 1);
    uint64_t before = mark_count("election: somebody else was faster");
    atomic_store(&bench.shelf.stale_count, 1);
    ASSERT_EQ(election_step(&bench.a), 1); /* the slow way: read, then write */
    ASSERT_OK(election_release(&bench.a));
    atomic_store(&bench.shelf.stale_count, 1);
    ASSERT_EQ(election_step(&bench.b), 0);
    ASSERT(!election_is_leader(&bench.b));
    ASSERT_EQ(mark_count("election: somebody else was faster"), before + 1);
    ASSERT_EQ(election_step(&bench.b), 1);
    bench_end(&bench);
}
