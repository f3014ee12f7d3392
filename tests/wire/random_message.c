/* Random messages by their tables. */
#include "wire/random_message.h"

#include "base/check.h"

#define PENDING_MAX 2048

struct pending {
    const struct wire_type *type;
    uint8_t *message;
};

struct filler {
    struct random_message *random;
    struct pending *pending; /* structs that are still to be filled */
    size_t pending_count;
    int16_t version;
};

uint64_t
random_next(struct random_message *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    uint64_t z = random->state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static struct bytes
random_text(struct random_message *random)
{
    /* Sometimes long enough for a varint of two bytes. */
    size_t size = random_next(random) % 8 ? random_next(random) % 12 : random_next(random) % 300;
    uint8_t *text = arena_alloc(random->arena, size + 1);
    for (size_t i = 0; i < size; i++) {
        text[i] = (uint8_t)('a' + random_next(random) % 26);
    }
    return bytes_of(text, size);
}

static void
fill_scalar(struct random_message *random, enum wire_kind kind, void *out)
{
    uint64_t bits = random_next(random);
    if (bits % 3 == 0) {
        bits = (uint64_t)(int64_t)((int64_t)(bits >> 8) % 3 -
                                   1); /* small values are special ones */
    }
    switch (kind) {
    case WIRE_BOOL:
        *(bool *)out = bits & 1;
        break;
    case WIRE_INT8:
        memcpy(out, &bits, 1);
        break;
    case WIRE_INT16:
    case WIRE_UINT16:
        memcpy(out, &bits, 2);
        break;
    case WIRE_INT32:
        memcpy(out, &bits, 4);
        break;
    case WIRE_INT64:
        memcpy(out, &bits, 8);
        break;
    case WIRE_FLOAT64:
        *(double *)out = (double)(int64_t)bits / 1000;
        break;
    case WIRE_UUID:
        memcpy(out, &bits, 8);
        bits = random_next(random);
        memcpy((uint8_t *)out + 8, &bits, 8);
        break;
    case WIRE_STRING:
    case WIRE_BYTES:
        *(struct bytes *)out = random_text(random);
        break;
    case WIRE_RECORDS:
        *(struct wire_records *)out = (struct wire_records){ .bytes = random_text(random) };
        break;
    case WIRE_STRUCT:
    case WIRE_ARRAY:
        UNREACHABLE();
    }
}

static void
push(struct filler *f, const struct wire_type *type, void *message)
{
    CHECK(f->pending_count < PENDING_MAX);
    f->pending[f->pending_count++] = (struct pending){ type, message };
}

static size_t
c_size(const struct wire_field *field)
{
    static const size_t sizes[] = { [WIRE_INT8] = 1,
        [WIRE_INT16] = 2,
        [WIRE_INT32] = 4,
        [WIRE_INT64] = 8,
        [WIRE_UUID] = 16,
        [WIRE_STRING] = sizeof(struct bytes) };
    return field->type ? field->type->size : sizes[field->element_kind];
}

static void
fill_array(struct filler *f, const struct wire_field *field, struct wire_array *array)
{
    size_t count = random_next(f->random) % (f->random->array_max + 1);
    size_t size = c_size(field);
    uint8_t *elements = arena_alloc_array(f->random->arena, count + 1, size);
    for (size_t i = 0; i < count; i++) {
        if (field->type) {
            push(f, field->type, elements + i * size);
        } else {
            fill_scalar(f->random, (enum wire_kind)field->element_kind, elements + i * size);
        }
    }
    *array = wire_array_of(elements, count);
}

static void
fill_field(struct filler *f, const struct wire_field *field, uint8_t *message)
{
    void *out = message + field->offset;
    bool null =
            wire_versions_contain(field->nullable, f->version) && random_next(f->random) % 4 == 0;
    if (field->tag >= 0 && random_next(f->random) % 2) {
        return; /* keeps its default, so that it is not written */
    }
    if (field->kind == WIRE_STRUCT) {
        if (field->has_offset) {
            *(bool *)(message + field->has_offset) = !null;
        }
        push(f, field->type, out);
    } else if (field->kind == WIRE_ARRAY) {
        fill_array(f, field, out);
        if (null) {
            *(struct wire_array *)out = WIRE_ARRAY_NULL;
        }
    } else if (null) {
        memset(out, 0,
                field->kind == WIRE_RECORDS ? sizeof(struct wire_records) : sizeof(struct bytes));
    } else {
        fill_scalar(f->random, (enum wire_kind)field->kind, out);
    }
}

void
random_fill(
        struct random_message *random, const struct wire_type *type, int16_t version, void *message)
{
    struct filler f = { .random = random, .version = version };
    f.pending = arena_alloc_array(random->arena, PENDING_MAX, sizeof *f.pending);
    push(&f, type, message);
    while (f.pending_count > 0) {
        struct pending next = f.pending[--f.pending_count];
        memcpy(next.message, next.type->default_value, next.type->size);
        for (uint16_t i = 0; i < next.type->field_count; i++) {
            if (wire_versions_contain(next.type->fields[i].versions, version)) {
                fill_field(&f, &next.type->fields[i], next.message);
            }
        }
    }
}
