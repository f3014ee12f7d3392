/* Reads any message by its table. A stack of frames instead of recursion: one frame for each struct
 * that is open, so the depth is the schema's and never the input's (V4). */
#include "base/fault.h"
#include "base/limits.h"
#include "wire/message_internal.h"

#include <errno.h>
#include <stdio.h>

struct frame {
    const struct wire_type *type;
    const struct wire_field *current; /* for the text of an error */
    uint8_t *out;                     /* the C struct, or NULL: only walked over */
    struct wire_array
            *array; /* this struct is an element of it; its run ends with the last element */
    const uint8_t *tag_end; /* where the known tagged field being read must end */
    int32_t left;           /* elements behind this one */
    uint32_t tags_left;
    uint16_t field; /* next plain field */
    bool in_tags;
};

struct decoder {
    struct wire_reader *r;
    int16_t version;
    bool flexible;
    uint8_t depth;
    struct frame frames[WIRE_NESTING_MAX];
};

size_t
wire_element_minimum(
        const struct wire_field *field, int16_t version, bool flexible, bool *ret_fixed)
{
    if (field->type) {
        struct wire_extent extent = field->type->extents[version - field->type->versions.min];
        *ret_fixed = extent.fixed;
        return extent.minimum ? extent.minimum : 1;
    }
    size_t width = wire_kind_widths[field->element_kind];
    *ret_fixed = width != 0;
    if (width) {
        return width;
    }
    /* Strings and the like: their prefix. */
    return flexible ? 1 : field->element_kind == WIRE_STRING ? 2 : 4;
}

static void
read_bytes(struct wire_reader *r, enum wire_length kind, bool flexible, struct bytes *ret)
{
    struct bytes bytes = wire_reader_bytes(r, kind, flexible);
    if (ret) {
        *ret = bytes;
    }
}

/* A value of fixed width. */
static inline void
load_fixed(enum wire_kind kind, const uint8_t *p, void *ret)
{
    if (kind == WIRE_INT32) {
        *(uint32_t *)ret = load_be32(p);
    } else if (kind == WIRE_INT64) {
        *(uint64_t *)ret = load_be64(p);
    } else if (kind == WIRE_INT16 || kind == WIRE_UINT16) {
        *(uint16_t *)ret = load_be16(p);
    } else if (kind == WIRE_INT8) {
        *(uint8_t *)ret = *p;
    } else if (kind == WIRE_BOOL) {
        *(bool *)ret = *p != 0;
    } else if (kind == WIRE_UUID) {
        memcpy(ret, p, sizeof(struct uuid));
    } else {
        uint64_t bits = load_be64(p);
        memcpy(ret, &bits, sizeof bits);
    }
}

void
wire_read_scalar(struct wire_reader *r, enum wire_kind kind, bool flexible, void *ret)
{
    if (kind == WIRE_STRING || kind == WIRE_BYTES) {
        read_bytes(r, kind == WIRE_STRING ? WIRE_LENGTH_STRING : WIRE_LENGTH_BYTES, flexible, ret);
        return;
    }
    if (kind == WIRE_RECORDS) {
        struct wire_records *records = ret;
        read_bytes(r, WIRE_LENGTH_BYTES, flexible, records ? &records->bytes : NULL);
        return;
    }
    const uint8_t *p = wire_reader_take(r, wire_kind_widths[kind]);
    if (p && ret) {
        load_fixed(kind, p, ret);
    }
}

/* Opens a struct: the caller's next step is inside it. */
static struct frame *
push(struct decoder *d, const struct wire_type *type, uint8_t *out)
{
    CHECK(d->depth < WIRE_NESTING_MAX);
    struct frame *frame = &d->frames[d->depth++];
    *frame = (struct frame){ .type = type, .out = out };
    if (out) {
        memcpy(out, type->default_value, type->size);
    }
    return frame;
}

/* Skips the elements of an array of scalars. */
static void
skip_scalars(struct decoder *d, enum wire_kind kind, bool flexible, int32_t count)
{
    for (int32_t i = 0; i < count && !d->r->error; i++) {
        struct bytes element = { 0 };
        wire_read_scalar(d->r, kind, flexible, &element);
        if (!element.data) {
            wire_reader_fail(d->r, "null inside an array");
        }
    }
}

/* True when a frame was opened for the elements. */
static bool
read_array(struct decoder *d, const struct wire_field *field, bool flexible, struct wire_array *ret)
{
    struct wire_reader *r = d->r;
    int32_t count = wire_reader_length(r, WIRE_LENGTH_BYTES, flexible);
    if (UNLIKELY(r->error)) {
        return false;
    }
    if (count < 0) {
        if (!wire_versions_contain(field->nullable, d->version)) {
            wire_reader_fail(r, "null where an array must be");
        } else if (ret) {
            *ret = WIRE_ARRAY_NULL;
        }
        return false;
    }
    bool fixed;
    size_t minimum = wire_element_minimum(field, d->version, flexible, &fixed);
    if (UNLIKELY((size_t)count > wire_reader_remaining(r) / minimum)) {
        wire_reader_fail(r, "more elements announced than the bytes can hold");
        return false;
    }
    if (UNLIKELY(count > WIRE_ARRAY_ELEMENTS_MAX)) {
        wire_reader_fail(r, "too many elements");
        return false;
    }
    r->elements += (uint64_t)count;
    const uint8_t *start = r->at;
    if (ret) {
        *ret = (struct wire_array){ .encoded = bytes_of(start, 0),
            .count = count,
            .version = d->version,
            .flexible = flexible };
    }
    if (fixed) {
        r->at += (size_t)count * minimum;
    } else if (!field->type) {
        skip_scalars(d, (enum wire_kind)field->element_kind, flexible, count);
    } else if (count > 0) {
        struct frame *frame = push(d, field->type, NULL);
        frame->array = ret;
        frame->left = count - 1;
        return true;
    }
    if (ret) {
        ret->encoded.size = (size_t)(r->at - start);
    }
    return false;
}

/* True when a frame was opened for it. */
static bool
read_struct(struct decoder *d, const struct wire_field *field, uint8_t *out)
{
    uint8_t *into = out ? out + field->offset : NULL;
    if (wire_versions_contain(field->nullable, d->version)) {
        bool present = wire_reader_int8(d->r) >= 0;
        if (out) {
            *(bool *)(out + field->has_offset) = present;
        }
        if (!present || d->r->error) {
            return false;
        }
    }
    push(d, field->type, into);
    return true;
}

/* A string, bytes or records. `out` may be NULL. */
static void
read_blob(struct decoder *d, const struct wire_field *field, bool flexible, uint8_t *out)
{
    _Static_assert(offsetof(struct wire_records, bytes) == 0, "records begin with their bytes");
    enum wire_length length = field->kind == WIRE_STRING ? WIRE_LENGTH_STRING : WIRE_LENGTH_BYTES;
    struct bytes bytes = wire_reader_bytes(d->r, length, flexible);
    if (!bytes.data && !wire_versions_contain(field->nullable, d->version)) {
        wire_reader_fail(d->r, "null where a value must be");
    }
    if (out) {
        memcpy(out, &bytes, sizeof bytes);
    }
}

/* True when a frame was opened, or after an error: in both cases the caller starts anew at the top
 * of the stack. */
static bool
read_field(struct decoder *d, struct frame *frame, const struct wire_field *field)
{
    struct wire_reader *r = d->r;
    bool flexible = d->flexible && !(field->flags & WIRE_INFLEXIBLE);
    bool opened = false;
    frame->current = field;
    if (field->kind < WIRE_STRING) {
        wire_read_scalar(r, (enum wire_kind)field->kind, false,
                frame->out ? frame->out + field->offset : NULL);
    } else if (field->kind == WIRE_ARRAY) {
        opened = read_array(d, field, flexible,
                frame->out ? (struct wire_array *)(void *)(frame->out + field->offset) : NULL);
    } else if (field->kind == WIRE_STRUCT) {
        opened = read_struct(d, field, frame->out);
    } else {
        read_blob(d, field, flexible, frame->out ? frame->out + field->offset : NULL);
    }
    return opened || r->error;
}

/* Reads the number of tagged fields that end the struct. */
static void
begin_tags(struct decoder *d, struct frame *frame)
{
    struct wire_reader *r = d->r;
    frame->in_tags = true;
    frame->current = NULL;
    frame->tags_left = wire_reader_unsigned_varint(r);
    /* Each has at least a tag and a size. */
    if (frame->tags_left > wire_reader_remaining(r) / 2) {
        wire_reader_fail(r, "more tagged fields announced than the bytes can hold");
        return;
    }
    r->tagged_fields += frame->tags_left;
    if (r->tagged_fields > WIRE_TAGGED_FIELDS_MAX) {
        wire_reader_fail(r, "too many tagged fields");
    }
}

static const struct wire_field *
find_tag(const struct wire_type *type, uint32_t tag)
{
    for (uint16_t i = type->plain_count; i < type->field_count; i++) {
        if ((uint32_t)type->fields[i].tag == tag) {
            return &type->fields[i];
        }
    }
    return NULL;
}

/* True as read_field. */
static bool
read_tag(struct decoder *d, struct frame *frame)
{
    struct wire_reader *r = d->r;
    uint32_t tag = wire_reader_unsigned_varint(r);
    uint32_t size = wire_reader_unsigned_varint(r);
    const struct wire_field *field = find_tag(frame->type, tag);
    frame->tags_left--;
    frame->current = field;
    if (size > wire_reader_remaining(r)) {
        wire_reader_fail(r, "a tagged field is longer than the bytes");
        return true;
    }
    if (!field) {
        r->at += size;
        return r->error;
    }
    if (!wire_versions_contain(field->versions, d->version)) {
        wire_reader_fail(r, "a tagged field that this version does not have");
        return true;
    }
    frame->tag_end = r->at + size;
    return read_field(d, frame, field);
}

/* True as read_field. The loop that all bytes go through: values of fixed width are taken here. */
static bool
read_plain_fields(struct decoder *d, struct frame *frame)
{
    const struct wire_type *type = frame->type;
    struct wire_reader *r = d->r;
    while (frame->field < type->plain_count) {
        const struct wire_field *field = &type->fields[frame->field++];
        if (!wire_versions_contain(field->versions, d->version)) {
            continue;
        }
        if (field->kind >= WIRE_STRING) {
            if (read_field(d, frame, field)) {
                return true;
            }
            continue;
        }
        const uint8_t *p = wire_reader_take(r, wire_kind_widths[field->kind]);
        if (UNLIKELY(!p)) {
            frame->current = field;
            return true;
        }
        if (frame->out) {
            load_fixed((enum wire_kind)field->kind, p, frame->out + field->offset);
        }
    }
    return false;
}

/* True as read_field. */
static bool
read_tagged_fields(struct decoder *d, struct frame *frame)
{
    struct wire_reader *r = d->r;
    if (!frame->in_tags && LIKELY(r->at < r->end && *r->at == 0)) {
        r->at++; /* none, as nearly always */
        return false;
    }
    if (!frame->in_tags) {
        begin_tags(d, frame);
    }
    while (!r->error) {
        if (frame->tag_end && r->at != frame->tag_end) {
            wire_reader_fail(r, "a tagged field has another length than announced");
            return true;
        }
        frame->tag_end = NULL;
        if (frame->tags_left == 0) {
            return false;
        }
        if (read_tag(d, frame)) {
            return true;
        }
    }
    return true;
}

/* The struct on top is complete. True: its next sibling begins. False: back to what is around it.
 */
static bool
end_struct(struct decoder *d, struct frame *frame)
{
    if (frame->left > 0) {
        frame->left--;
        frame->field = 0;
        frame->in_tags = false;
        return true;
    }
    if (frame->array) {
        frame->array->encoded.size = (size_t)(d->r->at - frame->array->encoded.data);
    }
    d->depth--;
    return false;
}

/* Runs the struct on top until it opens another one, ends, or fails. */
static void
step(struct decoder *d)
{
    struct frame *frame = &d->frames[d->depth - 1];
    do {
        if (read_plain_fields(d, frame) || (d->flexible && read_tagged_fields(d, frame))) {
            return;
        }
    } while (end_struct(d, frame));
}

/* Runs until the stack is empty or an error. */
static void
run(struct decoder *d)
{
    while (d->depth > 0 && !d->r->error) {
        step(d);
    }
}

/* The names of the open structs and the field: "topic_data.partition_data.records". */
static int
decode_error(const struct decoder *d, const struct wire_type *type)
{
    char path[160];
    size_t size = 0;
    path[0] = 0;
    for (uint8_t i = 0; i < d->depth; i++) {
        const struct wire_field *field = d->frames[i].current;
        const char *name = field ? field->name : "tagged fields";
        int n = snprintf(path + size, sizeof path - size, "%s%s", i ? "." : "", name);
        if (n < 0 || (size_t)n >= sizeof path - size) {
            break;
        }
        size += (size_t)n;
    }
    const struct wire_reader *r = d->r;
    return fault(-EBADMSG, "wire: %s version %d: %s: %s, at byte %zu of %zu", type->name,
            d->version, path, r->error, r->error_position, (size_t)(r->end - r->start));
}

int
wire_read(struct wire_reader *r, const struct wire_type *type, int16_t version, void *ret)
{
    if (UNLIKELY(!wire_versions_contain(type->versions, version))) {
        return fault(-ENOTSUP, "wire: %s has no version %d (%d to %d)", type->name, version,
                type->versions.min, type->versions.max);
    }
    struct decoder d;
    d.r = r;
    d.version = version;
    d.flexible = wire_is_flexible(type, version);
    d.depth = 0;
    push(&d, type, ret);
    run(&d);
    return UNLIKELY(r->error) ? decode_error(&d, type) : 0;
}

bool
wire_struct_next(struct wire_iterator *it, const struct wire_type *type, void *ret_value)
{
    if (it->left <= 0) {
        return false;
    }
    it->left--;
    if (it->element) {
        memcpy(ret_value, it->element, type->size);
        it->element += type->size;
        return true;
    }
    struct wire_reader r = { .start = it->at, .at = it->at, .end = it->end };
    struct decoder d;
    d.r = &r;
    d.version = it->version;
    d.flexible = it->flexible;
    d.depth = 0;
    push(&d, type, ret_value);
    run(&d);
    /* V2: wire_read walked over these bytes before. */
    CHECK(!r.error);
    it->at = r.at;
    return true;
}
