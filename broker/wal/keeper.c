/* The keeper: one fiber per WAL that makes segments ahead of the appends, recycles trimmed ones,
 * and lets the evidence follow when the log is idle. */
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "reactor/clock.h"
#include "wal/wal_internal.h"

#include <errno.h>

void
wal_keeper_poke(struct wal *wal)
{
    wal->keeper_poked = true;
    wait_queue_wake_one(&wal->keeper_queue);
}

bool
wal_keeper_is_armed(const struct wal *wal)
{
    return wal->keeper_armed;
}

static bool
evidence_is_due(const struct wal *wal)
{
    return wal->durable_sequence > wal->evidence.durable ||
           wal->trim_sequence > wal->evidence.trimmed;
}

static struct wal_evidence
evidence_next(const struct wal *wal)
{
    struct wal_evidence next = wal->evidence;
    next.durable = MAX(next.durable, wal->durable_sequence);
    next.trimmed = MAX(next.trimmed, wal->trim_sequence);
    next.flags = 0;
    return next;
}

int
wal_evidence_follow(struct wal *wal)
{
    /* While groups are written each proves the one before; evidence is for the last one. */
    if (wal->phase != WAL_STARTED || !evidence_is_due(wal) || !list_is_empty(&wal->in_flight) ||
            clock_mono_ns() < wal->last_commit_ns + WAL_EVIDENCE_IDLE_NS) {
        return 0;
    }
    struct wal_evidence next = evidence_next(wal);
    MARK("wal: idle evidence");
    int r = wal_evidence_write(wal, &next);
    return r < 0 ? r : 1;
}

/* First index that must stay: the tail's segment, or one with a record that is still wanted. */
static uint64_t
recycle_end(struct wal *wal)
{
    uint64_t tail_segment = wal_segment_of(wal, wal_tail(wal) - 1);
    uint64_t index = wal->first_segment;
    while (index < tail_segment && index <= wal->last_segment &&
            wal_segment_at(wal, index)->last_sequence < wal->trim_sequence) {
        index++;
    }
    return index;
}

/* 1: recycled something. */
MUST_CHECK MAY_SUSPEND static int
keeper_recycle(struct wal *wal)
{
    uint64_t from = wal->first_segment;
    uint64_t to = recycle_end(wal);
    if (to == from) {
        return 0;
    }
    struct wal_evidence next = evidence_next(wal);
    next.first_segment = to;
    int r = wal_evidence_write(wal, &next);
    if (r < 0) {
        return r;
    }
    r = wal_segments_recycle(wal, from, to);
    if (r < 0) {
        return r;
    }
    wal->first_segment = to;
    wait_queue_wake_one(&wal->room);
    return 1;
}

static bool
segment_is_wanted(const struct wal *wal)
{
    uint64_t tail_segment = wal_segment_of(wal, wal_tail(wal) - 1);
    /* One ahead, so that a commit does not wait for it; none ahead when the end is near. */
    uint64_t target = wal->closing ? tail_segment : tail_segment + 1;
    return wal->last_segment < MIN(target, wal->first_segment + wal->segments_max - 1);
}

/* 1: made one. */
MUST_CHECK MAY_SUSPEND static int
keeper_add(struct wal *wal)
{
    if (!segment_is_wanted(wal)) {
        return 0;
    }
    if (wal->no_space && !wal->closing && wal->spare_count == 0 &&
            clock_mono_ns() < wal->space_retry_ns) {
        return 0;
    }
    uint32_t crc;
    int r = wal_segment_add(wal, &crc);
    if (r == -ENOSPC && !wal->closing) {
        /* Not a failed write of the log (W2): appends wait until a segment is recycled or the disk
         * has room (W5). */
        if (!wal->no_space) {
            LOG_WARN("wal: the volume has no room for another segment, appends wait", LOG_FAULT(r));
        }
        wal->no_space = true;
        wal->space_retry_ns = clock_mono_ns() + WAL_SPACE_RETRY_NS;
        return 0;
    }
    if (r == -ESHUTDOWN) {
        return 0;
    }
    if (r < 0) {
        return r;
    }
    wal->no_space = false;
    wait_queue_wake_all(&wal->work);
    return 1;
}

static uint64_t
keeper_deadline(const struct wal *wal)
{
    uint64_t deadline_ns = DEADLINE_NONE;
    if (evidence_is_due(wal)) {
        uint64_t now_ns = clock_mono_ns();
        uint64_t idle_ns = wal->last_commit_ns + WAL_EVIDENCE_IDLE_NS;
        deadline_ns = list_is_empty(&wal->in_flight) ? idle_ns
                                                     : MAX(idle_ns, now_ns + WAL_EVIDENCE_IDLE_NS);
    }
    if (wal->no_space && segment_is_wanted(wal)) {
        deadline_ns = MIN(deadline_ns, wal->space_retry_ns);
    }
    return deadline_ns;
}

/* 1: did something, look again. */
MUST_CHECK MAY_SUSPEND static int
keeper_work(struct wal *wal)
{
    int r = keeper_recycle(wal);
    if (r != 0) {
        return r;
    }
    r = keeper_add(wal);
    if (r != 0) {
        return r;
    }
    return wal_evidence_follow(wal);
}

/* The last entry: everything is durable, so nothing found broken later can be a torn tail. */
MUST_CHECK MAY_SUSPEND static int
keeper_finish(struct wal *wal)
{
    struct wal_evidence next = evidence_next(wal);
    next.flags = WAL_EVIDENCE_CLEAN;
    return wal_evidence_write(wal, &next);
}

void
wal_keeper_run(void *arg)
{
    struct wal *wal = arg;
    int r = 0;
    while (!wal->error) {
        wal->keeper_poked = false;
        r = keeper_work(wal);
        if (r > 0 || (r == 0 && wal->keeper_poked)) {
            continue;
        }
        if (r < 0 || wal->stopping) {
            break;
        }
        uint64_t deadline_ns = keeper_deadline(wal);
        wal->keeper_armed = deadline_ns != DEADLINE_NONE;
        r = wait_queue_wait(&wal->keeper_queue, deadline_ns);
        wal->keeper_armed = false;
        if (r < 0 && r != -ETIMEDOUT) {
            fault(r, "wal: the reactor is stopping");
            break;
        }
        r = 0;
    }
    if (r == 0 && !wal->error) {
        r = keeper_finish(wal);
    }
    if (r < 0) {
        wal_break(wal, r);
    }
}
