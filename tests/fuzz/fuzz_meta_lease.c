/* The lease and the floor: small objects that decide who may write. With the first bit of the input
 * set their CRCs are made right. */
#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/mem.h"
#include "meta/lease.h"
#include "meta/log_format.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fix_crc(uint8_t *data, size_t size)
{
    if (size >= 4) {
        store_be32(data + size - 4, crc32c(bytes_of(data, size - 4)));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    uint8_t *copy = mem_dup(data + 1, size - 1);
    struct bytes object = bytes_of(copy, size - 1);
    struct lease_content lease;
    struct objlog_floor floor;
    if (data[0] & 1) {
        fix_crc(copy, object.size);
    }
    int r = lease_content_decode(object, "key", &lease);
    CHECK(r == 0 || r == -EBADMSG || r == -EMEDIUMTYPE);
    CHECK(r || (object.size == LEASE_SIZE && lease.epoch > 0 &&
                       lease.duration_ns <= LEASE_DURATION_NS_MAX));
    r = objlog_floor_decode(object, "key", &floor);
    CHECK(r == 0 || r == -EBADMSG || r == -EMEDIUMTYPE);
    if (r == 0) {
        uint8_t bytes[OBJLOG_FLOOR_SIZE];
        objlog_floor_encode(&floor, bytes);
        CHECK(bytes_equal(bytes_of(bytes, sizeof bytes), object));
    }
    mem_free(copy);
    return 0;
}
