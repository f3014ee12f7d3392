/* The codecs behind one door: a table of functions per codec, and the caps that hold for all of
 * them. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "wire/compression_internal.h"

#include <errno.h>

#define DECOMPRESS_STEP ((size_t)65536)

static const struct codec *const codecs[] = { [COMPRESSION_GZIP] = &codec_gzip,
    [COMPRESSION_SNAPPY] = &codec_snappy,
    [COMPRESSION_LZ4] = &codec_lz4,
    [COMPRESSION_ZSTD] = &codec_zstd };

static const struct codec *
find_codec(enum compression compression)
{
    return (size_t)compression < ARRAY_SIZE(codecs) ? codecs[compression] : NULL;
}

const char *
compression_name(enum compression compression)
{
    const struct codec *codec = find_codec(compression);
    return codec ? codec->name : compression == COMPRESSION_NONE ? "none" : "unknown";
}

int
decompressor_open(enum compression compression, struct bytes input, size_t output_max,
        struct decompressor **ret_decompressor)
{
    const struct codec *codec = find_codec(compression);
    if (!codec) {
        return fault(-EOPNOTSUPP, "wire: nothing decompresses codec %u", (unsigned)compression);
    }
    struct decompressor *d = mem_alloc(sizeof *d);
    size_t by_ratio = input.size > SIZE_MAX / DECOMPRESSED_RATIO_MAX
                              ? SIZE_MAX
                              : input.size * DECOMPRESSED_RATIO_MAX;
    d->codec = codec;
    d->input = input;
    d->output_max = MIN(output_max ? output_max : DECOMPRESSED_SIZE_MAX,
            MAX(by_ratio, DECOMPRESSED_SIZE_FLOOR));
    int r = codec->open(d);
    if (r < 0) {
        decompressor_close(d);
        return r;
    }
    *ret_decompressor = d;
    return 0;
}

void
decompressor_close(struct decompressor *d)
{
    if (!d) {
        return;
    }
    d->codec->close(d);
    mem_free(d);
}

ssize_t
decompressor_read(struct decompressor *d, uint8_t *out, size_t size)
{
    CHECK(size > 0);
    ssize_t n = d->codec->read(d, out, MIN(size, (size_t)INT32_MAX));
    if (n > 0) {
        d->output_size += (size_t)n;
        if (d->output_size > d->output_max) {
            return fault(-E2BIG, "wire: %zu bytes of %s unfold to more than %zu", d->input.size,
                    d->codec->name, d->output_max);
        }
    }
    return n;
}

int
decompress(enum compression compression, struct bytes input, size_t output_max, struct strbuf *out)
{
    CLEANUP(decompressor_closep) struct decompressor *d = NULL;
    int r = decompressor_open(compression, input, output_max, &d);
    if (r < 0) {
        return r;
    }
    CLEANUP(mem_freep) uint8_t *step = mem_alloc(DECOMPRESS_STEP);
    while (true) {
        ssize_t n = decompressor_read(d, step, DECOMPRESS_STEP);
        if (n <= 0) {
            return (int)n;
        }
        strbuf_append(out, bytes_of(step, (size_t)n));
        if (out->error) {
            return fault(-E2BIG, "wire: no room for what %zu bytes of %s unfold to", input.size,
                    d->codec->name);
        }
    }
}

int
compress_bytes(enum compression compression, int32_t level, struct bytes input, struct strbuf *out)
{
    const struct codec *codec = find_codec(compression);
    if (!codec) {
        return fault(-EOPNOTSUPP, "wire: nothing compresses for codec %u", (unsigned)compression);
    }
    if (level != COMPRESSION_LEVEL_DEFAULT &&
            (level < codec->level_min || level > codec->level_max)) {
        return fault(-EINVAL, "wire: %s has the levels %d to %d, not %d", codec->name,
                codec->level_min, codec->level_max, level);
    }
    int r = codec->compress(
            level == COMPRESSION_LEVEL_DEFAULT ? codec->level_default : level, input, out);
    if (r < 0) {
        return r;
    }
    return out->error
                   ? fault(-ENOBUFS, "wire: no room for %zu bytes of %s", input.size, codec->name)
                   : 0;
}
