/* S1 under contention: of many conditional writers of one version exactly one wins. Servers that
 * let two win would let two brokers write the same slot of the metadata log. */
#include "base/mem.h"
#include "conformance/support.h"
#include "reactor/call.h"
#include "reactor/sync.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_SIZE (OBJECT_KEY_SIZE_MAX + 1)
#define RACERS 16

static unsigned
rounds(void)
{
    const char *text = getenv("FRESHET_CONFORMANCE_ROUNDS");
    return text && *text ? (unsigned)strtoul(text, NULL, 10) : 200;
}

static void
close_store(struct objectstore **store)
{
    objectstore_close(*store);
}

struct race {
    struct objectstore *store;
    char key[KEY_SIZE];
    bool replace;
    struct object_etag etag;
    int results[RACERS];
    struct object_etag etags[RACERS];
};

struct racer {
    struct race *race;
    unsigned number;
};

static int
racer_run(void *arg)
{
    const struct racer *racer = arg;
    struct race *race = racer->race;
    char body[128];
    snprintf(body, sizeof body, "%s by racer %u", race->etag.text, racer->number);
    struct object_etag *etag = &race->etags[racer->number];
    if (race->replace) {
        race->results[racer->number] = conformance_replace(
                race->store, race->key, bytes_of_string(body), &race->etag, etag);
    } else {
        race->results[racer->number] =
                conformance_create(race->store, race->key, bytes_of_string(body), etag);
    }
    return 0;
}

/* One round; returns the winner, or -1 after a failed check. */
static int
race_once(struct race *race)
{
    struct fiber_group group;
    struct racer racers[RACERS];
    fiber_group_init(&group);
    for (unsigned i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){ race, i };
        fiber_group_spawn(&group, "racer", racer_run, &racers[i]);
    }
    if (fiber_group_wait(&group) < 0) {
        return -1;
    }
    int winner = -1;
    for (int i = 0; i < RACERS; i++) {
        if (race->results[i] == 0 && winner >= 0) {
            test_fail(__FILE__, __LINE__, "%s: racers %d and %d both won", race->key, winner, i);
            return -1;
        }
        if (race->results[i] == 0) {
            winner = i;
        } else if (race->results[i] != -EEXIST) {
            test_fail(__FILE__, __LINE__, "%s: racer %d got %d", race->key, i, race->results[i]);
            return -1;
        }
    }
    if (winner < 0) {
        test_fail(__FILE__, __LINE__, "%s: nobody won", race->key);
    }
    return winner;
}

static void
expect_winner(const struct race *race, int winner)
{
    char body[128];
    CLEANUP(buf_unrefp) struct buf *read = NULL;
    snprintf(body, sizeof body, "%s by racer %d", race->etag.text, winner);
    ASSERT_OK(objectstore_get(
            race->store, race->key, OBJECT_WHOLE, conformance_deadline(), &read, NULL));
    ASSERT_BYTES(buf_bytes(read), bytes_of_string(body));
}

/* S1 */
FIBER_TEST(of_sixteen_creators_exactly_one_wins)
{
    CLEANUP(close_store) struct objectstore *store = conformance_open();
    ASSERT(store);
    struct race *race = mem_alloc(sizeof *race);
    race->store = store;
    for (unsigned i = 0; i < rounds(); i++) {
        char name[64];
        snprintf(name, sizeof name, "race/create-%u", i);
        conformance_key(race->key, name);
        int winner = race_once(race);
        ASSERT(winner >= 0);
        expect_winner(race, winner);
        ASSERT_OK(objectstore_delete(store, race->key, conformance_deadline()));
    }
    mem_free(race);
}

/* S1 */
FIBER_TEST(of_sixteen_replacers_exactly_one_wins)
{
    CLEANUP(close_store) struct objectstore *store = conformance_open();
    ASSERT(store);
    struct race *race = mem_alloc(sizeof *race);
    race->store = store;
    race->replace = true;
    conformance_key(race->key, "race/replace");
    ASSERT_OK(conformance_create(store, race->key, BYTES_LITERAL("start"), &race->etag));
    for (unsigned i = 0; i < rounds(); i++) {
        int winner = race_once(race);
        ASSERT(winner >= 0);
        expect_winner(race, winner);
        race->etag = race->etags[winner];
    }
    ASSERT_OK(objectstore_delete(store, race->key, conformance_deadline()));
    mem_free(race);
}

#define INCREMENTS 20

struct counter {
    struct objectstore *store;
    char key[KEY_SIZE];
    unsigned number;
};

/* Adds one, INCREMENTS times, whatever others do meanwhile. */
static int
count_up(void *arg)
{
    const struct counter *counter = arg;
    for (unsigned done = 0; done < INCREMENTS;) {
        CLEANUP(buf_unrefp) struct buf *read = NULL;
        struct object_info info;
        char text[64];
        int r = objectstore_get(
                counter->store, counter->key, OBJECT_WHOLE, conformance_deadline(), &read, &info);
        if (r < 0) {
            return r;
        }
        bytes_to_string(buf_bytes(read), text, sizeof text);
        /* The writer's number and its count make each body unique: equal bodies may have equal
         * etags. */
        unsigned long value = strtoul(text, NULL, 10);
        snprintf(text, sizeof text, "%lu %u %u", value + 1, counter->number, done);
        r = conformance_replace(
                counter->store, counter->key, bytes_of_string(text), &info.etag, NULL);
        if (r < 0 && r != -EEXIST) {
            return r;
        }
        done += r == 0;
    }
    return 0;
}

static int
count_up_elsewhere(void *arg)
{
    const struct counter *counter = arg;
    return reactor_call(counter->number % reactor_count(), count_up, arg);
}

/* S1 */
FIBER_TEST(no_update_of_a_shared_counter_is_lost)
{
    CLEANUP(close_store) struct objectstore *store = conformance_open();
    ASSERT(store);
    CLEANUP(mem_freep) struct counter *counters = mem_alloc_array(RACERS, sizeof *counters);
    CLEANUP(buf_unrefp) struct buf *read = NULL;
    struct fiber_group group;
    char text[64];
    conformance_key(counters[0].key, "race/counter");
    ASSERT_OK(conformance_create(store, counters[0].key, BYTES_LITERAL("0"), NULL));
    fiber_group_init(&group);
    for (unsigned i = 0; i < RACERS; i++) {
        counters[i].store = store;
        counters[i].number = i;
        conformance_key(counters[i].key, "race/counter");
        fiber_group_spawn(&group, "counter", count_up_elsewhere, &counters[i]);
    }
    ASSERT_OK(fiber_group_wait(&group));
    ASSERT_OK(objectstore_get(
            store, counters[0].key, OBJECT_WHOLE, conformance_deadline(), &read, NULL));
    bytes_to_string(buf_bytes(read), text, sizeof text);
    ASSERT_EQ(strtoul(text, NULL, 10), RACERS * INCREMENTS);
    ASSERT_OK(objectstore_delete(store, counters[0].key, conformance_deadline()));
}
