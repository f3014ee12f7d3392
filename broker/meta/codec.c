/* The bounded cursor and its counterpart: meta/codec.h. */
#include "meta/codec.h"

#include "base/endian.h"

#include <errno.h>

struct meta_reader
meta_reader_of(struct bytes bytes)
{
    return (struct meta_reader){ .at = bytes.data, .left = bytes.size };
}

/* NULL, and the error, when fewer than `size` bytes are left. */
static const uint8_t *
reader_take(struct meta_reader *reader, size_t size)
{
    if (reader->error || size > reader->left) {
        reader->error = -EBADMSG;
        return NULL;
    }
    const uint8_t *p = reader->at;
    reader->at += size;
    reader->left -= size;
    return p;
}

uint8_t
meta_read_u8(struct meta_reader *reader)
{
    const uint8_t *p = reader_take(reader, 1);
    return p ? *p : 0;
}

uint16_t
meta_read_u16(struct meta_reader *reader)
{
    const uint8_t *p = reader_take(reader, 2);
    return p ? load_be16(p) : 0;
}

uint32_t
meta_read_u32(struct meta_reader *reader)
{
    const uint8_t *p = reader_take(reader, 4);
    return p ? load_be32(p) : 0;
}

int32_t
meta_read_i32(struct meta_reader *reader)
{
    return (int32_t)meta_read_u32(reader);
}

uint64_t
meta_read_u64(struct meta_reader *reader)
{
    const uint8_t *p = reader_take(reader, 8);
    return p ? load_be64(p) : 0;
}

int64_t
meta_read_i64(struct meta_reader *reader)
{
    return (int64_t)meta_read_u64(reader);
}

bool
meta_read_bool(struct meta_reader *reader)
{
    uint8_t value = meta_read_u8(reader);
    if (value > 1) {
        reader->error = -EBADMSG;
    }
    return value == 1;
}

struct uuid
meta_read_uuid(struct meta_reader *reader)
{
    struct uuid uuid = UUID_ZERO;
    const uint8_t *p = reader_take(reader, sizeof uuid.bytes);
    if (p) {
        memcpy(uuid.bytes, p, sizeof uuid.bytes);
    }
    return uuid;
}

struct bytes
meta_read_raw(struct meta_reader *reader, size_t size)
{
    const uint8_t *p = reader_take(reader, size);
    return p ? bytes_of(p, size) : BYTES_NULL;
}

struct bytes
meta_read_blob(struct meta_reader *reader, size_t size_max)
{
    int32_t size = meta_read_i32(reader);
    if (size == -1) {
        return BYTES_NULL;
    }
    if (size < 0 || (size_t)size > size_max) {
        reader->error = -EBADMSG;
        return BYTES_NULL;
    }
    return meta_read_raw(reader, (size_t)size);
}

int32_t
meta_read_count(struct meta_reader *reader, size_t size_min)
{
    int32_t count = meta_read_i32(reader);
    if (count < 0 || (size_t)count > reader->left / size_min) {
        reader->error = -EBADMSG;
        return 0;
    }
    return reader->error ? 0 : count;
}

struct partition_key
meta_read_key(struct meta_reader *reader)
{
    struct partition_key key;
    key.topic_id = meta_read_uuid(reader);
    key.index = meta_read_i32(reader);
    return key;
}

struct store_range
meta_read_range(struct meta_reader *reader)
{
    struct store_range range;
    range.object_id = meta_read_u64(reader);
    range.base_offset = meta_read_i64(reader);
    range.end_offset = meta_read_i64(reader);
    range.timestamp_max = meta_read_i64(reader);
    range.position = meta_read_u64(reader);
    range.size = meta_read_u64(reader);
    range.index_position = meta_read_u64(reader);
    range.block_count = meta_read_u32(reader);
    range.checkpoint_size = meta_read_u32(reader);
    range.checkpoint_position = meta_read_u64(reader);
    range.leader_epoch = meta_read_i32(reader);
    range.flags = meta_read_u32(reader);
    return range;
}

int
meta_reader_end(const struct meta_reader *reader)
{
    return reader->error || reader->left ? -EBADMSG : 0;
}

void
meta_write_u8(struct strbuf *out, uint8_t value)
{
    strbuf_append(out, bytes_of(&value, sizeof value));
}

void
meta_write_u16(struct strbuf *out, uint16_t value)
{
    uint8_t p[2];
    store_be16(p, value);
    strbuf_append(out, bytes_of(p, sizeof p));
}

void
meta_write_u32(struct strbuf *out, uint32_t value)
{
    uint8_t p[4];
    store_be32(p, value);
    strbuf_append(out, bytes_of(p, sizeof p));
}

void
meta_write_i32(struct strbuf *out, int32_t value)
{
    meta_write_u32(out, (uint32_t)value);
}

void
meta_write_u64(struct strbuf *out, uint64_t value)
{
    uint8_t p[8];
    store_be64(p, value);
    strbuf_append(out, bytes_of(p, sizeof p));
}

void
meta_write_i64(struct strbuf *out, int64_t value)
{
    meta_write_u64(out, (uint64_t)value);
}

void
meta_write_bool(struct strbuf *out, bool value)
{
    meta_write_u8(out, value ? 1 : 0);
}

void
meta_write_uuid(struct strbuf *out, struct uuid value)
{
    strbuf_append(out, bytes_of(value.bytes, sizeof value.bytes));
}

void
meta_write_blob(struct strbuf *out, struct bytes value)
{
    if (!value.data) {
        meta_write_i32(out, -1);
        return;
    }
    if (value.size > INT32_MAX) {
        out->error = -ENOBUFS;
        return;
    }
    meta_write_i32(out, (int32_t)value.size);
    strbuf_append(out, value);
}

void
meta_write_key(struct strbuf *out, struct partition_key key)
{
    meta_write_uuid(out, key.topic_id);
    meta_write_i32(out, key.index);
}

void
meta_write_range(struct strbuf *out, const struct store_range *range)
{
    meta_write_u64(out, range->object_id);
    meta_write_i64(out, range->base_offset);
    meta_write_i64(out, range->end_offset);
    meta_write_i64(out, range->timestamp_max);
    meta_write_u64(out, range->position);
    meta_write_u64(out, range->size);
    meta_write_u64(out, range->index_position);
    meta_write_u32(out, range->block_count);
    meta_write_u32(out, range->checkpoint_size);
    meta_write_u64(out, range->checkpoint_position);
    meta_write_i32(out, range->leader_epoch);
    meta_write_u32(out, range->flags);
}
