#pragma once
/* Arrays and records inside messages: views, never copies.
 *
 * Of a message that was read, an array is the run of its encoded elements inside the frame, already
 * validated; of one that we build, it is a C array. Walk both alike:
 *
 *   struct wire_iterator topics = wire_iterate(&request.topic_data);
 *   struct produce_request_topic_data topic;
 *   while (produce_request_topic_data_next(&topics, &topic)) { ... }
 *
 * Both borrow: the frame, or the C array, must outlive the view. */

#include "base/attr.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/uuid.h"

struct wire_type;

struct wire_array {
    const void *elements; /* ours: `count` of the C type; NULL when read from a frame */
    struct bytes encoded; /* read: the bytes of all elements */
    int32_t count;        /* -1: null */
    int16_t version;      /* read: of the message around it */
    bool flexible;        /* read: compact strings inside */
};

/* Record batches. Read: `bytes`, in place. Written: `slices` (each is referenced, not copied, until
 * wire_writer_done) or, when slice_count is 0, `bytes` (copied). Null when neither is set. */
struct wire_records {
    struct bytes bytes;
    const struct slice *slices;
    int32_t slice_count;
};

struct wire_iterator {
    const uint8_t *element; /* next of our C array, or NULL */
    const uint8_t *at;      /* next encoded byte */
    const uint8_t *end;
    int32_t left; /* elements to come */
    int16_t version;
    bool flexible;
};

#define WIRE_ARRAY_NULL ((struct wire_array){ .count = -1 })

/* Borrows `count` elements of the field's C type (its struct, an integer type, struct uuid, or
 * struct bytes). */
static inline struct wire_array
wire_array_of(const void *elements, size_t count)
{
    return (struct wire_array){ .elements = elements, .count = (int32_t)count };
}

static inline bool
wire_array_is_null(const struct wire_array *array)
{
    return array->count < 0;
}

/* Walking a null array yields nothing. */
static inline struct wire_iterator
wire_iterate(const struct wire_array *array)
{
    return (struct wire_iterator){ .element = (const uint8_t *)array->elements,
        .at = array->encoded.data,
        .end = array->encoded.size ? array->encoded.data + array->encoded.size
                                   : array->encoded.data,
        .left = array->count,
        .version = array->version,
        .flexible = array->flexible };
}

/* The next element, false after the last. Cannot fail: what was read is validated. */
bool wire_int8_next(struct wire_iterator *it, int8_t *ret_value);
bool wire_int16_next(struct wire_iterator *it, int16_t *ret_value);
bool wire_int32_next(struct wire_iterator *it, int32_t *ret_value);
bool wire_int64_next(struct wire_iterator *it, int64_t *ret_value);
bool wire_uuid_next(struct wire_iterator *it, struct uuid *ret_value);
/* Strings. */
bool wire_string_next(struct wire_iterator *it, struct bytes *ret_value);
/* Elements of any struct type; the generated x_next call this. */
bool wire_struct_next(struct wire_iterator *it, const struct wire_type *type, void *ret_value);
