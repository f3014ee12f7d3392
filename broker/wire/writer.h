#pragma once
/* Builds an answer: encoded bytes in one growable run, with referenced slices (record batches of a
 * fetch) between them. The slices are never copied: wire_writer_parts gives an iovec that
 * stream_write sends.
 *
 * Errors are sticky and the bytes are bounded by the maximum given at birth. Who owns what: the
 * writer owns its run and one reference to each slice's buf until wire_writer_done. */

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/uuid.h"

struct iovec;

/* A slice between the encoded bytes. */
struct wire_splice {
    size_t at; /* bytes of the run before it */
    struct slice slice;
};

struct wire_writer {
    uint8_t *data;
    size_t size; /* of the run, without the slices */
    size_t capacity;
    size_t ready;    /* the run may grow to here without a look at anything; never below size */
    size_t size_max; /* of run and slices together */
    struct wire_splice *splices;
    size_t splice_count;
    size_t splice_capacity;
    size_t spliced_size; /* bytes of all slices */
    bool counting;       /* only sizes are kept */
    int error;           /* wire_writer_fail sets it: 0, -ENOBUFS or -EINVAL */
    /* Told of every error code but 0 that a message carries; NULL: nobody counts. */
    void (*on_error_code)(void *arg, int16_t code);
    void *on_error_code_arg;
};

/* `size_max`: most bytes, slices included. */
void wire_writer_init(struct wire_writer *w, size_t size_max);
/* One that stores nothing and only counts. */
void wire_writer_init_counting(struct wire_writer *w);
void wire_writer_done(struct wire_writer *w);
/* Forgets the bytes and the references, keeps the memory. */
void wire_writer_clear(struct wire_writer *w);

/* Keeps the first error; nothing is written from then on. */
void wire_writer_fail(struct wire_writer *w, int error);
/* Room for `size` (> 0) more bytes of the run; NULL (and an error) when the maximum is passed, or
 * when only counting. The caller fills all of them before the next call. */
uint8_t *wire_writer_reserve_slow(struct wire_writer *w, size_t size);

static inline uint8_t *
wire_writer_reserve(struct wire_writer *w, size_t size)
{
    if (UNLIKELY(size > w->ready - w->size || !w->data)) {
        return wire_writer_reserve_slow(w, size);
    }
    uint8_t *p = w->data + w->size;
    w->size += size;
    return p;
}

void wire_writer_uint8(struct wire_writer *w, uint8_t value);
void wire_writer_int8(struct wire_writer *w, int8_t value);
void wire_writer_int16(struct wire_writer *w, int16_t value);
void wire_writer_int32(struct wire_writer *w, int32_t value);
void wire_writer_int64(struct wire_writer *w, int64_t value);
void wire_writer_float64(struct wire_writer *w, double value);
void wire_writer_uuid(struct wire_writer *w, const struct uuid *value);
void wire_writer_unsigned_varint(struct wire_writer *w, uint32_t value);
void wire_writer_varint(struct wire_writer *w, int32_t value);
void wire_writer_varlong(struct wire_writer *w, int64_t value);
/* Copied, without a length. */
void wire_writer_raw(struct wire_writer *w, struct bytes bytes);
/* References the slice's owner (may be NULL: then the bytes must outlive the writer). Without a
 * length. */
void wire_writer_slice(struct wire_writer *w, const struct slice *slice);
/* Overwrites four bytes at `at` of the run: a length that was not known when its place was written.
 */
void wire_writer_patch_int32(struct wire_writer *w, size_t at, int32_t value);
/* Moves what was written since `at` up and puts its length as a varint in front. No slice may lie
 * behind `at`. */
void wire_writer_prefix_size(struct wire_writer *w, size_t at);

/* All bytes so far, slices included. */
static inline size_t
wire_writer_size(const struct wire_writer *w)
{
    return w->size + w->spliced_size;
}

/* Most iovecs that wire_writer_parts fills. */
static inline size_t
wire_writer_part_count_max(const struct wire_writer *w)
{
    return 2 * w->splice_count + 1;
}

/* The bytes in order; empty parts are left out. Valid until the writer changes. Returns how many of
 * `ret_parts`, which has wire_writer_part_count_max elements, are filled. */
size_t wire_writer_parts(const struct wire_writer *w, struct iovec *ret_parts);
/* All bytes copied into one new buf, owned by the caller. NULL when there is no memory. */
MUST_CHECK struct buf *wire_writer_copy(const struct wire_writer *w);
