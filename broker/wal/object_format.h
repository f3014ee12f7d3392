#pragma once
/* The bytes of a WAL in the bucket (wal.type: s3): encoding and checking of its objects. Pure: no
 * store, no state. Entered from the other files of this room and from tests. Format:
 * docs/formats/wal.md, "In the bucket". */

#include "base/attr.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/uuid.h"

#define WAL_OBJECT_MAGIC 0x46574f42u /* "FWOB" */
#define WAL_OBJECT_VERSION 1u
#define WAL_OBJECT_HEADER 128u
#define WAL_OBJECT_RECORD_HEADER 12u
#define WAL_OBJECT_FENCE_BODY 12u
/* One record of the greatest size goes alone. */
#define WAL_OBJECT_SIZE_MAX (WAL_OBJECT_HEADER + WAL_OBJECT_RECORD_HEADER + WAL_RECORD_SIZE_MAX)

enum wal_object_kind { WAL_OBJECT_RECORDS = 1, WAL_OBJECT_FENCE = 2 };

/* Whose log it is. */
struct wal_object_log {
    struct uuid cluster_id;
    int32_t broker_id;
    uint64_t incarnation; /* the broker epoch */
    uint32_t index;       /* of the broker's logs, from 0 */
};

struct wal_object_header {
    struct wal_object_log log;
    enum wal_object_kind kind;
    uint32_t log_count; /* the broker's logs in this incarnation; 0: not known (a fence) */
    uint64_t slot;      /* from 1 */
    struct uuid nonce;
    struct uuid previous_nonce; /* of the object in the slot before; zero in slot 1 and fences */
    uint32_t previous_crc;      /* its header CRC */
    uint64_t first_sequence;    /* of its records */
    uint32_t record_count;
    uint64_t trimmed;      /* slots below it are not wanted, and may be gone (L3) */
    uint64_t acknowledged; /* all slots up to it were settled when this was sealed */
    uint32_t body_size;
    uint32_t body_crc;
    uint32_t header_crc; /* set by encode and decode */
};

/* Writes the header with its CRC. */
void wal_object_header_encode(struct wal_object_header *header, uint8_t out[WAL_OBJECT_HEADER]);
/* Of the first WAL_OBJECT_HEADER bytes of an object. -EBADMSG: damaged; -EPROTONOSUPPORT: another
 * version; `key` is for the fault. */
MUST_CHECK int wal_object_header_decode(
        struct bytes bytes, const char *key, struct wal_object_header *ret_header);
/* The body of a whole object whose header was decoded: size and CRC. -EBADMSG. */
MUST_CHECK int wal_object_body(struct bytes object, const struct wal_object_header *header,
        const char *key, struct bytes *ret_body);

/* For an object whose header is damaged: 0 when what is left of it names the log and the slot, and
 * size, CRC and number of records fit the body, which is whole then. Of ret_header only those are
 * set, and first_sequence, which nothing proves. -EBADMSG: nothing is proven. */
MUST_CHECK int wal_object_prove(struct bytes object, const struct wal_object_log *log,
        uint64_t slot, struct wal_object_header *ret_header, struct bytes *ret_body);

void wal_object_record_encode(
        uint32_t size, uint16_t tag, uint32_t crc, uint8_t out[WAL_OBJECT_RECORD_HEADER]);
struct wal_object_record {
    uint16_t tag;
    struct bytes payload; /* inside the body */
};
/* The record at *at of the body; moves *at behind it. -EBADMSG. */
MUST_CHECK int wal_object_record_next(
        struct bytes body, size_t *at, struct wal_object_record *ret_record);

/* wal/<broker id>/<incarnation>/<log index>/: numbers of fixed width, decimal. */
#define WAL_OBJECT_ROOT "wal/"
#define WAL_OBJECT_KEY_SIZE 96
void wal_object_prefix(const struct wal_object_log *log, char out[WAL_OBJECT_KEY_SIZE]);
void wal_object_key(const struct wal_object_log *log, uint64_t slot, char out[WAL_OBJECT_KEY_SIZE]);
/* The way back; cluster_id is not set. -EINVAL: not such a key. */
MUST_CHECK int wal_object_key_parse(
        const char *key, struct wal_object_log *ret_log, uint64_t *ret_slot);
