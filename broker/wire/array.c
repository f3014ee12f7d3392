/* Walking arrays of scalars. Arrays of structs are walked in decode.c. */
#include "wire/message_internal.h"

const uint8_t wire_kind_sizes[] = { [WIRE_BOOL] = sizeof(bool),
    [WIRE_INT8] = 1,
    [WIRE_INT16] = 2,
    [WIRE_UINT16] = 2,
    [WIRE_INT32] = 4,
    [WIRE_INT64] = 8,
    [WIRE_FLOAT64] = 8,
    [WIRE_UUID] = sizeof(struct uuid),
    [WIRE_STRING] = sizeof(struct bytes),
    [WIRE_BYTES] = sizeof(struct bytes),
    [WIRE_RECORDS] = sizeof(struct wire_records),
    [WIRE_STRUCT] = 0,
    [WIRE_ARRAY] = sizeof(struct wire_array) };

const uint8_t wire_kind_widths[WIRE_ARRAY + 1] = { [WIRE_BOOL] = 1,
    [WIRE_INT8] = 1,
    [WIRE_INT16] = 2,
    [WIRE_UINT16] = 2,
    [WIRE_INT32] = 4,
    [WIRE_INT64] = 8,
    [WIRE_FLOAT64] = 8,
    [WIRE_UUID] = 16 };

static bool
scalar_next(struct wire_iterator *it, enum wire_kind kind, void *ret)
{
    if (it->left <= 0) {
        return false;
    }
    it->left--;
    if (it->element) {
        memcpy(ret, it->element, wire_kind_sizes[kind]);
        it->element += wire_kind_sizes[kind];
        return true;
    }
    struct wire_reader r = { .start = it->at, .at = it->at, .end = it->end };
    wire_read_scalar(&r, kind, it->flexible, ret);
    CHECK(!r.error); /* V2 */
    it->at = r.at;
    return true;
}

bool
wire_int8_next(struct wire_iterator *it, int8_t *ret_value)
{
    return scalar_next(it, WIRE_INT8, ret_value);
}

bool
wire_int16_next(struct wire_iterator *it, int16_t *ret_value)
{
    return scalar_next(it, WIRE_INT16, ret_value);
}

bool
wire_int32_next(struct wire_iterator *it, int32_t *ret_value)
{
    return scalar_next(it, WIRE_INT32, ret_value);
}

bool
wire_int64_next(struct wire_iterator *it, int64_t *ret_value)
{
    return scalar_next(it, WIRE_INT64, ret_value);
}

bool
wire_uuid_next(struct wire_iterator *it, struct uuid *ret_value)
{
    return scalar_next(it, WIRE_UUID, ret_value);
}

bool
wire_string_next(struct wire_iterator *it, struct bytes *ret_value)
{
    return scalar_next(it, WIRE_STRING, ret_value);
}
