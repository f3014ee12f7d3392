#pragma once
/* The lease: one object that says which writer should be writing the metadata log, and for how long
 * (M2, M4). It is for liveness only: two brokers that both believe in it do no harm, because the
 * epoch in the log's slots decides. Entered from meta.c, on reactor 0; lease_is_valid from
 * anywhere.
 *
 * Clocks: the holder counts from before it sent a renewal, by its boot clock, and stops an eighth
 * of the duration early; a challenger waits a quarter longer than the duration from when it first
 * saw the lease unchanged, by its own clock. No wall clock, and no clock of the store, is ever
 * compared. Format: docs/formats/metadata.md. */

#include "base/uuid.h"
#include "objectstore/objectstore.h"

struct lease;

/* What the object says. */
struct lease_content {
    struct uuid cluster_id;
    struct uuid holder; /* writer uuid: new at each start */
    struct uuid nonce;  /* new at each write: the same bytes would have the same etag */
    int64_t epoch;      /* grows with each change of holder */
    uint64_t duration_ns;
    int32_t broker_id;
    bool released; /* the holder has stopped: nobody needs to wait */
    bool purging;  /* the bucket is being emptied: nobody may hold it ever again (meta/purge.h) */
    uint64_t granted_ns; /* the longest lease that brokers may have from it or from holders before;
                            0: duration_ns */
};

#define LEASE_SIZE 92u
#define LEASE_DURATION_NS_MAX (3600 * (uint64_t)1000000000)

void lease_content_encode(const struct lease_content *content, uint8_t ret_bytes[LEASE_SIZE]);
/* -EBADMSG; -EMEDIUMTYPE: a newer format. */
MUST_CHECK int lease_content_decode(
        struct bytes object, const char *key, struct lease_content *ret_content);

struct lease_options {
    struct objectstore *objects; /* borrowed */
    const char *key;             /* copied */
    struct uuid cluster_id;      /* of a lease that is created; an existing one must agree */
    struct uuid holder;
    struct uuid former_holder; /* is proven dead; zero: nobody */
    struct uuid elder_holder;  /* and this one */
    int32_t broker_id;
    uint64_t duration_ns;
    unsigned mutants; /* tests only: meta/mutants.h */
};

struct lease *lease_new(const struct lease_options *options);
/* The renewal fiber must be stopped. Accepts NULL. */
void lease_free(struct lease *lease);

/* What is there, whatever it says. -ENOENT: nothing. */
MUST_CHECK MAY_SUSPEND int lease_read(struct objectstore *objects, const char *key,
        struct lease_content *ret_content, struct object_etag *ret_etag);
/* One that can be held. -ENOENT: there is none; -EMEDIUMTYPE: the bucket is being emptied. */
MUST_CHECK MAY_SUSPEND int lease_look(struct objectstore *objects, const char *key,
        struct lease_content *ret_content, struct object_etag *ret_etag);
/* What is known of the lease that somebody holds, look by look. Zeroed at first. */
struct lease_watch {
    bool exists;
    struct lease_content content;
    struct object_etag etag;
    uint64_t since_ns; /* of our boot clock: it has not changed since */
};
/* One look. 0: nobody can believe in the lease any more: it is not there, released, a proven dead
 * one's, or has not changed for its duration and an eighth; -EBUSY: it is held; -ESTALE: it was
 * there and is not any more; -EMEDIUMTYPE: another cluster's; else the store could not be asked. */
MUST_CHECK MAY_SUSPEND int lease_look_out(struct lease *lease, struct lease_watch *watch);
/* One write in place of what was seen. 0: ours; -EAGAIN: look again; -EACCES, -ECANCELED. */
MUST_CHECK MAY_SUSPEND int lease_seize(struct lease *lease, const struct lease_watch *watch);
int64_t lease_epoch(const struct lease *lease);
/* C3: until then brokers may believe in a longer lease than ours, which a holder before us granted:
 * it had another lease.ms, and stopped or died without anybody's wait. Boot clock; 0: none was
 * longer. */
uint64_t lease_granted_until(const struct lease *lease);
/* Writes a higher epoch into the lease that we hold. -ESTALE: we hold it no more. */
MUST_CHECK MAY_SUSPEND int lease_raise_epoch(struct lease *lease, int64_t epoch);

/* Starts the fiber that renews every third of the duration. `on_lost` is called on it, once, when
 * another holder was seen. */
MUST_CHECK int lease_renew_start(struct lease *lease, void (*on_lost)(void *arg), void *arg);
/* Ends the fiber; the lease stays valid until its deadline. */
MAY_SUSPEND void lease_renew_stop(struct lease *lease);
/* Tells the world that nobody needs to wait. After lease_renew_stop; the lease is invalid from now
 * on. An error changes nothing but the time that the next holder waits. */
MUST_CHECK MAY_SUSPEND int lease_release(struct lease *lease);

/* M4. One clock read and one comparison. From any thread. */
bool lease_is_valid(const struct lease *lease);
/* Never valid again. */
void lease_void(struct lease *lease);

struct lease_stats {
    uint64_t renewals;
    uint64_t failures;
};
void lease_stats_get(const struct lease *lease, struct lease_stats *ret_stats);
