/* The cursor over received bytes. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "unit/test.h"
#include "wire/reader.h"

#include <errno.h>

static struct wire_reader
reader_of(const void *data, size_t size)
{
    struct wire_reader r;
    wire_reader_init(&r, bytes_of(data, size));
    return r;
}

TEST(integers_are_big_endian_and_signed)
{
    const uint8_t bytes[] = { 0xfe, 0xff, 0xfd, 0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0 };
    struct wire_reader r = reader_of(bytes, sizeof bytes);
    ASSERT_EQ(wire_reader_int8(&r), -2);
    ASSERT_EQ(wire_reader_int16(&r), -3);
    ASSERT_EQ(wire_reader_int32(&r), INT32_MIN + 1);
    ASSERT_EQ(wire_reader_int64(&r), 256);
    ASSERT_OK(wire_reader_result(&r, "test"));
    ASSERT_EQ(wire_reader_remaining(&r), 0);
}

TEST(an_error_stays_and_names_the_position)
{
    const uint8_t bytes[] = { 0, 1, 2 };
    struct wire_reader r = reader_of(bytes, sizeof bytes);
    ASSERT_EQ(wire_reader_int16(&r), 1);
    ASSERT_EQ(wire_reader_int32(&r), 0);
    /* One byte is left, but nothing may be read behind an error. */
    ASSERT_EQ(wire_reader_int8(&r), 0);
    ASSERT_EQ(wire_reader_result(&r, "a test"), -EBADMSG);
    ASSERT(strstr(fault_text(), "a test"));
    ASSERT(strstr(fault_text(), "at byte 2 of 3"));
}

TEST(unsigned_varints_take_up_to_five_bytes)
{
    const uint8_t good[] = { 0x7f, 0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0x0f };
    struct wire_reader r = reader_of(good, sizeof good);
    ASSERT_EQ(wire_reader_unsigned_varint(&r), 127);
    ASSERT_EQ(wire_reader_unsigned_varint(&r), 128);
    ASSERT_EQ(wire_reader_unsigned_varint(&r), UINT32_MAX);
    ASSERT_OK(wire_reader_result(&r, "test"));
    const uint8_t six[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 };
    r = reader_of(six, sizeof six);
    ASSERT_EQ(wire_reader_unsigned_varint(&r), 0);
    ASSERT_ERROR(wire_reader_result(&r, "test"), -EBADMSG);
    r = reader_of(six, 3);
    ASSERT_EQ(wire_reader_unsigned_varint(&r), 0);
    ASSERT_ERROR(wire_reader_result(&r, "test"), -EBADMSG);
}

TEST(zigzag_varints_are_signed)
{
    const uint8_t bytes[] = { 0x00, 0x01, 0x02, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xfe, 0xff, 0xff,
        0xff, 0x0f };
    struct wire_reader r = reader_of(bytes, sizeof bytes);
    ASSERT_EQ(wire_reader_varint(&r), 0);
    ASSERT_EQ(wire_reader_varint(&r), -1);
    ASSERT_EQ(wire_reader_varint(&r), 1);
    ASSERT_EQ(wire_reader_varint(&r), INT32_MIN);
    ASSERT_EQ(wire_reader_varint(&r), INT32_MAX);
    const uint8_t lowest[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 };
    r = reader_of(lowest, sizeof lowest);
    ASSERT_EQ(wire_reader_varlong(&r), INT64_MIN);
    ASSERT_OK(wire_reader_result(&r, "test"));
    const uint8_t eleven[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01 };
    r = reader_of(eleven, sizeof eleven);
    ASSERT_EQ(wire_reader_varlong(&r), 0);
    ASSERT_ERROR(wire_reader_result(&r, "test"), -EBADMSG);
}

TEST(strings_have_two_prefixes_and_null_is_not_empty)
{
    const uint8_t bytes[] = { 0, 2, 'a', 'b', 3, 'c', 'd', 0, 0, 0xff, 0xff, 0, 1 };
    struct wire_reader r = reader_of(bytes, sizeof bytes);
    ASSERT_BYTES(wire_reader_bytes(&r, WIRE_LENGTH_STRING, false), BYTES_LITERAL("ab"));
    ASSERT_BYTES(wire_reader_bytes(&r, WIRE_LENGTH_STRING, true), BYTES_LITERAL("cd"));
    struct bytes empty = wire_reader_bytes(&r, WIRE_LENGTH_STRING, false);
    ASSERT(empty.data && empty.size == 0);
    ASSERT(!wire_reader_bytes(&r, WIRE_LENGTH_STRING, false).data);
    ASSERT(!wire_reader_bytes(&r, WIRE_LENGTH_BYTES, true).data);
    ASSERT_OK(wire_reader_result(&r, "test"));
    ASSERT_EQ(wire_reader_remaining(&r), 1);
}

/* V1 */
TEST(a_length_is_checked_against_what_remains)
{
    const uint8_t bytes[] = { 0x7f, 0xff, 0xff, 0xff, 1, 2, 3 };
    struct wire_reader r = reader_of(bytes, sizeof bytes);
    ASSERT(!wire_reader_bytes(&r, WIRE_LENGTH_BYTES, false).data);
    ASSERT_ERROR(wire_reader_result(&r, "test"), -EBADMSG);
}

TEST(a_compact_string_may_not_be_longer_than_32767)
{
    static uint8_t bytes[40000];
    /* 32768 + 1 as a varint. */
    bytes[0] = 0x81;
    bytes[1] = 0x80;
    bytes[2] = 0x02;
    struct wire_reader r = reader_of(bytes, sizeof bytes);
    ASSERT(!wire_reader_bytes(&r, WIRE_LENGTH_STRING, true).data);
    ASSERT_ERROR(wire_reader_result(&r, "test"), -EBADMSG);
    r = reader_of(bytes, sizeof bytes);
    ASSERT_EQ(wire_reader_bytes(&r, WIRE_LENGTH_BYTES, true).size, 32768);
}

TEST(tagged_fields_are_skipped_and_counted)
{
    const uint8_t bytes[] = { 2, 0, 3, 'a', 'b', 'c', 9, 0, 0x55 };
    struct wire_reader r = reader_of(bytes, sizeof bytes);
    wire_reader_skip_tagged_fields(&r);
    ASSERT_EQ(wire_reader_uint8(&r), 0x55);
    ASSERT_EQ(r.tagged_fields, 2);
    r = reader_of(bytes, 4);
    wire_reader_skip_tagged_fields(&r);
    ASSERT_ERROR(wire_reader_result(&r, "test"), -EBADMSG);
}

TEST(the_number_of_tagged_fields_is_bounded)
{
    size_t size = 2 * (WIRE_TAGGED_FIELDS_MAX + 1) + 3;
    uint8_t *bytes = mem_alloc(size);
    size_t count = WIRE_TAGGED_FIELDS_MAX + 1;
    bytes[0] = (uint8_t)(count | 0x80);
    bytes[1] = (uint8_t)(count >> 7);
    struct wire_reader r = reader_of(bytes, size);
    wire_reader_skip_tagged_fields(&r);
    int result = wire_reader_result(&r, "test");
    mem_free(bytes);
    ASSERT_ERROR(result, -EBADMSG);
    ASSERT(strstr(fault_text(), "too many tagged fields"));
}

TEST(uuids_and_doubles_come_as_they_are)
{
    const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0x3f, 0xf8, 0,
        0, 0, 0, 0, 0 };
    struct wire_reader r = reader_of(bytes, sizeof bytes);
    struct uuid uuid = wire_reader_uuid(&r);
    ASSERT_EQ(memcmp(uuid.bytes, bytes, 16), 0);
    ASSERT(wire_reader_float64(&r) > 1.49 && wire_reader_remaining(&r) == 0);
}
