#pragma once
/* What decode.c, encode.c and unfold.c share: places of fields in C structs. */

#include "base/check.h"
#include "wire/message.h"

/* C structs hold each field at its natural alignment, so these casts are of suitably aligned
 * pointers. */
static inline void *
wire_field_at(void *message, const struct wire_field *field)
{
    return (uint8_t *)message + field->offset;
}

static inline const void *
wire_field_at_const(const void *message, const struct wire_field *field)
{
    return (const uint8_t *)message + field->offset;
}

/* Bytes of a value of a kind in C; 0 for WIRE_STRUCT, whose type says it. */
extern const uint8_t wire_kind_sizes[WIRE_ARRAY + 1];
/* Bytes of a value of a kind on the wire when they are always the same, else 0. */
extern const uint8_t wire_kind_widths[WIRE_ARRAY + 1];

static inline size_t
wire_kind_size(enum wire_kind kind)
{
    return wire_kind_sizes[kind];
}

static inline size_t
wire_kind_width(enum wire_kind kind)
{
    return wire_kind_widths[kind];
}

/* C size of one element of an array. */
static inline size_t
wire_element_size(const struct wire_field *field)
{
    return field->type ? field->type->size : wire_kind_size((enum wire_kind)field->element_kind);
}

/* The fewest bytes one element can have on the wire (at least 1), for the check of counts. */
size_t wire_element_minimum(
        const struct wire_field *field, int16_t version, bool flexible, bool *ret_fixed);
/* One scalar (anything but a struct or an array) from the wire into `ret`, which may be NULL. */
void wire_read_scalar(struct wire_reader *r, enum wire_kind kind, bool flexible, void *ret);
