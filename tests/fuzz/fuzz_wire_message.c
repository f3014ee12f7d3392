/* Every message at every version. The first byte chooses the message, the second its version; the
 * rest is the body. What is read must be written again, and reading and writing that gives the same
 * bytes. The mutator makes whole random messages from time to time, so that no seeds are needed to
 * reach the deep fields.
 */
#include "base/arena.h"
#include "base/check.h"
#include "base/limits.h"
#include "wire/messages/apis.h"
#include "wire/random_message.h"

#include <errno.h>

#define MESSAGE_SIZE_MAX 4096
#define HEAD_SIZE 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

static _Alignas(16) uint8_t message[MESSAGE_SIZE_MAX];

static size_t
message_count(void)
{
    static size_t count;
    while (wire_message_types[count]) {
        count++;
    }
    return count;
}

static const struct wire_type *
choose(const uint8_t *data, int16_t *ret_version)
{
    const struct wire_type *type = wire_message_types[data[0] % message_count()];
    int span = type->versions.max - type->versions.min + 1;
    *ret_version = (int16_t)(type->versions.min + data[1] % span);
    CHECK(type->size <= sizeof message);
    return type;
}

/* Reads, unfolds and writes; the written bytes are in `w`. False when the input is not such a
 * message. */
static bool
turn_around(const struct wire_type *type, int16_t version, struct bytes in, struct wire_writer *w)
{
    struct wire_reader r;
    struct arena arena;
    size_t counted = 0;
    wire_reader_init(&r, in);
    if (wire_read(&r, type, version, message) < 0) {
        return false;
    }
    arena_init(&arena, 512 * MIB);
    CHECK(wire_write(w, type, version, message) == 0);
    wire_writer_clear(w);
    int unfolded = wire_unfold(type, &arena, message);
    CHECK(unfolded == 0 || unfolded == -ENOBUFS);
    if (unfolded == 0) {
        CHECK(wire_write(w, type, version, message) == 0);
        CHECK(wire_size(type, version, message, &counted) == 0 && counted == wire_writer_size(w));
    }
    arena_done(&arena);
    return unfolded == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int16_t version;
    struct wire_writer once;
    struct wire_writer twice;
    if (size < HEAD_SIZE) {
        return 0;
    }
    const struct wire_type *type = choose(data, &version);
    wire_writer_init(&once, 16 * MIB);
    wire_writer_init(&twice, 16 * MIB);
    if (turn_around(type, version, bytes_of(data + HEAD_SIZE, size - HEAD_SIZE), &once)) {
        CHECK(turn_around(type, version, bytes_of(once.data, once.size), &twice));
        CHECK(bytes_equal(bytes_of(once.data, once.size), bytes_of(twice.data, twice.size)));
    }
    wire_writer_done(&once);
    wire_writer_done(&twice);
    return 0;
}

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    if (seed % 16 != 0 || size_max < 64) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    int16_t version;
    struct arena arena;
    struct wire_writer w;
    struct random_message random = { .state = seed, .arena = &arena, .array_max = 3 };
    data[0] = (uint8_t)(seed >> 4);
    data[1] = (uint8_t)(seed >> 12);
    const struct wire_type *type = choose(data, &version);
    arena_init(&arena, 64 * MIB);
    wire_writer_init(&w, size_max - HEAD_SIZE);
    random_fill(&random, type, version, message);
    size = HEAD_SIZE;
    if (wire_write(&w, type, version, message) == 0 && w.size > 0) {
        memcpy(data + HEAD_SIZE, w.data, w.size);
        size += w.size;
    }
    wire_writer_done(&w);
    arena_done(&arena);
    return size;
}
