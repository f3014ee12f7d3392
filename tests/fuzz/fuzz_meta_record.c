/* The decoder of metadata records. What decodes can be encoded again, decodes to the same bytes,
 * can be shown to people, and the state machine survives it, on an empty state and on one with a
 * topic. */
#include "base/check.h"
#include "meta/inspect.h"
#include "meta/state.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_round_trip(const struct meta_record *record)
{
    struct strbuf once;
    struct strbuf twice;
    struct arena arena;
    struct meta_record again;
    size_t used;
    strbuf_init(&once, 2 * META_RECORD_SIZE_MAX);
    strbuf_init(&twice, 2 * META_RECORD_SIZE_MAX);
    arena_init(&arena, META_ARENA_SIZE);
    CHECK(meta_record_encode(record, &once) == 0);
    CHECK(meta_record_decode(strbuf_bytes(&once), &arena, &again, &used) == 0);
    CHECK(used == once.size);
    CHECK(meta_record_encode(&again, &twice) == 0);
    CHECK(bytes_equal(strbuf_bytes(&once), strbuf_bytes(&twice)));
    strbuf_done(&once);
    strbuf_done(&twice);
    arena_done(&arena);
}

static void
check_describe(const struct meta_record *record)
{
    struct strbuf line;
    strbuf_init(&line, 1 << 16);
    meta_record_describe(record, &line);
    for (size_t i = 0; i < line.size; i++) {
        CHECK(line.data[i] >= ' ' && line.data[i] < 0x7f);
    }
    strbuf_done(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct meta_state *state = meta_state_new();
    struct bytes rest = bytes_of(data, size);
    uint64_t sequence = 0;
    arena_init(&arena, META_ARENA_SIZE);
    while (rest.size) {
        struct meta_record record;
        size_t used;
        arena_reset(&arena);
        int r = meta_record_decode(rest, &arena, &record, &used);
        if (r) {
            CHECK(r == -EBADMSG || r == -EMEDIUMTYPE || r == -ENOBUFS);
            break;
        }
        check_round_trip(&record);
        check_describe(&record);
        (void)meta_state_apply(state, &record, ++sequence);
        rest = bytes_of(rest.data + used, rest.size - used);
    }
    /* Whatever state came of it can be written and read. */
    struct strbuf bytes;
    struct meta_state *copy;
    strbuf_init(&bytes, META_SNAPSHOT_SIZE_MAX);
    CHECK(meta_state_encode(state, &bytes) == 0);
    CHECK(meta_state_decode(strbuf_bytes(&bytes), &copy) == 0);
    meta_state_free(copy);
    strbuf_done(&bytes);
    meta_state_free(state);
    arena_done(&arena);
    return 0;
}
