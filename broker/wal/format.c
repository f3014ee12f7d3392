/* Encoding and checking of the blocks and frames of a WAL (docs/formats/wal.md). */
#include "wal/format.h"

#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define BLOCK_MAGIC_SIZE 8
#define BLOCK_UUID_OFFSET 16

static void
block_begin(uint8_t *block, const char *magic, const struct uuid *wal_id)
{
    memset(block, 0, WAL_BLOCK);
    memcpy(block, magic, BLOCK_MAGIC_SIZE);
    store_be32(block + WAL_BLOCK_VERSION_OFFSET, WAL_FORMAT_VERSION);
    memcpy(block + BLOCK_UUID_OFFSET, wal_id->bytes, sizeof wal_id->bytes);
}

static void
block_end(uint8_t *block)
{
    store_be32(block + WAL_BLOCK_CRC_OFFSET, crc32c(bytes_of(block, WAL_BLOCK_CRC_OFFSET)));
}

MUST_CHECK static int
block_check(const uint8_t *block, const char *magic, const char *path, uint64_t position)
{
    if (memcmp(block, magic, BLOCK_MAGIC_SIZE) != 0) {
        return fault(-EBADMSG, "wal: %s at %" PRIu64 ": damaged: the magic is not %s", path,
                position, magic);
    }
    uint32_t crc = crc32c(bytes_of(block, WAL_BLOCK_CRC_OFFSET));
    uint32_t stored = load_be32(block + WAL_BLOCK_CRC_OFFSET);
    if (crc != stored) {
        return fault(-EBADMSG, "wal: %s at %" PRIu64 ": damaged: CRC is %08x, not %08x", path,
                position, crc, stored);
    }
    uint32_t version = load_be32(block + WAL_BLOCK_VERSION_OFFSET);
    if (version != WAL_FORMAT_VERSION) {
        return fault(-EPROTONOSUPPORT,
                "wal: %s at %" PRIu64 ": format version %u; this program knows %u", path, position,
                version, WAL_FORMAT_VERSION);
    }
    return 0;
}

static struct uuid
uuid_load(const uint8_t *from)
{
    struct uuid uuid;
    memcpy(uuid.bytes, from, sizeof uuid.bytes);
    return uuid;
}

uint32_t
wal_block_crc(const uint8_t *block)
{
    return load_be32(block + WAL_BLOCK_CRC_OFFSET);
}

void
wal_identity_encode(const struct wal_identity *identity, uint8_t *block)
{
    block_begin(block, "FRSHWALI", &identity->wal_id);
    memcpy(block + 32, identity->cluster_id.bytes, sizeof identity->cluster_id.bytes);
    store_be32(block + 48, (uint32_t)identity->broker_id);
    store_be64(block + 56, identity->incarnation);
    store_be64(block + 64, identity->segment_size);
    block_end(block);
}

int
wal_identity_decode(const uint8_t *block, const char *path, struct wal_identity *ret_identity)
{
    int r = block_check(block, "FRSHWALI", path, 0);
    if (r < 0) {
        return r;
    }
    uint64_t segment_size = load_be64(block + 64);
    if (segment_size < WAL_SEGMENT_SIZE_MIN || segment_size % WAL_BLOCK != 0 ||
            segment_size > (uint64_t)1 << 40) {
        return fault(-EBADMSG, "wal: %s at 64: damaged: segment size %" PRIu64, path, segment_size);
    }
    *ret_identity = (struct wal_identity){
        .wal_id = uuid_load(block + BLOCK_UUID_OFFSET),
        .cluster_id = uuid_load(block + 32),
        .broker_id = (int32_t)load_be32(block + 48),
        .incarnation = load_be64(block + 56),
        .segment_size = segment_size,
    };
    return 0;
}

void
wal_segment_header_encode(const struct wal_segment_header *header, uint8_t *block)
{
    block_begin(block, "FRSHWALS", &header->wal_id);
    store_be64(block + 32, header->index);
    store_be64(block + 40, header->segment_size);
    store_be64(block + 48, header->incarnation);
    block_end(block);
}

int
wal_segment_header_decode(
        const uint8_t *block, const char *path, struct wal_segment_header *ret_header)
{
    int r = block_check(block, "FRSHWALS", path, 0);
    if (r < 0) {
        return r;
    }
    *ret_header = (struct wal_segment_header){
        .wal_id = uuid_load(block + BLOCK_UUID_OFFSET),
        .index = load_be64(block + 32),
        .segment_size = load_be64(block + 40),
        .incarnation = load_be64(block + 48),
    };
    return 0;
}

void
wal_evidence_encode(const struct wal_evidence *evidence, uint8_t *block)
{
    block_begin(block, "FRSHWALE", &evidence->wal_id);
    store_be64(block + 32, evidence->counter);
    store_be64(block + 40, evidence->claimed_incarnation);
    store_be64(block + 48, evidence->log_incarnation);
    store_be64(block + 56, evidence->first_segment);
    store_be64(block + 64, evidence->last_segment);
    store_be64(block + 72, evidence->trimmed);
    store_be64(block + 80, evidence->durable);
    store_be64(block + 88, evidence->cut);
    store_be64(block + 96, evidence->flags);
    block_end(block);
}

int
wal_evidence_decode(const uint8_t *block, const char *path, uint64_t position,
        struct wal_evidence *ret_evidence)
{
    int r = block_check(block, "FRSHWALE", path, position);
    if (r < 0) {
        return r;
    }
    *ret_evidence = (struct wal_evidence){
        .wal_id = uuid_load(block + BLOCK_UUID_OFFSET),
        .counter = load_be64(block + 32),
        .claimed_incarnation = load_be64(block + 40),
        .log_incarnation = load_be64(block + 48),
        .first_segment = load_be64(block + 56),
        .last_segment = load_be64(block + 64),
        .trimmed = load_be64(block + 72),
        .durable = load_be64(block + 80),
        .cut = load_be64(block + 88),
        .flags = load_be64(block + 96),
    };
    return 0;
}

void
wal_frame_encode(const struct wal_frame *frame, uint8_t *header)
{
    store_be32(header, WAL_FRAME_MAGIC);
    store_be32(header + 4, 0);
    memcpy(header + 8, frame->wal_id.bytes, sizeof frame->wal_id.bytes);
    store_be64(header + 24, frame->incarnation);
    store_be64(header + 32, frame->sequence);
    store_be64(header + 40, frame->position);
    store_be64(header + 48, 0);
    store_be32(header + 56, 0);
    store_be32(header + 60, frame->body_size);
    store_be32(header + 64, frame->total_size);
    store_be32(header + 68, frame->body_offset);
    store_be32(header + 72, frame->body_crc);
    store_be16(header + 76, frame->tag);
    store_be16(header + 78, frame->previous_tag);
}

uint32_t
wal_frame_seal(uint8_t *header, uint64_t durable_up_to, uint32_t previous_crc)
{
    store_be64(header + 48, durable_up_to);
    store_be32(header + 56, previous_crc);
    uint32_t crc = crc32c(bytes_of(header + 8, WAL_FRAME_HEADER - 8));
    store_be32(header + 4, crc);
    return crc;
}

bool
wal_frame_decode(const uint8_t *header, const struct uuid *wal_id, struct wal_frame *ret_frame)
{
    if (load_be32(header) != WAL_FRAME_MAGIC) {
        return false;
    }
    uint32_t crc = load_be32(header + 4);
    if (crc32c(bytes_of(header + 8, WAL_FRAME_HEADER - 8)) != crc) {
        return false;
    }
    struct wal_frame frame = {
        .header_crc = crc,
        .wal_id = uuid_load(header + 8),
        .incarnation = load_be64(header + 24),
        .sequence = load_be64(header + 32),
        .position = load_be64(header + 40),
        .durable_up_to = load_be64(header + 48),
        .previous_crc = load_be32(header + 56),
        .body_size = load_be32(header + 60),
        .total_size = load_be32(header + 64),
        .body_offset = load_be32(header + 68),
        .body_crc = load_be32(header + 72),
        .tag = load_be16(header + 76),
        .previous_tag = load_be16(header + 78),
    };
    bool sane = frame.durable_up_to < frame.sequence && frame.sequence <= WAL_SEQUENCE_MAX &&
                frame.body_size <= WAL_FRAME_BODY_MAX && frame.total_size <= WAL_RECORD_SIZE_MAX &&
                (uint64_t)frame.body_offset + frame.body_size <= frame.total_size &&
                (frame.body_size > 0 || frame.total_size == 0);
    if (!sane || !uuid_equal(&frame.wal_id, wal_id)) {
        return false;
    }
    *ret_frame = frame;
    return true;
}

uint64_t
wal_frame_size(uint64_t body_size)
{
    return wal_round_up(WAL_FRAME_HEADER + body_size, WAL_FRAME_ALIGNMENT);
}
