/* Manifests: kept whole, found fast, refused when anything does not fit. */
#include "base/crc.h"
#include "base/endian.h"
#include "base/mem.h"
#include "store/manifest_format.h"
#include "store/store_internal.h"
#include "unit/broker/store/support_store.h"
#include "unit/test.h"

#include <errno.h>

/* `count` ranges of 100 offsets each from offset 1000 on. */
static struct manifest
manifest_make(uint64_t id, size_t count, struct bytes checkpoint)
{
    struct manifest manifest = {
        .key = key_of(9, 2),
        .manifest_id = id,
        .ranges = mem_alloc_array(count, sizeof *manifest.ranges),
        .count = count,
        .checkpoint = checkpoint,
    };
    for (size_t i = 0; i < count; i++) {
        manifest.ranges[i] = (struct store_range){
            .object_id = 100 + i,
            .base_offset = 1000 + 100 * (int64_t)i,
            .end_offset = 1100 + 100 * (int64_t)i,
            .timestamp_max = (int64_t)i,
            .position = 40,
            .size = 5000,
            .block_count = 1,
            .leader_epoch = (int32_t)i,
        };
    }
    return manifest;
}

/* A store, and a manifest of the partition (9, 2) for it. */
struct bench {
    struct objectstore *objects;
    struct store *store;
    struct manifest manifest;
};

static void
bench_begin(struct bench *bench, const char *name, size_t count, struct bytes checkpoint)
{
    bench->store = store_make(memory_url(name), MIB, 0, &bench->objects);
    bench->manifest = manifest_make(7, count, checkpoint);
}

static void
bench_end(struct bench *bench)
{
    manifest_done(&bench->manifest);
    store_unmake(bench->store, bench->objects);
}

static int
bench_write(struct bench *bench)
{
    return store_write_manifest(bench->store, &bench->manifest, DEADLINE_NONE);
}

FIBER_TEST(a_manifest_gives_back_its_ranges_and_checkpoint)
{
    struct bench bench;
    struct manifest read;
    bench_begin(&bench, "manifest_back", 1000, BYTES_LITERAL("producers and epochs"));
    ASSERT_OK(bench_write(&bench));
    ASSERT_OK(store_read_manifest(bench.store, key_of(9, 2), 7, &read));
    ASSERT_EQ(read.count, 1000);
    ASSERT_EQ(memcmp(read.ranges, bench.manifest.ranges, 1000 * sizeof *read.ranges), 0);
    ASSERT_BYTES(read.checkpoint, bench.manifest.checkpoint);
    manifest_done(&read);
    ASSERT_ERROR(store_read_manifest(bench.store, key_of(9, 3), 7, &read), -EBADMSG);
    ASSERT_ERROR(store_read_manifest(bench.store, key_of(9, 2), 8, &read), -ENOENT);
    bench_end(&bench);
}

FIBER_TEST(a_manifest_may_have_no_ranges_and_no_checkpoint)
{
    struct bench bench;
    struct manifest read;
    bench_begin(&bench, "manifest_none", 0, BYTES_NULL);
    ASSERT_OK(bench_write(&bench));
    ASSERT_OK(store_read_manifest(bench.store, key_of(9, 2), 7, &read));
    ASSERT_EQ(read.count, 0);
    ASSERT_EQ(read.checkpoint.size, 0);
    ASSERT(manifest_find(&read, 0) == NULL);
    manifest_done(&read);
    bench_end(&bench);
}

TEST(a_range_is_found_by_its_offset)
{
    struct manifest manifest = manifest_make(7, 333, BYTES_NULL);
    ASSERT(manifest_find(&manifest, 999) == NULL);
    ASSERT(manifest_find(&manifest, 1000 + 33300) == NULL);
    for (int64_t offset = 1000; offset < 1000 + 33300; offset += 7) {
        const struct store_range *range = manifest_find(&manifest, offset);
        ASSERT(range == &manifest.ranges[(offset - 1000) / 100]);
    }
    manifest_done(&manifest);
}

FIBER_TEST(a_manifest_with_a_hole_or_overlap_is_not_written)
{
    struct bench bench;
    bench_begin(&bench, "manifest_hole", 10, BYTES_NULL);
    bench.manifest.ranges[5].base_offset++;
    ASSERT_ERROR(bench_write(&bench), -EINVAL);
    bench.manifest.ranges[5].base_offset -= 2;
    ASSERT_ERROR(bench_write(&bench), -EINVAL);
    bench.manifest.ranges[5].base_offset++;
    ASSERT_OK(bench_write(&bench));
    bench.manifest.count = STORE_MANIFEST_RANGES_MAX + 1;
    ASSERT_ERROR(bench_write(&bench), -EFBIG);
    bench_end(&bench);
}

/* O3 */
FIBER_TEST(every_flipped_bit_and_every_cut_of_a_manifest_is_noticed)
{
    struct bench bench;
    struct manifest read;
    bench_begin(&bench, "manifest_flip", 3, BYTES_LITERAL("state"));
    ASSERT_OK(bench_write(&bench));
    struct buf *bytes = object_bytes(bench.objects, 7);
    for (size_t i = 0; i < bytes->size * 8; i++) {
        bytes->data[i / 8] ^= (uint8_t)(1u << i % 8);
        ASSERT_ERROR(manifest_decode(bytes, 7, &read), -EBADMSG);
        bytes->data[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    size_t size = bytes->size;
    for (bytes->size = 0; bytes->size < size; bytes->size++) {
        ASSERT_ERROR(manifest_decode(bytes, 7, &read), -EBADMSG);
    }
    ASSERT_ERROR(manifest_decode(bytes, 8, &read), -EBADMSG); /* another id */
    ASSERT_OK(manifest_decode(bytes, 7, &read));
    manifest_done(&read);
    buf_unref(bytes);
    bench_end(&bench);
}

/* A writer with a bug: the CRCs fit, the numbers do not. */
FIBER_TEST(hostile_counts_and_sizes_under_good_crcs_are_refused)
{
    struct bench bench;
    struct manifest read;
    bench_begin(&bench, "manifest_hostile", 3, BYTES_LITERAL("state"));
    ASSERT_OK(bench_write(&bench));
    struct buf *good = object_bytes(bench.objects, 7);
    uint32_t counts[] = { 0, 2, 4, 1u << 20, UINT32_MAX };
    uint64_t sizes[] = { 0, 4, 6, 1u << 30, UINT64_MAX };
    for (size_t i = 0; i < ARRAY_SIZE(counts) + ARRAY_SIZE(sizes); i++) {
        struct buf *bytes = buf_of_bytes(buf_bytes(good));
        uint8_t *body = bytes->data + SECTION_HEADER_SIZE;
        if (i < ARRAY_SIZE(counts)) {
            store_be32(bytes->data + 44, counts[i]);
        } else {
            store_be64(body, sizes[i - ARRAY_SIZE(counts)]);
        }
        store_be32(bytes->data + 56, crc32c(bytes_of(body, bytes->size - SECTION_HEADER_SIZE)));
        store_be32(bytes->data + 60, crc32c(bytes_of(bytes->data, 60)));
        ASSERT_ERROR(manifest_decode(bytes, 7, &read), -EBADMSG);
        buf_unref(bytes);
    }
    buf_unref(good);
    bench_end(&bench);
}

static int
count_ranges(void *arg, const struct object_inspect_entry *entry)
{
    int *count = arg;
    *count += strcmp(entry->kind, "range") == 0 && entry->object_id >= 100;
    return 0;
}

FIBER_TEST(a_manifest_can_be_inspected)
{
    struct bench bench;
    int count = 0;
    bench_begin(&bench, "manifest_inspect", 12, BYTES_LITERAL("state"));
    ASSERT_OK(bench_write(&bench));
    ASSERT_OK(store_inspect_object(bench.store, 7, count_ranges, &count));
    ASSERT_EQ(count, 12);
    struct buf *bytes = object_bytes(bench.objects, 7);
    bytes->data[bytes->size - 1] ^= 1;
    object_replace(bench.objects, 7, buf_bytes(bytes));
    buf_unref(bytes);
    count = 0;
    ASSERT_ERROR(store_inspect_object(bench.store, 7, count_ranges, &count), -EBADMSG);
    ASSERT_EQ(count, 0);
    bench_end(&bench);
}
