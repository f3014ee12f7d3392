/* The manifest decoder. With the first bit of the input set, magic, place and CRCs are made right
 * first, so that counts and ranges are reached. */
#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "store/format.h"
#include "store/manifest_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MANIFEST_ID 7u

static void
make_plausible(struct buf *buf)
{
    uint8_t *data = buf->data;
    struct bytes body = bytes_of(data + SECTION_HEADER_SIZE, buf->size - SECTION_HEADER_SIZE);
    store_be32(data, SECTION_MANIFEST);
    store_be32(data + 4, 1u << 16);
    store_be64(data + 8, MANIFEST_ID);
    store_be64(data + 16, 0);
    store_be64(data + 48, body.size);
    store_be32(data + 56, crc32c(body));
    store_be32(data + 60, crc32c(bytes_of(data, 60)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct buf *buf = buf_of_bytes(bytes_of(data + 1, size - 1));
    if (data[0] & 1 && buf->size >= SECTION_HEADER_SIZE) {
        make_plausible(buf);
    }
    struct manifest manifest;
    int r = manifest_decode(buf, MANIFEST_ID, &manifest);
    if (r == 0) {
        for (size_t i = 0; i < manifest.count; i++) {
            const struct store_range *range = &manifest.ranges[i];
            CHECK(manifest_find(&manifest, range->base_offset) == range);
            CHECK(manifest_find(&manifest, range->end_offset - 1) == range);
        }
        CHECK(manifest.checkpoint.size < buf->size);
        manifest_done(&manifest);
    } else {
        fault_clear();
    }
    buf_unref(buf);
    return 0;
}
