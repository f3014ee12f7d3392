/* The slower half of the cursor: varints, prefixes, errors. */
#include "wire/reader.h"

#include "base/fault.h"
#include "base/limits.h"

#include <errno.h>

void
wire_reader_fail(struct wire_reader *r, const char *text)
{
    if (!r->error) {
        r->error = text;
        r->error_position = wire_reader_position(r);
    }
    r->at = r->end;
}

int
wire_reader_result(const struct wire_reader *r, const char *what)
{
    if (LIKELY(!r->error)) {
        return 0;
    }
    return fault(-EBADMSG, "wire: %s: %s, at byte %zu of %zu", what, r->error, r->error_position,
            (size_t)(r->end - r->start));
}

double
wire_reader_float64(struct wire_reader *r)
{
    uint64_t bits = wire_reader_uint64(r);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

struct uuid
wire_reader_uuid(struct wire_reader *r)
{
    struct uuid uuid = UUID_ZERO;
    const uint8_t *p = wire_reader_take(r, sizeof uuid.bytes);
    if (p) {
        memcpy(uuid.bytes, p, sizeof uuid.bytes);
    }
    return uuid;
}

/* The seven-bit groups of a varint, at most `bytes_max` of them. */
static uint64_t
read_groups(struct wire_reader *r, unsigned bytes_max)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes_max; i++) {
        if (r->at == r->end) {
            wire_reader_fail(r, "the bytes end inside a varint");
            return 0;
        }
        uint8_t byte = *r->at++;
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            return value;
        }
    }
    wire_reader_fail(r, "a varint has too many bytes");
    return 0;
}

uint32_t
wire_reader_unsigned_varint_slow(struct wire_reader *r)
{
    return (uint32_t)read_groups(r, 5);
}

int32_t
wire_reader_varint(struct wire_reader *r)
{
    uint32_t raw = wire_reader_unsigned_varint(r);
    return (int32_t)((raw >> 1) ^ (0u - (raw & 1)));
}

int64_t
wire_reader_varlong(struct wire_reader *r)
{
    uint64_t raw = LIKELY(r->at < r->end && *r->at < 0x80) ? *r->at++ : read_groups(r, 10);
    return (int64_t)((raw >> 1) ^ (0u - (raw & 1)));
}

int32_t
wire_reader_length(struct wire_reader *r, enum wire_length kind, bool flexible)
{
    int32_t length;
    if (flexible) {
        /* One more than the length; 0 is null. Above 2^31 it wraps to a negative length, which is
         * refused below. */
        length = (int32_t)(wire_reader_unsigned_varint(r) - 1u);
    } else if (kind == WIRE_LENGTH_STRING) {
        length = wire_reader_int16(r);
    } else {
        length = wire_reader_int32(r);
    }
    if (UNLIKELY(r->error)) {
        return -1;
    }
    /* Kafka's classes take every negative length for null; so do we. */
    if (UNLIKELY(length < 0)) {
        return -1;
    }
    if (UNLIKELY(kind == WIRE_LENGTH_STRING && length > INT16_MAX)) {
        wire_reader_fail(r, "a string is longer than 32767 bytes");
        return -1;
    }
    return length;
}

struct bytes
wire_reader_bytes(struct wire_reader *r, enum wire_length kind, bool flexible)
{
    int32_t length = wire_reader_length(r, kind, flexible);
    if (length < 0) {
        return BYTES_NULL;
    }
    const uint8_t *p = wire_reader_take(r, (size_t)length);
    return p ? bytes_of(p, (size_t)length) : BYTES_NULL;
}

void
wire_reader_skip_tagged_fields(struct wire_reader *r)
{
    uint32_t count = wire_reader_unsigned_varint(r);
    for (uint32_t i = 0; i < count && !r->error; i++) {
        if (++r->tagged_fields > WIRE_TAGGED_FIELDS_MAX) {
            wire_reader_fail(r, "too many tagged fields");
            return;
        }
        (void)wire_reader_unsigned_varint(r);
        uint32_t size = wire_reader_unsigned_varint(r);
        (void)wire_reader_take(r, size);
    }
}
