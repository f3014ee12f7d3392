#pragma once
/* The bytes of log objects, snapshots and the floor. Private to this room; pure functions, fuzzed
 * as they are. */

#include "meta/log.h"

#define OBJLOG_MAGIC 0x464c4f47u          /* "FLOG" */
#define OBJLOG_SNAPSHOT_MAGIC 0x46534e50u /* "FSNP" */
#define OBJLOG_FLOOR_MAGIC 0x46464c52u    /* "FFLR" */
#define OBJLOG_VERSION 1u

#define OBJLOG_HEADER_SIZE 112u
#define OBJLOG_TRAILER_SIZE 4u
#define OBJLOG_SNAPSHOT_HEADER_SIZE 84u
#define OBJLOG_FLOOR_SIZE 52u

struct objlog_header {
    struct uuid log_id;
    uint64_t sequence;
    int64_t epoch;
    struct uuid writer;
    struct uuid nonce;
    uint8_t previous_hash[OBJLOG_HASH_SIZE];
};

/* The whole object. -EMSGSIZE; -ENOMEM. */
MUST_CHECK int objlog_object_encode(const struct objlog_header *header, const struct iovec *payload,
        size_t part_count, struct buf **ret_object);
/* -EBADMSG, -EMEDIUMTYPE; `key` is for the fault. ret_payload is borrowed from `object`. */
MUST_CHECK int objlog_object_decode(struct bytes object, const char *key,
        struct objlog_header *ret_header, struct bytes *ret_payload);
void objlog_object_hash(struct bytes object, uint8_t ret_hash[OBJLOG_HASH_SIZE]);

struct objlog_snapshot {
    struct uuid log_id;
    uint64_t sequence;
    int64_t epoch;                           /* greatest epoch up to the log object `sequence` */
    uint8_t previous_hash[OBJLOG_HASH_SIZE]; /* of that object */
};
/* Fills header and trailer around `state`. */
void objlog_snapshot_encode(const struct objlog_snapshot *snapshot, struct bytes state,
        uint8_t ret_header[OBJLOG_SNAPSHOT_HEADER_SIZE], uint8_t ret_trailer[OBJLOG_TRAILER_SIZE]);
MUST_CHECK int objlog_snapshot_decode(struct bytes object, const char *key,
        struct objlog_snapshot *ret_snapshot, struct bytes *ret_state);

struct objlog_floor {
    struct uuid log_id;
    uint64_t sequence;
    struct uuid nonce; /* two writes of the same floor have different etags */
};
void objlog_floor_encode(const struct objlog_floor *floor, uint8_t ret_bytes[OBJLOG_FLOOR_SIZE]);
MUST_CHECK int objlog_floor_decode(
        struct bytes object, const char *key, struct objlog_floor *ret_floor);
