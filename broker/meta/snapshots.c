/* Snapshots from time to time, and behind them the floor and the removal of the log's old objects.
 * The last two snapshots and everything after the elder are kept: a damaged newest snapshot costs
 * time, not the cluster. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>

#define RETRY_NS (5 * (uint64_t)NS_PER_S)

int
snapshot_write(struct meta *meta)
{
    uint64_t sequence = objlog_next_sequence(meta->log) - 1;
    if (sequence == 0 || sequence == meta->last_snapshot) {
        return 0;
    }
    struct strbuf bytes;
    strbuf_init(&bytes, META_SNAPSHOT_SIZE_MAX);
    int r = meta_state_encode(meta->replicas[0]->state, &bytes);
    if (r == 0) {
        r = objlog_write_snapshot(meta->log, sequence, strbuf_bytes(&bytes));
    }
    strbuf_done(&bytes);
    if (r) {
        return r;
    }
    meta->former_snapshot = meta->last_snapshot;
    meta->last_snapshot = sequence;
    meta->stats.last_snapshot = sequence;
    return meta->former_snapshot ? objlog_set_floor(meta->log, meta->former_snapshot) : 0;
}

static void
snapshots_main(void *arg)
{
    struct meta *meta = arg;
    int r = 0;
    while (r != -ECANCELED && !atomic_load(&meta->fenced)) {
        if (objlog_next_sequence(meta->log) - 1 - meta->last_snapshot < meta->snapshot_interval) {
            r = wait_queue_wait(&meta->snapshot_due, DEADLINE_NONE);
            continue;
        }
        r = snapshot_write(meta);
        if (r && r != -ECANCELED) {
            LOG_INFO("a metadata snapshot will be tried again", LOG_FAULT(r));
            r = fiber_sleep_ns(RETRY_NS);
        }
    }
}

int
snapshots_start(struct meta *meta)
{
    return fiber_spawn("meta snapshots", snapshots_main, meta, &meta->snapshot_fiber);
}

void
snapshots_stop(struct meta *meta)
{
    if (meta->snapshot_fiber) {
        fiber_cancel(meta->snapshot_fiber);
        fiber_join(TAKE_PTR(meta->snapshot_fiber));
    }
}
