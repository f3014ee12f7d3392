/* Many small objects into one: nothing is lost, nothing that is damaged gets in. */
#include "base/endian.h"
#include "base/mark.h"
#include "store/format.h"
#include "store/store_internal.h"
#include "unit/broker/store/support_store.h"
#include "unit/test.h"

#include <errno.h>

#define RANGES 30

struct chain {
    struct store_range ranges[RANGES];
    struct slices all;
};

static void
chain_make(struct store *store, struct chain *chain)
{
    slices_init(&chain->all);
    for (int i = 0; i < RANGES; i++) {
        struct slices batches;
        struct object_run run = run_make(key_of(1, 4), 1000 + 20 * i, 2, 10, 10 * KIB, &batches);
        run.checkpoint = i == RANGES - 1 ? BYTES_LITERAL("state at the end") : BYTES_NULL;
        run.leader_epoch = i;
        chain->ranges[i] = object_make(store, (uint64_t)i + 1, &run);
        for (size_t j = 0; j < batches.count; j++) {
            slices_append(&chain->all, batches.items[j].owner, batches.items[j].bytes);
        }
        slices_done(&batches);
    }
}

static struct store_merge
merge_of(const struct chain *chain)
{
    return (struct store_merge){ .key = key_of(1, 4),
        .ranges = chain->ranges,
        .count = RANGES,
        .object_id = 99,
        .broker_id = 1 };
}

static int
ignore_entry(void *arg, const struct object_inspect_entry *entry)
{
    (void)arg;
    (void)entry;
    return 0;
}

FIBER_TEST(merged_ranges_read_as_the_ranges_did)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("merge_all"), 16 * MIB, 0, &objects);
    struct chain chain;
    struct store_range merged;
    struct slices read;
    struct buf *checkpoint;
    chain_make(store, &chain);
    struct store_merge merge = merge_of(&chain);
    uint64_t marks = mark_count("store: merge carries the checkpoint over");
    ASSERT_OK(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged));
    ASSERT_EQ(merged.base_offset, 1000);
    ASSERT_EQ(merged.end_offset, 1600);
    ASSERT_EQ(merged.leader_epoch, RANGES - 1);
    ASSERT_EQ(merged.timestamp_max, 1000 + 1599);
    ASSERT(merged.block_count < RANGES / 2);
    ASSERT_OK(store_inspect_object(store, 99, ignore_entry, NULL));
    slices_init(&read);
    ASSERT_OK(store_read(store, &merged, 1000, SIZE_MAX, NULL, &read));
    struct buf *wanted = slices_join(&chain.all);
    struct buf *got = slices_join(&read);
    ASSERT_BYTES(buf_bytes(got), buf_bytes(wanted));
    ASSERT_OK(store_read_checkpoint(store, &merged, key_of(1, 4), &checkpoint));
    ASSERT_BYTES(buf_bytes(checkpoint), BYTES_LITERAL("state at the end"));
    ASSERT(mark_count("store: merge carries the checkpoint over") > marks);
    buf_unref(checkpoint);
    buf_unref(wanted);
    buf_unref(got);
    slices_done(&read);
    slices_done(&chain.all);
    store_unmake(store, objects);
}

FIBER_TEST(a_merge_leaves_out_what_lies_before_the_log_start)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("merge_start"), 16 * MIB, 0, &objects);
    struct chain chain;
    struct store_range merged;
    struct slices read;
    chain_make(store, &chain);
    struct store_merge merge = merge_of(&chain);
    merge.start_offset = 1115; /* inside the batch 1110 to 1120 */
    uint64_t gets = gets_of(objects);
    ASSERT_OK(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged));
    ASSERT_EQ(merged.base_offset, 1110);
    ASSERT_EQ(gets_of(objects) - gets, RANGES - 5 + 1); /* and the checkpoint */
    slices_init(&read);
    ASSERT_OK(store_read(store, &merged, 1115, 1, NULL, &read));
    ASSERT_EQ(load_be64(read.items[0].bytes.data), 1110);
    slices_done(&read);
    merge.object_id = 100;
    merge.start_offset = 1130; /* between two batches of one range */
    ASSERT_OK(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged));
    ASSERT_EQ(merged.base_offset, 1130);
    merge.start_offset = 1600;
    ASSERT_ERROR(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged), -EINVAL);
    slices_done(&chain.all);
    store_unmake(store, objects);
}

FIBER_TEST(a_merge_refuses_holes_and_too_much_input)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("merge_refuses"), 16 * MIB, 0, &objects);
    struct chain chain;
    struct store_range merged;
    chain_make(store, &chain);
    struct store_merge merge = merge_of(&chain);
    struct store_range kept = chain.ranges[7];
    chain.ranges[7] = chain.ranges[8];
    ASSERT_ERROR(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged), -EINVAL);
    chain.ranges[7] = kept;
    merge.ranges += 7;
    merge.count = 2;
    kept = chain.ranges[8];
    chain.ranges[8] = chain.ranges[9]; /* a hole */
    ASSERT_ERROR(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged), -EINVAL);
    chain.ranges[8] = kept;
    merge.ranges -= 7;
    merge.count = RANGES;
    chain.ranges[7].size = STORE_MERGE_SIZE_MAX;
    chain.ranges[7].block_count = 300;
    chain.ranges[7].index_position = 40;
    ASSERT_ERROR(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged), -EFBIG);
    merge.count = 0;
    ASSERT_ERROR(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged), -EINVAL);
    slices_done(&chain.all);
    store_unmake(store, objects);
}

/* O3 */
FIBER_TEST(a_merge_writes_nothing_when_an_input_is_damaged_missing_or_of_another_partition)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("merge_damaged"), 16 * MIB, 0, &objects);
    struct chain chain;
    struct store_range merged;
    struct object_info info;
    char key[OBJECT_KEY_TEXT_SIZE];
    chain_make(store, &chain);
    struct store_merge merge = merge_of(&chain);
    struct buf *good = object_bytes(objects, 13);
    struct buf *bytes = buf_of_bytes(buf_bytes(good));
    uint64_t state = 1;
    for (int i = 0; i < 50; i++) {
        size_t at = (size_t)(chain.ranges[12].position + mix_below(&state, chain.ranges[12].size));
        bytes->data[at] ^= 4;
        object_replace(objects, 13, buf_bytes(bytes));
        ASSERT_ERROR(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged), -EBADMSG);
        bytes->data[at] ^= 4;
    }
    object_replace(objects, 13, buf_bytes(good));
    merge.key = key_of(1, 5);
    merge.checkpoint = BYTES_LITERAL("given, so that no other is read");
    ASSERT_ERROR(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged), -EBADMSG);
    merge.key = key_of(1, 4);
    uint64_t id = 20;
    ASSERT_OK(store_remove_objects(store, &id, 1, DEADLINE_NONE));
    ASSERT_ERROR(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged), -ENOENT);
    ASSERT_ERROR(
            objectstore_head(objects, store_object_key(99, key), DEADLINE_NONE, &info), -ENOENT);
    buf_unref(good);
    buf_unref(bytes);
    slices_done(&chain.all);
    store_unmake(store, objects);
}

FIBER_TEST(ranges_emptied_by_log_compaction_merge_too)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("merge_empty"), 16 * MIB, 0, &objects);
    struct store_range ranges[2];
    struct store_range merged;
    struct slices read;
    for (int i = 0; i < 2; i++) {
        struct object_run run = {
            .key = key_of(1, 4), .base_offset = 10 * i, .end_offset = 10 * i + 10
        };
        ranges[i] = object_make(store, (uint64_t)i + 1, &run);
    }
    struct store_merge merge = {
        .key = key_of(1, 4), .ranges = ranges, .count = 2, .object_id = 3
    };
    merge.checkpoint = BYTES_LITERAL("given");
    ASSERT_OK(store_merge_ranges(store, &merge, DEADLINE_NONE, &merged));
    ASSERT_EQ(merged.base_offset, 0);
    ASSERT_EQ(merged.end_offset, 20);
    ASSERT_EQ(merged.size, 0);
    struct buf *checkpoint;
    ASSERT_OK(store_read_checkpoint(store, &merged, key_of(1, 4), &checkpoint));
    ASSERT_BYTES(buf_bytes(checkpoint), merge.checkpoint);
    buf_unref(checkpoint);
    slices_init(&read);
    ASSERT_OK(store_read(store, &merged, 5, SIZE_MAX, NULL, &read));
    ASSERT_EQ(read.count, 0);
    store_unmake(store, objects);
}
