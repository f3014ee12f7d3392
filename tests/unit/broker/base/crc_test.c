/* CRC-32C against published vectors (RFC 3720 B.4) and a bitwise version. */
#include "base/crc.h"
#include "unit/test.h"

static uint32_t
bitwise(struct bytes bytes)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= bytes.data[i];
        for (int k = 0; k < 8; k++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

TEST(published_vectors_agree)
{
    uint8_t data[32];
    ASSERT_EQ(crc32c(BYTES_LITERAL("123456789")), 0xe3069283u);
    ASSERT_EQ(crc32c(BYTES_NULL), 0);
    memset(data, 0, sizeof data);
    ASSERT_EQ(crc32c(bytes_of(data, 32)), 0x8a9136aau);
    memset(data, 0xff, sizeof data);
    ASSERT_EQ(crc32c(bytes_of(data, 32)), 0x62a8ab43u);
    for (unsigned i = 0; i < 32; i++) {
        data[i] = (uint8_t)i;
    }
    ASSERT_EQ(crc32c(bytes_of(data, 32)), 0x46dd794eu);
    for (unsigned i = 0; i < 32; i++) {
        data[i] = (uint8_t)(31 - i);
    }
    ASSERT_EQ(crc32c(bytes_of(data, 32)), 0x113fdb5cu);
}

TEST(every_size_and_alignment_agrees_with_the_definition_and_extends)
{
    static uint8_t data[700];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * i + 7 * i);
    }
    for (size_t start = 0; start < 9; start++) {
        for (size_t size = 0; size < 600; size += start + 1) {
            struct bytes bytes = bytes_of(data + start, size);
            uint32_t expected = bitwise(bytes);
            ASSERT_EQ(crc32c(bytes), expected);
            uint32_t half = crc32c(bytes_of(bytes.data, size / 3));
            ASSERT_EQ(crc32c_extend(half, bytes_of(bytes.data + size / 3, size - size / 3)),
                    expected);
        }
    }
}
