/* Object ids: handed out in ranges to one broker's epoch (O1), so that what a dead broker wrote and
 * never committed can be found and removed (O2). */
#include "base/check.h"
#include "meta/state_internal.h"

#include <errno.h>

/* Index of the first intent whose first_id is greater than `id`. */
static size_t
intent_upper(const struct meta_state *state, uint64_t id)
{
    size_t low = 0;
    size_t high = state->intent_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (state->intents[middle].first_id > id) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

struct meta_intent *
intent_find(const struct meta_state *state, uint64_t object_id)
{
    size_t i = intent_upper(state, object_id);
    if (i == 0) {
        return NULL;
    }
    struct meta_intent *intent = &state->intents[i - 1];
    return object_id - intent->first_id < (uint64_t)intent->count ? intent : NULL;
}

const struct meta_intent *
meta_intent_next(const struct meta_state *state, uint64_t after_id)
{
    size_t i = intent_upper(state, after_id);
    return i < state->intent_count ? &state->intents[i] : NULL;
}

bool
meta_intent_is_used(const struct meta_intent *intent, uint64_t object_id)
{
    uint64_t bit = object_id - intent->first_id;
    CHECK(bit < (uint64_t)intent->count);
    return intent->used[bit / 8] >> (bit % 8) & 1;
}

bool
meta_intent_is_dead(const struct meta_state *state, const struct meta_intent *intent)
{
    return !broker_is_current(state, intent->broker_id, intent->broker_epoch);
}

struct meta_intent *
intent_append(struct meta_state *state, uint64_t first_id, int32_t count)
{
    if (state->intent_count == state->intent_capacity) {
        state->intent_capacity = state->intent_capacity * 2 + 8;
        state->intents =
                mem_realloc(state->intents, state->intent_capacity * sizeof *state->intents);
    }
    struct meta_intent *intent = &state->intents[state->intent_count++];
    *intent = (struct meta_intent){ .first_id = first_id, .count = count };
    intent->used = mem_alloc(((size_t)count + 7) / 8);
    return intent;
}

static void
intent_remove(struct meta_state *state, struct meta_intent *intent)
{
    size_t i = (size_t)(intent - state->intents);
    mem_free(intent->used);
    state->intent_count--;
    memmove(intent, intent + 1, (state->intent_count - i) * sizeof *intent);
}

void
intent_use(struct meta_state *state, uint64_t object_id)
{
    struct meta_intent *intent = intent_find(state, object_id);
    if (!intent || meta_intent_is_used(intent, object_id)) {
        return;
    }
    uint64_t bit = object_id - intent->first_id;
    intent->used[bit / 8] = (uint8_t)(intent->used[bit / 8] | 1u << (bit % 8));
    intent->used_count++;
    if (intent->used_count == intent->count) {
        intent_remove(state, intent);
    }
}

struct meta_result
apply_intent(struct meta_state *state, const struct meta_record *record)
{
    int32_t count = record->intent.count;
    if (count <= 0 || count > META_INTENT_COUNT_MAX) {
        return result_error(-EINVAL);
    }
    if (!broker_is_current(state, record->intent.broker_id, record->intent.broker_epoch)) {
        return result_error(-ESTALE);
    }
    if (state->intent_count >= META_INTENTS_MAX ||
            state->next_object_id > UINT64_MAX - (uint64_t)count) {
        return result_error(-ENOSPC);
    }
    struct meta_intent *intent = intent_append(state, state->next_object_id, count);
    intent->broker_id = record->intent.broker_id;
    intent->broker_epoch = record->intent.broker_epoch;
    state->next_object_id += (uint64_t)count;
    return (struct meta_result){ .first_id = intent->first_id };
}

struct meta_result
apply_intent_done(struct meta_state *state, const struct meta_record *record)
{
    struct meta_intent *intent = intent_find(state, record->intent_done.first_id);
    if (!intent || intent->first_id != record->intent_done.first_id ||
            intent->count != record->intent_done.count) {
        return result_error(-ENOENT);
    }
    if (!meta_intent_is_dead(state, intent)) {
        return result_error(-ESTALE);
    }
    intent_remove(state, intent);
    return result_error(0);
}

void
intents_done(struct meta_state *state)
{
    for (size_t i = 0; i < state->intent_count; i++) {
        mem_free(state->intents[i].used);
    }
    mem_free(state->intents);
}
