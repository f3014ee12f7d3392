/* ISA-L's crc32_iscsi neither inverts before nor after; Kafka's and ours do both. */
#include "base/crc.h"

#include "base/attr.h"
#include "base/crc_folded.h"

#include <isa-l/crc.h>

uint32_t
crc32c_extend(uint32_t crc, struct bytes bytes)
{
    uint32_t state = ~crc;
    const uint8_t *p = bytes.data;
    size_t left = bytes.size;
    if (left >= CRC_FOLDED_SIZE_MIN && crc_folded_is_faster()) {
        return ~crc_folded(state, bytes);
    }
    while (left > 0) {
        size_t n = MIN(left, (size_t)1 << 30); /* the library counts in int */
        state = crc32_iscsi((unsigned char *)(uintptr_t)p, (int)n, state);
        p += n;
        left -= n;
    }
    return ~state;
}

uint32_t
crc32c(struct bytes bytes)
{
    return crc32c_extend(0, bytes);
}

/* x^(8 * 2^i) modulo the polynomial, reflected: what 2^i bytes do to the CRC of what is before. */
static const uint32_t powers[32] = {
    0x00800000u,
    0x00008000u,
    0x82f63b78u,
    0x6ea2d55cu,
    0x18b8ea18u,
    0x510ac59au,
    0xb82be955u,
    0xb8fdb1e7u,
    0x88e56f72u,
    0x74c360a4u,
    0xe4172b16u,
    0x0d65762au,
    0x35d73a62u,
    0x28461564u,
    0xbf455269u,
    0xe2ea32dcu,
    0xfe7740e6u,
    0xf946610bu,
    0x3c204f8fu,
    0x538586e3u,
    0x59726915u,
    0x734d5309u,
    0xbc1ac763u,
    0x7d0722ccu,
    0xd289cabeu,
    0xe94ca9bcu,
    0x05b74f3fu,
    0xa51e1f42u,
    0x40000000u,
    0x20000000u,
    0x08000000u,
    0x00800000u,
};

/* a * b modulo the polynomial, reflected: bit 31 is x^0. */
static uint32_t
multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (; a; a <<= 1) {
        product ^= a >> 31 ? b : 0;
        b = b >> 1 ^ (b & 1 ? 0x82f63b78u : 0);
    }
    return product;
}

uint32_t
crc32c_combine(uint32_t before, uint32_t after, uint32_t after_size)
{
    if (crc_folded_is_there()) {
        return crc_folded_shift(before, after_size) ^ after;
    }
    for (unsigned i = 0; after_size; i++, after_size >>= 1) {
        before = after_size & 1 ? multiply(powers[i], before) : before;
    }
    return before ^ after;
}
