/* Produced batches. The first byte says what the topic allows and whether length and CRC are made
 * right first, so that what lies behind them is reached. A batch that is accepted must be readable
 * to its last record.
 */
#include "base/buf.h"
#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/limits.h"
#include "wire/record_builder.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_max);

#define FLAG_REPAIR 0x01
#define FLAG_KEYS 0x02
#define FLAG_CLIENT 0x04
#define OUTPUT_MAX (4 * MIB)

static void
repair(uint8_t *batch, size_t size)
{
    if (size >= RECORD_BATCH_HEADER_SIZE) {
        store_be32(batch + RECORD_BATCH_LENGTH_OFFSET,
                (uint32_t)(size - RECORD_BATCH_LENGTH_OVERHEAD));
        batch[16] = RECORD_BATCH_MAGIC;
        store_be32(batch + 17, crc32c(bytes_of(batch + 21, size - 21)));
    }
}

/* Walks all records; returns how many there were, or an error. */
static int
walk(const struct record_batch *batch, struct bytes records)
{
    struct record_iterator it;
    struct record record;
    struct record_header header;
    int count = 0;
    int r;
    record_iterator_init(&it, batch, records);
    while ((r = record_iterator_next(&it, &record)) > 0) {
        int32_t headers = 0;
        while (record_header_next(&record.headers, &header)) {
            headers++;
        }
        CHECK(headers == record.header_count);
        (void)(record_control_type(&record) + record_end_txn_read(&record, &headers));
        count++;
    }
    return r < 0 ? r : count;
}

static void
look_at(struct bytes bytes, uint8_t flags)
{
    struct record_batch_limits limits = { .batch_size_max = MIB,
        .decompressed_size_max = OUTPUT_MAX,
        .now_ms = INT64_C(1700000000000),
        .before_max_ms = INT64_MAX,
        .after_max_ms = INT64_MAX,
        .zstd_allowed = true,
        .key_required = flags & FLAG_KEYS,
        .from_client = flags & FLAG_CLIENT };
    struct record_batch_info info;
    struct record_batch batch;
    struct strbuf records;
    int valid = record_batch_validate(bytes, &limits, &info);
    if (record_batch_read(bytes, &batch) < 0) {
        CHECK(valid < 0);
        return;
    }
    strbuf_init(&records, OUTPUT_MAX);
    int r = 0;
    if (record_batch_compression(&batch) == COMPRESSION_NONE) {
        strbuf_append(&records, batch.records);
    } else {
        r = decompress(record_batch_compression(&batch), batch.records, OUTPUT_MAX, &records);
    }
    int count = r < 0 ? r : walk(&batch, strbuf_bytes(&records));
    if (valid == 0) {
        CHECK(count == batch.record_count);
        CHECK(info.decompressed_size == records.size);
    }
    strbuf_done(&records);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct buf *batch = buf_of_bytes(bytes_of(data + 1, size - 1));
    if (data[0] & FLAG_REPAIR) {
        repair(batch->data, batch->size);
    }
    look_at(buf_bytes(batch), data[0]);
    buf_unref(batch);
    return 0;
}

/* Now and then a good batch of some codec, as a place to start from. */
size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    static uint8_t value[64];
    if (seed % 64 != 0 || size_max < 512) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct record_builder b;
    struct buf *batch = NULL;
    options.compression = (enum compression)((seed >> 6) % 5);
    record_builder_init(&b, &options, size_max - 1);
    for (int i = 0; i <= (int)((seed >> 9) % 4); i++) {
        struct record record = {
            .offset = i, .key = BYTES_LITERAL("key"), .value = bytes_of(value, seed >> 26)
        };
        record_builder_append(&b, &record);
    }
    if (record_builder_finish(&b, &batch) == 0 && batch->size < size_max) {
        data[0] = FLAG_REPAIR | FLAG_CLIENT;
        memcpy(data + 1, batch->data, batch->size);
        size = batch->size + 1;
    }
    buf_unref(batch);
    record_builder_done(&b);
    return size;
}
