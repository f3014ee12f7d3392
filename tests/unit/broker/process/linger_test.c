/* How long a broker that was told to stop goes on serving. */
#include "base/mark.h"
#include "linger.h"
#include "reactor/clock.h"
#include "reactor/fiber.h"
#include "reactor/reactor.h"
#include "unit/test.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define LONG_NS (60 * (uint64_t)NS_PER_S)

static uint64_t
lingered_ns(uint64_t duration_ns)
{
    uint64_t began_ns = clock_mono_ns();
    int r = linger_until(began_ns + duration_ns);
    return r < 0 ? UINT64_MAX : clock_mono_ns() - began_ns;
}

FIBER_TEST(it_lingers_until_its_time_is_over)
{
    uint64_t ns = lingered_ns(30 * NS_PER_MS);
    ASSERT(ns >= 30 * NS_PER_MS && ns < LONG_NS);
    ASSERT(lingered_ns(0) < LONG_NS);
}

static void
signal_soon(void *arg)
{
    if (fiber_sleep_ns(10 * NS_PER_MS) == 0) {
        kill(getpid(), *(const int *)arg);
    }
}

FIBER_TEST(another_signal_ends_it_at_once)
{
    int numbers[] = { SIGTERM, SIGINT };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        struct fiber *fiber;
        uint64_t before = mark_count("linger: cut short by a signal");
        ASSERT_OK(fiber_spawn("signal", signal_soon, &numbers[i], &fiber));
        ASSERT(lingered_ns(LONG_NS) < LONG_NS);
        fiber_join(fiber);
        ASSERT_EQ(mark_count("linger: cut short by a signal"), before + 1);
    }
}

FIBER_TEST(a_signal_of_before_ends_it_at_once)
{
    kill(getpid(), SIGTERM); /* during the hand-over: nobody has read it */
    ASSERT(lingered_ns(LONG_NS) < LONG_NS);
    ASSERT(lingered_ns(20 * NS_PER_MS) >= 20 * NS_PER_MS);
}

static void
linger_long(void *arg)
{
    *(int *)arg = linger_until(clock_mono_ns() + LONG_NS);
}

FIBER_TEST(it_can_be_cancelled)
{
    struct fiber *fiber;
    int result = 0;
    ASSERT_OK(fiber_spawn("linger", linger_long, &result, &fiber));
    ASSERT_OK(fiber_sleep_ns(10 * NS_PER_MS));
    fiber_cancel(fiber);
    fiber_join(fiber);
    ASSERT_ERROR(result, -ECANCELED);
    /* Signals are somebody else's again. */
    kill(getpid(), SIGINT);
    ASSERT_EQ(signal_wait(), SIGINT);
}
