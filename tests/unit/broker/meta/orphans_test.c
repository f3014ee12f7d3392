/* meta/orphans.h: what dead epochs wrote and never committed, and what lands late. */
#include "base/mark.h"
#include "meta/meta.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "store/store.h"
#include "support_records.h"
#include "support_sim.h"

#define DELAY (10 * 60 * (uint64_t)NS_PER_S)
#define IDS 8
#define INTENTS 5

static struct objectstore *
open_memory(void)
{
    struct objectstore *objects = NULL;
    memory_store_forget("orphans-test");
    return objectstore_open("memory://orphans-test", &objects) ? NULL : objects;
}

static struct meta_options
options_of(struct objectstore *objects)
{
    return (struct meta_options){
        .objects = objects, .broker_id = 1, .endpoints = test_endpoints, .endpoint_count = 1
    };
}

/* INTENTS times IDS ids of an epoch that is over. */
static int
leave_intents(const struct meta_options *options, struct meta **ret_meta)
{
    struct meta *meta;
    int r = meta_start(options, &meta);
    for (int i = 0; r == 0 && i < INTENTS; i++) {
        struct meta_record intent = test_intent(1, meta_broker_epoch(meta), IDS);
        r = meta_propose_one(meta, &intent, NULL);
    }
    r = r ? r : meta_stop(meta);
    return r ? r : meta_start(options, ret_meta);
}

static int
put_object(struct objectstore *objects, uint64_t id)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    const struct iovec part = { &id, sizeof id };
    const struct object_put put = { .key = store_object_key(id, key),
        .parts = &part,
        .part_count = 1,
        .deadline_ns = DEADLINE_NONE };
    return objectstore_put(objects, &put, NULL);
}

static bool
is_there(struct objectstore *objects, uint64_t id)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    struct object_info info;
    return objectstore_head(objects, store_object_key(id, key), DEADLINE_NONE, &info) == 0;
}

/* The object lands, and is gone in the second half of the time up to `until_ns`, not before. */
static bool
is_removed_late(struct objectstore *objects, uint64_t id, uint64_t until_ns)
{
    uint64_t half_ns = (until_ns - clock_mono_ns()) / 2;
    bool ok = put_object(objects, id) == 0 && fiber_sleep_ns(half_ns) == 0;
    ok = ok && is_there(objects, id);
    return ok && fiber_sleep_ns(until_ns - clock_mono_ns()) == 0 && !is_there(objects, id);
}

static size_t
intent_count(const struct meta *meta)
{
    size_t count = 0;
    const struct meta_intent *intent = meta_intent_next(meta_state(meta), 0);
    for (; intent; intent = meta_intent_next(meta_state(meta), intent->first_id)) {
        count++;
    }
    return count;
}

/* G1 */
SIM_TEST(what_a_dead_epoch_sends_late_is_removed_too)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    options.garbage_delay_ns = DELAY;
    struct meta *meta;
    ASSERT_OK(leave_intents(&options, &meta));
    uint64_t dead_ns = clock_mono_ns();
    uint64_t pass_ns = DELAY / 8; /* between looks, at most */
    for (unsigned removals = 0; removals < 4; removals++) {
        ASSERT_EQ(intent_count(meta), INTENTS);
        ASSERT(is_removed_late(objects, IDS + 3, dead_ns + (DELAY << removals) + 2 * pass_ns));
    }
    ASSERT_EQ(intent_count(meta), 0);
    /* Nobody looks for it any more: that is what `freshet audit` is for. */
    ASSERT_OK(put_object(objects, IDS + 3));
    ASSERT_OK(fiber_sleep_ns(20 * DELAY));
    ASSERT(is_there(objects, IDS + 3));
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}

/* G2 */
SIM_TEST(too_many_dead_intents_are_not_kept)
{
    struct objectstore *objects = open_memory();
    ASSERT(objects);
    struct meta_options options = options_of(objects);
    options.garbage_delay_ns = DELAY;
    options.dead_intents_max = 2;
    struct meta *meta;
    ASSERT_OK(leave_intents(&options, &meta));
    ASSERT_OK(put_object(objects, 1));
    ASSERT_OK(put_object(objects, INTENTS * IDS));
    ASSERT_OK(fiber_sleep_ns(DELAY + DELAY / 2));
    ASSERT(mark_count("meta: too many dead intents, not kept for late writes") > 0);
    /* The eldest went. */
    ASSERT_EQ(intent_count(meta), 2);
    ASSERT_EQ(meta_intent_next(meta_state(meta), 0)->first_id, (INTENTS - 2) * IDS + 1);
    ASSERT(!is_there(objects, 1));
    ASSERT(!is_there(objects, INTENTS * IDS));
    ASSERT_OK(meta_stop(meta));
    objectstore_close(objects);
}
