/* Many small objects into one: nothing is lost, nothing that is damaged gets in. */
#include "base/endian.h"
#include "base/mark.h"
#include "store/format.h"
#include "store/store_internal.h"
#include "unit/broker/store/support_store.h"
#include "unit/test.h"

#include <errno.h>

#define RANGES 30

/* A store with RANGES small objects of one partition, the last one with a checkpoint, and the merge
 * of all of them. */
struct bench {
    struct objectstore *objects;
    struct store *store;
    struct store_range ranges[RANGES];
    struct slices all; /* their batches */
    struct store_merge merge;
};

static void
bench_begin(struct bench *bench, const char *name)
{
    bench->store = store_make(memory_url(name), 16 * MIB, 0, &bench->objects);
    slices_init(&bench->all);
    for (int i = 0; i < RANGES; i++) {
        struct slices batches;
        struct object_run run = run_make(key_of(1, 4), 1000 + 20 * i, 2, 10, 10 * KIB, &batches);
        run.checkpoint = i == RANGES - 1 ? BYTES_LITERAL("state at the end") : BYTES_NULL;
        run.leader_epoch = i;
        bench->ranges[i] = object_make(bench->store, (uint64_t)i + 1, &run);
        for (size_t j = 0; j < batches.count; j++) {
            slices_append(&bench->all, batches.items[j].owner, batches.items[j].bytes);
        }
        slices_done(&batches);
    }
    bench->merge = (struct store_merge){ .key = key_of(1, 4),
        .ranges = bench->ranges,
        .count = RANGES,
        .object_id = 99,
        .broker_id = 1 };
}

static void
bench_end(struct bench *bench)
{
    slices_done(&bench->all);
    store_unmake(bench->store, bench->objects);
}

static int
bench_merge(struct bench *bench, struct store_range *ret_merged)
{
    return store_merge_ranges(bench->store, &bench->merge, DEADLINE_NONE, ret_merged);
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
    struct bench bench;
    struct store_range merged;
    struct slices read;
    struct buf *checkpoint;
    bench_begin(&bench, "merge_all");
    uint64_t marks = mark_count("store: merge carries the checkpoint over");
    ASSERT_OK(bench_merge(&bench, &merged));
    ASSERT_EQ(merged.base_offset, 1000);
    ASSERT_EQ(merged.end_offset, 1600);
    ASSERT_EQ(merged.leader_epoch, RANGES - 1);
    ASSERT_EQ(merged.timestamp_max, 1000 + 1599);
    ASSERT(merged.block_count < RANGES / 2);
    ASSERT_OK(store_inspect_object(bench.store, 99, ignore_entry, NULL));
    slices_init(&read);
    ASSERT_OK(store_read(bench.store, &merged, 1000, SIZE_MAX, NULL, &read));
    struct buf *wanted = slices_join(&bench.all);
    struct buf *got = slices_join(&read);
    ASSERT_BYTES(buf_bytes(got), buf_bytes(wanted));
    ASSERT_OK(store_read_checkpoint(bench.store, &merged, key_of(1, 4), &checkpoint));
    ASSERT_BYTES(buf_bytes(checkpoint), BYTES_LITERAL("state at the end"));
    ASSERT(mark_count("store: merge carries the checkpoint over") > marks);
    buf_unref(checkpoint);
    buf_unref(wanted);
    buf_unref(got);
    slices_done(&read);
    bench_end(&bench);
}

FIBER_TEST(a_merge_leaves_out_what_lies_before_the_log_start)
{
    struct bench bench;
    struct store_range merged;
    struct slices read;
    bench_begin(&bench, "merge_start");
    bench.merge.start_offset = 1115; /* inside the batch 1110 to 1120 */
    uint64_t gets = gets_of(bench.objects);
    ASSERT_OK(bench_merge(&bench, &merged));
    ASSERT_EQ(merged.base_offset, 1110);
    ASSERT_EQ(gets_of(bench.objects) - gets, RANGES - 5 + 1); /* and the checkpoint */
    slices_init(&read);
    ASSERT_OK(store_read(bench.store, &merged, 1115, 1, NULL, &read));
    ASSERT_EQ(load_be64(read.items[0].bytes.data), 1110);
    slices_done(&read);
    bench.merge.object_id = 100;
    bench.merge.start_offset = 1130; /* between two batches of one range */
    ASSERT_OK(bench_merge(&bench, &merged));
    ASSERT_EQ(merged.base_offset, 1130);
    bench.merge.start_offset = 1600;
    ASSERT_ERROR(bench_merge(&bench, &merged), -EINVAL);
    bench_end(&bench);
}

FIBER_TEST(a_merge_refuses_holes_and_too_much_input)
{
    struct bench bench;
    struct store_range merged;
    bench_begin(&bench, "merge_refuses");
    struct store_range kept = bench.ranges[7];
    bench.ranges[7] = bench.ranges[8];
    ASSERT_ERROR(bench_merge(&bench, &merged), -EINVAL);
    bench.ranges[7] = kept;
    bench.merge.ranges += 7;
    bench.merge.count = 2;
    kept = bench.ranges[8];
    bench.ranges[8] = bench.ranges[9]; /* a hole */
    ASSERT_ERROR(bench_merge(&bench, &merged), -EINVAL);
    bench.ranges[8] = kept;
    bench.merge.ranges -= 7;
    bench.merge.count = RANGES;
    bench.ranges[7].size = STORE_MERGE_SIZE_MAX;
    bench.ranges[7].block_count = 300;
    bench.ranges[7].index_position = 40;
    ASSERT_ERROR(bench_merge(&bench, &merged), -EFBIG);
    bench.merge.count = 0;
    ASSERT_ERROR(bench_merge(&bench, &merged), -EINVAL);
    bench_end(&bench);
}

/* O3 */
FIBER_TEST(a_merge_writes_nothing_when_an_input_is_damaged_missing_or_of_another_partition)
{
    struct bench bench;
    struct store_range merged;
    struct object_info info;
    char key[OBJECT_KEY_TEXT_SIZE];
    bench_begin(&bench, "merge_damaged");
    struct buf *good = object_bytes(bench.objects, 13);
    struct buf *bytes = buf_of_bytes(buf_bytes(good));
    uint64_t state = 1;
    for (int i = 0; i < 50; i++) {
        size_t at = (size_t)(bench.ranges[12].position + mix_below(&state, bench.ranges[12].size));
        bytes->data[at] ^= 4;
        object_replace(bench.objects, 13, buf_bytes(bytes));
        ASSERT_ERROR(bench_merge(&bench, &merged), -EBADMSG);
        bytes->data[at] ^= 4;
    }
    object_replace(bench.objects, 13, buf_bytes(good));
    bench.merge.key = key_of(1, 5);
    bench.merge.checkpoint = BYTES_LITERAL("given, so that no other is read");
    ASSERT_ERROR(bench_merge(&bench, &merged), -EBADMSG);
    bench.merge.key = key_of(1, 4);
    uint64_t id = 20;
    ASSERT_OK(store_remove_objects(bench.store, &id, 1, DEADLINE_NONE));
    ASSERT_ERROR(bench_merge(&bench, &merged), -ENOENT);
    ASSERT_ERROR(objectstore_head(bench.objects, store_object_key(99, key), DEADLINE_NONE, &info),
            -ENOENT);
    buf_unref(good);
    buf_unref(bytes);
    bench_end(&bench);
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
