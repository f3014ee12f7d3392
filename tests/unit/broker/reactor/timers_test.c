/* The heap of deadlines. */
#include "base/mem.h"
#include "reactor/random.h"
#include "reactor/timers.h"
#include "unit/test.h"

#define COUNT 2000

TEST(timers_come_out_in_order_whatever_was_disarmed)
{
    struct timers timers;
    struct timer *all = mem_alloc_array(COUNT, sizeof *all);
    timers_init(&timers);
    for (size_t i = 0; i < COUNT; i++) {
        timer_init(&all[i]);
        timer_arm(&timers, &all[i], random_below(500));
    }
    for (size_t i = 0; i < COUNT; i += 3) {
        timer_disarm(&timers, &all[i]);
        timer_disarm(&timers, &all[i]);
    }
    uint64_t due = 0;
    uint64_t order = 0;
    size_t count = 0;
    struct timer *timer;
    while ((timer = timers_pop_due(&timers, UINT64_MAX))) {
        ASSERT(timer->due_ns > due ||
                (timer->due_ns == due && (count == 0 || timer->order > order)));
        ASSERT((size_t)(timer - all) % 3 != 0);
        ASSERT_EQ(timer->place == TIMER_IDLE, 1);
        due = timer->due_ns;
        order = timer->order;
        count++;
    }
    ASSERT_EQ(count, COUNT - (COUNT + 2) / 3);
    timers_done(&timers);
    mem_free(all);
}

TEST(only_due_timers_come_out)
{
    struct timers timers;
    struct timer a;
    struct timer b;
    timers_init(&timers);
    timer_init(&a);
    timer_init(&b);
    ASSERT(timers_next_ns(&timers) == UINT64_MAX);
    timer_arm(&timers, &a, 20);
    timer_arm(&timers, &b, 10);
    ASSERT_EQ(timers_next_ns(&timers), 10);
    ASSERT(!timers_pop_due(&timers, 9));
    ASSERT(timers_pop_due(&timers, 10) == &b);
    ASSERT(!timers_pop_due(&timers, 10));
    ASSERT(timers_pop_due(&timers, 21) == &a);
    timers_done(&timers);
}
