/* The frames of log objects and snapshots, with CRCs made right when the first bit of the input is
 * set. */
#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/mem.h"
#include "meta/log_format.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The CRC at `header - 4` over what is before it, and the one at the end over everything. */
static void
make_plausible(uint8_t *data, size_t size, uint32_t magic, size_t header)
{
    if (size < header + OBJLOG_TRAILER_SIZE) {
        return;
    }
    store_be32(data, magic);
    store_be32(data + 4, 1u << 16);
    store_be32(data + header - 4, crc32c(bytes_of(data, header - 4)));
    size_t end = size - OBJLOG_TRAILER_SIZE;
    store_be32(data + end, crc32c(bytes_of(data, end)));
}

static void
check_object(struct bytes object)
{
    struct objlog_header header;
    struct bytes payload;
    int r = objlog_object_decode(object, "key", &header, &payload);
    CHECK(r == 0 || r == -EBADMSG || r == -EMEDIUMTYPE);
    if (r == 0) {
        CHECK(payload.size == object.size - OBJLOG_HEADER_SIZE - OBJLOG_TRAILER_SIZE);
        struct buf *again;
        const struct iovec part = { (void *)(uintptr_t)payload.data, payload.size };
        CHECK(objlog_object_encode(&header, &part, 1, &again) == 0);
        CHECK(bytes_equal(buf_bytes(again), object));
        buf_unref(again);
    }
}

static void
check_snapshot(struct bytes object)
{
    struct objlog_snapshot snapshot;
    struct bytes state;
    int r = objlog_snapshot_decode(object, "key", &snapshot, &state);
    CHECK(r == 0 || r == -EBADMSG || r == -EMEDIUMTYPE);
    if (r == 0) {
        uint8_t header[OBJLOG_SNAPSHOT_HEADER_SIZE];
        uint8_t trailer[OBJLOG_TRAILER_SIZE];
        objlog_snapshot_encode(&snapshot, state, header, trailer);
        CHECK(bytes_equal(bytes_of(header, sizeof header), bytes_of(object.data, sizeof header)));
        CHECK(bytes_equal(bytes_of(trailer, sizeof trailer),
                bytes_of(object.data + object.size - sizeof trailer, sizeof trailer)));
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
    if (data[0] & 1) {
        if (object.size >= OBJLOG_HEADER_SIZE + OBJLOG_TRAILER_SIZE) {
            store_be32(
                    copy + 104, (uint32_t)(object.size - OBJLOG_HEADER_SIZE - OBJLOG_TRAILER_SIZE));
        }
        make_plausible(copy, object.size, OBJLOG_MAGIC, OBJLOG_HEADER_SIZE);
    }
    check_object(object);
    if (data[0] & 1) {
        if (object.size >= OBJLOG_SNAPSHOT_HEADER_SIZE + OBJLOG_TRAILER_SIZE) {
            store_be64(copy + 72, object.size - OBJLOG_SNAPSHOT_HEADER_SIZE - OBJLOG_TRAILER_SIZE);
        }
        make_plausible(copy, object.size, OBJLOG_SNAPSHOT_MAGIC, OBJLOG_SNAPSHOT_HEADER_SIZE);
    }
    check_snapshot(object);
    mem_free(copy);
    return 0;
}
