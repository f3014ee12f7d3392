/* Frames and connections at their limits, over real sockets. */
#include "base/endian.h"
#include "base/mark.h"
#include "base/mem.h"
#include "net/addresses.h"
#include "net/net.h"
#include "net/pace.h"
#include "reactor/clock.h"
#include "reactor/tcp.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

#define SECOND ((uint64_t)1000000000)

#define CLIENTS_MAX 6

/* A broker that listens twice, and its clients. */
struct bench {
    struct broker *broker;
    struct settings *settings; /* NULL until something is set */
    struct net *net;
    struct stream *clients[CLIENTS_MAX]; /* NULL: none */
};

static void
bench_init(struct bench *bench)
{
    *bench = (struct bench){ .broker = mem_alloc(sizeof *bench->broker) };
}

/* A setting of the file; once the broker listens, a dynamic one. */
static int
bench_set(struct bench *bench, const char *key, const char *value)
{
    if (!bench->settings) {
        bench->settings = settings_new();
    }
    return settings_set(bench->settings, bytes_of_string(key), bytes_of_string(value),
            bench->net ? SETTING_FROM_DYNAMIC_BROKER : SETTING_FROM_FILE);
}

/* With what was set, and with what the options leave open so large that nobody meets it. */
static int
bench_listen_with(struct bench *bench, struct net_options options)
{
    static const struct net_listener_options listeners[] = { { "PLAINTEXT", "127.0.0.1", 0 },
        { "EXTERNAL", "127.0.0.1", 0 } };
    options.broker = bench->broker;
    options.limits = bench->settings;
    options.listeners = listeners;
    options.listener_count = ARRAY_SIZE(listeners);
    options.frame_size_max = options.frame_size_max ? options.frame_size_max : 1 << 20;
    options.idle_timeout_ns = options.idle_timeout_ns ? options.idle_timeout_ns : 10 * SECOND;
    options.frame_grace_ns = options.frame_grace_ns ? options.frame_grace_ns : 10 * SECOND;
    options.connections_max = options.connections_max ? options.connections_max : 100;
    return net_start(&options, &bench->net);
}

static int
bench_listen(struct bench *bench)
{
    return bench_listen_with(bench, (struct net_options){ 0 });
}

/* The i-th client comes by that listener. */
static int
bench_connect_to(struct bench *bench, size_t listener, int i)
{
    return tcp_connect(
            "127.0.0.1", net_port(bench->net, listener), DEADLINE_NONE, &bench->clients[i]);
}

static int
bench_connect(struct bench *bench, int i)
{
    return bench_connect_to(bench, 0, i);
}

static void
bench_disconnect(struct bench *bench, int i)
{
    stream_close(bench->clients[i]);
    bench->clients[i] = NULL;
}

static struct net_stats
bench_stats(const struct bench *bench)
{
    struct net_stats stats;
    net_stats_get(bench->net, &stats);
    return stats;
}

/* C1: no request is left that holds memory. */
static void
bench_end(struct bench *bench)
{
    for (int i = 0; i < CLIENTS_MAX; i++) {
        if (bench->clients[i]) {
            bench_disconnect(bench, i);
        }
    }
    if (bench->net) {
        net_stop(bench->net);
    }
    settings_free(bench->settings);
    uint64_t used = atomic_load(&bench->broker->memory.used);
    mem_free(bench->broker);
    ASSERT_EQ(used, 0);
}

static int
put(struct stream *client, const void *data, size_t size)
{
    struct iovec part = { (void *)(uintptr_t)data, size };
    return stream_write(client, &part, 1, clock_mono_ns() + 5 * SECOND);
}

/* ApiVersions version 0 and its length. */
static int
ask(struct stream *client, int32_t correlation_id)
{
    uint8_t frame[14] = { 0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    store_be32(frame + 8, (uint32_t)correlation_id);
    return put(client, frame, sizeof frame);
}

static int
get(struct stream *client, uint8_t *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        int64_t n = stream_read(client, data + at, size - at, clock_mono_ns() + 5 * SECOND);
        if (n <= 0) {
            return n == 0 ? -EPIPE : (int)n;
        }
        at += (size_t)n;
    }
    return 0;
}

/* The correlation id of the next answer, or -errno; -EPIPE: the connection was closed. */
static int
answer(struct stream *client)
{
    uint8_t head[8];
    uint8_t rest[4096];
    int r = get(client, head, sizeof head);
    if (r < 0) {
        return r;
    }
    uint32_t size = load_be32(head) - 4;
    r = size <= sizeof rest ? get(client, rest, size) : -EFBIG;
    return r < 0 ? r : (int)load_be32(head + 4);
}

/* Asks and waits for the answer. */
static int
exchange(struct stream *client, int32_t correlation_id)
{
    int r = ask(client, correlation_id);
    return r < 0 ? r : answer(client);
}

static bool
is_closed(struct stream *client)
{
    uint8_t byte;
    int r = get(client, &byte, 1);
    return r == -EPIPE || r == -ECONNRESET;
}

/* C1 */
FIBER_TEST(a_length_that_cannot_be_closes_the_connection)
{
    static const uint32_t sizes[] = { 0, 7, (1 << 20) + 1, 0x7fffffff, 0x80000000, 0xffffffff };
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_listen(&bench));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint8_t length[4];
        store_be32(length, sizes[i]);
        ASSERT_OK(bench_connect(&bench, 0));
        ASSERT_OK(put(bench.clients[0], length, sizeof length));
        ASSERT(is_closed(bench.clients[0]));
        bench_disconnect(&bench, 0);
    }
    ASSERT_EQ(bench_stats(&bench).bad_frames, ARRAY_SIZE(sizes));
    ASSERT_EQ(atomic_load(&bench.broker->memory.used), 0);
    bench_end(&bench);
}

FIBER_TEST(a_frame_that_comes_byte_by_byte_is_answered)
{
    static const uint8_t frame[14] = { 0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 9, 0xff, 0xff };
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_listen(&bench));
    ASSERT_OK(bench_connect(&bench, 0));
    for (size_t i = 0; i < sizeof frame; i++) {
        ASSERT_OK(put(bench.clients[0], frame + i, 1));
        ASSERT_OK(fiber_sleep_ns(200000));
    }
    ASSERT_EQ(answer(bench.clients[0]), 9);
    bench_end(&bench);
}

FIBER_TEST(the_broker_s_own_limit_holds_without_a_setting) /* C3 */
{
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_listen_with(&bench, (struct net_options){ .connections_max = 2 }));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(bench_connect(&bench, i));
        ASSERT_OK(ask(bench.clients[i], i));
    }
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(answer(bench.clients[i]), i);
        bench_disconnect(&bench, i); /* makes room for the third */
    }
    bench_end(&bench);
}

FIBER_TEST(an_address_has_at_most_its_connections) /* C3 */
{
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_set(&bench, "max.connections.per.ip", "2"));
    ASSERT_OK(bench_listen(&bench));
    uint64_t marks = mark_count("net: an address has its connections");
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(bench_connect(&bench, i));
    }
    ASSERT(is_closed(bench.clients[2]));
    ASSERT_EQ(mark_count("net: an address has its connections"), marks + 1);
    bench_disconnect(&bench, 2);
    /* The limit is dynamic. */
    ASSERT_OK(bench_set(&bench, "max.connections.per.ip", "3"));
    ASSERT_OK(bench_connect(&bench, 2));
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(exchange(bench.clients[i], i), i);
    }
    ASSERT_EQ(bench_stats(&bench).refused, 1);
    bench_end(&bench);
}

FIBER_TEST(exceptions_by_address_count_before_the_limit_of_all)
{
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_set(&bench, "max.connections.per.ip", "1"));
    ASSERT_OK(bench_set(&bench, "max.connections.per.ip.overrides", "::1:9,localhost:2"));
    ASSERT_OK(bench_listen(&bench));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(bench_connect(&bench, i));
    }
    ASSERT(is_closed(bench.clients[2]));
    bench_disconnect(&bench, 2);
    /* Taken over at once; what cannot be looked up is passed over. */
    ASSERT_OK(bench_set(
            &bench, "max.connections.per.ip.overrides", "no-such-host.invalid:7,127.0.0.1:3"));
    for (int i = 2; i < 4; i++) {
        ASSERT_OK(bench_connect(&bench, i));
    }
    ASSERT(is_closed(bench.clients[3]));
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(exchange(bench.clients[i], i), i);
    }
    bench_end(&bench);
}

FIBER_TEST(connections_over_the_limit_wait_until_one_ends) /* C3 */
{
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_set(&bench, "max.connections", "2"));
    ASSERT_OK(bench_listen(&bench));
    uint64_t marks = mark_count("net: a connection waits for another to end");
    for (int i = 0; i < 5; i++) {
        ASSERT_OK(bench_connect(&bench, i));
        ASSERT_OK(ask(bench.clients[i], i));
    }
    ASSERT_EQ(answer(bench.clients[0]), 0);
    ASSERT_EQ(answer(bench.clients[1]), 1);
    while (bench_stats(&bench).waited == 0) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    ASSERT_EQ(bench_stats(&bench).connections, 2);
    ASSERT_EQ(bench_stats(&bench).accepted, 3); /* the others are in the kernel */
    bench_disconnect(&bench, 1);
    ASSERT_EQ(answer(bench.clients[2]), 2); /* in order */
    ASSERT_OK(bench_set(&bench, "max.connections", "4"));
    ASSERT_EQ(answer(bench.clients[3]), 3);
    ASSERT_EQ(answer(bench.clients[4]), 4);
    ASSERT(mark_count("net: a connection waits for another to end") > marks);
    ASSERT_EQ(bench_stats(&bench).refused, 0);
    bench_end(&bench);
}

FIBER_TEST(a_listener_stops_while_a_connection_waits_for_room) /* C3 */
{
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_set(&bench, "max.connections", "0"));
    ASSERT_OK(bench_listen(&bench));
    ASSERT_OK(bench_connect(&bench, 0));
    while (bench_stats(&bench).waited == 0) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    net_stop_listening(bench.net);
    ASSERT(is_closed(bench.clients[0]));
    bench_end(&bench);
}

FIBER_TEST(a_lower_limit_closes_those_that_were_silent_longest) /* C5 */
{
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_set(&bench, "max.connections", "6"));
    ASSERT_OK(bench_listen(&bench));
    for (int i = 0; i < 6; i++) {
        ASSERT_OK(bench_connect(&bench, i));
        ASSERT_EQ(exchange(bench.clients[i], i), i);
    }
    for (int i = 0; i < 2; i++) { /* these two are not silent */
        ASSERT_EQ(exchange(bench.clients[i], i), i);
    }
    ASSERT_OK(bench_set(&bench, "max.connections", "3"));
    for (int i = 2; i < 5; i++) {
        ASSERT(is_closed(bench.clients[i]));
    }
    ASSERT(mark_count("net: a connection too many is closed") >= 3);
    ASSERT_OK(fiber_sleep_ns(SECOND / 2));
    ASSERT_EQ(bench_stats(&bench).connections, 3);
    for (int i = 0; i < 6; i++) {
        if (i < 2 || i == 5) {
            ASSERT_EQ(exchange(bench.clients[i], i), i);
        }
    }
    bench_end(&bench);
}

FIBER_TEST(a_listener_has_at_most_its_connections_and_another_goes_on) /* C3 */
{
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_set(&bench, "listener.name.plaintext.max.connections", "2"));
    ASSERT_OK(bench_listen(&bench));
    uint64_t marks = mark_count("net: a listener has its connections");
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(bench_connect(&bench, i));
    }
    ASSERT_OK(ask(bench.clients[2], 2));
    while (mark_count("net: a listener has its connections") == marks) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    ASSERT_OK(bench_connect_to(&bench, 1, 5));
    ASSERT_EQ(exchange(bench.clients[5], 9), 9);
    bench_disconnect(&bench, 0);
    ASSERT_EQ(answer(bench.clients[2]), 2);
    bench_end(&bench);
}

FIBER_TEST(connections_that_come_too_fast_wait_and_are_served) /* C4 */
{
    struct bench bench;
    bench_init(&bench);
    /* A mean over one second: one at once, then one each second. */
    ASSERT_OK(bench_set(&bench, "quota.window.num", "1"));
    ASSERT_OK(bench_set(&bench, "listener.name.plaintext.max.connection.creation.rate", "1"));
    ASSERT_OK(bench_listen(&bench));
    uint64_t marks = mark_count("net: a connection waits for its turn");
    uint64_t before_ns = clock_mono_ns();
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(bench_connect(&bench, i));
    }
    for (int i = 0; i < 4; i++) {
        ASSERT_EQ(exchange(bench.clients[i], i), i);
    }
    ASSERT(clock_mono_ns() - before_ns >= 3 * SECOND - SECOND / 10);
    ASSERT(mark_count("net: a connection waits for its turn") > marks);
    /* The other listener has no such limit. */
    ASSERT_OK(bench_connect_to(&bench, 1, 5));
    ASSERT_EQ(exchange(bench.clients[5], 9), 9);
    ASSERT_EQ(bench_stats(&bench).refused, 0);
    ASSERT(bench_stats(&bench).delayed >= 1);
    bench_end(&bench);
}

FIBER_TEST(a_listener_stops_while_a_connection_waits_for_its_turn) /* C4 */
{
    struct bench bench;
    bench_init(&bench);
    /* A day for each. */
    ASSERT_OK(bench_set(&bench, "quota.window.size.seconds", "86400"));
    ASSERT_OK(bench_set(&bench, "quota.window.num", "1"));
    ASSERT_OK(bench_set(&bench, "max.connection.creation.rate", "0"));
    ASSERT_OK(bench_listen(&bench));
    ASSERT_OK(bench_connect(&bench, 0));
    ASSERT_EQ(exchange(bench.clients[0], 1), 1);
    bench_disconnect(&bench, 0);
    ASSERT_OK(bench_connect(&bench, 0));
    while (bench_stats(&bench).delayed == 0) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    net_stop_listening(bench.net);
    ASSERT(is_closed(bench.clients[0]));
    bench_end(&bench);
}

TEST(a_pace_lets_a_window_through_at_once_and_then_the_rate)
{
    const struct pace_limits limits = { .rate = 4, .window_ns = 2 * SECOND, .wait_max_ns = SECOND };
    struct pace pace = { 0 };
    uint64_t now_ns = 1000 * SECOND;
    for (int i = 0; i < 8; i++) {
        ASSERT_EQ(pace_take(&pace, &limits, now_ns), 0);
    }
    ASSERT_EQ(pace_take(&pace, &limits, now_ns), SECOND / 4);
    ASSERT_EQ(pace_take(&pace, &limits, now_ns + SECOND / 4), SECOND / 4);
    /* A pause gives back what it lasted, a long one the window. */
    ASSERT_EQ(pace_take(&pace, &limits, now_ns + SECOND), 0);
    now_ns += 100 * SECOND;
    for (int i = 0; i < 8; i++) {
        ASSERT_EQ(pace_take(&pace, &limits, now_ns), 0);
    }
    ASSERT_EQ(pace_take(&pace, &limits, now_ns), SECOND / 4);
}

TEST(nobody_waits_longer_than_the_most_for_its_turn)
{
    const struct pace_limits none = { .rate = 0, .window_ns = SECOND, .wait_max_ns = SECOND };
    const struct pace_limits all = {
        .rate = INT32_MAX, .window_ns = SECOND, .wait_max_ns = SECOND
    };
    struct pace pace = { 0 };
    ASSERT_EQ(pace_take(&pace, &none, SECOND), 0);
    for (int i = 0; i < 10; i++) {
        ASSERT_EQ(pace_take(&pace, &none, SECOND), SECOND);
    }
    pace = (struct pace){ 0 };
    for (int i = 0; i < 1000; i++) {
        ASSERT_EQ(pace_take(&pace, &all, SECOND), 0);
    }
}

TEST(addresses_that_have_left_are_forgotten) /* C3 */
{
    struct addresses addresses = { 0 };
    struct address *kept[10];
    char peer[ADDRESS_TEXT_SIZE];
    addresses_init(&addresses);
    for (int i = 0; i < 10; i++) {
        snprintf(peer, sizeof peer, "[fe80::%d]:9", i);
        kept[i] = address_enter(&addresses, peer, 1);
        ASSERT(kept[i]);
    }
    for (int i = 0; i < 10000; i++) {
        snprintf(peer, sizeof peer, "10.0.%d.%d:%d", i / 250, i % 250, i);
        struct address *address = address_enter(&addresses, peer, 1);
        ASSERT(address);
        ASSERT_EQ((uintptr_t)address_enter(&addresses, peer, 1), 0);
        address_leave(address);
    }
    ASSERT(addresses.map.count <= 300);
    ASSERT_EQ((uintptr_t)address_enter(&addresses, "[fe80::3]:77", 1), 0);
    for (int i = 0; i < 10; i++) {
        address_leave(kept[i]);
    }
    addresses_done(&addresses);
}

FIBER_TEST(a_silent_connection_is_closed_after_the_idle_time)
{
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_listen_with(&bench, (struct net_options){ .idle_timeout_ns = SECOND / 10 }));
    ASSERT_OK(bench_connect(&bench, 0));
    ASSERT_EQ(exchange(bench.clients[0], 1), 1);
    uint64_t before = clock_mono_ns();
    ASSERT(is_closed(bench.clients[0]));
    uint64_t took = clock_mono_ns() - before;
    ASSERT(took > SECOND / 20 && took < 3 * SECOND);
    bench_end(&bench);
}

/* C2: it sends all the time, so it is never idle. */
FIBER_TEST(a_frame_that_comes_too_slowly_closes_the_connection)
{
    static const uint8_t length[4] = { 0, 0, 0x10, 0 };
    struct bench bench;
    bench_init(&bench);
    uint64_t marks = mark_count("net: a frame came too slowly");
    ASSERT_OK(bench_listen_with(&bench, (struct net_options){ .frame_grace_ns = SECOND / 10 }));
    ASSERT_OK(bench_connect(&bench, 0));
    ASSERT_OK(put(bench.clients[0], length, sizeof length));
    uint64_t before = clock_mono_ns();
    int r = 0;
    while (r == 0 && clock_mono_ns() < before + 5 * SECOND) {
        r = put(bench.clients[0], "x", 1);
        ASSERT_OK(fiber_sleep_ns(10 * 1000000));
    }
    ASSERT(r < 0);
    ASSERT(mark_count("net: a frame came too slowly") > marks);
    ASSERT_EQ(atomic_load(&bench.broker->memory.used), 0);
    bench_end(&bench);
}

/* C1, H1: the second frame is not read before the first is done with. */
FIBER_TEST(a_frame_waits_for_memory_that_others_hold)
{
    static const uint8_t length[4] = { 0, 0, 0x20, 0 };
    struct bench bench;
    bench_init(&bench);
    bench.broker->memory.limit = 8192;
    uint64_t marks = mark_count("requests: a frame waits for memory");
    ASSERT_OK(bench_listen(&bench));
    ASSERT_OK(bench_connect(&bench, 0));
    ASSERT_OK(bench_connect(&bench, 1));
    ASSERT_OK(put(bench.clients[0], length, sizeof length));
    while (atomic_load(&bench.broker->memory.used) == 0) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    ASSERT_OK(ask(bench.clients[1], 3));
    while (mark_count("requests: a frame waits for memory") == marks) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    ASSERT_EQ(atomic_load(&bench.broker->memory.used), 8192);
    bench_disconnect(&bench, 0);
    ASSERT_EQ(answer(bench.clients[1]), 3);
    bench_end(&bench);
}

FIBER_TEST(a_stop_closes_all_connections_also_those_inside_a_frame)
{
    struct bench bench;
    bench_init(&bench);
    ASSERT_OK(bench_listen(&bench));
    ASSERT_OK(bench_connect(&bench, 0));
    ASSERT_OK(bench_connect(&bench, 1));
    ASSERT_OK(put(bench.clients[1], "\0\0\1\0abc", 7));
    ASSERT_OK(fiber_sleep_ns(10 * 1000000));
    net_stop(TAKE_PTR(bench.net));
    ASSERT(is_closed(bench.clients[0]));
    ASSERT(is_closed(bench.clients[1]));
    bench_end(&bench);
}
