/* Comparison and hashing of byte runs. */
#include "base/bytes.h"

#include "base/attr.h"

int
bytes_compare(struct bytes a, struct bytes b)
{
    size_t n = MIN(a.size, b.size);
    int c = n ? memcmp(a.data, b.data, n) : 0;
    if (c != 0) {
        return c;
    }
    return a.size < b.size ? -1 : a.size > b.size;
}

bool
bytes_starts_with(struct bytes a, struct bytes prefix)
{
    return a.size >= prefix.size && bytes_equal(bytes_of(a.data, prefix.size), prefix);
}

uint64_t
hash_u64(uint64_t key)
{
    /* The finalizer of splitmix64: every input bit reaches every output bit. */
    key ^= key >> 30;
    key *= 0xbf58476d1ce4e5b9u;
    key ^= key >> 27;
    key *= 0x94d049bb133111ebu;
    return key ^ (key >> 31);
}

uint64_t
bytes_hash(struct bytes b, uint64_t seed)
{
    uint64_t h = seed ^ (b.size * 0x9e3779b97f4a7c15u);
    size_t i = 0;
    for (; i + 8 <= b.size; i += 8) {
        uint64_t word;
        memcpy(&word, b.data + i, 8);
        h = hash_u64(h ^ word);
    }
    uint64_t tail = 0;
    if (i < b.size) {
        memcpy(&tail, b.data + i, b.size - i);
    }
    return hash_u64(h ^ tail);
}

char *
bytes_to_string(struct bytes b, char *out, size_t out_size)
{
    size_t n = MIN(b.size, out_size - 1);
    if (n) {
        memcpy(out, b.data, n);
    }
    out[n] = 0;
    return out;
}
