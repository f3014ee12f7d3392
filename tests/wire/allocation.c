/* No input makes the decoder take memory: every message at every version, whole, cut off, and
 * damaged, is read and walked while the heap's functions are counted. The promise is twice the
 * frame and 64 KiB; reading keeps it with nothing at all (V2). Damage goes for what attackers use:
 * counts and lengths set to great values. The deepest message of all passes by too, so the stack of
 * frames is deep enough (V4). */
#include "base/check.h"
#include "base/limits.h"
#include "wire/messages/apis.h"
#include "wire/random_message.h"

#include <stdio.h>

#define MESSAGE_SIZE_MAX 4096
#define ROUNDS 40

static size_t allocated;
static bool counting;

/* The linker sends all calls of these here (CMakeLists.txt). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

static void
count(size_t size)
{
    allocated += counting ? size : 0;
}

void *
__wrap_malloc(size_t size)
{
    count(size);
    return __real_malloc(size);
}

void *
__wrap_calloc(size_t elements, size_t size)
{
    count(elements * size);
    return __real_calloc(elements, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
    count(size);
    return __real_realloc(old, size);
}

void *
__wrap_aligned_alloc(size_t alignment, size_t size)
{
    count(size);
    return __real_aligned_alloc(alignment, size);
}

struct totals {
    uint64_t read;
    uint64_t refused;
    size_t worst; /* bytes allocated for one frame */
};

/* Reads one frame, and walks the arrays of its outermost level. */
static void
read_one(const struct wire_type *type, int16_t version, struct bytes frame, struct totals *totals)
{
    static _Alignas(16) uint8_t message[MESSAGE_SIZE_MAX];
    static _Alignas(16) uint8_t element[MESSAGE_SIZE_MAX];
    struct wire_reader r;
    allocated = 0;
    counting = true;
    wire_reader_init(&r, frame);
    int result = wire_read(&r, type, version, message);
    for (uint16_t i = 0; result == 0 && i < type->field_count; i++) {
        const struct wire_field *field = &type->fields[i];
        if (field->kind == WIRE_ARRAY && field->type) {
            struct wire_iterator it = wire_iterate(
                    (const struct wire_array *)(const void *)(message + field->offset));
            while (wire_struct_next(&it, field->type, element)) {
            }
        }
    }
    counting = false;
    totals->read++;
    totals->refused += result < 0;
    totals->worst = MAX(totals->worst, allocated);
    CHECK(allocated <= 2 * frame.size + 64 * KIB);
}

/* A great number over a place that may be a count or a length. */
static void
damage(struct random_message *random, uint8_t *frame, size_t size)
{
    static const uint8_t great[][5] = { { 0x7f, 0xff, 0xff, 0xff, 0xff },
        { 0xff, 0xff, 0xff, 0xff, 0x07 }, { 0x00, 0x0f, 0x42, 0x3f, 0x00 },
        { 0x80, 0x80, 0x80, 0x80, 0x80 }, { 0xff, 0xff, 0x03, 0x00, 0x00 } };
    size_t at = random_next(random) % size;
    const uint8_t *from = great[random_next(random) % ARRAY_SIZE(great)];
    memcpy(frame + at, from, MIN(size - at, (size_t)5));
}

static void
attack(struct random_message *random, const struct wire_type *type, int16_t version,
        struct totals *totals)
{
    static _Alignas(16) uint8_t message[MESSAGE_SIZE_MAX];
    struct wire_writer w;
    CHECK(type->size <= sizeof message);
    arena_reset(random->arena);
    random_fill(random, type, version, message);
    wire_writer_init(&w, 16 * MIB);
    CHECK(wire_write(&w, type, version, message) == 0);
    if (w.size > 0) {
        read_one(type, version, bytes_of(w.data, w.size), totals);
        read_one(type, version, bytes_of(w.data, random_next(random) % w.size), totals);
        damage(random, w.data, w.size);
        read_one(type, version, bytes_of(w.data, w.size), totals);
    }
    wire_writer_done(&w);
}

int
main(void)
{
    struct arena arena;
    struct totals totals = { 0 };
    struct random_message random = { .state = 1, .arena = &arena, .array_max = 4 };
    arena_init(&arena, 64 * MIB);
    for (const struct wire_type *const *type = wire_message_types; *type; type++) {
        for (int16_t version = (*type)->versions.min; version <= (*type)->versions.max; version++) {
            for (int round = 0; round < ROUNDS; round++) {
                attack(&random, *type, version, &totals);
            }
        }
    }
    arena_done(&arena);
    printf("%llu frames read, %llu refused, at most %zu bytes allocated for one\n",
            (unsigned long long)totals.read, (unsigned long long)totals.refused, totals.worst);
    CHECK(totals.read > 50000 && totals.refused > 20000);
    return 0;
}
