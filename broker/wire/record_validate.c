/* What a broker checks before it appends a batch. Records are walked through one small window, so
 * that a compressed batch is never unfolded as a whole (V6). */
#include "base/fault.h"
#include "base/mem.h"
#include "wire/record_batch.h"

#include <errno.h>

#define WINDOW_SIZE ((size_t)16384)
#define RECORD_SIZE_MIN 6

/* The run of records: whole in memory, or window by window out of a decompressor. Errors are
 * sticky. */
struct scanner {
    const uint8_t *start; /* of what is in memory now */
    const uint8_t *at;
    const uint8_t *end;
    struct decompressor *decompressor; /* NULL: all is in memory */
    uint8_t *window;
    uint64_t before; /* bytes of earlier windows */
    int error;       /* 0, -EINVAL with `text`, or what the decompressor said */
    const char *text;
};

struct record_facts {
    int64_t timestamp_delta;
    int32_t offset_delta;
    bool has_key;
};

static void
scan_fail(struct scanner *s, const char *text)
{
    if (!s->error) {
        s->error = -EINVAL;
        s->text = text;
    }
    s->at = s->end;
}

static uint64_t
scan_position(const struct scanner *s)
{
    return s->before + (uint64_t)(s->at - s->start);
}

/* True when at least one byte is there. */
static bool
scan_more(struct scanner *s)
{
    if (s->at < s->end) {
        return true;
    }
    if (s->error || !s->decompressor) {
        return false;
    }
    ssize_t n = decompressor_read(s->decompressor, s->window, WINDOW_SIZE);
    s->before += (uint64_t)(s->end - s->start);
    s->start = s->window;
    s->at = s->window;
    s->end = s->window + (n > 0 ? n : 0);
    if (n < 0) {
        s->error = (int)n;
    }
    return n > 0;
}

static uint8_t
scan_byte(struct scanner *s)
{
    if (UNLIKELY(!scan_more(s))) {
        scan_fail(s, "the records end too early");
        return 0;
    }
    return *s->at++;
}

static uint64_t
scan_groups_slow(struct scanner *s, unsigned bytes_max)
{
    uint64_t raw = 0;
    for (unsigned i = 0; i < bytes_max; i++) {
        uint8_t byte = scan_byte(s);
        raw |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            return bytes_max == 5 ? (uint32_t)raw : raw;
        }
    }
    scan_fail(s, "a varint has too many bytes");
    return 0;
}

/* Nearly all are lengths and deltas of one or two bytes that are there. */
static inline int64_t
scan_varint(struct scanner *s, unsigned bytes_max)
{
    const uint8_t *at = s->at;
    uint64_t raw;
    if (LIKELY(s->end - at >= 2) && at[0] < 0x80) {
        raw = at[0];
        s->at = at + 1;
    } else if (s->end - at >= 2 && at[1] < 0x80) {
        raw = (uint64_t)(at[0] & 0x7f) | (uint64_t)at[1] << 7;
        s->at = at + 2;
    } else {
        raw = scan_groups_slow(s, bytes_max);
    }
    return (int64_t)((raw >> 1) ^ (0u - (raw & 1)));
}

static inline int32_t
scan_int(struct scanner *s)
{
    return (int32_t)scan_varint(s, 5);
}

static void
scan_skip_slow(struct scanner *s, uint64_t size)
{
    while (size > 0) {
        if (!scan_more(s)) {
            scan_fail(s, "the records end too early");
            return;
        }
        uint64_t step = MIN(size, (uint64_t)(s->end - s->at));
        s->at += step;
        size -= step;
    }
}

/* `end`: where the record ends. A length that leads behind it is refused before anything is
 * skipped. */
static inline bool
scan_nullable(struct scanner *s, uint64_t end)
{
    int32_t length = scan_int(s);
    if (length < 0) {
        return false;
    }
    if ((uint64_t)length > end - MIN(end, scan_position(s))) {
        scan_fail(s, "a key, value or header is longer than its record");
        return false;
    }
    if (LIKELY(length <= s->end - s->at)) {
        s->at += length;
    } else {
        scan_skip_slow(s, (uint64_t)length);
    }
    return true;
}

static void
scan_headers(struct scanner *s, uint64_t end)
{
    int32_t count = scan_int(s);
    if (count < 0 || (uint64_t)count > (end - MIN(end, scan_position(s))) / 2) {
        scan_fail(s, "a number of headers that the record cannot hold");
        return;
    }
    for (int32_t i = 0; i < count && !s->error; i++) {
        if (!scan_nullable(s, end)) {
            scan_fail(s, "a header without a key");
            return;
        }
        (void)scan_nullable(s, end);
    }
}

static void
scan_record(struct scanner *s, struct record_facts *ret)
{
    int32_t size = scan_int(s);
    if (size < RECORD_SIZE_MIN) {
        scan_fail(s, "a record with an impossible length");
        return;
    }
    uint64_t end = scan_position(s) + (uint64_t)size;
    (void)scan_byte(s); /* attributes: none are defined */
    ret->timestamp_delta = scan_varint(s, 10);
    ret->offset_delta = scan_int(s);
    ret->has_key = scan_nullable(s, end);
    (void)scan_nullable(s, end);
    scan_headers(s, end);
    if (!s->error && scan_position(s) != end) {
        scan_fail(s, "a record has another length than announced");
    }
}

static int
check_timestamp(int64_t timestamp, const struct record_batch_limits *limits,
        const struct record_batch_info *info)
{
    if (limits->log_append_time || timestamp == -1) {
        return 0;
    }
    bool early = limits->before_max_ms < limits->now_ms &&
                 timestamp < limits->now_ms - limits->before_max_ms;
    bool late = limits->after_max_ms < INT64_MAX - limits->now_ms &&
                timestamp > limits->now_ms + limits->after_max_ms;
    if (early || late) {
        return fault(-ETIME, "wire: record %d has the timestamp %lld, too %s now (%lld)",
                info->error_index, (long long)timestamp, early ? "long before" : "far after",
                (long long)limits->now_ms);
    }
    return 0;
}

/* What the topic asks of each record. */
static int
check_record(const struct record_facts *facts, int64_t timestamp,
        const struct record_batch_limits *limits, const struct record_batch_info *info)
{
    if (limits->key_required && !facts->has_key) {
        return fault(-EINVAL, "wire: record %d has no key, and the topic is compacted",
                info->error_index);
    }
    return check_timestamp(timestamp, limits, info);
}

/* True when the walk goes on. */
static bool
note_reject(struct record_rejects *rejects, int32_t index)
{
    if (!rejects || rejects->count++ >= rejects->max) {
        return false;
    }
    rejects->indexes[rejects->count - 1] = index;
    return true;
}

static int
scan_error(const struct scanner *s, const struct record_batch_info *info)
{
    if (s->text) {
        return fault(s->error, "wire: record %d of %d: %s, at byte %llu of the records",
                info->error_index, info->batch.record_count, s->text,
                (unsigned long long)scan_position(s));
    }
    return fault_note(
            s->error, "wire: record %d of %d", info->error_index, info->batch.record_count);
}

static int
scan_records(
        struct scanner *s, const struct record_batch_limits *limits, struct record_batch_info *info)
{
    const struct record_batch *batch = &info->batch;
    info->max_timestamp = -1;
    info->max_timestamp_offset = 0;
    int rejected = 0; /* -ETIME outweighs -EINVAL, as in Kafka */
    for (int32_t i = 0; i < batch->record_count; i++) {
        struct record_facts facts = { 0 };
        info->error_index = i;
        scan_record(s, &facts);
        if (s->error) {
            return scan_error(s, info);
        }
        if (facts.offset_delta != i) {
            return fault(-EINVAL, "wire: record %d has the offset delta %d", i, facts.offset_delta);
        }
        int64_t timestamp =
                (int64_t)((uint64_t)batch->base_timestamp + (uint64_t)facts.timestamp_delta);
        int r = check_record(&facts, timestamp, limits, info);
        if (r < 0 && !note_reject(limits->rejects, i)) {
            return r;
        }
        rejected = rejected == -ETIME || r == 0 ? rejected : r;
        if (timestamp > info->max_timestamp) {
            info->max_timestamp = timestamp;
            info->max_timestamp_offset = i;
        }
    }
    info->error_index = -1;
    if (scan_more(s)) {
        scan_fail(s, "bytes behind the last record");
    }
    info->decompressed_size = (size_t)scan_position(s);
    return s->error ? scan_error(s, info) : rejected;
}

static int
validate_records(const struct record_batch_limits *limits, struct record_batch_info *info)
{
    const struct record_batch *batch = &info->batch;
    struct scanner s = { .start = batch->records.data, .at = batch->records.data };
    if (record_batch_compression(batch) == COMPRESSION_NONE) {
        s.end = s.at + batch->records.size;
        return scan_records(&s, limits, info);
    }
    CLEANUP(decompressor_closep) struct decompressor *decompressor = NULL;
    int r = decompressor_open(record_batch_compression(batch), batch->records,
            limits->decompressed_size_max, &decompressor);
    if (r < 0) {
        return r;
    }
    CLEANUP(mem_freep) uint8_t *window = mem_alloc(WINDOW_SIZE);
    s.start = window;
    s.at = window;
    s.end = window;
    s.decompressor = decompressor;
    s.window = window;
    return scan_records(&s, limits, info);
}

/* What only a producer's batch must not be. */
static int
check_client_batch(const struct record_batch *batch)
{
    if (record_batch_is_control(batch)) {
        return fault(-EINVAL, "wire: a client may not write control records");
    }
    if (batch->base_offset != 0) {
        return fault(-EINVAL, "wire: the base offset of a produced batch is %lld, not 0",
                (long long)batch->base_offset);
    }
    if (record_batch_has_producer(batch) && batch->base_sequence < 0) {
        return fault(-EINVAL, "wire: producer %lld sent the sequence %d",
                (long long)batch->producer_id, batch->base_sequence);
    }
    if (record_batch_is_transactional(batch) && !record_batch_has_producer(batch)) {
        return fault(-EINVAL, "wire: a transactional batch without a producer id");
    }
    if (batch->attributes & RECORD_BATCH_LOG_APPEND_TIME) {
        return fault(-ETIME, "wire: a producer may not set the log append time");
    }
    return 0;
}

static int
check_counts(const struct record_batch *batch)
{
    if (batch->last_offset_delta < 0 || batch->record_count <= 0) {
        return fault(-EINVAL, "wire: a batch of %d records with the last offset delta %d",
                batch->record_count, batch->last_offset_delta);
    }
    if (batch->last_offset_delta != batch->record_count - 1) {
        return fault(-EINVAL, "wire: a batch has %d records, but its last offset delta is %d",
                batch->record_count, batch->last_offset_delta);
    }
    return 0;
}

static int
check_codec(const struct record_batch *batch, const struct record_batch_limits *limits)
{
    enum compression compression = record_batch_compression(batch);
    if (compression > COMPRESSION_ZSTD) {
        return fault(-EOPNOTSUPP, "wire: a batch has the unknown codec %u", (unsigned)compression);
    }
    if (compression == COMPRESSION_ZSTD && !limits->zstd_allowed) {
        return fault(-EOPNOTSUPP, "wire: zstd in a produce request below version 7");
    }
    return 0;
}

int
record_batch_validate(struct bytes bytes, const struct record_batch_limits *limits,
        struct record_batch_info *ret_info)
{
    struct record_batch *batch = &ret_info->batch;
    *ret_info = (struct record_batch_info){ .error_index = -1 };
    int r = record_batch_read(bytes, batch);
    if (r == -ENODATA) {
        return fault_note(-EBADMSG, "wire: no whole batch");
    }
    if (r < 0) {
        return r;
    }
    if (batch->bytes.size != bytes.size) {
        return fault(-EINVAL, "wire: more than one batch: %zu bytes follow the first",
                bytes.size - batch->bytes.size);
    }
    if (batch->bytes.size > limits->batch_size_max) {
        return fault(-EMSGSIZE, "wire: a batch of %zu bytes, the limit is %zu", batch->bytes.size,
                limits->batch_size_max);
    }
    r = record_batch_check_crc(batch);
    if (r < 0) {
        return r;
    }
    r = limits->from_client ? check_client_batch(batch) : 0;
    if (r < 0) {
        return r;
    }
    r = check_counts(batch);
    if (r < 0) {
        return r;
    }
    r = check_codec(batch, limits);
    if (r < 0) {
        return r;
    }
    ret_info->max_timestamp = batch->max_timestamp;
    ret_info->max_timestamp_offset = batch->last_offset_delta;
    return limits->skip_records ? 0 : validate_records(limits, ret_info);
}
