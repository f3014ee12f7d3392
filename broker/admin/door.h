#pragma once
/* The door between foreign threads and a reactor: an HTTP thread hands a function in, a fiber of
 * the reactor runs it, and the thread waits for the result with a deadline. Private to this room.
 *
 * A1  What a call uses lives until both sides are done with it: a thread that gave up leaves its
 * argument to the door. Crash scenario: the loop stalls for longer than the deadline, the thread
 * frees the argument, the loop goes on. */

#include "base/attr.h"

#include <stdint.h>

struct door;

/* On the reactor that serves. `calls_max`: more at once are refused. -ENOBUFS. */
MUST_CHECK int door_open(unsigned calls_max, struct door **ret_door);
/* On the same reactor, after the last foreign thread has gone: waits for calls that nobody waits
 * for any more. Accepts NULL. */
MAY_SUSPEND void door_close(struct door *door);

/* From a foreign thread: runs fn(arg) on a fiber of its own and returns its result. The argument is
 * the caller's again when this returns, except with -ETIMEDOUT: then the door calls free_arg(arg)
 * once fn has ended or when it is sure never to run. -EBUSY: calls_max; -ESHUTDOWN. */
MUST_CHECK int door_call(struct door *door, int (*fn)(void *arg), void *arg,
        void (*free_arg)(void *arg), uint64_t timeout_ms);
