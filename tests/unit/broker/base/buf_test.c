/* Shared buffers. */
#include "base/buf.h"
#include "base/mem.h"
#include "unit/test.h"

TEST(a_buffer_lives_until_its_last_reference_goes)
{
    struct buf *buf = buf_of_bytes(BYTES_LITERAL("data"));
    struct buf *second = buf_ref(buf);
    ASSERT(buf_unref(buf) == NULL);
    ASSERT_BYTES(buf_bytes(second), BYTES_LITERAL("data"));
    buf_unref(second);
    ASSERT(buf_unref(NULL) == NULL);
}

static unsigned released;

static void
release(struct buf *buf)
{
    released++;
    mem_free(buf);
}

TEST(a_release_function_takes_the_place_of_freeing)
{
    struct buf *buf = buf_new(10);
    buf->release = release;
    released = 0;
    buf_ref(buf);
    buf_unref(buf);
    ASSERT_EQ(released, 0);
    buf_unref(buf);
    ASSERT_EQ(released, 1);
}

TEST(aligned_buffers_are_aligned_and_rounded_up)
{
    for (size_t alignment = 16; alignment <= 4096; alignment *= 4) {
        CLEANUP(buf_unrefp) struct buf *buf = buf_try_new_aligned(alignment + 1, alignment);
        ASSERT(buf);
        ASSERT_EQ((uintptr_t)buf->data % alignment, 0);
        ASSERT_EQ(buf->capacity, 2 * alignment);
        memset(buf->data, 1, buf->capacity);
    }
}

TEST(impossible_sizes_are_refused)
{
    ASSERT(buf_try_new(SIZE_MAX) == NULL);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    /* Sanitizers stop the process where the heap says no. */
    ASSERT(buf_try_new(SIZE_MAX / 2) == NULL);
#endif
}

TEST(a_slice_keeps_its_owner_alive)
{
    struct buf *buf = buf_of_bytes(BYTES_LITERAL("0123456789"));
    struct slice slice = slice_ref(buf, bytes_of(buf->data + 2, 3));
    buf_unref(buf);
    ASSERT_BYTES(slice.bytes, BYTES_LITERAL("234"));
    slice_done(&slice);
    ASSERT(slice.owner == NULL && slice.bytes.data == NULL);
}
