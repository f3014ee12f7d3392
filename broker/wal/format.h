#pragma once
/* The bytes of a WAL: encoding and checking of its blocks and frames. Pure: no disk, no state.
 * Entered from the other files of this room and from tests. Format: docs/formats/wal.md. */

#include "base/attr.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/uuid.h"

#define WAL_BLOCK 4096u
#define WAL_FORMAT_VERSION 1u
#define WAL_SEGMENT_SIZE_MIN (4 * (uint64_t)WAL_BLOCK)

#define WAL_BLOCK_CRC_OFFSET (WAL_BLOCK - 4)
#define WAL_BLOCK_VERSION_OFFSET 8

#define WAL_EVIDENCE_PAIRS 4u
#define WAL_EVIDENCE_PAIR_SIZE (2 * WAL_BLOCK)
#define WAL_EVIDENCE_SIZE (WAL_EVIDENCE_PAIRS * WAL_EVIDENCE_PAIR_SIZE)

#define WAL_FRAME_MAGIC 0x46575243u /* "FWRC" */
#define WAL_FRAME_HEADER 80u
#define WAL_FRAME_ALIGNMENT 8u
#define WAL_FRAME_BODY_MAX (4 * MIB)
#define WAL_SEQUENCE_MAX ((uint64_t)1 << 62)

struct wal_identity {
    struct uuid wal_id;
    struct uuid cluster_id;
    int32_t broker_id;
    uint64_t incarnation;
    uint64_t segment_size;
};

struct wal_segment_header {
    struct uuid wal_id;
    uint64_t index;
    uint64_t segment_size;
    uint64_t incarnation;
};

enum wal_evidence_flags { WAL_EVIDENCE_CLEAN = 1 };

struct wal_evidence {
    struct uuid wal_id;
    uint64_t counter;
    uint64_t claimed_incarnation;
    uint64_t log_incarnation;
    uint64_t first_segment;
    uint64_t last_segment;
    uint64_t trimmed;
    uint64_t durable;
    uint64_t cut;
    uint64_t flags;
};

struct wal_frame {
    uint32_t header_crc;
    struct uuid wal_id;
    uint64_t incarnation;
    uint64_t sequence;
    uint64_t position;
    uint64_t durable_up_to;
    uint32_t previous_crc;
    uint32_t body_size;
    uint32_t total_size;
    uint32_t body_offset;
    uint32_t body_crc;
    uint16_t tag;          /* wal_append_known */
    uint16_t previous_tag; /* of the record with the sequence before */
};

/* Each fills one block of WAL_BLOCK bytes, CRC included. */
void wal_identity_encode(const struct wal_identity *identity, uint8_t *block);
void wal_segment_header_encode(const struct wal_segment_header *header, uint8_t *block);
void wal_evidence_encode(const struct wal_evidence *evidence, uint8_t *block);

/* Each reads one block. -EBADMSG: magic or CRC; -EPROTONOSUPPORT: another version. The fault names
 * `path`. */
MUST_CHECK int wal_identity_decode(
        const uint8_t *block, const char *path, struct wal_identity *ret_identity);
MUST_CHECK int wal_segment_header_decode(
        const uint8_t *block, const char *path, struct wal_segment_header *ret_header);
/* `position`: of the block in the file, for the fault. */
MUST_CHECK int wal_evidence_decode(const uint8_t *block, const char *path, uint64_t position,
        struct wal_evidence *ret_evidence);
/* The CRC that the first frame of an incarnation is chained to. */
uint32_t wal_block_crc(const uint8_t *block);

/* Writes everything but what is known only when the group goes to the disk. */
void wal_frame_encode(const struct wal_frame *frame, uint8_t *header);
/* Adds what was left out, and the header CRC, which is returned. */
uint32_t wal_frame_seal(uint8_t *header, uint64_t durable_up_to, uint32_t previous_crc);
/* True when `header` (WAL_FRAME_HEADER bytes) is a frame of that WAL with sane sizes. Looks neither
 * at the position nor at the body. */
bool wal_frame_decode(
        const uint8_t *header, const struct uuid *wal_id, struct wal_frame *ret_frame);
/* Bytes that a frame with that body takes. */
uint64_t wal_frame_size(uint64_t body_size);

static inline uint64_t
wal_round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}
