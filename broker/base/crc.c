/* ISA-L's crc32_iscsi neither inverts before nor after; Kafka's and ours do both. */
#include "base/crc.h"

#include "base/attr.h"

#include <isa-l/crc.h>

uint32_t
crc32c_extend(uint32_t crc, struct bytes bytes)
{
    uint32_t state = ~crc;
    const uint8_t *p = bytes.data;
    size_t left = bytes.size;
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
