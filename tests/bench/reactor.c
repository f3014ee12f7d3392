/* What the reactor costs: switches, wake-ups, timers, calls between threads, and an echo server
 * beside one of plain blocking threads, with the same client in the same run.
 *
 *   bench_reactor [seconds per line, default 1] */
#include "base/attr.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "reactor/context.h"
#include "reactor/sync.h"
#include "reactor/tcp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define CHUNK (256 * 1024)

static uint64_t line_ns = NS_PER_S;

static void
print_cost(const char *engine, const char *what, uint64_t start_ns, uint64_t count)
{
    uint64_t passed_ns = clock_mono_ns() - start_ns;
    printf("%-8s %-44s %10.1f ns\n", engine, what, (double)passed_ns / (double)count);
}

/* ---- without a reactor ---- */

static struct context contexts[2];

static void
bounce(void *arg)
{
    (void)arg;
    for (;;) {
        context_switch(&contexts[1], &contexts[0]);
    }
}

static void
bench_context(void)
{
    size_t size = 65536;
    void *stack = mem_alloc(size);
    uint64_t count = 10000000;
    context_make(&contexts[1], stack, size, bounce, NULL);
    uint64_t start = clock_mono_ns();
    for (uint64_t i = 0; i < count; i++) {
        context_switch(&contexts[0], &contexts[1]);
    }
    print_cost("-", "bare switch there and back", start, count);
    context_done(&contexts[1]);
    mem_free(stack);
}

/* ---- on one reactor ---- */

struct ping {
    struct wait_queue queues[2];
    uint64_t count;
    uint64_t deadline_ns;
    bool over;
};

static void
yield_until_over(void *arg)
{
    struct ping *ping = arg;
    while (!ping->over) {
        CHECK(fiber_yield() == 0);
    }
}

static void
bench_yield(const char *engine)
{
    struct ping ping = { 0 };
    struct fiber *fiber;
    uint64_t count = 1000000;
    CHECK(fiber_spawn("yield", yield_until_over, &ping, &fiber) == 0);
    uint64_t start = clock_mono_ns();
    for (uint64_t i = 0; i < count; i++) {
        CHECK(fiber_yield() == 0);
    }
    print_cost(engine, "yield of two fibers, each (a turn per two)", start, 2 * count);
    ping.over = true;
    fiber_join(fiber);
}

static void
answer(void *arg)
{
    struct ping *ping = arg;
    while (!ping->over) {
        CHECK(wait_queue_wait(&ping->queues[0], DEADLINE_NONE) == 0);
        wait_queue_wake_one(&ping->queues[1]);
    }
}

static void
bench_wake(const char *engine, const char *what, bool timer)
{
    struct ping ping = { 0 };
    struct fiber *fiber;
    uint64_t count = 500000;
    wait_queue_init(&ping.queues[0]);
    wait_queue_init(&ping.queues[1]);
    CHECK(fiber_spawn("answer", answer, &ping, &fiber) == 0);
    CHECK(fiber_yield() == 0);
    uint64_t start = clock_mono_ns();
    for (uint64_t i = 0; i < count; i++) {
        ping.over = i + 1 == count;
        wait_queue_wake_one(&ping.queues[0]);
        uint64_t deadline = timer ? start + 1000ull * NS_PER_S : DEADLINE_NONE;
        CHECK(wait_queue_wait(&ping.queues[1], deadline) == 0);
    }
    print_cost(engine, what, start, count);
    fiber_join(fiber);
}

static void
nothing(void *arg)
{
    (void)arg;
}

static void
bench_spawn(const char *engine)
{
    uint64_t count = 500000;
    uint64_t start = clock_mono_ns();
    for (uint64_t i = 0; i < count; i++) {
        struct fiber *fiber;
        CHECK(fiber_spawn("nothing", nothing, NULL, &fiber) == 0);
        fiber_join(fiber);
    }
    print_cost(engine, "spawn and join", start, count);
}

/* ---- between threads ---- */

static int
zero(void *arg)
{
    (void)arg;
    return 0;
}

static void
bench_call(const char *engine)
{
    uint64_t count = 50000;
    uint64_t start = clock_mono_ns();
    for (uint64_t i = 0; i < count; i++) {
        CHECK(reactor_call(1, zero, NULL) == 0);
    }
    print_cost(engine, "reactor_call, one at a time", start, count);
}

static int
call_many(void *arg)
{
    for (uint64_t i = 0; i < *(uint64_t *)arg; i++) {
        CHECK(reactor_call(1, zero, NULL) == 0);
    }
    return 0;
}

static void
bench_calls(const char *engine)
{
    uint64_t each = 10000;
    struct fiber_group group;
    fiber_group_init(&group);
    uint64_t start = clock_mono_ns();
    for (int i = 0; i < 64; i++) {
        fiber_group_spawn(&group, "caller", call_many, &each);
    }
    CHECK(fiber_group_wait(&group) == 0);
    print_cost(engine, "reactor_call, 64 at a time, each", start, 64 * each);
}

static void
bench_offload(const char *engine)
{
    uint64_t count = 20000;
    uint64_t start = clock_mono_ns();
    for (uint64_t i = 0; i < count; i++) {
        CHECK(offload_run(zero, NULL) == 0);
    }
    print_cost(engine, "offload_run", start, count);
}

/* ---- echo ---- */

struct load {
    uint16_t port;
    unsigned connections;
    size_t size;
    double per_s;
    double p50_us;
    double p99_us;
    double server_cpu_us; /* of all other threads of the process, per request */
};

static int
connect_blocking(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    int one = 1;
    int number = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(number >= 0 && connect(number, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
    return number;
}

static void
write_full(int number, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t n = send(number, at, size, MSG_NOSIGNAL);
        CHECK(n > 0);
        at += n;
        size -= (size_t)n;
    }
}

static void
read_full(int number, void *data, size_t size)
{
    char *at = data;
    while (size > 0) {
        ssize_t n = recv(number, at, size, 0);
        CHECK(n > 0);
        at += n;
        size -= (size_t)n;
    }
}

static int
compare_times(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* CPU time of the whole process less that of this thread. */
static double
others_cpu_us(void)
{
    struct rusage all;
    struct rusage mine;
    getrusage(RUSAGE_SELF, &all);
    getrusage(RUSAGE_THREAD, &mine);
    return (double)(all.ru_utime.tv_sec + all.ru_stime.tv_sec - mine.ru_utime.tv_sec -
                    mine.ru_stime.tv_sec) *
                   1e6 +
           (double)(all.ru_utime.tv_usec + all.ru_stime.tv_usec - mine.ru_utime.tv_usec -
                    mine.ru_stime.tv_usec);
}

/* One thread sends a request on each connection, then reads all answers. */
static int
load_run(void *arg)
{
    struct load *load = arg;
    int numbers[CONNECTIONS_MAX];
    size_t rounds_max = 1000000;
    double *times = mem_alloc_array(rounds_max, sizeof *times);
    char *data = mem_alloc(load->size);
    size_t rounds = 0;
    for (unsigned i = 0; i < load->connections; i++) {
        numbers[i] = connect_blocking(load->port);
    }
    double cpu = others_cpu_us();
    uint64_t start = clock_mono_ns();
    uint64_t now = start;
    while (now - start < line_ns && rounds < rounds_max) {
        for (unsigned i = 0; i < load->connections; i++) {
            write_full(numbers[i], data, load->size);
        }
        for (unsigned i = 0; i < load->connections; i++) {
            read_full(numbers[i], data, load->size);
        }
        uint64_t then = clock_mono_ns();
        times[rounds++] = (double)(then - now) / NS_PER_US;
        now = then;
    }
    load->server_cpu_us = (others_cpu_us() - cpu) / ((double)rounds * load->connections);
    for (unsigned i = 0; i < load->connections; i++) {
        close(numbers[i]);
    }
    qsort(times, rounds, sizeof *times, compare_times);
    load->per_s = (double)rounds * load->connections / ((double)(now - start) / NS_PER_S);
    load->p50_us = times[rounds / 2];
    load->p99_us = times[rounds * 99 / 100];
    mem_free(times);
    mem_free(data);
    return 0;
}

static void
print_load(const char *server, const struct load *load)
{
    printf("%-8s echo of %6zu bytes, %2u connections %12.0f /s %8.1f MB/s  p50 %8.1f p99 %8.1f us  "
           "CPU %6.1f us\n",
            server, load->size, load->connections, load->per_s,
            load->per_s * (double)load->size / 1e6, load->p50_us, load->p99_us,
            load->server_cpu_us);
}

static const struct load loads[] = {
    { .connections = 1, .size = 100 },
    { .connections = 64, .size = 100 },
    { .connections = 64, .size = 4096 },
    { .connections = 1, .size = 65536 },
    { .connections = 8, .size = 131072 },
};

static void *
bare_serve(void *arg)
{
    int number = (int)(intptr_t)arg;
    char *data = mem_alloc(CHUNK);
    ssize_t n;
    while ((n = recv(number, data, CHUNK, 0)) > 0) {
        write_full(number, data, (size_t)n);
    }
    close(number);
    mem_free(data);
    return NULL;
}

static void *
bare_accept(void *arg)
{
    int listener = (int)(intptr_t)arg;
    int one = 1;
    int number;
    while ((number = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        pthread_t thread;
        setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        CHECK(pthread_create(&thread, NULL, bare_serve, (void *)(intptr_t)number) == 0);
        pthread_detach(thread);
    }
    return NULL;
}

static void
bench_bare(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    pthread_t thread;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0 &&
            listen(listener, 128) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    CHECK(pthread_create(&thread, NULL, bare_accept, (void *)(intptr_t)listener) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
        struct load load = loads[i];
        load.port = ntohs(address.sin_port);
        load_run(&load);
        print_load("bare", &load);
    }
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
}

static void
serve(void *arg)
{
    struct stream *stream = arg;
    char *data = mem_alloc(CHUNK);
    int64_t n;
    while ((n = stream_read(stream, data, CHUNK, DEADLINE_NONE)) > 0) {
        struct iovec part = { data, (size_t)n };
        if (stream_write(stream, &part, 1, DEADLINE_NONE) < 0) {
            break;
        }
    }
    stream_close(stream);
    mem_free(data);
}

static void
accept_all(void *arg)
{
    struct accepted accepted;
    struct stream *stream;
    while (listener_accept(arg, &accepted) == 0) {
        CHECK(stream_adopt(&accepted, &stream) == 0);
        CHECK(fiber_spawn("serve", serve, stream, NULL) == 0);
    }
}

static void
bench_echo(const char *engine)
{
    struct listener *listener;
    struct fiber *fiber;
    CHECK(tcp_listen("127.0.0.1", 0, &listener) == 0);
    CHECK(fiber_spawn("accept", accept_all, listener, &fiber) == 0);
    for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
        struct load load = loads[i];
        load.port = listener_port(listener);
        CHECK(offload_run(load_run, &load) == 0);
        print_load(engine, &load);
    }
    fiber_cancel(fiber);
    fiber_join(fiber);
    listener_close(listener);
}

static void
engine_main(void *arg)
{
    const char *engine = arg;
    bench_yield(engine);
    bench_wake(engine, "wake-up there and back", false);
    bench_wake(engine, "the same with a timer armed and disarmed", true);
    bench_spawn(engine);
    bench_call(engine);
    bench_calls(engine);
    bench_offload(engine);
    bench_echo(engine);
}

int
main(int argc, char **argv)
{
    static const enum io_engine engines[] = { IO_URING, IO_THREADS };
    if (argc > 1) {
        line_ns = (uint64_t)(strtod(argv[1], NULL) * NS_PER_S);
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    bench_context();
    bench_bare();
    for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
        struct reactors_options options = {
            .count = 2, .engine = engines[i], .stall_warn_ns = NS_PER_S
        };
        const char *name = io_engine_name(engines[i]);
        if (reactors_run(&options, engine_main, (void *)(uintptr_t)name) < 0) {
            printf("%-8s %s\n", name, fault_text());
        }
    }
    return 0;
}
