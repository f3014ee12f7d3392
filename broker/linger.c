/* See linger.h. */
#include "linger.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "reactor/reactor.h"
#include "reactor/sync.h"

#include <errno.h>

struct linger {
    struct wait_queue over;
    bool is_cut_short;
};

static void
signal_main(void *arg)
{
    struct linger *linger = arg;
    int r = signal_wait();
    if (r >= 0) {
        MARK("linger: cut short by a signal");
        LOG_INFO("stopping at once", LOG_INT("signal", r));
        linger->is_cut_short = true;
        wait_queue_wake_all(&linger->over);
    } else if (r != -ECANCELED) {
        LOG_WARN("another signal would not be heard", LOG_FAULT(r));
    }
}

int
linger_until(uint64_t deadline_ns)
{
    struct linger linger = { .is_cut_short = false };
    struct fiber *fiber;
    wait_queue_init(&linger.over);
    int r = fiber_spawn("linger", signal_main, &linger, &fiber);
    if (r < 0) {
        return r;
    }
    while (r == 0 && !linger.is_cut_short) {
        r = wait_queue_wait(&linger.over, deadline_ns);
    }
    fiber_cancel(fiber);
    fiber_join(fiber);
    return r == -ETIMEDOUT ? 0 : r;
}
