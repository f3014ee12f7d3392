/* zstd frames, one or more. */
#include "base/fault.h"
#include "base/mem.h"
#include "wire/compression_internal.h"

#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

/* A frame says how large a window its decoder keeps: up to 128 MiB at the highest levels that
 * Kafka's clients may use, also for a small batch. Its pages are touched only as output comes, and
 * that is capped. */
#define WINDOW_LOG_MAX 27

struct zstd_state {
    ZSTD_DStream *stream;
    bool frame_ended;
};

static int
zstd_open(struct decompressor *d)
{
    struct zstd_state *state = mem_alloc(sizeof *state);
    d->state = state;
    state->stream = ZSTD_createDStream();
    if (!state->stream) {
        return fault(-ENOMEM, "wire: zstd: no memory");
    }
    (void)ZSTD_DCtx_setParameter(state->stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    return 0;
}

static void
zstd_close(struct decompressor *d)
{
    struct zstd_state *state = d->state;
    ZSTD_freeDStream(state->stream);
    mem_free(state);
}

static ssize_t
zstd_read(struct decompressor *d, uint8_t *out, size_t size)
{
    struct zstd_state *state = d->state;
    ZSTD_outBuffer output = { out, size, 0 };
    while (output.pos == 0) {
        struct bytes input = decompressor_input(d);
        ZSTD_inBuffer in = { input.data, input.size, 0 };
        if (input.size == 0 && state->frame_ended) {
            return 0;
        }
        size_t hint = ZSTD_decompressStream(state->stream, &output, &in);
        if (ZSTD_isError(hint)) {
            bool too_large = ZSTD_getErrorCode(hint) == ZSTD_error_frameParameter_windowTooLarge;
            return fault(too_large ? -E2BIG : -EBADMSG, "wire: zstd: %s, at byte %zu of %zu",
                    ZSTD_getErrorName(hint), d->input_at, d->input.size);
        }
        d->input_at += in.pos;
        state->frame_ended = hint == 0;
        if (output.pos == 0 && in.pos == 0 && !state->frame_ended) {
            return fault(-EBADMSG, "wire: zstd: cut off after %zu bytes", d->input.size);
        }
    }
    return (ssize_t)output.pos;
}

static int
zstd_compress(int32_t level, struct bytes input, struct strbuf *out)
{
    size_t bound = ZSTD_compressBound(input.size);
    CLEANUP(mem_freep) uint8_t *block = mem_try_alloc(bound);
    if (!block) {
        return fault(-ENOMEM, "wire: zstd: no memory");
    }
    size_t size = ZSTD_compress(block, bound, input.data, input.size, level);
    if (ZSTD_isError(size)) {
        return fault(-ENOMEM, "wire: zstd: %s", ZSTD_getErrorName(size));
    }
    codec_append(out, block, size);
    return 0;
}

const struct codec codec_zstd = { .name = "zstd",
    .level_min = -131072,
    .level_max = 22,
    .level_default = 3,
    .open = zstd_open,
    .read = zstd_read,
    .close = zstd_close,
    .compress = zstd_compress };
