/* Objects as they are written and read back. */
#include "base/endian.h"
#include "base/mark.h"
#include "objectstore/memory.h"
#include "store/format.h"
#include "store/store_internal.h"
#include "unit/broker/store/support_store.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>

static const char *
url_of_folder(void)
{
    static char url[512];
    snprintf(url, sizeof url, "file://%s", test_directory());
    return url;
}

/* Base offset of the first batch in the slices, -1: none. */
static int64_t
first_offset(const struct slices *slices)
{
    return slices->count ? (int64_t)load_be64(slices->items[0].bytes.data) : -1;
}

/* Writes an object of several partitions to the store at `url` and reads all of it back. */
static void
write_and_read(const char *url)
{
    struct objectstore *objects;
    struct store *store = store_make(url, 8 * MIB, MIB, &objects);
    struct object_builder *builder = object_builder_new(77, 5, 6);
    struct slices batches[3];
    struct slices read;
    const struct store_range *ranges;
    size_t count;
    for (int i = 0; i < 3; i++) {
        struct object_run run =
                run_make(key_of(1, i), 100 * i, (size_t)(1 + 20 * i), 10, 10 * KIB, &batches[i]);
        run.checkpoint = i == 1 ? BYTES_LITERAL("state of partition 1") : BYTES_NULL;
        ASSERT_OK(object_builder_add(builder, &run));
    }
    uint64_t size = object_builder_size(builder);
    ASSERT_OK(store_write_object(store, builder, DEADLINE_NONE, &ranges, &count));
    ASSERT_EQ(count, 3);
    ASSERT_EQ(ranges[0].block_count, 1);
    ASSERT(ranges[2].block_count > 1);
    struct buf *whole = object_bytes(objects, 77);
    ASSERT_EQ(whole->size, size);
    ASSERT_EQ(object_builder_size(builder), size);
    for (int i = 0; i < 3; i++) {
        slices_init(&read);
        ASSERT_OK(store_read(store, &ranges[i], 100 * i, SIZE_MAX, NULL, &read));
        CLEANUP(buf_unrefp) struct buf *wanted = slices_join(&batches[i]);
        CLEANUP(buf_unrefp) struct buf *got = slices_join(&read);
        ASSERT_BYTES(buf_bytes(got), buf_bytes(wanted));
        slices_done(&read);
        slices_done(&batches[i]);
    }
    struct buf *checkpoint;
    ASSERT_OK(store_read_checkpoint(store, &ranges[1], key_of(1, 1), &checkpoint));
    ASSERT_BYTES(buf_bytes(checkpoint), BYTES_LITERAL("state of partition 1"));
    buf_unref(checkpoint);
    uint64_t marks = mark_count("store: piece of another partition");
    ASSERT_ERROR(store_read_checkpoint(store, &ranges[1], key_of(1, 2), &checkpoint), -EBADMSG);
    ASSERT_EQ(mark_count("store: piece of another partition"), marks + 1);
    ASSERT_ERROR(store_read_checkpoint(store, &ranges[0], key_of(1, 0), &checkpoint), -ENOENT);
    buf_unref(whole);
    object_builder_free(builder);
    store_unmake(store, objects);
}

FIBER_TEST(an_object_in_memory_gives_back_what_was_written)
{
    write_and_read(memory_url("object_memory"));
}

FIBER_TEST(an_object_in_a_folder_gives_back_what_was_written)
{
    write_and_read(url_of_folder());
}

/* O1 */
FIBER_TEST(writing_an_object_again_writes_the_same_bytes)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("object_again"), MIB, 0, &objects);
    struct object_builder *builder = object_builder_new(1, 5, 6);
    struct slices batches;
    const struct store_range *ranges;
    size_t count;
    struct object_run run = run_make(key_of(1, 0), 0, 200, 10, KIB, &batches);
    ASSERT_OK(object_builder_add(builder, &run));
    ASSERT_OK(store_write_object(store, builder, DEADLINE_NONE, &ranges, &count));
    struct buf *first = object_bytes(objects, 1);
    struct store_range range = ranges[0];
    ASSERT_OK(store_write_object(store, builder, DEADLINE_NONE, &ranges, &count));
    struct buf *second = object_bytes(objects, 1);
    ASSERT_BYTES(buf_bytes(second), buf_bytes(first));
    ASSERT_EQ(memcmp(&range, &ranges[0], sizeof range), 0);
    buf_unref(first);
    buf_unref(second);
    slices_done(&batches);
    object_builder_free(builder);
    store_unmake(store, objects);
}

FIBER_TEST(a_read_gives_whole_batches_from_the_offset_within_max_bytes)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("object_limits"), 32 * MIB, 0, &objects);
    struct slices batches;
    struct slices read;
    struct object_run run = run_make(key_of(1, 0), 1000, 300, 10, KIB, &batches);
    struct store_range range = object_make(store, 9, &run);
    ASSERT(range.block_count > 2);
    size_t one = batches.bytes / 300;
    slices_init(&read);
    ASSERT_OK(store_read(store, &range, 1005, 1, NULL, &read));
    ASSERT_EQ(first_offset(&read), 1000);
    ASSERT(read.bytes <= one + 16);
    slices_done(&read);
    ASSERT_OK(store_read(store, &range, 3999, SIZE_MAX, NULL, &read));
    ASSERT_EQ(first_offset(&read), 3990);
    slices_done(&read);
    /* Over the edges of blocks. */
    ASSERT_OK(store_read(store, &range, 2000, 150 * one, NULL, &read));
    ASSERT(read.bytes > 148 * one && read.bytes <= 150 * one);
    slices_done(&read);
    /* max_bytes is of this call, not of what the slices had before. */
    ASSERT_OK(store_read(store, &range, 1000, 2 * one + 64, NULL, &read));
    ASSERT_OK(store_read(store, &range, 1020, 2 * one + 64, NULL, &read));
    ASSERT(read.bytes > 3 * one);
    slices_done(&read);
    ASSERT_ERROR(store_read(store, &range, 999, 1, NULL, &read), -EINVAL);
    ASSERT_ERROR(store_read(store, &range, 4000, 1, NULL, &read), -EINVAL);
    slices_done(&batches);
    store_unmake(store, objects);
}

FIBER_TEST(a_batch_larger_than_a_block_makes_a_larger_block)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("object_large"), 2 * MIB, 0, &objects);
    struct slices batches;
    struct slices read;
    struct object_run run = run_make(key_of(1, 0), 0, 3, 1, 5 * MIB, &batches);
    struct store_range range = object_make(store, 9, &run);
    ASSERT_EQ(range.block_count, 3);
    slices_init(&read);
    /* The cache is smaller than one of them: each is read alone and none is kept. */
    ASSERT_OK(store_read(store, &range, 0, SIZE_MAX, NULL, &read));
    ASSERT_EQ(read.bytes, batches.bytes);
    struct store_stats stats;
    store_stats_get(store, &stats);
    ASSERT(stats.block_cache_bytes <= 2 * MIB);
    slices_done(&read);
    slices_done(&batches);
    store_unmake(store, objects);
}

FIBER_TEST(a_range_without_records_reads_as_nothing)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("object_empty"), MIB, 0, &objects);
    struct slices read;
    struct object_run run = { .key = key_of(1, 1), .base_offset = 50, .end_offset = 90 };
    struct store_range range = object_make(store, 9, &run);
    ASSERT_EQ(range.size, 0);
    ASSERT_EQ(range.block_count, 0);
    slices_init(&read);
    ASSERT_OK(store_read(store, &range, 60, SIZE_MAX, NULL, &read));
    ASSERT_EQ(read.count, 0);
    store_unmake(store, objects);
}

FIBER_TEST(a_run_with_holes_covers_its_offsets_and_skips_them)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("object_holes"), MIB, 0, &objects);
    struct buf *a = batch_make(10, 5, 1, 600 * KIB / 5, 1);
    struct buf *b = batch_make(40, 5, 1, 600 * KIB / 5, 1);
    struct slice items[] = { { a, buf_bytes(a) }, { b, buf_bytes(b) } };
    struct slices read;
    struct object_run run = {
        .key = key_of(1, 1), .base_offset = 0, .end_offset = 100, .batches = items, .batch_count = 2
    };
    struct store_range range = object_make(store, 9, &run);
    ASSERT_EQ(range.block_count, 2);
    slices_init(&read);
    ASSERT_OK(store_read(store, &range, 0, 1, NULL, &read));
    ASSERT_EQ(first_offset(&read), 10);
    slices_done(&read);
    ASSERT_OK(store_read(store, &range, 20, 1, NULL, &read));
    ASSERT_EQ(first_offset(&read), 40);
    slices_done(&read);
    ASSERT_OK(store_read(store, &range, 60, 1, NULL, &read));
    ASSERT_EQ(read.count, 0);
    slices_done(&read);
    buf_unref(a);
    buf_unref(b);
    store_unmake(store, objects);
}

TEST(a_builder_refuses_what_does_not_fit_and_stays_as_it_was)
{
    struct object_builder *builder = object_builder_new(3, 1, 1);
    struct slices batches;
    struct object_run run = run_make(key_of(1, 0), 100, 10, 10, 100, &batches);
    ASSERT_OK(object_builder_add(builder, &run));
    uint64_t size = object_builder_size(builder);
    ASSERT_ERROR(object_builder_add(builder, &run), -EEXIST);
    run.key.index = 1;
    run.end_offset = 199;
    ASSERT_ERROR(object_builder_add(builder, &run), -EINVAL);
    run.end_offset = 200;
    run.base_offset = 101;
    ASSERT_ERROR(object_builder_add(builder, &run), -EINVAL);
    run.base_offset = 100;
    struct slice first = batches.items[0];
    batches.items[0] = batches.items[1];
    ASSERT_ERROR(object_builder_add(builder, &run), -EINVAL);
    batches.items[0] = first;
    struct slice last = batches.items[9];
    batches.items[9].bytes.size--;
    ASSERT_ERROR(object_builder_add(builder, &run), -EBADMSG);
    batches.items[9] = last;
    last.owner->data[80] ^= 1;
    ASSERT_ERROR(object_builder_add(builder, &run), -EBADMSG);
    last.owner->data[80] ^= 1;
    ASSERT_EQ(object_builder_size(builder), size);
    ASSERT_OK(object_builder_add(builder, &run));
    object_builder_free(builder);
    slices_done(&batches);
}

TEST(object_keys_spread_ids_and_lead_back_to_them)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    char other[OBJECT_KEY_TEXT_SIZE];
    uint64_t ids[] = { 1, 2, 255, UINT64_MAX, 0x123456789abcdef0u };
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        uint64_t id;
        ASSERT_OK(store_object_id_of_key(store_object_key(ids[i], key), &id));
        ASSERT_EQ(id, ids[i]);
    }
    ASSERT(strncmp(store_object_key(1, key), store_object_key(2, other), 9) != 0);
    uint64_t id;
    ASSERT_ERROR(store_object_id_of_key("data/0000/0000000000000001", &id), -EINVAL);
    ASSERT_ERROR(store_object_id_of_key("meta/log/0000000000000001", &id), -EINVAL);
    ASSERT_ERROR(store_object_id_of_key("", &id), -EINVAL);
    key[9] = '_';
    ASSERT_ERROR(store_object_id_of_key(key, &id), -EINVAL);
}

/* O2 */
FIBER_TEST(a_removed_object_reads_as_gone_and_removing_again_is_harmless)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("object_removed"), MIB, 0, &objects);
    struct slices batches;
    struct slices read;
    struct object_run run = run_make(key_of(1, 0), 0, 2, 10, 100, &batches);
    struct store_range range = object_make(store, 9, &run);
    struct store_range stays = object_make(store, 10, &run);
    uint64_t ids[] = { 9, 11 };
    ASSERT_OK(store_remove_objects(store, ids, 2, DEADLINE_NONE));
    ASSERT_OK(store_remove_objects(store, ids, 2, DEADLINE_NONE));
    slices_init(&read);
    ASSERT_ERROR(store_read(store, &range, 0, 1, NULL, &read), -ENOENT);
    ASSERT_OK(store_read(store, &stays, 0, 1, NULL, &read));
    ASSERT_EQ(memory_store_count("object_removed"), 1);
    slices_done(&read);
    slices_done(&batches);
    store_unmake(store, objects);
}
