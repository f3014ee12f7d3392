#pragma once
/* A reference-counted run of bytes that is written once and then shared: from the socket to the
 * WAL, the log cache, the upload and the fetch answer. The count is atomic, so a buf may cross
 * reactors; its bytes may not change once a second reference exists. */

#include "base/attr.h"
#include "base/bytes.h"

#include <stdatomic.h>

struct buf {
    uint8_t *data;
    size_t size;     /* bytes in use; set by the writer */
    size_t capacity; /* bytes allocated */
    _Atomic uint32_t refs;
    /* When set, called instead of freeing the block when the last reference goes (pooled memory).
     */
    void (*release)(struct buf *buf);
    void *release_arg;
};

/* One reference, size 0. Stops the process when there is no memory: for sizes that we chose. */
struct buf *buf_new(size_t capacity);
/* As buf_new; data aligned to `alignment` (power of two), capacity rounded up to it. NULL when
 * there is no memory. */
MUST_CHECK struct buf *buf_try_new_aligned(size_t capacity, size_t alignment);
MUST_CHECK struct buf *buf_try_new(size_t capacity);
struct buf *buf_of_bytes(struct bytes bytes);
struct buf *buf_ref(struct buf *buf);
/* Accepts NULL; returns NULL. */
struct buf *buf_unref(struct buf *buf);

static inline void
buf_unrefp(struct buf **buf)
{
    buf_unref(*buf);
}

static inline struct bytes
buf_bytes(const struct buf *buf)
{
    return bytes_of(buf->data, buf->size);
}

/* Bytes together with the buf that keeps them alive. Copying a slice does not take a reference. */
struct slice {
    struct buf *owner;
    struct bytes bytes;
};

/* A new reference to the part of `owner` that `bytes` lies in. */
static inline struct slice
slice_ref(struct buf *owner, struct bytes bytes)
{
    return (struct slice){ buf_ref(owner), bytes };
}

static inline void
slice_done(struct slice *slice)
{
    slice->owner = buf_unref(slice->owner);
    slice->bytes = BYTES_NULL;
}
