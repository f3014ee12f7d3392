/* The LZ4 frame format; one frame a batch, as Kafka writes. */
#include "base/fault.h"
#include "base/mem.h"
#include "wire/compression_internal.h"

#include <errno.h>
#include <lz4frame.h>

#define MAGIC "\x04\x22\x4d\x18"
#define FLAGS_OFFSET 4               /* behind the magic number */
#define FLAG_BLOCKS_INDEPENDENT 0x20 /* LZ4 Frame Format 1.6.1, FLG */

struct lz4_state {
    LZ4F_dctx *context;
    bool ended;
};

static int
lz4_open(struct decompressor *d)
{
    /* Java's clients cannot read blocks that build on each other: one such batch would stop every
     * consumer of theirs at its offset. Kafka refuses it too. */
    bool is_frame = d->input.size > FLAGS_OFFSET && memcmp(d->input.data, MAGIC, FLAGS_OFFSET) == 0;
    if (is_frame && !(d->input.data[FLAGS_OFFSET] & FLAG_BLOCKS_INDEPENDENT)) {
        return fault(-EINVAL, "wire: lz4: the frame's blocks build on each other");
    }
    struct lz4_state *state = mem_alloc(sizeof *state);
    d->state = state;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&state->context, LZ4F_VERSION))) {
        return fault(-ENOMEM, "wire: lz4: no memory");
    }
    return 0;
}

static void
lz4_close(struct decompressor *d)
{
    struct lz4_state *state = d->state;
    if (state) {
        LZ4F_freeDecompressionContext(state->context);
    }
    mem_free(state);
}

static ssize_t
lz4_read(struct decompressor *d, uint8_t *out, size_t size)
{
    struct lz4_state *state = d->state;
    size_t produced = 0;
    while (produced == 0 && !state->ended) {
        struct bytes input = decompressor_input(d);
        size_t consumed = input.size;
        produced = size;
        size_t hint = LZ4F_decompress(state->context, out, &produced, input.data, &consumed, NULL);
        if (LZ4F_isError(hint)) {
            return fault(-EBADMSG, "wire: lz4: %s, at byte %zu of %zu", LZ4F_getErrorName(hint),
                    d->input_at, d->input.size);
        }
        d->input_at += consumed;
        state->ended = hint == 0;
        if (produced == 0 && consumed == 0 && !state->ended) {
            return fault(-EBADMSG, "wire: lz4: cut off after %zu bytes", d->input.size);
        }
    }
    return (ssize_t)produced;
}

static int
lz4_compress(int32_t level, struct bytes input, struct strbuf *out)
{
    /* Independent blocks of 64 KiB, as Kafka's own writer, which some clients expect. */
    LZ4F_preferences_t preferences = { .frameInfo = { .blockSizeID = LZ4F_max64KB,
                                               .blockMode = LZ4F_blockIndependent },
        .compressionLevel = level };
    size_t bound = LZ4F_compressFrameBound(input.size, &preferences);
    CLEANUP(mem_freep) uint8_t *block = mem_try_alloc(bound);
    if (!block) {
        return fault(-ENOMEM, "wire: lz4: no memory");
    }
    size_t size = LZ4F_compressFrame(block, bound, input.data, input.size, &preferences);
    if (LZ4F_isError(size)) {
        return fault(-ENOMEM, "wire: lz4: %s", LZ4F_getErrorName(size));
    }
    codec_append(out, block, size);
    return 0;
}

/* Kafka's levels: 1 to 17, 9 by default. Its codec is the high-compression one from level 3 on, as
 * here. */
const struct codec codec_lz4 = { .name = "lz4",
    .level_min = 1,
    .level_max = 17,
    .level_default = 1,
    .open = lz4_open,
    .read = lz4_read,
    .close = lz4_close,
    .compress = lz4_compress };
