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

static struct broker *
broker_new(uint64_t memory_limit)
{
    struct broker *broker = mem_alloc(sizeof *broker);
    broker->memory.limit = memory_limit;
    return broker;
}

static int
start(struct broker *broker, struct net_options options, struct net **ret_net)
{
    options.broker = broker;
    static const struct net_listener_options listeners[] = { { "PLAINTEXT", "127.0.0.1", 0 },
        { "EXTERNAL", "127.0.0.1", 0 } };
    options.listeners = listeners;
    options.listener_count = ARRAY_SIZE(listeners);
    options.frame_size_max = options.frame_size_max ? options.frame_size_max : 1 << 20;
    options.idle_timeout_ns = options.idle_timeout_ns ? options.idle_timeout_ns : 10 * SECOND;
    options.frame_grace_ns = options.frame_grace_ns ? options.frame_grace_ns : 10 * SECOND;
    options.connections_max = options.connections_max ? options.connections_max : 100;
    return net_start(&options, ret_net);
}

static int
client_new(struct net *net, struct stream **ret_client)
{
    return tcp_connect("127.0.0.1", net_port(net, 0), DEADLINE_NONE, ret_client);
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
    struct broker *broker = broker_new(0);
    struct net *net;
    struct net_stats stats;
    ASSERT_OK(start(broker, (struct net_options){ 0 }, &net));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct stream *client;
        uint8_t length[4];
        store_be32(length, sizes[i]);
        ASSERT_OK(client_new(net, &client));
        ASSERT_OK(put(client, length, sizeof length));
        ASSERT(is_closed(client));
        stream_close(client);
    }
    net_stats_get(net, &stats);
    ASSERT_EQ(stats.bad_frames, ARRAY_SIZE(sizes));
    ASSERT_EQ(atomic_load(&broker->memory.used), 0);
    net_stop(net);
    mem_free(broker);
}

FIBER_TEST(a_frame_that_comes_byte_by_byte_is_answered)
{
    static const uint8_t frame[14] = { 0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 9, 0xff, 0xff };
    struct broker *broker = broker_new(0);
    struct net *net;
    struct stream *client;
    ASSERT_OK(start(broker, (struct net_options){ 0 }, &net));
    ASSERT_OK(client_new(net, &client));
    for (size_t i = 0; i < sizeof frame; i++) {
        ASSERT_OK(put(client, frame + i, 1));
        ASSERT_OK(fiber_sleep_ns(200000));
    }
    ASSERT_EQ(answer(client), 9);
    stream_close(client);
    net_stop(net);
    ASSERT_EQ(atomic_load(&broker->memory.used), 0);
    mem_free(broker);
}

FIBER_TEST(the_broker_s_own_limit_holds_without_a_setting) /* C3 */
{
    struct broker *broker = broker_new(0);
    struct net *net;
    struct stream *clients[3];
    ASSERT_OK(start(broker, (struct net_options){ .connections_max = 2 }, &net));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(client_new(net, &clients[i]));
        ASSERT_OK(ask(clients[i], i));
    }
    for (int i = 0; i < 3; i++) {
        ASSERT_EQ(answer(clients[i]), i);
        stream_close(clients[i]); /* makes room for the third */
    }
    net_stop(net);
    mem_free(broker);
}

FIBER_TEST(an_address_has_at_most_its_connections) /* C3 */
{
    struct broker *broker = broker_new(0);
    struct settings *settings = settings_new();
    struct net *net;
    struct net_stats stats;
    struct stream *clients[3];
    ASSERT_OK(settings_set(settings, BYTES_LITERAL("max.connections.per.ip"), BYTES_LITERAL("2"),
            SETTING_FROM_COMMAND_LINE));
    ASSERT_OK(start(broker, (struct net_options){ .limits = settings }, &net));
    unsigned marks = (unsigned)mark_count("net: an address has its connections");
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(client_new(net, &clients[i]));
    }
    ASSERT(is_closed(clients[2]));
    ASSERT_EQ(mark_count("net: an address has its connections"), marks + 1);
    stream_close(clients[2]);
    /* The limit is dynamic. */
    ASSERT_OK(settings_set(settings, BYTES_LITERAL("max.connections.per.ip"), BYTES_LITERAL("3"),
            SETTING_FROM_DYNAMIC_BROKER));
    ASSERT_OK(client_new(net, &clients[2]));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(ask(clients[i], i));
        ASSERT_EQ(answer(clients[i]), i);
        stream_close(clients[i]);
    }
    net_stats_get(net, &stats);
    ASSERT_EQ(stats.refused, 1);
    net_stop(net);
    settings_free(settings);
    mem_free(broker);
}

static int
put_setting(struct settings *settings, const char *key, const char *value)
{
    return settings_set(
            settings, bytes_of_string(key), bytes_of_string(value), SETTING_FROM_DYNAMIC_BROKER);
}

FIBER_TEST(exceptions_by_address_count_before_the_limit_of_all)
{
    struct broker *broker = broker_new(0);
    struct settings *settings = settings_new();
    struct net *net;
    struct stream *clients[4];
    ASSERT_OK(put_setting(settings, "max.connections.per.ip", "1"));
    ASSERT_OK(put_setting(settings, "max.connections.per.ip.overrides", "::1:9,localhost:2"));
    ASSERT_OK(start(broker, (struct net_options){ .limits = settings }, &net));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(client_new(net, &clients[i]));
    }
    ASSERT(is_closed(clients[2]));
    stream_close(clients[2]);
    /* Taken over at once; what cannot be looked up is passed over. */
    ASSERT_OK(put_setting(
            settings, "max.connections.per.ip.overrides", "no-such-host.invalid:7,127.0.0.1:3"));
    for (int i = 2; i < 4; i++) {
        ASSERT_OK(client_new(net, &clients[i]));
    }
    ASSERT(is_closed(clients[3]));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(ask(clients[i], i));
        ASSERT_EQ(answer(clients[i]), i);
        stream_close(clients[i]);
    }
    stream_close(clients[3]);
    net_stop(net);
    settings_free(settings);
    mem_free(broker);
}

FIBER_TEST(connections_over_the_limit_wait_until_one_ends) /* C3 */
{
    struct broker *broker = broker_new(0);
    struct settings *settings = settings_new();
    struct net *net;
    struct net_stats stats;
    struct stream *clients[5];
    ASSERT_OK(put_setting(settings, "max.connections", "2"));
    ASSERT_OK(start(broker, (struct net_options){ .limits = settings }, &net));
    uint64_t marks = mark_count("net: a connection waits for another to end");
    for (int i = 0; i < 5; i++) {
        ASSERT_OK(client_new(net, &clients[i]));
        ASSERT_OK(ask(clients[i], i));
    }
    ASSERT_EQ(answer(clients[0]), 0);
    ASSERT_EQ(answer(clients[1]), 1);
    do {
        ASSERT_OK(fiber_sleep_ns(1000000));
        net_stats_get(net, &stats);
    } while (stats.waited == 0);
    ASSERT_EQ(stats.connections, 2);
    ASSERT_EQ(stats.accepted, 3); /* the others are in the kernel */
    stream_close(clients[1]);
    ASSERT_EQ(answer(clients[2]), 2); /* in order */
    ASSERT_OK(put_setting(settings, "max.connections", "4"));
    ASSERT_EQ(answer(clients[3]), 3);
    ASSERT_EQ(answer(clients[4]), 4);
    ASSERT(mark_count("net: a connection waits for another to end") > marks);
    net_stats_get(net, &stats);
    ASSERT_EQ(stats.refused, 0);
    for (int i = 0; i < 5; i++) {
        if (i != 1) {
            stream_close(clients[i]);
        }
    }
    net_stop(net);
    settings_free(settings);
    mem_free(broker);
}

FIBER_TEST(a_listener_stops_while_a_connection_waits_for_room) /* C3 */
{
    struct broker *broker = broker_new(0);
    struct settings *settings = settings_new();
    struct net *net;
    struct net_stats stats;
    struct stream *client;
    ASSERT_OK(put_setting(settings, "max.connections", "0"));
    ASSERT_OK(start(broker, (struct net_options){ .limits = settings }, &net));
    ASSERT_OK(client_new(net, &client));
    do {
        ASSERT_OK(fiber_sleep_ns(1000000));
        net_stats_get(net, &stats);
    } while (stats.waited == 0);
    net_stop_listening(net);
    ASSERT(is_closed(client));
    stream_close(client);
    net_stop(net);
    settings_free(settings);
    mem_free(broker);
}

FIBER_TEST(a_lower_limit_closes_those_that_were_silent_longest) /* C5 */
{
    struct broker *broker = broker_new(0);
    struct settings *settings = settings_new();
    struct net *net;
    struct net_stats stats;
    struct stream *clients[6];
    ASSERT_OK(put_setting(settings, "max.connections", "6"));
    ASSERT_OK(start(broker, (struct net_options){ .limits = settings }, &net));
    for (int i = 0; i < 6; i++) {
        ASSERT_OK(client_new(net, &clients[i]));
        ASSERT_OK(ask(clients[i], i));
        ASSERT_EQ(answer(clients[i]), i);
    }
    for (int i = 0; i < 2; i++) { /* these two are not silent */
        ASSERT_OK(ask(clients[i], i));
        ASSERT_EQ(answer(clients[i]), i);
    }
    ASSERT_OK(put_setting(settings, "max.connections", "3"));
    for (int i = 2; i < 5; i++) {
        ASSERT(is_closed(clients[i]));
    }
    ASSERT(mark_count("net: a connection too many is closed") >= 3);
    ASSERT_OK(fiber_sleep_ns(SECOND / 2));
    net_stats_get(net, &stats);
    ASSERT_EQ(stats.connections, 3);
    for (int i = 0; i < 6; i++) {
        if (i < 2 || i == 5) {
            ASSERT_OK(ask(clients[i], i));
            ASSERT_EQ(answer(clients[i]), i);
        }
        stream_close(clients[i]);
    }
    net_stop(net);
    settings_free(settings);
    mem_free(broker);
}

FIBER_TEST(a_listener_has_at_most_its_connections_and_another_goes_on) /* C3 */
{
    struct broker *broker = broker_new(0);
    struct settings *settings = settings_new();
    struct net *net;
    struct stream *clients[3];
    struct stream *other;
    ASSERT_OK(put_setting(settings, "listener.name.plaintext.max.connections", "2"));
    ASSERT_OK(start(broker, (struct net_options){ .limits = settings }, &net));
    uint64_t marks = mark_count("net: a listener has its connections");
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(client_new(net, &clients[i]));
    }
    ASSERT_OK(ask(clients[2], 2));
    while (mark_count("net: a listener has its connections") == marks) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    ASSERT_OK(tcp_connect("127.0.0.1", net_port(net, 1), DEADLINE_NONE, &other));
    ASSERT_OK(ask(other, 9));
    ASSERT_EQ(answer(other), 9);
    stream_close(clients[0]);
    ASSERT_EQ(answer(clients[2]), 2);
    for (int i = 1; i < 3; i++) {
        stream_close(clients[i]);
    }
    stream_close(other);
    net_stop(net);
    settings_free(settings);
    mem_free(broker);
}

FIBER_TEST(connections_that_come_too_fast_wait_and_are_served) /* C4 */
{
    struct broker *broker = broker_new(0);
    struct settings *settings = settings_new();
    struct net *net;
    struct net_stats stats;
    struct stream *clients[4];
    struct stream *other;
    /* A mean over one second: one at once, then one each second. */
    ASSERT_OK(settings_set(
            settings, BYTES_LITERAL("quota.window.num"), BYTES_LITERAL("1"), SETTING_FROM_FILE));
    ASSERT_OK(put_setting(settings, "listener.name.plaintext.max.connection.creation.rate", "1"));
    ASSERT_OK(start(broker, (struct net_options){ .limits = settings }, &net));
    uint64_t marks = mark_count("net: a connection waits for its turn");
    uint64_t before_ns = clock_mono_ns();
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(client_new(net, &clients[i]));
    }
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(ask(clients[i], i));
        ASSERT_EQ(answer(clients[i]), i);
        stream_close(clients[i]);
    }
    ASSERT(clock_mono_ns() - before_ns >= 3 * SECOND - SECOND / 10);
    ASSERT(mark_count("net: a connection waits for its turn") > marks);
    /* The other listener has no such limit. */
    ASSERT_OK(tcp_connect("127.0.0.1", net_port(net, 1), DEADLINE_NONE, &other));
    ASSERT_OK(ask(other, 9));
    ASSERT_EQ(answer(other), 9);
    stream_close(other);
    net_stats_get(net, &stats);
    ASSERT_EQ(stats.refused, 0);
    ASSERT(stats.delayed >= 1);
    net_stop(net);
    settings_free(settings);
    mem_free(broker);
}

FIBER_TEST(a_listener_stops_while_a_connection_waits_for_its_turn) /* C4 */
{
    struct broker *broker = broker_new(0);
    struct settings *settings = settings_new();
    struct net *net;
    struct net_stats stats;
    struct stream *client;
    /* A day for each. */
    ASSERT_OK(settings_set(settings, BYTES_LITERAL("quota.window.size.seconds"),
            BYTES_LITERAL("86400"), SETTING_FROM_FILE));
    ASSERT_OK(settings_set(
            settings, BYTES_LITERAL("quota.window.num"), BYTES_LITERAL("1"), SETTING_FROM_FILE));
    ASSERT_OK(put_setting(settings, "max.connection.creation.rate", "0"));
    ASSERT_OK(start(broker, (struct net_options){ .limits = settings }, &net));
    ASSERT_OK(client_new(net, &client));
    ASSERT_OK(ask(client, 1));
    ASSERT_EQ(answer(client), 1);
    stream_close(client);
    ASSERT_OK(client_new(net, &client));
    do {
        ASSERT_OK(fiber_sleep_ns(1000000));
        net_stats_get(net, &stats);
    } while (stats.delayed == 0);
    net_stop_listening(net);
    ASSERT(is_closed(client));
    stream_close(client);
    net_stop(net);
    settings_free(settings);
    mem_free(broker);
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
    struct broker *broker = broker_new(0);
    struct net *net;
    struct stream *client;
    ASSERT_OK(start(broker, (struct net_options){ .idle_timeout_ns = SECOND / 10 }, &net));
    ASSERT_OK(client_new(net, &client));
    ASSERT_OK(ask(client, 1));
    ASSERT_EQ(answer(client), 1);
    uint64_t before = clock_mono_ns();
    ASSERT(is_closed(client));
    uint64_t took = clock_mono_ns() - before;
    ASSERT(took > SECOND / 20 && took < 3 * SECOND);
    stream_close(client);
    net_stop(net);
    mem_free(broker);
}

/* C2: it sends all the time, so it is never idle. */
FIBER_TEST(a_frame_that_comes_too_slowly_closes_the_connection)
{
    static const uint8_t length[4] = { 0, 0, 0x10, 0 };
    struct broker *broker = broker_new(0);
    struct net *net;
    struct stream *client;
    uint64_t marks = mark_count("net: a frame came too slowly");
    ASSERT_OK(start(broker, (struct net_options){ .frame_grace_ns = SECOND / 10 }, &net));
    ASSERT_OK(client_new(net, &client));
    ASSERT_OK(put(client, length, sizeof length));
    uint64_t before = clock_mono_ns();
    int r = 0;
    while (r == 0 && clock_mono_ns() < before + 5 * SECOND) {
        r = put(client, "x", 1);
        ASSERT_OK(fiber_sleep_ns(10 * 1000000));
    }
    ASSERT(r < 0);
    ASSERT(mark_count("net: a frame came too slowly") > marks);
    ASSERT_EQ(atomic_load(&broker->memory.used), 0);
    stream_close(client);
    net_stop(net);
    mem_free(broker);
}

/* C1, H1: the second frame is not read before the first is done with. */
FIBER_TEST(a_frame_waits_for_memory_that_others_hold)
{
    struct broker *broker = broker_new(8192);
    struct net *net;
    struct stream *greedy;
    struct stream *client;
    static const uint8_t length[4] = { 0, 0, 0x20, 0 };
    uint64_t marks = mark_count("requests: a frame waits for memory");
    ASSERT_OK(start(broker, (struct net_options){ 0 }, &net));
    ASSERT_OK(client_new(net, &greedy));
    ASSERT_OK(client_new(net, &client));
    ASSERT_OK(put(greedy, length, sizeof length));
    while (atomic_load(&broker->memory.used) == 0) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    ASSERT_OK(ask(client, 3));
    ASSERT_OK(fiber_sleep_ns(50 * 1000000));
    ASSERT_EQ(atomic_load(&broker->memory.used), 8192);
    ASSERT(mark_count("requests: a frame waits for memory") > marks);
    stream_close(greedy);
    ASSERT_EQ(answer(client), 3);
    stream_close(client);
    net_stop(net);
    ASSERT_EQ(atomic_load(&broker->memory.used), 0);
    mem_free(broker);
}

FIBER_TEST(a_stop_closes_all_connections_also_those_inside_a_frame)
{
    struct broker *broker = broker_new(0);
    struct net *net;
    struct stream *idle;
    struct stream *inside;
    ASSERT_OK(start(broker, (struct net_options){ 0 }, &net));
    ASSERT_OK(client_new(net, &idle));
    ASSERT_OK(client_new(net, &inside));
    ASSERT_OK(put(inside, "\0\0\1\0abc", 7));
    ASSERT_OK(fiber_sleep_ns(10 * 1000000));
    net_stop(net);
    ASSERT(is_closed(idle));
    ASSERT(is_closed(inside));
    ASSERT_EQ(atomic_load(&broker->memory.used), 0);
    stream_close(idle);
    stream_close(inside);
    mem_free(broker);
}
