#pragma once
/* Record batches, magic 2: the unit that producers send, the log stores and consumers get. Read in
 * place.
 *
 *   byte  0  base offset (int64)
 *         8  batch length (int32, counted from byte 12)
 *        12  partition leader epoch (int32)
 *        16  magic (int8, 2)
 *        17  CRC-32C of all that follows (uint32)
 *        21  attributes (int16): 0-2 compression, 3 log append time, 4 transactional, 5 control,
 *            6 delete horizon
 *        23  last offset delta (int32)
 *        27  base timestamp (int64)
 *        35  max timestamp (int64)
 *        43  producer id (int64)
 *        51  producer epoch (int16)
 *        53  base sequence (int32)
 *        57  record count (int32)
 *        61  records, compressed as one run when the attributes say so
 *
 * What stands before the CRC is patched in place when the batch takes its place in the log, so that
 * the producer's CRC is the consumer's.
 *
 * A record: length, attributes (int8), timestamp delta, offset delta, key, value, headers; all
 * lengths are zigzag varints.
 *
 * V5  A batch that record_batch_validate accepts is readable by every consumer: its CRC, count,
 *     offsets and every record inside are right. (One bad batch in the log would stop all consumers
 *     of the partition for ever.)
 * V6  Decompressing is bounded in memory and output, whatever the batch says. */

#include "base/attr.h"
#include "base/bytes.h"
#include "wire/compression.h"
#include "wire/reader.h"

#define RECORD_BATCH_HEADER_SIZE 61
#define RECORD_BATCH_LENGTH_OFFSET 8
/* What the batch length does not count: base offset and itself. */
#define RECORD_BATCH_LENGTH_OVERHEAD 12
#define RECORD_BATCH_MAGIC 2

#define RECORD_BATCH_COMPRESSION_MASK 0x07
#define RECORD_BATCH_LOG_APPEND_TIME 0x08
#define RECORD_BATCH_TRANSACTIONAL 0x10
#define RECORD_BATCH_CONTROL 0x20
#define RECORD_BATCH_DELETE_HORIZON 0x40

#define RECORD_NO_PRODUCER_ID ((int64_t)-1)
#define RECORD_NO_SEQUENCE (-1)

/* The header, decoded; borrows the bytes. */
struct record_batch {
    struct bytes bytes;   /* the whole batch */
    struct bytes records; /* behind the header; compressed when compression says so */
    int64_t base_offset;
    int64_t base_timestamp; /* milliseconds; delete horizon when that bit is set */
    int64_t max_timestamp;
    int64_t producer_id; /* -1: none */
    int32_t partition_leader_epoch;
    int32_t last_offset_delta;
    int32_t base_sequence; /* -1: none */
    int32_t record_count;
    uint32_t crc;
    int16_t producer_epoch;
    int16_t attributes;
};

/* Wraps around like Kafka's long: a hostile base offset must not be undefined behaviour. */
static inline int64_t
record_offset(const struct record_batch *batch, int32_t delta)
{
    return (int64_t)((uint64_t)batch->base_offset + (uint64_t)(int64_t)delta);
}

static inline int64_t
record_batch_last_offset(const struct record_batch *batch)
{
    return record_offset(batch, batch->last_offset_delta);
}

static inline enum compression
record_batch_compression(const struct record_batch *batch)
{
    return (enum compression)(batch->attributes & RECORD_BATCH_COMPRESSION_MASK);
}

static inline bool
record_batch_is_control(const struct record_batch *batch)
{
    return batch->attributes & RECORD_BATCH_CONTROL;
}

static inline bool
record_batch_is_transactional(const struct record_batch *batch)
{
    return batch->attributes & RECORD_BATCH_TRANSACTIONAL;
}

static inline bool
record_batch_has_producer(const struct record_batch *batch)
{
    return batch->producer_id >= 0;
}

/* Bytes that the batch at the beginning of `run` takes, by its length field; 0 when `run` is too
 * short to tell. */
size_t record_batch_size_at(struct bytes run);
/* Decodes the header of the first batch of `run`; the CRC is not looked at.
 * 0. -ENODATA: `run` ends before the batch does. -EBADMSG: not a batch. -EPROTONOSUPPORT: magic 0
 * or 1. */
MUST_CHECK int record_batch_read(struct bytes run, struct record_batch *ret_batch);
/* As record_batch_read, and moves `run` behind the batch. 1: *ret_batch is set. 0: `run` is empty.
 * Else an error. */
MUST_CHECK int record_batch_next(struct bytes *run, struct record_batch *ret_batch);
/* 0 or -EBADMSG. */
MUST_CHECK int record_batch_check_crc(const struct record_batch *batch);
/* CRC-32C of all bytes of a batch, for the formats it is stored in; out of the batch's own CRC,
 * which must fit, without looking at the records. */
uint32_t record_batch_crc_of_all(struct bytes batch);

/* Patch a batch in place, outside its CRC. */
void record_batch_set_base_offset(uint8_t *batch, int64_t base_offset);
void record_batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch);
/* Inside the CRC, which is computed anew over the whole batch: for topics with
 * message.timestamp.type=LogAppendTime, and for producers that sent a wrong maximum. `size`: of the
 * batch. */
void record_batch_set_max_timestamp(
        uint8_t *batch, size_t size, bool log_append_time, int64_t timestamp);

struct record_header {
    struct bytes key;
    struct bytes value; /* data NULL: null */
};

struct record {
    struct bytes key;     /* data NULL: null */
    struct bytes value;   /* data NULL: null, a tombstone */
    struct bytes headers; /* encoded, validated: record_header_next */
    int64_t offset;
    int64_t timestamp;
    int32_t sequence; /* -1: the batch has no producer */
    int32_t header_count;
};

/* Walks the records of one batch. `records` is batch->records, or its decompressed form. */
struct record_iterator {
    struct wire_reader reader;
    const struct record_batch *batch;
    int32_t left;
};

/* Borrows both. */
void record_iterator_init(
        struct record_iterator *it, const struct record_batch *batch, struct bytes records);
/* 1: *ret_record is set. 0: all were read and nothing is behind them. -EBADMSG: a record is broken.
 */
MUST_CHECK int record_iterator_next(struct record_iterator *it, struct record *ret_record);
/* Takes the next header off `headers` (record.headers). False at the end. */
bool record_header_next(struct bytes *headers, struct record_header *ret_header);

/* Which records of a batch the topic refuses, for Produce's record errors (KIP-467). */
struct record_rejects {
    int32_t *indexes; /* borrowed; ascending */
    size_t max;
    size_t count; /* max + 1: there are more, and the walk ended */
};

/* What a topic and the broker allow. */
struct record_batch_limits {
    size_t batch_size_max;        /* max.message.bytes */
    size_t decompressed_size_max; /* 0: DECOMPRESSED_SIZE_MAX */
    int64_t now_ms;               /* wall clock, for the timestamp limits */
    int64_t before_max_ms;        /* message.timestamp.before.max.ms; INT64_MAX: no limit */
    int64_t after_max_ms;         /* message.timestamp.after.max.ms; INT64_MAX: no limit */
    bool log_append_time;         /* message.timestamp.type: producers' timestamps do not matter */
    bool key_required;            /* cleanup.policy has compact */
    bool zstd_allowed;            /* Produce version 7 and above */
    bool from_client;             /* control batches, and base offsets other than 0, are refused */
    bool skip_records; /* header, CRC and sizes only: for batches that we validated before */
    struct record_rejects *rejects; /* NULL: the first record without a key, or with a timestamp out
                                       of range, ends the walk. Otherwise all are noted. */
};

struct record_batch_info {
    struct record_batch batch;
    int64_t max_timestamp;        /* of the records; of the header when they were skipped */
    int64_t max_timestamp_offset; /* delta from the base offset of the record that has it first */
    size_t decompressed_size;     /* of the records */
    int32_t error_index;          /* after an error: which record it was, or -1 for the batch */
};

/* Everything that Kafka's broker checks before it appends one batch: `bytes` must hold exactly one.
 * *ret_info is set also after an error, as far as it was reached. A header whose max timestamp is
 * not that of its records is not an error: compare info->max_timestamp and use
 * record_batch_set_max_timestamp, as Kafka does.
 *
 *   0
 *   -EBADMSG          sizes, CRC, broken codec   CORRUPT_MESSAGE
 *   -EPROTONOSUPPORT  magic 0 or 1               INVALID_RECORD
 *   -EINVAL           counts, offsets, records   INVALID_RECORD
 *   -EMSGSIZE         above batch_size_max       MESSAGE_TOO_LARGE
 *   -E2BIG            unfolds too far            MESSAGE_TOO_LARGE
 *   -ETIME            a timestamp out of range   INVALID_TIMESTAMP
 *   -EOPNOTSUPP       unknown codec, or zstd     UNSUPPORTED_COMPRESSION_TYPE
 *   -ENOMEM           no memory to decompress */
MUST_CHECK int record_batch_validate(struct bytes bytes, const struct record_batch_limits *limits,
        struct record_batch_info *ret_info);
