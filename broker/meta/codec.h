#pragma once
/* Big-endian reading and writing of everything that meta/ stores: records, snapshots, log objects,
 * lease, floor. Private to this room. A reader's error is sticky: read on, look once at the end;
 * what was read after an error is zero. No input makes it read outside its bytes or hand out a
 * count that the remaining bytes cannot hold. */

#include "base/strbuf.h"
#include "base/uuid.h"
#include "store/range.h"

struct meta_reader {
    const uint8_t *at;
    size_t left;
    int error; /* 0 or -EBADMSG */
};

struct meta_reader meta_reader_of(struct bytes bytes);
uint8_t meta_read_u8(struct meta_reader *reader);
uint16_t meta_read_u16(struct meta_reader *reader);
uint32_t meta_read_u32(struct meta_reader *reader);
int32_t meta_read_i32(struct meta_reader *reader);
uint64_t meta_read_u64(struct meta_reader *reader);
int64_t meta_read_i64(struct meta_reader *reader);
/* One byte, 0 or 1. */
bool meta_read_bool(struct meta_reader *reader);
struct uuid meta_read_uuid(struct meta_reader *reader);
/* Borrowed from the reader's bytes. */
struct bytes meta_read_raw(struct meta_reader *reader, size_t size);
/* A blob of at most size_max bytes: data NULL when it was written as NULL. */
struct bytes meta_read_blob(struct meta_reader *reader, size_t size_max);
/* A count of elements that take at least size_min bytes each: an error unless the remaining bytes
 * can hold them. */
int32_t meta_read_count(struct meta_reader *reader, size_t size_min);
struct partition_key meta_read_key(struct meta_reader *reader);
/* META_RANGE_SIZE bytes. */
struct store_range meta_read_range(struct meta_reader *reader);
/* Everything was read and nothing is left over. */
MUST_CHECK int meta_reader_end(const struct meta_reader *reader);

#define META_KEY_SIZE 20u
#define META_RANGE_SIZE 80u

void meta_write_u8(struct strbuf *out, uint8_t value);
void meta_write_u16(struct strbuf *out, uint16_t value);
void meta_write_u32(struct strbuf *out, uint32_t value);
void meta_write_i32(struct strbuf *out, int32_t value);
void meta_write_u64(struct strbuf *out, uint64_t value);
void meta_write_i64(struct strbuf *out, int64_t value);
void meta_write_bool(struct strbuf *out, bool value);
void meta_write_uuid(struct strbuf *out, struct uuid value);
/* Four bytes of size (-1: NULL), then the bytes. */
void meta_write_blob(struct strbuf *out, struct bytes value);
void meta_write_key(struct strbuf *out, struct partition_key key);
void meta_write_range(struct strbuf *out, const struct store_range *range);
