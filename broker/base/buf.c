/* Shared buffers: header and bytes in one block unless the bytes need alignment. */
#include "base/buf.h"

#include "base/check.h"
#include "base/mem.h"

#include <limits.h>

static struct buf *
buf_init(struct buf *buf, uint8_t *data, size_t capacity)
{
    *buf = (struct buf){ .data = data, .capacity = capacity };
    atomic_init(&buf->refs, 1);
    return buf;
}

struct buf *
buf_try_new(size_t capacity)
{
    if (capacity > SIZE_MAX - sizeof(struct buf)) {
        return NULL;
    }
    struct buf *buf = mem_try_alloc(sizeof *buf + capacity);
    return buf ? buf_init(buf, (uint8_t *)(buf + 1), capacity) : NULL;
}

struct buf *
buf_new(size_t capacity)
{
    struct buf *buf = buf_try_new(capacity);
    CHECK(buf);
    return buf;
}

struct buf *
buf_try_new_aligned(size_t capacity, size_t alignment)
{
    CHECK(alignment && (alignment & (alignment - 1)) == 0);
    CHECK(capacity <= SIZE_MAX - 2 * alignment);
    /* The header lives in its own aligned unit before the bytes, so one block is enough. */
    size_t head = (sizeof(struct buf) + alignment - 1) / alignment * alignment;
    size_t room = (capacity + alignment - 1) / alignment * alignment;
    uint8_t *block = mem_try_alloc_aligned(alignment, head + room);
    return block ? buf_init((struct buf *)(void *)block, block + head, room) : NULL;
}

struct buf *
buf_of_bytes(struct bytes bytes)
{
    struct buf *buf = buf_new(bytes.size);
    if (bytes.size) {
        memcpy(buf->data, bytes.data, bytes.size);
    }
    buf->size = bytes.size;
    return buf;
}

struct buf *
buf_ref(struct buf *buf)
{
    uint32_t before = atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);
    CHECK(before > 0 && before < UINT32_MAX);
    return buf;
}

struct buf *
buf_unref(struct buf *buf)
{
    if (!buf) {
        return NULL;
    }
    uint32_t before = atomic_fetch_sub_explicit(&buf->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before == 1) {
        if (buf->release) {
            buf->release(buf);
        } else {
            mem_free(buf);
        }
    }
    return NULL;
}
