/* meta_start: who is the cluster, may we write, what is the state, fence, register.
 *
 * Look at the lease, found or recognise the cluster, take the lease, read snapshot and log, fence
 * the log with our epoch and register the broker, hear what the probe says of the store.
 *
 * The probe runs beside all that: only founding waits for it before the first write. */
#include "base/check.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <stdio.h>

#define LEASE_NS (10 * (uint64_t)NS_PER_S)
#define SNAPSHOT_INTERVAL 1000
#define GARBAGE_DELAY_NS (600 * (uint64_t)NS_PER_S)
#define PROBE_NS (30 * (uint64_t)NS_PER_S)
#define STORE_CACHE_SIZE (64 * KIB) /* the least that the store takes: we read manifests once */
#define STORE_TIMEOUT_NS (30 * (uint64_t)NS_PER_S)
#define FENCE_TRIES 100
#define REPLAY_TRIES 8

struct probe {
    struct objectstore *objects;
    struct fiber *fiber;
    int result;
    char text[496];
};

struct start {
    const struct meta_options *options;
    struct meta *meta;
    struct probe probe;
    bool founding; /* nobody else had, when we looked */
};

static void
probe_main(void *arg)
{
    struct probe *probe = arg;
    probe->result =
            objectstore_probe(probe->objects, META_PREFIX "/probe", clock_mono_ns() + PROBE_NS);
    if (probe->result) {
        snprintf(probe->text, sizeof probe->text, "%s", log_fault_text(probe->result));
    }
}

/* The probe's verdict; again and again the same. */
static int
probe_wait(struct probe *probe)
{
    if (probe->fiber) {
        fiber_join(TAKE_PTR(probe->fiber));
    }
    return probe->result ? fault(probe->result, "%s", probe->text) : 0;
}

/* The cluster that owns the bucket's log; zero when there is no log. */
static int
find_cluster_in_log(struct objectstore *objects, struct uuid *ret_cluster_id)
{
    struct object_list list;
    int r = objectstore_list(
            objects, META_PREFIX "/log/", NULL, 1, clock_mono_ns() + OBJLOG_REQUEST_NS, &list);
    if (r) {
        return r;
    }
    uint64_t first = 0;
    if (list.count && objlog_key_sequence(list.entries[0].key, &first)) {
        r = fault(-EBADMSG, "meta: %s is no log object", list.entries[0].key);
    }
    object_list_done(&list);
    if (r || first == 0) {
        *ret_cluster_id = UUID_ZERO;
        return r;
    }
    const struct objlog_options options = { .objects = objects, .prefix = META_PREFIX };
    struct objlog *log;
    r = objlog_new(&options, &log);
    if (r) {
        return r;
    }
    struct objlog_entry entry;
    objlog_seek(log, &(struct objlog_position){ .next_sequence = first });
    r = objlog_read_next(log, &entry);
    if (r == 0) {
        *ret_cluster_id = objlog_id(log);
        objlog_entry_done(&entry);
    }
    objlog_free(log);
    return r;
}

/* Which cluster this is: the bucket's, the wanted one, or a new one. Founding waits for the probe.
 */
static int
start_recognise(struct start *start)
{
    struct meta *meta = start->meta;
    struct lease_content lease;
    struct object_etag etag;
    struct uuid found = UUID_ZERO;
    int r = lease_look(meta->objects, META_LEASE_KEY, &lease, &etag);
    if (r == 0) {
        found = lease.cluster_id;
    } else if (r == -ENOENT) {
        r = find_cluster_in_log(meta->objects, &found);
    }
    if (r) {
        return r;
    }
    const struct uuid *wanted = &start->options->cluster_id;
    if (!uuid_is_zero(&found) && !uuid_is_zero(wanted) && !uuid_equal(&found, wanted)) {
        char ours[UUID_TEXT_SIZE];
        char theirs[UUID_TEXT_SIZE];
        return fault(-EMEDIUMTYPE, "meta: the bucket belongs to cluster %s, not to %s",
                uuid_format(&found, theirs), uuid_format(wanted, ours));
    }
    if (uuid_is_zero(&found)) {
        r = probe_wait(&start->probe);
        if (r) {
            return r;
        }
        found = uuid_is_zero(wanted) ? random_uuid() : *wanted;
        start->founding = true;
        LOG_INFO("founding a cluster");
    }
    meta->cluster_id = found;
    return 0;
}

static void
start_lease_lost(void *arg)
{
    meta_fence(arg, fault(-ESTALE, "meta: another broker has taken the lease"));
}

static int
take_lease_once(struct start *start)
{
    struct meta *meta = start->meta;
    const struct lease_options options = { .objects = meta->objects,
        .key = META_LEASE_KEY,
        .cluster_id = meta->cluster_id,
        .holder = meta->writer,
        .former_holder = start->options->former_holder,
        .broker_id = meta->broker_id,
        .duration_ns = start->options->lease_ns ? start->options->lease_ns : LEASE_NS,
        .mutants = start->options->mutants };
    lease_free(meta->lease);
    meta->lease = lease_new(&options);
    return lease_take(meta->lease);
}

static int
start_take_lease(struct start *start)
{
    int r = take_lease_once(start);
    if (r == -EMEDIUMTYPE && start->founding) {
        /* Another broker has founded the cluster a moment before us: whoever creates the lease has.
         */
        MARK("meta: two founders");
        start->founding = false;
        r = start_recognise(start);
        r = r ? r : take_lease_once(start);
    }
    return r ? r : lease_renew_start(start->meta->lease, start_lease_lost, start->meta);
}

static int
open_log(struct start *start)
{
    struct meta *meta = start->meta;
    const struct objlog_options options = { .objects = meta->objects,
        .prefix = META_PREFIX,
        .log_id = meta->cluster_id,
        .writer = meta->writer,
        .epoch = lease_epoch(meta->lease),
        .mutants = start->options->mutants };
    objlog_free(meta->log);
    meta->log = NULL;
    replica_free(meta->replicas[0]);
    meta->replicas[0] = NULL;
    return objlog_new(&options, &meta->log);
}

static int
load_snapshot(struct meta *meta)
{
    CLEANUP(buf_unrefp) struct buf *bytes = NULL;
    struct objlog_position position = { .next_sequence = 1 };
    struct meta_state *state;
    int r = objlog_read_snapshot(meta->log, UINT64_MAX, &position, &bytes);
    if (r == -ENOENT) {
        state = meta_state_new();
        r = 0;
    } else if (r == 0) {
        r = meta_state_decode(buf_bytes(bytes), &state);
        if (r) {
            return fault_note(r, "snapshot %llu", (unsigned long long)position.next_sequence - 1);
        }
        objlog_seek(meta->log, &position);
    }
    if (r) {
        return r;
    }
    meta->replicas[0] = replica_new(state);
    meta->last_snapshot = position.next_sequence - 1;
    meta->stats.last_snapshot = meta->last_snapshot;
    return 0;
}

/* Applies what is in the log from here on; 0 at its present end. */
static int
read_on(struct meta *meta)
{
    for (;;) {
        struct objlog_entry entry;
        int r = objlog_read_next(meta->log, &entry);
        if (r) {
            return r == -ENOENT ? 0 : r;
        }
        size_t count;
        r = replica_apply(meta->replicas[0], entry.payload, entry.sequence, NULL, &count);
        objlog_entry_done(&entry);
        if (r) {
            return r;
        }
    }
}

/* As read_on, and what was read is the one history (M3 for readers). */
static int
read_on_confirmed(struct meta *meta)
{
    int r = read_on(meta);
    return r ? r : objlog_confirm(meta->log);
}

/* Snapshot, then log, up to the end as it is now. -ESTALE: garbage collection overtook us: again.
 */
static int
replay_once(struct start *start)
{
    struct meta *meta = start->meta;
    uint64_t tail;
    int r = open_log(start);
    if (r) {
        return r;
    }
    r = load_snapshot(meta);
    if (r) {
        return r;
    }
    r = objlog_find_tail(meta->log, &tail);
    if (r) {
        return r;
    }
    r = read_on_confirmed(meta);
    if (r) {
        return r;
    }
    const struct uuid *id = meta_state_cluster_id(meta->replicas[0]->state);
    if (!uuid_is_zero(id) && !uuid_equal(id, &meta->cluster_id)) {
        return fault(-EMEDIUMTYPE, "meta: the log and the lease are of different clusters");
    }
    return 0;
}

static int
start_replay(struct start *start)
{
    int r = -ESTALE;
    for (int i = 0; i < REPLAY_TRIES && r == -ESTALE; i++) {
        r = replay_once(start);
    }
    return r;
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

#define FENCE_RECORDS_MAX 3

/* The first records of our term; returns their number. */
static size_t
fence_records(const struct start *start, struct meta_record records[FENCE_RECORDS_MAX])
{
    const struct meta *meta = start->meta;
    const struct meta_options *options = start->options;
    size_t count = 0;
    if (uuid_is_zero(meta_state_cluster_id(meta->replicas[0]->state))) {
        records[count++] = (struct meta_record){ .type = META_CLUSTER,
            .cluster = { meta->cluster_id, META_FORMAT_VERSION } };
    }
    records[count++] = (struct meta_record){ .type = META_CONTROLLER,
        .controller = { lease_epoch(meta->lease), meta->writer, meta->broker_id } };
    records[count++] = (struct meta_record){ .type = META_BROKER,
        .broker = { .broker_id = meta->broker_id,
                .incarnation = meta->writer,
                .host = options->host.data ? options->host : BYTES_LITERAL(""),
                .port = options->port,
                .rack = options->rack,
                .admin_host = options->admin_host,
                .admin_port = options->admin_port } };
    return count;
}

/* M2: one object with our epoch, the controller's record and the broker's registration. -EAGAIN:
 * read on first. */
static int
fence_once(struct start *start)
{
    struct meta *meta = start->meta;
    struct meta_record records[FENCE_RECORDS_MAX];
    struct meta_result results[FENCE_RECORDS_MAX];
    size_t count = fence_records(start, records);
    struct strbuf payload;
    strbuf_init(&payload, META_PAYLOAD_SIZE_MAX);
    int r = payload_encode(records, count, &payload);
    if (r == 0) {
        const struct iovec part = { payload.data, payload.size };
        r = objlog_append(meta->log, &part, 1);
    }
    if (r == 0) {
        size_t applied;
        r = replica_apply(meta->replicas[0], strbuf_bytes(&payload),
                objlog_next_sequence(meta->log) - 1, results, &applied);
    }
    strbuf_done(&payload);
    if (r) {
        return r;
    }
    for (size_t i = 0; i < count; i++) {
        if (results[i].error) {
            return fault(results[i].error, "meta: the %s record of our start was refused",
                    meta_record_type_name(records[i].type));
        }
    }
    meta->broker_epoch = results[count - 1].epoch;
    meta->stats.log_objects++;
    meta->stats.log_records += count;
    return 0;
}

static int
start_fence(struct start *start)
{
    struct meta *meta = start->meta;
    for (int i = 0; i < FENCE_TRIES; i++) {
        int r = raise_epoch(meta);
        if (r) {
            return r;
        }
        r = fence_once(start);
        if (r != -EAGAIN && r != -ESTALE) {
            return r;
        }
        if (atomic_load(&meta->fenced)) {
            return fault(-EBUSY, "meta: %s", meta->fenced_text);
        }
        /* A former controller's last objects lie before ours, or the floor has moved: read them,
         * then try behind them. */
        r = r == -EAGAIN ? read_on_confirmed(meta) : start_replay(start);
        if (r == -ESTALE) {
            r = start_replay(start);
        }
        if (r) {
            return r;
        }
    }
    return fault(-EBUSY, "meta: another broker keeps writing the log");
}

static struct meta *
meta_new(const struct meta_options *options)
{
    struct meta *meta = mem_alloc(sizeof *meta);
    meta->objects = options->objects;
    meta->writer = random_uuid();
    meta->broker_id = options->broker_id;
    meta->snapshot_interval =
            options->snapshot_interval ? options->snapshot_interval : SNAPSHOT_INTERVAL;
    meta->mutants = options->mutants;
    meta->garbage_delay_ns =
            options->garbage_delay_ns ? options->garbage_delay_ns : GARBAGE_DELAY_NS;
    meta->replica_count = reactor_count();
    meta->replicas = mem_alloc_array(meta->replica_count, sizeof(struct replica *));
    wait_queue_init(&meta->fenced_waiters);
    wait_queue_init(&meta->proposed);
    wait_queue_init(&meta->snapshot_due);
    list_init(&meta->proposals);
    semaphore_init(&meta->queue_space, META_QUEUE_SIZE_MAX);
    return meta;
}

void
meta_free(struct meta *meta)
{
    writer_stop(meta); /* first: the collector may wait for it */
    garbage_stop(meta);
    snapshots_stop(meta);
    if (meta->lease) {
        lease_renew_stop(meta->lease);
    }
    replicas_done(meta);
    replica_free(meta->replicas[0]);
    mem_free(meta->replicas);
    objlog_free(meta->log);
    lease_free(meta->lease);
    store_free(meta->store);
    mem_free(meta);
}

static int
start_steps(struct start *start)
{
    static int (*const steps[])(
            struct start *) = { start_recognise, start_take_lease, start_replay, start_fence };
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        int r = steps[i](start);
        if (r) {
            return r;
        }
    }
    int r = probe_wait(&start->probe);
    if (r == -ENOTSUP || r == -ECANCELED) {
        return r;
    }
    if (r) {
        LOG_INFO("the object store could not be probed; it kept its promises before", LOG_FAULT(r));
    }
    return 0;
}

static int
start_fibers(struct meta *meta)
{
    const struct store_options options = { .objects = meta->objects,
        .block_cache_bytes = STORE_CACHE_SIZE,
        .fetch_timeout_ns = STORE_TIMEOUT_NS };
    int r = store_new(&options, &meta->store);
    if (r) {
        return r;
    }
    r = writer_start(meta);
    if (r) {
        return r;
    }
    r = snapshots_start(meta);
    return r ? r : garbage_start(meta);
}

int
meta_start(const struct meta_options *options, struct meta **ret_meta)
{
    CHECK(reactor_index() == 0);
    struct start start = {
        .options = options, .meta = meta_new(options), .probe = { .objects = options->objects }
    };
    int r = fiber_spawn("meta probe", probe_main, &start.probe, &start.probe.fiber);
    if (r == 0) {
        r = start_steps(&start);
    }
    if (r == 0) {
        r = start_fibers(start.meta);
    }
    if (start.probe.fiber) {
        fiber_cancel(start.probe.fiber);
        fiber_join(start.probe.fiber);
    }
    if (r == 0 && atomic_load(&start.meta->fenced)) {
        r = fault(-EBUSY, "meta: %s", start.meta->fenced_text);
    }
    if (r) {
        /* Whoever starts next need not wait for a lease that nobody uses. */
        if (start.meta->lease && lease_epoch(start.meta->lease) && r != -ECANCELED) {
            lease_renew_stop(start.meta->lease);
            (void)!lease_release(start.meta->lease);
        }
        meta_free(start.meta);
        return r;
    }
    *ret_meta = start.meta;
    return 0;
}
