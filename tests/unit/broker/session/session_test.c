/* The order of requests and answers on one connection, with handlers that the test lets go. */
#include "base/endian.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "session/dispatch.h"
#include "session/session.h"
#include "unit/test.h"
#include "wire/messages/api_versions.h"
#include "wire/messages/metadata.h"

#include <errno.h>

#define SECOND ((uint64_t)1000000000)
#define REQUESTS_MAX 256

/* Handlers note their start here, and wait for `go` of their correlation id. */
static int started[REQUESTS_MAX];
static int started_count;
static bool go[REQUESTS_MAX];
static bool place_taken[REQUESTS_MAX];
static bool close_it[REQUESTS_MAX];
static struct log_context seen; /* of the handler that ended last, after its waits */

struct bench {
    struct broker *broker;
    struct listener *listener;
    struct stream *client;
    struct stream *server;
    struct session session;
};

static void
handle(struct request *request)
{
    struct api_versions_response response = api_versions_response_default;
    int id = request->correlation_id;
    started[started_count++] = id;
    while (!go[id]) {
        if (place_taken[id]) {
            request_ordered(request);
        }
        if (fiber_sleep_ns(100000) < 0) {
            return;
        }
    }
    seen = *log_context_get();
    request->close = close_it[id];
    request_reply(request, &response);
}

static const struct dispatch_entry *
find(int16_t key)
{
    static const struct dispatch_entry entry = { 18, 0, 0, handle };
    return key == 18 ? &entry : NULL;
}

static int
bench_open(struct bench *bench)
{
    struct accepted accepted;
    started_count = 0;
    for (int i = 0; i < REQUESTS_MAX; i++) {
        go[i] = place_taken[i] = close_it[i] = false;
    }
    *bench = (struct bench){ .broker = mem_alloc(sizeof *bench->broker) };
    int r = tcp_listen("127.0.0.1", 0, &bench->listener);
    if (r == 0) {
        r = tcp_connect("127.0.0.1", listener_port(bench->listener), DEADLINE_NONE, &bench->client);
    }
    if (r == 0) {
        r = listener_accept(bench->listener, &accepted);
    }
    if (r == 0) {
        r = stream_adopt(&accepted, &bench->server);
    }
    if (r == 0) {
        session_init(&bench->session, bench->broker, "PLAINTEXT", bench->server);
        bench->session.find = find;
    }
    return r;
}

static void
bench_close(struct bench *bench)
{
    session_done(&bench->session);
    stream_close(bench->client);
    stream_close(bench->server);
    listener_close(bench->listener);
    mem_free(bench->broker);
}

/* Gives the session a request as net/ does. */
static int
give(struct bench *bench, int16_t key, int id)
{
    struct buf *frame = buf_new(10);
    store_be16(frame->data, (uint16_t)key);
    store_be16(frame->data + 2, 0);
    store_be32(frame->data + 4, (uint32_t)id);
    store_be16(frame->data + 8, 0xffff);
    frame->size = 10;
    int r = request_memory_take(&bench->broker->memory, frame->size, DEADLINE_NONE);
    return r < 0 ? r : session_request(&bench->session, frame);
}

/* A fiber that gives requests until one is refused. */
struct giver {
    struct bench *bench;
    int count;
    int given;
    int result;
};

static void
give_all(void *arg)
{
    struct giver *giver = arg;
    while (giver->given < giver->count && giver->result == 0) {
        giver->result = give(giver->bench, 18, giver->given++);
    }
}

static int
answered(struct bench *bench)
{
    uint8_t data[14]; /* length, correlation id, error, an empty array */
    for (size_t at = 0; at < sizeof data;) {
        int64_t n =
                stream_read(bench->client, data + at, sizeof data - at, clock_mono_ns() + SECOND);
        if (n <= 0) {
            return n == 0 ? -EPIPE : (int)n;
        }
        at += (size_t)n;
    }
    return (int)load_be32(data + 4);
}

/* Waits until so many handlers have started: 0, or -ETIMEDOUT after a while. */
static int
wait_started(int count)
{
    for (int i = 0; i < 10000 && started_count < count; i++) {
        int r = fiber_sleep_ns(NS_PER_MS);
        if (r < 0) {
            return r;
        }
    }
    return started_count == count ? 0 : -ETIMEDOUT;
}

/* Design, P6: each line says who asked for what. */
FIBER_TEST(a_handler_that_has_waited_still_logs_its_client_and_api)
{
    struct bench bench;
    struct fiber *fiber;
    ASSERT_OK(bench_open(&bench));
    struct giver giver = { .bench = &bench, .count = 1 };
    ASSERT_OK(fiber_spawn("giver", give_all, &giver, &fiber));
    ASSERT_OK(wait_started(1));
    go[0] = true;
    ASSERT_EQ(answered(&bench), 0);
    ASSERT_STRING(seen.api, "ApiVersions");
    ASSERT_STRING(seen.client, stream_peer(bench.server));
    ASSERT_STRING(seen.fiber, "request");
    ASSERT(log_context_get()->api == NULL);
    fiber_join(fiber);
    bench_close(&bench);
}

/* N1 */
FIBER_TEST(answers_leave_in_the_order_of_their_requests)
{
    struct bench bench;
    struct fiber *fiber;
    ASSERT_OK(bench_open(&bench));
    struct giver giver = { .bench = &bench, .count = 3 };
    place_taken[0] = place_taken[1] = true;
    go[2] = true;
    ASSERT_OK(fiber_spawn("giver", give_all, &giver, &fiber));
    ASSERT_OK(wait_started(3));
    /* The last has ended, the first has not: nothing may be sent. */
    uint8_t byte;
    ASSERT_EQ(stream_read(bench.client, &byte, 1, clock_mono_ns() + SECOND / 20), -ETIMEDOUT);
    go[1] = true;
    ASSERT_EQ(stream_read(bench.client, &byte, 1, clock_mono_ns() + SECOND / 20), -ETIMEDOUT);
    go[0] = true;
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(answered(&bench), i);
    }
    fiber_join(fiber);
    ASSERT_EQ(giver.result, 0);
    bench_close(&bench);
}

/* N2 */
FIBER_TEST(a_handler_starts_when_the_one_before_has_its_place_in_line)
{
    struct bench bench;
    struct fiber *fiber;
    ASSERT_OK(bench_open(&bench));
    struct giver giver = { .bench = &bench, .count = 3 };
    ASSERT_OK(fiber_spawn("giver", give_all, &giver, &fiber));
    ASSERT_OK(wait_started(1));
    ASSERT_OK(fiber_sleep_ns(20 * 1000000));
    ASSERT_EQ(started_count, 1);
    place_taken[0] = true;
    ASSERT_OK(wait_started(2));
    go[1] = true; /* ending is a place in line too */
    ASSERT_OK(wait_started(3));
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(started[i], i);
        go[i] = true;
    }
    fiber_join(fiber);
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(answered(&bench), i);
    }
    bench_close(&bench);
    ASSERT_EQ(giver.result, 0);
}

FIBER_TEST(no_more_requests_run_at_once_than_the_pipeline_holds)
{
    struct bench bench;
    struct fiber *fiber;
    ASSERT_OK(bench_open(&bench));
    struct giver giver = { .bench = &bench, .count = CONNECTION_PIPELINE_MAX + 10 };
    for (int i = 0; i < giver.count; i++) {
        place_taken[i] = true;
    }
    ASSERT_OK(fiber_spawn("giver", give_all, &giver, &fiber));
    ASSERT_OK(wait_started(CONNECTION_PIPELINE_MAX));
    ASSERT_OK(fiber_sleep_ns(50 * 1000000));
    ASSERT_EQ(started_count, CONNECTION_PIPELINE_MAX);
    for (int i = 0; i < giver.count; i++) {
        go[i] = true;
    }
    fiber_join(fiber);
    for (int i = 0; i < giver.count; i++) {
        ASSERT_EQ(answered(&bench), i);
    }
    ASSERT_EQ(started_count, giver.count);
    bench_close(&bench);
}

FIBER_TEST(an_unknown_outcome_closes_the_connection_and_drops_the_answers_behind_it)
{
    struct bench bench;
    struct fiber *fiber;
    ASSERT_OK(bench_open(&bench));
    struct giver giver = { .bench = &bench, .count = 3 };
    for (int i = 0; i < 3; i++) {
        place_taken[i] = true;
    }
    close_it[1] = true;
    ASSERT_OK(fiber_spawn("giver", give_all, &giver, &fiber));
    ASSERT_OK(wait_started(3));
    fiber_join(fiber);
    go[2] = go[1] = go[0] = true;
    ASSERT_EQ(answered(&bench), 0);
    ASSERT_EQ(answered(&bench), -EPIPE);
    ASSERT_EQ(give(&bench, 18, 4), -EPROTO);
    bench_close(&bench);
}

FIBER_TEST(an_unknown_api_is_refused_and_its_memory_given_back)
{
    struct bench bench;
    ASSERT_OK(bench_open(&bench));
    ASSERT_EQ(give(&bench, 3, 0), -EPROTO);
    ASSERT_EQ(give(&bench, 999, 0), -EPROTO);
    ASSERT_EQ(give(&bench, -1, 0), -EPROTO);
    ASSERT_EQ(started_count, 0);
    ASSERT_EQ(atomic_load(&bench.broker->memory.used), 0);
    bench_close(&bench);
}

/* H1: what handlers and answers took is given back too. */
FIBER_TEST(a_request_gives_back_all_memory_that_it_took)
{
    struct bench bench;
    ASSERT_OK(bench_open(&bench));
    place_taken[0] = true;
    ASSERT_OK(give(&bench, 18, 0));
    ASSERT(atomic_load(&bench.broker->memory.used) >= 10);
    go[0] = true;
    ASSERT_EQ(answered(&bench), 0);
    while (atomic_load(&bench.broker->memory.used) > 0) {
        ASSERT_OK(fiber_sleep_ns(100000));
    }
    bench_close(&bench);
}
