#pragma once
/* Messages between reactors, and work for foreign threads. */

#include "reactor/fiber.h"

/* Runs fn(arg) on a fiber of the target reactor and waits for its result. `arg` may live on the
 * caller's stack. On the same reactor fn runs in the caller. Not ended early by cancellation: the
 * callee may use arg (R1). */
MUST_CHECK MAY_SUSPEND int reactor_call(unsigned target, int (*fn)(void *arg), void *arg);
/* Runs fn(arg) on a new fiber of the target reactor, in order of posting per pair of reactors
 * (start order only). Waits while the mailbox is full (MAILBOX_CAPACITY). -ECANCELED: not posted.
 */
MUST_CHECK MAY_SUSPEND int reactor_post(unsigned target, const char *name, fiber_fn fn, void *arg);
/* Runs fn(arg) in the target's loop itself, without a fiber: fn must be short and must not wait. In
 * order of posting per pair of reactors. From a reactor only. Never fails and never waits: for
 * bounded traffic (wake-ups, metadata). */
void reactor_post_inline(unsigned target, fiber_fn fn, void *arg);

/* Runs a blocking function on a helper thread and waits for its result. Not ended early by
 * cancellation. In the simulator fn runs in place. For what has no asynchronous form: file store,
 * name resolution, compression of big blocks. At most OFFLOAD_THREADS_MAX run at once; more wait in
 * line. */
MUST_CHECK MAY_SUSPEND int offload_run(int (*fn)(void *arg), void *arg);

/* One result that a foreign thread hands to one fiber. */
struct foreign_wait {
    struct fiber *fiber;
    void *reactor;
    struct foreign_wait *next; /* in the reactor's list of completed ones */
    int result;
    int done;
    int waiting;
};
/* Called by the fiber that is going to wait. */
void foreign_wait_init(struct foreign_wait *wait);
/* Called once, from any thread. The waiter may free `wait` as soon as this was called. */
void foreign_wait_complete(struct foreign_wait *wait, int result);
/* The result. Not ended early by cancellation. */
MUST_CHECK MAY_SUSPEND int foreign_wait_for(struct foreign_wait *wait);
