#pragma once
/* The cluster's memory: a fenced log of objects in the bucket (`meta/log/<sequence>`), the lease
 * that says who writes it, and the state machine over it. Entered from main.c (start, stop),
 * partition/ and handlers/ (read state, propose).
 *
 * M1  200 = ours. 412 = read it back: our nonce means ours, else lost. 409, 5xx, time-out, reset =
 *     undecided: repeat the same bytes until decided. A slot is settled only by an object in it.
 *     Crash: a lost answer taken for a failure would make us write the same commit twice, or delete
 *     an object that is committed.
 *
 * M2  The controller is whoever holds `meta/lease` (conditional replace) and has written the first
 *     record of its epoch into the log. The lease is for liveness, the epoch in the slot is for
 *     safety. No wall clock is ever compared.
 *
 * M3  Old log objects are removed only below the durable, monotone `meta/floor`; a writer re-reads
 *     the floor after each create and treats a slot at or below it as lost. Crash: a writer stalled
 *     for hours creates a sequence number again that garbage collection had freed, and believes
 *     that it won.
 *
 * M4  A broker acknowledges and serves the newest data only while meta_lease_is_valid(): deadline
 *     on its own boot clock, counted from before the renewal was sent, less a margin for drift. A
 *     new controller waits a full lease before it takes over from a silent one, unless the former
 *     one is proven dead (same WAL folder, whose lock we hold) or has released the lease.
 *
 * M5  A partition opens at epoch e + 1 only after the WAL of epoch e is closed by its owner, or
 *     fenced and fully recovered: main.c recovers and commits the old WAL under the new broker
 *     epoch before META_OPEN.
 *
 * M6  in state.h.
 *
 * One broker at a time is the controller and writes the log; the others follow it (C1 to C6 of
 * docs/design.md chapter 8, docs/formats/internal.md). A follower becomes the controller when the
 * lease runs out; a controller that is replaced is fenced and ends. All of it lives on reactor 0;
 * every reactor has a replica of the state. */

#include "meta/state.h"
#include "objectstore/objectstore.h"

struct meta;

struct meta_options {
    struct objectstore *objects; /* borrowed */
    struct uuid cluster_id; /* zero: take the bucket's, or make one when the bucket is empty; else
                               they must be equal: -EMEDIUMTYPE */
    int32_t broker_id;
    const struct meta_endpoint *endpoints; /* where clients find it, by listener */
    int32_t endpoint_count;
    struct bytes rack;
    struct bytes admin_host;
    int32_t admin_port;
    struct bytes internal_host; /* where to listen for other brokers; NULL: nowhere, and no other
                                   broker can join while this one is the controller */
    uint16_t internal_port;     /* 0: any */
    struct bytes internal_advertised; /* host that they connect to; NULL: internal_host */
    int32_t wal_logs;                 /* of this broker in the bucket; 0: its WAL is on a volume */
    struct uuid former_holder; /* writer uuid of our former self whose death our WAL lock proves;
                                   zero: unknown */
    struct uuid elder_holder;  /* and of the one before, where the former one may not have
                                  registered */
    /* C6. Called on reactor 0 before this start registers: `registered` is the writer uuid of the
     * broker's last registration (zero: none), has_tail says that it may have left acknowledged
     * batches on a volume; `writer` is ours and must be durable beside the WAL when this returns.
     * An error ends the start. NULL: not asked. */
    int (*admit)(
            void *arg, const struct uuid *registered, bool has_tail, const struct uuid *writer);
    void *admit_arg;
    uint64_t lease_ns;          /* 0: 10 s */
    uint64_t snapshot_interval; /* log objects between snapshots; 0: 1000 */
    uint64_t garbage_delay_ns;  /* between marking and removing objects (O2); 0: 10 min */
    size_t dead_intents_max;    /* more are not kept for late writes (G2); 0: half of
                                   META_INTENTS_MAX */
    unsigned mutants;           /* tests only: meta/mutants.h */
};

/* Probes the store, finds or founds the cluster, reads snapshot and log and registers the broker:
 * as the controller, when the lease is free or runs out while we look (the log is fenced with the
 * new epoch), else with the controller. On reactor 0. -ENOTSUP: the store breaks a promise;
 * -EMEDIUMTYPE: the bucket belongs to another cluster or a newer format; -EBUSY: the id is in use
 * by a live broker, or a live controller cannot be reached; -EBADMSG: a damaged log object, named.
 */
MUST_CHECK MAY_SUSPEND int meta_start(const struct meta_options *options, struct meta **ret_meta);
/* Gives every other reactor its replica. Called once on reactor 0 before those reactors use
 * meta_state(). */
MUST_CHECK MAY_SUSPEND int meta_share(struct meta *meta);
/* Clean stop: META_BROKER_GONE, snapshot when useful, lease released. Then frees. `clean`: nothing
 * of this broker's partitions is in its WAL only, so anybody may open them (M5). */
MUST_CHECK MAY_SUSPEND int meta_stop_as(struct meta *meta, bool clean);
/* meta_stop_as(meta, true) */
MUST_CHECK MAY_SUSPEND int meta_stop(struct meta *meta);

/* This reactor's replica. Read-only for callers; changes only while the caller waits. */
const struct meta_state *meta_state(const struct meta *meta);
/* The writer uuid of this start: main.c keeps it in the WAL folder for former_holder of the next
 * start. */
struct uuid meta_writer(const struct meta *meta);
struct uuid meta_cluster_id(const struct meta *meta);
int64_t meta_broker_epoch(const struct meta *meta);
/* This broker writes the log. From reactor 0. */
bool meta_is_controller(const struct meta *meta);
/* The bound port of the internal listener; 0: none. */
uint16_t meta_internal_port(const struct meta *meta);
int32_t meta_broker_id(const struct meta *meta);

/* Writes the records into the log, in order, all in one log object, together with what others
 * propose at the moment (group commit; one object in flight). Returns when they are applied to the
 * caller's replica; each has its result. From any reactor. 0: logged (look at results); -ECANCELED,
 * -ESHUTDOWN, -EMSGSIZE: not logged; -EINPROGRESS: stopped while it was on its way, nobody knows;
 * -ESTALE: we are fenced (another controller has taken over; whether it is logged is not known):
 * the process must stop acknowledging and exit. Waits as long as the store is away; not ended by
 * cancellation once it is queued. */
MUST_CHECK MAY_SUSPEND int meta_propose(struct meta *meta, const struct meta_record *records,
        size_t count, struct meta_result *ret_results);
/* One record; its result's error is returned too. */
MUST_CHECK MAY_SUSPEND int meta_propose_one(
        struct meta *meta, const struct meta_record *record, struct meta_result *ret_result);

/* Forgets a broker that is gone. broker_epoch: the registration that is meant; -1: the one that our
 * replica knows. 0: logged, and ret_refusal is set: 0, -ENOENT (no such broker: also when it was
 * forgotten before), -ESTALE (another registration than that one), -EBUSY (it is alive, or its WAL
 * may hold batches that no object has: M5). Errors of meta_propose. */
MUST_CHECK MAY_SUSPEND int meta_unregister(
        struct meta *meta, int32_t broker_id, int64_t broker_epoch, int *ret_refusal);

struct meta_load;
/* What this broker serves, for the balancer: copied, and sent to the controller. Reactor 0. */
void meta_report_load(struct meta *meta, const struct meta_load *load);

/* M4. Cheap: one clock read and a comparison. From any reactor. */
bool meta_lease_is_valid(const struct meta *meta);
/* Whether its process has ended and its death is not logged yet, as far as is known: nobody listens
 * where it did. For directions only (handlers/leaders.h): it may be back at any moment, under the
 * same epoch never. From any reactor. */
bool meta_broker_is_away(const struct meta *meta, const struct meta_broker *broker);
/* True once fenced (M2): never false again. */
bool meta_is_fenced(const struct meta *meta);
/* Suspends until fenced (or cancelled: -ECANCELED): main.c then stops the process; the fault says
 * why. Reactor 0. */
MUST_CHECK MAY_SUSPEND int meta_wait_fenced(struct meta *meta);

/* Adds a listener on the caller's reactor: told of every record applied there from now on. `fn`
 * must not wait. */
void meta_listen(struct meta *meta, meta_listener_fn fn, void *arg);
/* Takes the listener of this reactor away again: its arg is not used after this. */
void meta_unlisten(struct meta *meta, meta_listener_fn fn, void *arg);

struct meta_stats {
    uint64_t log_objects; /* written by this process */
    uint64_t log_records;
    uint64_t undecided;
    uint64_t lease_renewals;
    uint64_t lease_failures;
    uint64_t commit_us_sum;
    uint64_t commit_us_max;
    uint64_t last_snapshot; /* sequence */
    uint64_t followers;     /* connected; on the controller */
};
void meta_stats_get(const struct meta *meta, struct meta_stats *ret_stats);
