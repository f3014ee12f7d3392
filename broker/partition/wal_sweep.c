/* See wal_sweep.h. */
#include "partition/wal_sweep.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"
#include "wal/object_format.h"

#include <errno.h>
#include <string.h>

#define SWEEP_LOGS_MAX 4096
#define REQUEST_NS (30 * (uint64_t)NS_PER_S)
#define PAGE 1000

struct over {
    int32_t broker_id;
    uint64_t incarnation;
    uint64_t since_ns; /* boot clock: seen as over then for the first time */
    bool seen;         /* in this sweep */
};

struct wal_sweep {
    struct wal_sweep_options options;
    struct over *over;
    size_t count;
    struct fiber *fiber;
};

/* Whoever is alive in it writes it; what is not recovered, or has a partition open, is wanted. The
 * listing is older than the state that is looked at: an incarnation is in the state before it
 * writes. */
static bool
log_is_wanted(const struct meta_state *state, const struct wal_object_log *log)
{
    const struct meta_broker *broker = meta_broker_find(state, log->broker_id);
    int64_t epoch = (int64_t)log->incarnation;
    if (broker && ((broker->alive && broker->epoch == epoch) || broker->unrecovered)) {
        return true;
    }
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            if (t->partitions[i].owner == log->broker_id &&
                    t->partitions[i].owner_broker_epoch == epoch) {
                return true;
            }
        }
    }
    return false;
}

static struct over *
over_find(struct wal_sweep *sweep, const struct wal_object_log *log)
{
    for (size_t i = 0; i < sweep->count; i++) {
        struct over *over = &sweep->over[i];
        if (over->broker_id == log->broker_id && over->incarnation == log->incarnation) {
            return over;
        }
    }
    return NULL;
}

/* True when the log's time has come. */
static bool
over_watch(struct wal_sweep *sweep, const struct wal_object_log *log)
{
    struct over *over = over_find(sweep, log);
    if (!over && sweep->count < SWEEP_LOGS_MAX) {
        over = &sweep->over[sweep->count++];
        *over = (struct over){ log->broker_id, log->incarnation, clock_boot_ns(), true };
    }
    if (over) {
        over->seen = true;
    }
    return over && clock_boot_ns() - over->since_ns > sweep->options.delay_ns;
}

static void
over_forget(struct wal_sweep *sweep)
{
    size_t kept = 0;
    for (size_t i = 0; i < sweep->count; i++) {
        if (sweep->over[i].seen) {
            sweep->over[kept] = sweep->over[i];
            sweep->over[kept++].seen = false;
        }
    }
    sweep->count = kept;
}

/* One page of the listing; returns how many were removed. */
MUST_CHECK MAY_SUSPEND static int64_t
sweep_page(struct wal_sweep *sweep, const struct object_list *list)
{
    const struct meta_state *state = meta_state(sweep->options.meta);
    const char **keys = mem_alloc_array(list->count + 1, sizeof(const char *));
    size_t count = 0;
    struct wal_object_log last = { .broker_id = -1 };
    bool remove = false;
    for (size_t i = 0; i < list->count; i++) {
        struct wal_object_log log;
        uint64_t slot;
        if (wal_object_key_parse(list->entries[i].key, &log, &slot) < 0) {
            continue; /* not ours: not touched */
        }
        if (log.broker_id != last.broker_id || log.incarnation != last.incarnation) {
            last = log;
            remove = !log_is_wanted(state, &log) && over_watch(sweep, &log);
        }
        if (remove) {
            keys[count++] = list->entries[i].key;
        }
    }
    int r = count ? objectstore_delete_many(
                            sweep->options.objects, keys, count, clock_mono_ns() + REQUEST_NS)
                  : 0;
    mem_free(keys);
    if (r == 0 && count) {
        crash_point("wal sweep: objects removed");
    }
    return r < 0 ? r : (int64_t)count;
}

int64_t
wal_sweep_once(struct wal_sweep *sweep)
{
    char after[OBJECT_KEY_SIZE_MAX + 1] = "";
    int64_t removed = 0;
    for (bool more = true; more;) {
        struct object_list list;
        int r = objectstore_list(sweep->options.objects, WAL_OBJECT_ROOT, after, PAGE,
                clock_mono_ns() + REQUEST_NS, &list);
        if (r < 0) {
            return r;
        }
        int64_t n = meta_is_controller(sweep->options.meta) ? sweep_page(sweep, &list) : -ESTALE;
        if (list.count) {
            memcpy(after, list.entries[list.count - 1].key, sizeof after);
        }
        more = list.more && list.count > 0;
        object_list_done(&list);
        if (n < 0) {
            return n;
        }
        removed += n;
    }
    over_forget(sweep);
    return removed;
}

static void
sweep_main(void *arg)
{
    struct wal_sweep *sweep = arg;
    while (fiber_sleep_ns(sweep->options.interval_ns) == 0) {
        if (!meta_is_controller(sweep->options.meta)) {
            sweep->count = 0; /* what was seen in an earlier term counts no more */
            continue;
        }
        int64_t removed = wal_sweep_once(sweep);
        if (removed > 0) {
            LOG_INFO("former write-ahead logs removed", LOG_INT("objects", removed));
        } else if (removed < 0 && removed != -ECANCELED) {
            LOG_INFO("former write-ahead logs could not be removed, will be tried again",
                    LOG_FAULT((int)removed));
        }
    }
}

int
wal_sweep_start(const struct wal_sweep_options *options, struct wal_sweep **ret_sweep)
{
    struct wal_sweep *sweep = mem_alloc(sizeof *sweep);
    sweep->options = *options;
    sweep->over = mem_alloc_array(SWEEP_LOGS_MAX, sizeof *sweep->over);
    int r = options->interval_ns ? fiber_spawn("wal sweep", sweep_main, sweep, &sweep->fiber) : 0;
    if (r < 0) {
        wal_sweep_stop(sweep);
        return r;
    }
    *ret_sweep = sweep;
    return 0;
}

void
wal_sweep_stop(struct wal_sweep *sweep)
{
    if (!sweep) {
        return;
    }
    if (sweep->fiber) {
        fiber_cancel(sweep->fiber);
        fiber_join(sweep->fiber);
    }
    mem_free(sweep->over);
    mem_free(sweep);
}
