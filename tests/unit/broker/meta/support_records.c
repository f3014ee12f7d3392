/* See support_records.h. */
#include "support_records.h"

#include "base/check.h"
#include "base/endian.h"

#include <stdio.h>

struct uuid
test_uuid(uint32_t n)
{
    struct uuid uuid = UUID_ZERO;
    uuid.bytes[0] = 0x77;
    store_be32(uuid.bytes + 12, n);
    return uuid;
}

struct partition_key
test_key(uint32_t topic, int32_t index)
{
    return (struct partition_key){ test_uuid(topic), index };
}

struct meta_result
test_apply(struct meta_state *state, const struct meta_record *record)
{
    return meta_state_apply(state, record, meta_state_sequence(state) + 1);
}

struct meta_state *
test_state(int64_t *ret_epoch)
{
    struct meta_state *state = meta_state_new();
    struct meta_record cluster = { .type = META_CLUSTER,
        .cluster = { test_uuid(900), META_FORMAT_VERSION } };
    struct meta_record broker = test_broker(1, 1);
    CHECK(test_apply(state, &cluster).error == 0);
    struct meta_result result = test_apply(state, &broker);
    CHECK(result.error == 0);
    *ret_epoch = result.epoch;
    return state;
}

const struct meta_endpoint test_endpoints[2] = {
    { { (const uint8_t *)"PLAINTEXT", 9 }, { (const uint8_t *)"localhost", 9 }, 9092 },
    { { (const uint8_t *)"EXTERNAL", 8 }, { (const uint8_t *)"broker.example", 14 }, 31092 },
};

struct meta_record
test_broker(int32_t id, uint32_t incarnation)
{
    return (struct meta_record){ .type = META_BROKER,
        .broker = { .broker_id = id,
                .incarnation = test_uuid(1000 + incarnation),
                .endpoints = test_endpoints,
                .endpoint_count = ARRAY_SIZE(test_endpoints),
                .admin_host = BYTES_LITERAL("127.0.0.1"),
                .admin_port = 9644 } };
}

struct meta_record
test_bucket_broker(int32_t id, uint32_t incarnation)
{
    struct meta_record record = test_broker(id, incarnation);
    record.broker.wal_logs = 2;
    return record;
}

struct meta_record
test_topic(uint32_t n, int32_t partitions)
{
    static const int32_t owners[64] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    static char names[256][24];
    CHECK(n < 256 && partitions <= 16);
    snprintf(names[n], sizeof names[n], "topic-%u", n);
    return (struct meta_record){ .type = META_TOPIC,
        .topic = { .name = bytes_of_string(names[n]),
                .topic_id = test_uuid(n),
                .partition_count = partitions,
                .owners = owners } };
}

struct meta_record
test_open(uint32_t topic, int32_t index, int32_t broker_id, int64_t broker_epoch)
{
    return (struct meta_record){ .type = META_OPEN,
        .open = { test_key(topic, index), broker_id, broker_epoch } };
}

struct meta_record
test_intent(int32_t broker_id, int64_t broker_epoch, int32_t count)
{
    return (struct meta_record){ .type = META_INTENT,
        .intent = { broker_id, broker_epoch, count } };
}

struct meta_commit_range
test_range(uint32_t topic, int32_t index, uint64_t object_id, int64_t base, int64_t end,
        int32_t leader_epoch)
{
    return (struct meta_commit_range){ test_key(topic, index),
        { .object_id = object_id,
                .base_offset = base,
                .end_offset = end,
                .timestamp_max = 1700000000000 + end,
                .position = 4096,
                .size = 1000,
                .index_position = 9000,
                .block_count = 1,
                .checkpoint_size = 64,
                .checkpoint_position = 8000,
                .leader_epoch = leader_epoch } };
}

struct meta_record
test_commit(int32_t broker_id, int64_t broker_epoch, uint64_t object_id,
        const struct meta_commit_range *ranges, int32_t count)
{
    return (struct meta_record){ .type = META_COMMIT,
        .commit = { .broker_id = broker_id,
                .broker_epoch = broker_epoch,
                .object_id = object_id,
                .object_size = 10000,
                .ranges = ranges,
                .range_count = count } };
}

struct strbuf
test_bytes(const struct meta_state *state)
{
    struct strbuf bytes;
    strbuf_init(&bytes, META_SNAPSHOT_SIZE_MAX);
    CHECK(meta_state_encode(state, &bytes) == 0);
    return bytes;
}

bool
test_states_equal(const struct meta_state *a, const struct meta_state *b)
{
    struct strbuf left = test_bytes(a);
    struct strbuf right = test_bytes(b);
    bool equal = bytes_equal(strbuf_bytes(&left), strbuf_bytes(&right));
    strbuf_done(&left);
    strbuf_done(&right);
    return equal;
}
