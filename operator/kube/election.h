#pragma once
/* Who of several operators leads: a Lease object, as all controllers of Kubernetes have it. One
 * call of election_step every retry_ms; it makes at most two requests.
 *
 * K8  No clock of another machine is ever compared: a record counts as alive for lease_ms of our
 * own time since we saw it change. A leader that could not renew for renew_ms stops leading, before
 * anybody else may begin (lease_ms > renew_ms). Crash scenario: a leader whose machine slept for a
 * minute wakes up and deletes a pod that its successor has just made.
 *
 * Two leaders for a moment are possible all the same (a pause between the look and the write):
 * what the leader writes is guarded by K4. */

#include "kube/client.h"

#define ELECTION_IDENTITY_SIZE 128

struct election_options {
    const char *namespace;
    const char *name;     /* of the Lease */
    const char *identity; /* unique for each process */
    int64_t lease_ms;     /* 15000 */
    int64_t renew_ms;     /* 10000 */
    int64_t retry_ms;     /* 2000 */
};

struct election {
    struct kube *kube;
    struct election_options options;
    bool is_leader;
    int64_t renewed_ms; /* when a write of ours last succeeded; from before its request */
    cJSON *record;      /* the Lease as last read or written */
    uint64_t seen_hash; /* of its spec; zero: none seen */
    int64_t seen_ms;    /* when it became so, by our clock */
    uint64_t transitions;
};

/* Borrows the options' strings. */
void election_init(
        struct election *election, struct kube *kube, const struct election_options *options);
void election_done(struct election *election);
/* 1: we lead. 0: somebody else does. Negative errno: the request failed; is_leader says whether we
 * may still act. Looks at the clock first, so a leader that slept is none any more. */
MUST_CHECK int election_step(struct election *election);
/* Whether we lead now, by the clock. */
bool election_is_leader(const struct election *election);
/* Lets the next one begin at once. Only after everything that the leader does has ended. */
MUST_CHECK int election_release(struct election *election);
