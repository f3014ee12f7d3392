/* Ranges and keys: names of objects, checks of numbers that come from metadata, the 80 bytes of a
 * range. */
#include "store/range.h"

#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "store/format.h"

#include <errno.h>
#include <stdio.h>

char *
store_object_key(uint64_t object_id, char out[OBJECT_KEY_TEXT_SIZE])
{
    snprintf(out, OBJECT_KEY_TEXT_SIZE, "data/%04x/%016llx",
            (unsigned)(hash_u64(object_id) & 0xffff), (unsigned long long)object_id);
    return out;
}

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int
store_object_id_of_key(const char *key, uint64_t *ret_object_id)
{
    static const char pattern[] = "data/hhhh/";
    size_t prefix = sizeof pattern - 1;
    uint64_t id = 0;
    if (strlen(key) != prefix + 16) {
        return -EINVAL;
    }
    for (size_t i = prefix; i < prefix + 16; i++) {
        int digit = hex_digit(key[i]);
        if (digit < 0) {
            return -EINVAL;
        }
        id = id << 4 | (unsigned)digit;
    }
    char wanted[OBJECT_KEY_TEXT_SIZE];
    if (strcmp(store_object_key(id, wanted), key) != 0) {
        return -EINVAL;
    }
    *ret_object_id = id;
    return 0;
}

void
range_write(const struct store_range *range, uint8_t out[RANGE_SIZE])
{
    store_be64(out, range->object_id);
    store_be64(out + 8, (uint64_t)range->base_offset);
    store_be64(out + 16, (uint64_t)range->end_offset);
    store_be64(out + 24, (uint64_t)range->timestamp_max);
    store_be64(out + 32, range->position);
    store_be64(out + 40, range->size);
    store_be64(out + 48, range->index_position);
    store_be64(out + 56, range->checkpoint_position);
    store_be32(out + 64, range->block_count);
    store_be32(out + 68, range->checkpoint_size);
    store_be32(out + 72, (uint32_t)range->leader_epoch);
    store_be32(out + 76, range->flags);
}

void
range_read(const uint8_t *data, struct store_range *ret_range)
{
    *ret_range = (struct store_range){
        .object_id = load_be64(data),
        .base_offset = (int64_t)load_be64(data + 8),
        .end_offset = (int64_t)load_be64(data + 16),
        .timestamp_max = (int64_t)load_be64(data + 24),
        .position = load_be64(data + 32),
        .size = load_be64(data + 40),
        .index_position = load_be64(data + 48),
        .checkpoint_position = load_be64(data + 56),
        .block_count = load_be32(data + 64),
        .checkpoint_size = load_be32(data + 68),
        .leader_epoch = (int32_t)load_be32(data + 72),
        .flags = load_be32(data + 76),
    };
}

/* True when the piece lies inside the largest object there can be; also keeps later sums from
 * wrapping. */
static bool
piece_fits(uint64_t position, uint64_t size)
{
    return position >= OBJECT_HEADER_SIZE && position <= OBJECT_SIZE_MAX &&
           size <= OBJECT_SIZE_MAX - position;
}

static const char *
range_problem(const struct store_range *range)
{
    if (range->object_id == 0 || range->base_offset < 0 ||
            range->end_offset <= range->base_offset) {
        return "impossible offsets or object";
    }
    if (range->block_count == 0) {
        if (range->size != 0 || range->index_position != 0) {
            return "bytes without blocks";
        }
    } else if (range->block_count > STORE_RANGE_BLOCKS_MAX ||
               !piece_fits(range->position, range->size) ||
               range->size / range->block_count <= BLOCK_HEADER_SIZE) {
        return "impossible size or number of blocks";
    }
    if (range->block_count == 1 && range->size > BLOCK_HEADER_SIZE + BLOCK_SIZE_MAX) {
        return "block too large";
    }
    if (range->block_count > 1 &&
            !piece_fits(range->index_position, index_size(range->block_count))) {
        return "impossible index";
    }
    if (range->checkpoint_size > 0 &&
            (range->checkpoint_size < SECTION_HEADER_SIZE ||
                    range->checkpoint_size > SECTION_HEADER_SIZE + STORE_CHECKPOINT_SIZE_MAX ||
                    !piece_fits(range->checkpoint_position, range->checkpoint_size))) {
        return "impossible checkpoint";
    }
    return NULL;
}

int
store_range_check(const struct store_range *range)
{
    const char *problem = range_problem(range);
    if (!problem) {
        return 0;
    }
    return fault(-EBADMSG, "store: range of object %016llx, offsets %lld to %lld: %s",
            (unsigned long long)range->object_id, (long long)range->base_offset,
            (long long)range->end_offset, problem);
}

bool
partition_key_equal(const struct partition_key *a, const struct partition_key *b)
{
    return a->index == b->index && uuid_equal(&a->topic_id, &b->topic_id);
}

uint64_t
partition_key_hash(const struct partition_key *key)
{
    return hash_u64(uuid_hash(&key->topic_id) + (uint32_t)key->index);
}
