/* See orphans.h. */
#include "meta/orphans.h"

#include "base/mark.h"
#include "base/mem.h"
#include "meta/meta_internal.h"
#include "meta/mutants.h"
#include "reactor/clock.h"

#include <stdlib.h>

#define REMOVE_BATCH 500
#define REMOVALS 4

static const struct meta_state *
state_of(const struct meta *meta)
{
    return meta->replicas[0]->state;
}

static int
dead_compare(const void *key, const void *element)
{
    uint64_t left = *(const uint64_t *)key;
    uint64_t right = ((const struct dead_intent *)element)->first_id;
    return left < right ? -1 : left > right;
}

/* As the last pass left it; seen now when that one did not see it. */
static struct dead_intent
dead_find(const struct orphans *orphans, uint64_t first_id)
{
    const struct dead_intent *dead =
            orphans->count
                    ? bsearch(&first_id, orphans->dead, orphans->count, sizeof *dead, dead_compare)
                    : NULL;
    return dead ? *dead : (struct dead_intent){ first_id, clock_mono_ns(), 0 };
}

/* The intents that are dead now. */
static void
dead_list(struct orphans *orphans, const struct meta *meta)
{
    const struct meta_state *state = state_of(meta);
    struct orphans next = { 0 };
    size_t capacity = 0;
    const struct meta_intent *intent = meta_intent_next(state, 0);
    for (; intent; intent = meta_intent_next(state, intent->first_id)) {
        bool eager = meta->mutants & META_MUTANT_EAGER_ORPHANS;
        if (!eager && !meta_intent_is_dead(state, intent)) {
            continue;
        }
        if (next.count == capacity) {
            capacity = capacity * 2 + 8;
            next.dead = mem_realloc(next.dead, capacity * sizeof *next.dead);
        }
        next.dead[next.count++] = dead_find(orphans, intent->first_id);
    }
    next.kept = next.count;
    orphans_done(orphans);
    *orphans = next;
}

static bool
is_due(const struct dead_intent *dead, const struct meta *meta)
{
    uint64_t age_ns = clock_mono_ns() - dead->seen_ns;
    return age_ns >> dead->removals >= meta->garbage_delay_ns;
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

static const struct meta_intent *
intent_at(const struct meta *meta, uint64_t first_id)
{
    const struct meta_intent *intent = meta_intent_next(state_of(meta), first_id - 1);
    return intent && intent->first_id == first_id ? intent : NULL;
}

/* Removes all that lies under the unused ids. */
static int
intent_clear(struct meta *meta, uint64_t first_id)
{
    uint64_t *ids = mem_alloc_array(REMOVE_BATCH, sizeof *ids);
    int32_t at = 0;
    size_t count = 1;
    int r = 0;
    while (r == 0 && count > 0) {
        const struct meta_intent *intent = intent_at(meta, first_id);
        count = intent ? orphans_fill(intent, &at, ids, REMOVE_BATCH) : 0;
        if (count > 0) {
            r = garbage_remove_objects(meta, ids, count);
        }
    }
    mem_free(ids);
    return r;
}

static int
intent_forget(struct meta *meta, uint64_t first_id)
{
    const struct meta_intent *intent = intent_at(meta, first_id);
    if (!intent) {
        return 0;
    }
    const struct meta_record record = { .type = META_INTENT_DONE,
        .intent_done = { first_id, intent->count } };
    struct meta_result result;
    return meta_propose(meta, &record, 1, &result);
}

static int
dead_collect(struct orphans *orphans, struct meta *meta, size_t at)
{
    struct dead_intent *dead = &orphans->dead[at];
    int r = intent_clear(meta, dead->first_id);
    if (r) {
        return r;
    }
    dead->removals++;
    bool hasty = meta->mutants & META_MUTANT_HASTY_ORPHANS;
    if (orphans->kept > meta->dead_intents_max) {
        MARK("meta: too many dead intents, not kept for late writes");
        hasty = true;
    }
    if (!hasty && dead->removals < REMOVALS) {
        return 0;
    }
    orphans->kept--;
    return intent_forget(meta, dead->first_id);
}

int
orphans_pass(struct orphans *orphans, struct meta *meta)
{
    dead_list(orphans, meta);
    for (size_t i = 0; i < orphans->count; i++) {
        if (is_due(&orphans->dead[i], meta)) {
            int r = dead_collect(orphans, meta, i);
            if (r) {
                return r;
            }
        }
    }
    return 0;
}

void
orphans_done(struct orphans *orphans)
{
    mem_free(orphans->dead);
    *orphans = (struct orphans){ 0 };
}
