/* The log cache: what is read, what is uploaded, what is kept and for how long. */
#include "base/endian.h"
#include "base/mem.h"
#include "store/log_cache.h"
#include "unit/broker/store/support_store.h"
#include "unit/test.h"

#include <errno.h>

/* Appends a batch of `count` records at the tail's end. */
static void
append(struct log_tail *tail, int32_t count, size_t record_size)
{
    int64_t offset = tail->end_offset;
    struct buf *batch = batch_make(offset, count, 1000 + offset, record_size, (uint64_t)offset);
    struct slice slice = { batch, buf_bytes(batch) };
    log_tail_append(tail, slice, offset, offset + count, 1000 + offset + count - 1);
    buf_unref(batch);
}

/* Two batches side by side in one buffer, as one request brings them. */
struct pair {
    struct buf *a;
    struct buf *b;
    struct buf *both;
};

static struct pair
pair_make(int32_t count, size_t record_size, size_t buffer_size)
{
    struct pair pair = { .a = batch_make(0, count, 1000, record_size, 1),
        .b = batch_make(count, count, 1000 + count, record_size, 2) };
    size_t size = pair.a->size + pair.b->size;
    pair.both = buf_new(MAX(size, buffer_size));
    memcpy(pair.both->data, pair.a->data, pair.a->size);
    memcpy(pair.both->data + pair.a->size, pair.b->data, pair.b->size);
    pair.both->size = size;
    return pair;
}

static void
pair_free(struct pair *pair)
{
    buf_unref(pair->a);
    buf_unref(pair->b);
    buf_unref(pair->both);
}

/* Base offset of the first batch in the slices, -1: none. */
static int64_t
first_offset(const struct slices *slices)
{
    return slices->count ? (int64_t)load_be64(slices->items[0].bytes.data) : -1;
}

TEST(log_tail_reads_from_the_batch_that_contains_the_offset)
{
    struct log_cache cache;
    struct log_tail tail;
    struct slices slices;
    log_cache_init(&cache, MIB, MIB);
    log_tail_init(&tail, &cache, 100);
    for (int i = 0; i < 50; i++) {
        append(&tail, 10, 20);
    }
    ASSERT_EQ(tail.end_offset, 600);
    slices_init(&slices);
    ASSERT(log_tail_read(&tail, 255, 600, 1, &slices));
    ASSERT_EQ(slices.count, 1);
    ASSERT_EQ(first_offset(&slices), 250);
    slices_done(&slices);
    ASSERT(log_tail_read(&tail, 100, 600, SIZE_MAX, &slices));
    ASSERT_EQ(slices.count, 50);
    slices_done(&slices);
    ASSERT(!log_tail_read(&tail, 99, 600, 100, &slices));
    ASSERT(log_tail_read(&tail, 600, 700, 100, &slices));
    ASSERT_EQ(slices.count, 0);
    log_tail_done(&tail);
    log_cache_done(&cache);
}

TEST(log_tail_gives_whole_batches_below_the_limit_and_within_max_bytes)
{
    struct log_cache cache;
    struct log_tail tail;
    struct slices slices;
    log_cache_init(&cache, MIB, MIB);
    log_tail_init(&tail, &cache, 0);
    append(&tail, 10, 100);
    append(&tail, 10, 100);
    append(&tail, 10, 100);
    slices_init(&slices);
    ASSERT(log_tail_read(&tail, 0, 25, SIZE_MAX, &slices));
    ASSERT_EQ(slices.count, 2);
    size_t two = slices.bytes;
    slices_done(&slices);
    ASSERT(log_tail_read(&tail, 0, 30, two, &slices));
    ASSERT_EQ(slices.bytes, two);
    slices_done(&slices);
    ASSERT(log_tail_read(&tail, 0, 30, two - 1, &slices));
    ASSERT_EQ(slices.bytes, two / 2);
    slices_done(&slices);
    ASSERT(log_tail_read(&tail, 3, 9, SIZE_MAX, &slices));
    ASSERT_EQ(slices.count, 0);
    log_tail_done(&tail);
    log_cache_done(&cache);
}

TEST(log_tail_walks_several_batches_of_one_append_and_joins_what_lies_side_by_side)
{
    struct log_cache cache;
    struct log_tail tail;
    struct slices slices;
    log_cache_init(&cache, MIB, MIB);
    log_tail_init(&tail, &cache, 0);
    struct pair pair = pair_make(4, 30, 0);
    log_tail_append(&tail, (struct slice){ pair.both, buf_bytes(pair.both) }, 0, 8, 1007);
    slices_init(&slices);
    ASSERT(log_tail_read(&tail, 0, 8, SIZE_MAX, &slices));
    ASSERT_EQ(slices.count, 1);
    ASSERT_BYTES(slices.items[0].bytes, buf_bytes(pair.both));
    slices_done(&slices);
    ASSERT(log_tail_read(&tail, 5, 8, SIZE_MAX, &slices));
    ASSERT_BYTES(slices.items[0].bytes, buf_bytes(pair.b));
    slices_done(&slices);
    ASSERT(log_tail_read(&tail, 0, 7, SIZE_MAX, &slices));
    ASSERT_BYTES(slices.items[0].bytes, buf_bytes(pair.a));
    slices_done(&slices);
    pair_free(&pair);
    log_tail_done(&tail);
    log_cache_done(&cache);
}

/* O4 */
TEST(log_cache_never_drops_a_batch_before_its_object_is_committed)
{
    struct log_cache cache;
    struct log_tail tail;
    struct slices slices;
    log_cache_init(&cache, 10 * KIB, 10 * KIB);
    log_tail_init(&tail, &cache, 0);
    for (int i = 0; i < 20; i++) {
        append(&tail, 1, 4 * KIB);
    }
    ASSERT(cache.bytes > cache.budget_bytes);
    ASSERT(log_cache_is_full(&cache));
    ASSERT_EQ(tail.start_offset, 0);
    slices_init(&slices);
    ASSERT_EQ(log_tail_take_upload(&tail, 20, SIZE_MAX, &slices), 20);
    ASSERT_EQ(slices.count, 20);
    /* Taken is not committed. */
    append(&tail, 1, 4 * KIB);
    ASSERT_EQ(tail.start_offset, 0);
    log_tail_uploaded(&tail, 20);
    ASSERT(cache.bytes <= cache.budget_bytes);
    ASSERT(tail.start_offset > 0 && tail.start_offset <= 20);
    ASSERT(!log_cache_is_full(&cache));
    slices_done(&slices);
    ASSERT(log_tail_read(&tail, 20, 21, SIZE_MAX, &slices));
    ASSERT_EQ(slices.count, 1);
    slices_done(&slices);
    log_tail_done(&tail);
    ASSERT_EQ(cache.bytes, 0);
    log_cache_done(&cache);
}

/* O4 */
TEST(log_cache_keeps_a_batch_of_an_entry_that_is_uploaded_in_part)
{
    struct log_cache cache;
    struct log_tail tail;
    struct slices slices;
    log_cache_init(&cache, 1, 1);
    log_tail_init(&tail, &cache, 0);
    struct pair pair = pair_make(4, 300, 0);
    log_tail_append(&tail, (struct slice){ pair.both, buf_bytes(pair.both) }, 0, 8, 1007);
    slices_init(&slices);
    ASSERT_EQ(log_tail_take_upload(&tail, 8, pair.a->size, &slices), 4);
    ASSERT_EQ(slices.bytes, pair.a->size);
    slices_done(&slices);
    log_tail_uploaded(&tail, 4);
    ASSERT_EQ(tail.count, 1);
    ASSERT_EQ(log_tail_take_upload(&tail, 8, SIZE_MAX, &slices), 8);
    ASSERT_BYTES(slices.items[0].bytes, buf_bytes(pair.b));
    slices_done(&slices);
    log_tail_uploaded(&tail, 8);
    ASSERT_EQ(tail.count, 0);
    ASSERT_EQ(tail.start_offset, 8);
    pair_free(&pair);
    log_tail_done(&tail);
    log_cache_done(&cache);
}

TEST(log_cache_keeps_less_of_what_is_uploaded_than_it_holds_for_the_upload)
{
    struct log_cache cache;
    struct log_tail tail;
    log_cache_init(&cache, 100 * KIB, 20 * KIB);
    log_tail_init(&tail, &cache, 0);
    for (int i = 0; i < 16; i++) {
        append(&tail, 1, 4 * KIB);
    }
    ASSERT_EQ(tail.start_offset, 0);
    ASSERT(!log_cache_is_full(&cache));
    log_tail_uploaded(&tail, 3);
    ASSERT_EQ(tail.start_offset, 0);
    log_tail_uploaded(&tail, 10);
    ASSERT(cache.bytes - cache.pinned_bytes <= 20 * KIB);
    ASSERT(tail.start_offset >= 5 && tail.start_offset <= 7);
    log_tail_uploaded(&tail, 16);
    ASSERT(cache.bytes <= 20 * KIB && cache.pinned_bytes == 0);
    ASSERT(tail.count >= 3);
    log_tail_done(&tail);
    log_cache_done(&cache);
}

TEST(log_cache_evicts_the_oldest_upload_of_all_partitions_first)
{
    struct log_cache cache;
    struct log_tail tails[3];
    log_cache_init(&cache, MIB, MIB);
    for (int i = 0; i < 3; i++) {
        log_tail_init(&tails[i], &cache, 0);
        append(&tails[i], 1, KIB);
        append(&tails[i], 1, KIB);
    }
    log_tail_uploaded(&tails[2], 1);
    log_tail_uploaded(&tails[0], 2);
    log_tail_uploaded(&tails[1], 2);
    uint64_t one = cache.bytes / 6;
    cache.budget_bytes = 5 * one + one / 2;
    append(&tails[2], 1, 0);
    ASSERT_EQ(tails[2].start_offset, 1);
    ASSERT_EQ(tails[0].start_offset, 0);
    cache.budget_bytes -= one;
    append(&tails[2], 1, 0);
    ASSERT_EQ(tails[0].start_offset, 1);
    ASSERT_EQ(tails[1].start_offset, 0);
    for (int i = 0; i < 3; i++) {
        log_tail_done(&tails[i]);
    }
    log_cache_done(&cache);
}

TEST(log_cache_charges_a_shared_buffer_whole_and_once)
{
    struct log_cache cache;
    struct log_tail tail;
    log_cache_init(&cache, 100 * MIB, 100 * MIB);
    log_tail_init(&tail, &cache, 0);
    struct pair pair = pair_make(1, 10, 10 * MIB);
    struct bytes bytes = buf_bytes(pair.both);
    struct slice a = { pair.both, bytes_of(bytes.data, pair.a->size) };
    struct slice b = { pair.both, bytes_of(bytes.data + pair.a->size, pair.b->size) };
    log_tail_append(&tail, a, 0, 1, 1000);
    uint64_t first = cache.bytes;
    ASSERT(first >= 10 * MIB);
    log_tail_append(&tail, b, 1, 2, 1001);
    ASSERT(cache.bytes - first < KIB);
    ASSERT_EQ(cache.pinned_bytes, cache.bytes);
    log_tail_uploaded(&tail, 1);
    /* The second batch still holds the buffer. */
    ASSERT(cache.pinned_bytes >= 10 * MIB);
    log_tail_uploaded(&tail, 2);
    ASSERT_EQ(cache.pinned_bytes, 0);
    pair_free(&pair);
    log_tail_done(&tail);
    log_cache_done(&cache);
}

TEST(log_tail_takes_back_what_the_wal_refused)
{
    struct log_cache cache;
    struct log_tail tail;
    struct slices slices;
    log_cache_init(&cache, MIB, MIB);
    log_tail_init(&tail, &cache, 10);
    for (int i = 0; i < 10; i++) {
        append(&tail, 5, 10);
    }
    log_tail_truncate(&tail, 40);
    ASSERT_EQ(tail.end_offset, 40);
    ASSERT_EQ(tail.count, 6);
    append(&tail, 2, 10);
    slices_init(&slices);
    ASSERT(log_tail_read(&tail, 41, 42, SIZE_MAX, &slices));
    ASSERT_EQ(first_offset(&slices), 40);
    slices_done(&slices);
    log_tail_truncate(&tail, 10);
    ASSERT_EQ(tail.count, 0);
    ASSERT_EQ(cache.bytes, 0);
    log_tail_done(&tail);
    log_cache_done(&cache);
}

/* A naive model: what each offset's batch is, where the pinned part begins. */
TEST(log_tail_agrees_with_a_plain_array_over_many_random_operations)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t state = seed;
        struct log_cache cache;
        struct log_tail tail;
        struct slices slices;
        static int64_t starts[4096];
        static int64_t ends[4096];
        size_t count = 0;
        log_cache_init(&cache, 32 * KIB, 32 * KIB);
        log_tail_init(&tail, &cache, 0);
        for (int step = 0; step < 3000; step++) {
            uint64_t action = mix_below(&state, 10);
            if (action < 5 && count < ARRAY_SIZE(starts)) {
                starts[count] = tail.end_offset;
                append(&tail, (int32_t)(1 + mix_below(&state, 9)), mix_below(&state, 60));
                ends[count++] = tail.end_offset;
            } else if (action == 5 && count > 0) {
                size_t i = count - 1 - mix_below(&state, MIN(count, (size_t)8));
                if (ends[i] > tail.uploaded_offset) {
                    log_tail_uploaded(&tail, ends[i]);
                }
            } else if (action == 6 && count > 0 && starts[count - 1] >= tail.uploaded_offset) {
                log_tail_truncate(&tail, starts[--count]);
            } else if (count > 0) {
                size_t i = mix_below(&state, count);
                int64_t offset =
                        starts[i] + (int64_t)mix_below(&state, (uint64_t)(ends[i] - starts[i]));
                slices_init(&slices);
                bool is_there = log_tail_read(&tail, offset, INT64_MAX, 1, &slices);
                ASSERT_EQ(is_there, offset >= tail.start_offset);
                ASSERT_EQ(first_offset(&slices), is_there ? starts[i] : -1);
                slices_done(&slices);
            }
            ASSERT(tail.start_offset <= tail.uploaded_offset);
            ASSERT(cache.bytes <= cache.budget_bytes || cache.pinned_bytes == cache.bytes);
        }
        log_tail_done(&tail);
        ASSERT_EQ(cache.bytes, 0);
        log_cache_done(&cache);
    }
}

TEST(log_tail_finds_the_first_record_of_a_time)
{
    struct log_cache cache;
    struct log_tail tail;
    int64_t offset;
    int64_t timestamp_ms;
    log_cache_init(&cache, MIB, MIB);
    log_tail_init(&tail, &cache, 0);
    for (int i = 0; i < 40; i++) {
        append(&tail, 10, 10); /* record n has the time 1000 + n */
    }
    ASSERT_OK(log_tail_find_timestamp(&tail, 1237, 400, &offset, &timestamp_ms));
    ASSERT_EQ(offset, 237);
    ASSERT_EQ(timestamp_ms, 1237);
    ASSERT_OK(log_tail_find_timestamp(&tail, 0, 400, &offset, &timestamp_ms));
    ASSERT_EQ(offset, 0);
    ASSERT_ERROR(log_tail_find_timestamp(&tail, 1400, 400, &offset, &timestamp_ms), -ENOENT);
    ASSERT_ERROR(log_tail_find_timestamp(&tail, 1237, 230, &offset, &timestamp_ms), -ENOENT);
    log_tail_done(&tail);
    log_cache_done(&cache);
}
