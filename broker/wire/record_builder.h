#pragma once
/* Builds record batches: for compaction, control records (transaction markers), the internal topics
 * and tests. */

#include "base/strbuf.h"
#include "wire/record_batch.h"

struct buf;

/* Start from RECORD_BATCH_OPTIONS_DEFAULT. */
struct record_batch_options {
    int64_t base_offset;
    int64_t producer_id; /* -1: none */
    int32_t partition_leader_epoch;
    int32_t base_sequence;
    int32_t level; /* of the codec; COMPRESSION_LEVEL_DEFAULT */
    int16_t producer_epoch;
    enum compression compression;
    bool transactional;
    bool control;
    bool log_append_time;
    bool delete_horizon;     /* base_timestamp is one */
    bool has_base_timestamp; /* else: the first record's timestamp */
    int64_t base_timestamp;
};

#define RECORD_BATCH_OPTIONS_DEFAULT                                                               \
    ((struct record_batch_options){ .producer_id = RECORD_NO_PRODUCER_ID,                          \
            .partition_leader_epoch = -1,                                                          \
            .base_sequence = RECORD_NO_SEQUENCE,                                                   \
            .level = COMPRESSION_LEVEL_DEFAULT,                                                    \
            .producer_epoch = -1 })

struct record_builder {
    struct record_batch_options options;
    struct strbuf records; /* not compressed */
    int64_t last_offset;   /* greatest so far; base_offset - 1 when there is none */
    int64_t max_timestamp;
    int32_t count;
    int error;
};

/* `size_max`: most bytes of records before compression, and of the batch behind it. */
void record_builder_init(
        struct record_builder *b, const struct record_batch_options *options, size_t size_max);
void record_builder_done(struct record_builder *b);
/* Copies key, value and headers (encoded, with header_count). record->offset must be greater than
 * the one before and not below the base offset; record->sequence is not used. Errors are sticky and
 * told by record_builder_finish. */
void record_builder_append(struct record_builder *b, const struct record *record);
/* The batch ends at that offset though its last records are gone: compaction keeps the offsets of
 * what it removes. */
void record_builder_set_last_offset(struct record_builder *b, int64_t last_offset);
/* Bytes of records so far, before compression. */
size_t record_builder_size(const struct record_builder *b);
/* *ret_batch: a new buf, owned by the caller, with base offset, CRC and all. May be empty of
 * records. -ENOBUFS: larger than size_max. -EINVAL: offsets out of order, or too far apart for a
 * batch. -ENOMEM. */
MUST_CHECK int record_builder_finish(struct record_builder *b, struct buf **ret_batch);

/* Appends headers in the form that struct record has them. */
void record_headers_append(struct strbuf *out, const struct record_header *headers, size_t count);

/* Control records. */
#define CONTROL_ABORT 0
#define CONTROL_COMMIT 1

/* A batch of one record that ends a producer's transaction. Owned by the caller. */
struct buf *record_batch_new_end_txn(const struct record_batch_options *options, bool commit,
        int32_t coordinator_epoch, int64_t timestamp_ms);
/* The type in the key of a control record (CONTROL_ABORT, CONTROL_COMMIT, or a later one to be
 * skipped), or -EBADMSG. */
MUST_CHECK int record_control_type(const struct record *record);
/* From the value of an abort or commit marker. -EBADMSG. */
MUST_CHECK int record_end_txn_read(const struct record *record, int32_t *ret_coordinator_epoch);
