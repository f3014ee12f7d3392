/* Manifests: the list of a partition's older ranges as one object. Format:
 * docs/formats/manifest.md. */
#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/mem.h"
#include "store/manifest_format.h"
#include "store/store_internal.h"

#include <errno.h>

#define CHECKPOINT_SIZE_SIZE 8u
#define MANIFEST_SIZE_MAX                                                                          \
    (SECTION_HEADER_SIZE + CHECKPOINT_SIZE_SIZE +                                                  \
            (uint64_t)STORE_MANIFEST_RANGES_MAX * RANGE_SIZE + STORE_CHECKPOINT_SIZE_MAX)

void
manifest_done(struct manifest *manifest)
{
    mem_free(manifest->ranges);
    buf_unref(manifest->owner);
    *manifest = (struct manifest){ 0 };
}

/* Ranges that make sense one by one and follow each other. */
static int
ranges_check(const struct store_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int r = store_range_check(&ranges[i]);
        if (r < 0) {
            return r;
        }
        if (i > 0 && ranges[i].base_offset != ranges[i - 1].end_offset) {
            return fault(-EBADMSG,
                    "store: range from %lld does not follow the one that ends at %lld",
                    (long long)ranges[i].base_offset, (long long)ranges[i - 1].end_offset);
        }
    }
    return 0;
}

/* What is written before the checkpoint, whose bytes are taken from where they are. */
static struct buf *
manifest_encode(const struct manifest *manifest)
{
    size_t size = SECTION_HEADER_SIZE + CHECKPOINT_SIZE_SIZE + manifest->count * RANGE_SIZE;
    struct buf *buf = buf_try_new(size);
    if (!buf) {
        return NULL;
    }
    buf->size = size;
    uint8_t *body = buf->data + SECTION_HEADER_SIZE;
    store_be64(body, manifest->checkpoint.size);
    for (size_t i = 0; i < manifest->count; i++) {
        range_write(&manifest->ranges[i], body + CHECKPOINT_SIZE_SIZE + i * RANGE_SIZE);
    }
    uint32_t crc = crc32c(bytes_of(body, size - SECTION_HEADER_SIZE));
    struct section_header header = {
        .kind = SECTION_MANIFEST,
        .place = { manifest->manifest_id, 0 },
        .key = manifest->key,
        .entry_count = (uint32_t)manifest->count,
        .body_size = size - SECTION_HEADER_SIZE + manifest->checkpoint.size,
        .body_crc = crc32c_extend(crc, manifest->checkpoint),
    };
    section_header_write(&header, buf->data);
    return buf;
}

int
store_write_manifest(struct store *store, const struct manifest *manifest, uint64_t deadline_ns)
{
    CHECK(manifest->manifest_id != 0);
    if (manifest->count > STORE_MANIFEST_RANGES_MAX ||
            manifest->checkpoint.size > STORE_CHECKPOINT_SIZE_MAX) {
        return fault(-EFBIG, "store: manifest %016llx: %zu ranges, checkpoint of %zu bytes",
                (unsigned long long)manifest->manifest_id, manifest->count,
                manifest->checkpoint.size);
    }
    int r = ranges_check(manifest->ranges, manifest->count);
    if (r < 0) {
        return fault_note(
                -EINVAL, "store: manifest %016llx", (unsigned long long)manifest->manifest_id);
    }
    CLEANUP(buf_unrefp) struct buf *buf = manifest_encode(manifest);
    if (!buf) {
        return fault(-ENOMEM, "store: manifest of %zu ranges", manifest->count);
    }
    struct iovec parts[] = {
        { buf->data, buf->size },
        { (void *)(uintptr_t)manifest->checkpoint.data, manifest->checkpoint.size },
    };
    r = store_put(
            store, manifest->manifest_id, parts, manifest->checkpoint.size ? 2 : 1, deadline_ns);
    if (r == 0) {
        store->objects_written++;
        store->object_bytes_written += buf->size + manifest->checkpoint.size;
    }
    return r;
}

static int
manifest_fault(uint64_t manifest_id, const char *what)
{
    return fault(-EBADMSG, "store: manifest %016llx: %s", (unsigned long long)manifest_id, what);
}

int
manifest_decode(struct buf *buf, uint64_t manifest_id, struct manifest *ret_manifest)
{
    struct place place = { manifest_id, 0 };
    struct section_header header;
    int r = section_check(buf_bytes(buf), SECTION_MANIFEST, place, &header);
    if (r < 0) {
        return r;
    }
    const uint8_t *body = buf->data + SECTION_HEADER_SIZE;
    uint64_t ranges_size = (uint64_t)header.entry_count * RANGE_SIZE;
    if (header.entry_count > STORE_MANIFEST_RANGES_MAX || header.body_size < CHECKPOINT_SIZE_SIZE ||
            ranges_size > header.body_size - CHECKPOINT_SIZE_SIZE) {
        return manifest_fault(manifest_id, "impossible number of ranges");
    }
    uint64_t checkpoint_size = header.body_size - CHECKPOINT_SIZE_SIZE - ranges_size;
    if (load_be64(body) != checkpoint_size || checkpoint_size > STORE_CHECKPOINT_SIZE_MAX) {
        return manifest_fault(manifest_id, "impossible size of the checkpoint");
    }
    struct store_range *ranges = mem_alloc_array(header.entry_count, sizeof *ranges);
    for (uint32_t i = 0; i < header.entry_count; i++) {
        range_read(body + CHECKPOINT_SIZE_SIZE + (size_t)i * RANGE_SIZE, &ranges[i]);
    }
    r = ranges_check(ranges, header.entry_count);
    if (r < 0) {
        mem_free(ranges);
        return fault_note(r, "store: manifest %016llx", (unsigned long long)manifest_id);
    }
    *ret_manifest = (struct manifest){
        .key = header.key,
        .manifest_id = manifest_id,
        .ranges = ranges,
        .count = header.entry_count,
        .checkpoint = bytes_of(body + CHECKPOINT_SIZE_SIZE + ranges_size, (size_t)checkpoint_size),
        .owner = buf_ref(buf),
    };
    return 0;
}

int
manifest_get(struct store *store, uint64_t manifest_id, struct buf **ret_buf)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    /* One byte more than there may be, so that a longer one shows. */
    struct object_range range = { 0, MANIFEST_SIZE_MAX + 1 };
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    int r = objectstore_get(store->options.objects, store_object_key(manifest_id, key), range,
            store_read_deadline(store), &buf, NULL);
    if (r < 0) {
        return fault_note(r, "store: manifest %016llx", (unsigned long long)manifest_id);
    }
    if (buf->size > MANIFEST_SIZE_MAX) {
        return manifest_fault(manifest_id, "too large");
    }
    *ret_buf = TAKE_PTR(buf);
    return 0;
}

int
store_read_manifest(struct store *store, struct partition_key key, uint64_t manifest_id,
        struct manifest *ret_manifest)
{
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    int r = manifest_get(store, manifest_id, &buf);
    if (r < 0) {
        return r;
    }
    struct manifest manifest;
    r = manifest_decode(buf, manifest_id, &manifest);
    if (r < 0) {
        return r;
    }
    if (!partition_key_equal(&manifest.key, &key)) {
        manifest_done(&manifest);
        return manifest_fault(manifest_id, "belongs to another partition");
    }
    *ret_manifest = manifest;
    return 0;
}

const struct store_range *
manifest_find(const struct manifest *manifest, int64_t offset)
{
    size_t low = 0;
    size_t high = manifest->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct store_range *range = &manifest->ranges[middle];
        if (offset < range->base_offset) {
            high = middle;
        } else if (offset >= range->end_offset) {
            low = middle + 1;
        } else {
            return range;
        }
    }
    return NULL;
}
