/* Streaming stores where there are any. */
#include "base/copy.h"

#include "base/attr.h"

#include <string.h>

#ifdef __x86_64__
#include <emmintrin.h>

/* Below that the fence costs more than the caches. */
#define COPY_OUT_SIZE_MIN 2048u

void
bytes_copy_out(void *to, const void *from, size_t size)
{
    if (size < COPY_OUT_SIZE_MIN) {
        memcpy(to, from, size);
        return;
    }
    uint8_t *out = to;
    const uint8_t *in = from;
    size_t head = MIN(size, -(uintptr_t)out % 16);
    memcpy(out, in, head);
    size_t i = head;
    for (; size - i >= 64; i += 64) {
        const __m128i *source = (const __m128i *)(const void *)(in + i);
        __m128i *target = (__m128i *)(void *)(out + i);
        __m128i a = _mm_loadu_si128(source);
        __m128i b = _mm_loadu_si128(source + 1);
        __m128i c = _mm_loadu_si128(source + 2);
        __m128i d = _mm_loadu_si128(source + 3);
        _mm_stream_si128(target, a);
        _mm_stream_si128(target + 1, b);
        _mm_stream_si128(target + 2, c);
        _mm_stream_si128(target + 3, d);
    }
    /* These stores are ordered by nothing else. */
    _mm_sfence();
    memcpy(out + i, in + i, size - i);
}

#else

void
bytes_copy_out(void *to, const void *from, size_t size)
{
    memcpy(to, from, size);
}

#endif
