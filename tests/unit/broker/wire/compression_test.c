/* The codecs and their caps. */
#include "base/endian.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "unit/test.h"
#include "wire/compression.h"

#include <errno.h>
#include <snappy-c.h>

static const enum compression codecs[] = { COMPRESSION_GZIP, COMPRESSION_SNAPPY, COMPRESSION_LZ4,
    COMPRESSION_ZSTD };

/* Text that compresses a little, of any size. */
static void
append_sample(struct strbuf *out, size_t size)
{
    uint32_t state = 1;
    while (out->size < size) {
        state = state * 1664525u + 1013904223u;
        strbuf_printf(out, "line %u of the sample;", state >> 20);
    }
}

TEST(every_codec_gives_back_what_was_put_in)
{
    static const size_t sizes[] = { 0, 1, 1000, 32768, 200000 };
    for (size_t c = 0; c < ARRAY_SIZE(codecs); c++) {
        for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
            struct strbuf in;
            struct strbuf packed;
            struct strbuf out;
            strbuf_init(&in, MIB);
            strbuf_init(&packed, MIB);
            strbuf_init(&out, MIB);
            if (sizes[s]) {
                append_sample(&in, sizes[s]);
            }
            ASSERT_OK(compress_bytes(
                    codecs[c], COMPRESSION_LEVEL_DEFAULT, strbuf_bytes(&in), &packed));
            ASSERT_OK(decompress(codecs[c], strbuf_bytes(&packed), 0, &out));
            ASSERT_BYTES(strbuf_bytes(&out), strbuf_bytes(&in));
            strbuf_done(&in);
            strbuf_done(&packed);
            strbuf_done(&out);
        }
    }
}

TEST(small_reads_give_the_same_bytes)
{
    struct strbuf in;
    strbuf_init(&in, MIB);
    append_sample(&in, 100000);
    for (size_t c = 0; c < ARRAY_SIZE(codecs); c++) {
        struct strbuf packed;
        struct decompressor *d = NULL;
        uint8_t step[7];
        size_t at = 0;
        strbuf_init(&packed, MIB);
        ASSERT_OK(compress_bytes(codecs[c], COMPRESSION_LEVEL_DEFAULT, strbuf_bytes(&in), &packed));
        ASSERT_OK(decompressor_open(codecs[c], strbuf_bytes(&packed), 0, &d));
        ssize_t n;
        while ((n = decompressor_read(d, step, sizeof step)) > 0) {
            ASSERT(at + (size_t)n <= in.size);
            ASSERT_EQ(memcmp(step, in.data + at, (size_t)n), 0);
            at += (size_t)n;
        }
        ASSERT_EQ(n, 0);
        ASSERT_EQ(at, in.size);
        decompressor_close(d);
        strbuf_done(&packed);
    }
    strbuf_done(&in);
}

/* V6 */
TEST(a_bomb_is_refused_before_it_unfolds)
{
    size_t size = 48 * MIB;
    uint8_t *zeros = mem_alloc(size);
    for (size_t c = 0; c < ARRAY_SIZE(codecs); c++) {
        struct strbuf packed;
        struct strbuf out;
        strbuf_init(&packed, 64 * MIB);
        strbuf_init(&out, 64 * MIB);
        ASSERT_OK(compress_bytes(
                codecs[c], COMPRESSION_LEVEL_DEFAULT, bytes_of(zeros, size), &packed));
        /* The caller's maximum. */
        ASSERT_ERROR(decompress(codecs[c], strbuf_bytes(&packed), MIB, &out), -E2BIG);
        ASSERT(out.size <= MIB);
        strbuf_clear(&out);
        /* The ratio: snappy and the like cannot reach it. */
        int expected = packed.size * DECOMPRESSED_RATIO_MAX < size ? -E2BIG : 0;
        ASSERT_EQ(decompress(codecs[c], strbuf_bytes(&packed), 0, &out), expected);
        ASSERT(codecs[c] != COMPRESSION_GZIP || expected == -E2BIG);
        strbuf_done(&out);
        /* The buffer's own. */
        strbuf_init(&out, 1000);
        ASSERT_ERROR(decompress(codecs[c], strbuf_bytes(&packed), 0, &out), -E2BIG);
        strbuf_done(&out);
        strbuf_done(&packed);
    }
    mem_free(zeros);
}

TEST(what_is_cut_off_or_damaged_is_refused)
{
    struct strbuf in;
    strbuf_init(&in, MIB);
    append_sample(&in, 5000);
    for (size_t c = 0; c < ARRAY_SIZE(codecs); c++) {
        struct strbuf packed;
        struct strbuf out;
        strbuf_init(&packed, MIB);
        strbuf_init(&out, MIB);
        ASSERT_OK(compress_bytes(codecs[c], COMPRESSION_LEVEL_DEFAULT, strbuf_bytes(&in), &packed));
        for (size_t size = 1; size < packed.size; size += 13) {
            int r = decompress(codecs[c], bytes_of(packed.data, size), 0, &out);
            /* Framed snappy that ends between two blocks is whole. */
            ASSERT(r == -EBADMSG || (codecs[c] == COMPRESSION_SNAPPY && size <= 16));
            strbuf_clear(&out);
        }
        packed.data[0] ^= 0xff;
        ASSERT_ERROR(decompress(codecs[c], strbuf_bytes(&packed), 0, &out), -EBADMSG);
        strbuf_done(&packed);
        strbuf_done(&out);
    }
    strbuf_done(&in);
}

TEST(raw_snappy_is_read_too)
{
    char packed[100];
    size_t size = sizeof packed;
    struct strbuf out;
    strbuf_init(&out, 1000);
    ASSERT_EQ(snappy_compress("hello hello hello hello", 23, packed, &size), SNAPPY_OK);
    ASSERT_OK(decompress(COMPRESSION_SNAPPY, bytes_of(packed, size), 0, &out));
    ASSERT_BYTES(strbuf_bytes(&out), BYTES_LITERAL("hello hello hello hello"));
    strbuf_done(&out);
}

/* V6: a raw block may claim any size in its first bytes. */
TEST(a_snappy_block_that_claims_gigabytes_allocates_nothing)
{
    const uint8_t liar[] = { 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 'a' };
    struct strbuf out;
    strbuf_init(&out, 1000);
    ASSERT_ERROR(decompress(COMPRESSION_SNAPPY, bytes_of(liar, sizeof liar), 0, &out), -EBADMSG);
    ASSERT(strstr(fault_text(), "impossible size"));
    uint8_t framed[30] = { 0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x7f,
        0xff, 0xff, 0xff };
    ASSERT_ERROR(
            decompress(COMPRESSION_SNAPPY, bytes_of(framed, sizeof framed), 0, &out), -EBADMSG);
    strbuf_done(&out);
}

TEST(gzip_members_may_follow_each_other)
{
    struct strbuf packed;
    struct strbuf out;
    strbuf_init(&packed, 1000);
    strbuf_init(&out, 1000);
    ASSERT_OK(compress_bytes(COMPRESSION_GZIP, 1, BYTES_LITERAL("one "), &packed));
    ASSERT_OK(compress_bytes(COMPRESSION_GZIP, 9, BYTES_LITERAL("two"), &packed));
    ASSERT_OK(decompress(COMPRESSION_GZIP, strbuf_bytes(&packed), 0, &out));
    ASSERT_BYTES(strbuf_bytes(&out), BYTES_LITERAL("one two"));
    strbuf_done(&packed);
    strbuf_done(&out);
}

/* Java's clients, and so Kafka, know independent blocks alone. */
TEST(lz4_blocks_that_build_on_each_other_are_refused)
{
    struct decompressor *decompressor = NULL;
    uint8_t frame[] = { 0x04, 0x22, 0x4d, 0x18, 0x40, 0x70, 0xdf, 0, 0, 0, 0 };
    ASSERT_ERROR(
            decompressor_open(COMPRESSION_LZ4, bytes_of(frame, sizeof frame), 0, &decompressor),
            -EINVAL);
}

TEST(levels_and_codecs_are_checked)
{
    struct strbuf out;
    struct decompressor *d = NULL;
    strbuf_init(&out, 100);
    ASSERT_ERROR(compress_bytes(COMPRESSION_GZIP, 10, BYTES_LITERAL("x"), &out), -EINVAL);
    ASSERT_ERROR(compress_bytes(COMPRESSION_ZSTD, 23, BYTES_LITERAL("x"), &out), -EINVAL);
    ASSERT_ERROR(compress_bytes((enum compression)5, 1, BYTES_LITERAL("x"), &out), -EOPNOTSUPP);
    ASSERT_ERROR(compress_bytes(COMPRESSION_NONE, 1, BYTES_LITERAL("x"), &out), -EOPNOTSUPP);
    ASSERT_ERROR(decompressor_open((enum compression)7, BYTES_LITERAL("x"), 0, &d), -EOPNOTSUPP);
    ASSERT_STRING(compression_name(COMPRESSION_LZ4), "lz4");
    ASSERT_STRING(compression_name(COMPRESSION_NONE), "none");
    ASSERT_STRING(compression_name((enum compression)6), "unknown");
    strbuf_done(&out);
    strbuf_init(&out, 10);
    ASSERT_ERROR(
            compress_bytes(COMPRESSION_GZIP, 1, BYTES_LITERAL("abcdefghijklmnop"), &out), -ENOBUFS);
    strbuf_done(&out);
}
