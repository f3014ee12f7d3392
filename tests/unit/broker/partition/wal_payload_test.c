/* The header in front of the batches in a WAL record. */
#include "partition/wal_payload.h"
#include "unit/test.h"

#include <errno.h>

TEST(a_payload_comes_back_as_it_was)
{
    uint8_t bytes[WAL_PAYLOAD_HEADER_SIZE + 3] = { 0 };
    struct wal_payload payload = { .key = { { { 1, 2, 3 } }, 4 },
        .leader_epoch = 5,
        .base_offset = 6,
        .end_offset = 9,
        .timestamp_max = -1 };
    struct wal_payload back;
    wal_payload_encode(&payload, bytes);
    memcpy(bytes + WAL_PAYLOAD_HEADER_SIZE, "abc", 3);
    ASSERT_OK(wal_payload_decode(bytes_of(bytes, sizeof bytes), &back));
    ASSERT(uuid_equal(&back.key.topic_id, &payload.key.topic_id));
    ASSERT_EQ(back.key.index, 4);
    ASSERT_EQ(back.leader_epoch, 5);
    ASSERT_EQ(back.base_offset, 6);
    ASSERT_EQ(back.end_offset, 9);
    ASSERT_EQ(back.timestamp_max, -1);
    ASSERT_BYTES(back.batches, BYTES_LITERAL("abc"));
}

TEST(what_cannot_be_a_payload_is_refused)
{
    uint8_t bytes[WAL_PAYLOAD_HEADER_SIZE];
    struct wal_payload payload = { .base_offset = 6, .end_offset = 7 };
    struct wal_payload back;
    wal_payload_encode(&payload, bytes);
    for (size_t size = 0; size < sizeof bytes; size++) {
        ASSERT_ERROR(wal_payload_decode(bytes_of(bytes, size), &back), -EBADMSG);
    }
    bytes[0] = 2;
    ASSERT_ERROR(wal_payload_decode(bytes_of(bytes, sizeof bytes), &back), -EBADMSG);
    payload.end_offset = 6;
    wal_payload_encode(&payload, bytes);
    ASSERT_ERROR(wal_payload_decode(bytes_of(bytes, sizeof bytes), &back), -EBADMSG);
}
