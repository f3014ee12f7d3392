/* Everything that reads an object's bytes: headers, blocks, sections, indexes, directories, footers
 * and the runs that a builder is given. The first byte of the input chooses the decoder and whether
 * the CRCs are made right first, so that what lies behind them is reached; the rest is the piece.
 */
#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/mem.h"
#include "store/batch.h"
#include "store/format.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OBJECT_ID 0x1122334455667788u

enum decoder { OBJECT, BLOCK, INDEX, CHECKPOINT, DIRECTORY, FOOTER, RUN, RANGE, DECODER_COUNT };

/* Magic, version, place and CRCs as a writer with a bug in the rest would leave them. */
static void
make_plausible(uint8_t *data, size_t size, uint32_t magic, size_t header_size, size_t body_crc_at)
{
    if (size < header_size) {
        return;
    }
    store_be32(data, magic);
    store_be32(data + 4, 1u << 16);
    store_be64(data + 8, OBJECT_ID);
    if (header_size != OBJECT_HEADER_SIZE) {
        store_be64(data + 16, size >= 40 + FOOTER_SIZE ? 40 : size);
    }
    if (body_crc_at) {
        struct bytes body = bytes_of(data + header_size, size - header_size);
        store_be32(data + body_crc_at, crc32c(body));
    }
    store_be32(data + header_size - 4, crc32c(bytes_of(data, header_size - 4)));
}

static struct place
place_of(const uint8_t *data, size_t size)
{
    return (struct place){ OBJECT_ID, size >= 24 ? load_be64(data + 16) : 0 };
}

static void
try_block(struct bytes bytes)
{
    struct block_header header;
    int r = block_check(bytes, place_of(bytes.data, bytes.size), &header);
    if (r < 0) {
        return;
    }
    struct bytes rest = bytes_of(bytes.data + BLOCK_HEADER_SIZE, header.body_size);
    while (rest.size > 0) {
        struct batch_view batch;
        int64_t offset;
        int64_t timestamp_ms;
        CHECK(batch_next(&rest, &batch) == 0);
        CHECK(batch.base_offset >= header.base_offset && batch.end_offset <= header.end_offset);
        r = batch_find_timestamp(&batch, batch.timestamp_max, &offset, &timestamp_ms);
        CHECK(r < 0 || timestamp_ms >= batch.timestamp_max);
    }
}

static void
try_index(struct bytes bytes)
{
    struct section_header header;
    struct place place = place_of(bytes.data, bytes.size);
    int r = section_check(bytes, SECTION_INDEX, place, &header);
    if (r < 0 || header.entry_count == 0 || bytes.size != index_size(header.entry_count)) {
        return;
    }
    struct index_entry first;
    struct index_entry last;
    index_entry_read(bytes.data + index_size(0), &first);
    index_entry_read(bytes.data + index_size(header.entry_count - 1), &last);
    struct store_range range = {
        .object_id = OBJECT_ID,
        .index_position = place.position,
        .block_count = header.entry_count,
        .position = first.position,
        .size = last.position + last.size - first.position,
        .base_offset = first.base_offset,
        .end_offset = last.end_offset,
    };
    r = index_check(bytes, &range);
    for (uint32_t i = 1; r == 0 && i < range.block_count; i++) {
        struct index_entry entry;
        index_entry_read(bytes.data + index_size(i), &entry);
        CHECK(entry.base_offset == first.end_offset &&
                entry.position == first.position + first.size);
        first = entry;
    }
}

static void
try_directory(struct bytes bytes)
{
    struct section_header header;
    struct place place = place_of(bytes.data, bytes.size);
    int r = section_check(bytes, SECTION_DIRECTORY, place, &header);
    if (r == 0) {
        r = directory_check(bytes, place, header.entry_count);
    }
    for (uint32_t i = 0; r == 0 && i < header.entry_count; i++) {
        struct partition_key key;
        struct store_range range;
        directory_entry_read(
                bytes.data + SECTION_HEADER_SIZE + (size_t)i * DIRECTORY_ENTRY_SIZE, &key, &range);
        CHECK(store_range_check(&range) == 0);
        CHECK(range.position + range.size <= place.position);
    }
}

/* What produce would hand over after a bug there: refused or built, and then readable. */
static void
try_run(struct bytes bytes)
{
    struct buf *owner = buf_of_bytes(bytes);
    struct slice slice = { owner, buf_bytes(owner) };
    struct object_builder *builder = object_builder_new(OBJECT_ID, 1, 1);
    struct object_run run = {
        .base_offset = 0,
        .end_offset = INT64_MAX,
        .batches = &slice,
        .batch_count = bytes.size > 0,
        .checkpoint = bytes_of(bytes.data, bytes.size / 2),
    };
    uint64_t size = object_builder_size(builder);
    int r = object_builder_add(builder, &run);
    CHECK(r < 0 ? object_builder_size(builder) == size : object_builder_size(builder) > size);
    object_builder_free(builder);
    buf_unref(owner);
}

static void
try_range(struct bytes bytes)
{
    struct store_range range;
    uint8_t out[RANGE_SIZE];
    if (bytes.size < RANGE_SIZE) {
        return;
    }
    range_read(bytes.data, &range);
    range_write(&range, out);
    CHECK(memcmp(out, bytes.data, RANGE_SIZE) == 0);
    if (store_range_check(&range) == 0 && range.block_count > 0) {
        CHECK(range.position + range.size <= OBJECT_SIZE_MAX);
        CHECK(index_size(range.block_count) <= index_size(STORE_RANGE_BLOCKS_MAX));
    }
}

static void
try_one(enum decoder decoder, struct bytes bytes)
{
    struct object_header object;
    struct section_header section;
    struct footer footer;
    struct place place = place_of(bytes.data, bytes.size);
    int r = 0;
    switch (decoder) {
    case OBJECT:
        r = object_header_read(bytes, OBJECT_ID, &object);
        break;
    case BLOCK:
        try_block(bytes);
        break;
    case INDEX:
        try_index(bytes);
        break;
    case CHECKPOINT:
        r = section_check(bytes, SECTION_CHECKPOINT, place, &section);
        CHECK(r < 0 || section.body_size == bytes.size - SECTION_HEADER_SIZE);
        break;
    case DIRECTORY:
        try_directory(bytes);
        break;
    case FOOTER:
        r = footer_read(bytes, place, &footer);
        CHECK(r < 0 || footer.directory_position + footer.directory_size == place.position);
        break;
    case RUN:
        try_run(bytes);
        break;
    case RANGE:
        try_range(bytes);
        break;
    case DECODER_COUNT:
        break;
    }
    if (r < 0) {
        fault_clear();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        uint32_t magic;
        size_t header_size;
        size_t body_crc_at;
    } headers[DECODER_COUNT] = {
        [OBJECT] = { OBJECT_MAGIC, OBJECT_HEADER_SIZE, 0 },
        [BLOCK] = { BLOCK_MAGIC, BLOCK_HEADER_SIZE, 80 },
        [INDEX] = { SECTION_INDEX, SECTION_HEADER_SIZE, 56 },
        [CHECKPOINT] = { SECTION_CHECKPOINT, SECTION_HEADER_SIZE, 56 },
        [DIRECTORY] = { SECTION_DIRECTORY, SECTION_HEADER_SIZE, 56 },
        [FOOTER] = { FOOTER_MAGIC, FOOTER_SIZE, 0 },
    };
    if (size < 1) {
        return 0;
    }
    enum decoder decoder = (enum decoder)(data[0] % DECODER_COUNT);
    /* A copy of exactly that size, so that a read beyond it is seen. */
    uint8_t *piece = mem_dup(data + 1, size - 1);
    if (data[0] & 0x80 && headers[decoder].magic) {
        make_plausible(piece, size - 1, headers[decoder].magic, headers[decoder].header_size,
                headers[decoder].body_crc_at);
    }
    try_one(decoder, bytes_of(piece, size - 1));
    mem_free(piece);
    return 0;
}
