/* A term as the controller: from a lease that was just taken to a log that is fenced with our epoch
 * and the fibers that a controller has. At a start and when a follower takes over. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>

#define STORE_CACHE_SIZE (64 * KIB) /* the least that the store takes: we read manifests once */
#define STORE_TIMEOUT_NS (30 * (uint64_t)NS_PER_S)
#define FENCE_TRIES 100
#define FENCE_RECORDS_MAX 3

static void
lead_lease_lost(void *arg)
{
    meta_fence(arg, fault(-ESTALE, "meta: another broker has taken the lease"));
}

/* Our epoch is above all that the log has seen. */
static int
raise_epoch(struct meta *meta)
{
    int64_t seen = MAX(
            objlog_last_epoch(meta->log), meta_state_controller_epoch(meta->replicas[0]->state));
    if (lease_epoch(meta->lease) <= seen) {
        MARK("meta: the log is ahead of the lease's epoch");
        int r = lease_raise_epoch(meta->lease, seen + 1);
        if (r) {
            return r == -ESTALE ? fault_note(-EBUSY, "meta: lost the lease while starting") : r;
        }
    }
    objlog_set_epoch(meta->log, lease_epoch(meta->lease));
    return 0;
}

/* Acknowledged batches of the broker's last registration may be on its volume and nowhere else. */
static bool
volume_has_tail(const struct meta_state *state, int32_t broker_id)
{
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            if (t->partitions[i].owner == broker_id && t->partitions[i].owner_broker_epoch &&
                    !meta_partition_wal_is_in_bucket(state, &t->partitions[i])) {
                return true;
            }
        }
    }
    return false;
}

int
meta_admit_self(struct meta *meta)
{
    const struct meta_state *state = meta->replicas[0]->state;
    const struct meta_broker *broker = meta_broker_find(state, meta->broker_id);
    if (!meta->admit) {
        return 0;
    }
    struct uuid registered = broker ? broker->incarnation : UUID_ZERO;
    return meta->admit(
            meta->admit_arg, &registered, volume_has_tail(state, meta->broker_id), &meta->writer);
}

/* The first records of our term; returns their number. */
static size_t
fence_records(const struct meta *meta, struct meta_record records[FENCE_RECORDS_MAX])
{
    size_t count = 0;
    if (uuid_is_zero(meta_state_cluster_id(meta->replicas[0]->state))) {
        records[count++] = (struct meta_record){ .type = META_CLUSTER,
            .cluster = { meta->cluster_id, META_FORMAT_VERSION } };
    }
    records[count++] = (struct meta_record){ .type = META_CONTROLLER,
        .controller = { lease_epoch(meta->lease), meta->writer, meta->broker_id } };
    if (!meta->broker_epoch) {
        records[count++] = (struct meta_record){ .type = META_BROKER, .broker = meta->self };
    }
    return count;
}

static int
fence_results(struct meta *meta, const struct meta_record *records,
        const struct meta_result *results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (results[i].error) {
            return fault(results[i].error, "meta: the %s record of our start was refused",
                    meta_record_type_name(records[i].type));
        }
        if (records[i].type == META_BROKER) {
            meta->broker_epoch = results[i].epoch;
        }
    }
    meta->stats.log_objects++;
    meta->stats.log_records += count;
    return 0;
}

/* M2: one object with our epoch, the controller's record and the broker's registration. -EAGAIN:
 * read on first. */
static int
fence_once(struct meta *meta)
{
    struct meta_record records[FENCE_RECORDS_MAX];
    struct meta_result results[FENCE_RECORDS_MAX];
    size_t count = fence_records(meta, records);
    struct strbuf encoded;
    strbuf_init(&encoded, META_PAYLOAD_SIZE_MAX);
    int r = payload_encode(records, count, &encoded);
    CLEANUP(buf_unrefp) struct buf *payload = buf_of_bytes(strbuf_bytes(&encoded));
    strbuf_done(&encoded);
    if (r == 0) {
        const struct iovec part = { payload->data, payload->size };
        r = objlog_append(meta->log, &part, 1);
    }
    if (r) {
        return r;
    }
    uint64_t sequence = objlog_next_sequence(meta->log) - 1;
    size_t applied;
    r = replica_apply(meta->replicas[0], buf_bytes(payload), sequence, results, &applied);
    if (r == 0) {
        replicas_broadcast(meta, payload, sequence);
        feed_push(meta, sequence, objlog_take_written(meta->log));
        r = fence_results(meta, records, results, count);
    }
    return r;
}

/* Somebody's objects lie before ours, or the floor has moved: reads them, to try behind them. */
static int
fence_catch_up(struct meta *meta, int why)
{
    int r = why == -EAGAIN ? meta_read_on(meta) : -ESTALE;
    if (r != -ESTALE) {
        return r;
    }
    /* Once registered the state is in use: it cannot be exchanged. */
    return meta->broker_epoch ? fault(-ESTALE, "meta: we slept through history: start again")
                              : meta_replay(meta);
}

static int
lead_fence(struct meta *meta)
{
    for (int i = 0; i < FENCE_TRIES; i++) {
        int r = raise_epoch(meta);
        if (r) {
            return r;
        }
        r = fence_once(meta);
        if (r != -EAGAIN && r != -ESTALE) {
            return r;
        }
        if (atomic_load(&meta->fenced)) {
            return fault(-EBUSY, "meta: %s", meta->fenced_text);
        }
        r = fence_catch_up(meta, r);
        if (r) {
            return r;
        }
    }
    return fault(-EBUSY, "meta: another broker keeps writing the log");
}

static int
lead_fibers(struct meta *meta)
{
    const struct store_options options = { .objects = meta->objects,
        .block_cache_bytes = STORE_CACHE_SIZE,
        .fetch_timeout_ns = STORE_TIMEOUT_NS };
    int r = store_new(&options, &meta->store);
    if (r == 0) {
        r = writer_start(meta);
    }
    if (r == 0) {
        r = snapshots_start(meta);
    }
    if (r == 0) {
        r = garbage_start(meta);
    }
    if (r == 0) {
        r = members_start(meta);
    }
    return r ? r : balancer_start(meta);
}

int
meta_lead(struct meta *meta)
{
    int r = lease_renew_start(meta->lease, lead_lease_lost, meta);
    if (r == 0 && !meta->broker_epoch) {
        r = meta_admit_self(meta);
    }
    if (r) {
        return r;
    }
    /* Whoever led before us is dead: its lease ran out before we took it, or it was released. */
    int32_t former = meta_state_controller(meta->replicas[0]->state);
    r = lead_fence(meta);
    if (r) {
        return r;
    }
    meta->office_ns = clock_boot_ns();
    meta->hearing_ns = meta->office_ns;
    meta->role = META_CONTROLS;
    atomic_store_explicit(&meta->leads, true, memory_order_release);
    /* Whoever leads after us buries us when our own lease is over (M4). */
    atomic_store(&meta->granted_ns, 0);
    if (former >= 0 && former != meta->broker_id) {
        member_get(meta, former)->condemned = true;
    }
    return lead_fibers(meta);
}
