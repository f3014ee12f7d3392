#pragma once
/* A cursor over received bytes, and the primitive types of Kafka's protocol. Borrows the bytes;
 * allocates nothing.
 *
 * Errors are sticky: after the first one every call returns zero or NULL and the cursor stands at
 * its end, so a caller may read on and look once. The text says what was wrong, the position where.
 *
 * V1  No length or count that was received is trusted: it is checked against the bytes that remain
 *     before anything is sized by it. (A count of 2^31 in a 30-byte frame made other brokers
 *     allocate gigabytes.) */

#include "base/attr.h"
#include "base/bytes.h"
#include "base/endian.h"
#include "base/uuid.h"

struct wire_reader {
    const uint8_t *start;
    const uint8_t *at;
    const uint8_t *end;
    const char *error;      /* what was wrong first, or NULL */
    size_t error_position;  /* bytes from `start` */
    uint32_t tagged_fields; /* seen so far: WIRE_TAGGED_FIELDS_MAX a message */
    uint64_t elements;      /* of all arrays seen so far */
};

static inline void
wire_reader_init(struct wire_reader *r, struct bytes bytes)
{
    *r = (struct wire_reader){ .start = bytes.data, .at = bytes.data };
    r->end = bytes.size ? bytes.data + bytes.size : bytes.data;
}

static inline size_t
wire_reader_remaining(const struct wire_reader *r)
{
    return (size_t)(r->end - r->at);
}

static inline size_t
wire_reader_position(const struct wire_reader *r)
{
    return (size_t)(r->at - r->start);
}

/* Keeps the first error. `text` must live as long as the reader: a literal. */
void wire_reader_fail(struct wire_reader *r, const char *text);
/* 0, or the first error as a fault: -EBADMSG. `what` names the thing that was read. */
MUST_CHECK int wire_reader_result(const struct wire_reader *r, const char *what);

/* The next `size` bytes, in place; NULL (and an error) when there are fewer. */
static inline const uint8_t *
wire_reader_take(struct wire_reader *r, size_t size)
{
    if (UNLIKELY(size > wire_reader_remaining(r))) {
        wire_reader_fail(r, "the bytes end before the field does");
        return NULL;
    }
    const uint8_t *p = r->at;
    r->at += size;
    return p;
}

static inline uint8_t
wire_reader_uint8(struct wire_reader *r)
{
    const uint8_t *p = wire_reader_take(r, 1);
    return p ? *p : 0;
}

static inline int8_t
wire_reader_int8(struct wire_reader *r)
{
    return (int8_t)wire_reader_uint8(r);
}

static inline uint16_t
wire_reader_uint16(struct wire_reader *r)
{
    const uint8_t *p = wire_reader_take(r, 2);
    return p ? load_be16(p) : 0;
}

static inline int16_t
wire_reader_int16(struct wire_reader *r)
{
    return (int16_t)wire_reader_uint16(r);
}

static inline uint32_t
wire_reader_uint32(struct wire_reader *r)
{
    const uint8_t *p = wire_reader_take(r, 4);
    return p ? load_be32(p) : 0;
}

static inline int32_t
wire_reader_int32(struct wire_reader *r)
{
    return (int32_t)wire_reader_uint32(r);
}

static inline uint64_t
wire_reader_uint64(struct wire_reader *r)
{
    const uint8_t *p = wire_reader_take(r, 8);
    return p ? load_be64(p) : 0;
}

static inline int64_t
wire_reader_int64(struct wire_reader *r)
{
    return (int64_t)wire_reader_uint64(r);
}

double wire_reader_float64(struct wire_reader *r);
struct uuid wire_reader_uuid(struct wire_reader *r);
/* Up to 5 bytes, low bits first. As Kafka: bits above the 32nd are dropped, a sixth byte is an
 * error. */
uint32_t wire_reader_unsigned_varint_slow(struct wire_reader *r);
/* Zigzag, up to 5 and 10 bytes: the integers inside records. */
int32_t wire_reader_varint(struct wire_reader *r);
int64_t wire_reader_varlong(struct wire_reader *r);

static inline uint32_t
wire_reader_unsigned_varint(struct wire_reader *r)
{
    if (LIKELY(r->at < r->end && *r->at < 0x80)) {
        return *r->at++;
    }
    return wire_reader_unsigned_varint_slow(r);
}

/* What a length or a count prefix says. */
enum wire_length {
    WIRE_LENGTH_STRING, /* int16, or a compact varint; at most 32767 */
    WIRE_LENGTH_BYTES,  /* int32, or a compact varint */
};

/* The prefix of a string, of bytes or of an array: -1 for null. `flexible`: compact form (length +
 * 1 as a varint). */
int32_t wire_reader_length(struct wire_reader *r, enum wire_length kind, bool flexible);
/* A string or bytes with their prefix, in place. data is NULL only for null (or after an error). */
struct bytes wire_reader_bytes(struct wire_reader *r, enum wire_length kind, bool flexible);
/* One block of tagged fields, all of them skipped. */
void wire_reader_skip_tagged_fields(struct wire_reader *r);
