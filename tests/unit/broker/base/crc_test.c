/* CRC-32C against published vectors (RFC 3720 B.4) and a bitwise version. */
#include "base/attr.h"
#include "base/crc.h"
#include "base/mem.h"
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

TEST(large_runs_agree_with_the_definition)
{
    size_t most = 300000;
    CLEANUP(mem_freep) uint8_t *data = mem_alloc(most);
    for (size_t i = 0; i < most; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    const size_t sizes[] = { 1023, 1024, 1025, 4096, 4159, 65537, 299990 };
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct bytes bytes = bytes_of(data + i, sizes[i]);
        uint32_t expected = bitwise(bytes);
        ASSERT_EQ(crc32c(bytes), expected);
        data[i + sizes[i] / 2] ^= 0x10;
        ASSERT(crc32c(bytes) != expected);
    }
}

TEST(the_crc_of_two_runs_follows_from_theirs)
{
    size_t most = (size_t)3 << 20;
    uint8_t *data = mem_alloc(most);
    for (size_t i = 0; i < most; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 11);
    }
    const size_t sizes[] = { 0, 1, 2, 7, 61, 4096, 65535, 65536, 1000003, (size_t)2 << 20 };
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(sizes); k++) {
            size_t size = MIN(sizes[i], (size_t)1 << 20);
            uint32_t before = crc32c(bytes_of(data, size));
            uint32_t after = crc32c(bytes_of(data + size, sizes[k]));
            ASSERT_EQ(crc32c_combine(before, after, (uint32_t)sizes[k]),
                    crc32c(bytes_of(data, size + sizes[k])));
        }
    }
    mem_free(data);
}
