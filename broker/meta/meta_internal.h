#pragma once
/* What the files behind meta.h share. Private to this room.
 *
 * Everything but the replicas belongs to reactor 0. A replica belongs to its reactor, which reaches
 * it by its index. */

#include "base/arena.h"
#include "meta/lease.h"
#include "meta/log_internal.h"
#include "meta/meta.h"
#include "reactor/call.h"
#include "reactor/sync.h"
#include "store/store.h"

#include <stdatomic.h>

struct replica {
    struct meta_state *state;
    struct list listeners;
    struct list
            waits; /* struct applied_wait: proposers of this reactor that read their own writes */
    struct arena arena; /* of the record being applied */
};

struct meta {
    struct objectstore *objects;
    struct store *store; /* for removal and for manifests of deleted topics; no caches */
    struct objlog *log;
    struct lease *lease;
    struct uuid cluster_id;
    struct uuid writer;
    int32_t broker_id;
    int64_t broker_epoch;
    uint64_t snapshot_interval;
    uint64_t garbage_delay_ns;
    unsigned mutants;

    struct replica **replicas; /* one for each reactor */
    unsigned replica_count;
    bool shared; /* the other reactors have theirs */

    atomic_bool fenced;
    char fenced_text[496]; /* why */
    struct wait_queue fenced_waiters;

    struct list proposals; /* waiting for the next log object */
    struct semaphore queue_space;
    struct wait_queue proposed;
    bool stopping;
    struct fiber *writer_fiber;
    struct fiber *snapshot_fiber;
    struct fiber *garbage_fiber;
    struct wait_queue snapshot_due;
    uint64_t last_snapshot; /* sequences of log objects; 0: none */
    uint64_t former_snapshot;

    struct meta_stats stats;
};

/* replica.c */
struct replica *replica_new(struct meta_state *state);
void replica_free(struct replica *replica);
/* Applies the records of log object `sequence`. ret_results (NULL: not wanted) has room for all of
 * them. Errors are of decoding only: -EBADMSG, -EMEDIUMTYPE, -ENOBUFS. */
MUST_CHECK int replica_apply(struct replica *replica, struct bytes payload, uint64_t sequence,
        struct meta_result *ret_results, size_t *ret_count);
/* Sends the payload to the other reactors' replicas, in order. */
void replicas_broadcast(struct meta *meta, struct buf *payload, uint64_t sequence);
/* Waits until this reactor's replica has applied log object `sequence`; not ended by cancellation.
 */
MAY_SUSPEND void replica_wait(struct replica *replica, uint64_t sequence);
/* Takes the replicas of the other reactors down, in order behind what was broadcast. */
MAY_SUSPEND void replicas_done(struct meta *meta);
static inline struct replica *
replica_here(const struct meta *meta)
{
    return meta->replicas[reactor_index()];
}
/* Sequence of the log object that was applied last. */
static inline uint64_t
replica_object(const struct replica *replica)
{
    return meta_state_sequence(replica->state) >> 20;
}

/* propose.c */
MUST_CHECK int writer_start(struct meta *meta);
/* Ends the writer; what still waits gets -ESHUTDOWN, or -ESTALE when fenced. */
MAY_SUSPEND void writer_stop(struct meta *meta);
/* From now on nothing is acknowledged and nothing is written. `r` and the present fault say why. */
void meta_fence(struct meta *meta, int r);
/* count, then the records. -EMSGSIZE. */
MUST_CHECK int payload_encode(const struct meta_record *records, size_t count, struct strbuf *out);

/* start.c */
#define META_PREFIX "meta"
#define META_LEASE_KEY "meta/lease"
/* Stops what runs, and frees. Writes nothing. */
MAY_SUSPEND void meta_free(struct meta *meta);

/* snapshots.c */
MUST_CHECK int snapshots_start(struct meta *meta);
MAY_SUSPEND void snapshots_stop(struct meta *meta);
/* Writes one now. */
MUST_CHECK MAY_SUSPEND int snapshot_write(struct meta *meta);

/* garbage.c */
MUST_CHECK int garbage_start(struct meta *meta);
MAY_SUSPEND void garbage_stop(struct meta *meta);
