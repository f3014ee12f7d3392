#pragma once
/* What the cache has of one cluster, as the plan wants it. Private to this room. */

#include "plan/plan.h"

struct seen {
    struct plan_pod *pods;
    size_t pod_count;
    struct plan_claim *claims;
    size_t claim_count;
    struct plan_child *children;
    size_t child_count;
    const struct roster *roster; /* or NULL */
    const struct cluster *rival; /* or NULL */
};

/* Borrows from the cache: no call may come between this and the end of the plan. seen_done. */
void seen_gather(const struct cache *cache, const struct cluster *cluster, struct seen *ret_seen);
void seen_done(struct seen *seen);
