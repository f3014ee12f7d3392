/* Walks one object piece by piece and says of each whether it is what it should be. Follows footer
 * and directory where they are good; without them it goes from the front, header by header, as far
 * as headers can be read. Memory: one piece at a time. */
#include "base/check.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "store/manifest_format.h"
#include "store/store_internal.h"

#include <errno.h>
#include <stdio.h>

struct inspection {
    struct store *store;
    uint64_t object_id;
    object_inspect_fn fn;
    void *arg;
    bool damaged; /* something was not valid */
};

/* Tells the caller about a piece; `error`: of its check, whose story is its state. An error of the
 * way to the object, which says nothing about the object itself, is returned and not told. */
static int
report(struct inspection *inspection, struct object_inspect_entry *entry, int error)
{
    if (error < 0 && error != -EBADMSG) {
        return error;
    }
    char state[sizeof(((struct fault *)0)->text)];
    entry->state = "valid";
    if (error < 0) {
        inspection->damaged = true;
        snprintf(state, sizeof state, "%s", fault_text());
        fault_clear();
        entry->state = state;
    }
    if (entry->object_id == 0) {
        entry->object_id = inspection->object_id;
    }
    return inspection->fn(inspection->arg, entry);
}

static int
fetch(struct inspection *inspection, uint64_t position, uint64_t size, struct buf **ret_buf)
{
    struct object_range range = { position, size };
    return store_get_exact(inspection->store->options.objects, inspection->object_id, range,
            store_read_deadline(inspection->store), ret_buf);
}

/* The same of a piece by which others are found: *ret_buf gets it when it is good. */
static int
report_guide(struct inspection *inspection, struct object_inspect_entry *entry, int error,
        struct buf **piece, struct buf **ret_buf)
{
    int r = report(inspection, entry, error);
    if (r == 0 && error == 0) {
        *ret_buf = TAKE_PTR(*piece);
    }
    return r;
}

static int
inspect_block(struct inspection *inspection, const struct partition_key *key,
        const struct index_entry *wanted)
{
    struct object_inspect_entry entry = {
        .kind = "block",
        .key = *key,
        .position = wanted->position,
        .size = wanted->size,
        .base_offset = wanted->base_offset,
        .end_offset = wanted->end_offset,
        .timestamp_max = wanted->timestamp_max,
    };
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct place place = { inspection->object_id, wanted->position };
    struct block_header header;
    int r = fetch(inspection, wanted->position, wanted->size, &buf);
    if (r == 0) {
        r = block_check(buf_bytes(buf), place, &header);
    }
    if (r == 0 &&
            (header.base_offset != wanted->base_offset || header.end_offset != wanted->end_offset ||
                    header.timestamp_max != wanted->timestamp_max ||
                    !partition_key_equal(&header.key, key))) {
        r = fault(-EBADMSG,
                "store: object %016llx at %llu: block is not the one that the index names",
                (unsigned long long)place.object_id, (unsigned long long)place.position);
    }
    return report(inspection, &entry, r);
}

/* The index of a run. NULL in *ret_buf: it was reported as damaged. */
static int
inspect_index(struct inspection *inspection, const struct partition_key *key,
        const struct store_range *range, struct buf **ret_buf)
{
    struct object_inspect_entry entry = {
        .kind = "index",
        .key = *key,
        .position = range->index_position,
        .size = index_size(range->block_count),
        .base_offset = range->base_offset,
        .end_offset = range->end_offset,
        .timestamp_max = range->timestamp_max,
    };
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct place place = { inspection->object_id, range->index_position };
    struct section_header header;
    int r = fetch(inspection, entry.position, entry.size, &buf);
    if (r == 0) {
        r = store_section_check(buf_bytes(buf), SECTION_INDEX, place, key, &header);
    }
    if (r == 0) {
        r = index_check(buf_bytes(buf), range);
    }
    return report_guide(inspection, &entry, r, &buf, ret_buf);
}

/* A block whose header says how large it is; for runs whose index cannot be used. Sets *ret_size to
 * 0 when the walk cannot go on. */
static int
inspect_block_by_header(struct inspection *inspection, uint64_t position, uint64_t *ret_size)
{
    struct place place = { inspection->object_id, position };
    struct block_header header;
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    *ret_size = 0;
    int r = fetch(inspection, position, BLOCK_HEADER_SIZE, &buf);
    r = r < 0 ? r : block_header_read(buf_bytes(buf), place, &header);
    if (r < 0) {
        struct object_inspect_entry entry = {
            .kind = "block", .position = position, .timestamp_max = -1
        };
        return report(inspection, &entry, r);
    }
    struct index_entry wanted = {
        .position = position,
        .size = BLOCK_HEADER_SIZE + header.body_size,
        .base_offset = header.base_offset,
        .end_offset = header.end_offset,
        .timestamp_max = header.timestamp_max,
    };
    *ret_size = wanted.size;
    return inspect_block(inspection, &header.key, &wanted);
}

static int
inspect_blocks_by_header(struct inspection *inspection, uint64_t position, uint64_t end)
{
    MARK("store: inspection without an index");
    while (position < end) {
        uint64_t size;
        int r = inspect_block_by_header(inspection, position, &size);
        if (r != 0 || size == 0) {
            return r;
        }
        position += size;
    }
    return 0;
}

static int
inspect_blocks(struct inspection *inspection, const struct partition_key *key,
        const struct store_range *range)
{
    if (range->block_count == 1) {
        struct index_entry entry = {
            .position = range->position,
            .size = (uint32_t)range->size,
            .base_offset = range->base_offset,
            .end_offset = range->end_offset,
            .timestamp_max = range->timestamp_max,
        };
        return inspect_block(inspection, key, &entry);
    }
    CLEANUP(buf_unrefp) struct buf *index = NULL;
    int r = inspect_index(inspection, key, range, &index);
    if (r != 0) {
        return r;
    }
    if (!index) {
        return inspect_blocks_by_header(inspection, range->position, range->position + range->size);
    }
    for (uint32_t i = 0; i < range->block_count && r == 0; i++) {
        struct index_entry entry;
        index_entry_read(index->data + index_size(i), &entry);
        r = inspect_block(inspection, key, &entry);
    }
    return r;
}

static int
inspect_checkpoint(struct inspection *inspection, const struct partition_key *key,
        const struct store_range *range)
{
    struct object_inspect_entry entry = {
        .kind = "checkpoint",
        .key = *key,
        .position = range->checkpoint_position,
        .size = range->checkpoint_size,
        .base_offset = range->end_offset,
        .end_offset = range->end_offset,
        .timestamp_max = -1,
    };
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct place place = { inspection->object_id, range->checkpoint_position };
    struct section_header header;
    int r = fetch(inspection, entry.position, entry.size, &buf);
    if (r == 0) {
        r = store_section_check(buf_bytes(buf), SECTION_CHECKPOINT, place, key, &header);
    }
    return report(inspection, &entry, r);
}

static int
inspect_runs(struct inspection *inspection, const struct buf *directory, uint32_t run_count)
{
    int r = 0;
    for (uint32_t i = 0; i < run_count && r == 0; i++) {
        struct partition_key key;
        struct store_range range;
        directory_entry_read(
                directory->data + SECTION_HEADER_SIZE + (size_t)i * DIRECTORY_ENTRY_SIZE, &key,
                &range);
        if (range.block_count > 0) {
            r = inspect_blocks(inspection, &key, &range);
        }
        if (r == 0 && range.checkpoint_size > 0) {
            r = inspect_checkpoint(inspection, &key, &range);
        }
    }
    return r;
}

static int
inspect_object_header(struct inspection *inspection)
{
    struct object_inspect_entry entry = {
        .kind = "object", .size = OBJECT_HEADER_SIZE, .timestamp_max = -1
    };
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct object_header header;
    int r = fetch(inspection, 0, OBJECT_HEADER_SIZE, &buf);
    if (r == 0) {
        r = object_header_read(buf_bytes(buf), inspection->object_id, &header);
    }
    return report(inspection, &entry, r);
}

/* The footer of an object of that size; *ret_good: it can be used. */
static int
inspect_footer(struct inspection *inspection, uint64_t object_size, struct footer *ret_footer,
        bool *ret_good)
{
    uint64_t position = object_size - MIN(object_size, (uint64_t)FOOTER_SIZE);
    struct object_inspect_entry entry = {
        .kind = "footer", .position = position, .size = FOOTER_SIZE, .timestamp_max = -1
    };
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct place place = { inspection->object_id, position };
    int r = fetch(inspection, position, FOOTER_SIZE, &buf);
    if (r == 0) {
        r = footer_read(buf_bytes(buf), place, ret_footer);
    }
    *ret_good = r == 0;
    return report(inspection, &entry, r);
}

/* NULL in *ret_buf: the directory was reported as damaged. */
static int
inspect_directory(struct inspection *inspection, const struct footer *footer, struct buf **ret_buf)
{
    struct object_inspect_entry entry = {
        .kind = "directory",
        .position = footer->directory_position,
        .size = footer->directory_size,
        .timestamp_max = -1,
    };
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct place place = { inspection->object_id, footer->directory_position };
    int r = fetch(inspection, entry.position, entry.size, &buf);
    if (r == 0) {
        r = directory_check(buf_bytes(buf), place, footer->run_count);
    }
    return report_guide(inspection, &entry, r, &buf, ret_buf);
}

/* A section found by walking from the front: an index or a checkpoint. */
static int
inspect_section_by_header(struct inspection *inspection, struct bytes start, enum section_kind kind,
        uint64_t position, uint64_t *ret_size)
{
    struct place place = { inspection->object_id, position };
    struct object_inspect_entry entry = {
        .kind = section_kind_name(kind), .position = position, .timestamp_max = -1
    };
    struct section_header header;
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    int r = section_header_read(start, kind, place, &header);
    if (r == 0 && header.body_size > OBJECT_SIZE_MAX) {
        r = fault(-EBADMSG, "store: impossible size");
    }
    if (r == 0) {
        entry.key = header.key;
        entry.size = SECTION_HEADER_SIZE + header.body_size;
        *ret_size = entry.size;
        r = fetch(inspection, position, entry.size, &buf);
    }
    if (r == 0) {
        r = section_check(buf_bytes(buf), kind, place, &header);
    }
    return report(inspection, &entry, r);
}

/* Footer or directory are of no use: from the front, as long as headers can be read. */
static int
inspect_forward(struct inspection *inspection, uint64_t object_size)
{
    MARK("store: inspection without a directory");
    uint64_t position = OBJECT_HEADER_SIZE;
    while (position + SECTION_HEADER_SIZE <= object_size) {
        CLEANUP(buf_unrefp) struct buf *buf = NULL;
        uint64_t size = 0;
        int r = fetch(inspection, position, SECTION_HEADER_SIZE, &buf);
        if (r < 0) {
            return r;
        }
        uint32_t magic = load_be32(buf->data);
        if (magic == SECTION_INDEX || magic == SECTION_CHECKPOINT) {
            r = inspect_section_by_header(
                    inspection, buf_bytes(buf), (enum section_kind)magic, position, &size);
        } else if (magic == SECTION_DIRECTORY || magic == FOOTER_MAGIC) {
            return 0; /* looked at already */
        } else {
            r = inspect_block_by_header(inspection, position, &size);
        }
        if (r != 0 || size == 0) {
            return r;
        }
        position += size;
    }
    return 0;
}

static int
inspect_data(struct inspection *inspection, uint64_t object_size)
{
    struct footer footer;
    bool is_good;
    int r = inspect_object_header(inspection);
    if (r != 0) {
        return r;
    }
    r = inspect_footer(inspection, object_size, &footer, &is_good);
    if (r != 0) {
        return r;
    }
    CLEANUP(buf_unrefp) struct buf *directory = NULL;
    if (is_good) {
        r = inspect_directory(inspection, &footer, &directory);
        if (r != 0) {
            return r;
        }
    }
    return directory ? inspect_runs(inspection, directory, footer.run_count)
                     : inspect_forward(inspection, object_size);
}

static int
inspect_manifest(struct inspection *inspection, uint64_t object_size)
{
    struct object_inspect_entry entry = {
        .kind = "manifest", .size = object_size, .timestamp_max = -1
    };
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct manifest manifest = { 0 };
    int r = manifest_get(inspection->store, inspection->object_id, &buf);
    if (r == 0) {
        r = manifest_decode(buf, inspection->object_id, &manifest);
    }
    entry.key = manifest.key;
    if (manifest.count > 0) {
        entry.base_offset = manifest.ranges[0].base_offset;
        entry.end_offset = manifest.ranges[manifest.count - 1].end_offset;
    }
    r = report(inspection, &entry, r);
    for (size_t i = 0; i < manifest.count && r == 0; i++) {
        const struct store_range *range = &manifest.ranges[i];
        entry = (struct object_inspect_entry){
            .kind = "range",
            .key = manifest.key,
            .object_id = range->object_id,
            .position = range->position,
            .size = range->size,
            .base_offset = range->base_offset,
            .end_offset = range->end_offset,
            .timestamp_max = range->timestamp_max,
        };
        r = report(inspection, &entry, 0);
    }
    manifest_done(&manifest);
    return r;
}

int
store_inspect_object(struct store *store, uint64_t object_id, object_inspect_fn fn, void *arg)
{
    struct inspection inspection = { .store = store, .object_id = object_id, .fn = fn, .arg = arg };
    char key[OBJECT_KEY_TEXT_SIZE];
    struct object_range start = { 0, sizeof(uint32_t) };
    struct object_info info = { 0 };
    CLEANUP(buf_unrefp) struct buf *magic = NULL;
    int r = objectstore_get(store->options.objects, store_object_key(object_id, key), start,
            store_read_deadline(store), &magic, &info);
    if (r < 0 && r != -ERANGE) { /* -ERANGE: an empty object */
        return fault_note(r, "store: object %016llx", (unsigned long long)object_id);
    }
    bool is_manifest =
            r == 0 && magic->size == sizeof(uint32_t) && load_be32(magic->data) == SECTION_MANIFEST;
    r = is_manifest ? inspect_manifest(&inspection, info.size)
                    : inspect_data(&inspection, info.size);
    if (r == 0 && inspection.damaged) {
        r = fault(-EBADMSG, "store: object %016llx is damaged", (unsigned long long)object_id);
    }
    return r;
}
