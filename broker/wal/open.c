/* Opening and closing: the lock, the identity, the claim of an incarnation, and the check that all
 * files are there. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/random.h"
#include "wal/objects_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

MUST_CHECK MAY_SUSPEND static int
lock_take(struct wal *wal)
{
    char path[FILE_PATH_MAX];
    int r = wal_path(wal->folder, "lock", path);
    if (r < 0) {
        return r;
    }
    r = file_open(path, FILE_READ | FILE_WRITE | FILE_CREATE, &wal->lock);
    if (r < 0) {
        return r;
    }
    r = file_lock(wal->lock);
    if (r == -EWOULDBLOCK) {
        MARK("wal: locked by another");
        return fault(r,
                "wal: %s is locked by another process (or by the last writes of a killed one)",
                path);
    }
    return r;
}

MUST_CHECK MAY_SUSPEND static int
folder_scan(struct wal *wal)
{
    struct disk_names names;
    int r = disk_list(wal->folder, &names);
    if (r < 0) {
        return r;
    }
    wal->found = mem_alloc_array(names.count + 1, sizeof *wal->found);
    wal->spares = mem_alloc_array(names.count + 1, sizeof *wal->spares);
    for (size_t i = 0; i < names.count; i++) {
        uint64_t index = 0;
        enum wal_name_kind kind = wal_name_parse(names.names[i], &index);
        if (kind == WAL_NAME_BAD) {
            r = fault(-EBADMSG, "wal: %s/%.60s: not a segment's name", wal->folder, names.names[i]);
            break;
        }
        if (kind == WAL_NAME_SEGMENT) {
            wal->found[wal->found_count++] = index;
        } else if (kind == WAL_NAME_SPARE) {
            wal->spares[wal->spare_count++] = index;
        }
        wal->highest_index = MAX(wal->highest_index, index);
    }
    disk_names_free(&names);
    return r;
}

MUST_CHECK MAY_SUSPEND static int
identity_read(struct wal *wal, const struct wal_options *options)
{
    char path[FILE_PATH_MAX];
    int r = wal_path(wal->folder, "identity", path);
    if (r < 0) {
        return r;
    }
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    r = disk_read_file(path, WAL_BLOCK, &buf);
    if (r == -EFBIG || (r == 0 && buf->size != WAL_BLOCK)) {
        return fault(-EBADMSG, "wal: %s: damaged: not %u bytes", path, WAL_BLOCK);
    }
    if (r < 0) {
        return r;
    }
    struct wal_identity identity;
    r = wal_identity_decode(buf->data, path, &identity);
    if (r < 0) {
        return r;
    }
    bool any = wal->read_only && uuid_is_zero(&options->cluster_id);
    if (!any && !uuid_equal(&identity.cluster_id, &options->cluster_id)) {
        char theirs[UUID_TEXT_SIZE];
        char ours[UUID_TEXT_SIZE];
        return fault(-EMEDIUMTYPE, "wal: %s: belongs to cluster %s, this is %s", path,
                uuid_format(&identity.cluster_id, theirs), uuid_format(&options->cluster_id, ours));
    }
    if (!any && identity.broker_id != options->broker_id) {
        return fault(-EMEDIUMTYPE, "wal: %s: belongs to broker %d, this is %d", path,
                identity.broker_id, options->broker_id);
    }
    wal->identity = identity;
    return 0;
}

/* The identity comes last: without it nothing was ever written here. */
MUST_CHECK MAY_SUSPEND static int
identity_make(struct wal *wal, const struct wal_options *options)
{
    wal->identity = (struct wal_identity){
        .wal_id = random_uuid(),
        .cluster_id = options->cluster_id,
        .broker_id = options->broker_id,
        .incarnation = options->incarnation,
        .segment_size = options->segment_size ? options->segment_size : WAL_SEGMENT_SIZE,
    };
    int r = wal_evidence_make(wal);
    if (r < 0) {
        return r;
    }
    char path[FILE_PATH_MAX];
    char path_new[FILE_PATH_MAX];
    r = wal_path(wal->folder, "identity", path);
    if (r < 0) {
        return r;
    }
    r = wal_path(wal->folder, "identity.new", path_new);
    if (r < 0) {
        return r;
    }
    struct file *file = NULL;
    r = wal_file_open(wal, path_new, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file);
    if (r < 0) {
        return r;
    }
    wal_identity_encode(&wal->identity, wal->blocks);
    r = file_write(file, wal->blocks, WAL_BLOCK, 0);
    if (r == 0) {
        r = file_sync(file, true);
    }
    file_close(file);
    if (r < 0) {
        return r;
    }
    /* The evidence must be there for good before the identity that says that it is. */
    r = disk_sync_folder(wal->folder);
    if (r < 0) {
        return r;
    }
    r = disk_rename(path_new, path);
    if (r < 0) {
        return r;
    }
    return wal_folders_sync(wal->folder);
}

MUST_CHECK MAY_SUSPEND static int
evidence_open(struct wal *wal)
{
    if (wal->read_only) {
        return wal_evidence_read(wal->folder, &wal->identity.wal_id, &wal->evidence);
    }
    char path[FILE_PATH_MAX];
    int r = wal_path(wal->folder, "evidence", path);
    if (r < 0) {
        return r;
    }
    r = wal_file_open(wal, path, FILE_READ | FILE_WRITE, &wal->evidence_file);
    if (r == -ENOENT) {
        return fault(-EBADMSG, "wal: %s: missing beside an identity", path);
    }
    if (r < 0) {
        return r;
    }
    /* What is read next must not vanish afterwards: a killed process may have left it in a cache.
     */
    r = file_sync(wal->evidence_file, true);
    if (r < 0) {
        return r;
    }
    return wal_evidence_read(wal->folder, &wal->identity.wal_id, &wal->evidence);
}

MUST_CHECK MAY_SUSPEND static int
segment_header_check(struct wal *wal, struct file *file, const char *path, uint64_t index)
{
    int64_t got = file_read(file, wal->blocks, WAL_BLOCK, 0);
    if (got < 0) {
        return (int)got;
    }
    struct wal_segment_header header;
    int r = wal_segment_header_decode(wal->blocks, path, &header);
    if (r < 0) {
        return r;
    }
    if (!uuid_equal(&header.wal_id, &wal->identity.wal_id)) {
        return fault(
                -EMEDIUMTYPE, "wal: %s: belongs to another wal than the identity beside it", path);
    }
    if (header.index != index) {
        return fault(-EBADMSG, "wal: %s at 32: the header says that this is segment %" PRIx64, path,
                header.index);
    }
    if (header.segment_size != wal->segment_size ||
            header.incarnation != wal->evidence.log_incarnation) {
        return fault(-EBADMSG,
                "wal: %s at 40: size %" PRIu64 " and incarnation %" PRIu64 ", not %" PRIu64
                " and %" PRIu64,
                path, header.segment_size, header.incarnation, wal->segment_size,
                wal->evidence.log_incarnation);
    }
    return 0;
}

/* A segment of the live log. */
MUST_CHECK MAY_SUSPEND static int
segment_check(struct wal *wal, uint64_t index)
{
    char path[FILE_PATH_MAX];
    int r = wal_path_index(wal->folder, "segment", index, path);
    if (r < 0) {
        return r;
    }
    struct file *file = NULL;
    r = file_open(path, wal->read_only ? FILE_READ : FILE_READ | FILE_WRITE, &file);
    if (r == -ENOENT) {
        return fault(-EBADMSG,
                "wal: %s is missing: segments %" PRIx64 " to %" PRIx64 " must be there", path,
                wal->evidence.first_segment, wal->evidence.last_segment);
    }
    if (r < 0) {
        return r;
    }
    uint64_t size = 0;
    r = file_size(file, &size);
    if (r == 0 && size != wal->segment_size) {
        r = fault(-EBADMSG, "wal: %s: %" PRIu64 " bytes, not %" PRIu64, path, size,
                wal->segment_size);
    }
    if (r == 0 && !wal->read_only) {
        r = file_sync(file, true);
    }
    if (r == 0) {
        r = segment_header_check(wal, file, path, index);
    }
    file_close(file);
    return r;
}

MUST_CHECK MAY_SUSPEND static int
segments_check(struct wal *wal)
{
    for (uint64_t index = wal->evidence.first_segment; index <= wal->evidence.last_segment;
            index++) {
        int r = segment_check(wal, index);
        if (r < 0) {
            return r;
        }
    }
    wal->highest_index = MAX(wal->highest_index, wal->evidence.last_segment);
    return 0;
}

/* Sets *ret_whole when the file is a segment's size; removes it when it is not: the making of it
 * was interrupted. */
MUST_CHECK MAY_SUSPEND static int
leftover_check(struct wal *wal, const char *prefix, uint64_t index, bool *ret_whole)
{
    char path[FILE_PATH_MAX];
    int r = wal_path_index(wal->folder, prefix, index, path);
    if (r < 0) {
        return r;
    }
    struct file *file = NULL;
    r = file_open(path, FILE_READ, &file);
    if (r < 0) {
        return r;
    }
    uint64_t size = 0;
    r = file_size(file, &size);
    file_close(file);
    if (r < 0) {
        return r;
    }
    *ret_whole = size == wal->segment_size;
    if (!*ret_whole) {
        MARK("wal: unfinished spare removed");
        return disk_remove(path);
    }
    return 0;
}

/* Drops what is not the size of a segment from the spares, and from the segments that are not of
 * the live log. */
MUST_CHECK MAY_SUSPEND static int
leftovers_check(struct wal *wal)
{
    size_t kept = 0;
    for (size_t i = 0; i < wal->spare_count; i++) {
        bool whole = false;
        int r = leftover_check(wal, "spare", wal->spares[i], &whole);
        if (r < 0) {
            return r;
        }
        if (whole) {
            wal->spares[kept++] = wal->spares[i];
        }
    }
    wal->spare_count = kept;
    kept = 0;
    for (size_t i = 0; i < wal->found_count; i++) {
        uint64_t index = wal->found[i];
        bool whole = index >= wal->evidence.first_segment && index <= wal->evidence.last_segment;
        int r = whole ? 0 : leftover_check(wal, "segment", index, &whole);
        if (r < 0) {
            return r;
        }
        if (whole) {
            wal->found[kept++] = index;
        }
    }
    wal->found_count = kept;
    return 0;
}

/* W4: from here on no earlier incarnation can open this WAL. */
MUST_CHECK MAY_SUSPEND static int
claim(struct wal *wal)
{
    if (wal->incarnation <= wal->evidence.claimed_incarnation) {
        MARK("wal: later incarnation");
        return fault(-EMEDIUMTYPE,
                "wal: %s was opened by incarnation %" PRIu64 ", this is %" PRIu64, wal->folder,
                wal->evidence.claimed_incarnation, wal->incarnation);
    }
    struct wal_evidence next = wal->evidence;
    next.claimed_incarnation = wal->incarnation;
    return wal_evidence_write(wal, &next);
}

/* Makes the WAL, or reads what it is. */
MUST_CHECK MAY_SUSPEND static int
identify(struct wal *wal, const struct wal_options *options)
{
    int r = identity_read(wal, options);
    if (r == -ENOENT && !wal->read_only) {
        if (wal->found_count > 0) {
            return fault(-EBADMSG, "wal: %s/identity is missing, but segment %" PRIx64 " is there",
                    wal->folder, wal->found[0]);
        }
        fault_clear();
        r = identity_make(wal, options);
        wal->segment_size = wal->identity.segment_size;
        return r;
    }
    if (r < 0) {
        return r;
    }
    wal->segment_size = wal->identity.segment_size;
    r = evidence_open(wal);
    if (r < 0 || wal->read_only) {
        return r;
    }
    return claim(wal);
}

MUST_CHECK static int
limits_set(struct wal *wal, uint64_t capacity)
{
    wal->group_size = (size_t)MIN((uint64_t)WAL_GROUP_SIZE_MAX, wal->segment_size - WAL_BLOCK);
    wal->segments_max = MIN(capacity / wal->segment_size, (uint64_t)WAL_SEGMENTS_MAX);
    if (wal->segments_max < 2 && !wal->read_only) {
        return fault(-EINVAL,
                "wal: capacity of %" PRIu64 " bytes is less than two segments of %" PRIu64,
                capacity, wal->segment_size);
    }
    wal->spares = mem_realloc(
            wal->spares, (wal->spare_count + (size_t)wal->segments_max + 1) * sizeof *wal->spares);
    uint64_t payload = wal_segment_payload(wal->segment_size, wal->group_size);
    wal->record_size_max =
            MIN((uint64_t)WAL_RECORD_SIZE_MAX, (MAX(wal->segments_max, 2u) - 1) * payload);
    return 0;
}

MUST_CHECK MAY_SUSPEND static int
open_folder(struct wal *wal, const struct wal_options *options)
{
    if (!wal->read_only) {
        int r = disk_make_folder(wal->folder);
        if (r < 0) {
            return r;
        }
        r = lock_take(wal);
        if (r < 0) {
            return r;
        }
        r = disk_sync_folder(wal->folder);
        if (r < 0) {
            return r;
        }
    }
    int r = folder_scan(wal);
    if (r < 0) {
        return r;
    }
    r = identify(wal, options);
    if (r < 0) {
        return r;
    }
    r = limits_set(wal, options->capacity);
    if (r < 0) {
        return r;
    }
    r = segments_check(wal);
    if (r < 0 || wal->read_only) {
        return r;
    }
    return leftovers_check(wal);
}

/* Files, lists and memory; not the fibers. */
MAY_SUSPEND static void
wal_free(struct wal *wal)
{
    if (wal->segments) {
        for (uint64_t slot = 0; slot < wal->segments_max; slot++) {
            file_close(wal->segments[slot].file);
        }
    }
    struct list *node;
    while ((node = list_pop_front(&wal->cached)) != NULL) {
        struct wal_group *group = CONTAINER_OF(node, struct wal_group, link);
        mem_free(group->data);
        mem_free(group);
    }
    file_close(wal->evidence_file);
    /* Last: whoever gets the lock may write. */
    file_close(wal->lock);
    mem_free(wal->segments);
    mem_free(wal->found);
    mem_free(wal->spares);
    mem_free(wal->blocks);
    mem_free(wal);
}

void
wal_init(struct wal *wal)
{
    list_init(&wal->ready);
    list_init(&wal->in_flight);
    list_init(&wal->cached);
    mutex_init(&wal->line);
    wait_queue_init(&wal->room);
    wait_queue_init(&wal->work);
    wait_queue_init(&wal->keeper_queue);
}

MUST_CHECK static int
options_check(const struct wal_options *options)
{
    uint64_t size = options->segment_size;
    if (size &&
            (size < WAL_SEGMENT_SIZE_MIN || size % WAL_BLOCK != 0 || size > (uint64_t)1 << 40)) {
        return fault(-EINVAL,
                "wal: segment size %" PRIu64 ": must be a multiple of %u, at least %" PRIu64, size,
                WAL_BLOCK, WAL_SEGMENT_SIZE_MIN);
    }
    if (!options->read_only && (options->incarnation == 0 || uuid_is_zero(&options->cluster_id))) {
        return fault(-EINVAL, "wal: %s: incarnation and cluster must be given", options->folder);
    }
    return 0;
}

int
wal_open(const struct wal_options *options, struct wal **ret_wal)
{
    int r = options_check(options);
    if (r < 0) {
        return r;
    }
    struct wal *wal = mem_alloc(sizeof *wal);
    wal_init(wal);
    wal->incarnation = options->incarnation;
    wal->read_only = options->read_only;
    int size = snprintf(wal->folder, sizeof wal->folder, "%s", options->folder);
    if (size < 0 || (size_t)size >= sizeof wal->folder - 40) {
        r = fault(-ENAMETOOLONG, "wal: path too long: %.200s", options->folder);
    }
    wal->blocks = mem_try_alloc_aligned(FILE_ALIGNMENT, WAL_EVIDENCE_PAIR_SIZE);
    if (!wal->blocks) {
        r = fault(-ENOMEM, "wal: no memory");
    }
    if (r == 0) {
        r = open_folder(wal, options);
    }
    if (r < 0) {
        wal_free(wal);
        return r;
    }
    *ret_wal = wal;
    return 0;
}

int
wal_close(struct wal *wal)
{
    if (!wal) {
        return 0;
    }
    if (wal->objects) {
        return wal_objects_close(wal);
    }
    wal->closing = true;
    wait_queue_wake_all(&wal->work);
    wait_queue_wake_all(&wal->room);
    wal_keeper_poke(wal);
    for (unsigned i = 0; i < wal->committer_count; i++) {
        fiber_join(wal->committers[i]);
    }
    wal->stopping = true;
    wal_keeper_poke(wal);
    if (wal->keeper) {
        fiber_join(wal->keeper);
    }
    int r = wal->error ? wal_broken_fault(wal) : 0;
    wal_free(wal);
    return r;
}
