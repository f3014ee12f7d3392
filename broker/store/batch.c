/* Record batches in a run: steps and searches on top of wire/. */
#include "store/batch.h"

#include "base/fault.h"
#include "base/strbuf.h"

#include <errno.h>

int
batch_next(struct bytes *rest, struct batch_view *ret_batch)
{
    struct record_batch batch;
    int r = record_batch_read(*rest, &batch);
    if (r < 0) {
        return -EBADMSG;
    }
    if (batch.base_offset < 0 || batch.last_offset_delta < 0 ||
            batch.base_offset > INT64_MAX - 1 - batch.last_offset_delta) {
        return fault(-EBADMSG, "store: record batch with impossible offsets, %lld and %d more",
                (long long)batch.base_offset, (int)batch.last_offset_delta);
    }
    *ret_batch = (struct batch_view){
        .bytes = batch.bytes,
        .base_offset = batch.base_offset,
        .end_offset = batch.base_offset + batch.last_offset_delta + 1,
        .timestamp_max = batch.max_timestamp,
    };
    *rest = bytes_of(rest->data + batch.bytes.size, rest->size - batch.bytes.size);
    return 0;
}

bool
batch_crc_fits(const struct batch_view *view)
{
    struct record_batch batch;
    return record_batch_read(view->bytes, &batch) == 0 && record_batch_check_crc(&batch) == 0;
}

static int
records_find_timestamp(const struct record_batch *batch, struct bytes records, int64_t timestamp_ms,
        int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    struct record_iterator it;
    struct record record;
    int r;
    record_iterator_init(&it, batch, records);
    while ((r = record_iterator_next(&it, &record)) > 0) {
        if (record.timestamp >= timestamp_ms) {
            *ret_offset = record.offset;
            *ret_timestamp_ms = record.timestamp;
            return 0;
        }
    }
    return r < 0 ? r : -ENOENT;
}

int
batch_find_timestamp(const struct batch_view *view, int64_t timestamp_ms, int64_t *ret_offset,
        int64_t *ret_timestamp_ms)
{
    struct record_batch batch;
    int r = record_batch_read(view->bytes, &batch);
    if (r < 0) {
        return -EBADMSG;
    }
    enum compression codec = record_batch_compression(&batch);
    if (codec == COMPRESSION_NONE) {
        return records_find_timestamp(
                &batch, batch.records, timestamp_ms, ret_offset, ret_timestamp_ms);
    }
    struct strbuf records;
    strbuf_init(&records, DECOMPRESSED_SIZE_MAX);
    r = decompress(codec, batch.records, 0, &records);
    if (r == 0) {
        r = records_find_timestamp(
                &batch, strbuf_bytes(&records), timestamp_ms, ret_offset, ret_timestamp_ms);
    }
    strbuf_done(&records);
    return r == 0 || r == -ENOENT || r == -ENOMEM ? r : -EBADMSG;
}
