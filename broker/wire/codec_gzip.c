/* gzip by zlib. Members may follow each other, as java.util.zip accepts. */
#include "base/fault.h"
#include "base/mem.h"
#include "wire/compression_internal.h"

#include <errno.h>
#include <zlib.h>

#define GZIP_WINDOW_BITS (15 + 16) /* + 16: gzip header and trailer */
#define GZIP_MEMORY_LEVEL 8

struct gzip_state {
    z_stream stream;
    bool started;
    bool member_ended;
};

static int
gzip_open(struct decompressor *d)
{
    struct gzip_state *state = mem_alloc(sizeof *state);
    d->state = state;
    if (inflateInit2(&state->stream, GZIP_WINDOW_BITS) != Z_OK) {
        return fault(-ENOMEM, "wire: gzip: no memory");
    }
    state->started = true;
    return 0;
}

static void
gzip_close(struct decompressor *d)
{
    struct gzip_state *state = d->state;
    if (state && state->started) {
        inflateEnd(&state->stream);
    }
    mem_free(state);
}

static ssize_t
gzip_read(struct decompressor *d, uint8_t *out, size_t size)
{
    struct gzip_state *state = d->state;
    z_stream *stream = &state->stream;
    stream->next_out = out;
    stream->avail_out = (uInt)size;
    while (stream->avail_out == size) {
        struct bytes input = decompressor_input(d);
        if (state->member_ended) {
            if (input.size == 0) {
                return 0;
            }
            inflateReset(stream);
            state->member_ended = false;
        }
        /* zlib does not write through next_in; its type only lacks the const. */
        stream->next_in = (Bytef *)(uintptr_t)input.data;
        stream->avail_in = (uInt)MIN(input.size, (size_t)INT32_MAX);
        size_t offered = stream->avail_in;
        int r = inflate(stream, Z_NO_FLUSH);
        d->input_at += offered - stream->avail_in;
        state->member_ended = r == Z_STREAM_END;
        if (r == Z_MEM_ERROR) {
            return fault(-ENOMEM, "wire: gzip: no memory");
        }
        if (r != Z_OK && r != Z_STREAM_END) {
            return fault(-EBADMSG, "wire: gzip: %s, at byte %zu of %zu",
                    r == Z_BUF_ERROR ? "cut off"
                    : stream->msg    ? stream->msg
                                     : "broken",
                    d->input_at, d->input.size);
        }
    }
    return (ssize_t)(size - stream->avail_out);
}

static int
gzip_compress(int32_t level, struct bytes input, struct strbuf *out)
{
    z_stream stream = { 0 };
    uint8_t block[1024];
    int r = deflateInit2(
            &stream, level, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
    if (r != Z_OK) {
        return fault(-ENOMEM, "wire: gzip: no memory");
    }
    if (input.size > INT32_MAX) {
        deflateEnd(&stream);
        return fault(-EINVAL, "wire: gzip: %zu bytes are too many", input.size);
    }
    stream.next_in = (Bytef *)(uintptr_t)input.data;
    stream.avail_in = (uInt)input.size;
    do {
        stream.next_out = block;
        stream.avail_out = sizeof block;
        r = deflate(&stream, Z_FINISH);
        codec_append(out, block, sizeof block - stream.avail_out);
    } while (r == Z_OK && !out->error);
    deflateEnd(&stream);
    return 0;
}

const struct codec codec_gzip = { .name = "gzip",
    .level_min = 1,
    .level_max = 9,
    .level_default = Z_DEFAULT_COMPRESSION,
    .open = gzip_open,
    .read = gzip_read,
    .close = gzip_close,
    .compress = gzip_compress };
