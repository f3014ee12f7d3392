/* O3: whatever happens to an object's bytes, a reader and the inspector notice. */
#include "base/crc.h"
#include "base/endian.h"
#include "base/mark.h"
#include "store/format.h"
#include "store/store_internal.h"
#include "unit/broker/store/support_store.h"
#include "unit/test.h"

#include <errno.h>

#define ID 0x1234567890abcdefu
#define CHECKPOINT BYTES_LITERAL("checkpoint")

struct seen {
    int entries;
    int blocks;
    int bad;
    int stop_after;
};

static int
count_entries(void *arg, const struct object_inspect_entry *entry)
{
    struct seen *seen = arg;
    seen->entries++;
    seen->blocks += strcmp(entry->kind, "block") == 0;
    seen->bad += strcmp(entry->state, "valid") != 0;
    return seen->stop_after && seen->entries == seen->stop_after ? 7 : 0;
}

/* A store with the object ID, which is small, of two partitions. */
struct bench {
    struct objectstore *objects;
    struct store *store;
    struct store_range ranges[2];
    struct slices batches[2];
    struct buf *bytes; /* of the object */
    struct seen seen;
};

/* The second partition has that checkpoint. */
static void
bench_begin(struct bench *bench, const char *name, struct bytes checkpoint)
{
    struct object_builder *builder = object_builder_new(ID, 3, 4);
    const struct store_range *ranges;
    size_t count;
    bench->store = store_make(memory_url(name), MIB, 0, &bench->objects);
    for (int i = 0; i < 2; i++) {
        struct object_run run = run_make(key_of(1, i), 50, 2, 2, 10, &bench->batches[i]);
        run.checkpoint = i ? checkpoint : BYTES_NULL;
        ASSERT_OK(object_builder_add(builder, &run));
    }
    ASSERT_OK(store_write_object(bench->store, builder, DEADLINE_NONE, &ranges, &count));
    memcpy(bench->ranges, ranges, sizeof bench->ranges);
    object_builder_free(builder);
    bench->bytes = object_bytes(bench->objects, ID);
}

static void
bench_end(struct bench *bench)
{
    buf_unref(bench->bytes);
    slices_done(&bench->batches[0]);
    slices_done(&bench->batches[1]);
    store_unmake(bench->store, bench->objects);
}

static int
inspect(struct store *store, uint64_t object_id, struct seen *ret_seen)
{
    *ret_seen = (struct seen){ 0 };
    return store_inspect_object(store, object_id, count_entries, ret_seen);
}

/* The inspection of the object as `bytes` in the bench's place. */
static int
bench_inspect_as(struct bench *bench, struct bytes bytes)
{
    object_replace(bench->objects, ID, bytes);
    return inspect(bench->store, ID, &bench->seen);
}

FIBER_TEST(an_intact_object_is_valid_in_every_piece)
{
    struct bench bench;
    bench_begin(&bench, "inspect_intact", CHECKPOINT);
    ASSERT_OK(inspect(bench.store, ID, &bench.seen));
    ASSERT_EQ(bench.seen.entries, 6); /* object, footer, directory, two blocks, a checkpoint */
    ASSERT_EQ(bench.seen.bad, 0);
    ASSERT_ERROR(inspect(bench.store, ID + 1, &bench.seen), -ENOENT);
    bench.seen = (struct seen){ .stop_after = 2 };
    ASSERT_EQ(store_inspect_object(bench.store, ID, count_entries, &bench.seen), 7);
    ASSERT_EQ(bench.seen.entries, 2);
    bench_end(&bench);
}

/* What store_read gives for both partitions is what was written, or an error; 1: at least one
 * error. */
static int
read_both(const struct bench *bench)
{
    struct store_options options = {
        .objects = bench->objects, .block_cache_bytes = MIB, .fetch_timeout_ns = 5000000000u
    };
    struct store *store;
    int errors = 0;
    int r = store_new(&options, &store);
    if (r < 0) {
        return r;
    }
    for (int i = 0; i < 2; i++) {
        struct slices read;
        slices_init(&read);
        r = store_read(store, &bench->ranges[i], 50, SIZE_MAX, NULL, &read);
        CLEANUP(buf_unrefp) struct buf *wanted = slices_join(&bench->batches[i]);
        CLEANUP(buf_unrefp) struct buf *got = slices_join(&read);
        slices_done(&read);
        errors += r < 0;
        if (r == 0 && !bytes_equal(buf_bytes(got), buf_bytes(wanted))) {
            errors = -1000; /* wrong data */
        }
    }
    struct buf *checkpoint;
    r = store_read_checkpoint(store, &bench->ranges[1], key_of(1, 1), &checkpoint);
    errors += r < 0;
    if (r == 0) {
        if (!bytes_equal(buf_bytes(checkpoint), CHECKPOINT)) {
            errors = -1000;
        }
        buf_unref(checkpoint);
    }
    store_free(store);
    return errors;
}

/* Where the last that a reader uses ends. */
static uint64_t
checkpoint_end(const struct bench *bench)
{
    return bench->ranges[1].checkpoint_position + bench->ranges[1].checkpoint_size;
}

/* O3 */
FIBER_TEST(every_single_flipped_bit_of_an_object_is_noticed)
{
    struct bench bench;
    bench_begin(&bench, "inspect_flip", CHECKPOINT);
    struct buf *bytes = bench.bytes;
    uint64_t marks = mark_count("store: block body does not fit its CRC");
    uint64_t data_end = checkpoint_end(&bench);
    for (size_t i = 0; i < bytes->size * 8; i++) {
        bytes->data[i / 8] ^= (uint8_t)(1u << i % 8);
        ASSERT_ERROR(bench_inspect_as(&bench, buf_bytes(bytes)), -EBADMSG);
        ASSERT(bench.seen.bad > 0);
        int errors = read_both(&bench);
        ASSERT(errors >= 0);
        /* A reader looks at what it uses: everything between header and directory. */
        ASSERT_EQ(errors > 0, i / 8 >= OBJECT_HEADER_SIZE && i / 8 < data_end);
        bytes->data[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    ASSERT(mark_count("store: block body does not fit its CRC") > marks);
    bench_end(&bench);
}

/* O3 */
FIBER_TEST(an_object_cut_at_any_length_is_noticed)
{
    struct bench bench;
    bench_begin(&bench, "inspect_cut", CHECKPOINT);
    struct buf *bytes = bench.bytes;
    uint64_t marks = mark_count("store: object shorter than its metadata says");
    uint64_t data_end = checkpoint_end(&bench);
    for (size_t size = 0; size < bytes->size; size++) {
        ASSERT_ERROR(bench_inspect_as(&bench, bytes_of(bytes->data, size)), -EBADMSG);
        struct object_range over = { size ? size - 1 : 0, 2 };
        struct buf *none;
        ASSERT_ERROR(store_get_exact(bench.objects, ID, over, DEADLINE_NONE, &none), -EBADMSG);
        int errors = read_both(&bench);
        ASSERT(errors >= 0);
        ASSERT(errors > 0 || size >= data_end);
    }
    /* At each length but the few at which what a reader needs is whole, at least one GET of the
     * reader and one of the inspector came back short. */
    ASSERT(mark_count("store: object shorter than its metadata says") >= marks + data_end);
    /* And one that is too long. */
    struct buf *longer = buf_new(bytes->size + 1);
    memcpy(longer->data, bytes->data, bytes->size);
    longer->data[bytes->size] = 0;
    longer->size = bytes->size + 1;
    ASSERT_ERROR(bench_inspect_as(&bench, buf_bytes(longer)), -EBADMSG);
    buf_unref(longer);
    bench_end(&bench);
}

/* O3 */
FIBER_TEST(another_object_under_the_same_id_is_refused)
{
    struct bench bench;
    struct slices read;
    bench_begin(&bench, "inspect_other", CHECKPOINT);
    struct object_run run = run_make(key_of(1, 0), 50, 2, 2, 10, &read);
    struct store_range other = object_make(bench.store, 5, &run);
    ASSERT_EQ(other.size, bench.ranges[0].size);
    slices_done(&read);
    struct buf *bytes = object_bytes(bench.objects, 5);
    uint64_t marks = mark_count("store: piece of another object");
    ASSERT_ERROR(bench_inspect_as(&bench, buf_bytes(bytes)), -EBADMSG);
    buf_unref(bytes);
    slices_init(&read);
    ASSERT_ERROR(store_read(bench.store, &bench.ranges[0], 50, 1, NULL, &read), -EBADMSG);
    ASSERT_EQ(read.count, 0);
    ASSERT(mark_count("store: piece of another object") > marks);
    bench_end(&bench);
}

/* O3: each block is whole and right, but not where it belongs. */
FIBER_TEST(two_blocks_that_changed_places_are_refused)
{
    struct bench bench;
    bench_begin(&bench, "inspect_swap", BYTES_NULL);
    const struct store_range *ranges = bench.ranges;
    ASSERT_EQ(ranges[0].size, ranges[1].size);
    struct buf *swapped = buf_of_bytes(buf_bytes(bench.bytes));
    size_t size = (size_t)ranges[0].size;
    memcpy(swapped->data + ranges[0].position, bench.bytes->data + ranges[1].position, size);
    memcpy(swapped->data + ranges[1].position, bench.bytes->data + ranges[0].position, size);
    uint64_t marks = mark_count("store: piece of another position");
    ASSERT_ERROR(bench_inspect_as(&bench, buf_bytes(swapped)), -EBADMSG);
    ASSERT_EQ(bench.seen.bad, 2);
    struct slices read;
    slices_init(&read);
    ASSERT_ERROR(store_read(bench.store, &ranges[0], 50, 1, NULL, &read), -EBADMSG);
    ASSERT_ERROR(store_read(bench.store, &ranges[1], 50, 1, NULL, &read), -EBADMSG);
    ASSERT_EQ(read.count, 0);
    ASSERT(mark_count("store: piece of another position") > marks);
    buf_unref(swapped);
    bench_end(&bench);
}

/* O3 */
FIBER_TEST(every_flipped_bit_of_an_index_is_noticed)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("inspect_index"), 4 * MIB, 0, &objects);
    struct slices batches;
    struct object_run run = run_make(key_of(1, 0), 0, 3, 1, 600 * KIB, &batches);
    struct store_range range = object_make(store, ID, &run);
    slices_done(&batches);
    struct buf *bytes = object_bytes(objects, ID);
    struct bytes index =
            bytes_of(bytes->data + range.index_position, index_size(range.block_count));
    ASSERT_EQ(range.block_count, 3);
    ASSERT_OK(index_check(index, &range));
    for (size_t i = 0; i < index.size * 8; i++) {
        bytes->data[range.index_position + i / 8] ^= (uint8_t)(1u << i % 8);
        ASSERT_ERROR(index_check(index, &range), -EBADMSG);
        bytes->data[range.index_position + i / 8] ^= (uint8_t)(1u << i % 8);
    }
    struct store_range wrong = range;
    wrong.end_offset++;
    ASSERT_ERROR(index_check(index, &wrong), -EBADMSG);
    wrong = range;
    wrong.block_count--;
    ASSERT_ERROR(index_check(index, &wrong), -EBADMSG);
    wrong = range;
    wrong.position++;
    ASSERT_ERROR(index_check(index, &wrong), -EBADMSG);
    buf_unref(bytes);
    store_unmake(store, objects);
}

FIBER_TEST(inspection_goes_on_behind_damage_as_far_as_it_can)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("inspect_on"), 4 * MIB, 0, &objects);
    struct slices batches;
    struct seen seen;
    struct object_run run = run_make(key_of(1, 0), 0, 5, 1, 600 * KIB, &batches);
    run.checkpoint = BYTES_LITERAL("state");
    struct store_range range = object_make(store, ID, &run);
    slices_done(&batches);
    struct buf *bytes = object_bytes(objects, ID);
    ASSERT_OK(inspect(store, ID, &seen));
    ASSERT_EQ(seen.blocks, 5);

    bytes->data[range.index_position + 70] ^= 1; /* the index: blocks are found by their headers */
    object_replace(objects, ID, buf_bytes(bytes));
    uint64_t marks = mark_count("store: inspection without an index");
    ASSERT_ERROR(inspect(store, ID, &seen), -EBADMSG);
    ASSERT_EQ(seen.blocks, 5);
    ASSERT_EQ(seen.bad, 1);
    ASSERT(mark_count("store: inspection without an index") > marks);

    bytes->data[range.position + range.size / 2] ^= 1; /* and the body of one block */
    object_replace(objects, ID, buf_bytes(bytes));
    ASSERT_ERROR(inspect(store, ID, &seen), -EBADMSG);
    ASSERT_EQ(seen.blocks, 5);
    ASSERT_EQ(seen.bad, 2);

    bytes->data[bytes->size - 1] ^= 1; /* and the footer: everything is found from the front */
    object_replace(objects, ID, buf_bytes(bytes));
    marks = mark_count("store: inspection without a directory");
    ASSERT_ERROR(inspect(store, ID, &seen), -EBADMSG);
    ASSERT_EQ(seen.blocks, 5);
    ASSERT_EQ(seen.bad, 3);
    ASSERT_EQ(seen.entries, 1 + 1 + 5 + 1 + 1); /* object, footer, blocks, index, checkpoint */
    ASSERT(mark_count("store: inspection without a directory") > marks);
    buf_unref(bytes);
    store_unmake(store, objects);
}

FIBER_TEST(metadata_with_impossible_numbers_is_refused_before_anything_is_allocated)
{
    struct bench bench;
    struct slices read;
    bench_begin(&bench, "inspect_numbers", CHECKPOINT);
    struct store_range wrong[8];
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        wrong[i] = bench.ranges[1];
    }
    wrong[0].size = UINT64_MAX;
    wrong[1].block_count = UINT32_MAX;
    wrong[2].position = UINT64_MAX - 10;
    wrong[3].block_count = 2; /* with no index */
    wrong[4].object_id = 0;
    wrong[5].checkpoint_size = UINT32_MAX;
    wrong[6].block_count = 0;
    wrong[7].block_count = STORE_RANGE_BLOCKS_MAX + 1;
    wrong[7].size = 700 * MIB;
    wrong[7].index_position = wrong[7].position + wrong[7].size;
    uint64_t gets = gets_of(bench.objects);
    slices_init(&read);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        ASSERT_ERROR(store_read(bench.store, &wrong[i], 50, 1, NULL, &read), -EBADMSG);
    }
    ASSERT_EQ(gets_of(bench.objects), gets);
    bench_end(&bench);
}

/* A writer with a bug: everything fits but the partition. */
FIBER_TEST(a_block_of_another_partition_than_its_directory_says_is_reported)
{
    struct bench bench;
    bench_begin(&bench, "inspect_key", CHECKPOINT);
    uint8_t *header = bench.bytes->data + bench.ranges[0].position;
    header[24] ^= 1;
    store_be32(header + 84, crc32c(bytes_of(header, 84)));
    ASSERT_ERROR(bench_inspect_as(&bench, buf_bytes(bench.bytes)), -EBADMSG);
    ASSERT_EQ(bench.seen.bad, 1);
    bench_end(&bench);
}
