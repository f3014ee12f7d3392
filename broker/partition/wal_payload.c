/* The header in front of each batch run in the WAL. */
#include "partition/wal_payload.h"

#include "base/endian.h"
#include "base/fault.h"

#include <errno.h>

#define PAYLOAD_VERSION 1
#define PAYLOAD_BATCHES 1

uint16_t
wal_payload_tag(struct partition_key key)
{
    uint64_t hash = hash_u64(uuid_hash(&key.topic_id) ^ (uint64_t)(uint32_t)key.index);
    return (uint16_t)(1 + (hash >> 32) % 65535);
}

void
wal_payload_encode(const struct wal_payload *payload, uint8_t out[WAL_PAYLOAD_HEADER_SIZE])
{
    out[0] = PAYLOAD_VERSION;
    out[1] = PAYLOAD_BATCHES;
    store_be16(out + 2, 0);
    memcpy(out + 4, payload->key.topic_id.bytes, 16);
    store_be32(out + 20, (uint32_t)payload->key.index);
    store_be32(out + 24, (uint32_t)payload->leader_epoch);
    store_be64(out + 28, (uint64_t)payload->base_offset);
    store_be64(out + 36, (uint64_t)payload->end_offset);
    store_be64(out + 44, (uint64_t)payload->timestamp_max);
}

int
wal_payload_decode(struct bytes bytes, struct wal_payload *ret_payload)
{
    const uint8_t *p = bytes.data;
    if (bytes.size < WAL_PAYLOAD_HEADER_SIZE) {
        return fault(-EBADMSG, "wal payload of %zu bytes is too short", bytes.size);
    }
    if (p[0] != PAYLOAD_VERSION || p[1] != PAYLOAD_BATCHES) {
        return fault(-EBADMSG, "wal payload version %d kind %d is not known", p[0], p[1]);
    }
    struct wal_payload payload = {
        .key.index = (int32_t)load_be32(p + 20),
        .leader_epoch = (int32_t)load_be32(p + 24),
        .base_offset = (int64_t)load_be64(p + 28),
        .end_offset = (int64_t)load_be64(p + 36),
        .timestamp_max = (int64_t)load_be64(p + 44),
        .batches = bytes_of(p + WAL_PAYLOAD_HEADER_SIZE, bytes.size - WAL_PAYLOAD_HEADER_SIZE),
    };
    memcpy(payload.key.topic_id.bytes, p + 4, 16);
    if (payload.base_offset < 0 || payload.end_offset <= payload.base_offset ||
            payload.key.index < 0) {
        return fault(-EBADMSG, "wal payload of partition %d has offsets %lld to %lld",
                payload.key.index, (long long)payload.base_offset, (long long)payload.end_offset);
    }
    *ret_payload = payload;
    return 0;
}
