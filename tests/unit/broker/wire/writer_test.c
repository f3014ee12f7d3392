/* The growing run of bytes with slices between. */
#include "unit/test.h"
#include "wire/reader.h"
#include "wire/writer.h"

#include <errno.h>
#include <sys/uio.h>

static bool
holds(const struct wire_writer *w, struct bytes expected)
{
    struct buf *all = wire_writer_copy(w);
    bool same = bytes_equal(buf_bytes(all), expected);
    buf_unref(all);
    return same;
}

TEST(what_is_written_can_be_read)
{
    struct wire_writer w;
    struct wire_reader r;
    wire_writer_init(&w, 100);
    wire_writer_int8(&w, -1);
    wire_writer_int16(&w, -300);
    wire_writer_int32(&w, INT32_MIN);
    wire_writer_int64(&w, INT64_MAX);
    wire_writer_float64(&w, 0.25);
    wire_writer_unsigned_varint(&w, 300);
    wire_writer_varint(&w, -64);
    wire_writer_varint(&w, INT32_MIN);
    wire_writer_varlong(&w, INT64_MIN);
    wire_writer_varlong(&w, 5);
    wire_reader_init(&r, bytes_of(w.data, w.size));
    ASSERT_EQ(wire_reader_int8(&r), -1);
    ASSERT_EQ(wire_reader_int16(&r), -300);
    ASSERT_EQ(wire_reader_int32(&r), INT32_MIN);
    ASSERT_EQ(wire_reader_int64(&r), INT64_MAX);
    ASSERT(wire_reader_float64(&r) < 0.26);
    ASSERT_EQ(wire_reader_unsigned_varint(&r), 300);
    ASSERT_EQ(wire_reader_varint(&r), -64);
    ASSERT_EQ(wire_reader_varint(&r), INT32_MIN);
    ASSERT_EQ(wire_reader_varlong(&r), INT64_MIN);
    ASSERT_EQ(wire_reader_varlong(&r), 5);
    ASSERT_EQ(wire_reader_remaining(&r), 0);
    ASSERT_OK(wire_reader_result(&r, "test"));
    wire_writer_done(&w);
}

TEST(the_maximum_holds_for_run_and_slices_together)
{
    struct wire_writer w;
    struct slice slice = { NULL, BYTES_LITERAL("123456") };
    wire_writer_init(&w, 10);
    wire_writer_int32(&w, 1);
    wire_writer_slice(&w, &slice);
    ASSERT_EQ(w.error, 0);
    ASSERT_EQ(wire_writer_size(&w), 10);
    wire_writer_int8(&w, 1);
    ASSERT_EQ(w.error, -ENOBUFS);
    wire_writer_clear(&w);
    wire_writer_int64(&w, 1);
    wire_writer_slice(&w, &slice);
    ASSERT_EQ(w.error, -ENOBUFS);
    ASSERT_EQ(wire_writer_size(&w), 8);
    wire_writer_done(&w);
}

TEST(slices_are_referenced_in_order_and_released)
{
    struct buf *one = buf_of_bytes(BYTES_LITERAL("batch-one"));
    struct slice slices[2] = { { one, bytes_of(one->data, 5) },
        { one, bytes_of(one->data + 6, 3) } };
    struct wire_writer w;
    struct iovec parts[5];
    wire_writer_init(&w, 1000);
    wire_writer_raw(&w, BYTES_LITERAL("<"));
    wire_writer_slice(&w, &slices[0]);
    wire_writer_slice(&w, &slices[1]);
    wire_writer_raw(&w, BYTES_LITERAL(">"));
    ASSERT_EQ(atomic_load(&one->refs), 3);
    ASSERT_EQ(wire_writer_size(&w), 10);
    ASSERT_EQ(wire_writer_part_count_max(&w), 5);
    ASSERT_EQ(wire_writer_parts(&w, parts), 4);
    ASSERT(parts[1].iov_base == one->data && parts[1].iov_len == 5);
    ASSERT(holds(&w, BYTES_LITERAL("<batchone>")));
    wire_writer_done(&w);
    ASSERT_EQ(atomic_load(&one->refs), 1);
    buf_unref(one);
}

TEST(many_bytes_and_slices_grow_the_writer)
{
    struct wire_writer w;
    struct slice slice = { NULL, BYTES_LITERAL("x") };
    wire_writer_init(&w, 100000);
    for (int i = 0; i < 5000; i++) {
        wire_writer_int64(&w, i);
        if (i % 50 == 0) {
            wire_writer_slice(&w, &slice);
        }
    }
    ASSERT_EQ(w.error, 0);
    ASSERT_EQ(wire_writer_size(&w), 40100);
    ASSERT_EQ(w.splice_count, 100);
    wire_writer_done(&w);
}

TEST(a_size_can_be_put_in_front_afterwards)
{
    struct wire_writer w;
    wire_writer_init(&w, 1000);
    wire_writer_raw(&w, BYTES_LITERAL("ab"));
    size_t at = w.size;
    for (int i = 0; i < 200; i++) {
        wire_writer_int8(&w, 7);
    }
    wire_writer_prefix_size(&w, at);
    ASSERT_EQ(w.size, 204);
    struct wire_reader r;
    wire_reader_init(&r, bytes_of(w.data + at, w.size - at));
    ASSERT_EQ(wire_reader_unsigned_varint(&r), 200);
    ASSERT_EQ(wire_reader_int8(&r), 7);
    wire_writer_done(&w);
}

TEST(a_length_can_be_filled_in_later)
{
    struct wire_writer w;
    wire_writer_init(&w, 1000);
    wire_writer_int32(&w, 0);
    wire_writer_raw(&w, BYTES_LITERAL("abc"));
    wire_writer_patch_int32(&w, 0, 3);
    ASSERT(holds(&w, bytes_of("\0\0\0\3abc", 7)));
    wire_writer_done(&w);
}

TEST(a_counting_writer_stores_nothing)
{
    struct wire_writer w;
    struct slice slice = { NULL, BYTES_LITERAL("123456") };
    wire_writer_init_counting(&w);
    wire_writer_int64(&w, 1);
    wire_writer_slice(&w, &slice);
    wire_writer_unsigned_varint(&w, 300);
    wire_writer_prefix_size(&w, 0);
    ASSERT_EQ(wire_writer_size(&w), 17);
    ASSERT(!w.data && !w.splices);
    wire_writer_done(&w);
}
