/* One turn of the loop, and what a reactor is made of. The threads around it are in run.c. */
#include "reactor/reactor.h"

#include "base/mem.h"
#include "reactor/internal.h"
#include "reactor/sim_internal.h"
#include "reactor/stack.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

_Thread_local struct reactor *reactor_here;

void
reactor_init(struct reactor *reactor, struct reactors *reactors, unsigned index)
{
    int wake_descriptor = reactor->wake_descriptor;
    memset(reactor, 0, sizeof *reactor);
    reactor->wake_descriptor = wake_descriptor;
    reactor->reactors = reactors;
    reactor->index = index;
    list_init(&reactor->ready);
    list_init(&reactor->alive);
    timers_init(&reactor->timers);
    post_office_init(&reactor->post);
}

void
reactor_done(struct reactor *reactor)
{
    post_office_done(&reactor->post);
    timers_done(&reactor->timers);
    reactor->reactors = NULL;
}

bool
reactor_has_work(struct reactor *reactor)
{
    return !list_is_empty(&reactor->ready) || post_office_has_mail(reactor);
}

static void
expire_timers(struct reactor *reactor)
{
    struct timer *timer;
    while ((timer = timers_pop_due(&reactor->timers, reactor->now_ns))) {
        fiber_interrupt(CONTAINER_OF(timer, struct fiber, timer), -ETIMEDOUT);
    }
}

/* Runs the fibers that are ready now; who becomes ready meanwhile waits for the next turn, after
 * the I/O. */
static void
run_ready(struct reactor *reactor)
{
    struct list batch;
    struct list *node;
    if (list_is_empty(&reactor->ready)) {
        return;
    }
    batch = reactor->ready;
    batch.next->prev = &batch;
    batch.prev->next = &batch;
    list_init(&reactor->ready);
    while ((node = list_pop_front(&batch))) {
        struct fiber *fiber = CONTAINER_OF(node, struct fiber, link);
        const char *name = fiber->name;
        if (UNLIKELY(reactor->halted)) {
            list_init(node);
            continue;
        }
        fiber_run(fiber);
        uint64_t now = clock_mono_ns();
        if (now - reactor->now_ns > reactor->longest_ns) {
            reactor->longest_ns = now - reactor->now_ns;
            reactor->longest_name = name;
        }
        reactor->now_ns = now;
    }
}

void
reactor_turn(struct reactor *reactor)
{
    uint64_t start = clock_mono_ns();
    reactor->now_ns = start;
    reactor->longest_ns = 0;
    reactor->longest_name = "none";
    reactor->stats.turns++;
    post_office_turn(reactor);
    expire_timers(reactor);
    run_ready(reactor);
    stall_check(reactor, reactor->now_ns - start);
    reactor->stats.busy_ns += reactor->now_ns - start;
}

void
reactor_stop(struct reactor *reactor)
{
    reactor->stopping = true;
    reactor->stop_began_ns = clock_mono_ns();
    LIST_FOREACH (node, &reactor->alive) {
        fiber_cancel(CONTAINER_OF(node, struct fiber, alive));
    }
}

void
reactor_notify(struct reactor *target)
{
    if (target->engine && target != reactor_here && atomic_exchange(&target->sleeping, 0)) {
        target->engine->wake(target);
    }
}

unsigned
reactor_index(void)
{
    CHECK(reactor_here);
    return reactor_here->index;
}

unsigned
reactor_count(void)
{
    CHECK(reactor_here);
    return reactor_here->reactors->count;
}

enum io_engine
reactor_engine(void)
{
    CHECK(reactor_here);
    return reactor_here->reactors->kind;
}

bool
reactor_is_here(void)
{
    return reactor_here != NULL;
}

void
reactor_stats_get(struct reactor_stats *ret_stats)
{
    CHECK(reactor_here);
    *ret_stats = reactor_here->stats;
}

static const char *const engine_names[] = { "auto", "uring", "threads", "sim" };

int
io_engine_parse(struct bytes text, enum io_engine *ret_engine)
{
    /* The simulator is not for configurations. */
    for (unsigned i = IO_AUTO; i <= IO_THREADS; i++) {
        if (bytes_equal(text, bytes_of_string(engine_names[i]))) {
            *ret_engine = (enum io_engine)i;
            return 0;
        }
    }
    char shown[32];
    return fault(-EINVAL, "reactor: \"%s\" is no I/O engine; auto, uring and threads are",
            bytes_to_string(text, shown, sizeof shown));
}

const char *
io_engine_name(enum io_engine engine)
{
    CHECK((size_t)engine < ARRAY_SIZE(engine_names));
    return engine_names[engine];
}

void
process_exit(int code)
{
    if (is_sim()) {
        sim_process_exit(code);
    }
    _exit(code);
}
