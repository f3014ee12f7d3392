/* The threads of a run: starting all reactors or none, the loop of each, and the end.
 *
 *   RUN_STARTING -> RUN_RUNNING (all engines started) -> RUN_STOPPING (main fiber returned) ->
 * RUN_FINISHED
 *                -> RUN_FAILED  (some engine did not)
 *
 * The end: in RUN_STOPPING every reactor cancels its fibers and says "idle" when it has none and no
 * mail. Reactor 0 ends the run when all are idle, and as many messages were received as were sent,
 * twice in a row with the same numbers: a message under way would make the sums differ, one that
 * was handled in between would change them. */
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/internal.h"
#include "reactor/sim_internal.h"
#include "reactor/stack.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* While stopping, reactor 0 looks again at least that often. */
#define STOP_LOOK_NS NS_PER_MS
#define STOP_WARN_NS (5ull * NS_PER_S)
/* What clients notice. Shorter turns are the scheduler of a busy machine, not news. */
#define STALL_WARN_NS (100ull * NS_PER_MS)

struct wave {
    uint64_t sent;
    uint64_t received;
    bool idle;
};

static struct wave
wave_read(struct reactors *reactors)
{
    struct wave wave = { .idle = true };
    for (unsigned i = 0; i < reactors->count; i++) {
        wave.idle = wave.idle && atomic_load(&reactors->quiet[i].idle);
        wave.received += atomic_load(&reactors->quiet[i].received);
    }
    for (unsigned i = 0; i < reactors->count; i++) {
        wave.sent += atomic_load(&reactors->quiet[i].sent);
    }
    return wave;
}

static bool
run_is_over(struct reactors *reactors)
{
    struct wave first = wave_read(reactors);
    struct wave second = wave_read(reactors);
    return first.idle && second.idle && first.sent == first.received &&
           second.sent == second.received && first.sent == second.sent;
}

static void
notify_all(struct reactors *reactors)
{
    for (unsigned i = 0; i < reactors->count; i++) {
        reactor_notify(reactors->all[i]);
    }
}

static void
warn_of_survivors(struct reactor *reactor)
{
    struct fiber *fiber = LIST_FIRST(&reactor->alive, struct fiber, alive);
    if (fiber && clock_mono_ns() - reactor->stop_began_ns > STOP_WARN_NS) {
        reactor->stop_began_ns = clock_mono_ns();
        LOG_WARN("a cancelled fiber does not end", LOG_STR("name", fiber->name),
                LOG_INT("alive", reactor->stats.fibers));
    }
}

/* Before the turn: may have work, so not idle. */
static void
stop_turn_begin(struct reactor *reactor)
{
    atomic_store(&reactor->reactors->quiet[reactor->index].idle, 0);
    if (!reactor->stopping) {
        reactor_stop(reactor);
    }
}

static void
stop_turn_end(struct reactor *reactor)
{
    struct reactors *reactors = reactor->reactors;
    warn_of_survivors(reactor);
    if (reactor->stats.fibers > 0 || reactor->post.late_count > 0 || reactor_has_work(reactor)) {
        return;
    }
    atomic_store(&reactors->quiet[reactor->index].idle, 1);
    if (reactor->index > 0) {
        reactor_notify(reactors->all[0]);
    } else if (run_is_over(reactors)) {
        atomic_store(&reactors->phase, RUN_FINISHED);
        notify_all(reactors);
    }
}

static void
reactor_sleep(struct reactor *reactor)
{
    uint64_t timeout_ns = 0;
    bool stopping = reactor->stopping;
    if (list_is_empty(&reactor->ready)) {
        atomic_store(&reactor->sleeping, 1);
        bool stay = post_office_has_mail(reactor) ||
                    atomic_load(&reactor->reactors->phase) == RUN_FINISHED ||
                    (atomic_load(&reactor->reactors->phase) == RUN_STOPPING && !stopping);
        if (!stay) {
            uint64_t next_ns = timers_next_ns(&reactor->timers);
            uint64_t now_ns = clock_mono_ns();
            timeout_ns = next_ns == UINT64_MAX ? UINT64_MAX
                         : next_ns > now_ns    ? next_ns - now_ns
                                               : 0;
            if (stopping) {
                timeout_ns = MIN(timeout_ns, (uint64_t)STOP_LOOK_NS);
            }
        }
    }
    reactor->engine->poll(reactor, timeout_ns);
    atomic_store(&reactor->sleeping, 0);
}

static void
reactor_loop(struct reactor *reactor)
{
    struct reactors *reactors = reactor->reactors;
    int phase;
    while ((phase = atomic_load(&reactors->phase)) != RUN_FINISHED) {
        if (phase == RUN_STOPPING) {
            stop_turn_begin(reactor);
        }
        reactor_turn(reactor);
        if (phase == RUN_STOPPING) {
            stop_turn_end(reactor);
        }
        if (atomic_load(&reactors->phase) != RUN_FINISHED) {
            reactor_sleep(reactor);
        }
    }
}

static void
main_fiber(void *arg)
{
    struct reactors *reactors = arg;
    reactors->main_fn(reactors->main_arg);
    atomic_store(&reactors->phase, RUN_STOPPING);
    notify_all(reactors);
}

/* Says how the start went and waits for the decision; RUN_RUNNING or RUN_FAILED. */
static int
gate_pass(struct reactors *reactors)
{
    pthread_mutex_lock(&reactors->gate_mutex);
    reactors->reported++;
    pthread_cond_broadcast(&reactors->gate);
    while (atomic_load(&reactors->phase) == RUN_STARTING) {
        pthread_cond_wait(&reactors->gate, &reactors->gate_mutex);
    }
    pthread_mutex_unlock(&reactors->gate_mutex);
    return atomic_load(&reactors->phase) == RUN_FAILED ? -ECANCELED : 0;
}

/* Waits until `started` threads besides this one reported, then opens the gate. */
static void
gate_open(struct reactors *reactors, unsigned started, int create_result)
{
    int r = create_result;
    pthread_mutex_lock(&reactors->gate_mutex);
    while (reactors->reported < started) {
        pthread_cond_wait(&reactors->gate, &reactors->gate_mutex);
    }
    for (unsigned i = 0; i <= started; i++) {
        r = r < 0 ? r : reactors->all[i]->start_result;
    }
    atomic_store(&reactors->phase, r < 0 ? RUN_FAILED : RUN_RUNNING);
    pthread_cond_broadcast(&reactors->gate);
    pthread_mutex_unlock(&reactors->gate_mutex);
}

static void
reactor_begin(struct reactor *reactor)
{
    reactor_here = reactor;
    struct fault *before = fault_swap(&reactor->start_fault);
    reactor->pool = fiber_pool_new(FIBERS_MAX);
    reactor->start_result = reactor->engine->start(reactor);
    fault_swap(before);
}

static void
reactor_end(struct reactor *reactor)
{
    if (reactor->start_result >= 0) {
        reactor->engine->stop(reactor);
    }
    fiber_pool_free(reactor->pool);
    reactor_here = NULL;
}

static void *
reactor_main(void *arg)
{
    struct reactor *reactor = arg;
    char name[16];
    snprintf(name, sizeof name, "reactor-%u", reactor->index);
    pthread_setname_np(pthread_self(), name);
    reactor_begin(reactor);
    if (gate_pass(reactor->reactors) == 0) {
        reactor_loop(reactor);
    }
    reactor_end(reactor);
    return NULL;
}

/* Reactors of real engines are kept for the life of the process, with their eventfd: a foreign
 * thread may still be on its way to wake one after the run that it belonged to. */
static struct reactor *
reactor_slot(struct reactors *reactors, unsigned index, int *ret_result)
{
    static struct reactor *slots[REACTORS_MAX];
    *ret_result = 0;
    if (!slots[index]) {
        slots[index] = mem_alloc(sizeof *slots[index]);
        slots[index]->wake_descriptor = -1;
    }
    struct reactor *reactor = slots[index];
    if (reactor->wake_descriptor < 0) {
        reactor->wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (reactor->wake_descriptor < 0) {
            *ret_result = fault(-errno, "reactor: eventfd failed");
        }
    }
    reactor_init(reactor, reactors, index);
    return reactor;
}

static int
threads_start(struct reactors *reactors, unsigned *ret_started)
{
    *ret_started = 0;
    for (unsigned i = 1; i < reactors->count; i++) {
        int r = pthread_create(&reactors->all[i]->thread, NULL, reactor_main, reactors->all[i]);
        if (r != 0) {
            return fault(-r, "reactor: cannot start the thread of reactor %u", i);
        }
        (*ret_started)++;
    }
    return 0;
}

static int
start_error(struct reactors *reactors, unsigned started, int create_result)
{
    for (unsigned i = 0; create_result >= 0 && i <= started; i++) {
        struct reactor *reactor = reactors->all[i];
        if (reactor->start_result < 0) {
            return fault(reactor->start_result, "reactor %u: %s", i, reactor->start_fault.text);
        }
    }
    return create_result;
}

static int
run_threads(struct reactors *reactors)
{
    struct reactor *first = reactors->all[0];
    unsigned started;
    reactor_begin(first);
    int r = threads_start(reactors, &started);
    gate_open(reactors, started, r);
    r = start_error(reactors, started, r);
    if (r == 0) {
        r = fiber_start(first, "main", main_fiber, reactors, NULL);
        if (r < 0) {
            atomic_store(&reactors->phase, RUN_STOPPING);
        }
        reactor_loop(first);
    }
    for (unsigned i = 1; i <= started; i++) {
        pthread_join(reactors->all[i]->thread, NULL);
    }
    reactor_end(first);
    return r;
}

static void
signals_prepare(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    signal(SIGPIPE, SIG_IGN);
}

static int
engine_choose(enum io_engine wanted, const struct engine **ret_engine)
{
    *ret_engine = &engine_threads;
    if (wanted != IO_THREADS) {
        int r = engine_uring_probe();
        if (r == 0) {
            *ret_engine = &engine_uring;
        } else if (wanted == IO_URING) {
            return r;
        } else {
            LOG_INFO("io_uring is not to be had, using threads", LOG_FAULT(r));
            fault_clear();
        }
    }
    return 0;
}

static int
run_engine(struct reactors *reactors, const struct engine *engine)
{
    int r = 0;
    reactors->kind = engine->kind;
    reactors->phase = RUN_STARTING;
    reactors->reported = 0;
    for (unsigned i = 0; i < reactors->count && r == 0; i++) {
        reactors->all[i] = reactor_slot(reactors, i, &r);
        reactors->all[i]->engine = engine;
    }
    if (r < 0) {
        return r;
    }
    pthread_mutex_init(&reactors->gate_mutex, NULL);
    pthread_cond_init(&reactors->gate, NULL);
    reactors->offload = offload_new();
    r = run_threads(reactors);
    offload_free(reactors->offload);
    for (unsigned i = 0; i < reactors->count; i++) {
        reactor_done(reactors->all[i]);
    }
    pthread_cond_destroy(&reactors->gate);
    pthread_mutex_destroy(&reactors->gate_mutex);
    return r;
}

static int
run_real(struct reactors *reactors, enum io_engine wanted)
{
    const struct engine *engine;
    int r = engine_choose(wanted, &engine);
    if (r < 0) {
        return r;
    }
    signals_prepare();
    r = run_engine(reactors, engine);
    if (r == -ENOSYS && wanted == IO_AUTO && engine == &engine_uring) {
        /* Locked memory is counted for all processes of a user on a machine, in all containers: the
         * small ring of the probe may have been the last to fit. */
        MARK("reactor: io_uring is there and its memory is not");
        LOG_WARN("no room for io_uring, using threads", LOG_FAULT(r));
        fault_clear();
        r = run_engine(reactors, &engine_threads);
    }
    return r;
}

int
reactors_run(const struct reactors_options *options, fiber_fn main_fn, void *arg)
{
    CHECK(!reactor_here);
    if (options->count == 0 || options->count > REACTORS_MAX) {
        return fault(-EINVAL, "reactor: %u reactors; 1 to %d are possible", options->count,
                REACTORS_MAX);
    }
    log_set_clock(clock_wall_ms);
    if (options->engine == IO_SIM) {
        return sim_reactors_run(options, main_fn, arg);
    }
    struct reactors *reactors = mem_alloc(sizeof *reactors);
    reactors->count = options->count;
    reactors->stall_warn_ns = options->stall_warn_ns ? options->stall_warn_ns : STALL_WARN_NS;
    reactors->main_fn = main_fn;
    reactors->main_arg = arg;
    int r = run_real(reactors, options->engine);
    mem_free(reactors);
    return r;
}
