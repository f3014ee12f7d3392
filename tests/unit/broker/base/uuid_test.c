/* Kafka's text form of ids. */
#include "base/uuid.h"
#include "unit/test.h"

#include <errno.h>

TEST(known_ids_have_kafkas_text)
{
    char text[UUID_TEXT_SIZE];
    struct uuid uuid = UUID_ZERO;
    ASSERT_STRING(uuid_format(&uuid, text), "AAAAAAAAAAAAAAAAAAAAAA");
    ASSERT(uuid_is_zero(&uuid));
    /* Kafka's METADATA_TOPIC_ID: new Uuid(0, 1). */
    uuid.bytes[15] = 1;
    ASSERT_STRING(uuid_format(&uuid, text), "AAAAAAAAAAAAAAAAAAAAAQ");
    memset(uuid.bytes, 0xff, sizeof uuid.bytes);
    ASSERT_STRING(uuid_format(&uuid, text), "_____________________w");
}

TEST(texts_are_read_back)
{
    for (unsigned seed = 0; seed < 1000; seed++) {
        struct uuid uuid;
        struct uuid back;
        char text[UUID_TEXT_SIZE];
        for (unsigned i = 0; i < 16; i++) {
            uuid.bytes[i] = (uint8_t)hash_u64(seed * 16 + i + 1);
        }
        uuid_format(&uuid, text);
        ASSERT_OK(uuid_parse(bytes_of_string(text), &back));
        ASSERT(uuid_equal(&uuid, &back));
        ASSERT_EQ(uuid_compare(&uuid, &back), 0);
        ASSERT_EQ(uuid_hash(&uuid) == uuid_hash(&back), 1);
    }
}

TEST(other_texts_are_refused)
{
    static const char *const texts[] = { "", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAA+A", "AAAAAAAAAAAAAAAAAAAA/A", "AAAAAAAAAAAAAAAAAAAAA=" };
    struct uuid uuid;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        ASSERT_ERROR(uuid_parse(bytes_of_string(texts[i]), &uuid), -EINVAL);
    }
    ASSERT_ERROR(uuid_parse(BYTES_LITERAL("AAAAAAAAAAAAAAAAAAAAA\0"), &uuid), -EINVAL);
}
