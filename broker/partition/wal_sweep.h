#pragma once
/* Logs under wal/ that nobody wants any more, removed by the controller's broker. Entered from
 * process.c, on reactor 0.
 *
 * L4  (wal/objects.h) A log is removed only when this process, as the controller, has seen for
 *     `delay` (at least two leases, counted by its own clock) that its incarnation is over and that
 *     nothing of it is waited for: no partition is open in it, and its broker is not unrecovered.
 *     By then every lease that the incarnation may hold has run out, so whatever it creates in the
 *     slots that are free again is never acknowledged. What such a late writer leaves is found by
 *     the next sweep. Nothing is read of such a log ever again (K3), so a death in the middle of a
 *     removal leaves only objects, which the next controller removes after a delay of its own. An
 *     error promises nothing and is tried again.
 *
 * Limits: SWEEP_LOGS_MAX incarnations are watched at once; others wait. */

#include "meta/meta.h"
#include "objectstore/objectstore.h"

struct wal_sweep_options {
    struct meta *meta;           /* borrowed */
    struct objectstore *objects; /* borrowed */
    uint64_t interval_ns;
    uint64_t delay_ns;
};

struct wal_sweep;
MUST_CHECK int wal_sweep_start(
        const struct wal_sweep_options *options, struct wal_sweep **ret_sweep);
/* Accepts NULL. */
MAY_SUSPEND void wal_sweep_stop(struct wal_sweep *sweep);
/* One sweep; returns how many objects were removed. */
MUST_CHECK MAY_SUSPEND int64_t wal_sweep_once(struct wal_sweep *sweep);
