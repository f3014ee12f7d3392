/* The objects of a WAL in the bucket: header, body, records, and the keys. With the first bit of
 * the input set magic and CRCs are made right, so that what lies behind them is reached. A header
 * that decodes is encoded again to the same bytes but for those that mean nothing. */
#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/mem.h"
#include "wal/object_format.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
repair(uint8_t *data, size_t size)
{
    if (size < WAL_OBJECT_HEADER) {
        return;
    }
    struct bytes body = bytes_of(data + WAL_OBJECT_HEADER, size - WAL_OBJECT_HEADER);
    store_be32(data, WAL_OBJECT_MAGIC);
    store_be16(data + 4, WAL_OBJECT_VERSION);
    store_be32(data + 92, (uint32_t)body.size);
    store_be32(data + 120, crc32c(body));
    store_be32(data + 124, crc32c(bytes_of(data, 124)));
}

/* L6: what a header says that is damaged counts only where the body agrees, to the last record. */
static void
try_damaged(struct bytes object, const struct wal_object_header *header)
{
    struct wal_object_header proven;
    struct bytes body;
    uint8_t *copy = mem_dup(object.data, object.size);
    copy[124] ^= 1; /* its CRC */
    int r = wal_object_prove(
            bytes_of(copy, object.size), &header->log, header->slot, &proven, &body);
    CHECK(r == 0 || r == -EBADMSG);
    size_t at = 0;
    for (uint32_t i = 0; r == 0 && i < proven.record_count; i++) {
        struct wal_object_record record;
        CHECK(wal_object_record_next(body, &at, &record) == 0);
    }
    CHECK(r < 0 || at == body.size);
    mem_free(copy);
}

static void
try_object(struct bytes object)
{
    struct wal_object_header header;
    struct bytes body;
    uint8_t again[WAL_OBJECT_HEADER];
    int r = wal_object_header_decode(object, "a key", &header);
    CHECK(r == 0 || r == -EBADMSG || r == -EPROTONOSUPPORT);
    if (r < 0) {
        return;
    }
    wal_object_header_encode(&header, again);
    CHECK(bytes_equal(bytes_of(again, sizeof again), bytes_of(object.data, sizeof again)));
    r = wal_object_body(object, &header, "a key", &body);
    CHECK(r == 0 || r == -EBADMSG);
    size_t at = 0;
    while (r == 0 && at < body.size) {
        struct wal_object_record record;
        size_t before = at;
        r = wal_object_record_next(body, &at, &record);
        CHECK(r == -EBADMSG || (r == 0 && at > before && at <= body.size));
    }
    try_damaged(object, &header);
}

static void
try_key(struct bytes text)
{
    char *key = mem_alloc(text.size + 1);
    char again[WAL_OBJECT_KEY_SIZE];
    struct wal_object_log log;
    uint64_t slot;
    if (text.size) {
        memcpy(key, text.data, text.size);
    }
    if (wal_object_key_parse(key, &log, &slot) == 0) {
        wal_object_key(&log, slot, again);
        CHECK(strcmp(again, key) == 0);
    }
    mem_free(key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    uint8_t *copy = mem_dup(data + 1, size - 1);
    if (data[0] & 1) {
        repair(copy, size - 1);
    }
    try_object(bytes_of(copy, size - 1));
    try_key(bytes_of(copy, size - 1));
    mem_free(copy);
    return 0;
}
