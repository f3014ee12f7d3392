/* Headers of blocks, sections, objects and footers, byte by byte as docs/formats/object.md lists
 * them. */
#include "store/format.h"

#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mark.h"
#include "base/mutant.h"
#include "store/batch.h"

#include <errno.h>

#define FORMAT_VERSION 1u

/* O3: one story for everything that does not fit. */
static int
misfit(struct place place, const char *piece, const char *what)
{
    return fault(-EBADMSG, "store: object %016llx at %llu: %s: %s",
            (unsigned long long)place.object_id, (unsigned long long)place.position, piece, what);
}

/* Magic, version and CRC of a header of that size, whose last four bytes are its CRC; then the
 * place it names. */
static int
header_check(
        struct bytes bytes, uint32_t size, uint32_t magic, struct place place, const char *piece)
{
    if (bytes.size < size) {
        return misfit(place, piece, "cut short");
    }
    if (load_be32(bytes.data) != magic) {
        return misfit(place, piece, "wrong magic");
    }
    if (load_be32(bytes.data + size - 4) != crc32c(bytes_of(bytes.data, size - 4))) {
        return misfit(place, piece, "header CRC does not fit");
    }
    if (load_be16(bytes.data + 4) != FORMAT_VERSION || load_be16(bytes.data + 6) != 0) {
        return misfit(place, piece, "unknown version");
    }
    if (load_be64(bytes.data + 8) != place.object_id) {
        MARK("store: piece of another object");
        return misfit(place, piece, "belongs to another object");
    }
    return 0;
}

static void
header_begin(uint8_t *out, uint32_t size, uint32_t magic, uint64_t object_id)
{
    memset(out, 0, size);
    store_be32(out, magic);
    store_be16(out + 4, FORMAT_VERSION);
    store_be64(out + 8, object_id);
}

static void
header_end(uint8_t *out, uint32_t size)
{
    store_be32(out + size - 4, crc32c(bytes_of(out, size - 4)));
}

/* All pieces but the object's own header say where they stand. */
static void
placed_header_begin(uint8_t *out, uint32_t size, uint32_t magic, struct place place)
{
    header_begin(out, size, magic, place.object_id);
    store_be64(out + 16, place.position);
}

static int
placed_header_check(
        struct bytes bytes, uint32_t size, uint32_t magic, struct place place, const char *piece)
{
    int r = header_check(bytes, size, magic, place, piece);
    if (r == 0 && load_be64(bytes.data + 16) != place.position) {
        MARK("store: piece of another position");
        r = misfit(place, piece, "belongs to another position");
    }
    return r;
}

static void
key_write(const struct partition_key *key, uint8_t *out)
{
    memcpy(out, key->topic_id.bytes, sizeof key->topic_id.bytes);
    store_be32(out + 16, (uint32_t)key->index);
}

static void
key_read(const uint8_t *data, struct partition_key *ret_key)
{
    memcpy(ret_key->topic_id.bytes, data, sizeof ret_key->topic_id.bytes);
    ret_key->index = (int32_t)load_be32(data + 16);
}

void
object_header_write(const struct object_header *header, uint8_t out[OBJECT_HEADER_SIZE])
{
    header_begin(out, OBJECT_HEADER_SIZE, OBJECT_MAGIC, header->object_id);
    store_be32(out + 16, (uint32_t)header->broker_id);
    store_be64(out + 20, (uint64_t)header->broker_epoch);
    header_end(out, OBJECT_HEADER_SIZE);
}

int
object_header_read(struct bytes bytes, uint64_t object_id, struct object_header *ret_header)
{
    struct place place = { object_id, 0 };
    int r = header_check(bytes, OBJECT_HEADER_SIZE, OBJECT_MAGIC, place, "object header");
    if (r < 0) {
        return r;
    }
    *ret_header = (struct object_header){
        .object_id = object_id,
        .broker_id = (int32_t)load_be32(bytes.data + 16),
        .broker_epoch = (int64_t)load_be64(bytes.data + 20),
    };
    return 0;
}

void
block_header_write(const struct block_header *header, uint8_t out[BLOCK_HEADER_SIZE])
{
    placed_header_begin(out, BLOCK_HEADER_SIZE, BLOCK_MAGIC, header->place);
    key_write(&header->key, out + 24);
    store_be32(out + 44, (uint32_t)header->leader_epoch);
    store_be64(out + 48, (uint64_t)header->base_offset);
    store_be64(out + 56, (uint64_t)header->end_offset);
    store_be64(out + 64, (uint64_t)header->timestamp_max);
    store_be32(out + 72, header->batch_count);
    store_be32(out + 76, header->body_size);
    store_be32(out + 80, header->body_crc);
    header_end(out, BLOCK_HEADER_SIZE);
}

int
block_header_read(struct bytes bytes, struct place place, struct block_header *ret_header)
{
    int r = placed_header_check(bytes, BLOCK_HEADER_SIZE, BLOCK_MAGIC, place, "block");
    if (r < 0) {
        return r;
    }
    struct block_header header = {
        .place = place,
        .leader_epoch = (int32_t)load_be32(bytes.data + 44),
        .base_offset = (int64_t)load_be64(bytes.data + 48),
        .end_offset = (int64_t)load_be64(bytes.data + 56),
        .timestamp_max = (int64_t)load_be64(bytes.data + 64),
        .batch_count = load_be32(bytes.data + 72),
        .body_size = load_be32(bytes.data + 76),
        .body_crc = load_be32(bytes.data + 80),
    };
    key_read(bytes.data + 24, &header.key);
    if (header.base_offset < 0 || header.end_offset <= header.base_offset ||
            header.body_size > BLOCK_SIZE_MAX || header.body_size == 0) {
        return misfit(place, "block", "impossible numbers");
    }
    *ret_header = header;
    return 0;
}

/* The batches tile the body, ascend, lie inside the block's offsets and are as many as the header
 * says. */
static int
block_check_batches(struct bytes body, const struct block_header *header)
{
    int64_t offset = header->base_offset;
    uint32_t count = 0;
    while (body.size > 0) {
        struct batch_view batch;
        int r = batch_next(&body, &batch);
        if (r < 0) {
            return misfit(header->place, "block", "unreadable record batch");
        }
        if (batch.base_offset < offset || batch.end_offset > header->end_offset) {
            return misfit(header->place, "block", "record batch outside its offsets");
        }
        offset = batch.end_offset;
        count++;
    }
    return count == header->batch_count ? 0
                                        : misfit(header->place, "block", "wrong number of batches");
}

int
block_check(struct bytes bytes, struct place place, struct block_header *ret_header)
{
    struct block_header header;
    int r = block_header_read(bytes, place, &header);
    if (r < 0) {
        return r;
    }
    if (bytes.size != BLOCK_HEADER_SIZE + (uint64_t)header.body_size) {
        return misfit(place, "block", "wrong size");
    }
    struct bytes body = bytes_of(bytes.data + BLOCK_HEADER_SIZE, header.body_size);
    if (crc32c(body) != header.body_crc && !MUTANT(MUTANT_NO_BLOCK_CRC)) {
        MARK("store: block body does not fit its CRC");
        return misfit(place, "block", "body CRC does not fit");
    }
    r = block_check_batches(body, &header);
    if (r < 0) {
        return r;
    }
    *ret_header = header;
    return 0;
}

const char *
section_kind_name(enum section_kind kind)
{
    switch (kind) {
    case SECTION_INDEX:
        return "index";
    case SECTION_CHECKPOINT:
        return "checkpoint";
    case SECTION_DIRECTORY:
        return "directory";
    case SECTION_MANIFEST:
        return "manifest";
    }
    return "section";
}

void
section_header_write(const struct section_header *header, uint8_t out[SECTION_HEADER_SIZE])
{
    placed_header_begin(out, SECTION_HEADER_SIZE, (uint32_t)header->kind, header->place);
    key_write(&header->key, out + 24);
    store_be32(out + 44, header->entry_count);
    store_be64(out + 48, header->body_size);
    store_be32(out + 56, header->body_crc);
    header_end(out, SECTION_HEADER_SIZE);
}

int
section_header_read(struct bytes bytes, enum section_kind kind, struct place place,
        struct section_header *ret_header)
{
    const char *name = section_kind_name(kind);
    int r = placed_header_check(bytes, SECTION_HEADER_SIZE, (uint32_t)kind, place, name);
    if (r < 0) {
        return r;
    }
    struct section_header header = {
        .kind = kind,
        .place = place,
        .entry_count = load_be32(bytes.data + 44),
        .body_size = load_be64(bytes.data + 48),
        .body_crc = load_be32(bytes.data + 56),
    };
    key_read(bytes.data + 24, &header.key);
    *ret_header = header;
    return 0;
}

int
section_check(struct bytes bytes, enum section_kind kind, struct place place,
        struct section_header *ret_header)
{
    struct section_header header;
    int r = section_header_read(bytes, kind, place, &header);
    if (r < 0) {
        return r;
    }
    struct bytes body =
            bytes_of(bytes.data + SECTION_HEADER_SIZE, bytes.size - SECTION_HEADER_SIZE);
    if (body.size != header.body_size) {
        return misfit(place, section_kind_name(kind), "wrong size");
    }
    if (crc32c(body) != header.body_crc) {
        return misfit(place, section_kind_name(kind), "body CRC does not fit");
    }
    *ret_header = header;
    return 0;
}

void
index_entry_write(const struct index_entry *entry, uint8_t out[INDEX_ENTRY_SIZE])
{
    store_be64(out, entry->position);
    store_be32(out + 8, entry->size);
    store_be32(out + 12, entry->batch_count);
    store_be64(out + 16, (uint64_t)entry->base_offset);
    store_be64(out + 24, (uint64_t)entry->end_offset);
    store_be64(out + 32, (uint64_t)entry->timestamp_max);
}

void
index_entry_read(const uint8_t *data, struct index_entry *ret_entry)
{
    *ret_entry = (struct index_entry){
        .position = load_be64(data),
        .size = load_be32(data + 8),
        .batch_count = load_be32(data + 12),
        .base_offset = (int64_t)load_be64(data + 16),
        .end_offset = (int64_t)load_be64(data + 24),
        .timestamp_max = (int64_t)load_be64(data + 32),
    };
}

int
index_check(struct bytes bytes, const struct store_range *range)
{
    struct place place = { range->object_id, range->index_position };
    struct section_header header;
    int r = section_check(bytes, SECTION_INDEX, place, &header);
    if (r < 0) {
        return r;
    }
    if (header.entry_count != range->block_count || bytes.size != index_size(range->block_count)) {
        return misfit(place, "index", "wrong number of entries");
    }
    uint64_t position = range->position;
    int64_t offset = range->base_offset;
    for (uint32_t i = 0; i < header.entry_count; i++) {
        struct index_entry entry;
        index_entry_read(bytes.data + index_size(i), &entry);
        if (entry.position != position || entry.base_offset != offset ||
                entry.end_offset <= entry.base_offset || entry.size <= BLOCK_HEADER_SIZE ||
                entry.size > BLOCK_HEADER_SIZE + BLOCK_SIZE_MAX) {
            return misfit(place, "index", "entries do not follow each other");
        }
        position += entry.size;
        offset = entry.end_offset;
    }
    if (position != range->position + range->size || offset != range->end_offset) {
        return misfit(place, "index", "does not cover its range");
    }
    return 0;
}

void
footer_write(const struct footer *footer, uint8_t out[FOOTER_SIZE])
{
    placed_header_begin(out, FOOTER_SIZE, FOOTER_MAGIC, footer->place);
    store_be64(out + 24, footer->directory_position);
    store_be64(out + 32, footer->directory_size);
    store_be32(out + 40, footer->run_count);
    store_be32(out + 44, (uint32_t)footer->broker_id);
    store_be64(out + 48, (uint64_t)footer->broker_epoch);
    header_end(out, FOOTER_SIZE);
}

int
footer_read(struct bytes bytes, struct place place, struct footer *ret_footer)
{
    int r = placed_header_check(bytes, FOOTER_SIZE, FOOTER_MAGIC, place, "footer");
    if (r < 0) {
        return r;
    }
    struct footer footer = {
        .place = place,
        .directory_position = load_be64(bytes.data + 24),
        .directory_size = load_be64(bytes.data + 32),
        .run_count = load_be32(bytes.data + 40),
        .broker_id = (int32_t)load_be32(bytes.data + 44),
        .broker_epoch = (int64_t)load_be64(bytes.data + 48),
    };
    if (footer.run_count > STORE_OBJECT_RUNS_MAX || footer.directory_size > place.position ||
            footer.directory_position != place.position - footer.directory_size ||
            footer.directory_size !=
                    SECTION_HEADER_SIZE + (uint64_t)footer.run_count * DIRECTORY_ENTRY_SIZE) {
        return misfit(place, "footer", "impossible numbers");
    }
    *ret_footer = footer;
    return 0;
}

void
directory_entry_write(const struct partition_key *key, const struct store_range *range,
        uint8_t out[DIRECTORY_ENTRY_SIZE])
{
    key_write(key, out);
    store_be32(out + 20, 0);
    range_write(range, out + 24);
}

void
directory_entry_read(
        const uint8_t *data, struct partition_key *ret_key, struct store_range *ret_range)
{
    key_read(data, ret_key);
    range_read(data + 24, ret_range);
}

/* Where the run's pieces end when they begin at `position`; 0 when they do not lie side by side. */
static uint64_t
run_end(const struct store_range *range, uint64_t position)
{
    uint64_t end = position + range->size;
    if (range->position != position) {
        return 0;
    }
    if (range->index_position != (range->block_count > 1 ? end : 0)) {
        return 0;
    }
    end += range->block_count > 1 ? index_size(range->block_count) : 0;
    if (range->checkpoint_position != (range->checkpoint_size ? end : 0)) {
        return 0;
    }
    return end + range->checkpoint_size;
}

int
directory_check(struct bytes bytes, struct place place, uint32_t run_count)
{
    struct section_header header;
    int r = section_check(bytes, SECTION_DIRECTORY, place, &header);
    if (r < 0) {
        return r;
    }
    if (header.entry_count != run_count ||
            header.body_size != (uint64_t)run_count * DIRECTORY_ENTRY_SIZE) {
        return misfit(place, "directory", "wrong number of entries");
    }
    uint64_t position = OBJECT_HEADER_SIZE;
    for (uint32_t i = 0; i < run_count; i++) {
        struct partition_key key;
        struct store_range range;
        directory_entry_read(
                bytes.data + SECTION_HEADER_SIZE + (size_t)i * DIRECTORY_ENTRY_SIZE, &key, &range);
        r = store_range_check(&range);
        if (r < 0) {
            return fault_note(
                    r, "store: directory of object %016llx", (unsigned long long)place.object_id);
        }
        position = run_end(&range, position);
        if (position == 0 || range.object_id != place.object_id) {
            return misfit(place, "directory", "runs do not follow each other");
        }
    }
    return position == place.position ? 0 : misfit(place, "directory", "does not cover the object");
}
