/* Simulated worlds: determinism, time, processes, and the network between them. */
#include "base/attr.h"
#include "base/mem.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "reactor/disk.h"
#include "reactor/random.h"
#include "reactor/sim.h"
#include "reactor/sync.h"
#include "reactor/tcp.h"
#include "unit/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

struct world {
    unsigned port;
    unsigned order[64];
    unsigned count;
    uint64_t numbers[8];
    int64_t results[8];
    struct sim_process *process;
    struct sim_host *host;
};

static int
note_one(void *arg)
{
    struct world *world = arg;
    if (world->count < ARRAY_SIZE(world->order)) {
        world->order[world->count++] = reactor_index();
    }
    return fiber_sleep_ns(random_below(1000000));
}

static int
call_other(void *arg)
{
    return reactor_call((reactor_index() + 1) % reactor_count(), note_one, arg);
}

static void
busy_main(void *arg)
{
    struct fiber_group group;
    struct file *file;
    fiber_group_init(&group);
    for (unsigned i = 0; i < 20; i++) {
        fiber_group_spawn(&group, "noter", i % 2 ? note_one : call_other, arg);
    }
    if (fiber_group_wait(&group) < 0 || file_open("x", FILE_WRITE | FILE_CREATE, &file) < 0) {
        return;
    }
    uint64_t word = random_u64();
    int r = file_write(file, &word, sizeof word, random_below(10000));
    ((struct world *)arg)->results[0] = r;
    file_close(file);
}

static uint64_t
busy_hash(uint64_t seed, struct world *world)
{
    struct sim *sim = sim_new(seed);
    struct reactors_options options = { .count = 3, .engine = IO_SIM, .sim = sim };
    *world = (struct world){ 0 };
    int r = reactors_run(&options, busy_main, world);
    uint64_t hash = r == 0 && world->results[0] == 0 ? sim_hash(sim) : 0;
    sim_free(sim);
    return hash;
}

TEST(the_same_seed_gives_the_same_run)
{
    struct world first;
    struct world second;
    for (uint64_t seed = 0; seed < 50; seed++) {
        uint64_t hash = busy_hash(seed, &first);
        ASSERT(hash != 0);
        ASSERT(busy_hash(seed, &second) == hash);
        ASSERT_BYTES(bytes_of(second.order, sizeof second.order),
                bytes_of(first.order, sizeof first.order));
        ASSERT(busy_hash(seed + 1, &second) != hash);
    }
}

static void
sleep_main(void *arg)
{
    struct world *world = arg;
    world->numbers[0] = clock_mono_ns();
    world->numbers[1] = (uint64_t)clock_wall_ms();
    world->results[0] = fiber_sleep_ns(3600ull * NS_PER_S);
    world->numbers[2] = clock_mono_ns();
    world->numbers[3] = (uint64_t)clock_wall_ms();
}

TEST(an_hour_passes_at_once)
{
    struct world world = { 0 };
    uint64_t start = clock_mono_ns();
    struct sim *sim = sim_new(1);
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    ASSERT_OK(reactors_run(&options, sleep_main, &world));
    ASSERT(world.numbers[2] - world.numbers[0] >= 3600ull * NS_PER_S);
    ASSERT(world.numbers[2] - world.numbers[0] < 3601ull * NS_PER_S);
    ASSERT_EQ((world.numbers[3] - world.numbers[1]) / 1000, 3600);
    ASSERT(clock_mono_ns() - start < NS_PER_S);
    sim_free(sim);
}

TEST(clocks_drift_jump_and_sleep)
{
    struct world fast = { 0 };
    struct world asleep = { 0 };
    struct sim *sim = sim_new(2);
    struct sim_host *hosts[2] = { sim_host(sim, "fast"), sim_host(sim, "asleep") };
    sim_clock_drift(hosts[0], 1000);
    sim_clock_jump(hosts[0], -5000);
    sim_host_suspend(hosts[1], 100ull * NS_PER_S);
    (void)sim_start(hosts[0], 1, "fast", sleep_main, &fast);
    ASSERT_OK(sim_run(sim, 4000ull * NS_PER_S));
    /* One in a thousand faster: an hour of its own is 3.6 seconds less of the world's. */
    uint64_t passed = sim_now_ns(sim) - 1000ull * NS_PER_S;
    ASSERT(passed > 3596ull * NS_PER_S && passed < 3597ull * NS_PER_S);
    ASSERT_EQ(((int64_t)fast.numbers[1] - 1767225600000) / 1000, -5);
    (void)sim_start(hosts[1], 1, "asleep", sleep_main, &asleep);
    ASSERT_OK(sim_run(sim, 4000ull * NS_PER_S));
    sim_free(sim);
}

/* Else its clock goes back, and its timers stand still when all is over. */
TEST(a_sleep_in_a_sleep_is_counted_once)
{
    struct world world = { 0 };
    struct sim *sim = sim_new(21);
    struct sim_host *host = sim_host(sim, "asleep");
    (void)sim_start(host, 1, "sleeper", sleep_main, &world);
    ASSERT_ERROR(sim_run(sim, 10ull * NS_PER_S), -ETIMEDOUT);
    sim_host_suspend(host, 100ull * NS_PER_S);
    sim_host_suspend(host, 50ull * NS_PER_S);
    ASSERT_ERROR(sim_run(sim, 50ull * NS_PER_S), -ETIMEDOUT);
    sim_host_suspend(host, 100ull * NS_PER_S);
    ASSERT_OK(sim_run(sim, 4000ull * NS_PER_S));
    uint64_t passed = sim_now_ns(sim) - 1000ull * NS_PER_S;
    ASSERT(passed > 3749ull * NS_PER_S && passed < 3751ull * NS_PER_S);
    ASSERT(world.numbers[2] - world.numbers[0] < 3601ull * NS_PER_S);
    sim_free(sim);
}

/* Else a clock that drifts is set back by what it would not have shown, or skips what it would. */
TEST(a_sleep_takes_from_a_clock_what_it_would_have_shown)
{
    struct world world = { 0 };
    struct sim *sim = sim_new(22);
    struct sim_host *host = sim_host(sim, "asleep");
    sim_clock_drift(host, -100000);
    (void)sim_start(host, 1, "sleeper", sleep_main, &world);
    ASSERT_ERROR(sim_run(sim, 10ull * NS_PER_S), -ETIMEDOUT);
    sim_host_suspend(host, 100ull * NS_PER_S);
    ASSERT_ERROR(sim_run(sim, 50ull * NS_PER_S), -ETIMEDOUT);
    sim_clock_drift(host, 0);
    ASSERT_OK(sim_run(sim, 4000ull * NS_PER_S));
    /* An hour of which ten seconds went at nine tenths of the speed; and the sleep. */
    uint64_t passed = sim_now_ns(sim) - 1000ull * NS_PER_S;
    ASSERT(passed > 3700ull * NS_PER_S && passed < 3702ull * NS_PER_S);
    sim_free(sim);
}

TEST(nothing_runs_on_a_paused_host)
{
    struct world world = { 0 };
    struct sim *sim = sim_new(20);
    struct sim_host *host = sim_host(sim, "paused");
    sim_host_pause(host, 50ull * NS_PER_S);
    (void)sim_start(host, 1, "sleeper", sleep_main, &world);
    ASSERT_ERROR(sim_run(sim, 49ull * NS_PER_S), -ETIMEDOUT);
    ASSERT_EQ(world.numbers[0], 0);
    ASSERT_ERROR(sim_run(sim, 2ull * NS_PER_S), -ETIMEDOUT);
    ASSERT(world.numbers[0] >= 1050ull * NS_PER_S);
    sim_free(sim);
}

static void
forever_main(void *arg)
{
    struct world *world = arg;
    struct wait_queue queue;
    wait_queue_init(&queue);
    void *memory = mem_alloc(100);
    world->results[0] = wait_queue_wait(&queue, DEADLINE_NONE);
    mem_free(memory);
}

TEST(a_world_in_which_nothing_can_happen_is_a_deadlock)
{
    struct world world = { 0 };
    struct sim *sim = sim_new(3);
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    ASSERT_ERROR(reactors_run(&options, forever_main, &world), -EDEADLK);
    ASSERT(strstr(test_fault(-1), "fiber main of local"));
    sim_free(sim);
    /* S1: cleaned up, not leaked (AddressSanitizer looks). */
    ASSERT_ERROR(world.results[0], -ECANCELED);
}

static void
exit_main(void *arg)
{
    (void)arg;
    process_exit(7);
}

TEST(process_exit_ends_only_the_simulated_process)
{
    struct sim *sim = sim_new(4);
    struct sim_process *process = sim_start(sim_host(sim, "a"), 1, "exit", exit_main, NULL);
    ASSERT_OK(sim_run(sim, NS_PER_S));
    ASSERT_EQ(sim_process_state(process), SIM_EXITED);
    ASSERT_EQ(sim_process_code(process), 7);
    ASSERT_EQ(sim_abandoned(sim), 1);
    sim_free(sim);
}

static void
signal_main(void *arg)
{
    struct world *world = arg;
    world->results[0] = signal_wait();
    world->results[1] = signal_wait();
}

TEST(signals_reach_the_simulated_process)
{
    struct world world = { 0 };
    struct sim *sim = sim_new(5);
    struct sim_process *process = sim_start(sim_host(sim, "a"), 1, "signals", signal_main, &world);
    sim_signal(process, SIGTERM);
    ASSERT_ERROR(sim_run(sim, NS_PER_S), -EDEADLK);
    sim_signal(process, SIGINT);
    ASSERT_OK(sim_run(sim, NS_PER_S));
    ASSERT_EQ(world.results[0], SIGTERM);
    ASSERT_EQ(world.results[1], SIGINT);
    sim_free(sim);
}

/* ---- network ---- */

#define PORT 9092

static void
serve_one(void *arg)
{
    struct stream *stream = arg;
    char data[1000];
    int64_t n;
    while ((n = stream_read(stream, data, sizeof data, DEADLINE_NONE)) > 0) {
        struct iovec part = { data, (size_t)n };
        if (stream_write(stream, &part, 1, DEADLINE_NONE) < 0) {
            break;
        }
    }
    stream_close(stream);
}

static void
server_main(void *arg)
{
    struct listener *listener;
    struct accepted accepted;
    struct stream *stream;
    (void)arg;
    if (tcp_listen("", PORT, &listener) < 0) {
        return;
    }
    while (listener_accept(listener, &accepted) == 0) {
        if (stream_adopt(&accepted, &stream) == 0 &&
                fiber_spawn("serve", serve_one, stream, NULL) < 0) {
            stream_close(stream);
        }
    }
    listener_close(listener);
}

/* Sends and reads back size bytes; 0 when all came back right. */
static int
exchange(struct stream *stream, size_t size, uint64_t deadline_ns)
{
    CLEANUP(mem_freep) uint8_t *data = mem_alloc(size);
    CLEANUP(mem_freep) uint8_t *back = mem_alloc(size);
    random_fill(data, size);
    size_t sent = 0;
    size_t done = 0;
    while (done < size) {
        size_t n = MIN(size - sent, (size_t)50000);
        struct iovec part = { data + sent, n };
        int r = n ? stream_write(stream, &part, 1, deadline_ns) : 0;
        if (r < 0) {
            return r;
        }
        sent += n;
        while (done < sent) {
            int64_t got = stream_read(stream, back + done, size - done, deadline_ns);
            if (got <= 0) {
                return got == 0 ? -ECONNRESET : (int)got;
            }
            done += (size_t)got;
        }
    }
    return memcmp(data, back, size) == 0 ? 0 : -EBADMSG;
}

static void
client_main(void *arg)
{
    struct world *world = arg;
    struct stream *stream;
    uint64_t deadline = clock_mono_ns() + 100ull * NS_PER_S;
    world->results[0] = tcp_connect("server", PORT, deadline, &stream);
    if (world->results[0] < 0) {
        return;
    }
    world->results[1] = exchange(stream, 1000000, deadline);
    world->count = 1;
    world->results[2] = fiber_sleep_ns(NS_PER_S);
    world->results[3] = exchange(stream, 1000, deadline);
    stream_close(stream);
}

static struct sim *
network_new(uint64_t seed, struct world *world)
{
    struct sim *sim = sim_new(seed);
    world->host = sim_host(sim, "server");
    world->process = sim_start(world->host, 1, "server", server_main, NULL);
    return sim;
}

TEST(a_megabyte_crosses_a_lossy_network)
{
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct world world = { 0 };
        struct sim *sim = network_new(seed, &world);
        struct sim_net_weather weather = { 100000, 5000000, 50000, 0, 60ull * NS_PER_S };
        sim_net_set_weather(sim, &weather);
        struct sim_process *client =
                sim_start(sim_host(sim, "client"), 1, "client", client_main, &world);
        ASSERT_OK(sim_run_process(client, 200ull * NS_PER_S));
        ASSERT_OK(world.results[0]);
        ASSERT_OK(world.results[1]);
        ASSERT_OK(world.results[3]);
        sim_free(sim);
    }
}

TEST(a_killed_server_resets_or_ends_its_connections)
{
    struct world world = { 0 };
    struct sim *sim = network_new(7, &world);
    struct sim_process *client =
            sim_start(sim_host(sim, "client"), 1, "client", client_main, &world);
    while (!world.count) {
        ASSERT_ERROR(sim_run(sim, 10 * NS_PER_MS), -ETIMEDOUT);
    }
    sim_kill(world.process);
    ASSERT_OK(sim_run_process(client, 200ull * NS_PER_S));
    ASSERT_OK(world.results[1]);
    ASSERT(world.results[3] == -ECONNRESET || world.results[3] == -EPIPE);
    sim_free(sim);
}

TEST(a_cut_network_times_out_and_a_mended_one_goes_on)
{
    for (int mend = 0; mend < 2; mend++) {
        struct world world = { 0 };
        struct sim *sim = network_new(8, &world);
        struct sim_host *client_host = sim_host(sim, "client");
        struct sim_process *client = sim_start(client_host, 1, "client", client_main, &world);
        while (!world.count) {
            ASSERT_ERROR(sim_run(sim, 10 * NS_PER_MS), -ETIMEDOUT);
        }
        sim_net_cut(world.host, client_host, true);
        ASSERT_ERROR(sim_run_process(client, 30ull * NS_PER_S), -ETIMEDOUT);
        if (mend) {
            sim_net_cut(world.host, client_host, false);
        }
        ASSERT_OK(sim_run_process(client, 200ull * NS_PER_S));
        ASSERT_EQ(world.results[3], mend ? 0 : -ETIMEDOUT);
        sim_free(sim);
    }
}

TEST(a_server_without_power_is_silent_until_it_is_asked)
{
    static const struct sim_crash keep_all = { .keep = SIM_KEEP_ALL };
    struct world world = { 0 };
    struct sim *sim = network_new(9, &world);
    struct sim_process *client =
            sim_start(sim_host(sim, "client"), 1, "client", client_main, &world);
    while (!world.count) {
        ASSERT_ERROR(sim_run(sim, 10 * NS_PER_MS), -ETIMEDOUT);
    }
    sim_power_cut(world.host, &keep_all);
    ASSERT_EQ(sim_process_state(world.process), SIM_KILLED);
    ASSERT_OK(sim_run_process(client, 200ull * NS_PER_S));
    ASSERT(world.results[3] == -ECONNRESET || world.results[3] == -EPIPE);
    sim_free(sim);
}

TEST(nobody_listens_there)
{
    struct world world = { 0 };
    struct sim *sim = sim_new(10);
    (void)sim_host(sim, "server");
    struct sim_process *client =
            sim_start(sim_host(sim, "client"), 1, "client", client_main, &world);
    ASSERT_OK(sim_run_process(client, NS_PER_S));
    ASSERT_ERROR(world.results[0], -ECONNREFUSED);
    sim_free(sim);
}

static void
driver_main(void *arg)
{
    struct world *world = arg;
    struct sim *sim = sim_current();
    for (int i = 0; i < 3; i++) {
        struct world *inner = mem_alloc(sizeof *inner);
        struct sim_process *process =
                sim_start(sim_host(sim, "victim"), 2, "victim", forever_main, inner);
        world->results[0] |= fiber_sleep_ns(NS_PER_MS);
        sim_kill(process);
        world->results[1] |= sim_wait(process);
        world->count += inner->results[0] == -ECANCELED;
        mem_free(inner);
    }
}

TEST(a_driver_process_kills_and_restarts_others)
{
    struct world world = { 0 };
    struct sim *sim = sim_new(11);
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    ASSERT_OK(reactors_run(&options, driver_main, &world));
    ASSERT_EQ(world.count, 3);
    ASSERT_EQ(world.results[0] | world.results[1], 0);
    sim_free(sim);
}

static int
double_it(void *arg)
{
    *(int *)arg *= 2;
    return 5;
}

static void
offload_main(void *arg)
{
    struct world *world = arg;
    int value = 21;
    world->results[0] = offload_run(double_it, &value);
    world->results[1] = value;
}

TEST(helper_work_is_done_in_place)
{
    struct world world = { 0 };
    struct sim *sim = sim_new(12);
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    ASSERT_OK(reactors_run(&options, offload_main, &world));
    ASSERT_EQ(world.results[0], 5);
    ASSERT_EQ(world.results[1], 42);
    sim_free(sim);
}
