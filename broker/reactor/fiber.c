/* The life of a fiber: spawn, run, wait, wake, interrupt, join. */
#include "reactor/fiber.h"

#include "base/mem.h"
#include "reactor/internal.h"
#include "reactor/sanitizer.h"
#include "reactor/stack.h"

#include <errno.h>
#include <stdio.h>

/* As many operations in a row may succeed without waiting before the fiber gives way. */
#define DIRECT_MAX 64

static struct fiber *
current_or_die(void)
{
    CHECK(reactor_here && reactor_here->current);
    return reactor_here->current;
}

/* Switches from the fiber to the loop. `last`: the stack will not be used by this function again.
 */
static void
fiber_leave(struct fiber *fiber, bool last)
{
    struct reactor *reactor = fiber->reactor;
    sanitizer_before_leave(reactor, fiber, last);
    context_switch(&fiber->context, &reactor->loop);
    sanitizer_after_leave(reactor, fiber);
}

static void
fiber_main(void *arg)
{
    struct fiber *fiber = arg;
    sanitizer_fiber_entered(fiber->reactor);
    fiber->fn(fiber->arg);
    CHECK(fiber->no_suspend == 0);
    fiber->state = FIBER_ENDED;
    fiber_leave(fiber, true);
    UNREACHABLE();
}

int
fiber_start(
        struct reactor *reactor, const char *name, fiber_fn fn, void *arg, struct fiber **ret_fiber)
{
    struct fiber *fiber;
    if (reactor->stats.fibers >= FIBERS_MAX) {
        return fault(-ENOBUFS, "reactor: %u fibers are alive already", (unsigned)FIBERS_MAX);
    }
    int r = fiber_pool_take(reactor->pool, &fiber);
    if (r < 0) {
        return r;
    }
    sanitizer_stack_reset(fiber);
    context_make(&fiber->context, fiber->stack, fiber->stack_size, fiber_main, fiber);
    fiber->reactor = reactor;
    fiber->name = name;
    fiber->id = ++reactor->fiber_id_next * REACTORS_MAX + reactor->index;
    fiber->fn = fn;
    fiber->arg = arg;
    fiber->cancelled = reactor->stopping;
    fiber->owned = ret_fiber != NULL;
    fiber->no_suspend = 0;
    fiber->joiner = NULL;
    fiber->interrupt = NULL;
    fiber->fault.error = 0;
    fiber->fault.text[0] = 0;
    fiber->log_context = (struct log_context){ .fiber = name, .fiber_id = fiber->id };
    fiber->state = FIBER_READY;
    list_push_back(&reactor->ready, &fiber->link);
    list_push_back(&reactor->alive, &fiber->alive);
    reactor->stats.fibers++;
    reactor->stats.fibers_max = MAX(reactor->stats.fibers_max, reactor->stats.fibers);
    if (ret_fiber) {
        *ret_fiber = fiber;
    }
    return 0;
}

int
fiber_spawn(const char *name, fiber_fn fn, void *arg, struct fiber **ret_fiber)
{
    CHECK(reactor_here);
    return fiber_start(reactor_here, name, fn, arg, ret_fiber);
}

static void
fiber_release(struct fiber *fiber)
{
    fiber_pool_give(fiber->reactor->pool, fiber);
}

static void
fiber_ended(struct fiber *fiber)
{
    struct reactor *reactor = fiber->reactor;
    list_remove(&fiber->alive);
    reactor->stats.fibers--;
    if (!fiber->owned) {
        fiber_release(fiber);
    } else if (fiber->joiner) {
        fiber_wake(fiber->joiner, 0);
    }
}

void
fiber_run(struct fiber *fiber)
{
    struct reactor *reactor = fiber->reactor;
    CHECK(fiber->state == FIBER_READY && !reactor->current);
    fiber->state = FIBER_RUNNING;
    fiber->direct_count = 0;
    reactor->current = fiber;
    reactor->stats.switches++;
    struct fault *fault_before = fault_swap(&fiber->fault);
    struct log_context *context_before = log_context_swap(&fiber->log_context);
    sanitizer_before_run(reactor, fiber);
    context_switch(&reactor->loop, &fiber->context);
    sanitizer_after_run(reactor);
    log_context_swap(context_before);
    fault_swap(fault_before);
    reactor->current = NULL;
    if (fiber->state == FIBER_ENDED) {
        fiber_ended(fiber);
    }
}

/* A wait inside a no-suspend section: says which fiber before it stops the process. */
static void
check_may_suspend(const struct fiber *fiber)
{
    if (UNLIKELY(fiber->no_suspend > 0)) {
        fprintf(stderr, "fiber \"%s\" waits inside a no_suspend section\n", fiber->name);
        CHECK(fiber->no_suspend == 0);
    }
}

int
fiber_wait_begin(void)
{
    struct fiber *fiber = current_or_die();
    check_may_suspend(fiber);
    return fiber->cancelled ? -ECANCELED : 0;
}

int
fiber_suspend(interrupt_fn interrupt, uint64_t deadline_ns)
{
    struct fiber *fiber = current_or_die();
    struct reactor *reactor = fiber->reactor;
    check_may_suspend(fiber);
    CHECK(reactor == reactor_here);
    fiber->interrupt = interrupt;
    fiber->state = FIBER_SUSPENDED;
    if (deadline_ns != DEADLINE_NONE) {
        timer_arm(&reactor->timers, &fiber->timer, deadline_ns);
    }
    fiber_leave(fiber, false);
    return fiber->wait_result;
}

void
fiber_wake(struct fiber *fiber, int result)
{
    CHECK(fiber->state == FIBER_SUSPENDED);
    timer_disarm(&fiber->reactor->timers, &fiber->timer);
    fiber->interrupt = NULL;
    fiber->wait_result = result;
    fiber->state = FIBER_READY;
    list_push_back(&fiber->reactor->ready, &fiber->link);
}

void
fiber_interrupt(struct fiber *fiber, int reason)
{
    interrupt_fn interrupt = fiber->interrupt;
    if (fiber->state == FIBER_SUSPENDED && interrupt) {
        fiber->interrupt = NULL;
        timer_disarm(&fiber->reactor->timers, &fiber->timer);
        interrupt(fiber, reason);
    }
}

void
fiber_interrupt_simple(struct fiber *fiber, int reason)
{
    list_remove(&fiber->link);
    fiber_wake(fiber, reason);
}

void
fiber_cancel(struct fiber *fiber)
{
    CHECK(fiber->reactor == reactor_here);
    if (fiber->state == FIBER_ENDED || fiber->cancelled) {
        return;
    }
    fiber->cancelled = true;
    fiber_interrupt(fiber, -ECANCELED);
}

void
fiber_join(struct fiber *fiber)
{
    CHECK(fiber->reactor == reactor_here && fiber->owned && !fiber->joiner);
    check_may_suspend(current_or_die());
    if (fiber->state != FIBER_ENDED) {
        fiber->joiner = current_or_die();
        int r = fiber_suspend(NULL, DEADLINE_NONE);
        CHECK(r == 0);
    }
    fiber_release(fiber);
}

bool
fiber_is_cancelled(void)
{
    return current_or_die()->cancelled;
}

struct fiber *
fiber_current(void)
{
    return reactor_here ? reactor_here->current : NULL;
}

uint64_t
fiber_id(void)
{
    return current_or_die()->id;
}

const char *
fiber_name(void)
{
    return current_or_die()->name;
}

/* To the end of the ready list. */
static int
give_way(void)
{
    struct fiber *fiber = current_or_die();
    check_may_suspend(fiber);
    fiber->state = FIBER_READY;
    fiber->interrupt = NULL;
    list_push_back(&fiber->reactor->ready, &fiber->link);
    fiber_leave(fiber, false);
    return 0;
}

int
fiber_yield(void)
{
    int r = fiber_wait_begin();
    return r < 0 ? r : give_way();
}

void
fiber_give_way(void)
{
    struct fiber *fiber = current_or_die();
    if (++fiber->direct_count >= DIRECT_MAX) {
        give_way();
    }
}

int
fiber_sleep_until(uint64_t deadline_ns)
{
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    r = fiber_suspend(fiber_interrupt_simple, deadline_ns);
    return r == -ETIMEDOUT ? 0 : r;
}

int
fiber_sleep_ns(uint64_t duration_ns)
{
    uint64_t now = clock_mono_ns();
    return fiber_sleep_until(
            duration_ns > UINT64_MAX - 1 - now ? UINT64_MAX - 1 : now + duration_ns);
}

void
no_suspend_begin(void)
{
    current_or_die()->no_suspend++;
}

void
no_suspend_end(void)
{
    struct fiber *fiber = current_or_die();
    CHECK(fiber->no_suspend > 0);
    fiber->no_suspend--;
}
