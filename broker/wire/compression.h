#pragma once
/* The codecs of record batches: gzip, snappy (with and without the framing of xerial's Java
 * library), lz4 frames, zstd.
 *
 * Decompressing streams: a caller that only looks at records needs one window, not all the output.
 * It stops (V6 in record_batch.h) at a maximum and, above DECOMPRESSED_SIZE_FLOOR, at a ratio to
 * the input; memory inside the codecs is bounded too. (5 MB of gzip can unfold to 5 GB.) */

#include "base/attr.h"
#include "base/bytes.h"
#include "base/limits.h"

#include <sys/types.h>

/* As in the attributes of a batch. */
enum compression {
    COMPRESSION_NONE = 0,
    COMPRESSION_GZIP = 1,
    COMPRESSION_SNAPPY = 2,
    COMPRESSION_LZ4 = 3,
    COMPRESSION_ZSTD = 4,
};

/* Most bytes that one batch may unfold to when the caller says nothing. */
#define DECOMPRESSED_SIZE_MAX (64 * MIB)
/* Up to here any ratio is allowed: zeros compress a thousandfold, and tests of Kafka send them. */
#define DECOMPRESSED_SIZE_FLOOR (16 * MIB)
#define DECOMPRESSED_RATIO_MAX 200
/* The codec's own default. */
#define COMPRESSION_LEVEL_DEFAULT INT32_MIN

struct decompressor;
struct strbuf;

/* "none", "gzip" ... or "unknown". */
const char *compression_name(enum compression compression);

/* Begins. Borrows `input` until decompressor_close. `output_max`: 0 for DECOMPRESSED_SIZE_MAX.
 * -EOPNOTSUPP: no such codec. -EINVAL: a form of it that clients cannot read. -ENOMEM. */
MUST_CHECK int decompressor_open(enum compression compression, struct bytes input,
        size_t output_max, struct decompressor **ret_decompressor);
/* Accepts NULL. */
void decompressor_close(struct decompressor *d);
/* Up to `size` (> 0) more bytes into `out`. > 0: how many. 0: the end. -EBADMSG: broken. -E2BIG:
 * too much output. -ENOMEM. */
MUST_CHECK ssize_t decompressor_read(struct decompressor *d, uint8_t *out, size_t size);

/* All of it, appended to `out`, whose own maximum counts as well (-E2BIG). Errors as above. */
MUST_CHECK int decompress(
        enum compression compression, struct bytes input, size_t output_max, struct strbuf *out);
/* Appends the compressed form of `input` to `out`. -ENOBUFS: `out` is full. -EOPNOTSUPP: no such
 * codec. -EINVAL: no such level. */
MUST_CHECK int compress_bytes(
        enum compression compression, int32_t level, struct bytes input, struct strbuf *out);

static inline void
decompressor_closep(struct decompressor **d)
{
    decompressor_close(*d);
}
