/* Four vectors, each folded over the next 64 bytes, then into one. */
#include "base/crc_folded.h"

#include "base/check.h"

#ifdef __x86_64__
#include <immintrin.h>

#define WITH_MULTIPLICATION __attribute__((target("pclmul,sse4.2")))

/* What a vector's two halves are multiplied by to take their places 64 or 16 bytes further on:
 * x^575 and x^511, or x^191 and x^127, modulo the polynomial, reflected. */
static const uint64_t by_64[2] = { 0x1c19243b00000000u, 0x75bba45b00000000u };
static const uint64_t by_16[2] = { 0x3743f7bd00000000u, 0x3171d43000000000u };

/* x^(8 * 2^i - 33): what 2^i bytes do to the CRC of what is before, but for the x^33 that the
 * product below has too much. */
static const uint32_t powers[32] = {
    0xbf818109u,
    0x780d5a4du,
    0x05ec76f1u,
    0x00000001u,
    0x493c7d27u,
    0xba4fc28eu,
    0x9e4addf8u,
    0x0d3b6092u,
    0xb9e02b86u,
    0xdd7e3b0cu,
    0x170076fau,
    0xa51b6135u,
    0x82f89c77u,
    0x54a86326u,
    0x1dc403ccu,
    0x5ae703abu,
    0xc5013a36u,
    0xac2ac6ddu,
    0x9b4615a9u,
    0x688d1c61u,
    0xf6af14e6u,
    0xb6ffe386u,
    0xb717425bu,
    0x478b0d30u,
    0x54cc62e5u,
    0x7b2102eeu,
    0x8a99adefu,
    0xa7568c8fu,
    0xd610d67eu,
    0x6b086b3fu,
    0xd94f3c0bu,
    0xbf818109u,
};

bool
crc_folded_is_there(void)
{
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2");
}

bool
crc_folded_is_faster(void)
{
    return crc_folded_is_there() &&
           !(__builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("avx512vl"));
}

WITH_MULTIPLICATION static inline __m128i
load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

WITH_MULTIPLICATION static inline __m128i
fold(__m128i vector, __m128i by, __m128i next)
{
    __m128i low = _mm_clmulepi64_si128(vector, by, 0x00);
    __m128i high = _mm_clmulepi64_si128(vector, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

WITH_MULTIPLICATION static uint32_t
finish(uint64_t state, const uint8_t *p, const uint8_t *end)
{
    for (; end - p >= 8; p += 8) {
        uint64_t next;
        memcpy(&next, p, sizeof next);
        state = _mm_crc32_u64(state, next);
    }
    uint32_t last = (uint32_t)state;
    for (; p < end; p++) {
        last = _mm_crc32_u8(last, *p);
    }
    return last;
}

WITH_MULTIPLICATION uint32_t
crc_folded(uint32_t state, struct bytes bytes)
{
    CHECK(bytes.size >= CRC_FOLDED_SIZE_MIN);
    const uint8_t *p = bytes.data;
    const uint8_t *end = p + bytes.size;
    const __m128i far = load((const uint8_t *)by_64);
    const __m128i near = load((const uint8_t *)by_16);
    __m128i a = _mm_xor_si128(load(p), _mm_cvtsi32_si128((int)state));
    __m128i b = load(p + 16);
    __m128i c = load(p + 32);
    __m128i d = load(p + 48);
    for (p += 64; end - p >= 64; p += 64) {
        a = fold(a, far, load(p));
        b = fold(b, far, load(p + 16));
        c = fold(c, far, load(p + 32));
        d = fold(d, far, load(p + 48));
    }
    d = fold(fold(fold(a, near, b), near, c), near, d);
    uint64_t folded = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(d));
    folded = _mm_crc32_u64(folded, (uint64_t)_mm_extract_epi64(d, 1));
    return finish(folded, p, end);
}

WITH_MULTIPLICATION uint32_t
crc_folded_shift(uint32_t crc, uint32_t size)
{
    for (unsigned i = 0; size; i++, size >>= 1) {
        if (size & 1) {
            __m128i by = _mm_cvtsi32_si128((int)powers[i]);
            __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), by, 0x00);
            crc = (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
        }
    }
    return crc;
}

#else

bool
crc_folded_is_there(void)
{
    return false;
}

bool
crc_folded_is_faster(void)
{
    return false;
}

uint32_t
crc_folded_shift(uint32_t crc, uint32_t size)
{
    (void)crc;
    (void)size;
    UNREACHABLE();
}

uint32_t
crc_folded(uint32_t state, struct bytes bytes)
{
    (void)state;
    (void)bytes;
    UNREACHABLE();
}

#endif
