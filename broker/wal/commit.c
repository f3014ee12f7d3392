/* Group commit: committers write the groups in order, each by one flushed write, and acknowledge in
 * order. */
#include "base/check.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int
wal_broken_fault(const struct wal *wal)
{
    return fault(-EIO, "wal: %s is broken: %s", wal->folder, wal->error_text);
}

void
wal_append_finish(struct wal *wal, struct wal_append *append, int result)
{
    append->result = result;
    append->done = true;
    wal->pending--;
    if (append->late_waiter) {
        foreign_wait_complete(append->late_waiter, 0);
    } else {
        wait_queue_wake_one(&append->waiter);
    }
}

void
wal_latency_count(struct wal *wal, uint64_t begun_ns, uint64_t now_ns)
{
    uint64_t us = now_ns > begun_ns ? (now_ns - begun_ns) / NS_PER_US : 0;
    wal->stats.commit_us_sum += us;
    wal->stats.commit_us_max = MAX(wal->stats.commit_us_max, us);
    size_t bucket = us <= 1 ? 0 : 64 - (size_t)__builtin_clzll(us - 1);
    wal->stats.commit_us_buckets[MIN(bucket, ARRAY_SIZE(wal->stats.commit_us_buckets) - 1)]++;
}

static void
group_fail(struct wal *wal, struct wal_group *group)
{
    struct list *node;
    while ((node = list_pop_front(&group->appends)) != NULL) {
        wal_append_finish(wal, CONTAINER_OF(node, struct wal_append, link), -EIO);
    }
}

static void
groups_fail(struct wal *wal, struct list *groups)
{
    struct list *node;
    while ((node = list_pop_front(groups)) != NULL) {
        struct wal_group *group = CONTAINER_OF(node, struct wal_group, link);
        group_fail(wal, group);
        wal_group_free(wal, group);
    }
}

void
wal_break(struct wal *wal, int error)
{
    if (wal->error) {
        return;
    }
    MARK("wal: broken");
    wal->error = -EIO;
    snprintf(wal->error_text, sizeof wal->error_text, "errno %d: %s", -error, fault_text());
    /* Buffers in flight belong to the kernel until their write has ended: their committers free
     * them. */
    LIST_FOREACH (node, &wal->in_flight) {
        group_fail(wal, CONTAINER_OF(node, struct wal_group, link));
    }
    groups_fail(wal, &wal->ready);
    if (wal->gathering) {
        group_fail(wal, wal->gathering);
        wal_group_free(wal, TAKE_PTR(wal->gathering));
    }
    wait_queue_wake_all(&wal->room);
    wait_queue_wake_all(&wal->work);
    wait_queue_wake_all(&wal->keeper_queue);
}

/* What is known only now: what is durable, and the chain. */
static void
group_seal(struct wal *wal, struct wal_group *group)
{
    size_t at = 0;
    while (at + WAL_FRAME_HEADER <= group->used && load_be32(group->data + at) == WAL_FRAME_MAGIC) {
        uint8_t *header = group->data + at;
        wal->chain_crc = wal_frame_seal(header, wal->durable_sequence, wal->chain_crc);
        at += (size_t)wal_frame_size(load_be32(header + 60));
    }
}

/* W1: the flush that covers these records has completed. */
static void
group_acknowledge(struct wal *wal, struct wal_group *group, uint64_t now_ns)
{
    wal->durable_sequence = MAX(wal->durable_sequence, group->last_complete);
    wal->stats.records += group->records;
    wal->stats.bytes += group->payload;
    wal->stats.groups++;
    wal->stats.group_bytes += group->used;
    struct list *node;
    while ((node = list_pop_front(&group->appends)) != NULL) {
        struct wal_append *append = CONTAINER_OF(node, struct wal_append, link);
        wal_latency_count(wal, append->begun_ns, now_ns);
        wal_append_finish(wal, append, 0);
    }
}

/* Acknowledges in order: a group whose write ended early waits for those before it. */
static void
groups_complete(struct wal *wal)
{
    uint64_t now_ns = clock_mono_ns();
    struct wal_group *group;
    while ((group = LIST_FIRST(&wal->in_flight, struct wal_group, link)) != NULL &&
            group->written) {
        if (group->result < 0) {
            wal_break(wal, group->result);
        }
        list_remove(&group->link);
        if (!wal->error) {
            group_acknowledge(wal, group, now_ns);
        }
        wal->queued_bytes -= group->used;
        wal_group_free(wal, group);
    }
    wal->last_commit_ns = now_ns;
    wait_queue_wake_one(&wal->room);
    if (!wal_keeper_is_armed(wal)) {
        wal_keeper_poke(wal);
    }
}

/* While a group is under way another goes beside it only when it is worth a flush: the smaller ones
 * gather until then, else there are twice as many flushes for the same records. */
bool
wal_gathering_may_go(const struct wal *wal)
{
    return wal->gathering &&
           (list_is_empty(&wal->in_flight) || wal->gathering->used >= WAL_GROUP_BESIDE_SIZE_MIN);
}

/* The next group, when there is one and its segment is there; nothing in between waits, so chain
 * order is log order. */
static struct wal_group *
group_take(struct wal *wal)
{
    if (list_is_empty(&wal->ready)) {
        if (!wal_gathering_may_go(wal) ||
                wal_segment_of(wal, wal->gathering->position) > wal->last_segment) {
            return NULL;
        }
        wal_group_close(wal);
    }
    struct wal_group *group = LIST_FIRST(&wal->ready, struct wal_group, link);
    if (wal_segment_of(wal, group->position) > wal->last_segment) {
        MARK("wal: commit waits for a segment");
        return NULL;
    }
    list_remove(&group->link);
    group_seal(wal, group);
    list_push_back(&wal->in_flight, &group->link);
    return group;
}

static bool
nothing_to_commit(const struct wal *wal)
{
    return list_is_empty(&wal->ready) && !wal->gathering;
}

MAY_SUSPEND static void
group_write(struct wal *wal, struct wal_group *group)
{
    struct wal_segment *segment = wal_segment_at(wal, wal_segment_of(wal, group->position));
    CHECK(segment->index == wal_segment_of(wal, group->position) && segment->file);
    group->result = (MUTANT(MUTANT_ACK_UNFLUSHED) ? file_write : file_write_durable)(
            segment->file, group->data, group->used, group->position % wal->segment_size);
    group->result = MUTANT(MUTANT_ACK_FAILED_WRITE) ? 0 : group->result;
    group->written = true;
    if (group->result < 0) {
        /* Whatever landed, nothing is tried again, and groups behind this one are not acknowledged
         * either (W2). */
        fault_note(group->result, "wal: group of %zu bytes at position %llu", group->used,
                (unsigned long long)group->position);
        wal_break(wal, group->result);
    }
}

void
wal_committer_run(void *arg)
{
    struct wal *wal = arg;
    while (!wal->error) {
        struct wal_group *group = group_take(wal);
        if (!group) {
            if (wal->closing && nothing_to_commit(wal)) {
                break;
            }
            int r = wait_queue_wait(&wal->work, DEADLINE_NONE);
            if (r < 0) {
                wal_break(wal, fault(r, "wal: the reactor is stopping"));
            }
            continue;
        }
        group_write(wal, group);
        crash_point("wal: group flushed");
        groups_complete(wal);
    }
    /* The other committer may wait for what will not come. */
    wait_queue_wake_all(&wal->work);
}
