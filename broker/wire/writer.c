/* The growing run and the slices between. */
#include "wire/writer.h"

#include "base/check.h"
#include "base/endian.h"
#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/uio.h>

#define WRITER_CAPACITY_MIN ((size_t)512)

void
wire_writer_init(struct wire_writer *w, size_t size_max)
{
    *w = (struct wire_writer){ .size_max = size_max };
}

void
wire_writer_init_counting(struct wire_writer *w)
{
    *w = (struct wire_writer){ .size_max = SIZE_MAX / 2, .counting = true };
}

/* After the capacity or the slices have changed. */
static void
update_ready(struct wire_writer *w)
{
    w->ready = MAX(MIN(w->capacity, w->size_max - w->spliced_size), w->size);
}

void
wire_writer_clear(struct wire_writer *w)
{
    for (size_t i = 0; i < w->splice_count; i++) {
        slice_done(&w->splices[i].slice);
    }
    w->splice_count = 0;
    w->spliced_size = 0;
    w->size = 0;
    w->error = 0;
    update_ready(w);
}

void
wire_writer_done(struct wire_writer *w)
{
    wire_writer_clear(w);
    mem_free(w->splices);
    mem_free(w->data);
    *w = (struct wire_writer){ 0 };
}

static void
writer_grow(struct wire_writer *w, size_t needed)
{
    size_t capacity = MAX(w->capacity * 2, WRITER_CAPACITY_MIN);
    capacity = MAX(MIN(capacity, w->size_max), needed);
    w->data = mem_realloc(w->data, capacity);
    w->capacity = capacity;
}

void
wire_writer_fail(struct wire_writer *w, int error)
{
    if (!w->error) {
        w->error = error;
    }
    w->ready = w->size;
}

uint8_t *
wire_writer_reserve_slow(struct wire_writer *w, size_t size)
{
    if (w->error) {
        return NULL;
    }
    if (size > w->size_max - wire_writer_size(w)) {
        wire_writer_fail(w, -ENOBUFS);
        return NULL;
    }
    if (w->counting) {
        w->size += size;
        w->ready = w->size;
        return NULL;
    }
    writer_grow(w, w->size + size);
    uint8_t *p = w->data + w->size;
    w->size += size;
    update_ready(w);
    return p;
}

void
wire_writer_uint8(struct wire_writer *w, uint8_t value)
{
    uint8_t *p = wire_writer_reserve(w, 1);
    if (p) {
        *p = value;
    }
}

void
wire_writer_int8(struct wire_writer *w, int8_t value)
{
    wire_writer_uint8(w, (uint8_t)value);
}

void
wire_writer_int16(struct wire_writer *w, int16_t value)
{
    uint8_t *p = wire_writer_reserve(w, 2);
    if (p) {
        store_be16(p, (uint16_t)value);
    }
}

void
wire_writer_int32(struct wire_writer *w, int32_t value)
{
    uint8_t *p = wire_writer_reserve(w, 4);
    if (p) {
        store_be32(p, (uint32_t)value);
    }
}

void
wire_writer_int64(struct wire_writer *w, int64_t value)
{
    uint8_t *p = wire_writer_reserve(w, 8);
    if (p) {
        store_be64(p, (uint64_t)value);
    }
}

void
wire_writer_float64(struct wire_writer *w, double value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    wire_writer_int64(w, bits);
}

void
wire_writer_uuid(struct wire_writer *w, const struct uuid *value)
{
    wire_writer_raw(w, bytes_of(value->bytes, sizeof value->bytes));
}

/* Fills `out` (10 bytes) and returns how many are used. */
static size_t
encode_groups(uint64_t value, uint8_t *out)
{
    size_t n = 0;
    while (value >= 0x80) {
        out[n++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[n++] = (uint8_t)value;
    return n;
}

static void
write_groups(struct wire_writer *w, uint64_t value)
{
    uint8_t groups[10];
    wire_writer_raw(w, bytes_of(groups, encode_groups(value, groups)));
}

void
wire_writer_unsigned_varint(struct wire_writer *w, uint32_t value)
{
    if (LIKELY(value < 0x80)) {
        wire_writer_uint8(w, (uint8_t)value);
    } else {
        write_groups(w, value);
    }
}

void
wire_writer_varint(struct wire_writer *w, int32_t value)
{
    wire_writer_unsigned_varint(w, ((uint32_t)value << 1) ^ (value < 0 ? UINT32_MAX : 0));
}

void
wire_writer_varlong(struct wire_writer *w, int64_t value)
{
    write_groups(w, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

void
wire_writer_raw(struct wire_writer *w, struct bytes bytes)
{
    if (bytes.size == 0) {
        return;
    }
    uint8_t *p = wire_writer_reserve(w, bytes.size);
    if (p) {
        memcpy(p, bytes.data, bytes.size);
    }
}

void
wire_writer_slice(struct wire_writer *w, const struct slice *slice)
{
    if (w->error || slice->bytes.size == 0) {
        return;
    }
    if (slice->bytes.size > w->size_max - wire_writer_size(w)) {
        wire_writer_fail(w, -ENOBUFS);
        return;
    }
    w->spliced_size += slice->bytes.size;
    if (w->counting) {
        return;
    }
    update_ready(w);
    if (w->splice_count == w->splice_capacity) {
        w->splice_capacity = MAX(w->splice_capacity * 2, (size_t)8);
        w->splices = mem_realloc(w->splices, w->splice_capacity * sizeof *w->splices);
    }
    struct buf *owner = slice->owner ? buf_ref(slice->owner) : NULL;
    w->splices[w->splice_count++] = (struct wire_splice){ w->size, { owner, slice->bytes } };
}

void
wire_writer_patch_int32(struct wire_writer *w, size_t at, int32_t value)
{
    if (w->error || w->counting) {
        return;
    }
    CHECK(at + 4 <= w->size);
    store_be32(w->data + at, (uint32_t)value);
}

void
wire_writer_prefix_size(struct wire_writer *w, size_t at)
{
    if (w->error) {
        return;
    }
    CHECK(at <= w->size && (w->splice_count == 0 || w->splices[w->splice_count - 1].at <= at));
    size_t size = w->size - at;
    uint8_t groups[10];
    size_t group_count = encode_groups(size, groups);
    if (wire_writer_reserve(w, group_count)) {
        memmove(w->data + at + group_count, w->data + at, size);
        memcpy(w->data + at, groups, group_count);
    }
}

size_t
wire_writer_parts(const struct wire_writer *w, struct iovec *ret_parts)
{
    size_t count = 0;
    size_t from = 0;
    for (size_t i = 0; i < w->splice_count; i++) {
        const struct wire_splice *splice = &w->splices[i];
        if (splice->at > from) {
            ret_parts[count++] = (struct iovec){ w->data + from, splice->at - from };
            from = splice->at;
        }
        /* iovec has no const; stream_write only reads. */
        void *data = (void *)(uintptr_t)splice->slice.bytes.data;
        ret_parts[count++] = (struct iovec){ data, splice->slice.bytes.size };
    }
    if (w->size > from) {
        ret_parts[count++] = (struct iovec){ w->data + from, w->size - from };
    }
    return count;
}

struct buf *
wire_writer_copy(const struct wire_writer *w)
{
    struct buf *buf = buf_try_new(wire_writer_size(w));
    if (!buf) {
        return NULL;
    }
    size_t from = 0;
    for (size_t i = 0; i <= w->splice_count; i++) {
        size_t until = i < w->splice_count ? w->splices[i].at : w->size;
        if (until > from) {
            memcpy(buf->data + buf->size, w->data + from, until - from);
            buf->size += until - from;
            from = until;
        }
        if (i < w->splice_count) {
            struct bytes bytes = w->splices[i].slice.bytes;
            memcpy(buf->data + buf->size, bytes.data, bytes.size);
            buf->size += bytes.size;
        }
    }
    return buf;
}
