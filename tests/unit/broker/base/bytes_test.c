/* Runs of bytes and big-endian numbers. */
#include "base/endian.h"
#include "unit/test.h"

TEST(comparison_orders_by_bytes_then_by_length)
{
    ASSERT_EQ(bytes_compare(BYTES_LITERAL("a"), BYTES_LITERAL("a")), 0);
    ASSERT(bytes_compare(BYTES_LITERAL("a"), BYTES_LITERAL("b")) < 0);
    ASSERT(bytes_compare(BYTES_LITERAL("b"), BYTES_LITERAL("ab")) > 0);
    ASSERT(bytes_compare(BYTES_LITERAL("a"), BYTES_LITERAL("ab")) < 0);
    ASSERT(bytes_compare(BYTES_LITERAL("ab"), BYTES_LITERAL("a")) > 0);
    ASSERT_EQ(bytes_compare(BYTES_NULL, BYTES_LITERAL("")), 0);
    ASSERT(bytes_compare(BYTES_NULL, BYTES_LITERAL("a")) < 0);
    ASSERT(bytes_compare(BYTES_LITERAL("\xff"), BYTES_LITERAL("\x01")) > 0);
}

TEST(equality_and_prefixes)
{
    ASSERT(bytes_equal(BYTES_NULL, BYTES_LITERAL("")));
    ASSERT(!bytes_equal(BYTES_LITERAL("a"), BYTES_NULL));
    ASSERT(bytes_starts_with(BYTES_LITERAL("abc"), BYTES_LITERAL("ab")));
    ASSERT(bytes_starts_with(BYTES_LITERAL("abc"), BYTES_NULL));
    ASSERT(!bytes_starts_with(BYTES_LITERAL("a"), BYTES_LITERAL("ab")));
    ASSERT_EQ(bytes_of_string(NULL).size, 0);
}

TEST(hashes_depend_on_every_byte_the_size_and_the_seed)
{
    uint8_t data[40] = { 0 };
    for (size_t size = 0; size < sizeof data; size++) {
        uint64_t hash = bytes_hash(bytes_of(data, size), 1);
        ASSERT(hash != bytes_hash(bytes_of(data, size), 2));
        ASSERT(hash != bytes_hash(bytes_of(data, size + 1), 1));
        for (size_t i = 0; i < size; i++) {
            data[i] = 1;
            ASSERT(hash != bytes_hash(bytes_of(data, size), 1));
            data[i] = 0;
        }
        ASSERT(hash == bytes_hash(bytes_of(data, size), 1));
    }
}

TEST(texts_are_cut_to_fit)
{
    char out[4];
    ASSERT_STRING(bytes_to_string(BYTES_LITERAL("abcdef"), out, sizeof out), "abc");
    ASSERT_STRING(bytes_to_string(BYTES_LITERAL("ab"), out, sizeof out), "ab");
    ASSERT_STRING(bytes_to_string(BYTES_NULL, out, sizeof out), "");
}

TEST(numbers_are_big_endian_at_any_alignment)
{
    uint8_t data[16];
    for (size_t i = 0; i < 8; i++) {
        store_be64(data + i, 0x0102030405060708u);
        ASSERT_EQ(data[i], 1);
        ASSERT_EQ(data[i + 7], 8);
        ASSERT_EQ(load_be64(data + i), 0x0102030405060708);
        ASSERT_EQ(load_be32(data + i), 0x01020304);
        ASSERT_EQ(load_be16(data + i), 0x0102);
        store_be32(data + i, 0xfffefdfcu);
        ASSERT_EQ(load_be32(data + i), 0xfffefdfcu);
        store_be16(data + i, 0xabcd);
        ASSERT_EQ(data[i], 0xab);
    }
}
