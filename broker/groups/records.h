#pragma once
/* The records of __consumer_offsets, as bytes: Kafka's own keys and values. Internal to groups/.
 * Format: docs/formats/groups.md. */

#include "base/strbuf.h"
#include "groups/group.h"

/* Records on their way into one batch, encoded. */
struct group_records {
    struct strbuf bytes;
    size_t count;
    int error; /* the first; sticky */
};

void group_records_init(struct group_records *records);
void group_records_done(struct group_records *records);
/* 0, or -ENOBUFS: more than GROUP_RECORDS_SIZE_MAX. */
MUST_CHECK int group_records_result(const struct group_records *records);

void group_records_offset(
        struct group_records *records, struct bytes group_id, const struct group_offset *offset);
void group_records_offset_gone(struct group_records *records, struct bytes group_id,
        struct bytes topic, int32_t partition);
/* The group and its members; `proposed`: with the assignments of the leader's sync. */
void group_records_group(struct group_records *records, const struct group *group, bool proposed);
void group_records_group_gone(struct group_records *records, struct bytes group_id);

struct group_record {
    struct bytes key;
    struct bytes value; /* data NULL: a tombstone */
};
/* Walks over `rest` = strbuf_bytes(&records->bytes). False at the end. */
bool group_records_next(struct bytes *rest, struct group_record *ret_record);

enum group_record_kind { GROUP_RECORD_OFFSET, GROUP_RECORD_GROUP, GROUP_RECORD_OTHER };
struct group_record_key {
    enum group_record_kind kind; /* OTHER: of a kind that classic groups don't have */
    struct bytes group_id;
    struct bytes topic;
    int32_t partition;
};
/* -EBADMSG: damaged. */
MUST_CHECK int group_record_read_key(struct bytes key, struct group_record_key *ret_key);
/* The value of an offset record; topic and partition are left alone. -EBADMSG, -ENOTSUP. */
MUST_CHECK int group_record_read_offset(struct bytes value, struct group_offset *offset);
/* Makes the group what the value says; its members' sessions begin now. Nobody may wait in it.
 * -EBADMSG, -ENOTSUP. */
MUST_CHECK int group_record_read_group(struct bytes value, struct group *group);
