/* Proposals into log objects: group commit. Proposers queue on reactor 0; one fiber writes one
 * object at a time, with all that gathered while the last one was on its way. */
#include "base/check.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "meta/codec.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>
#include <stdio.h>

#define PAYLOAD_HEADER_SIZE 4u
#define PROPOSAL_ROOM 64u /* for the META_PROPOSAL that the controller puts before a follower's */

int
payload_encode(const struct meta_record *records, size_t count, struct strbuf *out)
{
    meta_write_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        int r = meta_record_encode(&records[i], out);
        if (r) {
            return r;
        }
    }
    return 0;
}

void
meta_fence(struct meta *meta, int r)
{
    if (atomic_load(&meta->fenced)) {
        return;
    }
    snprintf(meta->fenced_text, sizeof meta->fenced_text, "%s", log_fault_text(r));
    atomic_store(&meta->fenced, true);
    lease_void(meta->lease);
    atomic_store(&meta->granted_ns, 0);
    wait_queue_wake_all(&meta->fenced_waiters);
    wait_queue_wake_all(&meta->proposed);
    follower_wake(meta);
}

static int
propose_refused(const struct meta *meta)
{
    if (atomic_load(&meta->fenced)) {
        return fault(-ESTALE, "meta: fenced: %s", meta->fenced_text);
    }
    return meta->stopping ? fault(-ESHUTDOWN, "meta: stopping") : 0;
}

/* On reactor 0. */
static int
propose_on_writer(void *arg)
{
    struct proposal *proposal = arg;
    struct meta *meta = proposal->meta;
    int r = propose_refused(meta);
    if (r) {
        return r;
    }
    r = semaphore_acquire(&meta->queue_space, proposal->records.size, DEADLINE_NONE);
    if (r) {
        return r;
    }
    r = propose_refused(meta);
    if (r == 0) {
        foreign_wait_init(&proposal->done);
        list_push_back(&meta->proposals, &proposal->link);
        wait_queue_wake_one(&meta->proposed);
        follower_wake(meta);
        r = foreign_wait_for(&proposal->done);
    }
    semaphore_release(&meta->queue_space, proposal->records.size);
    return r;
}

/* Says why once more, on the proposer's own fiber: a fault does not cross reactors. */
static int
propose_failed(const struct meta *meta, int r)
{
    if (r == -ESTALE) {
        return fault(r, "meta: fenced: %s", meta->fenced_text);
    }
    if (r == -EINPROGRESS) {
        return fault(r, "meta: stopped before it was known whether the proposal is logged");
    }
    return fault(r, "meta: the proposal is not logged");
}

int
meta_propose(struct meta *meta, const struct meta_record *records, size_t count,
        struct meta_result *ret_results)
{
    CHECK(count > 0 && count <= META_RECORDS_MAX / 2);
    if (fiber_is_cancelled()) {
        return -ECANCELED;
    }
    struct strbuf encoded;
    strbuf_init(&encoded, META_PAYLOAD_SIZE_MAX - PROPOSAL_ROOM);
    int r = payload_encode(records, count, &encoded);
    if (r == 0) {
        struct bytes bytes = strbuf_bytes(&encoded);
        struct proposal proposal = { .meta = meta, .count = count, .results = ret_results };
        proposal.records =
                bytes_of(bytes.data + PAYLOAD_HEADER_SIZE, bytes.size - PAYLOAD_HEADER_SIZE);
        r = reactor_call(0, propose_on_writer, &proposal);
        if (r == 0) {
            replica_wait(replica_here(meta), proposal.sequence);
        } else {
            r = propose_failed(meta, r);
        }
    }
    strbuf_done(&encoded);
    return r;
}

int
meta_propose_one(
        struct meta *meta, const struct meta_record *record, struct meta_result *ret_result)
{
    struct meta_result result;
    int r = meta_propose(meta, record, 1, &result);
    if (r) {
        return r;
    }
    if (ret_result) {
        *ret_result = result;
    }
    if (result.error) {
        return fault(
                result.error, "meta: a %s record was refused", meta_record_type_name(record->type));
    }
    return 0;
}

/* The proposals that go into one object. */
struct group {
    struct list proposals;
    size_t records;
    size_t size;
};

static void
group_gather(struct meta *meta, struct group *group)
{
    list_init(&group->proposals);
    group->records = 0;
    group->size = PAYLOAD_HEADER_SIZE;
    LIST_FOREACH_SAFE (node, &meta->proposals) {
        struct proposal *proposal = CONTAINER_OF(node, struct proposal, link);
        if (group->size + proposal->records.size > META_PAYLOAD_SIZE_MAX ||
                group->records + proposal->count > META_RECORDS_MAX) {
            return;
        }
        list_remove(&proposal->link);
        list_push_back(&group->proposals, &proposal->link);
        group->records += proposal->count;
        group->size += proposal->records.size;
    }
}

static struct buf *
group_payload(const struct group *group)
{
    struct buf *payload = buf_new(group->size);
    store_be32(payload->data, (uint32_t)group->records);
    payload->size = PAYLOAD_HEADER_SIZE;
    LIST_FOREACH (node, &group->proposals) {
        const struct proposal *proposal = CONTAINER_OF(node, struct proposal, link);
        memcpy(payload->data + payload->size, proposal->records.data, proposal->records.size);
        payload->size += proposal->records.size;
    }
    return payload;
}

void
proposal_end(struct proposal *proposal, int r)
{
    if (proposal->owner) {
        semaphore_release(&proposal->meta->queue_space, proposal->records.size);
        buf_unref(proposal->owner);
        mem_free(proposal);
        return;
    }
    foreign_wait_complete(&proposal->done, r);
}

void
proposals_adopt(struct meta *meta)
{
    while (!list_is_empty(&meta->pending)) {
        struct list *last = meta->pending.prev;
        list_remove(last);
        list_push_front(&meta->proposals, last);
    }
    wait_queue_wake_one(&meta->proposed);
}

void
proposals_fail(struct list *proposals, int r)
{
    struct list *node;
    while ((node = list_pop_front(proposals))) {
        proposal_end(CONTAINER_OF(node, struct proposal, link), r);
    }
}

/* A damaged record would stop every broker. */
static int
records_check(struct bytes records, int32_t count)
{
    struct arena arena;
    arena_init(&arena, META_ARENA_SIZE);
    int r = count > 0 && count <= META_RECORDS_MAX / 2 ? 0 : -EBADMSG;
    for (int32_t i = 0; r == 0 && i < count; i++) {
        struct meta_record record;
        size_t size;
        arena_reset(&arena);
        r = meta_record_decode(records, &arena, &record, &size);
        if (r == 0) {
            records = bytes_of(records.data + size, records.size - size);
        }
    }
    arena_done(&arena);
    return r == 0 && records.size ? -EBADMSG : r;
}

int
proposal_take(struct meta *meta, const struct uuid *writer, uint64_t number, int32_t count,
        struct bytes records)
{
    int r = records_check(records, count);
    if (r) {
        return fault_note(r, "meta: proposal %llu of a follower", (unsigned long long)number);
    }
    const struct meta_record head = { .type = META_PROPOSAL,
        .proposal = { *writer, number, count } };
    struct strbuf encoded;
    strbuf_init(&encoded, META_PAYLOAD_SIZE_MAX - PAYLOAD_HEADER_SIZE);
    r = meta_record_encode(&head, &encoded);
    strbuf_append(&encoded, records);
    r = r ? r : encoded.error;
    if (r == 0) {
        r = semaphore_acquire(&meta->queue_space, encoded.size, DEADLINE_NONE);
    }
    if (r == 0) {
        struct proposal *proposal = mem_alloc(sizeof *proposal);
        proposal->meta = meta;
        proposal->owner = buf_of_bytes(strbuf_bytes(&encoded));
        proposal->records = buf_bytes(proposal->owner);
        proposal->count = (size_t)count + 1;
        list_push_back(&meta->proposals, &proposal->link);
        r = propose_refused(meta);
        if (r) {
            list_remove(&proposal->link);
            proposal_end(proposal, r);
        }
        wait_queue_wake_one(&meta->proposed);
    }
    strbuf_done(&encoded);
    return r;
}

/* The object is ours: applies it here, sends it to the other reactors, hands out the results. Does
 * not wait: state and log are in step whenever another fiber looks. */
static void
group_apply(struct meta *meta, struct group *group, struct buf *payload, uint64_t sequence)
{
    struct meta_result *results = mem_alloc_array(group->records, sizeof *results);
    size_t count;
    int r = replica_apply(meta->replicas[0], buf_bytes(payload), sequence, results, &count);
    CHECK(r == 0 && count == group->records); /* meta_record_encode has made these bytes */
    replicas_broadcast(meta, payload, sequence);
    const struct meta_result *next = results;
    struct list *node;
    while ((node = list_pop_front(&group->proposals))) {
        struct proposal *proposal = CONTAINER_OF(node, struct proposal, link);
        if (proposal->results) {
            memcpy(proposal->results, next, proposal->count * sizeof *next);
        }
        next += proposal->count;
        proposal->sequence = sequence;
        proposal_end(proposal, 0);
    }
    mem_free(results);
}

static void
group_count(struct meta *meta, const struct group *group, uint64_t start_ns)
{
    uint64_t us = (clock_mono_ns() - start_ns) / NS_PER_US;
    meta->stats.log_objects++;
    meta->stats.log_records += group->records;
    meta->stats.commit_us_sum += us;
    meta->stats.commit_us_max = MAX(meta->stats.commit_us_max, us);
}

/* 0, or why nothing more can be written. */
static int
group_write(struct meta *meta, struct group *group)
{
    uint64_t start_ns = clock_mono_ns();
    CLEANUP(buf_unrefp) struct buf *payload = group_payload(group);
    const struct iovec part = { payload->data, payload->size };
    int r = objlog_append(meta->log, &part, 1);
    if (r == 0) {
        group_count(meta, group, start_ns);
        group_apply(meta, group, payload, objlog_next_sequence(meta->log) - 1);
        feed_push(meta, objlog_next_sequence(meta->log) - 1, objlog_take_written(meta->log));
        if (objlog_next_sequence(meta->log) - 1 - meta->last_snapshot >= meta->snapshot_interval) {
            wait_queue_wake_one(&meta->snapshot_due);
        }
        return 0;
    }
    if (r == -ENOMEM) {
        proposals_fail(&group->proposals, r);
        return 0;
    }
    if (r == -ECANCELED) {
        proposals_fail(&group->proposals, -EINPROGRESS);
        return r;
    }
    if (r == -EAGAIN) {
        /* We hold the highest epoch and have fenced the log: who else writes in it does not play by
         * M2. */
        r = fault(-ESTALE, "meta: another writer of our own epoch");
    }
    meta_fence(meta, r);
    proposals_fail(&group->proposals, -ESTALE);
    return r;
}

static void
writer_main(void *arg)
{
    struct meta *meta = arg;
    int r = 0;
    while (r == 0 && !atomic_load(&meta->fenced)) {
        struct group group;
        group_gather(meta, &group);
        r = group.records ? group_write(meta, &group)
                          : wait_queue_wait(&meta->proposed, DEADLINE_NONE);
    }
    meta->stopping = true;
    proposals_fail(&meta->proposals, atomic_load(&meta->fenced) ? -ESTALE : -ESHUTDOWN);
}

int
writer_start(struct meta *meta)
{
    return fiber_spawn("meta writer", writer_main, meta, &meta->writer_fiber);
}

void
writer_stop(struct meta *meta)
{
    meta->stopping = true;
    if (meta->writer_fiber) {
        fiber_cancel(meta->writer_fiber);
        fiber_join(TAKE_PTR(meta->writer_fiber));
    }
}
