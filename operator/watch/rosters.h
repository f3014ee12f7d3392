#pragma once
/* Asks one broker of each cluster which brokers are registered, also those whose pods and claims
 * are gone: GET /v1/brokers of docs/admin-api.md. What was told goes into the cache with its age;
 * no answer leaves it as it is.
 *
 * B2  Only a pod that the cluster owns is asked, and nobody of a cluster that is gone. Crash
 * scenario: a cluster was removed and its pods stayed (--cascade=orphan); each answer brings a pass
 * that forgets it, and the next second asks again. */

#include "cache/cache.h"
#include "kube/http.h"

#define ROSTERS_MS 15000
#define ROSTERS_UNDER_WAY_MAX 16

struct rosters;

struct rosters *rosters_start(struct http *http, struct cache *cache);
/* Accepts NULL. */
void rosters_stop(struct rosters *rosters);
