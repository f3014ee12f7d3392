/* From replayed to writable, and what a running WAL says about itself. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "wal/objects_internal.h"

#include <errno.h>

/* One statement makes the old log nobody's and the new one empty, whichever files are there. */
MUST_CHECK MAY_SUSPEND static int
log_forget(struct wal *wal)
{
    struct wal_evidence next = wal->evidence;
    next.log_incarnation = wal->incarnation;
    next.first_segment = wal->highest_index + 1;
    next.last_segment = wal->highest_index;
    next.trimmed = wal->next_sequence;
    next.durable = wal->next_sequence - 1;
    next.cut = 0;
    next.flags = WAL_EVIDENCE_CLEAN;
    return wal_evidence_write(wal, &next);
}

MUST_CHECK MAY_SUSPEND static int
log_begin(struct wal *wal)
{
    wal->first_segment = wal->evidence.first_segment;
    wal->last_segment = wal->evidence.last_segment;
    wal->tail = wal->first_segment * wal->segment_size;
    wal->durable_sequence = wal->evidence.durable;
    wal->trim_sequence = wal->evidence.trimmed;
    wal->segments = mem_alloc_array((size_t)wal->segments_max, sizeof *wal->segments);
    int r = wal_segment_add(wal, &wal->chain_crc);
    if (r < 0) {
        return r;
    }
    uint32_t crc;
    return wal_segment_add(wal, &crc);
}

MUST_CHECK static int
fibers_start(struct wal *wal)
{
    int r = fiber_spawn("wal keeper", wal_keeper_run, wal, &wal->keeper);
    while (r == 0 && wal->committer_count < WAL_COMMITTERS) {
        r = fiber_spawn(
                "wal committer", wal_committer_run, wal, &wal->committers[wal->committer_count]);
        wal->committer_count += r == 0;
    }
    return r;
}

int
wal_start(struct wal *wal)
{
    if (wal->objects && wal->objects->former) {
        return 0; /* the metadata will say that nobody wants it */
    }
    if (wal->read_only) {
        return fault(-EROFS, "wal: %s is open for reading only", wal->folder);
    }
    if (wal->phase != WAL_REPLAYED) {
        return fault(-EINVAL, "wal: %s: start must follow one whole replay", wal->folder);
    }
    wal->phase = WAL_OPENED;
    int r = log_forget(wal);
    if (r < 0) {
        return r;
    }
    r = wal_found_recycle(wal);
    if (r < 0) {
        return r;
    }
    r = log_begin(wal);
    if (r < 0) {
        return r;
    }
    r = fibers_start(wal);
    if (r < 0) {
        wal_break(wal, r);
        return r;
    }
    wal->phase = WAL_STARTED;
    return 0;
}

uint64_t
wal_next_sequence(const struct wal *wal)
{
    return wal->next_sequence;
}

uint64_t
wal_used(const struct wal *wal)
{
    if (wal->objects) {
        return wal->trim_sequence == wal->next_sequence ? 0 : wal->objects->live_bytes;
    }
    if (wal->phase != WAL_STARTED) {
        bool empty = wal->evidence.trimmed > wal->evidence.durable && wal->phase == WAL_REPLAYED;
        return empty ? 0 : wal->found_count * wal->segment_size;
    }
    if (wal->trim_sequence == wal->next_sequence) {
        return 0;
    }
    return wal_tail(wal) - wal->first_segment * wal->segment_size;
}

uint64_t
wal_capacity(const struct wal *wal)
{
    return wal->objects ? wal->objects->capacity : wal->segments_max * wal->segment_size;
}

int
wal_error(const struct wal *wal)
{
    return wal->error ? wal_broken_fault(wal) : 0;
}

void
wal_stats_get(const struct wal *wal, struct wal_stats *ret_stats)
{
    *ret_stats = wal->stats;
}
