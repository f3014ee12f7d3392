/* Headers of batches, and patching them. */
#include "wire/record_batch.h"

#include "base/crc.h"
#include "base/fault.h"

#include <errno.h>

enum {
    OFFSET_LEADER_EPOCH = 12,
    OFFSET_MAGIC = 16,
    OFFSET_CRC = 17,
    OFFSET_ATTRIBUTES = 21,
    OFFSET_MAX_TIMESTAMP = 35,
    OFFSET_PRODUCER_ID = 43,
};

size_t
record_batch_size_at(struct bytes run)
{
    if (run.size < RECORD_BATCH_LENGTH_OVERHEAD) {
        return 0;
    }
    return (size_t)load_be32(run.data + RECORD_BATCH_LENGTH_OFFSET) + RECORD_BATCH_LENGTH_OVERHEAD;
}

static void
decode_header(const uint8_t *p, size_t size, struct record_batch *ret)
{
    *ret = (struct record_batch){
        .bytes = bytes_of(p, size),
        .records = bytes_of(p + RECORD_BATCH_HEADER_SIZE, size - RECORD_BATCH_HEADER_SIZE),
        .base_offset = (int64_t)load_be64(p),
        .partition_leader_epoch = (int32_t)load_be32(p + OFFSET_LEADER_EPOCH),
        .crc = load_be32(p + OFFSET_CRC),
        .attributes = (int16_t)load_be16(p + OFFSET_ATTRIBUTES),
        .last_offset_delta = (int32_t)load_be32(p + 23),
        .base_timestamp = (int64_t)load_be64(p + 27),
        .max_timestamp = (int64_t)load_be64(p + OFFSET_MAX_TIMESTAMP),
        .producer_id = (int64_t)load_be64(p + OFFSET_PRODUCER_ID),
        .producer_epoch = (int16_t)load_be16(p + 51),
        .base_sequence = (int32_t)load_be32(p + 53),
        .record_count = (int32_t)load_be32(p + 57),
    };
}

int
record_batch_read(struct bytes run, struct record_batch *ret_batch)
{
    /* The magic stands at the same place in all formats. */
    if (run.size > OFFSET_MAGIC && run.data[OFFSET_MAGIC] < RECORD_BATCH_MAGIC) {
        return fault(-EPROTONOSUPPORT,
                "wire: a message of magic %u, only record batches of magic 2 are supported",
                run.data[OFFSET_MAGIC]);
    }
    if (run.size > OFFSET_MAGIC && run.data[OFFSET_MAGIC] != RECORD_BATCH_MAGIC) {
        return fault(-EBADMSG, "wire: a record batch of unknown magic %u", run.data[OFFSET_MAGIC]);
    }
    size_t size = record_batch_size_at(run);
    if (size != 0 && (size < RECORD_BATCH_HEADER_SIZE || size > INT32_MAX)) {
        return fault(-EBADMSG, "wire: a record batch says that it has %zu bytes", size);
    }
    if (size == 0 || size > run.size) {
        return fault(
                -ENODATA, "wire: a record batch of %zu bytes is cut off after %zu", size, run.size);
    }
    decode_header(run.data, size, ret_batch);
    return 0;
}

int
record_batch_next(struct bytes *run, struct record_batch *ret_batch)
{
    if (run->size == 0) {
        return 0;
    }
    int r = record_batch_read(*run, ret_batch);
    if (r < 0) {
        return r;
    }
    *run = bytes_of(run->data + ret_batch->bytes.size, run->size - ret_batch->bytes.size);
    return 1;
}

static uint32_t
compute_crc(const uint8_t *batch, size_t size)
{
    return crc32c(bytes_of(batch + OFFSET_ATTRIBUTES, size - OFFSET_ATTRIBUTES));
}

int
record_batch_check_crc(const struct record_batch *batch)
{
    uint32_t crc = compute_crc(batch->bytes.data, batch->bytes.size);
    if (crc != batch->crc) {
        return fault(-EBADMSG,
                "wire: record batch at offset %lld: CRC-32C is %08x, its header says %08x",
                (long long)batch->base_offset, crc, batch->crc);
    }
    return 0;
}

/* Below that, looking at the bytes is as fast. */
#define COMBINE_SIZE_MIN 8192u

uint32_t
record_batch_crc_of_all(struct bytes batch)
{
    if (batch.size < COMBINE_SIZE_MIN) {
        return crc32c(batch);
    }
    return crc32c_combine(crc32c(bytes_of(batch.data, OFFSET_ATTRIBUTES)),
            load_be32(batch.data + OFFSET_CRC), (uint32_t)(batch.size - OFFSET_ATTRIBUTES));
}

void
record_batch_set_base_offset(uint8_t *batch, int64_t base_offset)
{
    store_be64(batch, (uint64_t)base_offset);
}

void
record_batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch)
{
    store_be32(batch + OFFSET_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void
record_batch_set_max_timestamp(uint8_t *batch, size_t size, bool log_append_time, int64_t timestamp)
{
    uint16_t attributes = load_be16(batch + OFFSET_ATTRIBUTES);
    attributes = (uint16_t)(attributes & ~RECORD_BATCH_LOG_APPEND_TIME);
    attributes = (uint16_t)(attributes | (log_append_time ? RECORD_BATCH_LOG_APPEND_TIME : 0));
    store_be16(batch + OFFSET_ATTRIBUTES, attributes);
    store_be64(batch + OFFSET_MAX_TIMESTAMP, (uint64_t)timestamp);
    store_be32(batch + OFFSET_CRC, compute_crc(batch, size));
}
