/* Writes any message by its table, with a stack of frames as decode.c has. */
#include "base/fault.h"
#include "wire/message_internal.h"

#include <errno.h>
#include <stdio.h>

struct frame {
    const struct wire_type *type;
    const struct wire_field *current; /* for the text of an error */
    const uint8_t *in;                /* the C struct */
    size_t tag_start; /* where the contents of the tagged field being written begin */
    int32_t left;     /* elements behind this one */
    uint64_t tags;    /* tagged fields still to be written, one bit each */
    uint16_t field;   /* next plain field */
    bool in_tags;
    bool tag_open;
};

struct encoder {
    struct wire_writer *w;
    const char *error; /* what the message has that the version cannot carry */
    int16_t version;
    bool flexible;
    uint8_t depth;
    struct frame frames[WIRE_NESTING_MAX];
};

static const char text_absent[] = "has a value, and the version has no such field";

static void
fail(struct encoder *e, const char *text)
{
    if (!e->w->error) {
        e->error = text;
        wire_writer_fail(e->w, -EINVAL);
    }
}

static void
push(struct encoder *e, const struct wire_type *type, const uint8_t *in)
{
    CHECK(e->depth < WIRE_NESTING_MAX);
    e->frames[e->depth++] = (struct frame){ .type = type, .in = in };
}

static bool
bytes_are_default(struct bytes value, struct bytes by_default)
{
    return (value.data == NULL) == (by_default.data == NULL) && bytes_equal(value, by_default);
}

static bool
records_are_null(const struct wire_records *records)
{
    return !records->bytes.data && !records->slices;
}

static inline bool
same_fixed(enum wire_kind kind, const void *value, const void *by_default)
{
    switch (wire_kind_size(kind)) {
    case 1:
        return *(const uint8_t *)value == *(const uint8_t *)by_default;
    case 4:
        return *(const uint32_t *)value == *(const uint32_t *)by_default;
    case 8:
        return memcmp(value, by_default, 8) == 0;
    default:
        return memcmp(value, by_default, wire_kind_size(kind)) == 0;
    }
}

static bool
scalar_is_default(enum wire_kind kind, const void *value, const void *by_default)
{
    if (LIKELY(kind < WIRE_STRING)) {
        return same_fixed(kind, value, by_default);
    }
    if (kind == WIRE_STRING || kind == WIRE_BYTES) {
        return bytes_are_default(*(const struct bytes *)value, *(const struct bytes *)by_default);
    }
    if (kind == WIRE_RECORDS) {
        return records_are_null(value) == records_are_null(by_default);
    }
    return ((const struct wire_array *)value)->count ==
           ((const struct wire_array *)by_default)->count;
}

/* Structs that may be absent or tagged hold scalars only; the generator sees to it. */
static bool
struct_is_default(const struct wire_type *type, const uint8_t *in)
{
    for (uint16_t i = 0; i < type->field_count; i++) {
        const struct wire_field *field = &type->fields[i];
        const uint8_t *by_default = (const uint8_t *)type->default_value + field->offset;
        if (!scalar_is_default((enum wire_kind)field->kind, in + field->offset, by_default)) {
            return false;
        }
    }
    return true;
}

static bool
field_is_default(const struct frame *frame, const struct wire_field *field)
{
    const uint8_t *by_default = frame->type->default_value;
    if (field->kind != WIRE_STRUCT) {
        return scalar_is_default(
                (enum wire_kind)field->kind, frame->in + field->offset, by_default + field->offset);
    }
    if (field->has_offset) {
        return *(const bool *)(frame->in + field->has_offset) ==
               *(const bool *)(by_default + field->has_offset);
    }
    return struct_is_default(field->type, frame->in + field->offset);
}

/* -1 for null. */
static void
write_length(struct encoder *e, enum wire_length kind, bool flexible, int64_t length)
{
    if (length > (kind == WIRE_LENGTH_STRING ? INT16_MAX : INT32_MAX - 1)) {
        fail(e, "too long for its length prefix");
    } else if (flexible) {
        wire_writer_unsigned_varint(e->w, (uint32_t)(length + 1));
    } else if (kind == WIRE_LENGTH_STRING) {
        wire_writer_int16(e->w, (int16_t)length);
    } else {
        wire_writer_int32(e->w, (int32_t)length);
    }
}

static void
write_records(struct encoder *e, const struct wire_records *records, bool flexible)
{
    if (records->slice_count == 0) {
        write_length(e, WIRE_LENGTH_BYTES, flexible, (int64_t)records->bytes.size);
        wire_writer_raw(e->w, records->bytes);
        return;
    }
    int64_t size = 0;
    for (int32_t i = 0; i < records->slice_count; i++) {
        size += (int64_t)records->slices[i].bytes.size;
    }
    write_length(e, WIRE_LENGTH_BYTES, flexible, size);
    for (int32_t i = 0; i < records->slice_count; i++) {
        wire_writer_slice(e->w, &records->slices[i]);
    }
}

/* Strings, bytes and records, with null where `nullable`. */
static void
write_blob(struct encoder *e, enum wire_kind kind, bool flexible, bool nullable, const void *value)
{
    enum wire_length length = kind == WIRE_STRING ? WIRE_LENGTH_STRING : WIRE_LENGTH_BYTES;
    const struct bytes *bytes = value;
    bool is_null = kind == WIRE_RECORDS ? records_are_null(value) : !bytes->data;
    if (is_null && !nullable) {
        fail(e, "null where a value must be");
    } else if (is_null) {
        write_length(e, length, flexible, -1);
    } else if (kind == WIRE_RECORDS) {
        write_records(e, value, flexible);
    } else {
        write_length(e, length, flexible, (int64_t)bytes->size);
        wire_writer_raw(e->w, *bytes);
    }
}

static inline void
write_scalar(struct wire_writer *w, enum wire_kind kind, const void *value)
{
    uint8_t *p = wire_writer_reserve(w, wire_kind_width(kind));
    if (!p) {
        return;
    }
    if (kind == WIRE_INT32) {
        store_be32(p, *(const uint32_t *)value);
    } else if (kind == WIRE_INT64) {
        store_be64(p, *(const uint64_t *)value);
    } else if (kind == WIRE_INT16 || kind == WIRE_UINT16) {
        store_be16(p, *(const uint16_t *)value);
    } else if (kind == WIRE_INT8) {
        *p = *(const uint8_t *)value;
    } else if (kind == WIRE_BOOL) {
        *p = *(const bool *)value ? 1 : 0;
    } else if (kind == WIRE_UUID) {
        memcpy(p, value, sizeof(struct uuid));
    } else {
        uint64_t bits;
        memcpy(&bits, value, sizeof bits);
        store_be64(p, bits);
    }
}

static void
write_scalar_elements(
        struct encoder *e, enum wire_kind kind, bool flexible, const struct wire_array *array)
{
    const uint8_t *element = array->elements;
    size_t size = wire_kind_size(kind);
    for (int32_t i = 0; i < array->count; i++, element += size) {
        if (kind < WIRE_STRING) {
            write_scalar(e->w, kind, element);
        } else {
            write_blob(e, kind, flexible, false, element);
        }
    }
}

/* True when a frame was opened for the elements. */
static bool
write_array(struct encoder *e, const struct wire_field *field, bool flexible,
        const struct wire_array *array)
{
    if (array->count < 0) {
        if (!wire_versions_contain(field->nullable, e->version)) {
            fail(e, "null where an array must be");
            return false;
        }
        write_length(e, WIRE_LENGTH_BYTES, flexible, -1);
        return false;
    }
    write_length(e, WIRE_LENGTH_BYTES, flexible, array->count);
    if (array->count == 0) {
        return false;
    }
    if (!array->elements) {
        /* A view into a frame: at the same version its bytes are already what we would write. */
        if (array->version != e->version || array->flexible != flexible) {
            fail(e, "a view that was read at another version (see wire_unfold)");
            return false;
        }
        wire_writer_raw(e->w, array->encoded);
        return false;
    }
    if (!field->type) {
        write_scalar_elements(e, (enum wire_kind)field->element_kind, flexible, array);
        return false;
    }
    push(e, field->type, array->elements);
    e->frames[e->depth - 1].left = array->count - 1;
    return true;
}

/* True when a frame was opened for it. */
static bool
write_struct(struct encoder *e, const struct frame *frame, const struct wire_field *field)
{
    bool nullable = wire_versions_contain(field->nullable, e->version);
    bool present = !field->has_offset || *(const bool *)(frame->in + field->has_offset);
    if (!present && !nullable) {
        fail(e, "null where a struct must be");
        return false;
    }
    if (nullable) {
        wire_writer_int8(e->w, present ? 1 : -1);
    }
    if (present) {
        push(e, field->type, frame->in + field->offset);
    }
    return present;
}

static void
tell_error_code(struct wire_writer *w, const void *value)
{
    int16_t code = *(const int16_t *)value;
    if (code && w->on_error_code) {
        w->on_error_code(w->on_error_code_arg, code);
    }
}

/* True when a frame was opened, or after an error. */
static bool
write_field(struct encoder *e, const struct frame *frame, const struct wire_field *field)
{
    bool flexible = e->flexible && !(field->flags & WIRE_INFLEXIBLE);
    const uint8_t *value = frame->in + field->offset;
    bool opened = false;
    if (field->kind < WIRE_STRING) {
        write_scalar(e->w, (enum wire_kind)field->kind, value);
        if (field->flags & WIRE_ERROR) {
            tell_error_code(e->w, value);
        }
    } else if (field->kind == WIRE_ARRAY) {
        opened = write_array(e, field, flexible, (const struct wire_array *)(const void *)value);
    } else if (field->kind == WIRE_STRUCT) {
        opened = write_struct(e, frame, field);
    } else {
        write_blob(e, (enum wire_kind)field->kind, flexible,
                wire_versions_contain(field->nullable, e->version), value);
    }
    return opened || e->w->error;
}

/* Writes how many tagged fields follow: those that differ from their default. Checks the others. */
static void
begin_tags(struct encoder *e, struct frame *frame)
{
    const struct wire_type *type = frame->type;
    uint32_t count = 0;
    for (uint16_t i = type->plain_count; i < type->field_count; i++) {
        const struct wire_field *field = &type->fields[i];
        if (field_is_default(frame, field)) {
            continue;
        }
        if (wire_versions_contain(field->versions, e->version)) {
            frame->tags |= (uint64_t)1 << (i - type->plain_count);
            count++;
        } else if (!(field->flags & WIRE_IGNORABLE)) {
            frame->current = field;
            fail(e, text_absent); /* V3 */
        }
    }
    if (e->flexible) {
        wire_writer_unsigned_varint(e->w, count);
    }
}

static void
end_tag(struct encoder *e, struct frame *frame)
{
    if (frame->tag_open) {
        frame->tag_open = false;
        wire_writer_prefix_size(e->w, frame->tag_start);
    }
}

/* The tagged fields of the struct on top. True when a frame was opened, or after an error. */
static bool
write_tags(struct encoder *e, struct frame *frame)
{
    if (!frame->in_tags) {
        frame->in_tags = true;
        begin_tags(e, frame);
    }
    end_tag(e, frame);
    while (UNLIKELY(frame->tags) && !e->w->error) {
        int next = __builtin_ctzll(frame->tags);
        const struct wire_field *field = &frame->type->fields[frame->type->plain_count + next];
        frame->tags &= frame->tags - 1;
        frame->current = field;
        wire_writer_unsigned_varint(e->w, (uint32_t)field->tag);
        frame->tag_open = true;
        frame->tag_start = e->w->size;
        if (write_field(e, frame, field)) {
            return true;
        }
        end_tag(e, frame);
    }
    return e->w->error;
}

/* The fields of the struct on top. True when a frame was opened, or after an error. */
static bool
write_plain_fields(struct encoder *e, struct frame *frame)
{
    const struct wire_type *type = frame->type;
    while (frame->field < type->plain_count) {
        const struct wire_field *field = &type->fields[frame->field++];
        if (UNLIKELY(!wire_versions_contain(field->versions, e->version))) {
            if (!(field->flags & WIRE_IGNORABLE) && !field_is_default(frame, field)) {
                frame->current = field;
                fail(e, text_absent); /* V3 */
                return true;
            }
            continue;
        }
        if (LIKELY(field->kind < WIRE_STRING)) {
            write_scalar(e->w, (enum wire_kind)field->kind, frame->in + field->offset);
            if (UNLIKELY(field->flags & WIRE_ERROR)) {
                tell_error_code(e->w, frame->in + field->offset);
            }
            continue;
        }
        frame->current = field;
        if (write_field(e, frame, field)) {
            return true;
        }
    }
    return false;
}

/* Runs the struct on top until it opens another one, ends, or fails. */
static void
step(struct encoder *e)
{
    struct frame *frame = &e->frames[e->depth - 1];
    while (true) {
        bool has_tags = e->flexible || frame->type->field_count > frame->type->plain_count;
        if (write_plain_fields(e, frame) || (has_tags && write_tags(e, frame))) {
            return;
        }
        if (frame->left == 0) {
            e->depth--;
            return;
        }
        frame->left--;
        frame->in += frame->type->size;
        frame->field = 0;
        frame->in_tags = false;
    }
}

static int
encode_error(const struct encoder *e, const struct wire_type *type)
{
    if (!e->error) {
        return fault(e->w->error, "wire: %s version %d is longer than %zu bytes", type->name,
                e->version, e->w->size_max);
    }
    char path[160];
    size_t size = 0;
    path[0] = 0;
    for (uint8_t i = 0; i < e->depth; i++) {
        int n = snprintf(
                path + size, sizeof path - size, "%s%s", i ? "." : "", e->frames[i].current->name);
        if (n < 0 || (size_t)n >= sizeof path - size) {
            break;
        }
        size += (size_t)n;
    }
    return fault(
            e->w->error, "wire: %s version %d: %s: %s", type->name, e->version, path, e->error);
}

int
wire_write(
        struct wire_writer *w, const struct wire_type *type, int16_t version, const void *message)
{
    if (UNLIKELY(!wire_versions_contain(type->versions, version))) {
        return fault(-ENOTSUP, "wire: %s has no version %d (%d to %d)", type->name, version,
                type->versions.min, type->versions.max);
    }
    if (UNLIKELY(w->error)) {
        return fault(
                w->error, "wire: %s version %d: the writer failed before", type->name, version);
    }
    struct encoder e;
    e.w = w;
    e.error = NULL;
    e.version = version;
    e.flexible = wire_is_flexible(type, version);
    e.depth = 0;
    push(&e, type, message);
    while (e.depth > 0 && !w->error) {
        step(&e);
    }
    return UNLIKELY(w->error) ? encode_error(&e, type) : 0;
}

int
wire_size(const struct wire_type *type, int16_t version, const void *message, size_t *ret_size)
{
    struct wire_writer w;
    wire_writer_init_counting(&w);
    int r = wire_write(&w, type, version, message);
    if (r < 0) {
        return r;
    }
    *ret_size = wire_writer_size(&w);
    return 0;
}
