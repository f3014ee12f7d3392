/* Encoding of records and of the header in front of them. */
#include "wire/record_builder.h"

#include "base/buf.h"
#include "base/check.h"
#include "base/crc.h"
#include "base/fault.h"

#include <errno.h>

#define END_TXN_BATCH_SIZE_MAX ((size_t)256)

void
record_builder_init(
        struct record_builder *b, const struct record_batch_options *options, size_t size_max)
{
    *b = (struct record_builder){ .options = *options };
    b->last_offset = options->base_offset - (options->base_offset > INT64_MIN);
    b->max_timestamp = -1;
    strbuf_init(&b->records, size_max);
}

void
record_builder_done(struct record_builder *b)
{
    strbuf_done(&b->records);
}

size_t
record_builder_size(const struct record_builder *b)
{
    return b->records.size;
}

static size_t
zigzag(int64_t value, uint8_t out[10])
{
    uint64_t raw = ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0);
    size_t n = 0;
    while (raw >= 0x80) {
        out[n++] = (uint8_t)(raw | 0x80);
        raw >>= 7;
    }
    out[n++] = (uint8_t)raw;
    return n;
}

static size_t
zigzag_size(int64_t value)
{
    uint8_t out[10];
    return zigzag(value, out);
}

static void
append_zigzag(struct strbuf *out, int64_t value)
{
    uint8_t groups[10];
    strbuf_append(out, bytes_of(groups, zigzag(value, groups)));
}

static int64_t
nullable_length(struct bytes bytes)
{
    return bytes.data ? (int64_t)bytes.size : -1;
}

static size_t
nullable_size(struct bytes bytes)
{
    return zigzag_size(nullable_length(bytes)) + bytes.size;
}

static void
append_nullable(struct strbuf *out, struct bytes bytes)
{
    append_zigzag(out, nullable_length(bytes));
    strbuf_append(out, bytes);
}

static void
builder_fail(struct record_builder *b, int error, const char *what, int64_t offset)
{
    if (!b->error) {
        b->error = fault(error, "wire: a record at offset %lld: %s (batch at %lld)",
                (long long)offset, what, (long long)b->options.base_offset);
    }
}

void
record_builder_append(struct record_builder *b, const struct record *record)
{
    struct strbuf *out = &b->records;
    if (record->offset <= b->last_offset) {
        builder_fail(b, -EINVAL, "not behind the one before", record->offset);
        return;
    }
    uint64_t offset_delta = (uint64_t)record->offset - (uint64_t)b->options.base_offset;
    if (offset_delta > INT32_MAX) {
        builder_fail(b, -EINVAL, "too far from the base offset", record->offset);
        return;
    }
    if (b->count == 0 && !b->options.has_base_timestamp) {
        b->options.base_timestamp = record->timestamp;
        b->options.has_base_timestamp = true;
    }
    int64_t timestamp_delta =
            (int64_t)((uint64_t)record->timestamp - (uint64_t)b->options.base_timestamp);
    size_t size = 1 + zigzag_size(timestamp_delta) + zigzag_size((int64_t)offset_delta) +
                  nullable_size(record->key) + nullable_size(record->value) +
                  zigzag_size(record->header_count) + record->headers.size;
    append_zigzag(out, (int64_t)size);
    strbuf_append_char(out, 0); /* attributes: none are defined */
    append_zigzag(out, timestamp_delta);
    append_zigzag(out, (int64_t)offset_delta);
    append_nullable(out, record->key);
    append_nullable(out, record->value);
    append_zigzag(out, record->header_count);
    strbuf_append(out, record->headers);
    b->count++;
    b->last_offset = record->offset;
    b->max_timestamp = MAX(b->max_timestamp, record->timestamp);
}

void
record_builder_set_last_offset(struct record_builder *b, int64_t last_offset)
{
    uint64_t delta = (uint64_t)last_offset - (uint64_t)b->options.base_offset;
    if (last_offset < b->last_offset ||
            (last_offset >= b->options.base_offset && delta > INT32_MAX)) {
        builder_fail(b, -EINVAL, "not a last offset", last_offset);
        return;
    }
    b->last_offset = last_offset;
}

void
record_headers_append(struct strbuf *out, const struct record_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        append_zigzag(out, (int64_t)headers[i].key.size);
        strbuf_append(out, headers[i].key);
        append_nullable(out, headers[i].value);
    }
}

static uint16_t
builder_attributes(const struct record_batch_options *options)
{
    unsigned bits = (unsigned)options->compression;
    bits |= options->log_append_time ? RECORD_BATCH_LOG_APPEND_TIME : 0u;
    bits |= options->transactional ? RECORD_BATCH_TRANSACTIONAL : 0u;
    bits |= options->control ? RECORD_BATCH_CONTROL : 0u;
    bits |= options->delete_horizon ? RECORD_BATCH_DELETE_HORIZON : 0u;
    return (uint16_t)bits;
}

static void
encode_batch_header(const struct record_builder *b, uint8_t *p, size_t size)
{
    const struct record_batch_options *options = &b->options;
    bool empty = b->count == 0 && !options->has_base_timestamp;
    store_be64(p, (uint64_t)options->base_offset);
    store_be32(p + RECORD_BATCH_LENGTH_OFFSET, (uint32_t)(size - RECORD_BATCH_LENGTH_OVERHEAD));
    store_be32(p + 12, (uint32_t)options->partition_leader_epoch);
    p[16] = RECORD_BATCH_MAGIC;
    store_be16(p + 21, builder_attributes(options));
    store_be32(p + 23, (uint32_t)((uint64_t)b->last_offset - (uint64_t)options->base_offset));
    store_be64(p + 27, empty ? UINT64_MAX : (uint64_t)options->base_timestamp);
    store_be64(p + 35, (uint64_t)b->max_timestamp);
    store_be64(p + 43, (uint64_t)options->producer_id);
    store_be16(p + 51, (uint16_t)options->producer_epoch);
    store_be32(p + 53, (uint32_t)options->base_sequence);
    store_be32(p + 57, (uint32_t)b->count);
    store_be32(p + 17, crc32c(bytes_of(p + 21, size - 21)));
}

static int
compress_records(const struct record_builder *b, struct strbuf *out)
{
    if (b->options.compression == COMPRESSION_NONE) {
        strbuf_append(out, strbuf_bytes(&b->records));
        return out->error;
    }
    return compress_bytes(b->options.compression, b->options.level, strbuf_bytes(&b->records), out);
}

int
record_builder_finish(struct record_builder *b, struct buf **ret_batch)
{
    static const uint8_t header[RECORD_BATCH_HEADER_SIZE];
    if (b->error) {
        return b->error;
    }
    if (b->records.error) {
        return fault(-ENOBUFS, "wire: the records of a batch exceed %zu bytes", b->records.max);
    }
    struct strbuf out;
    strbuf_init(&out, b->records.max);
    strbuf_append(&out, bytes_of(header, sizeof header));
    int r = compress_records(b, &out);
    if (r == 0 && out.error) {
        r = out.error;
    }
    if (r < 0) {
        strbuf_done(&out);
        return fault_note(r, "wire: a batch at offset %lld", (long long)b->options.base_offset);
    }
    encode_batch_header(b, out.data, out.size);
    struct buf *batch = buf_try_new(out.size);
    if (batch) {
        memcpy(batch->data, out.data, out.size);
        batch->size = out.size;
    }
    strbuf_done(&out);
    if (!batch) {
        return fault(-ENOMEM, "wire: no memory for a batch");
    }
    *ret_batch = batch;
    return 0;
}

struct buf *
record_batch_new_end_txn(const struct record_batch_options *options, bool commit,
        int32_t coordinator_epoch, int64_t timestamp_ms)
{
    uint8_t key[4];
    uint8_t value[6];
    store_be16(key, 0); /* version */
    store_be16(key + 2, commit ? CONTROL_COMMIT : CONTROL_ABORT);
    store_be16(value, 0); /* version */
    store_be32(value + 2, (uint32_t)coordinator_epoch);
    struct record_batch_options marker = *options;
    marker.control = true;
    marker.transactional = true;
    struct record record = { .key = bytes_of(key, sizeof key),
        .value = bytes_of(value, sizeof value),
        .offset = options->base_offset,
        .timestamp = timestamp_ms };
    struct record_builder b;
    struct buf *batch = NULL;
    record_builder_init(&b, &marker, END_TXN_BATCH_SIZE_MAX);
    record_builder_append(&b, &record);
    int r = record_builder_finish(&b, &batch);
    record_builder_done(&b);
    CHECK(r == 0); /* its size is fixed */
    return batch;
}

int
record_control_type(const struct record *record)
{
    if (record->key.size < 4) {
        return fault(-EBADMSG, "wire: control record at offset %lld has a key of %zu bytes",
                (long long)record->offset, record->key.size);
    }
    int16_t version = (int16_t)load_be16(record->key.data);
    int16_t type = (int16_t)load_be16(record->key.data + 2);
    if (version < 0 || type < 0) {
        return fault(-EBADMSG, "wire: control record at offset %lld has version %d, type %d",
                (long long)record->offset, version, type);
    }
    return type;
}

int
record_end_txn_read(const struct record *record, int32_t *ret_coordinator_epoch)
{
    if (record->value.size < 6 || (int16_t)load_be16(record->value.data) < 0) {
        return fault(-EBADMSG, "wire: transaction marker at offset %lld has a value of %zu bytes",
                (long long)record->offset, record->value.size);
    }
    *ret_coordinator_epoch = (int32_t)load_be32(record->value.data + 2);
    return 0;
}
