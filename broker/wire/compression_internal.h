#pragma once
/* What a codec is to compression.c. */

#include "base/strbuf.h"
#include "wire/compression.h"

struct decompressor {
    const struct codec *codec;
    void *state; /* the codec's */
    struct bytes input;
    size_t input_at;
    size_t output_size;
    size_t output_max;
};

struct codec {
    const char *name;
    int32_t level_min;
    int32_t level_max;
    int32_t level_default;
    int (*open)(struct decompressor *d);
    /* As decompressor_read. */
    ssize_t (*read)(struct decompressor *d, uint8_t *out, size_t size);
    /* Also after a failed open. */
    void (*close)(struct decompressor *d);
    int (*compress)(int32_t level, struct bytes input, struct strbuf *out);
};

extern const struct codec codec_gzip;
extern const struct codec codec_snappy;
extern const struct codec codec_lz4;
extern const struct codec codec_zstd;

/* What is left of the input. */
static inline struct bytes
decompressor_input(const struct decompressor *d)
{
    return bytes_of(d->input.data + d->input_at, d->input.size - d->input_at);
}

/* Appends compressed bytes. */
static inline void
codec_append(struct strbuf *out, const uint8_t *data, size_t size)
{
    strbuf_append(out, bytes_of(data, size));
}
