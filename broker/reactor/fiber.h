#pragma once
/* Fibers: stackful, pinned to their reactor. A handler reads from top to bottom and waits by
 * calling.
 *
 * Every wait returns int: 0 or a count, or -errno; -ECANCELED once the fiber was cancelled (sticky:
 * every later wait returns it at once, so cleanup unwinds the stack), -ETIMEDOUT when the deadline
 * passed. Deadlines are absolute clock_mono_ns() values; DEADLINE_NONE never passes. State of the
 * reactor may have changed at each return. */

#include "reactor/reactor.h"

#define DEADLINE_NONE UINT64_MAX

struct fault;
struct fiber;

/* Starts fn(arg) on a new fiber of this reactor; it runs after the caller next waits. `name` is
 * borrowed for ever (a literal). With ret_fiber the caller owns a handle and must fiber_join it;
 * NULL: detached. -ENOBUFS: FIBERS_MAX alive already; -ENOMEM. */
MUST_CHECK int fiber_spawn(const char *name, fiber_fn fn, void *arg, struct fiber **ret_fiber);
/* Waits until the fiber has ended and frees the handle. Not cancelled by the caller's own
 * cancellation: joins always finish, so cancel the child first when in a hurry. */
MAY_SUSPEND void fiber_join(struct fiber *fiber);
/* Makes the fiber's present and all later waits return -ECANCELED. Harmless on an ended fiber whose
 * handle is owned. */
void fiber_cancel(struct fiber *fiber);
bool fiber_is_cancelled(void);
struct fiber *fiber_current(void);
uint64_t fiber_id(void);
const char *fiber_name(void);
/* Lets other fibers run; returns in this or the next turn. */
MUST_CHECK MAY_SUSPEND int fiber_yield(void);
MUST_CHECK MAY_SUSPEND int fiber_sleep_ns(uint64_t duration_ns);
MUST_CHECK MAY_SUSPEND int fiber_sleep_until(uint64_t deadline_ns);

/* While the guard is up, a wait on this fiber is a bug and stops the process: protects code that
 * must see unchanging state. Scopes nest. */
void no_suspend_begin(void);
void no_suspend_end(void);

/* A group of fibers that are joined together: fan-out within one request. */
struct fiber_group {
    unsigned running;
    int error; /* first failure of a member */
    struct fiber *waiter;
    struct fault
            *fault; /* the story of that failure, until fiber_group_wait hands it to the caller */
};
void fiber_group_init(struct fiber_group *group);
/* fn returns 0 or -errno; the first failure is kept. Runs fn at once in the caller when no fiber
 * can be had. */
MAY_SUSPEND void fiber_group_spawn(
        struct fiber_group *group, const char *name, int (*fn)(void *arg), void *arg);
/* Waits for all members (also when the caller is cancelled); returns the first failure or 0. */
MUST_CHECK MAY_SUSPEND int fiber_group_wait(struct fiber_group *group);
