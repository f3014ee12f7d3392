/* Streams and listeners on the real engines. */
#include "base/attr.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "reactor/random.h"
#include "reactor/sync.h"
#include "reactor/tcp.h"
#include "unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define MEGABYTE ((size_t)1 << 20)

/* A listener on loopback and both ends of one connection. */
struct pair {
    struct listener *listener;
    struct stream *client;
    struct stream *server;
};

static int
pair_open(struct pair *pair)
{
    struct accepted accepted;
    int r = tcp_listen("127.0.0.1", 0, &pair->listener);
    if (r < 0) {
        return r;
    }
    r = tcp_connect("127.0.0.1", listener_port(pair->listener), DEADLINE_NONE, &pair->client);
    if (r < 0) {
        return r;
    }
    r = listener_accept(pair->listener, &accepted);
    return r < 0 ? r : stream_adopt(&accepted, &pair->server);
}

static void
pair_close(struct pair *pair)
{
    stream_close(pair->client);
    stream_close(pair->server);
    listener_close(pair->listener);
}

static int
write_text(struct stream *stream, const char *text)
{
    struct iovec part = { (void *)(uintptr_t)text, strlen(text) };
    return stream_write(stream, &part, 1, DEADLINE_NONE);
}

FIBER_TEST(two_ends_know_each_other)
{
    struct pair pair;
    char data[16];
    ASSERT_OK(pair_open(&pair));
    ASSERT(listener_port(pair.listener) > 0);
    ASSERT_STRING(stream_peer(pair.server), stream_local(pair.client));
    ASSERT_STRING(stream_local(pair.server), stream_peer(pair.client));
    ASSERT(strncmp(stream_peer(pair.client), "127.0.0.1:", 10) == 0);
    ASSERT_OK(write_text(pair.client, "hello"));
    ASSERT_EQ(stream_read(pair.server, data, sizeof data, DEADLINE_NONE), 5);
    ASSERT_BYTES(bytes_of(data, 5), BYTES_LITERAL("hello"));
    pair_close(&pair);
}

FIBER_TEST(a_shutdown_reads_as_the_end)
{
    struct pair pair;
    char data[4];
    ASSERT_OK(pair_open(&pair));
    stream_shutdown(pair.client);
    ASSERT_EQ(stream_read(pair.server, data, sizeof data, DEADLINE_NONE), 0);
    pair_close(&pair);
}

static void
shutdown_soon(void *arg)
{
    if (fiber_sleep_ns(2 * NS_PER_MS) == 0) {
        stream_shutdown(arg);
    }
}

FIBER_TEST(a_peer_that_has_left_is_known_before_its_bytes_are_read)
{
    struct pair pair;
    char data[16];
    ASSERT_OK(pair_open(&pair));
    ASSERT(!stream_is_ended_by_peer(pair.server));
    ASSERT_OK(write_text(pair.client, "unread"));
    ASSERT(!stream_is_ended_by_peer(pair.server));
    stream_shutdown(pair.client);
    for (int i = 0; i < 1000 && !stream_is_ended_by_peer(pair.server); i++) {
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    ASSERT(stream_is_ended_by_peer(pair.server));
    ASSERT_EQ(stream_read(pair.server, data, sizeof data, DEADLINE_NONE), 6);
    pair_close(&pair);
}

FIBER_TEST(a_waiting_reader_ends_when_its_own_stream_is_shut_down)
{
    struct pair pair;
    struct fiber *fiber;
    char data[4];
    ASSERT_OK(pair_open(&pair));
    ASSERT_OK(fiber_spawn("shutdown", shutdown_soon, pair.server, &fiber));
    ASSERT(stream_read(pair.server, data, sizeof data, DEADLINE_NONE) <= 0);
    fiber_join(fiber);
    pair_close(&pair);
}

FIBER_TEST(reads_and_writes_of_nothing)
{
    struct pair pair;
    char data[4];
    struct iovec empty[3] = { { NULL, 0 }, { data, 0 }, { NULL, 0 } };
    ASSERT_OK(pair_open(&pair));
    ASSERT_ERROR(stream_read(pair.server, data, 0, DEADLINE_NONE), -EINVAL);
    ASSERT_OK(stream_write(pair.client, NULL, 0, DEADLINE_NONE));
    ASSERT_OK(stream_write(pair.client, empty, 3, DEADLINE_NONE));
    uint64_t deadline = clock_mono_ns() + 3 * NS_PER_MS;
    ASSERT_ERROR(stream_read(pair.server, data, 4, deadline), -ETIMEDOUT);
    pair_close(&pair);
}

FIBER_TEST(a_read_ends_at_its_deadline_and_the_stream_still_works)
{
    struct pair pair;
    char data[8];
    ASSERT_OK(pair_open(&pair));
    uint64_t start = clock_mono_ns();
    ASSERT_ERROR(stream_read(pair.server, data, sizeof data, start + 5 * NS_PER_MS), -ETIMEDOUT);
    ASSERT(clock_mono_ns() - start >= 5 * NS_PER_MS);
    ASSERT_OK(write_text(pair.client, "later"));
    ASSERT_EQ(stream_read(pair.server, data, sizeof data, DEADLINE_NONE), 5);
    pair_close(&pair);
}

FIBER_TEST(a_write_ends_at_its_deadline_when_nobody_reads)
{
    struct pair pair;
    uint8_t *data = mem_alloc(64 * MEGABYTE);
    struct iovec part = { data, 64 * MEGABYTE };
    ASSERT_OK(pair_open(&pair));
    uint64_t deadline = clock_mono_ns() + 20 * NS_PER_MS;
    ASSERT_ERROR(stream_write(pair.client, &part, 1, deadline), -ETIMEDOUT);
    pair_close(&pair);
    mem_free(data);
}

FIBER_TEST(more_parts_than_one_call_takes_arrive_in_order)
{
    struct pair pair;
    size_t count = IOV_MAX * 3 + 7;
    struct iovec *parts = mem_alloc_array(count, sizeof *parts);
    uint8_t *text = mem_alloc(count);
    uint8_t *got = mem_alloc(count);
    ASSERT_OK(pair_open(&pair));
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        text[i] = (uint8_t)(i * 7);
        /* Every fifth part is empty. */
        parts[i] = (struct iovec){ text + i, i % 5 ? 1 : 0 };
        size += parts[i].iov_len;
    }
    ASSERT_OK(stream_write(pair.client, parts, count, DEADLINE_NONE));
    size_t done = 0;
    while (done < size) {
        int64_t n = stream_read(pair.server, got + done, size - done, DEADLINE_NONE);
        ASSERT(n > 0);
        done += (size_t)n;
    }
    size_t at = 0;
    bool same = true;
    for (size_t i = 0; i < count; i++) {
        same = same && (i % 5 == 0 || got[at++] == text[i]);
    }
    ASSERT(same);
    pair_close(&pair);
    mem_free(parts);
    mem_free(text);
    mem_free(got);
}

struct echo {
    struct listener *listener;
    struct stream *stream;
    size_t total;
    uint64_t seed;
    int result;
};

static size_t
chunk_size(uint64_t *seed)
{
    *seed = hash_u64(*seed + 1);
    /* From one byte to 256 KiB, mostly small. */
    return 1 + (size_t)(*seed % ((uint64_t)1 << (*seed >> 32) % 19));
}

static int
echo_serve(struct echo *echo)
{
    CLEANUP(mem_freep) uint8_t *data = mem_alloc(256 * 1024);
    struct accepted accepted;
    int r = listener_accept(echo->listener, &accepted);
    if (r < 0) {
        return r;
    }
    r = stream_adopt(&accepted, &echo->stream);
    if (r < 0) {
        return r;
    }
    for (;;) {
        int64_t n = stream_read(echo->stream, data, chunk_size(&echo->seed), DEADLINE_NONE);
        if (n <= 0) {
            break;
        }
        struct iovec part = { data, (size_t)n };
        r = stream_write(echo->stream, &part, 1, DEADLINE_NONE);
        if (r < 0) {
            break;
        }
    }
    stream_close(echo->stream);
    return r;
}

static void
echo_main(void *arg)
{
    struct echo *echo = arg;
    echo->result = echo_serve(echo);
}

/* The byte at a position of the endless pattern. */
static uint8_t
pattern(size_t position)
{
    return (uint8_t)(position * 2654435761u >> 13);
}

static void
echo_send(void *arg)
{
    struct echo *echo = arg;
    uint8_t *data = mem_alloc(256 * 1024);
    for (size_t done = 0; done < echo->total;) {
        size_t size = MIN(chunk_size(&echo->seed), echo->total - done);
        for (size_t i = 0; i < size; i++) {
            data[i] = pattern(done + i);
        }
        struct iovec parts[2] = { { data, size / 3 }, { data + size / 3, size - size / 3 } };
        echo->result = stream_write(echo->stream, parts, 2, DEADLINE_NONE);
        if (echo->result < 0) {
            break;
        }
        done += size;
    }
    mem_free(data);
}

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define ECHO_SIZE (10 * MEGABYTE)
#else
#define ECHO_SIZE (100 * MEGABYTE)
#endif

FIBER_TEST(a_hundred_megabytes_come_back_in_random_pieces)
{
    struct echo server = { .seed = 1 };
    struct echo client = { .seed = 2, .total = ECHO_SIZE };
    struct fiber *fibers[2];
    uint8_t *data = mem_alloc(256 * 1024);
    uint64_t seed = 3;
    ASSERT_OK(tcp_listen("", 0, &server.listener));
    ASSERT_OK(fiber_spawn("echo", echo_main, &server, &fibers[0]));
    uint16_t port = listener_port(server.listener);
    ASSERT_OK(tcp_connect("127.0.0.1", port, DEADLINE_NONE, &client.stream));
    ASSERT_OK(fiber_spawn("send", echo_send, &client, &fibers[1]));
    bool same = true;
    size_t done = 0;
    while (done < client.total && same) {
        int64_t n = stream_read(client.stream, data, chunk_size(&seed), DEADLINE_NONE);
        ASSERT(n > 0);
        for (size_t i = 0; i < (size_t)n; i++) {
            same = same && data[i] == pattern(done + i);
        }
        done += (size_t)n;
    }
    ASSERT(same);
    ASSERT_EQ(done, client.total);
    fiber_join(fibers[1]);
    stream_close(client.stream);
    fiber_join(fibers[0]);
    ASSERT_OK(client.result);
    ASSERT_OK(server.result);
    listener_close(server.listener);
    mem_free(data);
}

struct waiter {
    struct pair *pair;
    int64_t result;
};

static void
read_forever(void *arg)
{
    struct waiter *waiter = arg;
    char data[8];
    waiter->result = stream_read(waiter->pair->server, data, sizeof data, DEADLINE_NONE);
}

static void
write_forever(void *arg)
{
    struct waiter *waiter = arg;
    uint8_t *data = mem_alloc(64 * MEGABYTE);
    struct iovec part = { data, 64 * MEGABYTE };
    waiter->result = stream_write(waiter->pair->client, &part, 1, DEADLINE_NONE);
    mem_free(data);
}

static void
accept_forever(void *arg)
{
    struct waiter *waiter = arg;
    struct accepted accepted;
    waiter->result = listener_accept(waiter->pair->listener, &accepted);
}

/* R1: a cancelled wait ends only after its operation. */
FIBER_TEST(waits_for_the_network_can_be_cancelled)
{
    static const fiber_fn fns[] = { read_forever, write_forever, accept_forever };
    for (size_t i = 0; i < ARRAY_SIZE(fns); i++) {
        struct pair pair;
        struct waiter waiter = { .pair = &pair };
        struct fiber *fiber;
        ASSERT_OK(pair_open(&pair));
        ASSERT_OK(fiber_spawn("waiter", fns[i], &waiter, &fiber));
        ASSERT_OK(fiber_sleep_ns(3 * NS_PER_MS));
        fiber_cancel(fiber);
        fiber_join(fiber);
        ASSERT_ERROR(waiter.result, -ECANCELED);
        pair_close(&pair);
    }
}

FIBER_TEST(one_fiber_reads_while_another_writes)
{
    struct pair pair;
    struct fiber *fiber;
    struct waiter waiter = { .pair = &pair };
    ASSERT_OK(pair_open(&pair));
    ASSERT_OK(fiber_spawn("reader", read_forever, &waiter, &fiber));
    ASSERT_OK(fiber_yield());
    ASSERT_OK(write_text(pair.server, "down"));
    ASSERT_OK(write_text(pair.client, "up"));
    fiber_join(fiber);
    ASSERT_EQ(waiter.result, 2);
    pair_close(&pair);
}

FIBER_TEST(a_refused_connection_is_an_error_that_names_the_port)
{
    struct listener *listener;
    struct stream *stream;
    char port_text[16];
    ASSERT_OK(tcp_listen("127.0.0.1", 0, &listener));
    uint16_t port = listener_port(listener);
    listener_close(listener);
    ASSERT_ERROR(tcp_connect("127.0.0.1", port, DEADLINE_NONE, &stream), -ECONNREFUSED);
    snprintf(port_text, sizeof port_text, "port %u", port);
    ASSERT(strstr(test_fault(-1), port_text));
}

FIBER_TEST(an_address_in_use_is_an_error)
{
    struct listener *listener;
    struct listener *second;
    ASSERT_OK(tcp_listen("127.0.0.1", 0, &listener));
    ASSERT_ERROR(tcp_listen("127.0.0.1", listener_port(listener), &second), -EADDRINUSE);
    listener_close(listener);
}

static void
close_main(void *arg)
{
    uint64_t waits = mark_count("tcp: waits for an address that is in use");
    while (mark_count("tcp: waits for an address that is in use") == waits &&
            fiber_sleep_ns(NS_PER_MS) == 0) {
    }
    listener_close(arg);
}

FIBER_TEST(an_address_that_is_about_to_be_free_is_waited_for)
{
    struct listener *listener;
    struct listener *second;
    struct fiber *fiber;
    ASSERT_OK(tcp_listen("127.0.0.1", 0, &listener));
    uint16_t port = listener_port(listener);
    ASSERT_OK(fiber_spawn("close", close_main, listener, &fiber));
    ASSERT_OK(tcp_listen("127.0.0.1", port, &second));
    fiber_join(fiber);
    listener_close(second);
}

FIBER_TEST(names_are_resolved)
{
    struct listener *listener;
    struct stream *stream;
    ASSERT_OK(tcp_listen("", 0, &listener));
    ASSERT_OK(tcp_connect("localhost", listener_port(listener), DEADLINE_NONE, &stream));
    stream_close(stream);
    listener_close(listener);
    ASSERT_ERROR(tcp_listen("no.such.host.invalid", 0, &listener), -EADDRNOTAVAIL);
}

struct handed {
    struct accepted accepted;
};

static int
greet_there(void *arg)
{
    struct handed *handed = arg;
    struct stream *stream;
    int r = stream_adopt(&handed->accepted, &stream);
    if (r < 0) {
        return r;
    }
    r = write_text(stream, reactor_index() == 1 ? "one" : "other");
    stream_close(stream);
    return r;
}

FIBER_TEST(a_connection_is_handed_to_another_reactor)
{
    struct listener *listener;
    struct stream *client;
    struct handed handed;
    char data[8];
    ASSERT_OK(tcp_listen("127.0.0.1", 0, &listener));
    ASSERT_OK(tcp_connect("127.0.0.1", listener_port(listener), DEADLINE_NONE, &client));
    ASSERT_OK(listener_accept(listener, &handed.accepted));
    ASSERT_OK(reactor_call(1, greet_there, &handed));
    ASSERT_EQ(stream_read(client, data, sizeof data, DEADLINE_NONE), 3);
    ASSERT_BYTES(bytes_of(data, 3), BYTES_LITERAL("one"));
    stream_close(client);
    listener_close(listener);
}

FIBER_TEST(an_accept_without_descriptors_fails_after_a_pause)
{
    struct listener *listener;
    struct stream *client;
    struct accepted accepted;
    struct rlimit before;
    ASSERT_OK(tcp_listen("127.0.0.1", 0, &listener));
    ASSERT_OK(tcp_connect("127.0.0.1", listener_port(listener), DEADLINE_NONE, &client));
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    int next = dup(0);
    struct rlimit now = { (rlim_t)next, before.rlim_max };
    close(next);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &now), 0);
    uint64_t start = clock_mono_ns();
    int r = listener_accept(listener, &accepted);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    ASSERT_ERROR(r, -EMFILE);
    ASSERT(clock_mono_ns() - start >= 10 * NS_PER_MS);
    ASSERT_OK(listener_accept(listener, &accepted));
    close(accepted.descriptor);
    stream_close(client);
    listener_close(listener);
}
