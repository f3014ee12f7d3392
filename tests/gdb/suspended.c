/* A program with fibers that wait, for the test of hack/gdb/fibers.py: one sleeps three calls deep,
 * one waits for a mutex that the main fiber holds, and the main fiber stops where gdb has its
 * breakpoint. */
#include "base/check.h"
#include "reactor/clock.h"
#include "reactor/fiber.h"
#include "reactor/reactor.h"
#include "reactor/sync.h"

#include <stdio.h>

static struct mutex letter_box;
static int letters;

/* Where gdb stops; more than a symbol, or the call is left out. */
__attribute__((noinline)) void stop_here(int count);
void
stop_here(int count)
{
    __asm__ volatile("" : : "r"(count) : "memory");
}

__attribute__((noinline)) static int
sleep_deep(int depth)
{
    int r = fiber_sleep_ns(50 * NS_PER_MS);
    letters += depth;
    return r;
}

__attribute__((noinline)) static int
sleep_deeper(int depth)
{
    int r = sleep_deep(depth + 1);
    letters += depth;
    return r;
}

static void
sleeper_main(void *arg)
{
    (void)arg;
    int r = sleep_deeper(1);
    CHECK(r == 0);
}

__attribute__((noinline)) static int
wait_for_letter_box(void)
{
    int r = mutex_lock(&letter_box);
    letters++;
    return r;
}

static void
reader_main(void *arg)
{
    (void)arg;
    int r = wait_for_letter_box();
    CHECK(r == 0);
    mutex_unlock(&letter_box);
}

static void
main_fiber(void *arg)
{
    struct fiber *sleeper;
    struct fiber *reader;
    (void)arg;
    mutex_init(&letter_box);
    int r = mutex_lock(&letter_box);
    CHECK(r == 0);
    r = fiber_spawn("sleeper", sleeper_main, NULL, &sleeper);
    CHECK(r == 0);
    r = fiber_spawn("reader", reader_main, NULL, &reader);
    CHECK(r == 0);
    r = fiber_yield();
    CHECK(r == 0);
    stop_here(letters);
    mutex_unlock(&letter_box);
    fiber_join(reader);
    fiber_join(sleeper);
    printf("letters %d\n", letters);
}

int
main(void)
{
    const struct reactors_options options = { .count = 1, .engine = IO_THREADS };
    int r = reactors_run(&options, main_fiber, NULL);
    CHECK(r == 0);
    return 0;
}
