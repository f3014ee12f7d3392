/* From a time to an offset, through blocks, batches and records of every codec. */
#include "store/batch.h"
#include "store/store_internal.h"
#include "unit/broker/store/support_store.h"
#include "unit/test.h"

#include <errno.h>

FIBER_TEST(the_first_record_of_a_time_is_found_in_any_block)
{
    struct objectstore *objects;
    struct store *store = store_make(memory_url("find_blocks"), 16 * MIB, 0, &objects);
    struct slices batches;
    int64_t offset;
    int64_t timestamp_ms;
    struct object_run run =
            run_make(key_of(1, 0), 500, 40, 10, 10 * KIB, &batches); /* time: 1000 + offset */
    struct store_range range = object_make(store, 1, &run);
    ASSERT(range.block_count >= 4);
    for (int64_t t = 1500; t < 1900; t += 13) {
        ASSERT_OK(store_find_timestamp(store, &range, t, &offset, &timestamp_ms));
        ASSERT_EQ(offset, t - 1000);
        ASSERT_EQ(timestamp_ms, t);
    }
    ASSERT_OK(store_find_timestamp(store, &range, -1, &offset, &timestamp_ms));
    ASSERT_EQ(offset, 500);
    ASSERT_ERROR(store_find_timestamp(store, &range, 1900, &offset, &timestamp_ms), -ENOENT);
    store_free(store);
    struct store_options options = {
        .objects = objects, .block_cache_bytes = 16 * MIB, .fetch_timeout_ns = 5000000000u
    };
    ASSERT_OK(store_new(&options, &store));
    uint64_t gets = gets_of(objects);
    ASSERT_OK(store_find_timestamp(store, &range, 1850, &offset, &timestamp_ms));
    ASSERT_EQ(gets_of(objects) - gets, 2); /* the index and the one block */
    uint64_t id = 1;
    ASSERT_OK(store_remove_objects(store, &id, 1, DEADLINE_NONE));
    ASSERT_ERROR(store_find_timestamp(store, &range, 1510, &offset, &timestamp_ms), -ESTALE);
    store_free(store); /* and without the index in the cache */
    ASSERT_OK(store_new(&options, &store));
    ASSERT_ERROR(store_find_timestamp(store, &range, 1510, &offset, &timestamp_ms), -ESTALE);
    slices_done(&batches);
    store_unmake(store, objects);
}

TEST(a_record_is_found_in_batches_of_every_codec)
{
    for (int codec = COMPRESSION_GZIP; codec <= COMPRESSION_ZSTD; codec++) {
        struct buf *buf = batch_make_compressed(700, 50, 9000, 100, codec);
        struct bytes rest = buf_bytes(buf);
        struct batch_view batch;
        int64_t offset;
        int64_t timestamp_ms;
        ASSERT_OK(batch_next(&rest, &batch));
        ASSERT_OK(batch_find_timestamp(&batch, 9033, &offset, &timestamp_ms));
        ASSERT_EQ(offset, 733);
        ASSERT_EQ(timestamp_ms, 9033);
        ASSERT_ERROR(batch_find_timestamp(&batch, 9050, &offset, &timestamp_ms), -ENOENT);
        buf->data[70] ^= 0xff;
        int r = batch_find_timestamp(&batch, 9049, &offset, &timestamp_ms);
        ASSERT(r == -EBADMSG || r == 0); /* not every codec has a check of its own */
        buf_unref(buf);
    }
}

TEST(a_batch_whose_header_promises_too_much_is_passed_over)
{
    struct buf *buf = batch_make(0, 5, 100, 10, 1);
    struct bytes rest = buf_bytes(buf);
    struct batch_view batch;
    int64_t offset;
    int64_t timestamp_ms;
    ASSERT_OK(batch_next(&rest, &batch));
    ASSERT_ERROR(batch_find_timestamp(&batch, 105, &offset, &timestamp_ms), -ENOENT);
    buf->data[61 + 3] = 0x80; /* a varint without an end */
    memset(buf->data + 61, 0x80, 30);
    ASSERT_ERROR(batch_find_timestamp(&batch, 100, &offset, &timestamp_ms), -EBADMSG);
    buf_unref(buf);
}

TEST(runs_that_are_no_batches_are_refused)
{
    struct buf *buf = batch_make(0, 5, 100, 10, 1);
    struct batch_view batch;
    for (size_t size = 0; size < buf->size; size++) {
        struct bytes rest = bytes_of(buf->data, size);
        ASSERT_ERROR(batch_next(&rest, &batch), -EBADMSG);
    }
    struct bytes whole = buf_bytes(buf);
    buf->data[0] = 0x80; /* a negative offset */
    ASSERT_ERROR(batch_next(&whole, &batch), -EBADMSG);
    buf->data[0] = 0x7f;
    memset(buf->data + 1, 0xff, 7); /* an offset after which there is none */
    ASSERT_ERROR(batch_next(&whole, &batch), -EBADMSG);
    buf->data[0] = 0;
    buf->data[23] = 0xff; /* a negative last offset delta */
    ASSERT_ERROR(batch_next(&whole, &batch), -EBADMSG);
    buf->data[23] = 0;
    buf->data[16] = 1;
    ASSERT_ERROR(batch_next(&whole, &batch), -EBADMSG);
    buf_unref(buf);
}
