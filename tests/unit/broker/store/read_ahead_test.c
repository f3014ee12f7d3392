/* How far ahead is read, in how many GETs, and what happens when it was too far. Counted, not
 * timed. */
#include "base/mark.h"
#include "objectstore/faulty.h"
#include "store/store_internal.h"
#include "unit/broker/store/support_store.h"
#include "unit/test.h"

#include <errno.h>

/* An object of `count` blocks of a little less than 1 MiB. */
static struct store_range
object_of_blocks(struct store *store, uint64_t object_id, size_t count)
{
    struct slices batches;
    struct object_run run =
            run_make(key_of(1, (int32_t)object_id), 0, count, 10, 100 * KIB, &batches);
    struct store_range range = object_make(store, object_id, &run);
    slices_done(&batches);
    return range;
}

/* Reads on from the reader's place; returns the bytes. */
static size_t
read_on(struct store *store, const struct store_range *range, struct store_reader *reader)
{
    struct slices slices;
    slices_init(&slices);
    int r = store_read(store, range, reader->next_offset, 512 * KIB, reader, &slices);
    size_t bytes = slices.bytes;
    slices_done(&slices);
    return r < 0 ? 0 : bytes;
}

FIBER_TEST(a_sequential_reader_gets_several_blocks_with_one_get)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("ahead_sequential"), 64 * MIB, 8 * MIB, &objects);
    struct store_range range = object_of_blocks(store, 1, 64);
    struct store_reader reader = { 0 };
    ASSERT_EQ(range.block_count, 64);
    while (reader.next_offset < range.end_offset) {
        ASSERT(read_on(store, &range, &reader) > 0);
        ASSERT(reader.window_bytes <= 8 * MIB);
    }
    ASSERT_EQ(reader.window_bytes, 8 * MIB);
    ASSERT(gets_of(objects) <= 22); /* 64 blocks and an index */
    struct object_stats stats;
    objectstore_stats_get(objects, &stats);
    ASSERT(stats.bytes_in <= range.size + 64 * KIB); /* nothing twice */
    store_reader_done(store, &reader);
    store_unmake(store, objects);
}

FIBER_TEST(the_window_doubles_with_each_block_and_a_seek_ends_it)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("ahead_window"), 64 * MIB, 16 * MIB, &objects);
    struct store_range range = object_of_blocks(store, 1, 40);
    struct store_reader reader = { 0 };
    uint64_t windows[] = { 0, 1, 2, 4, 8, 16, 16 };
    for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
        ASSERT(read_on(store, &range, &reader) > 0);
        ASSERT_EQ(reader.window_bytes, windows[i] * MIB);
    }
    reader.next_offset = 350;
    struct slices slices;
    slices_init(&slices);
    ASSERT_OK(store_read(store, &range, 305, 100 * KIB, &reader, &slices));
    slices_done(&slices);
    ASSERT_EQ(reader.window_bytes, 0);
    store_reader_done(store, &reader);
    store_unmake(store, objects);
}

FIBER_TEST(scattered_reads_fetch_only_what_they_need)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("ahead_scattered"), 64 * MIB, 16 * MIB, &objects);
    struct store_range range = object_of_blocks(store, 1, 40);
    struct store_reader reader = { 0 };
    int64_t offsets[] = { 300, 20, 150, 390, 70 };
    struct slices slices;
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
        slices_init(&slices);
        ASSERT_OK(store_read(store, &range, offsets[i], 100 * KIB, &reader, &slices));
        slices_done(&slices);
    }
    struct store_stats stats;
    store_stats_get(store, &stats);
    ASSERT_EQ(stats.read_ahead_bytes, 0);
    ASSERT_EQ(gets_of(objects), 1 + ARRAY_SIZE(offsets)); /* the index, and a block each */
    store_reader_done(store, &reader);
    store_unmake(store, objects);
}

struct catch_up {
    struct store *store;
    struct store_range range;
    size_t bytes;
};

static int
catch_up_main(void *arg)
{
    struct catch_up *catch_up = arg;
    struct store_reader reader = { 0 };
    while (reader.next_offset < catch_up->range.end_offset) {
        size_t bytes = read_on(catch_up->store, &catch_up->range, &reader);
        if (bytes == 0) {
            return -EIO;
        }
        catch_up->bytes += bytes;
    }
    store_reader_done(catch_up->store, &reader);
    return 0;
}

FIBER_TEST(many_catch_up_readers_do_not_evict_each_other_before_they_have_read)
{
    struct objectstore *objects;
    memory_url("ahead_many");
    struct store *store =
            store_make("faulty+memory://ahead_many?faults=ahead", 24 * MIB, 8 * MIB, &objects);
    struct catch_up readers[16];
    uint64_t size = 0;
    for (uint64_t i = 0; i < 16; i++) {
        readers[i] =
                (struct catch_up){ .store = store, .range = object_of_blocks(store, i + 1, 12) };
        size += readers[i].range.size;
    }
    struct faulty_rule slow;
    ASSERT_OK(faulty_parse("get:*:slow:ms=2", &slow));
    ASSERT_OK(faulty_add("ahead", &slow));
    struct fiber_group group;
    fiber_group_init(&group);
    for (int i = 0; i < 16; i++) {
        fiber_group_spawn(&group, "catch up", catch_up_main, &readers[i]);
    }
    ASSERT_OK(fiber_group_wait(&group));
    struct object_stats stats;
    objectstore_stats_get(objects, &stats);
    ASSERT(stats.bytes_in <= size + size / 10);
    faulty_clear("ahead");
    store_unmake(store, objects);
}

FIBER_TEST(a_chain_of_small_objects_is_read_ahead_of_its_reader)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("ahead_chain"), 64 * MIB, 8 * MIB, &objects);
    struct store_range ranges[40];
    struct store_reader reader = { 0 };
    for (int i = 0; i < 40; i++) {
        struct slices batches;
        struct object_run run = run_make(key_of(1, 0), 10 * i, 1, 10, 20 * KIB, &batches);
        ranges[i] = object_make(store, (uint64_t)i + 1, &run);
        slices_done(&batches);
    }
    for (size_t i = 0; i < 40; i++) {
        ASSERT(read_on(store, &ranges[i], &reader) > 0);
        store_read_ahead(store, &reader, ranges + i + 1, 39 - i);
        ASSERT_OK(fiber_yield());
    }
    ASSERT_EQ(gets_of(objects), 40);
    struct store_stats stats;
    store_stats_get(store, &stats);
    /* All but the first few were there or on their way when they were needed. */
    ASSERT(stats.block_cache_misses <= 3);
    store_reader_done(store, &reader);
    store_unmake(store, objects);
}

FIBER_TEST(read_ahead_goes_on_into_an_object_of_many_blocks)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("ahead_into"), 64 * MIB, 8 * MIB, &objects);
    struct slices batches;
    struct store_range ranges[2];
    struct store_reader reader = { 0 };
    struct object_run run = run_make(key_of(1, 0), 0, 8, 10, 100 * KIB, &batches);
    ranges[0] = object_make(store, 1, &run);
    slices_done(&batches);
    run = run_make(key_of(1, 0), 80, 8, 10, 100 * KIB, &batches);
    ranges[1] = object_make(store, 2, &run);
    slices_done(&batches);
    while (reader.next_offset < 80) {
        ASSERT(read_on(store, &ranges[0], &reader) > 0);
        store_read_ahead(store, &reader, &ranges[1], 1);
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    struct store_stats before;
    store_stats_get(store, &before);
    ASSERT(read_on(store, &ranges[1], &reader) > 0);
    struct store_stats after;
    store_stats_get(store, &after);
    ASSERT_EQ(after.block_cache_misses, before.block_cache_misses);
    store_reader_done(store, &reader);
    store_unmake(store, objects);
}

FIBER_TEST(a_reader_whose_read_ahead_was_evicted_reads_less_far_ahead)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("ahead_evicted"), 16 * MIB, 4 * MIB, &objects);
    struct store_range range = object_of_blocks(store, 1, 20);
    struct slices batches;
    struct object_run run = run_make(key_of(2, 0), 0, 1, 1, 14 * MIB, &batches);
    struct store_range large = object_make(store, 2, &run);
    slices_done(&batches);
    struct store_reader reader = { 0 };
    for (int i = 0; i < 5; i++) {
        ASSERT(read_on(store, &range, &reader) > 0);
    }
    ASSERT_EQ(reader.window_bytes, 4 * MIB);
    uint64_t marks = mark_count("store: unread read-ahead evicted");
    slices_init(&batches);
    ASSERT_OK(store_read(store, &large, 0, 1, NULL, &batches)); /* needs nearly all of the cache */
    slices_done(&batches);
    ASSERT(mark_count("store: unread read-ahead evicted") > marks);
    marks = mark_count("store: read-ahead was evicted before it was read");
    ASSERT(read_on(store, &range, &reader) > 0);
    ASSERT_EQ(mark_count("store: read-ahead was evicted before it was read"), marks + 1);
    ASSERT_EQ(reader.window_bytes, 1 * MIB);
    ASSERT(read_on(store, &range, &reader) > 0);
    ASSERT_EQ(reader.window_bytes, 1 * MIB); /* it does not grow for a while */
    struct store_stats stats;
    store_stats_get(store, &stats);
    ASSERT(stats.read_ahead_wasted_bytes > 0);
    store_reader_done(store, &reader);
    store_unmake(store, objects);
}

FIBER_TEST(read_ahead_that_nobody_fetches_makes_way_after_a_while)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("ahead_stale"), 8 * MIB, 2 * MIB, &objects);
    struct store_range ranges[2] = { object_of_blocks(store, 1, 20),
        object_of_blocks(store, 2, 20) };
    struct store_reader readers[2] = { 0 };
    for (int i = 0; i < 3; i++) {
        ASSERT(read_on(store, &ranges[0], &readers[0]) > 0);
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    uint64_t refused = mark_count("store: read-ahead refused");
    for (int i = 0; i < 3; i++) {
        ASSERT(read_on(store, &ranges[1], &readers[1]) > 0);
    }
    ASSERT(mark_count("store: read-ahead refused") > refused);
    uint64_t stale = mark_count("store: stale read-ahead evicted");
    store->cache.ahead_stale_ns = 1;
    for (int i = 0; i < 4; i++) {
        ASSERT_OK(fiber_sleep_ns(1000000));
        ASSERT(read_on(store, &ranges[1], &readers[1]) > 0);
    }
    ASSERT(mark_count("store: stale read-ahead evicted") > stale);
    store_reader_done(store, &readers[0]);
    store_reader_done(store, &readers[1]);
    store_unmake(store, objects);
}

FIBER_TEST(a_store_can_be_freed_while_it_reads_ahead)
{
    struct objectstore *objects;
    memory_url("ahead_free");
    struct store *store =
            store_make("faulty+memory://ahead_free?faults=free", 32 * MIB, 8 * MIB, &objects);
    struct store_range range = object_of_blocks(store, 1, 20);
    struct store_reader reader = { 0 };
    ASSERT(read_on(store, &range, &reader) > 0);
    ASSERT(read_on(store, &range, &reader) > 0);
    while (store->cache.load_count > 0) {
        ASSERT_OK(fiber_sleep_ns(1000000));
    }
    struct faulty_rule hang;
    ASSERT_OK(faulty_parse("get:*:hang", &hang));
    ASSERT_OK(faulty_add("free", &hang));
    ASSERT(read_on(store, &range, &reader) > 0); /* from the cache; what comes next hangs */
    ASSERT(store->cache.load_count > 0);
    store_unmake(store, objects);
    faulty_clear("free");
}

FIBER_TEST(a_damaged_block_that_was_read_ahead_does_not_spoil_its_neighbours)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("ahead_damaged"), 64 * MIB, 8 * MIB, &objects);
    struct store_range range = object_of_blocks(store, 1, 20);
    struct buf *bytes = object_bytes(objects, 1);
    size_t block = (size_t)(range.size / 20);
    bytes->data[range.position + 10 * block + 5000] ^= 1;
    object_replace(objects, 1, buf_bytes(bytes));
    buf_unref(bytes);
    struct store_reader reader = { 0 };
    struct slices slices;
    for (int i = 0; i < 20; i++) {
        slices_init(&slices);
        int r = store_read(store, &range, 10 * i, 512 * KIB, &reader, &slices);
        ASSERT_EQ(r, i == 10 ? -EBADMSG : 0);
        slices_done(&slices);
        reader.next_offset = 10 * (i + 1);
    }
    store_reader_done(store, &reader);
    store_unmake(store, objects);
}

static void
sleep_long(void *arg)
{
    int *woken = arg;
    int r = fiber_sleep_ns(60ull * 1000000000u);
    *woken += r == -ECANCELED;
}

FIBER_TEST(without_a_fiber_for_it_nothing_is_read_ahead_and_reading_goes_on)
{
    static struct fiber *sleepers[FIBERS_MAX];
    struct objectstore *objects;
    struct store *store = store_make(memory_url("ahead_fibers"), 32 * MIB, 8 * MIB, &objects);
    struct store_range range = object_of_blocks(store, 1, 6);
    struct store_reader reader = { 0 };
    size_t count = 0;
    int woken = 0;
    ASSERT(read_on(store, &range, &reader) > 0);
    while (fiber_spawn("sleeper", sleep_long, &woken, &sleepers[count]) == 0) {
        count++;
    }
    uint64_t marks = mark_count("store: no fiber for read-ahead");
    while (reader.next_offset < range.end_offset) {
        ASSERT(read_on(store, &range, &reader) > 0);
    }
    ASSERT(mark_count("store: no fiber for read-ahead") > marks);
    ASSERT_EQ(gets_of(objects), 7);
    for (size_t i = 0; i < count; i++) {
        fiber_cancel(sleepers[i]);
        fiber_join(sleepers[i]);
    }
    store_reader_done(store, &reader);
    store_unmake(store, objects);
}
