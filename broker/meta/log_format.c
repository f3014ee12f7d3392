/* Encoding and checking of what lies under a log's prefix: meta/log_format.h,
 * docs/formats/metadata.md. */
#include "meta/log_format.h"

#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "meta/codec.h"

#include <errno.h>
#include <openssl/sha.h>

_Static_assert(SHA256_DIGEST_LENGTH == OBJLOG_HASH_SIZE, "the chain is SHA-256");

static size_t
payload_size(const struct iovec *payload, size_t part_count)
{
    size_t size = 0;
    for (size_t i = 0; i < part_count; i++) {
        if (__builtin_add_overflow(size, payload[i].iov_len, &size)) {
            return SIZE_MAX;
        }
    }
    return size;
}

/* magic, version, flags: the start of everything. */
static void
put_start(uint8_t *p, uint32_t magic)
{
    store_be32(p, magic);
    store_be16(p + 4, OBJLOG_VERSION);
    store_be16(p + 6, 0);
}

static int
check_start(struct meta_reader *in, uint32_t magic, const char *key)
{
    uint32_t found = meta_read_u32(in);
    uint16_t version = meta_read_u16(in);
    uint16_t flags = meta_read_u16(in);
    if (in->error || found != magic || version == 0) {
        return fault(-EBADMSG, "meta: %s: magic %08x version %u instead of %08x", key, found,
                version, magic);
    }
    if (version > OBJLOG_VERSION || flags != 0) {
        return fault(-EMEDIUMTYPE, "meta: %s: version %u flags %x was written by a newer Freshet",
                key, version, flags);
    }
    return 0;
}

int
objlog_object_encode(const struct objlog_header *header, const struct iovec *payload,
        size_t part_count, struct buf **ret_object)
{
    size_t size = payload_size(payload, part_count);
    if (size > OBJLOG_PAYLOAD_SIZE_MAX) {
        return fault(-EMSGSIZE, "meta: a log object of %zu bytes; at most %zu", size,
                OBJLOG_PAYLOAD_SIZE_MAX);
    }
    struct buf *object = buf_try_new(OBJLOG_HEADER_SIZE + size + OBJLOG_TRAILER_SIZE);
    if (!object) {
        return fault(-ENOMEM, "meta: no memory for a log object of %zu bytes", size);
    }
    uint8_t *p = object->data;
    put_start(p, OBJLOG_MAGIC);
    memcpy(p + 8, header->log_id.bytes, 16);
    store_be64(p + 24, header->sequence);
    store_be64(p + 32, (uint64_t)header->epoch);
    memcpy(p + 40, header->writer.bytes, 16);
    memcpy(p + 56, header->nonce.bytes, 16);
    memcpy(p + 72, header->previous_hash, OBJLOG_HASH_SIZE);
    store_be32(p + 104, (uint32_t)size);
    store_be32(p + 108, crc32c(bytes_of(p, 108)));
    size_t at = OBJLOG_HEADER_SIZE;
    for (size_t i = 0; i < part_count; i++) {
        if (payload[i].iov_len) {
            memcpy(p + at, payload[i].iov_base, payload[i].iov_len);
            at += payload[i].iov_len;
        }
    }
    store_be32(p + at, crc32c(bytes_of(p, at)));
    object->size = at + OBJLOG_TRAILER_SIZE;
    *ret_object = object;
    return 0;
}

/* The CRC over everything before it, in the last four bytes. */
static bool
trailer_fits(struct bytes object)
{
    size_t size = object.size - OBJLOG_TRAILER_SIZE;
    return load_be32(object.data + size) == crc32c(bytes_of(object.data, size));
}

int
objlog_object_decode(struct bytes object, const char *key, struct objlog_header *ret_header,
        struct bytes *ret_payload)
{
    struct meta_reader in = meta_reader_of(object);
    int r = check_start(&in, OBJLOG_MAGIC, key);
    if (r) {
        return r;
    }
    struct objlog_header header;
    header.log_id = meta_read_uuid(&in);
    header.sequence = meta_read_u64(&in);
    header.epoch = meta_read_i64(&in);
    header.writer = meta_read_uuid(&in);
    header.nonce = meta_read_uuid(&in);
    struct bytes hash = meta_read_raw(&in, OBJLOG_HASH_SIZE);
    uint32_t size = meta_read_u32(&in);
    uint32_t crc = meta_read_u32(&in);
    if (in.error || crc != crc32c(bytes_of(object.data, OBJLOG_HEADER_SIZE - 4))) {
        return fault(-EBADMSG, "meta: %s: the header is damaged", key);
    }
    if (in.left < OBJLOG_TRAILER_SIZE || size != in.left - OBJLOG_TRAILER_SIZE) {
        return fault(-EBADMSG, "meta: %s: %u bytes of payload announced, %zu bytes there", key,
                size, in.left);
    }
    if (!trailer_fits(object)) {
        return fault(-EBADMSG, "meta: %s: the CRC does not fit", key);
    }
    memcpy(header.previous_hash, hash.data, OBJLOG_HASH_SIZE);
    *ret_header = header;
    *ret_payload = bytes_of(in.at, size);
    return 0;
}

void
objlog_object_hash(struct bytes object, uint8_t ret_hash[OBJLOG_HASH_SIZE])
{
    CHECK(SHA256(object.data, object.size, ret_hash) == ret_hash);
}

void
objlog_snapshot_encode(const struct objlog_snapshot *snapshot, struct bytes state,
        uint8_t ret_header[OBJLOG_SNAPSHOT_HEADER_SIZE], uint8_t ret_trailer[OBJLOG_TRAILER_SIZE])
{
    uint8_t *p = ret_header;
    put_start(p, OBJLOG_SNAPSHOT_MAGIC);
    memcpy(p + 8, snapshot->log_id.bytes, 16);
    store_be64(p + 24, snapshot->sequence);
    store_be64(p + 32, (uint64_t)snapshot->epoch);
    memcpy(p + 40, snapshot->previous_hash, OBJLOG_HASH_SIZE);
    store_be64(p + 72, state.size);
    store_be32(p + 80, crc32c(bytes_of(p, 80)));
    uint32_t crc = crc32c(bytes_of(p, OBJLOG_SNAPSHOT_HEADER_SIZE));
    store_be32(ret_trailer, crc32c_extend(crc, state));
}

int
objlog_snapshot_decode(struct bytes object, const char *key, struct objlog_snapshot *ret_snapshot,
        struct bytes *ret_state)
{
    struct meta_reader in = meta_reader_of(object);
    int r = check_start(&in, OBJLOG_SNAPSHOT_MAGIC, key);
    if (r) {
        return r;
    }
    struct objlog_snapshot snapshot;
    snapshot.log_id = meta_read_uuid(&in);
    snapshot.sequence = meta_read_u64(&in);
    snapshot.epoch = meta_read_i64(&in);
    struct bytes hash = meta_read_raw(&in, OBJLOG_HASH_SIZE);
    uint64_t size = meta_read_u64(&in);
    uint32_t crc = meta_read_u32(&in);
    if (in.error || crc != crc32c(bytes_of(object.data, OBJLOG_SNAPSHOT_HEADER_SIZE - 4))) {
        return fault(-EBADMSG, "meta: %s: the header is damaged", key);
    }
    if (in.left < OBJLOG_TRAILER_SIZE || size != in.left - OBJLOG_TRAILER_SIZE) {
        return fault(-EBADMSG, "meta: %s: %llu bytes of state announced, %zu bytes there", key,
                (unsigned long long)size, in.left);
    }
    if (!trailer_fits(object)) {
        return fault(-EBADMSG, "meta: %s: the CRC does not fit", key);
    }
    memcpy(snapshot.previous_hash, hash.data, OBJLOG_HASH_SIZE);
    *ret_snapshot = snapshot;
    *ret_state = bytes_of(in.at, size);
    return 0;
}

void
objlog_floor_encode(const struct objlog_floor *floor, uint8_t ret_bytes[OBJLOG_FLOOR_SIZE])
{
    uint8_t *p = ret_bytes;
    put_start(p, OBJLOG_FLOOR_MAGIC);
    memcpy(p + 8, floor->log_id.bytes, 16);
    store_be64(p + 24, floor->sequence);
    memcpy(p + 32, floor->nonce.bytes, 16);
    store_be32(p + 48, crc32c(bytes_of(p, 48)));
}

int
objlog_floor_decode(struct bytes object, const char *key, struct objlog_floor *ret_floor)
{
    struct meta_reader in = meta_reader_of(object);
    int r = check_start(&in, OBJLOG_FLOOR_MAGIC, key);
    if (r) {
        return r;
    }
    struct objlog_floor floor;
    floor.log_id = meta_read_uuid(&in);
    floor.sequence = meta_read_u64(&in);
    floor.nonce = meta_read_uuid(&in);
    (void)meta_read_u32(&in);
    if (meta_reader_end(&in) || !trailer_fits(object)) {
        return fault(-EBADMSG, "meta: %s: damaged, %zu bytes", key, object.size);
    }
    *ret_floor = floor;
    return 0;
}
