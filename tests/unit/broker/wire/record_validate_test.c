/* V5: what a broker refuses to append. */
#include "base/buf.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "unit/test.h"
#include "wire/record_batch.h"
#include "wire/record_builder.h"

#include <errno.h>

static const struct record_batch_limits client_limits = { .batch_size_max = MIB,
    .now_ms = 100000,
    .before_max_ms = INT64_MAX,
    .after_max_ms = 5000,
    .zstd_allowed = true,
    .from_client = true };

static struct buf *
build(enum compression compression, int count, size_t value_size, bool with_keys)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct record_builder b;
    struct buf *batch = NULL;
    uint8_t *value = mem_alloc(value_size + 1);
    options.compression = compression;
    record_builder_init(&b, &options, 64 * MIB);
    for (int i = 0; i < count; i++) {
        struct record record = {
            .offset = i, .timestamp = 100000 + (i == 1), .value = bytes_of(value, value_size)
        };
        record.key = with_keys ? BYTES_LITERAL("key") : BYTES_NULL;
        record_builder_append(&b, &record);
    }
    int r = record_builder_finish(&b, &batch);
    record_builder_done(&b);
    mem_free(value);
    return r == 0 ? batch : NULL;
}

static void
repair(struct buf *batch)
{
    store_be32(batch->data + 17, crc32c(bytes_of(batch->data + 21, batch->size - 21)));
}

static int
validate(const struct buf *batch, const struct record_batch_limits *limits)
{
    struct record_batch_info info;
    return record_batch_validate(buf_bytes(batch), limits, &info);
}

TEST(good_batches_of_all_codecs_are_accepted)
{
    for (enum compression c = COMPRESSION_NONE; c <= COMPRESSION_ZSTD; c++) {
        struct buf *batch = build(c, 200, 300, false);
        struct record_batch_info info;
        ASSERT_OK(record_batch_validate(buf_bytes(batch), &client_limits, &info));
        ASSERT_EQ(info.max_timestamp, 100001);
        ASSERT_EQ(info.max_timestamp_offset, 1);
        ASSERT_EQ(info.error_index, -1);
        ASSERT(info.decompressed_size > 60000);
        buf_unref(batch);
    }
}

/* V5 */
TEST(sizes_and_crc_are_checked_first)
{
    struct buf *batch = build(COMPRESSION_NONE, 3, 10, false);
    struct record_batch_info info;
    struct record_batch_limits small = client_limits;
    ASSERT_ERROR(
            record_batch_validate(bytes_of(batch->data, batch->size - 1), &client_limits, &info),
            -EBADMSG);
    ASSERT_ERROR(record_batch_validate(BYTES_NULL, &client_limits, &info), -EBADMSG);
    small.batch_size_max = batch->size - 1;
    ASSERT_ERROR(validate(batch, &small), -EMSGSIZE);
    batch->data[batch->size - 1] ^= 1;
    ASSERT_ERROR(validate(batch, &client_limits), -EBADMSG);
    ASSERT(strstr(fault_text(), "CRC-32C"));
    batch->data[16] = 1;
    ASSERT_ERROR(validate(batch, &client_limits), -EPROTONOSUPPORT);
    buf_unref(batch);
}

TEST(only_one_batch_may_be_produced_at_a_time)
{
    struct buf *batch = build(COMPRESSION_NONE, 1, 10, false);
    struct strbuf two;
    struct record_batch_info info;
    strbuf_init(&two, 1000);
    strbuf_append(&two, buf_bytes(batch));
    strbuf_append(&two, buf_bytes(batch));
    ASSERT_ERROR(record_batch_validate(strbuf_bytes(&two), &client_limits, &info), -EINVAL);
    strbuf_done(&two);
    buf_unref(batch);
}

TEST(header_fields_that_contradict_each_other_are_refused)
{
    static const struct {
        size_t at;
        uint32_t value;
        int error;
    } cases[] = {
        { 23, 3, -EINVAL },          /* last offset delta, one too far */
        { 23, UINT32_MAX, -EINVAL }, /* and negative */
        { 57, 2, -EINVAL },          /* record count */
        { 57, 0, -EINVAL },
        { 0, 1, -EINVAL }, /* base offset (its upper half) */
        { 23, 1u << 30, -EINVAL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf *batch = build(COMPRESSION_NONE, 3, 10, false);
        store_be32(batch->data + cases[i].at, cases[i].value);
        repair(batch);
        ASSERT_ERROR(validate(batch, &client_limits), cases[i].error);
        buf_unref(batch);
    }
}

TEST(a_client_may_not_write_control_batches_or_forge_the_append_time)
{
    struct buf *batch = build(COMPRESSION_NONE, 1, 10, false);
    struct record_batch_limits broker = client_limits;
    broker.from_client = false;
    store_be16(batch->data + 21, RECORD_BATCH_CONTROL);
    repair(batch);
    ASSERT_ERROR(validate(batch, &client_limits), -EINVAL);
    ASSERT_OK(validate(batch, &broker));
    store_be16(batch->data + 21, RECORD_BATCH_LOG_APPEND_TIME);
    repair(batch);
    ASSERT_ERROR(validate(batch, &client_limits), -ETIME);
    store_be16(batch->data + 21, RECORD_BATCH_TRANSACTIONAL);
    repair(batch);
    ASSERT_ERROR(validate(batch, &client_limits), -EINVAL);
    store_be16(batch->data + 21, 0);
    store_be64(batch->data + 43, 7); /* a producer id, but sequence -1 */
    repair(batch);
    ASSERT_ERROR(validate(batch, &client_limits), -EINVAL);
    buf_unref(batch);
}

TEST(codecs_are_checked)
{
    struct buf *batch = build(COMPRESSION_ZSTD, 2, 10, false);
    struct record_batch_limits old = client_limits;
    old.zstd_allowed = false;
    ASSERT_ERROR(validate(batch, &old), -EOPNOTSUPP);
    store_be16(batch->data + 21, 5);
    repair(batch);
    ASSERT_ERROR(validate(batch, &client_limits), -EOPNOTSUPP);
    /* The right header over the wrong bytes. */
    store_be16(batch->data + 21, COMPRESSION_GZIP);
    repair(batch);
    ASSERT_ERROR(validate(batch, &client_limits), -EBADMSG);
    buf_unref(batch);
}

/* V6 */
TEST(a_compressed_batch_may_not_unfold_too_far)
{
    struct buf *batch = build(COMPRESSION_GZIP, 4, 8 * MIB, false);
    struct record_batch_limits limits = client_limits;
    ASSERT(batch->size < 64 * KIB);
    ASSERT_ERROR(validate(batch, &limits), -E2BIG);
    buf_unref(batch);
    batch = build(COMPRESSION_GZIP, 4, MIB, false);
    ASSERT_OK(validate(batch, &limits));
    limits.decompressed_size_max = MIB;
    ASSERT_ERROR(validate(batch, &limits), -E2BIG);
    buf_unref(batch);
}

TEST(every_flipped_bit_of_a_record_is_noticed_or_harmless)
{
    struct buf *good = build(COMPRESSION_NONE, 3, 4, true);
    for (size_t at = RECORD_BATCH_HEADER_SIZE; at < good->size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            struct buf *batch = buf_of_bytes(buf_bytes(good));
            batch->data[at] ^= (uint8_t)(1 << bit);
            repair(batch);
            int r = validate(batch, &client_limits);
            ASSERT(r == 0 || r == -EINVAL || r == -ETIME);
            if (r == 0) {
                struct record_batch header;
                struct record_iterator it;
                struct record record;
                ASSERT_OK(record_batch_read(buf_bytes(batch), &header));
                record_iterator_init(&it, &header, header.records);
                for (int i = 0; i < 3; i++) {
                    ASSERT_EQ(record_iterator_next(&it, &record), 1);
                    ASSERT_EQ(record.offset, i);
                }
                ASSERT_EQ(record_iterator_next(&it, &record), 0);
            }
            buf_unref(batch);
        }
    }
    buf_unref(good);
}

TEST(keys_are_required_where_the_topic_is_compacted)
{
    struct record_batch_limits compacted = client_limits;
    struct record_batch_info info;
    compacted.key_required = true;
    for (enum compression c = COMPRESSION_NONE; c <= COMPRESSION_ZSTD; c++) {
        struct buf *batch = build(c, 2, 10, false);
        ASSERT_ERROR(record_batch_validate(buf_bytes(batch), &compacted, &info), -EINVAL);
        ASSERT_EQ(info.error_index, 0);
        buf_unref(batch);
        batch = build(c, 2, 10, true);
        ASSERT_OK(validate(batch, &compacted));
        buf_unref(batch);
    }
}

/* KIP-467: a producer drops the records at fault and sends the others again. */
TEST(all_records_at_fault_are_named)
{
    struct record_batch_limits limits = client_limits;
    struct record_batch_info info;
    int32_t indexes[8];
    struct record_rejects rejects = { .indexes = indexes, .max = ARRAY_SIZE(indexes) };
    limits.key_required = true;
    limits.rejects = &rejects;
    struct buf *batch = build(COMPRESSION_ZSTD, 8, 10, false);
    ASSERT_ERROR(record_batch_validate(buf_bytes(batch), &limits, &info), -EINVAL);
    ASSERT_EQ(info.error_index, -1);
    ASSERT_EQ(rejects.count, 8);
    ASSERT_EQ(indexes[0], 0);
    ASSERT_EQ(indexes[7], 7);
    /* One too many: the walk ends. */
    rejects = (struct record_rejects){ .indexes = indexes, .max = 5 };
    ASSERT_ERROR(record_batch_validate(buf_bytes(batch), &limits, &info), -EINVAL);
    ASSERT_EQ(rejects.count, 6);
    ASSERT_EQ(info.error_index, 5);
    buf_unref(batch);
    /* A timestamp outweighs a missing key. */
    rejects = (struct record_rejects){ .indexes = indexes, .max = ARRAY_SIZE(indexes) };
    batch = build(COMPRESSION_NONE, 2, 10, true);
    limits.now_ms = 95000;
    ASSERT_ERROR(record_batch_validate(buf_bytes(batch), &limits, &info), -ETIME);
    ASSERT_EQ(rejects.count, 1);
    ASSERT_EQ(indexes[0], 1);
    buf_unref(batch);
}

TEST(timestamps_have_limits_in_both_directions)
{
    struct buf *batch = build(COMPRESSION_LZ4, 2, 10, false);
    struct record_batch_limits limits = client_limits;
    struct record_batch_info info;
    limits.now_ms = 95001;
    ASSERT_OK(validate(batch, &limits));
    limits.now_ms = 95000;
    ASSERT_ERROR(record_batch_validate(buf_bytes(batch), &limits, &info), -ETIME);
    ASSERT_EQ(info.error_index, 1);
    limits.after_max_ms = INT64_MAX;
    limits.before_max_ms = 1000;
    limits.now_ms = 101000;
    ASSERT_OK(validate(batch, &limits));
    limits.now_ms = 101001;
    ASSERT_ERROR(validate(batch, &limits), -ETIME);
    limits.log_append_time = true;
    ASSERT_OK(validate(batch, &limits));
    buf_unref(batch);
}

TEST(a_wrong_max_timestamp_is_told_and_not_an_error)
{
    struct buf *batch = build(COMPRESSION_NONE, 2, 10, false);
    struct record_batch_info info;
    record_batch_set_max_timestamp(batch->data, batch->size, false, 99);
    ASSERT_OK(record_batch_validate(buf_bytes(batch), &client_limits, &info));
    ASSERT_EQ(info.batch.max_timestamp, 99);
    ASSERT_EQ(info.max_timestamp, 100001);
    buf_unref(batch);
}

TEST(records_can_be_skipped_when_they_were_validated_before)
{
    struct buf *batch = build(COMPRESSION_NONE, 2, 10, false);
    struct record_batch_limits limits = client_limits;
    limits.skip_records = true;
    batch->data[RECORD_BATCH_HEADER_SIZE] = 0;
    repair(batch);
    ASSERT_OK(validate(batch, &limits));
    limits.skip_records = false;
    ASSERT_ERROR(validate(batch, &limits), -EINVAL);
    buf_unref(batch);
}
