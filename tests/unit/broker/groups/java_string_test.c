/* What a Java broker makes of group ids. The numbers are String.hashCode's. */
#include "groups/groups.h"
#include "groups/java_string.h"
#include "unit/test.h"

TEST(hashes_are_those_of_java)
{
    const struct {
        const char *text;
        int32_t hash;
    } cases[] = {
        { "", 0 }, { "a", 97 }, { "hello", 99162322 }, { "polygenelubricants", INT32_MIN },
        { "\xc3\xa9", 233 },            /* e with an accent */
        { "\xe2\x82\xac", 8364 },       /* the euro sign */
        { "\xf0\x9f\x98\x80", 1772899 } /* a smiley: two units */
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ASSERT_EQ(java_string_hash(bytes_of_string(cases[i].text)), cases[i].hash);
    }
}

TEST(what_is_not_utf8_counts_as_the_replacement_character)
{
    const char *broken[] = { "\xff", "\xc0", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80" };
    const size_t lengths[] = { 1, 1, 2, 3, 4 };
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        ASSERT_EQ(java_string_length(bytes_of_string(broken[i])), lengths[i]);
    }
    ASSERT_EQ(java_string_hash(BYTES_LITERAL("\xff")), 0xfffd);
    ASSERT_EQ(java_string_length(BYTES_LITERAL("a\xf0\x9f\x98\x80z")), 4);
}

TEST(groups_are_where_kafka_has_them)
{
    ASSERT_EQ(groups_partition_of(BYTES_LITERAL("hello"), 50), 99162322 % 50);
    /* abs of the least integer is 0 in Kafka's Utils.abs. */
    ASSERT_EQ(groups_partition_of(BYTES_LITERAL("polygenelubricants"), 50), 0);
    /* "console-consumer-12" hashes below zero: abs, not a mask. */
    int32_t hash = java_string_hash(BYTES_LITERAL("console-consumer-12"));
    ASSERT_EQ(groups_partition_of(BYTES_LITERAL("console-consumer-12"), 50),
            (hash < 0 ? -(int64_t)hash : hash) % 50);
}
