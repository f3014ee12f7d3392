/* Frames and connections at their limits, over real sockets. */
#include "base/endian.h"
#include "base/mark.h"
#include "base/mem.h"
#include "net/addresses.h"
#include "net/net.h"
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
    options.host = "127.0.0.1";
    options.frame_size_max = options.frame_size_max ? options.frame_size_max : 1 << 20;
    options.idle_timeout_ns = options.idle_timeout_ns ? options.idle_timeout_ns : 10 * SECOND;
    options.frame_grace_ns = options.frame_grace_ns ? options.frame_grace_ns : 10 * SECOND;
    options.connections_max = options.connections_max ? options.connections_max : 100;
    return net_start(&options, ret_net);
}

static int
client_new(struct net *net, struct stream **ret_client)
{
    return tcp_connect("127.0.0.1", net_port(net), DEADLINE_NONE, ret_client);
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

FIBER_TEST(a_connection_over_the_limit_is_closed_and_the_others_go_on)
{
    struct broker *broker = broker_new(0);
    struct net *net;
    struct net_stats stats;
    struct stream *clients[3];
    ASSERT_OK(start(broker, (struct net_options){ .connections_max = 2 }, &net));
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(client_new(net, &clients[i]));
    }
    ASSERT(is_closed(clients[2]));
    for (int i = 0; i < 2; i++) {
        ASSERT_OK(ask(clients[i], i));
        ASSERT_EQ(answer(clients[i]), i);
    }
    net_stats_get(net, &stats);
    ASSERT_EQ(stats.refused, 1);
    ASSERT_EQ(stats.connections, 2);
    /* A place is free again when one has left. */
    stream_close(clients[2]);
    stream_close(clients[0]);
    for (int i = 0; i < 1000 && stats.connections > 1; i++) {
        ASSERT_OK(fiber_sleep_ns(1000000));
        net_stats_get(net, &stats);
    }
    ASSERT_OK(client_new(net, &clients[0]));
    ASSERT_OK(ask(clients[0], 7));
    ASSERT_EQ(answer(clients[0]), 7);
    stream_close(clients[0]);
    stream_close(clients[1]);
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
