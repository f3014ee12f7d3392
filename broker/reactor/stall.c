/* The stall detector: a turn that takes long delays every connection of its reactor. All are
 * counted; the log hears of the first at once and then of the worst of each second, so that a
 * machine that is out of processors does not drown in lines. */
#include "reactor/internal.h"

#define SAY_INTERVAL_NS (1 * (uint64_t)NS_PER_S)

static void
stall_say(struct reactor *reactor)
{
    struct stall_log *stall = &reactor->stall;
    LOG_WARN("reactor stalled", LOG_INT("reactor", reactor->index),
            LOG_INT("turn_us", stall->turn_ns / NS_PER_US), LOG_STR("longest_fiber", stall->name),
            LOG_INT("longest_us", stall->longest_ns / NS_PER_US), LOG_INT("stalls", stall->count));
    *stall = (struct stall_log){ .said_ns = reactor->now_ns };
}

void
stall_check(struct reactor *reactor, uint64_t turn_ns)
{
    if (LIKELY(turn_ns <= reactor->reactors->stall_warn_ns)) {
        return;
    }
    struct stall_log *stall = &reactor->stall;
    reactor->stats.stalls++;
    reactor->stats.stall_max_ns = MAX(reactor->stats.stall_max_ns, turn_ns);
    stall->count++;
    if (turn_ns > stall->turn_ns) {
        stall->turn_ns = turn_ns;
        stall->longest_ns = reactor->longest_ns;
        stall->name = reactor->longest_name;
    }
    if (stall->said_ns == 0 || reactor->now_ns - stall->said_ns >= SAY_INTERVAL_NS) {
        stall_say(reactor);
    }
}
