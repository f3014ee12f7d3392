/* One GET for everybody, the budget, and who is evicted. */
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/faulty.h"
#include "store/store_internal.h"
#include "unit/broker/store/support_store.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

#define READERS 50

/* A store whose GETs are disturbed at will, and an object of one block in it. */
struct bench {
    const char *name; /* of the store, and of its faults */
    struct objectstore *objects;
    struct store *store;
    struct store_range range;
    struct slices batches; /* of the range */
};

static void
bench_begin(struct bench *bench, const char *name)
{
    char url[256];
    *bench = (struct bench){ .name = name };
    snprintf(url, sizeof url, "faulty+%s?faults=%s", memory_url(name), name);
    bench->store = store_make(url, 8 * MIB, 0, &bench->objects);
    struct object_run run = run_make(key_of(1, 0), 0, 5, 10, KIB, &bench->batches);
    bench->range = object_make(bench->store, 1, &run);
}

static void
bench_end(struct bench *bench)
{
    faulty_clear(bench->name);
    slices_done(&bench->batches);
    store_unmake(bench->store, bench->objects);
}

struct shared_read {
    struct store *store;
    const struct store_range *range;
    int64_t offset;
    int result;
    size_t bytes;
};

static struct shared_read
read_of(const struct bench *bench)
{
    return (struct shared_read){ .store = bench->store, .range = &bench->range };
}

static int
read_once(void *arg)
{
    struct shared_read *read = arg;
    struct slices slices;
    slices_init(&slices);
    read->result = store_read(read->store, read->range, read->offset, SIZE_MAX, NULL, &slices);
    read->bytes = slices.bytes;
    slices_done(&slices);
    return 0;
}

/* Each at another offset of the block, all at once. */
static int
read_together(const struct bench *bench, struct shared_read reads[READERS])
{
    struct fiber_group group;
    fiber_group_init(&group);
    for (int i = 0; i < READERS; i++) {
        reads[i] = read_of(bench);
        reads[i].offset = i;
        fiber_group_spawn(&group, "reader", read_once, &reads[i]);
    }
    return fiber_group_wait(&group);
}

static void
rule_add(const char *set, const char *text)
{
    struct faulty_rule rule;
    int r = faulty_parse(text, &rule);
    ASSERT_OK(r);
    ASSERT_OK(faulty_add(set, &rule));
}

/* C1 */
FIBER_TEST(many_readers_of_one_block_cost_one_get)
{
    struct bench bench;
    struct shared_read reads[READERS];
    bench_begin(&bench, "cache_shared");
    rule_add(bench.name, "get:*:slow:ms=20");
    ASSERT_OK(read_together(&bench, reads));
    for (int i = 0; i < READERS; i++) {
        ASSERT_EQ(reads[i].result, 0);
        ASSERT(reads[i].bytes > 0 && reads[i].bytes <= bench.batches.bytes);
    }
    ASSERT_EQ(gets_of(bench.objects), 1);
    bench_end(&bench);
}

/* C3 */
FIBER_TEST(an_error_wakes_every_waiter_and_nothing_is_kept)
{
    struct bench bench;
    struct shared_read reads[READERS];
    bench_begin(&bench, "cache_error");
    rule_add(bench.name, "get:*:denied:n=1");
    ASSERT_OK(read_together(&bench, reads));
    int refused = 0;
    for (int i = 0; i < READERS; i++) {
        refused += reads[i].result == -EACCES;
        ASSERT(reads[i].result == 0 || reads[i].result == -EACCES);
    }
    ASSERT(refused >= 1);
    struct shared_read again = read_of(&bench);
    ASSERT_OK(read_once(&again));
    ASSERT_EQ(again.result, 0);
    ASSERT_EQ(again.bytes, bench.batches.bytes);
    bench_end(&bench);
}

FIBER_TEST(every_waiter_of_a_missing_object_is_told_that_it_is_gone)
{
    struct bench bench;
    struct shared_read reads[READERS];
    struct store_stats stats;
    bench_begin(&bench, "cache_gone");
    rule_add(bench.name, "get:*:slow:ms=10");
    ASSERT_OK(store_remove_objects(bench.store, &bench.range.object_id, 1, DEADLINE_NONE));
    ASSERT_OK(read_together(&bench, reads));
    for (int i = 0; i < READERS; i++) {
        ASSERT_EQ(reads[i].result, -ENOENT);
    }
    store_stats_get(bench.store, &stats);
    ASSERT_EQ(stats.block_cache_bytes, 0);
    bench_end(&bench);
}

static void
read_on_fiber(void *arg)
{
    int r = read_once(arg);
    (void)r;
}

FIBER_TEST(a_waiter_takes_over_when_the_reader_that_fetches_is_cancelled)
{
    struct bench bench;
    struct fiber *fibers[2];
    bench_begin(&bench, "cache_cancel");
    struct shared_read first = read_of(&bench);
    struct shared_read second = read_of(&bench);
    uint64_t marks = mark_count("store: loader was cancelled, a waiter takes over");
    rule_add(bench.name, "get:*:slow:n=1:ms=3000");
    ASSERT_OK(fiber_spawn("first", read_on_fiber, &first, &fibers[0]));
    ASSERT_OK(fiber_yield());
    ASSERT_OK(fiber_spawn("second", read_on_fiber, &second, &fibers[1]));
    ASSERT_OK(fiber_yield());
    fiber_cancel(fibers[0]);
    fiber_join(fibers[0]);
    fiber_join(fibers[1]);
    ASSERT_EQ(first.result, -ECANCELED);
    ASSERT_EQ(second.result, 0);
    ASSERT_EQ(second.bytes, bench.batches.bytes);
    ASSERT(mark_count("store: loader was cancelled, a waiter takes over") > marks);
    bench_end(&bench);
}

FIBER_TEST(a_waiter_that_is_cancelled_leaves_the_others_alone)
{
    struct bench bench;
    struct shared_read reads[3];
    struct fiber *fibers[3];
    bench_begin(&bench, "cache_leave");
    rule_add(bench.name, "get:*:slow:ms=50");
    for (int i = 0; i < 3; i++) {
        reads[i] = read_of(&bench);
        ASSERT_OK(fiber_spawn("reader", read_on_fiber, &reads[i], &fibers[i]));
    }
    ASSERT_OK(fiber_yield());
    fiber_cancel(fibers[1]);
    for (int i = 0; i < 3; i++) {
        fiber_join(fibers[i]);
        ASSERT(reads[i].result == 0 || i == 1);
    }
    ASSERT_EQ(gets_of(bench.objects), 1);
    bench_end(&bench);
}

/* O3: the transport may lie once. */
FIBER_TEST(bytes_damaged_on_the_way_are_fetched_again)
{
    struct bench bench;
    struct store_stats stats;
    bench_begin(&bench, "cache_wrong");
    struct shared_read read = read_of(&bench);
    rule_add(bench.name, "get:*:wrong:n=3");
    uint64_t marks = mark_count("store: misfit fetched again");
    ASSERT_OK(read_once(&read));
    ASSERT_EQ(read.result, -EBADMSG);
    ASSERT_OK(read_once(&read));
    ASSERT_EQ(read.result, 0);
    ASSERT_EQ(read.bytes, bench.batches.bytes);
    store_stats_get(bench.store, &stats);
    ASSERT_EQ(mark_count("store: misfit fetched again"), marks + 2);
    ASSERT_EQ(stats.misfits, 2);
    ASSERT_EQ(stats.damaged, 1);
    bench_end(&bench);
}

struct pressure {
    struct store *store;
    const struct store_range *ranges;
    uint64_t seed;
    uint64_t most; /* bytes seen in the cache */
};

static int
read_at_random(void *arg)
{
    struct pressure *pressure = arg;
    uint64_t state = pressure->seed;
    struct store_stats stats;
    for (int i = 0; i < 30; i++) {
        const struct store_range *range = &pressure->ranges[mix_below(&state, 4)];
        int64_t count = range->end_offset - range->base_offset;
        struct slices slices;
        slices_init(&slices);
        int r = store_read(pressure->store, range,
                range->base_offset + (int64_t)mix_below(&state, (uint64_t)count), 1 * MIB, NULL,
                &slices);
        slices_done(&slices);
        if (r < 0) {
            return r;
        }
        store_stats_get(pressure->store, &stats);
        pressure->most = MAX(pressure->most, stats.block_cache_bytes);
    }
    return 0;
}

/* C2 */
FIBER_TEST(the_budget_holds_with_more_gets_wanted_than_fit)
{
    struct objectstore *objects;
    memory_url("cache_budget");
    struct store *store =
            store_make("faulty+memory://cache_budget?faults=budget", 5 * MIB, 2 * MIB, &objects);
    struct store_range ranges[4];
    struct pressure pressures[16];
    for (int i = 0; i < 4; i++) {
        struct slices batches;
        struct object_run run = run_make(key_of(1, i), 0, 40, 10, 20 * KIB, &batches);
        ranges[i] = object_make(store, (uint64_t)i + 1, &run);
        slices_done(&batches);
    }
    rule_add("budget", "get:*:slow:ms=3");
    struct fiber_group group;
    fiber_group_init(&group);
    for (int i = 0; i < 16; i++) {
        pressures[i] = (struct pressure){ .store = store, .ranges = ranges, .seed = (uint64_t)i };
        fiber_group_spawn(&group, "reader", read_at_random, &pressures[i]);
    }
    ASSERT_OK(fiber_group_wait(&group));
    uint64_t most = 0;
    for (int i = 0; i < 16; i++) {
        most = MAX(most, pressures[i].most);
    }
    ASSERT(most <= 5 * MIB);
    ASSERT(most >= 4 * MIB);
    faulty_clear("budget");
    store_unmake(store, objects);
}

static void
read_range(struct store *store, const struct store_range *range, struct store_reader *reader)
{
    struct slices slices;
    int64_t offset = range->base_offset;
    while (offset < range->end_offset) {
        slices_init(&slices);
        ASSERT_OK(store_read(store, range, offset, MIB, reader, &slices));
        slices_done(&slices);
        offset = reader->next_offset;
    }
}

FIBER_TEST(a_scan_does_not_evict_what_several_readers_share)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("cache_scan"), 16 * MIB, 4 * MIB, &objects);
    struct slices batches;
    struct store_reader readers[3] = { 0 };
    struct object_run run = run_make(key_of(1, 0), 0, 60, 10, 10 * KIB, &batches);
    struct store_range shared = object_make(store, 1, &run);
    slices_done(&batches);
    read_range(store, &shared, &readers[0]);
    read_range(store, &shared, &readers[1]);
    for (uint64_t id = 2; id < 8; id++) {
        run = run_make(key_of(1, (int32_t)id), 0, 100, 10, 10 * KIB, &batches);
        struct store_range range = object_make(store, id, &run);
        slices_done(&batches);
        struct store_reader scan = { 0 };
        read_range(store, &range, &scan);
        store_reader_done(store, &scan);
    }
    struct store_stats stats;
    store_stats_get(store, &stats);
    ASSERT(stats.block_cache_evictions > 5);
    uint64_t gets = gets_of(objects);
    read_range(store, &shared, &readers[2]);
    ASSERT_EQ(gets_of(objects), gets);
    for (int i = 0; i < 3; i++) {
        store_reader_done(store, &readers[i]);
    }
    store_unmake(store, objects);
}

FIBER_TEST(a_block_that_comes_back_soon_after_its_eviction_stays)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("cache_ghost"), 4 * MIB, 0, &objects);
    struct store_range ranges[16];
    struct store_reader reader = { 0 };
    for (uint64_t i = 0; i < 16; i++) {
        struct slices batches;
        struct object_run run = run_make(key_of(1, (int32_t)i), 0, 7, 10, 10 * KIB, &batches);
        ranges[i] = object_make(store, i + 1, &run);
        slices_done(&batches);
    }
    for (int i = 0; i < 8; i++) {
        read_range(store, &ranges[i], &reader);
    }
    read_range(store, &ranges[0],
            &reader); /* evicted meanwhile: its second GET makes it a lasting one */
    ASSERT_EQ(gets_of(objects), 9);
    for (int i = 8; i < 16; i++) {
        read_range(store, &ranges[i], &reader);
    }
    ASSERT_EQ(gets_of(objects), 17);
    read_range(store, &ranges[0], &reader);
    ASSERT_EQ(gets_of(objects), 17);
    store_reader_done(store, &reader);
    store_unmake(store, objects);
}

FIBER_TEST(ranges_that_disagree_about_a_place_are_refused)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("cache_disagree"), 4 * MIB, 0, &objects);
    struct slices batches;
    struct slices read;
    struct object_run run = run_make(key_of(1, 0), 0, 7, 10, KIB, &batches);
    struct store_range range = object_make(store, 1, &run);
    slices_init(&read);
    struct store_range other = range;
    other.end_offset--;
    /* The block itself disagrees ... */
    ASSERT_ERROR(store_read(store, &other, 0, 1, NULL, &read), -EBADMSG);
    ASSERT_OK(store_read(store, &range, 0, 1, NULL, &read));
    /* ... and the range under which it is in the cache. */
    uint64_t marks = mark_count("store: ranges disagree about a place");
    ASSERT_ERROR(store_read(store, &other, 0, 1, NULL, &read), -EBADMSG);
    ASSERT(mark_count("store: ranges disagree about a place") > marks);
    slices_done(&read);
    slices_done(&batches);
    store_unmake(store, objects);
}
