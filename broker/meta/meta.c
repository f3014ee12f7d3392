/* What is left of meta.h: the end, and the small questions. */
#include "meta/meta.h"

#include "base/fault.h"
#include "base/log.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>

/* A snapshot at a clean stop saves the next start this many objects of reading, or it is not worth
 * its PUT. */
#define STOP_SNAPSHOT_OBJECTS 16

static int
stop_gone(struct meta *meta, bool clean)
{
    const struct meta_record record = { .type = META_BROKER_GONE,
        .broker_gone = { meta->broker_id, meta->broker_epoch, clean } };
    meta->leaving = true;
    return meta_propose_one(meta, &record, NULL);
}

static int
stop_snapshot(struct meta *meta)
{
    uint64_t objects = objlog_next_sequence(meta->log) - 1 - meta->last_snapshot;
    return objects >= STOP_SNAPSHOT_OBJECTS ? snapshot_write(meta) : 0;
}

/* A follower: the controller has logged that it is gone. */
static int
stop_following(struct meta *meta, int r)
{
    meta_free(meta);
    return r;
}

int
meta_stop_as(struct meta *meta, bool clean)
{
    int r = stop_gone(meta, clean);
    if (meta->role != META_CONTROLS) {
        return stop_following(meta, r);
    }
    writer_stop(meta);
    garbage_stop(meta);
    snapshots_stop(meta);
    if (r == 0) {
        r = stop_snapshot(meta);
    }
    lease_renew_stop(meta->lease);
    if (!atomic_load(&meta->fenced)) {
        int released = lease_release(meta->lease);
        r = r ? r : released;
    }
    meta_free(meta);
    return r;
}

int
meta_stop(struct meta *meta)
{
    return meta_stop_as(meta, true);
}

struct uuid
meta_writer(const struct meta *meta)
{
    return meta->writer;
}

struct uuid
meta_cluster_id(const struct meta *meta)
{
    return meta->cluster_id;
}

int64_t
meta_broker_epoch(const struct meta *meta)
{
    return meta->broker_epoch;
}

int32_t
meta_broker_id(const struct meta *meta)
{
    return meta->broker_id;
}

bool
meta_lease_is_valid(const struct meta *meta)
{
    return (atomic_load_explicit(&meta->leads, memory_order_acquire) &&
                   lease_is_valid(meta->lease)) ||
           clock_boot_ns() < atomic_load_explicit(&meta->granted_ns, memory_order_acquire);
}

bool
meta_is_controller(const struct meta *meta)
{
    return meta->role == META_CONTROLS;
}

bool
meta_is_fenced(const struct meta *meta)
{
    return atomic_load(&meta->fenced);
}

int
meta_wait_fenced(struct meta *meta)
{
    while (!atomic_load(&meta->fenced)) {
        int r = wait_queue_wait(&meta->fenced_waiters, DEADLINE_NONE);
        if (r) {
            return r;
        }
    }
    (void)fault(-ESTALE, "meta: fenced: %s", meta->fenced_text);
    return 0;
}

void
meta_stats_get(const struct meta *meta, struct meta_stats *ret_stats)
{
    struct lease_stats lease;
    struct objlog_stats log;
    *ret_stats = meta->stats;
    lease_stats_get(meta->lease, &lease);
    objlog_stats_get(meta->log, &log);
    LIST_FOREACH (link, &meta->members) {
        ret_stats->followers += CONTAINER_OF(link, struct member, link)->peer != NULL;
    }
    ret_stats->undecided = log.undecided;
    ret_stats->lease_renewals = lease.renewals;
    ret_stats->lease_failures = lease.failures;
}
