/* The second phase of O2, on the controller: removes objects that were marked long enough ago,
 * reads the manifests of deleted topics so that their objects can be marked, and removes what dead
 * epochs wrote and never committed.
 *
 * All of it is monotone: what is marked stays marked, a dead epoch stays dead, ids are never used
 * twice. So a controller that has been replaced without knowing it does no harm here. Times are of
 * our own clock since we saw the mark; a restart begins to count again. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "meta/meta_internal.h"
#include "meta/mutants.h"
#include "reactor/clock.h"

#include <errno.h>
#include <stdlib.h>

#define PASS_NS_MAX (60 * (uint64_t)NS_PER_S)
#define REMOVE_NS (60 * (uint64_t)NS_PER_S)
#define REMOVE_BATCH 500
#define CHECKPOINTS 16
#define MANIFEST_BATCH 64

/* Everything marked up to `sequence` was marked at `seen_ns` or before. */
struct checkpoint {
    uint64_t seen_ns;
    uint64_t sequence;
};

struct dead_intent {
    uint64_t first_id;
    uint64_t seen_ns;
};

struct collector {
    struct meta *meta;
    struct checkpoint checkpoints[CHECKPOINTS]; /* oldest first */
    size_t checkpoint_count;
    struct dead_intent *dead; /* sorted by first_id */
    size_t dead_count;
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

/* Removes, or says that it is not known: then nothing is proposed and the ids stay. */
static int
collector_remove(struct collector *collector, const uint64_t *ids, size_t count)
{
    int r = store_remove_objects(collector->meta->store, ids, count, clock_mono_ns() + REMOVE_NS);
    if (r && r != -ECANCELED) {
        MARK("meta: a removal is not known to have happened");
        LOG_INFO("garbage objects are kept for another try", LOG_INT("objects", count),
                LOG_FAULT(r));
    }
    return collector->meta->mutants & META_MUTANT_FORGET_REMOVAL && r != -ECANCELED ? 0 : r;
}

static int
collect_marked(struct collector *collector)
{
    uint64_t due = checkpoint_pass(collector);
    uint64_t ids[REMOVE_BATCH / 4]; /* on a fiber's stack */
    for (;;) {
        size_t all = meta_garbage_list_until(collector_state(collector), due, ids, ARRAY_SIZE(ids));
        size_t count = MIN(all, ARRAY_SIZE(ids));
        if (count == 0) {
            return 0;
        }
        int r = collector_remove(collector, ids, count);
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
dead_compare(const void *key, const void *element)
{
    uint64_t left = *(const uint64_t *)key;
    uint64_t right = ((const struct dead_intent *)element)->first_id;
    return left < right ? -1 : left > right;
}

/* When the intent was first seen dead: now, unless the last pass saw it. */
static uint64_t
dead_since(const struct collector *collector, uint64_t first_id)
{
    const struct dead_intent *dead =
            collector->dead_count ? bsearch(&first_id, collector->dead, collector->dead_count,
                                            sizeof *dead, dead_compare)
                                  : NULL;
    return dead ? dead->seen_ns : clock_mono_ns();
}

/* The intents that are dead now, with the times at which they were first seen so. */
static void
dead_list(struct collector *collector)
{
    const struct meta_state *state = collector_state(collector);
    struct dead_intent *next = NULL;
    size_t count = 0;
    size_t capacity = 0;
    const struct meta_intent *intent = meta_intent_next(state, 0);
    for (; intent; intent = meta_intent_next(state, intent->first_id)) {
        bool eager = collector->meta->mutants & META_MUTANT_EAGER_ORPHANS;
        if (!eager && !meta_intent_is_dead(state, intent)) {
            continue;
        }
        if (count == capacity) {
            capacity = capacity * 2 + 8;
            next = mem_realloc(next, capacity * sizeof *next);
        }
        next[count++] =
                (struct dead_intent){ intent->first_id, dead_since(collector, intent->first_id) };
    }
    mem_free(collector->dead);
    collector->dead = next;
    collector->dead_count = count;
}

/* Up to `capacity` ids of the intent, from *at on, that nothing uses. */
static size_t
orphans_fill(const struct meta_intent *intent, int32_t *at, uint64_t *ids, size_t capacity)
{
    size_t count = 0;
    while (*at < intent->count && count < capacity) {
        uint64_t id = intent->first_id + (uint64_t)*at;
        if (!meta_intent_is_used(intent, id)) {
            ids[count++] = id;
        }
        (*at)++;
    }
    return count;
}

/* O2: no commit, merge or manifest can name these ids any more (M6), so whatever lies under them is
 * nobody's. */
static int
collect_orphans(struct collector *collector, uint64_t first_id)
{
    uint64_t *ids = mem_alloc_array(REMOVE_BATCH, sizeof *ids);
    int32_t at = 0;
    int32_t size = 0;
    int r = 0;
    while (r == 0) {
        const struct meta_intent *intent =
                meta_intent_next(collector_state(collector), first_id - 1);
        if (!intent || intent->first_id != first_id) {
            break;
        }
        size = intent->count;
        size_t count = orphans_fill(intent, &at, ids, REMOVE_BATCH);
        if (count == 0) {
            break;
        }
        r = collector_remove(collector, ids, count);
    }
    mem_free(ids);
    if (r || size == 0) {
        return r;
    }
    const struct meta_record record = { .type = META_INTENT_DONE,
        .intent_done = { first_id, size } };
    struct meta_result result;
    return meta_propose(collector->meta, &record, 1, &result);
}

static int
collect_intents(struct collector *collector)
{
    dead_list(collector);
    for (size_t i = 0; i < collector->dead_count; i++) {
        if (is_due(collector, collector->dead[i].seen_ns)) {
            int r = collect_orphans(collector, collector->dead[i].first_id);
            if (r) {
                return r;
            }
        }
    }
    return 0;
}

static void
garbage_main(void *arg)
{
    struct collector collector = { .meta = arg };
    static int (*const steps[])(
            struct collector *) = { collect_manifests, collect_marked, collect_intents };
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
    mem_free(collector.dead);
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
