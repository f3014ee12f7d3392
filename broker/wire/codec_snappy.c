/* Snappy. Kafka's Java clients write the framing of xerial's library (a header, then blocks with
 * their lengths); others write one raw block. We read both and write the framed one. */
#include "base/endian.h"
#include "base/fault.h"
#include "base/mem.h"
#include "wire/compression_internal.h"

#include <errno.h>
#include <snappy-c.h>

#define FRAME_HEADER_SIZE 16
#define FRAME_BLOCK_SIZE ((size_t)32768)
/* Three bytes of snappy make at most 64 bytes of output; a block that claims more lies. */
#define SNAPPY_RATIO_MAX 22

static const uint8_t frame_header[FRAME_HEADER_SIZE] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0,
    0, 0, 1, 0, 0, 0, 1 };

struct snappy_state {
    uint8_t *block; /* the one being handed out */
    size_t block_size;
    size_t block_at;
    size_t block_capacity;
    bool framed;
};

static int
snappy_open(struct decompressor *d)
{
    struct snappy_state *state = mem_alloc(sizeof *state);
    d->state = state;
    /* The versions in the header do not matter, as to Kafka's reader. */
    state->framed =
            d->input.size >= FRAME_HEADER_SIZE && memcmp(d->input.data, frame_header, 8) == 0;
    d->input_at = state->framed ? FRAME_HEADER_SIZE : 0;
    return 0;
}

static void
snappy_close(struct decompressor *d)
{
    struct snappy_state *state = d->state;
    mem_free(state->block);
    mem_free(state);
}

static int
snappy_fail(const struct decompressor *d, const char *text)
{
    return fault(
            -EBADMSG, "wire: snappy: %s, at byte %zu of %zu", text, d->input_at, d->input.size);
}

/* Unfolds one raw block into state->block. */
static int
load_block(struct decompressor *d, struct bytes raw)
{
    struct snappy_state *state = d->state;
    size_t size;
    if (snappy_uncompressed_length((const char *)raw.data, raw.size, &size) != SNAPPY_OK ||
            size > raw.size * SNAPPY_RATIO_MAX) {
        return snappy_fail(d, "a block with an impossible size");
    }
    if (size > d->output_max - MIN(d->output_size, d->output_max)) {
        return fault(-E2BIG, "wire: %zu bytes of snappy unfold to more than %zu", d->input.size,
                d->output_max);
    }
    if (size > state->block_capacity) {
        mem_free(state->block);
        state->block = mem_try_alloc(size);
        state->block_capacity = state->block ? size : 0;
        if (!state->block) {
            return fault(-ENOMEM, "wire: snappy: no memory for a block of %zu bytes", size);
        }
    }
    state->block_at = 0;
    state->block_size = 0;
    if (snappy_uncompress((const char *)raw.data, raw.size, (char *)state->block, &size) !=
            SNAPPY_OK) {
        return snappy_fail(d, "a broken block");
    }
    state->block_size = size;
    d->input_at += raw.size;
    return 0;
}

/* The next block's bytes: all that is left when there is no framing. */
static int
next_block(struct decompressor *d, struct bytes *ret_raw)
{
    const struct snappy_state *state = d->state;
    struct bytes input = decompressor_input(d);
    if (!state->framed) {
        *ret_raw = input;
        return 0;
    }
    if (input.size < 4) {
        return snappy_fail(d, "cut off");
    }
    size_t size = load_be32(input.data);
    if (size > input.size - 4) {
        return snappy_fail(d, "a block longer than the batch");
    }
    d->input_at += 4;
    *ret_raw = bytes_of(input.data + 4, size);
    return 0;
}

static ssize_t
snappy_read(struct decompressor *d, uint8_t *out, size_t size)
{
    struct snappy_state *state = d->state;
    while (state->block_at == state->block_size) {
        struct bytes raw = BYTES_NULL;
        if (d->input_at == d->input.size) {
            return 0;
        }
        int r = next_block(d, &raw);
        if (r < 0) {
            return r;
        }
        r = load_block(d, raw);
        if (r < 0) {
            return r;
        }
    }
    size_t n = MIN(size, state->block_size - state->block_at);
    memcpy(out, state->block + state->block_at, n);
    state->block_at += n;
    return (ssize_t)n;
}

static int
snappy_compress_framed(int32_t level, struct bytes input, struct strbuf *out)
{
    (void)level;
    size_t bound = snappy_max_compressed_length(FRAME_BLOCK_SIZE);
    CLEANUP(mem_freep) uint8_t *block = mem_alloc(bound);
    codec_append(out, frame_header, sizeof frame_header);
    for (size_t at = 0; at < input.size && !out->error; at += FRAME_BLOCK_SIZE) {
        size_t step = MIN(FRAME_BLOCK_SIZE, input.size - at);
        size_t size = bound;
        uint8_t prefix[4];
        if (snappy_compress((const char *)input.data + at, step, (char *)block, &size) !=
                SNAPPY_OK) {
            return fault(-EINVAL, "wire: snappy: cannot compress %zu bytes", step);
        }
        store_be32(prefix, (uint32_t)size);
        codec_append(out, prefix, sizeof prefix);
        codec_append(out, block, size);
    }
    return 0;
}

const struct codec codec_snappy = { .name = "snappy",
    .open = snappy_open,
    .read = snappy_read,
    .close = snappy_close,
    .compress = snappy_compress_framed };
