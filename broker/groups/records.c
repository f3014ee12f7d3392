/* Keys and values of __consumer_offsets, in Kafka's own form: its tools can read them. */
#include "groups/records.h"

#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "wire/messages/consumer_offsets.h"

#include <errno.h>

#define OFFSET_KEY_VERSION 1 /* 0 is an older writer's, of the same form */
#define GROUP_KEY_VERSION 2
#define OFFSET_VALUE_WITH_TIME 1 /* has an expiry of its own */
#define OFFSET_VALUE_WITHOUT_ID 3
#define OFFSET_VALUE_WITH_ID 4
#define GROUP_VALUE_VERSION 3
#define NO_VALUE UINT32_MAX

void
group_records_init(struct group_records *records)
{
    *records = (struct group_records){ 0 };
    strbuf_init(&records->bytes, GROUP_RECORDS_SIZE_MAX);
}

void
group_records_done(struct group_records *records)
{
    strbuf_done(&records->bytes);
}

int
group_records_result(const struct group_records *records)
{
    int r = records->error ? records->error : records->bytes.error;
    return r < 0 ? fault(r, "records of a group of more than %zu bytes",
                           (size_t)GROUP_RECORDS_SIZE_MAX)
                 : 0;
}

static void
append_sized(struct strbuf *out, struct bytes bytes)
{
    uint8_t size[4];
    store_be32(size, bytes.data ? (uint32_t)bytes.size : NO_VALUE);
    strbuf_append(out, bytes_of(size, sizeof size));
    strbuf_append(out, bytes);
}

/* `version` and the message behind it, as the next part of a record. */
static void
append_message(struct group_records *records, const struct wire_type *type, int16_t version,
        int16_t form, const void *message)
{
    struct wire_writer w;
    wire_writer_init(&w, GROUP_RECORDS_SIZE_MAX);
    wire_writer_int16(&w, version);
    int r = wire_write(&w, type, form, message);
    if (r < 0 && !records->error) {
        records->error = r;
    }
    append_sized(&records->bytes, bytes_of(w.data, r < 0 ? 0 : w.size));
    wire_writer_done(&w);
}

static void
append_tombstone(struct group_records *records)
{
    append_sized(&records->bytes, BYTES_NULL);
    records->count++;
}

static void
append_offset_key(
        struct group_records *records, struct bytes group_id, struct bytes topic, int32_t partition)
{
    struct offset_commit_key key = { group_id, topic, partition };
    append_message(records, &offset_commit_key_type, OFFSET_KEY_VERSION, 0, &key);
}

void
group_records_offset(
        struct group_records *records, struct bytes group_id, const struct group_offset *offset)
{
    struct offset_commit_value value = offset_commit_value_default;
    int16_t version = offset->expire_ms >= 0            ? OFFSET_VALUE_WITH_TIME
                      : uuid_is_zero(&offset->topic_id) ? OFFSET_VALUE_WITHOUT_ID
                                                        : OFFSET_VALUE_WITH_ID;
    value.offset = offset->offset;
    value.leader_epoch = offset->leader_epoch;
    value.metadata = offset->metadata.data ? offset->metadata : BYTES_LITERAL("");
    value.commit_timestamp = offset->commit_ms;
    value.expire_timestamp = offset->expire_ms;
    value.topic_id = offset->topic_id;
    append_offset_key(records, group_id, offset->topic, offset->partition);
    append_message(records, &offset_commit_value_type, version, version, &value);
    records->count++;
}

void
group_records_offset_gone(
        struct group_records *records, struct bytes group_id, struct bytes topic, int32_t partition)
{
    append_offset_key(records, group_id, topic, partition);
    append_tombstone(records);
}

static void
append_group_key(struct group_records *records, struct bytes group_id)
{
    struct group_metadata_key key = { group_id };
    append_message(records, &group_metadata_key_type, GROUP_KEY_VERSION, 0, &key);
}

static struct group_metadata_value_member_metadata
member_value(const struct group *group, const struct member *member, bool proposed)
{
    struct bytes assignment = proposed ? member->proposed : member->assignment;
    struct bytes subscription = member_metadata(member, group->protocol_name);
    return (struct group_metadata_value_member_metadata){
        .member_id = member->id,
        .group_instance_id = member->instance_id,
        .client_id = member->client_id,
        .client_host = member->client_host,
        .rebalance_timeout = member->rebalance_timeout_ms,
        .session_timeout = member->session_timeout_ms,
        .subscription = subscription.data ? subscription : BYTES_LITERAL(""),
        .assignment = assignment.data ? assignment : BYTES_LITERAL(""),
    };
}

void
group_records_group(struct group_records *records, const struct group *group, bool proposed)
{
    struct group_metadata_value value = group_metadata_value_default;
    struct group_metadata_value_member_metadata *members =
            mem_alloc_array(group->member_count, sizeof *members);
    size_t count = 0;
    LIST_FOREACH (link, &group->members) {
        const struct member *member = CONTAINER_OF(link, const struct member, link);
        if (!member->pending) {
            members[count++] = member_value(group, member, proposed);
        }
    }
    value.protocol_type = group->protocol_type.data ? group->protocol_type : BYTES_LITERAL("");
    value.generation = group->generation;
    value.protocol = group->protocol_name;
    value.leader = group->leader;
    value.current_state_timestamp = group->state_ms;
    value.members = wire_array_of(members, count);
    append_group_key(records, group->id);
    append_message(
            records, &group_metadata_value_type, GROUP_VALUE_VERSION, GROUP_VALUE_VERSION, &value);
    records->count++;
    mem_free(members);
}

void
group_records_group_gone(struct group_records *records, struct bytes group_id)
{
    append_group_key(records, group_id);
    append_tombstone(records);
}

static struct bytes
next_sized(struct bytes *rest)
{
    uint32_t size = load_be32(rest->data);
    struct bytes part = BYTES_NULL;
    *rest = bytes_of(rest->data + 4, rest->size - 4);
    if (size != NO_VALUE) {
        part = bytes_of(rest->data, size);
        *rest = bytes_of(rest->data + size, rest->size - size);
    }
    return part;
}

bool
group_records_next(struct bytes *rest, struct group_record *ret_record)
{
    if (rest->size == 0) {
        return false;
    }
    ret_record->key = next_sized(rest);
    ret_record->value = next_sized(rest);
    return true;
}

int
group_record_read_key(struct bytes key, struct group_record_key *ret_key)
{
    struct wire_reader r;
    struct offset_commit_key offset;
    struct group_metadata_key group;
    wire_reader_init(&r, key);
    int16_t version = wire_reader_int16(&r);
    int result = wire_reader_result(&r, "key of __consumer_offsets");
    *ret_key = (struct group_record_key){ .kind = GROUP_RECORD_OTHER };
    if (result < 0 || version < 0 || version > GROUP_KEY_VERSION) {
        return result;
    }
    if (version == GROUP_KEY_VERSION) {
        result = wire_read(&r, &group_metadata_key_type, 0, &group);
        ret_key->kind = GROUP_RECORD_GROUP;
        ret_key->group_id = result < 0 ? BYTES_NULL : group.group;
        return result;
    }
    result = wire_read(&r, &offset_commit_key_type, 0, &offset);
    if (result == 0) {
        *ret_key = (struct group_record_key){ GROUP_RECORD_OFFSET, offset.group, offset.topic,
            offset.partition };
    }
    return result;
}

/* The version in front of a value, and the message. */
static int
read_value(struct bytes value, const struct wire_type *type, void *ret_message)
{
    struct wire_reader r;
    wire_reader_init(&r, value);
    int16_t version = wire_reader_int16(&r);
    int result = wire_reader_result(&r, "value of __consumer_offsets");
    return result < 0 ? result : wire_read(&r, type, version, ret_message);
}

int
group_record_read_offset(struct bytes value, struct group_offset *offset)
{
    struct offset_commit_value message;
    int r = read_value(value, &offset_commit_value_type, &message);
    if (r == 0) {
        offset->topic_id = message.topic_id;
        offset->offset = message.offset;
        offset->leader_epoch = message.leader_epoch;
        offset->metadata = message.metadata;
        offset->commit_ms = message.commit_timestamp;
        offset->expire_ms = message.expire_timestamp;
    }
    return r;
}

static void
read_member(struct group *group, const struct group_metadata_value *value,
        const struct group_metadata_value_member_metadata *from)
{
    struct bytes name = value->protocol.data ? value->protocol : BYTES_LITERAL("");
    struct group_protocol protocol = { name, from->subscription };
    if (group_member(group, from->member_id) ||
            (from->group_instance_id.data && group_static_member(group, from->group_instance_id))) {
        return; /* nobody writes that */
    }
    struct member *member =
            group_add_member(group, from->member_id, from->group_instance_id, false);
    member_set_client(group, member, from->client_id, from->client_host);
    member->session_timeout_ms = MAX(from->session_timeout, 0);
    member->rebalance_timeout_ms =
            from->rebalance_timeout < 0 ? member->session_timeout_ms : from->rebalance_timeout;
    member_set_protocols(group, member, &protocol, 1);
    member_set_assignment(group, member, &member->assignment, from->assignment);
    member_alive(member);
}

int
group_record_read_group(struct bytes bytes, struct group *group)
{
    struct group_metadata_value value;
    int r = read_value(bytes, &group_metadata_value_type, &value);
    if (r < 0) {
        return r;
    }
    LIST_FOREACH_SAFE (link, &group->members) {
        group_remove_member(group, CONTAINER_OF(link, struct member, link));
    }
    struct wire_iterator it = wire_iterate(&value.members);
    struct group_metadata_value_member_metadata member;
    while (group_metadata_value_member_metadata_next(&it, &member)) {
        read_member(group, &value, &member);
    }
    group->generation = value.generation;
    group->state = group->member_count ? GROUP_STABLE : GROUP_EMPTY;
    group->state_ms = value.current_state_timestamp;
    replace_bytes(
            &group->protocol_type, value.protocol_type.size ? value.protocol_type : BYTES_NULL);
    replace_bytes(&group->protocol_name, value.protocol);
    if (value.leader.data && group_member(group, value.leader)) {
        replace_bytes(&group->leader, value.leader);
    }
    return 0;
}
