#pragma once
/* What partition/ puts into a WAL record: one produce request's batches for one partition, with the
 * place they were given. Format: docs/formats/wal.md, "Payload". Big-endian: u8 version (1), u8
 * kind (1 = batches), u16 zero, topic id 16, i32 partition, i32 leader epoch, i64 base offset, i64
 * end offset (one past the last), i64 greatest timestamp, then the record batches. */

#include "base/attr.h"
#include "base/bytes.h"
#include "store/range.h"

#define WAL_PAYLOAD_HEADER_SIZE 52

struct wal_payload {
    struct partition_key key;
    int32_t leader_epoch;
    int64_t base_offset;
    int64_t end_offset;
    int64_t timestamp_max;
    struct bytes batches;
};

/* For wal_append_known: 1 to 65535. */
uint16_t wal_payload_tag(struct partition_key key);
void wal_payload_encode(const struct wal_payload *payload, uint8_t out[WAL_PAYLOAD_HEADER_SIZE]);
/* Borrows from `bytes`. -EBADMSG: not ours, or offsets that cannot be. */
MUST_CHECK int wal_payload_decode(struct bytes bytes, struct wal_payload *ret_payload);
