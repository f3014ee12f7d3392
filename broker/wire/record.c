/* Walking the records of a batch that is whole in memory. */
#include "base/check.h"
#include "base/fault.h"
#include "wire/record_batch.h"

#include <errno.h>

/* Length, attributes, three deltas and lengths of one byte each, header count. */
#define RECORD_SIZE_MIN 7

void
record_iterator_init(
        struct record_iterator *it, const struct record_batch *batch, struct bytes records)
{
    wire_reader_init(&it->reader, records);
    it->batch = batch;
    it->left = batch->record_count;
}

/* A zigzag length and that many bytes; -1 is null. */
static struct bytes
read_nullable(struct wire_reader *r)
{
    int32_t length = wire_reader_varint(r);
    if (length < 0) {
        return BYTES_NULL;
    }
    const uint8_t *p = wire_reader_take(r, (size_t)length);
    return p ? bytes_of(p, (size_t)length) : BYTES_NULL;
}

static void
read_header(struct wire_reader *r, struct record_header *ret)
{
    int32_t key_length = wire_reader_varint(r);
    if (key_length < 0) {
        wire_reader_fail(r, "a header without a key");
        return;
    }
    const uint8_t *key = wire_reader_take(r, (size_t)key_length);
    ret->key = bytes_of(key, (size_t)key_length);
    ret->value = read_nullable(r);
}

/* The headers of one record, left encoded. */
static void
read_headers(struct wire_reader *r, struct record *ret)
{
    int32_t count = wire_reader_varint(r);
    /* Each has at least two lengths. */
    if (count < 0 || (size_t)count > wire_reader_remaining(r) / 2) {
        wire_reader_fail(r, "a number of headers that the record cannot hold");
        return;
    }
    const uint8_t *start = r->at;
    for (int32_t i = 0; i < count && !r->error; i++) {
        struct record_header header;
        read_header(r, &header);
    }
    ret->header_count = count;
    ret->headers = bytes_of(start, (size_t)(r->at - start));
}

static int64_t
record_timestamp(const struct record_batch *batch, int64_t delta)
{
    if (batch->attributes & RECORD_BATCH_LOG_APPEND_TIME) {
        return batch->max_timestamp;
    }
    return (int64_t)((uint64_t)batch->base_timestamp + (uint64_t)delta);
}

static void
read_record(struct record_iterator *it, struct record *ret)
{
    struct wire_reader *r = &it->reader;
    const struct record_batch *batch = it->batch;
    int32_t size = wire_reader_varint(r);
    if (size < RECORD_SIZE_MIN - 1 || (size_t)size > wire_reader_remaining(r)) {
        wire_reader_fail(r, "a record with an impossible length");
        return;
    }
    const uint8_t *after = r->end;
    r->end = r->at + size;
    (void)wire_reader_int8(r); /* attributes: none are defined */
    *ret = (struct record){ .timestamp = record_timestamp(batch, wire_reader_varlong(r)) };
    int32_t delta = wire_reader_varint(r);
    ret->offset = record_offset(batch, delta);
    /* Sequences wrap around to 0 behind INT32_MAX. */
    ret->sequence =
            batch->base_sequence < 0
                    ? RECORD_NO_SEQUENCE
                    : (int32_t)(((uint32_t)batch->base_sequence + (uint32_t)delta) & INT32_MAX);
    ret->key = read_nullable(r);
    ret->value = read_nullable(r);
    read_headers(r, ret);
    if (r->at != r->end) {
        wire_reader_fail(r, "a record is longer than what is in it");
    }
    r->end = after;
}

int
record_iterator_next(struct record_iterator *it, struct record *ret_record)
{
    if (it->left <= 0) {
        if (wire_reader_remaining(&it->reader) > 0) {
            wire_reader_fail(&it->reader, "bytes behind the last record");
        }
        return wire_reader_result(&it->reader, "record batch");
    }
    struct record record = { 0 };
    read_record(it, &record);
    int r = wire_reader_result(&it->reader, "record batch");
    if (r < 0) {
        it->left = 0;
        return r;
    }
    it->left--;
    *ret_record = record;
    return 1;
}

bool
record_header_next(struct bytes *headers, struct record_header *ret_header)
{
    if (headers->size == 0) {
        return false;
    }
    struct wire_reader r;
    wire_reader_init(&r, *headers);
    read_header(&r, ret_header);
    CHECK(!r.error); /* record_iterator_next walked over them */
    *headers = bytes_of(r.at, wire_reader_remaining(&r));
    return true;
}
