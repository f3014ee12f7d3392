#pragma once
/* What the files behind meta.h share. Private to this room.
 *
 * Everything but the replicas belongs to reactor 0. A replica belongs to its reactor, which reaches
 * it by its index. */

#include "base/arena.h"
#include "meta/balancer.h"
#include "meta/lease.h"
#include "meta/load.h"
#include "meta/log_internal.h"
#include "meta/meta.h"
#include "meta/peer.h"
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

enum meta_role {
    META_STARTING,
    META_FOLLOWER,
    META_CONTROLS, /* the lease was taken and the log is fenced with our epoch */
};

/* A proposal on its way: of a fiber of ours that waits, or, on the controller, of a follower. */
struct proposal {
    struct meta *meta;
    struct list link;
    struct bytes records; /* encoded */
    size_t count;
    struct meta_result *results; /* NULL: a follower's */
    uint64_t sequence;           /* of the log object that has them */
    uint64_t number;             /* of a follower, while it is handed in: C5 */
    struct foreign_wait done;
    struct buf *owner; /* a follower's: of `records` */
};

/* What the controller knows of one broker besides the state. */
struct member {
    struct list link;
    int32_t id;
    struct uuid incarnation;
    uint64_t registered_ns; /* boot clock; 0: before this term */
    uint64_t heard_ns;      /* boot clock: it was granted a lease then; 0: not in this term */
    bool condemned;         /* its death is being logged: no more leases (C2) */
    bool hung_up;           /* its connection has ended and no other has come */
    uint64_t accepted;      /* number of its last proposal (C5) */
    struct peer_link *peer;
    struct member_load *load; /* its last report; NULL: none yet */
};

struct member_load {
    uint64_t at_ns; /* boot clock */
    struct meta_load sum;
    struct meta_partition_load partitions[META_LOAD_PARTITIONS_MAX];
};

/* One log object for followers. */
struct feed_entry {
    uint64_t sequence;
    struct buf *object;
};

struct feed {
    struct feed_entry entries[META_FEED_OBJECTS_MAX]; /* ring */
    size_t first;
    size_t count;
    size_t bytes;
};

#define META_AWAY_MAX 16

struct balancer;
struct follower;
struct server;

struct meta {
    struct objectstore *objects;
    struct store *store; /* for removal and for manifests of deleted topics; no caches */
    struct objlog *log;
    struct lease *lease;
    struct uuid cluster_id;
    struct uuid writer;
    int32_t broker_id;
    int64_t broker_epoch; /* 0: not registered yet */
    enum meta_role role;
    /* META_CONTROLS. A lease that was seized before the log was read says nothing (M4): we may be
     * dead in what we have not read. */
    atomic_bool leads;
    uint64_t lease_ns;
    struct meta_broker_record self; /* the registration; its texts are ours */
    struct uuid former[2];
    int (*admit)(
            void *arg, const struct uuid *registered, bool has_tail, const struct uuid *writer);
    void *admit_arg;
    uint64_t office_ns;  /* boot time at which our term began */
    uint64_t hearing_ns; /* boot time since which we would have heard every heartbeat */
    uint64_t snapshot_interval;
    uint64_t garbage_delay_ns;
    size_t dead_intents_max;
    unsigned mutants;

    struct replica **replicas; /* one for each reactor */
    unsigned replica_count;
    bool shared; /* the other reactors have theirs */

    atomic_bool fenced;
    char fenced_text[496]; /* why */
    struct wait_queue fenced_waiters;

    struct list proposals; /* waiting for the next log object, or to be handed in */
    struct list pending; /* handed in by a follower, not seen in the log yet; in order of number */
    uint64_t next_number;
    struct semaphore queue_space;
    struct wait_queue proposed;
    bool stopping;
    bool leaving; /* our own META_BROKER_GONE is on its way */
    struct fiber *writer_fiber;
    struct fiber *snapshot_fiber;
    struct fiber *garbage_fiber;
    struct wait_queue snapshot_due;
    uint64_t last_snapshot; /* sequences of log objects; 0: none */
    uint64_t former_snapshot;

    _Atomic int64_t away[META_AWAY_MAX]; /* broker epochs; 0: a free place. Changed on reactor 0 */
    uint64_t away_version;

    struct server *server;     /* NULL: no internal listener */
    struct follower *follower; /* NULL: we are the controller since the start */
    struct feed *feed;
    struct list members;
    struct fiber *members_fiber;
    struct wait_queue members_due;
    struct balancer *balancer; /* on the controller */
    struct balancer_options balancer_options;
    struct buf *load;            /* our next report, on a follower; NULL: it is sent */
    _Atomic uint64_t granted_ns; /* boot time up to which a follower's lease is valid (M4) */

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
/* Ends a proposal: 0, or why it is not (or not known to be) logged. Frees a follower's. */
void proposal_end(struct proposal *proposal, int r);
void proposals_fail(struct list *proposals, int r);
/* A follower leads: what the former controllers did not log is ours to log now, in order. */
void proposals_adopt(struct meta *meta);
/* On the controller: queues what a follower handed in. Waits for room in the queue. -EBADMSG: the
 * records cannot be decoded. */
MUST_CHECK MAY_SUSPEND int proposal_take(struct meta *meta, const struct uuid *writer,
        uint64_t number, int32_t count, struct bytes records);

/* start.c */
#define META_PREFIX "meta"
#define META_LEASE_KEY "meta/lease"
/* Reads snapshot and log anew, up to the present end. On a reactor that shares nothing yet. */
MUST_CHECK MAY_SUSPEND int meta_replay(struct meta *meta);
/* Applies what is in the bucket's log from here on, up to its present end, and confirms it (M3). */
MUST_CHECK MAY_SUSPEND int meta_read_on(struct meta *meta);
/* Applies one log object to all replicas. */
MUST_CHECK int meta_apply_entry(struct meta *meta, const struct objlog_entry *entry);

/* lead.c */
/* Our term as the controller: the lease is ours. Fences the log behind all that is in it, registers
 * the broker unless it is, starts what the controller does. -ESTALE: we slept through history;
 * -EBUSY: lost the lease meanwhile. */
MUST_CHECK MAY_SUSPEND int meta_lead(struct meta *meta);
/* C6: asks options.admit with what the state knows of our id. */
MUST_CHECK MAY_SUSPEND int meta_admit_self(struct meta *meta);

/* feed.c: what the controller sends to followers. */
void feed_push(struct meta *meta, uint64_t sequence, struct buf *object);
/* NULL: not (any more, or yet) here. */
struct buf *feed_find(const struct meta *meta, uint64_t sequence);
/* 0: nothing is kept. */
uint64_t feed_first(const struct meta *meta);
void feed_free(struct meta *meta);

/* members.c: who lives. */
MUST_CHECK int members_start(struct meta *meta);
MAY_SUSPEND void members_stop(struct meta *meta);
struct member *member_find(struct meta *meta, int32_t id);
struct member *member_get(struct meta *meta, int32_t id);
/* A heartbeat came: false when no lease may be granted (C2, C3). */
bool member_hear(struct meta *meta, struct member *member, int64_t broker_epoch);
/* How much longer a broker is one that has just registered (B5); 0: it isn't. */
uint64_t member_young_ns(struct meta *meta, int32_t id);

/* load.c */
/* Keeps a report. -EBADMSG. */
MUST_CHECK int member_take_load(struct member *member, struct bytes bytes);
/* NULL: nothing recent. `member` may be NULL. */
const struct member_load *member_recent_load(const struct member *member);
/* A broker that is new, here or to this controller, and has not said yet what it serves. */
bool member_owes_report(struct meta *meta, int32_t id);
/* balancer.c */
MUST_CHECK int balancer_start(struct meta *meta);
MAY_SUSPEND void balancer_stop(struct meta *meta);
/* A report has come. */
void balancer_hear(struct meta *meta);

/* placement.c: one look at all partitions, and one proposal when something is to be done. 1: look
 * again soon although nothing changes. */
MUST_CHECK MAY_SUSPEND int placement_pass(struct meta *meta);

/* assign.c: gives dead brokers' logs to live brokers, as far as that is needed now. */
MUST_CHECK MAY_SUSPEND int assign_pass(struct meta *meta);

/* away.c: brokers whose process has ended, as many as there is place for. */
void away_add(struct meta *meta, const struct meta_broker *broker);
void away_drop(struct meta *meta, int64_t broker_epoch);
/* Those that the state knows to be dead, or that are back, are not away any more. */
void away_prune(struct meta *meta);
/* A connection to its internal listener; it is away when nobody listens there. */
MUST_CHECK MAY_SUSPEND int away_connect(struct meta *meta, const struct meta_broker *broker,
        uint64_t deadline_ns, struct stream **ret_stream);
/* The broker's connection was closed: is anybody there? */
MAY_SUSPEND void away_knock(struct meta *meta, int32_t broker_id, int64_t broker_epoch);
/* As it is sent: 8 bytes for each. */
struct bytes away_list(const struct meta *meta, uint8_t out[META_AWAY_MAX * sizeof(int64_t)]);
void away_take(struct meta *meta, struct bytes list);

/* server.c */
MUST_CHECK MAY_SUSPEND int server_start(struct meta *meta, const struct meta_options *options);
MAY_SUSPEND void server_stop(struct meta *meta);
/* There is something new for the followers. */
void server_wake(struct meta *meta);

/* follower.c */
MUST_CHECK int follower_start(struct meta *meta);
/* Waits until we are registered, as a follower or as the controller. */
MUST_CHECK MAY_SUSPEND int follower_wait_joined(struct meta *meta, uint64_t deadline_ns);
MAY_SUSPEND void follower_stop(struct meta *meta);
/* There are proposals. */
void follower_wake(struct meta *meta);
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
/* 0, or it is not known whether they are gone: then nothing may be proposed, and the ids stay. */
MUST_CHECK MAY_SUSPEND int garbage_remove_objects(
        struct meta *meta, const uint64_t *ids, size_t count);
