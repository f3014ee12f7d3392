#pragma once
/* /metrics, /healthz and /readyz of the operator, on a thread of libmicrohttpd: they answer while
 * the loop waits. Everything they say is in counters that the loop writes. */

#include "base/attr.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_STALL_MS 120000 /* a loop that hasn't turned for as long is dead */

struct health {
    _Atomic int64_t turned_ms;  /* the loop's last turn */
    _Atomic uint64_t not_ready; /* clusters */
    _Atomic bool is_leader;
    _Atomic bool is_synced;
    _Atomic bool is_ending;
    _Atomic uint64_t passes;
    _Atomic uint64_t failures;
    _Atomic uint64_t queue_depth;
    _Atomic uint64_t clusters;
    _Atomic uint64_t pods;
    _Atomic uint64_t calls;
    _Atomic uint64_t call_errors;
    _Atomic uint64_t writes;
    _Atomic uint64_t watch_restarts;
    _Atomic uint64_t watch_expired;
    _Atomic uint64_t events_dropped;
    _Atomic uint64_t pass_ms;     /* of the last pass */
    _Atomic uint64_t pass_ms_max; /* of all */
    const char *version;
};

struct health_server;

/* -EADDRINUSE and the like: the fault names the port. */
MUST_CHECK int health_start(struct health *health, int port, struct health_server **ret_server);
void health_stop(struct health_server *server);
