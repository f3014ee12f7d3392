/* Segment files: made, put into use, recycled. The header is durable before the name and the
 * evidence before the recycling, so that no live segment ever has half a header and none is
 * missing, wherever the power fails. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <string.h>

#define ZERO_CHUNK ((size_t)256 * 1024)

/* Zeros over the whole file: later writes are overwrites of written blocks, which need no journal
 * and no allocation. */
MUST_CHECK MAY_SUSPEND static int
spare_zero(struct wal *wal, struct file *file)
{
    size_t chunk = (size_t)MIN((uint64_t)ZERO_CHUNK, wal->segment_size);
    CLEANUP(mem_freep) uint8_t *zeros = mem_try_alloc_aligned(FILE_ALIGNMENT, chunk);
    if (!zeros) {
        return fault(-ENOMEM, "wal: no memory for zeros");
    }
    memset(zeros, 0, chunk);
    for (uint64_t at = 0; at < wal->segment_size; at += chunk) {
        size_t size = (size_t)MIN((uint64_t)chunk, wal->segment_size - at);
        int r = file_write(file, zeros, size, at);
        if (r < 0) {
            return r;
        }
        if (wal->stopping && wal->pending == 0) {
            return fault(-ESHUTDOWN, "wal: closing");
        }
        r = wal_evidence_follow(wal);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Has the file's blocks and size. The first segments are only reserved, which reads as zeros too:
 * nobody waits for zeros at the start, and their writes cost a journal entry each instead. */
MUST_CHECK MAY_SUSPEND static int
spare_fill(struct wal *wal, struct file *file)
{
    int r = -EOPNOTSUPP;
    if (wal->phase != WAL_STARTED) {
        r = file_allocate(file, 0, wal->segment_size);
    }
    if (r == -EOPNOTSUPP) {
        r = spare_zero(wal, file);
    }
    return r < 0 ? r : file_sync(file, true);
}

/* Half a spare is of no use to anybody. When it can't be removed the next opening does it. Keeps
 * the fault. */
MAY_SUSPEND static void
spare_drop(const char *path)
{
    struct fault other = { 0 };
    struct fault *own = fault_swap(&other);
    int r = disk_remove(path);
    (void)r;
    fault_swap(own);
}

MUST_CHECK MAY_SUSPEND static int
spare_make(struct wal *wal, const char *path, struct file **ret_file)
{
    uint64_t free_bytes = 0;
    int r = disk_free_bytes(wal->folder, &free_bytes);
    if (r < 0) {
        return r;
    }
    if (free_bytes < wal->segment_size) {
        MARK("wal: no space for a segment");
        return fault(-ENOSPC, "wal: %s: no space for another segment of %llu bytes: %llu free",
                wal->folder, (unsigned long long)wal->segment_size, (unsigned long long)free_bytes);
    }
    struct file *file = NULL;
    r = wal_file_open(wal, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    if (r < 0) {
        return r;
    }
    r = spare_fill(wal, file);
    if (r < 0) {
        file_close(file);
        if (r == -ENOSPC) {
            MARK("wal: no space for a segment");
        }
        spare_drop(path);
        return r;
    }
    *ret_file = file;
    return 0;
}

MUST_CHECK MAY_SUSPEND static int
spare_take(struct wal *wal, uint64_t index, char *path, struct file **ret_file)
{
    if (wal->spare_count > 0) {
        int r = wal_path_index(wal->folder, "spare", wal->spares[wal->spare_count - 1], path);
        if (r < 0) {
            return r;
        }
        r = wal_file_open(wal, path, FILE_WRITE, ret_file);
        if (r < 0) {
            return r;
        }
        wal->spare_count--;
        return 0;
    }
    int r = wal_path_index(wal->folder, "spare", index, path);
    return r < 0 ? r : spare_make(wal, path, ret_file);
}

/* Header into the spare, rename, folder: in this order, each durable. */
MUST_CHECK MAY_SUSPEND static int
segment_enter(struct wal *wal, struct file *file, const char *spare_path, uint64_t index)
{
    struct wal_segment_header header = {
        .wal_id = wal->identity.wal_id,
        .index = index,
        .segment_size = wal->segment_size,
        .incarnation = wal->incarnation,
    };
    wal_segment_header_encode(&header, wal->blocks);
    int r = file_write_durable(file, wal->blocks, WAL_BLOCK, 0);
    if (r < 0) {
        return r;
    }
    char path[FILE_PATH_MAX];
    r = wal_path_index(wal->folder, "segment", index, path);
    if (r < 0) {
        return r;
    }
    r = disk_rename(spare_path, path);
    if (r < 0) {
        return r;
    }
    return disk_sync_folder(wal->folder);
}

int
wal_segment_add(struct wal *wal, uint32_t *ret_header_crc)
{
    uint64_t index = wal->last_segment + 1;
    CHECK(index < wal->first_segment + wal->segments_max);
    char path[FILE_PATH_MAX];
    struct file *file = NULL;
    int r = spare_take(wal, index, path, &file);
    if (r < 0) {
        return fault_note(r, "wal: making segment %llu", (unsigned long long)index);
    }
    r = segment_enter(wal, file, path, index);
    if (r < 0) {
        file_close(file);
        return fault_note(
                r == -ENOSPC ? -EIO : r, "wal: making segment %llu", (unsigned long long)index);
    }
    *ret_header_crc = wal_block_crc(wal->blocks);
    struct wal_evidence next = wal->evidence;
    next.last_segment = index;
    next.durable = MAX(next.durable, wal->durable_sequence);
    r = wal_evidence_write(wal, &next);
    if (r < 0) {
        file_close(file);
        return r;
    }
    struct wal_segment *segment = wal_segment_at(wal, index);
    if (segment->index != index) {
        *segment = (struct wal_segment){ .index = index };
    }
    CHECK(!segment->file);
    segment->file = file;
    wal->last_segment = index;
    wal->highest_index = MAX(wal->highest_index, index);
    return 0;
}

MUST_CHECK MAY_SUSPEND static int
segment_to_spare(struct wal *wal, uint64_t index)
{
    char from[FILE_PATH_MAX];
    int r = wal_path_index(wal->folder, "segment", index, from);
    if (r < 0) {
        return r;
    }
    if (wal->spare_count >= wal->segments_max) {
        MARK("wal: spare segment removed");
        return disk_remove(from);
    }
    char to[FILE_PATH_MAX];
    r = wal_path_index(wal->folder, "spare", index, to);
    if (r < 0) {
        return r;
    }
    r = disk_rename(from, to);
    if (r < 0) {
        return r;
    }
    wal->spares[wal->spare_count++] = index;
    return 0;
}

int
wal_segments_recycle(struct wal *wal, uint64_t from, uint64_t to)
{
    for (uint64_t index = from; index < to; index++) {
        struct wal_segment *segment = wal_segment_at(wal, index);
        CHECK(segment->index == index && segment->file);
        file_close(TAKE_PTR(segment->file));
        int r = segment_to_spare(wal, index);
        if (r < 0) {
            return fault_note(r, "wal: recycling segment %llu", (unsigned long long)index);
        }
    }
    /* No flush of the folder: should the old name come back after a crash, even with another header
     * in the file, the evidence says that the index is not wanted. */
    MARK("wal: segment recycled");
    return 0;
}

int
wal_found_recycle(struct wal *wal)
{
    for (; wal->found_count > 0; wal->found_count--) {
        int r = segment_to_spare(wal, wal->found[wal->found_count - 1]);
        if (r < 0) {
            return fault_note(r, "wal: recycling old segments");
        }
    }
    while (wal->spare_count > wal->segments_max) {
        char path[FILE_PATH_MAX];
        int r = wal_path_index(wal->folder, "spare", wal->spares[wal->spare_count - 1], path);
        if (r < 0) {
            return r;
        }
        r = disk_remove(path);
        if (r < 0) {
            return r;
        }
        wal->spare_count--;
        MARK("wal: spare segment removed");
    }
    return 0;
}
