#pragma once
/* The rest of a stop in which clients are still served: whoever leads them here (Kubernetes'
 * proxies, load balancers) has seen /readyz fail and leads nobody here any more before the port
 * closes. Entered from process.c, once, on reactor 0.
 *
 * Crash scenario: the process and its network end while connections are still sent to it. Who
 * connects then hears nothing, not even a refusal, and waits as long as its system or library
 * does: librdkafka 30 s. */

#include "base/attr.h"

#include <stdint.h>

/* Returns 0 at that time of clock_mono_ns(), or when another SIGTERM or SIGINT comes: whoever sends
 * one doesn't want to wait. -ECANCELED. */
MUST_CHECK MAY_SUSPEND int linger_until(uint64_t deadline_ns);
