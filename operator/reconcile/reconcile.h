#pragma once
/* One pass over one cluster, topic or user: a column of steps from what is wished and seen to what
 * is done and told.
 *
 * R1  The pass plans from scratch each time and keeps nothing: a pass that was cut off anywhere is
 * the same as one that never began. Crash scenario: the operator is killed between any two writes.
 *
 * R2  Nobody acts before every watched list was complete once. Crash scenario: pods are listed
 * before claims, a cluster with three brokers looks like one with none, and three more are made. */

#include "act/act.h"
#include "plan/plan.h"

#define RECONCILE_RESYNC_MS 15000 /* clocks in the plan move although nothing happens */

struct reconciler {
    struct cache *cache;
    struct act *act;
    struct plan_settings settings;
    uint64_t passes;
    uint64_t failures;
};

/* `key` is "namespace/name" of a cluster; of the others with CACHE_KEY_TOPIC or CACHE_KEY_USER
 * before it. Writes when to look again, -1: not by itself. An error comes with its fault and is in
 * the conditions already, as far as they could be written. */
MUST_CHECK int reconcile(struct reconciler *reconciler, const char *key, int64_t *ret_again_ms);
