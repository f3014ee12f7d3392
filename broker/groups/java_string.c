/* UTF-8 to UTF-16, one unit after the other. */
#include "groups/java_string.h"

#define REPLACEMENT 0xfffd

/* The code point at `at`, which moves on; at least one byte is there. */
static uint32_t
next_code_point(struct bytes text, size_t *at)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint8_t first = text.data[(*at)++];
    size_t size = first < 0x80   ? 1
                  : first < 0xc2 ? 0
                  : first < 0xe0 ? 2
                  : first < 0xf0 ? 3
                  : first < 0xf5 ? 4
                                 : 0;
    if (size == 1) {
        return first;
    }
    if (size == 0 || text.size - *at < size - 1) {
        return REPLACEMENT;
    }
    uint32_t code = first & (0x7fu >> size);
    for (size_t i = 0; i < size - 1; i++) {
        uint8_t byte = text.data[*at + i];
        if ((byte & 0xc0) != 0x80) {
            return REPLACEMENT;
        }
        code = code << 6 | (byte & 0x3fu);
    }
    if (code < least[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
        return REPLACEMENT;
    }
    *at += size - 1;
    return code;
}

int32_t
java_string_hash(struct bytes text)
{
    uint32_t hash = 0;
    for (size_t at = 0; at < text.size;) {
        uint32_t code = next_code_point(text, &at);
        if (code >= 0x10000) {
            hash = 31 * hash + (0xd7c0u + (code >> 10));
            code = 0xdc00u + (code & 0x3ff);
        }
        hash = 31 * hash + code;
    }
    return (int32_t)hash;
}

size_t
java_string_length(struct bytes text)
{
    size_t length = 0;
    for (size_t at = 0; at < text.size;) {
        length += next_code_point(text, &at) >= 0x10000 ? 2 : 1;
    }
    return length;
}
