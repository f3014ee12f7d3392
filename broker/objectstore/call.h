#pragma once
/* One call of the interface: what to do, and how often. Private to the room.
 *
 * S4  What may be repeated is repeated until the deadline, with decorrelated jitter: many brokers
 * that met the same 503 must not come back in step. Broken answers (-EIO) are read again
 * OBJECT_NONSENSE_TRIES times in all. */

#include "objectstore/internal.h"

#define OBJECT_PAUSE_NS_MIN (20 * (uint64_t)1000000)
#define OBJECT_PAUSE_NS_MAX (3000 * (uint64_t)1000000)
#define OBJECT_PATIENCE_NS_MAX (30000 * (uint64_t)1000000)
#define OBJECT_NONSENSE_TRIES 3

struct object_call {
    struct objectstore *store;
    enum object_operation operation;
    const char *key; /* or the prefix of a list; for messages too */
    uint64_t deadline_ns;
    struct object_range range;
    const struct object_put *put;
    bool wants_etag;
    const char *const *keys; /* delete_many; NULL: delete */
    size_t key_count;
    const char *start_after;
    size_t max;
};

/* What a try brings; which fields are set depends on the operation. */
struct object_result {
    struct buf *buf;
    struct object_info info;
    struct object_etag etag;
    struct object_list list;
};
void object_result_done(struct object_result *result);

/* Repeats and hedges as the operation allows. Returns owned parts in ret_result. */
MUST_CHECK MAY_SUSPEND int object_call_run(
        const struct object_call *call, struct object_result *ret_result);
/* One try, counted. */
MUST_CHECK MAY_SUSPEND int object_call_try(
        const struct object_call *call, struct object_result *ret_result);
/* One try, and a second one when the first is late and hedging is on. */
MUST_CHECK MAY_SUSPEND int object_call_try_hedged(
        const struct object_call *call, struct object_result *ret_result);
const char *object_operation_name(enum object_operation operation);
/* The time within which 99 of 100 requests ended, rounded up to a bucket; 0 before `samples_min`
 * requests. */
uint64_t object_latency_ns_p99(
        const struct objectstore *store, enum object_operation operation, uint64_t samples_min);

/* Pauses between tries. Starts zeroed. */
struct object_backoff {
    uint64_t pause_ns;
};
uint64_t object_backoff_next_ns(struct object_backoff *backoff, struct objectstore *store);
