/* The second phase of O2, on the controller: removes objects that were marked long enough ago,
 * reads the manifests of deleted topics so that their objects can be marked, and lets orphans.c
 * remove what dead epochs wrote and never committed.
 *
 * All of it is monotone: what is marked stays marked, a dead epoch stays dead, ids are never used
 * twice. So a controller that has been replaced without knowing it does no harm here. Times are of
 * our own clock since we saw the mark; a restart begins to count again.
 *
 * What was committed is removed once, unlike what was not (G1): its write was answered before the
 * commit, so only an earlier try of the same write can land behind the removal, in a store that
 * carried it for longer than the delay. `freshet audit` finds such a one. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "meta/meta_internal.h"
#include "meta/mutants.h"
#include "meta/orphans.h"
#include "reactor/clock.h"

#include <errno.h>
#include <stdlib.h>

#define PASS_NS_MAX (60 * (uint64_t)NS_PER_S)
#define REMOVE_NS (60 * (uint64_t)NS_PER_S)
#define REMOVE_BATCH 125
#define CHECKPOINTS 16
#define MANIFEST_BATCH 64

/* Everything marked up to `sequence` was marked at `seen_ns` or before. */
struct checkpoint {
    uint64_t seen_ns;
    uint64_t sequence;
};

struct collector {
    struct meta *meta;
    struct checkpoint checkpoints[CHECKPOINTS]; /* oldest first */
    size_t checkpoint_count;
    struct orphans orphans;
};

static const struct meta_state *
collector_state(const struct collector *collector)
{
    return collector->meta->replicas[0]->state;
}

static bool
is_due(const struct collector *collector, uint64_t seen_ns)
{
    return clock_mono_ns() - seen_ns >= collector->meta->garbage_delay_ns;
}

/* Notes what is marked now; returns up to where marks are old enough. */
static uint64_t
checkpoint_pass(struct collector *collector)
{
    uint64_t due = 0;
    size_t passed = 0;
    while (passed < collector->checkpoint_count &&
            is_due(collector, collector->checkpoints[passed].seen_ns)) {
        due = collector->checkpoints[passed].sequence;
        passed++;
    }
    /* The last one that is due stays: what it covers may not all be gone yet. */
    size_t drop = passed > 1 ? passed - 1 : 0;
    collector->checkpoint_count -= drop;
    memmove(collector->checkpoints, collector->checkpoints + drop,
            collector->checkpoint_count * sizeof collector->checkpoints[0]);
    if (collector->checkpoint_count < CHECKPOINTS) {
        collector->checkpoints[collector->checkpoint_count++] =
                (struct checkpoint){ clock_mono_ns(),
                    meta_state_sequence(collector_state(collector)) };
    }
    return due;
}

int
garbage_remove_objects(struct meta *meta, const uint64_t *ids, size_t count)
{
    int r = store_remove_objects(meta->store, ids, count, clock_mono_ns() + REMOVE_NS);
    if (r && r != -ECANCELED) {
        MARK("meta: a removal is not known to have happened");
        LOG_INFO("garbage objects are kept for another try", LOG_INT("objects", count),
                LOG_FAULT(r));
    }
    return meta->mutants & META_MUTANT_FORGET_REMOVAL && r != -ECANCELED ? 0 : r;
}

static int
collect_marked(struct collector *collector)
{
    uint64_t due = checkpoint_pass(collector);
    uint64_t ids[REMOVE_BATCH]; /* on a fiber's stack */
    for (;;) {
        size_t all = meta_garbage_list_until(collector_state(collector), due, ids, ARRAY_SIZE(ids));
        size_t count = MIN(all, ARRAY_SIZE(ids));
        if (count == 0 || MUTANT(MUTANT_KEEP_DELETED)) {
            return 0;
        }
        int r = garbage_remove_objects(collector->meta, ids, count);
        if (r) {
            return r;
        }
        const struct meta_record record = { .type = META_GARBAGE_REMOVED,
            .ids = { ids, (int32_t)count } };
        struct meta_result result;
        r = meta_propose(collector->meta, &record, 1, &result);
        if (r) {
            return r;
        }
    }
}

static int
id_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* The ids of the objects that the manifest names, each once; mem_free. */
static uint64_t *
manifest_ids(const struct manifest *manifest, size_t *ret_count)
{
    uint64_t *ids = mem_alloc_array(manifest->count + 1, sizeof *ids);
    for (size_t i = 0; i < manifest->count; i++) {
        ids[i] = manifest->ranges[i].object_id;
    }
    qsort(ids, manifest->count, sizeof *ids, id_compare);
    size_t count = 0;
    for (size_t i = 0; i < manifest->count; i++) {
        if (count == 0 || ids[count - 1] != ids[i]) {
            ids[count++] = ids[i];
        }
    }
    *ret_count = count;
    return ids;
}

static int
collect_manifest(struct collector *collector, const struct meta_dead_manifest *dead)
{
    struct manifest manifest;
    int r = store_read_manifest(collector->meta->store, dead->key, dead->manifest_id, &manifest);
    if (r) {
        if (r != -ECANCELED) {
            LOG_INFO("the manifest of a deleted topic is kept for another try",
                    LOG_INT("manifest", dead->manifest_id), LOG_FAULT(r));
        }
        return r;
    }
    size_t count;
    uint64_t *ids = manifest_ids(&manifest, &count);
    manifest_done(&manifest);
    const struct meta_record record = { .type = META_MANIFEST_GARBAGE,
        .manifest_garbage = { dead->manifest_id, ids, (int32_t)count } };
    struct meta_result result;
    r = meta_propose(collector->meta, &record, 1, &result);
    mem_free(ids);
    return r ? r : result.error;
}

static int
collect_manifests(struct collector *collector)
{
    struct meta_dead_manifest *dead = mem_alloc_array(MANIFEST_BATCH, sizeof *dead);
    bool progress = true;
    int r = 0;
    while (progress && r != -ECANCELED && r != -ESTALE) {
        size_t all = meta_dead_manifest_list(collector_state(collector), dead, MANIFEST_BATCH);
        progress = false;
        for (size_t i = 0; i < MIN(all, (size_t)MANIFEST_BATCH); i++) {
            r = collect_manifest(collector, &dead[i]);
            progress = progress || r == 0;
            if (r == -ECANCELED || r == -ESTALE) {
                break;
            }
        }
    }
    mem_free(dead);
    return r;
}

static int
collect_orphans(struct collector *collector)
{
    return orphans_pass(&collector->orphans, collector->meta);
}

static void
garbage_main(void *arg)
{
    struct collector collector = { .meta = arg };
    static int (*const steps[])(
            struct collector *) = { collect_manifests, collect_marked, collect_orphans };
    uint64_t pause_ns = MIN(collector.meta->garbage_delay_ns / 4, PASS_NS_MAX);
    /* The delay is divided by what the ring of checkpoints can hold, not less. */
    pause_ns = MAX(MAX(pause_ns, collector.meta->garbage_delay_ns / (CHECKPOINTS - 2)),
            (uint64_t)NS_PER_MS);
    int r = 0;
    while (r != -ECANCELED && !atomic_load(&collector.meta->fenced)) {
        r = fiber_sleep_ns(pause_ns);
        for (size_t i = 0; i < ARRAY_SIZE(steps) && r != -ECANCELED && r != -ESTALE; i++) {
            r = steps[i](&collector);
        }
    }
    orphans_done(&collector.orphans);
}

int
garbage_start(struct meta *meta)
{
    return fiber_spawn("meta garbage", garbage_main, meta, &meta->garbage_fiber);
}

void
garbage_stop(struct meta *meta)
{
    if (meta->garbage_fiber) {
        fiber_cancel(meta->garbage_fiber);
        fiber_join(TAKE_PTR(meta->garbage_fiber));
    }
}
