#pragma once
/* Asks each running broker what it is doing: GET /v1/broker of its admin port (docs/admin-api.md).
 * Often while it is on its way out, rarely otherwise. A pass never waits for a broker: it reads
 * what was told last.
 *
 * B1  An answer counts for the pod that was asked, by uid, and no answer leaves what is known with
 * its age. Crash scenario: a new pod got the address of an old one; the old one's "drained" would
 * be the new one's. */

#include "cache/cache.h"
#include "kube/http.h"

#define BROKERS_FAST_MS 1000
#define BROKERS_SLOW_MS 15000
#define BROKERS_UNDER_WAY_MAX 64

struct brokers *brokers_start(struct http *http, struct cache *cache);
/* Accepts NULL. */
void brokers_stop(struct brokers *brokers);
