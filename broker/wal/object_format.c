/* Headers, records and keys of a WAL in the bucket. */
#include "wal/object_format.h"

#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/mutant.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HEADER_CRC_AT (WAL_OBJECT_HEADER - 4)

void
wal_object_header_encode(struct wal_object_header *header, uint8_t out[WAL_OBJECT_HEADER])
{
    memset(out, 0, WAL_OBJECT_HEADER);
    store_be32(out, WAL_OBJECT_MAGIC);
    store_be16(out + 4, WAL_OBJECT_VERSION);
    store_be16(out + 6, (uint16_t)header->kind);
    memcpy(out + 8, header->log.cluster_id.bytes, 16);
    store_be32(out + 24, (uint32_t)header->log.broker_id);
    store_be32(out + 28, header->log.index);
    store_be64(out + 32, header->log.incarnation);
    store_be32(out + 40, header->log_count);
    store_be32(out + 44, header->record_count);
    store_be64(out + 48, header->slot);
    memcpy(out + 56, header->nonce.bytes, 16);
    memcpy(out + 72, header->previous_nonce.bytes, 16);
    store_be32(out + 88, header->previous_crc);
    store_be32(out + 92, header->body_size);
    store_be64(out + 96, header->first_sequence);
    store_be64(out + 104, header->trimmed);
    store_be64(out + 112, header->acknowledged);
    store_be32(out + 120, header->body_crc);
    header->header_crc = crc32c(bytes_of(out, HEADER_CRC_AT));
    store_be32(out + HEADER_CRC_AT, header->header_crc);
}

static struct wal_object_header
header_fields(const uint8_t *in)
{
    struct wal_object_header header = {
        .log = { .broker_id = (int32_t)load_be32(in + 24),
                .incarnation = load_be64(in + 32),
                .index = load_be32(in + 28) },
        .kind = (enum wal_object_kind)load_be16(in + 6),
        .log_count = load_be32(in + 40),
        .slot = load_be64(in + 48),
        .previous_crc = load_be32(in + 88),
        .first_sequence = load_be64(in + 96),
        .record_count = load_be32(in + 44),
        .trimmed = load_be64(in + 104),
        .acknowledged = load_be64(in + 112),
        .body_size = load_be32(in + 92),
        .body_crc = load_be32(in + 120),
        .header_crc = load_be32(in + HEADER_CRC_AT),
    };
    memcpy(header.log.cluster_id.bytes, in + 8, 16);
    memcpy(header.nonce.bytes, in + 56, 16);
    memcpy(header.previous_nonce.bytes, in + 72, 16);
    return header;
}

int
wal_object_header_decode(struct bytes bytes, const char *key, struct wal_object_header *ret_header)
{
    if (bytes.size < WAL_OBJECT_HEADER || load_be32(bytes.data) != WAL_OBJECT_MAGIC ||
            load_be32(bytes.data + HEADER_CRC_AT) != crc32c(bytes_of(bytes.data, HEADER_CRC_AT))) {
        return fault(-EBADMSG, "wal: %s: its header is damaged", key);
    }
    unsigned version = load_be16(bytes.data + 4);
    if (version != WAL_OBJECT_VERSION) {
        return fault(-EPROTONOSUPPORT, "wal: %s is of version %u, this Freshet reads %u", key,
                version, WAL_OBJECT_VERSION);
    }
    struct wal_object_header header = header_fields(bytes.data);
    bool known = header.kind == WAL_OBJECT_RECORDS || header.kind == WAL_OBJECT_FENCE;
    if (!known || header.slot == 0 || header.trimmed == 0 || header.trimmed > header.slot ||
            header.acknowledged >= header.slot || header.log_count > WAL_OBJECT_LOGS_MAX ||
            header.record_count > header.body_size / WAL_OBJECT_RECORD_HEADER) {
        return fault(-EBADMSG, "wal: %s: its header cannot be", key);
    }
    *ret_header = header;
    return 0;
}

int
wal_object_body(struct bytes object, const struct wal_object_header *header, const char *key,
        struct bytes *ret_body)
{
    struct bytes body = bytes_of(object.data + WAL_OBJECT_HEADER, object.size - WAL_OBJECT_HEADER);
    bool fits = crc32c(body) == header->body_crc || MUTANT(MUTANT_NO_WAL_OBJECT_CRC);
    if (body.size != header->body_size || !fits) {
        return fault(-EBADMSG, "wal: %s: its body of %zu bytes is damaged", key, body.size);
    }
    *ret_body = body;
    return 0;
}

/* The records go through the whole body, and there are as many as the header says. */
static bool
records_fit(struct bytes body, uint32_t count)
{
    size_t at = 0;
    struct wal_object_record record;
    for (uint32_t i = 0; i < count; i++) {
        if (wal_object_record_next(body, &at, &record) < 0) {
            return false;
        }
    }
    return at == body.size;
}

int
wal_object_prove(struct bytes object, const struct wal_object_log *log, uint64_t slot,
        struct wal_object_header *ret_header, struct bytes *ret_body)
{
    if (object.size < WAL_OBJECT_HEADER) {
        return -EBADMSG;
    }
    struct wal_object_header header = header_fields(object.data);
    struct bytes body = bytes_of(object.data + WAL_OBJECT_HEADER, object.size - WAL_OBJECT_HEADER);
    bool same = header.kind == WAL_OBJECT_RECORDS && header.slot == slot &&
                header.log.broker_id == log->broker_id &&
                header.log.incarnation == log->incarnation && header.log.index == log->index;
    if (!same || body.size != header.body_size || crc32c(body) != header.body_crc ||
            !records_fit(body, header.record_count)) {
        return -EBADMSG;
    }
    *ret_header = (struct wal_object_header){ .log = header.log,
        .kind = header.kind,
        .slot = slot,
        .first_sequence = header.first_sequence,
        .record_count = header.record_count,
        .body_size = header.body_size,
        .body_crc = header.body_crc };
    *ret_body = body;
    return 0;
}

void
wal_object_record_encode(
        uint32_t size, uint16_t tag, uint32_t crc, uint8_t out[WAL_OBJECT_RECORD_HEADER])
{
    store_be32(out, size);
    store_be16(out + 4, tag);
    store_be16(out + 6, 0);
    store_be32(out + 8, crc);
}

int
wal_object_record_next(struct bytes body, size_t *at, struct wal_object_record *ret_record)
{
    size_t left = body.size - *at;
    if (left < WAL_OBJECT_RECORD_HEADER) {
        return fault(-EBADMSG, "wal: a record is cut short");
    }
    const uint8_t *in = body.data + *at;
    uint32_t size = load_be32(in);
    if (size > left - WAL_OBJECT_RECORD_HEADER) {
        return fault(-EBADMSG, "wal: a record of %u bytes is cut short", size);
    }
    struct bytes payload = bytes_of(in + WAL_OBJECT_RECORD_HEADER, size);
    if (load_be32(in + 8) != crc32c(payload) && !MUTANT(MUTANT_NO_WAL_OBJECT_CRC)) {
        return fault(-EBADMSG, "wal: the CRC of a record of %u bytes differs", size);
    }
    *ret_record = (struct wal_object_record){ load_be16(in + 4), payload };
    *at += WAL_OBJECT_RECORD_HEADER + size;
    return 0;
}

void
wal_object_prefix(const struct wal_object_log *log, char out[WAL_OBJECT_KEY_SIZE])
{
    snprintf(out, WAL_OBJECT_KEY_SIZE,
            WAL_OBJECT_ROOT "%010" PRId32 "/%020" PRIu64 "/%04" PRIu32 "/", log->broker_id,
            log->incarnation, log->index);
}

void
wal_object_key(const struct wal_object_log *log, uint64_t slot, char out[WAL_OBJECT_KEY_SIZE])
{
    wal_object_prefix(log, out);
    size_t size = strlen(out);
    snprintf(out + size, WAL_OBJECT_KEY_SIZE - size, "%020" PRIu64, slot);
}

/* `digits` decimal digits, then `end`. */
static const char *
number_parse(const char *text, unsigned digits, char end, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (unsigned i = 0; text && i < digits; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(number, 10u, &number) ||
                __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number)) {
            return NULL;
        }
    }
    if (!text || text[digits] != end || number > max) {
        return NULL;
    }
    *ret_number = number;
    return text + digits + (end != 0);
}

int
wal_object_key_parse(const char *key, struct wal_object_log *ret_log, uint64_t *ret_slot)
{
    uint64_t id = 0;
    uint64_t incarnation = 0;
    uint64_t index = 0;
    uint64_t slot = 0;
    const char *at = key;
    if (strncmp(key, WAL_OBJECT_ROOT, strlen(WAL_OBJECT_ROOT)) != 0) {
        return -EINVAL;
    }
    at = number_parse(at + strlen(WAL_OBJECT_ROOT), 10, '/', INT32_MAX, &id);
    at = number_parse(at, 20, '/', UINT64_MAX, &incarnation);
    at = number_parse(at, 4, '/', WAL_OBJECT_LOGS_MAX, &index);
    at = number_parse(at, 20, 0, UINT64_MAX, &slot);
    if (!at || slot == 0) {
        return -EINVAL;
    }
    *ret_log = (struct wal_object_log){
        .broker_id = (int32_t)id, .incarnation = incarnation, .index = (uint32_t)index
    };
    *ret_slot = slot;
    return 0;
}
