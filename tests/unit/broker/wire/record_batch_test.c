/* Batches: headers, patches, walking and building. */
#include "base/attr.h"
#include "base/buf.h"
#include "base/crc.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "unit/test.h"
#include "wire/record_batch.h"
#include "wire/record_builder.h"

#include <errno.h>

static struct record
record_of(int64_t offset, int64_t timestamp, struct bytes key, struct bytes value)
{
    return (struct record){ .offset = offset, .timestamp = timestamp, .key = key, .value = value };
}

/* Three records, the second with headers, the third a tombstone. */
static struct buf *
sample_batch(const struct record_batch_options *options)
{
    const struct record_header headers[2] = { { BYTES_LITERAL("trace"), BYTES_LITERAL("17") },
        { BYTES_LITERAL("empty"), BYTES_NULL } };
    struct strbuf encoded;
    struct record_builder b;
    struct buf *batch = NULL;
    struct record record;
    strbuf_init(&encoded, 1000);
    record_headers_append(&encoded, headers, 2);
    record_builder_init(&b, options, 10000);
    record = record_of(options->base_offset, 1000, BYTES_NULL, BYTES_LITERAL("first"));
    record_builder_append(&b, &record);
    record = record_of(options->base_offset + 1, 3000, BYTES_LITERAL("k"), BYTES_LITERAL("second"));
    record.headers = strbuf_bytes(&encoded);
    record.header_count = 2;
    record_builder_append(&b, &record);
    record = record_of(options->base_offset + 2, 2000, BYTES_LITERAL("k"), BYTES_NULL);
    record_builder_append(&b, &record);
    int r = record_builder_finish(&b, &batch);
    record_builder_done(&b);
    strbuf_done(&encoded);
    return r == 0 ? batch : NULL;
}

TEST(a_batch_is_read_in_place)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    options.base_offset = 500;
    options.producer_id = 9;
    options.producer_epoch = 2;
    options.base_sequence = INT32_MAX - 1;
    options.partition_leader_epoch = 3;
    options.transactional = true;
    struct buf *bytes = sample_batch(&options);
    struct record_batch batch;
    struct record record;
    struct record_iterator it;
    ASSERT_OK(record_batch_read(buf_bytes(bytes), &batch));
    ASSERT_OK(record_batch_check_crc(&batch));
    ASSERT_EQ(batch.base_offset, 500);
    ASSERT_EQ(record_batch_last_offset(&batch), 502);
    ASSERT_EQ(batch.producer_id, 9);
    ASSERT_EQ(batch.producer_epoch, 2);
    ASSERT_EQ(batch.partition_leader_epoch, 3);
    ASSERT_EQ(batch.record_count, 3);
    ASSERT_EQ(batch.base_timestamp, 1000);
    ASSERT_EQ(batch.max_timestamp, 3000);
    ASSERT(record_batch_is_transactional(&batch) && !record_batch_is_control(&batch));
    ASSERT_EQ(record_batch_size_at(buf_bytes(bytes)), bytes->size);
    record_iterator_init(&it, &batch, batch.records);
    ASSERT_EQ(record_iterator_next(&it, &record), 1);
    ASSERT(!record.key.data);
    ASSERT_BYTES(record.value, BYTES_LITERAL("first"));
    ASSERT_EQ(record.sequence, INT32_MAX - 1);
    ASSERT_EQ(record_iterator_next(&it, &record), 1);
    ASSERT_EQ(record.timestamp, 3000);
    struct record_header header;
    ASSERT_EQ(record.header_count, 2);
    ASSERT(record_header_next(&record.headers, &header));
    ASSERT_BYTES(header.key, BYTES_LITERAL("trace"));
    ASSERT_BYTES(header.value, BYTES_LITERAL("17"));
    ASSERT(record_header_next(&record.headers, &header));
    ASSERT(!header.value.data);
    ASSERT(!record_header_next(&record.headers, &header));
    ASSERT_EQ(record_iterator_next(&it, &record), 1);
    ASSERT(!record.value.data);
    ASSERT_EQ(record.offset, 502);
    ASSERT_EQ(record.sequence, 0); /* sequences wrap around */
    ASSERT_EQ(record_iterator_next(&it, &record), 0);
    buf_unref(bytes);
}

TEST(base_offset_and_leader_epoch_are_patched_outside_the_crc)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct buf *bytes = sample_batch(&options);
    struct record_batch batch;
    record_batch_set_base_offset(bytes->data, 123456789012);
    record_batch_set_leader_epoch(bytes->data, 44);
    ASSERT_OK(record_batch_read(buf_bytes(bytes), &batch));
    ASSERT_OK(record_batch_check_crc(&batch));
    ASSERT_EQ(batch.base_offset, 123456789012);
    ASSERT_EQ(batch.partition_leader_epoch, 44);
    record_batch_set_max_timestamp(bytes->data, bytes->size, true, 777);
    ASSERT_OK(record_batch_read(buf_bytes(bytes), &batch));
    ASSERT_OK(record_batch_check_crc(&batch));
    struct record_iterator it;
    struct record record;
    record_iterator_init(&it, &batch, batch.records);
    ASSERT_EQ(record_iterator_next(&it, &record), 1);
    ASSERT_EQ(record.timestamp, 777);
    buf_unref(bytes);
}

TEST(the_crc_of_all_bytes_follows_from_the_producers)
{
    const size_t sizes[] = { 1, 8000, 9000, 700000 };
    CLEANUP(mem_freep) char *value = mem_alloc(700000);
    memset(value, 'x', 700000);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
        struct record_builder b;
        struct buf *batch = NULL;
        record_builder_init(&b, &options, 800000);
        struct record record = record_of(0, 1000, BYTES_NULL, bytes_of(value, sizes[i]));
        record_builder_append(&b, &record);
        ASSERT_OK(record_builder_finish(&b, &batch));
        record_builder_done(&b);
        record_batch_set_base_offset(batch->data, 98765);
        record_batch_set_leader_epoch(batch->data, 4);
        ASSERT_EQ(record_batch_crc_of_all(buf_bytes(batch)), crc32c(buf_bytes(batch)));
        buf_unref(batch);
    }
}

TEST(a_run_of_batches_is_walked_one_by_one)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct buf *one = sample_batch(&options);
    options.base_offset = 3;
    struct buf *two = sample_batch(&options);
    struct strbuf log;
    struct record_batch batch;
    strbuf_init(&log, 10000);
    strbuf_append(&log, buf_bytes(one));
    strbuf_append(&log, buf_bytes(two));
    struct bytes run = strbuf_bytes(&log);
    ASSERT_EQ(record_batch_next(&run, &batch), 1);
    ASSERT_EQ(batch.base_offset, 0);
    ASSERT_EQ(record_batch_next(&run, &batch), 1);
    ASSERT_EQ(batch.base_offset, 3);
    ASSERT_EQ(record_batch_next(&run, &batch), 0);
    for (size_t size = 1; size < one->size; size++) {
        run = bytes_of(log.data, size);
        ASSERT_ERROR(record_batch_next(&run, &batch), -ENODATA);
    }
    strbuf_done(&log);
    buf_unref(one);
    buf_unref(two);
}

TEST(old_magics_have_their_own_error)
{
    uint8_t old[40] = { [11] = 28 };
    struct record_batch batch;
    for (uint8_t magic = 0; magic < 2; magic++) {
        old[16] = magic;
        ASSERT_ERROR(record_batch_read(bytes_of(old, sizeof old), &batch), -EPROTONOSUPPORT);
    }
    old[16] = 3;
    ASSERT_ERROR(record_batch_read(bytes_of(old, sizeof old), &batch), -EBADMSG);
    old[16] = 2;
    ASSERT_ERROR(record_batch_read(bytes_of(old, sizeof old), &batch), -EBADMSG);
}

TEST(a_broken_record_ends_the_walk)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct buf *bytes = sample_batch(&options);
    struct record_batch batch;
    struct record_iterator it;
    struct record record;
    bytes->data[RECORD_BATCH_HEADER_SIZE] += 2; /* one byte longer */
    ASSERT_OK(record_batch_read(buf_bytes(bytes), &batch));
    record_iterator_init(&it, &batch, batch.records);
    ASSERT_ERROR(record_iterator_next(&it, &record), -EBADMSG);
    ASSERT_ERROR(record_batch_check_crc(&batch), -EBADMSG);
    buf_unref(bytes);
}

TEST(compaction_keeps_offsets_and_may_leave_nothing)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct record_builder b;
    struct buf *bytes = NULL;
    struct record_batch batch;
    struct record_iterator it;
    struct record record = record_of(107, 50, BYTES_LITERAL("k"), BYTES_LITERAL("v"));
    options.base_offset = 100;
    record_builder_init(&b, &options, 1000);
    record_builder_append(&b, &record);
    record_builder_set_last_offset(&b, 120);
    ASSERT_OK(record_builder_finish(&b, &bytes));
    record_builder_done(&b);
    ASSERT_OK(record_batch_read(buf_bytes(bytes), &batch));
    ASSERT_EQ(record_batch_last_offset(&batch), 120);
    record_iterator_init(&it, &batch, batch.records);
    ASSERT_EQ(record_iterator_next(&it, &record), 1);
    ASSERT_EQ(record.offset, 107);
    buf_unref(bytes);
    record_builder_init(&b, &options, 1000);
    record_builder_set_last_offset(&b, 120);
    ASSERT_OK(record_builder_finish(&b, &bytes));
    record_builder_done(&b);
    ASSERT_OK(record_batch_read(buf_bytes(bytes), &batch));
    ASSERT_EQ(batch.record_count, 0);
    ASSERT_EQ(bytes->size, RECORD_BATCH_HEADER_SIZE);
    buf_unref(bytes);
}

TEST(the_builder_tells_its_errors_at_the_end)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct record_builder b;
    struct buf *bytes = NULL;
    struct record record = record_of(5, 0, BYTES_NULL, BYTES_LITERAL("0123456789"));
    record_builder_init(&b, &options, 1000);
    record_builder_append(&b, &record);
    record_builder_append(&b, &record);
    ASSERT_ERROR(record_builder_finish(&b, &bytes), -EINVAL);
    record_builder_done(&b);
    record_builder_init(&b, &options, 1000);
    record.offset = (int64_t)INT32_MAX + 1;
    record_builder_append(&b, &record);
    ASSERT_ERROR(record_builder_finish(&b, &bytes), -EINVAL);
    record_builder_done(&b);
    record_builder_init(&b, &options, 40);
    for (record.offset = 0; record.offset < 3; record.offset++) {
        record_builder_append(&b, &record);
    }
    ASSERT_ERROR(record_builder_finish(&b, &bytes), -ENOBUFS);
    record_builder_done(&b);
    ASSERT(!bytes);
}

TEST(a_transaction_marker_says_commit_or_abort_and_the_coordinators_epoch)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    options.base_offset = 77;
    options.producer_id = 5;
    options.producer_epoch = 1;
    for (int commit = 0; commit < 2; commit++) {
        struct buf *bytes = record_batch_new_end_txn(&options, commit, 13, 999);
        struct record_batch batch;
        struct record_iterator it;
        struct record record;
        int32_t epoch = 0;
        ASSERT_OK(record_batch_read(buf_bytes(bytes), &batch));
        ASSERT_OK(record_batch_check_crc(&batch));
        ASSERT(record_batch_is_control(&batch) && record_batch_is_transactional(&batch));
        record_iterator_init(&it, &batch, batch.records);
        ASSERT_EQ(record_iterator_next(&it, &record), 1);
        ASSERT_EQ(record_control_type(&record), commit ? CONTROL_COMMIT : CONTROL_ABORT);
        ASSERT_OK(record_end_txn_read(&record, &epoch));
        ASSERT_EQ(epoch, 13);
        record.key.size = 3;
        record.value.size = 5;
        ASSERT_ERROR(record_control_type(&record), -EBADMSG);
        ASSERT_ERROR(record_end_txn_read(&record, &epoch), -EBADMSG);
        buf_unref(bytes);
    }
}
