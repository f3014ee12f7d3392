/* Simulated processes: start, signals, crash points, and the three ways to end. */
#include "base/mem.h"
#include "reactor/sim_world.h"
#include "reactor/stack.h"

#include <errno.h>
#include <stdio.h>

struct sim_process *
sim_process_here(void)
{
    CHECK(is_sim());
    return reactor_here->reactors->sim;
}

static void
sim_main_fiber(void *arg)
{
    struct reactors *reactors = arg;
    reactors->main_fn(reactors->main_arg);
    atomic_store(&reactors->phase, RUN_STOPPING);
}

struct sim_process *
sim_start(struct sim_host *host, unsigned count, const char *name, fiber_fn main_fn, void *arg)
{
    struct sim *sim = host->sim;
    struct sim_process *process = mem_alloc(sizeof *process);
    struct reactors *reactors = mem_alloc(sizeof *reactors);
    CHECK(count > 0 && count <= REACTORS_MAX);
    process->host = host;
    process->reactors = reactors;
    snprintf(process->name, sizeof process->name, "%s", name);
    list_init(&process->handles);
    list_init(&process->waiters);
    reactors->count = count;
    reactors->kind = IO_SIM;
    reactors->stall_warn_ns = UINT64_MAX;
    reactors->main_fn = main_fn;
    reactors->main_arg = arg;
    reactors->sim = process;
    atomic_store(&reactors->phase, RUN_RUNNING);
    for (unsigned i = 0; i < count; i++) {
        struct reactor *reactor = mem_alloc(sizeof *reactor);
        reactor_init(reactor, reactors, i);
        reactor->wake_descriptor = -1;
        reactor->pool = sim->pool;
        reactors->all[i] = reactor;
    }
    int r = fiber_start(reactors->all[0], "main", sim_main_fiber, reactors, NULL);
    CHECK(r == 0);
    list_push_back(&sim->processes, &process->link);
    sim_note(sim, 2, count, bytes_hash(bytes_of_string(name), 0));
    return process;
}

enum sim_state
sim_process_state(const struct sim_process *process)
{
    return process->over || process->dying ? process->state : SIM_RUNNING;
}

int
sim_process_code(const struct sim_process *process)
{
    return process->code;
}

bool
sim_reactor_is_runnable(struct reactor *reactor)
{
    if (reactor_has_work(reactor)) {
        return true;
    }
    struct sim_host *host = reactor->reactors->sim->host;
    return timers_next_ns(&reactor->timers) <=
           sim_host_clock(host, host->sim->now_ns) - host->asleep_ns;
}

void
sim_reactor_turn(struct reactor *reactor)
{
    struct sim *sim = reactor->reactors->sim->host->sim;
    reactor_here = reactor;
    uint64_t switches = reactor->stats.switches;
    reactor_turn(reactor);
    sim_note(sim, 3, sim->now_ns, (reactor->stats.switches - switches) << 8 | reactor->index);
    reactor_here = NULL;
}

/* Cancels all fibers of all reactors. May be called by one of them. */
static void
stop_all(struct reactors *reactors)
{
    struct reactor *before = reactor_here;
    for (unsigned i = 0; i < reactors->count; i++) {
        if (!reactors->all[i]->stopping) {
            reactor_here = reactors->all[i];
            reactor_stop(reactors->all[i]);
        }
    }
    reactor_here = before;
}

/* S1: no fiber of any reactor runs again. */
static void
halt_all(struct reactors *reactors)
{
    for (unsigned i = 0; i < reactors->count; i++) {
        reactors->all[i]->halted = true;
    }
}

/* The fibers that cannot end: their stacks are taken back, what they own on the heap is lost (S1).
 */
static void
abandon_all(struct sim_process *process)
{
    struct reactors *reactors = process->reactors;
    for (unsigned i = 0; i < reactors->count; i++) {
        struct reactor *reactor = reactors->all[i];
        struct list *node;
        while ((node = list_pop_front(&reactor->alive))) {
            struct fiber *fiber = CONTAINER_OF(node, struct fiber, alive);
            list_remove(&fiber->link);
            timer_disarm(&reactor->timers, &fiber->timer);
            fiber->interrupt = NULL;
            fiber->no_suspend = 0;
            fiber_pool_give(reactor->pool, fiber);
            process->host->sim->abandoned++;
        }
        reactor->stats.fibers = 0;
    }
}

static void
process_over(struct sim_process *process)
{
    struct list *node;
    struct reactors *reactors = process->reactors;
    abandon_all(process);
    sim_file_detach(process);
    sim_file_process_over(process);
    sim_net_process_over(process);
    for (unsigned i = 0; i < reactors->count; i++) {
        reactor_done(reactors->all[i]);
        mem_free(reactors->all[i]);
    }
    mem_free(reactors);
    process->reactors = NULL;
    process->over = true;
    process->signal_waiter = NULL;
    sim_note(process->host->sim, 4, process->state, (uint64_t)process->code);
    while ((node = list_pop_front(&process->waiters))) {
        fiber_wake(CONTAINER_OF(node, struct fiber, link), 0);
    }
}

static bool
has_work(struct sim_process *process)
{
    for (unsigned i = 0; i < process->reactors->count; i++) {
        struct reactor *reactor = process->reactors->all[i];
        if (reactor_has_work(reactor) || reactor->post.late_count > 0) {
            return true;
        }
    }
    return false;
}

static bool
has_fibers(struct sim_process *process)
{
    for (unsigned i = 0; i < process->reactors->count; i++) {
        if (process->reactors->all[i]->stats.fibers > 0) {
            return true;
        }
    }
    return false;
}

bool
sim_process_settle(struct sim_process *process)
{
    struct reactors *reactors = process->reactors;
    if (process->dying) {
        /* The dead unwind at once: no time passes for them. */
        for (bool again = !process->host->sim->abrupt; again;) {
            again = false;
            for (unsigned i = 0; i < reactors->count; i++) {
                if (reactor_has_work(reactors->all[i])) {
                    sim_reactor_turn(reactors->all[i]);
                    again = true;
                }
            }
        }
        process_over(process);
        return true;
    }
    if (atomic_load(&reactors->phase) != RUN_STOPPING) {
        return false;
    }
    stop_all(reactors);
    if (!has_fibers(process) && !has_work(process)) {
        process->state = SIM_ENDED;
        process_over(process);
        return true;
    }
    return false;
}

void
sim_process_die(struct sim_process *process, enum sim_state state, int code)
{
    if (process->over || process->dying) {
        return;
    }
    process->dying = true;
    process->state = state;
    process->code = code;
    sim_note(process->host->sim, 5, state, (uint64_t)code);
    sim_file_detach(process);
    if (process->host->sim->abrupt) {
        halt_all(process->reactors);
    } else {
        stop_all(process->reactors);
    }
}

void
sim_kill(struct sim_process *process)
{
    sim_process_die(process, SIM_KILLED, 0);
}

void
sim_process_free(struct sim_process *process)
{
    CHECK(process->over);
    list_remove(&process->link);
    mem_free(process);
}

void
sim_process_exit(int code)
{
    sim_process_die(sim_process_here(), SIM_EXITED, code);
    /* Never woken: abandoned when the process is over. */
    (void)fiber_suspend(NULL, DEADLINE_NONE);
    UNREACHABLE();
}

void
sim_crash_at(struct sim_process *process, const char *crash_point, unsigned nth)
{
    CHECK(nth > 0);
    snprintf(process->crash_text, sizeof process->crash_text, "%s", crash_point);
    process->crash_name = process->crash_text;
    process->crash_passes = nth;
}

void
sim_crash_next(struct sim *sim, const char *crash_point, unsigned nth)
{
    snprintf(sim->crash_next, sizeof sim->crash_next, "%s", crash_point);
    sim->crash_next_passes = nth;
}

void
sim_crash_point(const char *name)
{
    struct sim_process *process = reactor_here ? reactor_here->reactors->sim : NULL;
    if (!process || !process->crash_name || process->dying ||
            strcmp(process->crash_name, name) != 0) {
        return;
    }
    if (--process->crash_passes == 0) {
        process->crash_name = NULL;
        sim_kill(process);
        if (process->host->sim->abrupt) {
            fiber_current()->no_suspend = 0;
            (void)fiber_suspend(NULL, DEADLINE_NONE); /* never woken */
        }
    }
}

void
sim_signal(struct sim_process *process, int signal)
{
    if (process->over || process->dying || process->signal_count == SIM_SIGNALS_MAX) {
        return;
    }
    struct fiber *waiter = process->signal_waiter;
    if (waiter) {
        process->signal_waiter = NULL;
        fiber_wake(waiter, signal);
        return;
    }
    process->signals[process->signal_count++] = signal;
}

static void
signal_interrupt(struct fiber *fiber, int reason)
{
    fiber->reactor->reactors->sim->signal_waiter = NULL;
    fiber_wake(fiber, reason);
}

int
sim_signal_wait(void)
{
    struct sim_process *process = sim_process_here();
    CHECK(reactor_here->index == 0 && !process->signal_waiter);
    if (process->signal_count > 0) {
        int signal = process->signals[0];
        process->signal_count--;
        memmove(process->signals, process->signals + 1,
                process->signal_count * sizeof process->signals[0]);
        return signal;
    }
    process->signal_waiter = fiber_current();
    return fiber_suspend(signal_interrupt, DEADLINE_NONE);
}

int
sim_wait(struct sim_process *process)
{
    CHECK(sim_process_here() != process);
    int r = fiber_wait_begin();
    if (r < 0 || process->over) {
        return r;
    }
    list_push_back(&process->waiters, &fiber_current()->link);
    return fiber_suspend(fiber_interrupt_simple, DEADLINE_NONE);
}

int
sim_offload(int (*fn)(void *arg), void *arg)
{
    int r = fn(arg);
    /* Others run meanwhile, as they would; the time is that of a short job. */
    if (!sim_process_here()->dying) {
        uint64_t pause_ns = sim_world_between(sim_here, 5 * NS_PER_US, 50 * NS_PER_US);
        if (fiber_sleep_ns(pause_ns) < 0) {
            return r; /* cancelled: the job is done all the same */
        }
    }
    return r;
}

int
sim_reactors_run(const struct reactors_options *options, fiber_fn main_fn, void *arg)
{
    struct sim *sim = options->sim;
    CHECK(sim);
    struct sim_process *process =
            sim_start(sim_host(sim, "local"), options->count, "local", main_fn, arg);
    if (sim->crash_next_passes > 0) {
        sim_crash_at(process, sim->crash_next, sim->crash_next_passes);
        sim->crash_next_passes = 0;
    }
    sim->first = process;
    int r = sim_run_process(process, UINT64_MAX);
    if (r == 0 && process->state == SIM_KILLED) {
        r = fault(-EINTR, "sim: the process was killed");
    }
    return r;
}
