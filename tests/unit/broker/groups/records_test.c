/* Records of __consumer_offsets: the bytes are Kafka's. */
#include "groups/records.h"
#include "unit/test.h"

#include <errno.h>

static struct group_record
first_of(const struct group_records *records)
{
    struct bytes rest = strbuf_bytes(&records->bytes);
    struct group_record record = { BYTES_NULL, BYTES_NULL };
    (void)group_records_next(&rest, &record);
    return record;
}

TEST(an_offset_record_has_kafkas_bytes)
{
    struct group_records records;
    struct group_offset offset = {
        .topic = BYTES_LITERAL("t"),
        .partition = 3,
        .offset = 258,
        .leader_epoch = 2,
        .metadata = BYTES_LITERAL("m"),
        .commit_ms = 513,
        .expire_ms = -1,
    };
    group_records_init(&records);
    group_records_offset(&records, BYTES_LITERAL("g"), &offset);
    struct group_record record = first_of(&records);
    ASSERT_BYTES(record.key, BYTES_LITERAL("\0\1\0\1g\0\1t\0\0\0\3"));
    ASSERT_BYTES(record.value, BYTES_LITERAL("\0\3\0\0\0\0\0\0\1\2\0\0\0\2\0\1m\0\0\0\0\0\0\2\1"));
    group_records_done(&records);
}

TEST(offsets_are_read_as_they_were_written)
{
    for (int form = 0; form < 3; form++) {
        struct group_records records;
        struct group_offset offset = {
            .topic = BYTES_LITERAL("topic"),
            .topic_id = form == 1 ? (struct uuid){ { 7 } } : UUID_ZERO,
            .partition = 3,
            .offset = 1ll << 40,
            .leader_epoch = form == 2 ? -1 : 9, /* version 1 has none */
            .metadata = BYTES_LITERAL("note"),
            .commit_ms = 12,
            .expire_ms = form == 2 ? 99 : -1,
        };
        struct group_offset back = { 0 };
        struct group_record_key key;
        group_records_init(&records);
        group_records_offset(&records, BYTES_LITERAL("group"), &offset);
        struct group_record record = first_of(&records);
        ASSERT_OK(group_record_read_key(record.key, &key));
        ASSERT_EQ(key.kind, GROUP_RECORD_OFFSET);
        ASSERT_BYTES(key.group_id, BYTES_LITERAL("group"));
        ASSERT_BYTES(key.topic, BYTES_LITERAL("topic"));
        ASSERT_EQ(key.partition, 3);
        ASSERT_OK(group_record_read_offset(record.value, &back));
        ASSERT_EQ(back.offset, offset.offset);
        ASSERT_EQ(back.leader_epoch, offset.leader_epoch);
        ASSERT_EQ(back.commit_ms, 12);
        ASSERT_EQ(back.expire_ms, offset.expire_ms);
        ASSERT(uuid_equal(&back.topic_id, &offset.topic_id));
        ASSERT_BYTES(back.metadata, offset.metadata);
        group_records_done(&records);
    }
}

static struct group *
sample(size_t *memory)
{
    struct group *group = group_new(BYTES_LITERAL("g"), NULL, memory);
    struct group_protocol protocols[2] = { { BYTES_LITERAL("range"), BYTES_LITERAL("sub") },
        { BYTES_LITERAL("other"), BYTES_LITERAL("x") } };
    for (int i = 0; i < 2; i++) {
        struct member *member = group_add_member(group, i ? BYTES_LITERAL("b") : BYTES_LITERAL("a"),
                i ? BYTES_LITERAL("static") : BYTES_NULL, false);
        member_set_protocols(group, member, protocols, 2);
        member_set_client(group, member, BYTES_LITERAL("client"), BYTES_LITERAL("/host"));
        member_set_assignment(group, member, &member->assignment, BYTES_LITERAL("mine"));
        member->session_timeout_ms = 10;
        member->rebalance_timeout_ms = 20;
    }
    group->generation = 5;
    group->state_ms = 77;
    replace_bytes(&group->protocol_type, BYTES_LITERAL("consumer"));
    replace_bytes(&group->protocol_name, BYTES_LITERAL("range"));
    replace_bytes(&group->leader, BYTES_LITERAL("b"));
    return group;
}

/* G3 */
TEST(a_group_is_read_as_it_was_written)
{
    size_t memory = 0;
    struct group_records records;
    struct group *group = sample(&memory);
    struct group *back = group_new(BYTES_LITERAL("g"), NULL, &memory);
    struct group_record_key key;
    group_records_init(&records);
    group_records_group(&records, group, false);
    struct group_record record = first_of(&records);
    ASSERT_BYTES(record.key, BYTES_LITERAL("\0\2\0\1g"));
    ASSERT_OK(group_record_read_key(record.key, &key));
    ASSERT_EQ(key.kind, GROUP_RECORD_GROUP);
    for (int i = 0; i < 2; i++) { /* the second time over what is there */
        ASSERT_OK(group_record_read_group(record.value, back));
        ASSERT_EQ(back->state, GROUP_STABLE);
        ASSERT_EQ(back->generation, 5);
        ASSERT_EQ(back->state_ms, 77);
        ASSERT_EQ(back->member_count, 2);
        ASSERT_BYTES(back->leader, BYTES_LITERAL("b"));
        ASSERT_BYTES(back->protocol_name, BYTES_LITERAL("range"));
    }
    struct member *member = group_static_member(back, BYTES_LITERAL("static"));
    ASSERT(member != NULL);
    ASSERT_BYTES(member->id, BYTES_LITERAL("b"));
    ASSERT_BYTES(member->client_host, BYTES_LITERAL("/host"));
    ASSERT_BYTES(member->assignment, BYTES_LITERAL("mine"));
    ASSERT_BYTES(member_metadata(member, back->protocol_name), BYTES_LITERAL("sub"));
    ASSERT_EQ(member->session_timeout_ms, 10);
    ASSERT_EQ(member->rebalance_timeout_ms, 20);
    group_records_done(&records);
    group_free(group);
    group_free(back);
    ASSERT_EQ(memory, 0);
}

TEST(damaged_and_foreign_records_are_told_apart)
{
    struct group_record_key key;
    struct group_offset offset;
    size_t memory = 0;
    struct group *group = group_new(BYTES_LITERAL("g"), NULL, &memory);
    ASSERT_OK(group_record_read_key(BYTES_LITERAL("\0\3\0\1g"), &key)); /* KIP-848 */
    ASSERT_EQ(key.kind, GROUP_RECORD_OTHER);
    ASSERT_ERROR(group_record_read_key(BYTES_LITERAL("\0"), &key), -EBADMSG);
    ASSERT_ERROR(group_record_read_key(BYTES_LITERAL("\0\1\0\5g"), &key), -EBADMSG);
    ASSERT_ERROR(group_record_read_key(BYTES_LITERAL("\0\2"), &key), -EBADMSG);
    ASSERT_ERROR(group_record_read_offset(BYTES_LITERAL("\0\3\0"), &offset), -EBADMSG);
    ASSERT(group_record_read_offset(BYTES_LITERAL("\0\11\0\0\0\0\0\0\0\0\0"), &offset) < 0);
    ASSERT(group_record_read_group(BYTES_LITERAL("\0\3\0\1"), group) < 0);
    group_free(group);
}

TEST(the_protocol_that_most_like_best_is_chosen)
{
    size_t memory = 0;
    struct group *group = group_new(BYTES_LITERAL("g"), NULL, &memory);
    struct group_protocol p[3] = { { BYTES_LITERAL("x"), BYTES_LITERAL("") },
        { BYTES_LITERAL("y"), BYTES_LITERAL("") }, { BYTES_LITERAL("y"), BYTES_LITERAL("") } };
    struct group_protocol q[2] = { { BYTES_LITERAL("z"), BYTES_LITERAL("") },
        { BYTES_LITERAL("y"), BYTES_LITERAL("") } };
    struct member *a = group_add_member(group, BYTES_LITERAL("a"), BYTES_NULL, false);
    member_set_protocols(group, a, p, 3);
    ASSERT_BYTES(group_choose_protocol(group), BYTES_LITERAL("x"));
    struct member *b = group_add_member(group, BYTES_LITERAL("b"), BYTES_NULL, false);
    member_set_protocols(group, b, q, 2);
    ASSERT_BYTES(group_choose_protocol(group), BYTES_LITERAL("y")); /* all support it */
    replace_bytes(&group->protocol_type, BYTES_LITERAL("consumer"));
    group->state = GROUP_STABLE;
    ASSERT(group_supports(group, BYTES_LITERAL("consumer"), p, 2));
    ASSERT(!group_supports(group, BYTES_LITERAL("consumer"), p, 1));
    ASSERT(!group_supports(group, BYTES_LITERAL("other"), p, 2));
    group_free(group);
    ASSERT_EQ(memory, 0);
}
