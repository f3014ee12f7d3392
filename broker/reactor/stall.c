/* The stall detector: a turn that takes long delays every connection of its reactor. */
#include "reactor/internal.h"

void
stall_check(struct reactor *reactor, uint64_t turn_ns)
{
    if (LIKELY(turn_ns <= reactor->reactors->stall_warn_ns)) {
        return;
    }
    reactor->stats.stalls++;
    reactor->stats.stall_max_ns = MAX(reactor->stats.stall_max_ns, turn_ns);
    LOG_WARN("reactor stalled", LOG_INT("reactor", reactor->index),
            LOG_INT("turn_us", turn_ns / NS_PER_US),
            LOG_STR("longest_fiber", reactor->longest_name),
            LOG_INT("longest_us", reactor->longest_ns / NS_PER_US));
}
