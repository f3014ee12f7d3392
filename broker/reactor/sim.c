/* Worlds: time, seeds, events, hosts, and the loop. */
#include "reactor/sim.h"

#include "base/mem.h"
#include "reactor/sim_disk.h"
#include "reactor/sim_world.h"
#include "reactor/stack.h"

#include <errno.h>
#include <stdio.h>

/* 2026-01-01, so that timestamps look like timestamps. */
#define WALL_START_MS 1767225600000ll
/* Clocks do not start at zero: a deadline of "now minus something" must not wrap. */
#define MONO_START_NS (1000ull * NS_PER_S)
#define TURN_COST_NS 1000u

_Thread_local struct sim *sim_here;

/* Stacks outlive a simulation: making them is most of the cost of starting one. */
static _Thread_local struct fiber_pool *thread_pool;

static uint64_t
seed_next(uint64_t *seed)
{
    *seed += 0x9e3779b97f4a7c15u;
    return hash_u64(*seed);
}

struct sim *
sim_new(uint64_t seed)
{
    struct sim *sim = mem_alloc(sizeof *sim);
    if (!thread_pool) {
        thread_pool = fiber_pool_new(4 * FIBERS_MAX);
    }
    sim->pool = thread_pool;
    sim->now_ns = MONO_START_NS;
    sim->world_seed = hash_u64(seed ^ 0x776f726c64u);
    sim->program_seed = hash_u64(seed ^ 0x70726f6772616du);
    sim->test_seed = hash_u64(seed ^ 0x74657374u);
    timers_init(&sim->events);
    list_init(&sim->hosts);
    list_init(&sim->processes);
    list_init(&sim->endpoints);
    list_init(&sim->listeners);
    list_init(&sim->cuts);
    sim->net = (struct sim_net_weather){ .latency_min_ns = 50 * NS_PER_US,
        .latency_max_ns = 500 * NS_PER_US,
        .give_up_ns = 60ull * NS_PER_S };
    return sim;
}

static void
run_events(struct sim *sim, uint64_t until_ns)
{
    struct timer *timer;
    while ((timer = timers_pop_due(&sim->events, until_ns))) {
        struct sim_event *event = CONTAINER_OF(timer, struct sim_event, timer);
        sim->now_ns = MAX(sim->now_ns, timer->due_ns);
        sim_note(sim, 1, timer->due_ns, timer->order);
        event->fn(sim, event);
    }
}

void
sim_free(struct sim *sim)
{
    struct sim *before = sim_here;
    CHECK(!reactor_here);
    sim_here = sim;
    LIST_FOREACH (node, &sim->processes) {
        struct sim_process *process = CONTAINER_OF(node, struct sim_process, link);
        sim_kill(process);
        while (!process->over) {
            sim_process_settle(process);
        }
    }
    /* What is still on its way to a disk lands. */
    run_events(sim, UINT64_MAX);
    sim_net_free(sim);
    while (!list_is_empty(&sim->processes)) {
        sim_process_free(CONTAINER_OF(sim->processes.next, struct sim_process, link));
    }
    struct list *node;
    while ((node = list_pop_front(&sim->hosts))) {
        struct sim_host *host = CONTAINER_OF(node, struct sim_host, link);
        sim_disk_free(host->disk);
        mem_free(host);
    }
    timers_done(&sim->events);
    mem_free(sim);
    sim_here = before == sim ? NULL : before;
}

uint64_t
sim_hash(const struct sim *sim)
{
    return sim->hash;
}

uint64_t
sim_now_ns(const struct sim *sim)
{
    return sim->now_ns;
}

uint64_t
sim_random_below(struct sim *sim, uint64_t bound)
{
    CHECK(bound > 0);
    return seed_next(&sim->test_seed) % bound;
}

struct sim *
sim_current(void)
{
    return sim_here;
}

uint64_t
sim_abandoned(const struct sim *sim)
{
    return sim->abandoned;
}

uint64_t
sim_world_random(struct sim *sim)
{
    return seed_next(&sim->world_seed);
}

uint64_t
sim_world_between(struct sim *sim, uint64_t min, uint64_t max)
{
    return max <= min ? min : min + sim_world_random(sim) % (max - min + 1);
}

bool
sim_world_chance(struct sim *sim, unsigned ppm)
{
    return ppm > 0 && sim_world_random(sim) % 1000000 < ppm;
}

void
sim_note(struct sim *sim, uint64_t kind, uint64_t a, uint64_t b)
{
    sim->hash = hash_u64(sim->hash ^ hash_u64(kind * 0x9e3779b97f4a7c15u ^ a) ^ b);
}

void
sim_event_at(struct sim *sim, struct sim_event *event, uint64_t time_ns)
{
    timer_init(&event->timer);
    timer_arm_ordered(
            &sim->events, &event->timer, MAX(time_ns, sim->now_ns), sim_world_random(sim));
}

/* ---- clocks ---- */

uint64_t
sim_host_clock(const struct sim_host *host, uint64_t now_ns)
{
    uint64_t passed = now_ns - host->base_ns;
    __int128 drift = (__int128)passed * host->ppm / 1000000;
    return host->host_base_ns + passed + (uint64_t)drift;
}

/* The world's time at which the host's monotonic clock shows that. */
static uint64_t
world_time_of(const struct sim_host *host, uint64_t mono_ns)
{
    uint64_t shown =
            mono_ns > UINT64_MAX - host->asleep_ns ? UINT64_MAX : mono_ns + host->asleep_ns;
    if (shown <= host->host_base_ns) {
        return host->base_ns;
    }
    unsigned __int128 passed = (unsigned __int128)(shown - host->host_base_ns) * 1000000 /
                               (unsigned)(1000000 + host->ppm);
    if (passed > UINT64_MAX - host->base_ns - 2) {
        return UINT64_MAX;
    }
    /* The division rounds down twice; two nanoseconds more are never too early. */
    return host->ppm == 0 ? host->base_ns + (uint64_t)passed : host->base_ns + (uint64_t)passed + 2;
}

static struct sim_host *
host_here(void)
{
    return reactor_here ? reactor_here->reactors->sim->host : NULL;
}

void
sim_die_abruptly(struct sim *sim)
{
    sim->abrupt = true;
}

const char *
sim_whoami(void)
{
    const struct sim_host *host = host_here();
    return host ? host->name : NULL;
}

uint64_t
sim_boot_ns(void)
{
    struct sim_host *host = host_here();
    return host ? sim_host_clock(host, sim_here->now_ns) : sim_here->now_ns;
}

uint64_t
sim_mono_ns(void)
{
    struct sim_host *host = host_here();
    return sim_boot_ns() - (host ? host->asleep_ns : 0);
}

int64_t
sim_wall_ms(void)
{
    struct sim_host *host = host_here();
    return WALL_START_MS + (int64_t)((sim_boot_ns() - MONO_START_NS) / NS_PER_MS) +
           (host ? host->wall_jump_ms : 0);
}

uint64_t
sim_random_u64(void)
{
    return seed_next(&sim_here->program_seed);
}

/* ---- hosts ---- */

struct sim_host *
sim_host(struct sim *sim, const char *name)
{
    LIST_FOREACH (node, &sim->hosts) {
        struct sim_host *host = CONTAINER_OF(node, struct sim_host, link);
        if (strcmp(host->name, name) == 0) {
            return host;
        }
    }
    CHECK(strlen(name) < SIM_NAME_SIZE && sim->host_count < 250);
    struct sim_host *host = mem_alloc(sizeof *host);
    host->sim = sim;
    snprintf(host->name, sizeof host->name, "%s", name);
    snprintf(host->address, sizeof host->address, "10.0.0.%u", ++sim->host_count);
    host->base_ns = sim->now_ns;
    host->host_base_ns = sim->now_ns;
    host->disk = sim_disk_new();
    host->weather = (struct sim_disk_weather){ .latency_min_ns = 20 * NS_PER_US,
        .latency_max_ns = 200 * NS_PER_US,
        .stall_ns = 2ull * NS_PER_S };
    host->port_next = 40000;
    list_init(&host->in_flight);
    list_push_back(&sim->hosts, &host->link);
    return host;
}

const char *
sim_host_address(const struct sim_host *host)
{
    return host->address;
}

void
sim_host_pause(struct sim_host *host, uint64_t duration_ns)
{
    host->paused_until_ns = MAX(host->paused_until_ns, host->sim->now_ns + duration_ns);
}

void
sim_host_suspend(struct sim_host *host, uint64_t duration_ns)
{
    uint64_t from_ns = MAX(host->sim->now_ns, host->asleep_until_ns);
    uint64_t until_ns = host->sim->now_ns + duration_ns;
    sim_host_pause(host, duration_ns);
    /* The clock must not go back: it loses the time at once only because nothing runs there to see
     * it; and none twice of a sleep in a sleep. */
    if (until_ns > from_ns) {
        host->asleep_ns += sim_host_clock(host, until_ns) - sim_host_clock(host, from_ns);
        host->asleep_until_ns = until_ns;
    }
}

void
sim_clock_jump(struct sim_host *host, int64_t wall_ms)
{
    host->wall_jump_ms += wall_ms;
}

void
sim_clock_drift(struct sim_host *host, int ppm)
{
    CHECK(ppm > -500000 && ppm < 500000);
    uint64_t now_ns = host->sim->now_ns;
    uint64_t asleep_until_ns = MAX(host->asleep_until_ns, now_ns);
    /* What it sleeps on was counted as the clock would have gone. */
    host->asleep_ns -= sim_host_clock(host, asleep_until_ns) - sim_host_clock(host, now_ns);
    host->host_base_ns = sim_host_clock(host, now_ns);
    host->base_ns = now_ns;
    host->ppm = ppm;
    host->asleep_ns += sim_host_clock(host, asleep_until_ns) - sim_host_clock(host, now_ns);
}

/* ---- the loop ---- */

/* One of the reactors that can run now, by the seed; NULL when none can. */
static struct reactor *
choose_runnable(struct sim *sim)
{
    struct reactor *chosen = NULL;
    unsigned seen = 0;
    LIST_FOREACH (node, &sim->processes) {
        struct sim_process *process = CONTAINER_OF(node, struct sim_process, link);
        if (process->over || process->host->paused_until_ns > sim->now_ns) {
            continue;
        }
        for (unsigned i = 0; i < process->reactors->count; i++) {
            struct reactor *reactor = process->reactors->all[i];
            if (sim_reactor_is_runnable(reactor)) {
                seen++;
                chosen = seen == 1 || sim_world_random(sim) % seen == 0 ? reactor : chosen;
            }
        }
    }
    return chosen;
}

/* When the process can next do something by itself. */
static uint64_t
process_next_ns(struct sim_process *process)
{
    uint64_t next_ns = UINT64_MAX;
    for (unsigned i = 0; i < process->reactors->count; i++) {
        uint64_t due_ns = timers_next_ns(&process->reactors->all[i]->timers);
        if (due_ns != UINT64_MAX) {
            next_ns = MIN(next_ns, world_time_of(process->host, due_ns));
        }
        if (sim_reactor_is_runnable(process->reactors->all[i])) {
            next_ns = 0;
        }
    }
    return next_ns == UINT64_MAX ? next_ns : MAX(next_ns, process->host->paused_until_ns);
}

static uint64_t
world_next_ns(struct sim *sim)
{
    uint64_t next_ns = timers_next_ns(&sim->events);
    LIST_FOREACH (node, &sim->processes) {
        struct sim_process *process = CONTAINER_OF(node, struct sim_process, link);
        if (!process->over) {
            next_ns = MIN(next_ns, process_next_ns(process));
        }
    }
    return next_ns;
}

static void
settle_all(struct sim *sim)
{
    LIST_FOREACH_SAFE (node, &sim->processes) {
        struct sim_process *process = CONTAINER_OF(node, struct sim_process, link);
        if (!process->over) {
            sim_process_settle(process);
        }
    }
}

/* Does what can be done now, or lets time pass until the next event, but not beyond end_ns. False
 * when nothing can happen any more. */
static bool
world_step(struct sim *sim, uint64_t end_ns)
{
    run_events(sim, sim->now_ns);
    struct reactor *reactor = choose_runnable(sim);
    if (reactor) {
        sim_reactor_turn(reactor);
        sim->now_ns += TURN_COST_NS + sim_world_random(sim) % TURN_COST_NS;
        settle_all(sim);
        return true;
    }
    settle_all(sim);
    uint64_t next_ns = world_next_ns(sim);
    if (next_ns == UINT64_MAX) {
        return false;
    }
    sim->now_ns = MAX(sim->now_ns, MIN(next_ns, end_ns));
    return true;
}

static bool
is_over(struct sim *sim, const struct sim_process *only)
{
    if (only) {
        return only->over;
    }
    LIST_FOREACH (node, &sim->processes) {
        if (!CONTAINER_OF(node, struct sim_process, link)->over) {
            return false;
        }
    }
    return true;
}

static int
deadlock_fault(struct sim *sim)
{
    LIST_FOREACH (node, &sim->processes) {
        struct sim_process *process = CONTAINER_OF(node, struct sim_process, link);
        for (unsigned i = 0; !process->over && i < process->reactors->count; i++) {
            struct fiber *fiber =
                    LIST_FIRST(&process->reactors->all[i]->alive, struct fiber, alive);
            if (fiber) {
                return fault(-EDEADLK,
                        "sim: nothing can happen any more; fiber %s of %s on %s waits", fiber->name,
                        process->name, process->host->name);
            }
        }
    }
    return fault(-EDEADLK, "sim: nothing can happen any more");
}

static int
world_run(struct sim *sim, const struct sim_process *only, uint64_t limit_ns)
{
    struct sim *before = sim_here;
    uint64_t end_ns = limit_ns > UINT64_MAX - sim->now_ns ? UINT64_MAX : sim->now_ns + limit_ns;
    int r = 0;
    CHECK(!reactor_here);
    sim_here = sim;
    while (r == 0 && !is_over(sim, only)) {
        if (!world_step(sim, end_ns) && !is_over(sim, only)) {
            r = deadlock_fault(sim);
        } else if (sim->now_ns >= end_ns && !is_over(sim, only)) {
            r = fault(-ETIMEDOUT, "sim: not over after %llu ms of its time",
                    (unsigned long long)(limit_ns / NS_PER_MS));
        }
    }
    sim_here = before;
    return r;
}

int
sim_run(struct sim *sim, uint64_t limit_ns)
{
    return world_run(sim, NULL, limit_ns);
}

int
sim_run_process(struct sim_process *process, uint64_t limit_ns)
{
    return world_run(process->host->sim, process, limit_ns);
}
