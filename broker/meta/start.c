/* meta_start: who is the cluster, does somebody lead it, what is the state.
 *
 * Look at the lease, found or recognise the cluster, take the lease and lead (lead.c), or join
 * whoever holds it (follower.c), hear what the probe says of the store.
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
#define ENTER_TRIES 8
#define JOIN_LEASES 2 /* so long we try to reach a controller that lives */
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

static int
open_log(struct meta *meta)
{
    const struct objlog_options options = { .objects = meta->objects,
        .prefix = META_PREFIX,
        .log_id = meta->cluster_id,
        .writer = meta->writer,
        .mutants = meta->mutants };
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

int
meta_apply_entry(struct meta *meta, const struct objlog_entry *entry)
{
    size_t count;
    int r = replica_apply(meta->replicas[0], entry->payload, entry->sequence, NULL, &count);
    if (r == 0 && meta->shared) {
        struct buf *payload = buf_of_bytes(entry->payload);
        replicas_broadcast(meta, payload, entry->sequence);
        buf_unref(payload);
    }
    return r;
}

int
meta_read_on(struct meta *meta)
{
    for (;;) {
        struct objlog_entry entry;
        int r = objlog_read_next(meta->log, &entry);
        if (r) {
            return r == -ENOENT ? objlog_confirm(meta->log) : r;
        }
        r = meta_apply_entry(meta, &entry);
        objlog_entry_done(&entry);
        if (r) {
            return r;
        }
    }
}

/* Snapshot, then log, up to the end as it is now. -ESTALE: garbage collection overtook us: again.
 */
static int
replay_once(struct meta *meta)
{
    uint64_t tail;
    int r = open_log(meta);
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
    r = meta_read_on(meta);
    if (r) {
        return r;
    }
    const struct uuid *id = meta_state_cluster_id(meta->replicas[0]->state);
    if (!uuid_is_zero(id) && !uuid_equal(id, &meta->cluster_id)) {
        return fault(-EMEDIUMTYPE, "meta: the log and the lease are of different clusters");
    }
    return 0;
}

int
meta_replay(struct meta *meta)
{
    int r = -ESTALE;
    for (int i = 0; i < REPLAY_TRIES && r == -ESTALE; i++) {
        r = replay_once(meta);
    }
    return r;
}

static struct lease *
start_new_lease(const struct start *start)
{
    const struct meta *meta = start->meta;
    const struct lease_options options = { .objects = meta->objects,
        .key = META_LEASE_KEY,
        .cluster_id = meta->cluster_id,
        .holder = meta->writer,
        .former_holder = meta->former[0],
        .elder_holder = meta->former[1],
        .broker_id = meta->broker_id,
        .duration_ns = meta->lease_ns,
        .mutants = meta->mutants };
    return lease_new(&options);
}

/* Somebody holds the lease: joins whoever it is, or replaces it when it is dead. */
static int
start_follow(struct start *start)
{
    struct meta *meta = start->meta;
    int r = meta_replay(meta);
    if (r == 0) {
        r = follower_start(meta);
    }
    return r ? r : follower_wait_joined(meta, clock_mono_ns() + JOIN_LEASES * meta->lease_ns);
}

static int
start_lead(struct start *start)
{
    int r = meta_replay(start->meta);
    return r ? r : meta_lead(start->meta);
}

/* Takes the lease when it is free. -EBUSY: somebody holds it; -EAGAIN: look again. */
static int
start_seize(struct start *start)
{
    struct meta *meta = start->meta;
    struct lease_watch watch = { 0 };
    lease_free(meta->lease);
    meta->lease = start_new_lease(start);
    int r = lease_look_out(meta->lease, &watch);
    if (r == -EMEDIUMTYPE && start->founding) {
        /* Another broker has founded the cluster a moment before us: whoever creates the lease
         * has. */
        MARK("meta: two founders");
        start->founding = false;
        r = start_recognise(start);
        return r ? r : -EAGAIN;
    }
    return r ? r : lease_seize(meta->lease, &watch);
}

/* Only the look is repeated: a term that has begun and ends at once fences this meta for good (M2),
 * and with it ends the start. */
static int
start_enter(struct start *start)
{
    for (int i = 0; i < ENTER_TRIES; i++) {
        int r = start_seize(start);
        if (r == 0) {
            return start_lead(start);
        }
        if (r == -EBUSY) {
            return start_follow(start);
        }
        if (r != -EAGAIN) {
            return r;
        }
        r = fiber_sleep_ns(NS_PER_MS + random_below(20 * (uint64_t)NS_PER_MS));
        if (r) {
            return r;
        }
    }
    return fault(-EBUSY, "meta: %s changes hands again and again", META_LEASE_KEY);
}

static struct bytes
text_copy(struct bytes text)
{
    return text.data ? bytes_of(mem_dup(text.data, text.size + !text.size), text.size) : BYTES_NULL;
}

static void
text_free(struct bytes text)
{
    mem_free((void *)(uintptr_t)text.data);
}

static const struct meta_endpoint *
endpoints_copy(const struct meta_endpoint *endpoints, int32_t count)
{
    struct meta_endpoint *copy = mem_alloc_array((size_t)count, sizeof *copy);
    for (int32_t i = 0; i < count; i++) {
        copy[i].listener = text_copy(endpoints[i].listener);
        copy[i].host = text_copy(endpoints[i].host);
        copy[i].port = endpoints[i].port;
    }
    return copy;
}

static void
registration_init(struct meta *meta, const struct meta_options *options)
{
    meta->self = (struct meta_broker_record){
        .broker_id = options->broker_id,
        .incarnation = meta->writer,
        .endpoints = endpoints_copy(options->endpoints, options->endpoint_count),
        .endpoint_count = options->endpoint_count,
        .rack = text_copy(options->rack),
        .admin_host = text_copy(options->admin_host),
        .admin_port = options->admin_port,
        .wal_logs = options->wal_logs,
        .internal_host = text_copy(options->internal_advertised.data ? options->internal_advertised
                                                                     : options->internal_host),
    };
}

static void
registration_done(struct meta *meta)
{
    const struct meta_broker_record *self = &meta->self;
    text_free(self->rack);
    text_free(self->admin_host);
    text_free(self->internal_host);
    for (int32_t i = 0; i < self->endpoint_count; i++) {
        text_free(self->endpoints[i].listener);
        text_free(self->endpoints[i].host);
    }
    mem_free((void *)(uintptr_t)self->endpoints);
}

static struct meta *
meta_new(const struct meta_options *options)
{
    struct meta *meta = mem_alloc(sizeof *meta);
    meta->objects = options->objects;
    meta->writer = random_uuid();
    meta->broker_id = options->broker_id;
    meta->lease_ns = options->lease_ns ? options->lease_ns : LEASE_NS;
    meta->former[0] = options->former_holder;
    meta->former[1] = options->elder_holder;
    meta->admit = options->admit;
    meta->admit_arg = options->admit_arg;
    registration_init(meta, options);
    list_init(&meta->pending);
    list_init(&meta->members);
    wait_queue_init(&meta->members_due);
    meta->next_number = 1;
    meta->snapshot_interval =
            options->snapshot_interval ? options->snapshot_interval : SNAPSHOT_INTERVAL;
    meta->mutants = options->mutants;
    meta->garbage_delay_ns =
            options->garbage_delay_ns ? options->garbage_delay_ns : GARBAGE_DELAY_NS;
    meta->dead_intents_max =
            options->dead_intents_max ? options->dead_intents_max : META_INTENTS_MAX / 2;
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
    follower_stop(meta);
    writer_stop(meta); /* first: others may wait for it */
    server_stop(meta);
    balancer_stop(meta);
    members_stop(meta);
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
    feed_free(meta);
    buf_unref(meta->load);
    registration_done(meta);
    mem_free(meta);
}

static int
start_steps(struct start *start)
{
    static int (*const steps[])(struct start *) = { start_recognise, start_enter };
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

int
meta_start(const struct meta_options *options, struct meta **ret_meta)
{
    CHECK(reactor_index() == 0);
    struct start start = {
        .options = options, .meta = meta_new(options), .probe = { .objects = options->objects }
    };
    int r = fiber_spawn("meta probe", probe_main, &start.probe, &start.probe.fiber);
    if (r == 0) {
        r = server_start(start.meta, options);
    }
    if (r == 0) {
        r = start_steps(&start);
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
        follower_stop(start.meta);
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
