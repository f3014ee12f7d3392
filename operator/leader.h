#pragma once
/* The thread that renews the Lease and takes the signals. It has a loop, a connection and
 * credentials of its own, so that no slow pass can cost the lead.
 *
 * L1  The process ends at once, with status 1, when it led and does not any more: nothing that was
 * begun as the leader goes on. Crash scenario: a pass that waits for a slow API server goes on
 * after another operator has begun.
 *
 * L2  The Lease is given back only when the work has ended. Crash scenario: SIGTERM during a pass,
 * the successor begins while the last write is still under way. */

#include "health.h"
#include "kube/http.h"
#include "options.h"

struct leader;

/* Blocks the signals in the calling thread: call it before any other thread is made. `wake` is
 * woken when the lead was won and when a signal came. */
MUST_CHECK int leader_start(const struct options *options, struct health *health, struct http *wake,
        struct leader **ret_leader);
bool leader_is_leading(const struct leader *leader);
/* SIGTERM or SIGINT came. */
bool leader_must_end(const struct leader *leader);
/* The work has ended: gives the Lease back, and ends the thread. */
void leader_stop(struct leader *leader);
