/* The bytes of docs/formats/wal.md. */
#include "base/crc.h"
#include "base/endian.h"
#include "unit/test.h"
#include "wal/format.h"

#include <errno.h>
#include <string.h>

static const struct uuid wal_id = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } };

static struct wal_frame
frame_sample(void)
{
    return (struct wal_frame){
        .wal_id = wal_id,
        .incarnation = 0x1112131415161718,
        .sequence = 0x2122232425262728,
        .position = 0x3132333435363738,
        .body_size = 0x51,
        .total_size = 0x61626,
        .body_offset = 0x7172,
        .body_crc = 0x81828384,
    };
}

/* From offset 8, as the table in the documentation has it. */
#define EXPECTED                                                                                   \
    "\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10"                                           \
    "\x11\x12\x13\x14\x15\x16\x17\x18"                                                             \
    "\x21\x22\x23\x24\x25\x26\x27\x28"                                                             \
    "\x31\x32\x33\x34\x35\x36\x37\x38"                                                             \
    "\0\0\0\0\0\0\0\x41"                                                                           \
    "\x91\x92\x93\x94"                                                                             \
    "\0\0\0\x51"                                                                                   \
    "\0\x06\x16\x26"                                                                               \
    "\0\0\x71\x72"                                                                                 \
    "\x81\x82\x83\x84"                                                                             \
    "\0\0\0\0"

TEST(a_frame_header_is_laid_out_as_documented)
{
    uint8_t header[WAL_FRAME_HEADER];
    struct wal_frame frame = frame_sample();
    wal_frame_encode(&frame, header);
    uint32_t crc = wal_frame_seal(header, 0x41, 0x91929394);
    ASSERT_BYTES(bytes_of(header, 4), BYTES_LITERAL("FWRC"));
    ASSERT_EQ(load_be32(header + 4), crc);
    ASSERT_EQ(crc, crc32c(bytes_of(header + 8, WAL_FRAME_HEADER - 8)));
    ASSERT_BYTES(bytes_of(header + 8, WAL_FRAME_HEADER - 8), BYTES_LITERAL(EXPECTED));
    struct wal_frame read;
    ASSERT(wal_frame_decode(header, &wal_id, &read));
    ASSERT_EQ(read.sequence, frame.sequence);
    ASSERT_EQ(read.position, frame.position);
    ASSERT_EQ(read.incarnation, frame.incarnation);
    ASSERT_EQ(read.durable_up_to, 0x41);
    ASSERT_EQ(read.previous_crc, 0x91929394);
    ASSERT_EQ(read.body_crc, frame.body_crc);
    struct uuid other = wal_id;
    other.bytes[3] ^= 1;
    ASSERT(!wal_frame_decode(header, &other, &read));
}

TEST(a_frame_with_any_flipped_header_bit_is_no_frame)
{
    uint8_t header[WAL_FRAME_HEADER];
    struct wal_frame frame = frame_sample();
    wal_frame_encode(&frame, header);
    wal_frame_seal(header, 5, 6);
    for (size_t bit = 0; bit < 8 * sizeof header; bit++) {
        header[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct wal_frame read;
        ASSERT(!wal_frame_decode(header, &wal_id, &read));
        header[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static bool
decodes(struct wal_frame frame, uint64_t durable_up_to)
{
    uint8_t header[WAL_FRAME_HEADER];
    struct wal_frame read;
    wal_frame_encode(&frame, header);
    wal_frame_seal(header, durable_up_to, 0);
    return wal_frame_decode(header, &wal_id, &read);
}

TEST(sizes_that_no_frame_can_have_are_refused_whatever_the_crc_says)
{
    struct wal_frame frame = frame_sample();
    ASSERT(decodes(frame, 1));
    ASSERT(!decodes(frame, frame.sequence));
    frame.body_size = (uint32_t)WAL_FRAME_BODY_MAX + 1;
    frame.total_size = frame.body_size;
    frame.body_offset = 0;
    ASSERT(!decodes(frame, 1));
    frame = frame_sample();
    frame.total_size = (uint32_t)WAL_RECORD_SIZE_MAX + 1;
    ASSERT(!decodes(frame, 1));
    frame = frame_sample();
    frame.body_offset = frame.total_size - frame.body_size + 1;
    ASSERT(!decodes(frame, 1));
    frame = frame_sample();
    frame.body_size = 0;
    ASSERT(!decodes(frame, 1));
    frame = frame_sample();
    frame.sequence = 0;
    ASSERT(!decodes(frame, 0));
    frame.sequence = UINT64_MAX;
    ASSERT(!decodes(frame, 0));
}

TEST(identity_segment_header_and_evidence_are_laid_out_as_documented)
{
    uint8_t block[WAL_BLOCK];
    struct wal_identity identity = {
        .wal_id = wal_id,
        .cluster_id = { { 0xc1 } },
        .broker_id = 0x01020304,
        .incarnation = 5,
        .segment_size = 65536,
    };
    wal_identity_encode(&identity, block);
    ASSERT_BYTES(bytes_of(block, 16), BYTES_LITERAL("FRSHWALI\0\0\0\1\0\0\0\0"));
    ASSERT_BYTES(bytes_of(block + 16, 16), bytes_of(wal_id.bytes, 16));
    ASSERT_EQ(block[32], 0xc1);
    ASSERT_EQ(load_be32(block + 48), 0x01020304);
    ASSERT_EQ(load_be64(block + 56), 5);
    ASSERT_EQ(load_be64(block + 64), 65536);
    ASSERT_EQ(load_be32(block + 4092), crc32c(bytes_of(block, 4092)));
    struct wal_segment_header header = {
        .wal_id = wal_id, .index = 7, .segment_size = 8, .incarnation = 9
    };
    wal_segment_header_encode(&header, block);
    ASSERT_BYTES(bytes_of(block, 8), BYTES_LITERAL("FRSHWALS"));
    ASSERT_EQ(load_be64(block + 32), 7);
    ASSERT_EQ(load_be64(block + 40), 8);
    ASSERT_EQ(load_be64(block + 48), 9);
    struct wal_evidence evidence = { wal_id, 1, 2, 3, 4, 5, 6, 7, 8, 1 };
    wal_evidence_encode(&evidence, block);
    ASSERT_BYTES(bytes_of(block, 8), BYTES_LITERAL("FRSHWALE"));
    for (uint64_t i = 0; i < 8; i++) {
        ASSERT_EQ(load_be64(block + 32 + 8 * i), i + 1);
    }
    ASSERT_EQ(load_be64(block + 96), 1);
    struct wal_evidence read;
    ASSERT_OK(wal_evidence_decode(block, "x", 0, &read));
    ASSERT(memcmp(&read, &evidence, sizeof read) == 0);
    ASSERT_ERROR(wal_identity_decode(block, "x", &identity), -EBADMSG);
}
