/* Turns views into C arrays. */
#include "base/arena.h"
#include "base/fault.h"
#include "wire/message_internal.h"

#include <errno.h>

/* Structs of one kind, side by side, whose fields are still to be looked at. */
struct frame {
    const struct wire_type *type;
    uint8_t *element;
    int32_t left; /* this one included */
    uint16_t field;
};

static bool
scalar_element(struct wire_iterator *it, const struct wire_field *field, uint8_t *out)
{
    struct wire_reader r = { .start = it->at, .at = it->at, .end = it->end };
    if (it->left <= 0) {
        return false;
    }
    it->left--;
    wire_read_scalar(&r, (enum wire_kind)field->element_kind, it->flexible, out);
    CHECK(!r.error); /* V2 */
    it->at = r.at;
    return true;
}

static int
unfold_array(const struct wire_field *field, struct arena *arena, struct wire_array *array)
{
    if (array->count <= 0 || array->elements) {
        return 0;
    }
    size_t size = wire_element_size(field);
    uint8_t *elements = arena_try_alloc_array(arena, (size_t)array->count, size);
    if (!elements) {
        return fault(-ENOBUFS, "wire: no room for %d elements of %s", array->count, field->name);
    }
    struct wire_iterator it = wire_iterate(array);
    uint8_t *out = elements;
    while (field->type ? wire_struct_next(&it, field->type, out)
                       : scalar_element(&it, field, out)) {
        out += size;
    }
    *array = wire_array_of(elements, (size_t)array->count);
    return 0;
}

int
wire_unfold(const struct wire_type *type, struct arena *arena, void *message)
{
    struct frame frames[WIRE_NESTING_MAX];
    uint8_t depth = 1;
    frames[0] = (struct frame){ type, message, 1, 0 };
    while (depth > 0) {
        struct frame *frame = &frames[depth - 1];
        if (frame->field == frame->type->field_count) {
            frame->field = 0;
            frame->element += frame->type->size;
            if (--frame->left == 0) {
                depth--;
            }
            continue;
        }
        const struct wire_field *field = &frame->type->fields[frame->field++];
        int32_t count = field->kind == WIRE_STRUCT;
        uint8_t *below = frame->element + field->offset;
        if (field->kind == WIRE_ARRAY) {
            struct wire_array *array = wire_field_at(frame->element, field);
            int r = unfold_array(field, arena, array);
            if (r < 0) {
                return r;
            }
            count = field->type ? array->count : 0;
            below = (uint8_t *)(uintptr_t)array->elements;
        }
        if (count > 0) {
            CHECK(depth < WIRE_NESTING_MAX);
            frames[depth++] = (struct frame){ field->type, below, count, 0 };
        }
    }
    return 0;
}
