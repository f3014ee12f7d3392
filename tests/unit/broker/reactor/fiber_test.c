/* Fibers: order, joining, cancelling, deadlines, guards, many of them. */
#include "base/attr.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "reactor/fiber.h"
#include "reactor/sync.h"
#include "unit/test.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct trace {
    unsigned order[16];
    unsigned count;
    int result;
    int number_of_spawned;
};

struct step {
    struct trace *trace;
    unsigned number;
};

static void
note(void *arg)
{
    struct step *step = arg;
    step->trace->order[step->trace->count++] = step->number;
}

FIBER_TEST(fibers_start_in_the_order_of_spawning_and_after_the_caller_waits)
{
    struct trace trace = { 0 };
    struct step steps[4];
    struct fiber *fibers[4];
    for (unsigned i = 0; i < 4; i++) {
        steps[i] = (struct step){ &trace, i };
        ASSERT_OK(fiber_spawn("note", note, &steps[i], &fibers[i]));
    }
    ASSERT_EQ(trace.count, 0);
    for (unsigned i = 0; i < 4; i++) {
        fiber_join(fibers[i]);
    }
    ASSERT_EQ(trace.count, 4);
    for (unsigned i = 0; i < 4; i++) {
        ASSERT_EQ(trace.order[i], i);
    }
}

static void
sleep_for_ever(void *arg)
{
    struct trace *trace = arg;
    trace->result = fiber_sleep_until(DEADLINE_NONE);
    /* Sticky: every later wait says the same, at once. */
    trace->count += fiber_sleep_ns(1) == -ECANCELED;
    trace->count += fiber_yield() == -ECANCELED;
    trace->count += fiber_is_cancelled();
}

FIBER_TEST(a_cancelled_sleep_ends_and_cancellation_is_sticky)
{
    struct trace trace = { 0 };
    struct fiber *fiber;
    ASSERT_OK(fiber_spawn("sleeper", sleep_for_ever, &trace, &fiber));
    ASSERT_OK(fiber_yield());
    fiber_cancel(fiber);
    fiber_cancel(fiber);
    fiber_join(fiber);
    ASSERT_ERROR(trace.result, -ECANCELED);
    ASSERT_EQ(trace.count, 3);
}

FIBER_TEST(a_fiber_cancelled_before_it_ran_still_runs)
{
    struct trace trace = { 0 };
    struct fiber *fiber;
    ASSERT_OK(fiber_spawn("sleeper", sleep_for_ever, &trace, &fiber));
    fiber_cancel(fiber);
    fiber_join(fiber);
    ASSERT_ERROR(trace.result, -ECANCELED);
}

FIBER_TEST(cancelling_an_ended_fiber_is_harmless)
{
    struct trace trace = { 0 };
    struct step step = { &trace, 1 };
    struct fiber *fiber;
    ASSERT_OK(fiber_spawn("note", note, &step, &fiber));
    ASSERT_OK(fiber_sleep_ns(1000));
    ASSERT_EQ(trace.count, 1);
    fiber_cancel(fiber);
    fiber_join(fiber);
}

FIBER_TEST(a_sleep_lasts_as_long_as_asked)
{
    uint64_t start = clock_mono_ns();
    ASSERT_OK(fiber_sleep_ns(3 * NS_PER_MS));
    uint64_t passed = clock_mono_ns() - start;
    ASSERT(passed >= 3 * NS_PER_MS);
    ASSERT(passed < 500 * NS_PER_MS);
    /* A deadline that has passed: at once. */
    ASSERT_OK(fiber_sleep_until(start));
    ASSERT(clock_mono_coarse_ns() >= start);
}

static void
sleep_numbered(void *arg)
{
    struct step *step = arg;
    if (fiber_sleep_ns((10 - step->number) * NS_PER_MS) == 0) {
        note(arg);
    }
}

FIBER_TEST(timers_fire_in_order_of_their_deadlines)
{
    struct trace trace = { 0 };
    struct step steps[8];
    struct fiber *fibers[8];
    for (unsigned i = 0; i < 8; i++) {
        steps[i] = (struct step){ &trace, i };
        ASSERT_OK(fiber_spawn("sleeper", sleep_numbered, &steps[i], &fibers[i]));
    }
    for (unsigned i = 0; i < 8; i++) {
        fiber_join(fibers[i]);
    }
    for (unsigned i = 0; i < 8; i++) {
        ASSERT_EQ(trace.order[i], 7 - i);
    }
}

static void
set_fault(void *arg)
{
    struct trace *trace = arg;
    (void)fault(-EIO, "of the other fiber");
    trace->result = fiber_yield();
    trace->count += strstr(fault_text(), "of the other fiber") != NULL;
}

FIBER_TEST(each_fiber_has_its_own_fault_and_log_context)
{
    struct trace trace = { 0 };
    struct fiber *fiber;
    (void)fault(-EIO, "of the main fiber");
    ASSERT_OK(fiber_spawn("other", set_fault, &trace, &fiber));
    ASSERT_OK(fiber_yield());
    ASSERT(strstr(fault_text(), "of the main fiber"));
    ASSERT_STRING(log_context_get()->fiber, "main");
    ASSERT_EQ(log_context_get()->fiber_id, fiber_id());
    ASSERT_STRING(fiber_name(), "main");
    fiber_join(fiber);
    ASSERT_EQ(trace.count, 1);
    ASSERT(strstr(fault_text(), "of the main fiber"));
}

static int
member(void *arg)
{
    struct step *step = arg;
    int r = fiber_sleep_ns(step->number * NS_PER_MS);
    note(arg);
    return r < 0               ? r
           : step->number == 2 ? fault(-EIO, "member two")
           : step->number == 3 ? -ENOENT
                               : 0;
}

FIBER_TEST(a_group_waits_for_all_and_keeps_the_first_failure_with_its_story)
{
    struct trace trace = { 0 };
    struct step steps[5];
    struct fiber_group group;
    fiber_group_init(&group);
    for (unsigned i = 0; i < 5; i++) {
        steps[i] = (struct step){ &trace, i };
        fiber_group_spawn(&group, "member", member, &steps[i]);
    }
    ASSERT_ERROR(fiber_group_wait(&group), -EIO);
    ASSERT_EQ(trace.count, 5);
    ASSERT(strstr(fault_text(), "member two"));
    struct fiber_group empty;
    fiber_group_init(&empty);
    ASSERT_OK(fiber_group_wait(&empty));
}

struct many {
    struct semaphore gate;
    unsigned inside;
    unsigned ended;
};

static void
wait_at_gate(void *arg)
{
    struct many *many = arg;
    many->inside++;
    if (semaphore_acquire(&many->gate, 1, DEADLINE_NONE) == 0) {
        many->ended++;
    }
}

#if defined(__SANITIZE_THREAD__)
#define MANY 1000u
#else
#define MANY 10000u
#endif

FIBER_TEST(ten_thousand_fibers_wait_at_once)
{
    struct many many = { 0 };
    semaphore_init(&many.gate, 0);
    for (int round = 0; round < 2; round++) {
        many.inside = 0;
        many.ended = 0;
        for (unsigned i = 0; i < MANY; i++) {
            ASSERT_OK(fiber_spawn("many", wait_at_gate, &many, NULL));
        }
        while (many.inside < MANY) {
            ASSERT_OK(fiber_yield());
        }
        struct reactor_stats stats;
        reactor_stats_get(&stats);
        ASSERT(stats.fibers >= MANY && stats.fibers_max >= MANY);
        semaphore_release(&many.gate, MANY);
        while (many.ended < MANY) {
            ASSERT_OK(fiber_yield());
        }
    }
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
static int
succeed(void *arg)
{
    *(unsigned *)arg += 1;
    return 0;
}

FIBER_TEST(no_fiber_beyond_the_limit_and_groups_then_run_in_place)
{
    struct many many = { 0 };
    unsigned ran = 0;
    semaphore_init(&many.gate, 0);
    int r = 0;
    unsigned spawned = 0;
    while (r == 0) {
        r = fiber_spawn("many", wait_at_gate, &many, NULL);
        spawned += r == 0;
    }
    ASSERT_ERROR(r, -ENOBUFS);
    ASSERT_EQ(spawned, FIBERS_MAX - 1);
    uint64_t marks = mark_count("reactor: group member ran in its caller");
    struct fiber_group group;
    fiber_group_init(&group);
    fiber_group_spawn(&group, "member", succeed, &ran);
    ASSERT_EQ(ran, 1);
    ASSERT_EQ(mark_count("reactor: group member ran in its caller"), marks + 1);
    ASSERT_OK(fiber_group_wait(&group));
    semaphore_release(&many.gate, spawned);
    while (many.ended < spawned) {
        ASSERT_OK(fiber_yield());
    }
}
#endif

/* No recursion by name: the frames must be used, so they are written to. */
static __attribute__((noinline)) unsigned
use_stack(unsigned size)
{
    volatile char frame[3000];
    for (size_t i = 0; i < sizeof frame; i++) {
        frame[i] = (char)size;
    }
    return (unsigned)frame[size % sizeof frame];
}

static void
deep(void *arg)
{
    *(unsigned *)arg = use_stack(7);
}

FIBER_TEST(stacks_are_used_again)
{
    unsigned seven = 0;
    for (unsigned i = 0; i < 1000; i++) {
        struct fiber *fiber;
        ASSERT_OK(fiber_spawn("deep", deep, &seven, &fiber));
        fiber_join(fiber);
    }
    ASSERT_EQ(seven, 7);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
/* Runs fn in a fiber of a child process; the signal that ended it, or 0. */
static int
signal_of_child(fiber_fn fn)
{
    pid_t child = fork();
    if (child == 0) {
        struct reactors_options options = { .count = 1, .engine = IO_THREADS };
        fclose(stderr);
        int r = reactors_run(&options, fn, NULL);
        _exit(r < 0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return -1;
    }
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
wait_under_guard(void *arg)
{
    (void)arg;
    no_suspend_begin();
    no_suspend_begin();
    no_suspend_end();
    if (fiber_yield() < 0) {
        return;
    }
}

static void
guard_without_wait(void *arg)
{
    (void)arg;
    no_suspend_begin();
    no_suspend_end();
    if (fiber_yield() < 0) {
        return;
    }
}

static void
overflow(void *arg)
{
    (void)arg;
    /* Piece by piece downwards until the guard; as a number, because the compiler may assume that
     * no pointer leaves its object. Stacks are four times as large under AddressSanitizer. */
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    for (size_t i = 1024; i < 8 * FIBER_STACK_SIZE; i += 1024) {
        *(volatile char *)(here - i) = 1;
    }
}

/* Not on the lowest stack, below which nothing is mapped anyway. */
static void
overflow_of_second_stack(void *arg)
{
    struct fiber *fiber;
    if (fiber_spawn("overflow", overflow, arg, &fiber) == 0) {
        fiber_join(fiber);
    }
}

TEST(a_wait_under_a_guard_stops_the_process)
{
    ASSERT_EQ(signal_of_child(guard_without_wait), 0);
    ASSERT_EQ(signal_of_child(wait_under_guard), SIGABRT);
}

TEST(a_stack_that_overflows_hits_its_guard_page)
{
    ASSERT_EQ(signal_of_child(overflow_of_second_stack), SIGSEGV);
}
#endif

static void
outlive_main(void *arg)
{
    struct trace *trace = arg;
    if (fiber_spawn("sleeper", sleep_for_ever, trace, NULL) == 0) {
        trace->number_of_spawned = 1;
    }
}

TEST(what_runs_when_the_main_fiber_returns_is_cancelled)
{
    static const enum io_engine engines[] = { IO_THREADS, IO_AUTO };
    for (size_t i = 0; i < ARRAY_SIZE(engines); i++) {
        struct trace trace = { 0 };
        struct reactors_options options = { .count = 2, .engine = engines[i] };
        ASSERT_OK(reactors_run(&options, outlive_main, &trace));
        ASSERT_ERROR(trace.result, -ECANCELED);
        ASSERT_EQ(trace.count, 3);
    }
}
