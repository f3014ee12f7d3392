/* Kafka's text form of a 16-byte id. */
#include "base/uuid.h"

#include "base/check.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool
uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

bool
uuid_is_zero(const struct uuid *uuid)
{
    struct uuid zero = UUID_ZERO;
    return uuid_equal(uuid, &zero);
}

int
uuid_compare(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

uint64_t
uuid_hash(const struct uuid *uuid)
{
    return bytes_hash(bytes_of(uuid->bytes, sizeof uuid->bytes), 0);
}

char *
uuid_format(const struct uuid *uuid, char out[UUID_TEXT_SIZE])
{
    uint32_t bits = 0;
    int count = 0;
    size_t n = 0;
    for (size_t i = 0; i < sizeof uuid->bytes; i++) {
        bits = bits << 8 | uuid->bytes[i];
        count += 8;
        while (count >= 6) {
            count -= 6;
            out[n++] = alphabet[bits >> count & 63];
        }
    }
    out[n++] = alphabet[bits << (6 - count) & 63];
    out[n] = 0;
    CHECK(n == UUID_TEXT_SIZE - 1);
    return out;
}

int
uuid_parse(struct bytes text, struct uuid *ret_uuid)
{
    struct uuid uuid;
    uint32_t bits = 0;
    int count = 0;
    size_t n = 0;
    if (text.size != UUID_TEXT_SIZE - 1) {
        return -EINVAL;
    }
    for (size_t i = 0; i < text.size; i++) {
        const char *at = text.data[i] ? strchr(alphabet, text.data[i]) : NULL;
        if (!at) {
            return -EINVAL;
        }
        bits = bits << 6 | (uint32_t)(at - alphabet);
        count += 6;
        if (count >= 8 && n < sizeof uuid.bytes) {
            count -= 8;
            uuid.bytes[n++] = (uint8_t)(bits >> count);
        }
    }
    *ret_uuid = uuid;
    return 0;
}
