#pragma once
/* A borrowed run of bytes: pointer and length, never owned, never NUL-terminated. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
    const uint8_t *data; /* may be NULL: Kafka tells null from empty */
    size_t size;
};

#define BYTES_NULL ((struct bytes){ NULL, 0 })
/* From a string literal, without its NUL. */
#define BYTES_LITERAL(s) ((struct bytes){ (const uint8_t *)("" s), sizeof(s) - 1 })

static inline struct bytes
bytes_of(const void *data, size_t size)
{
    return (struct bytes){ (const uint8_t *)data, size };
}

static inline struct bytes
bytes_of_string(const char *s)
{
    return bytes_of(s, s ? strlen(s) : 0);
}

static inline bool
bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Orders by bytes, then by length, as memcmp does. */
int bytes_compare(struct bytes a, struct bytes b);
bool bytes_starts_with(struct bytes a, struct bytes prefix);
/* FNV-free 64-bit hash; the same on every machine. `seed` comes from the reactor's randomness where
 * keys are hostile. */
uint64_t bytes_hash(struct bytes b, uint64_t seed);
/* Mixes a 64-bit key for use in a table. */
uint64_t hash_u64(uint64_t key);
/* Copies into `out` with a NUL, cut to `out_size`; NULL bytes become "". Returns out. */
char *bytes_to_string(struct bytes b, char *out, size_t out_size);
