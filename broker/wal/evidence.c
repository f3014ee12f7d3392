/* The evidence ring: what is proven about the log besides the log itself (docs/formats/wal.md). */
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <string.h>

int
wal_evidence_write(struct wal *wal, const struct wal_evidence *next)
{
    struct wal_evidence evidence = *next;
    evidence.wal_id = wal->identity.wal_id;
    evidence.counter = wal->evidence.counter + 1;
    /* Given before the write: an entry that failed may have landed, and its number must not come
     * twice. */
    wal->evidence.counter = evidence.counter;
    wal_evidence_encode(&evidence, wal->blocks);
    memcpy(wal->blocks + WAL_BLOCK, wal->blocks, WAL_BLOCK);
    uint64_t offset = evidence.counter % WAL_EVIDENCE_PAIRS * WAL_EVIDENCE_PAIR_SIZE;
    int r = file_write_durable(wal->evidence_file, wal->blocks, WAL_EVIDENCE_PAIR_SIZE, offset);
    if (r < 0) {
        /* The blocks were written before: a lack of space here is no lack of space for segments. */
        return fault_note(r == -ENOSPC ? -EIO : r, "wal: writing evidence");
    }
    wal->evidence = evidence;
    return 0;
}

int
wal_evidence_make(struct wal *wal)
{
    char path[FILE_PATH_MAX];
    int r = wal_path(wal->folder, "evidence", path);
    if (r < 0) {
        return r;
    }
    r = wal_file_open(
            wal, path, FILE_READ | FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &wal->evidence_file);
    if (r < 0) {
        return r;
    }
    memset(wal->blocks, 0, WAL_EVIDENCE_PAIR_SIZE);
    for (uint64_t pair = 0; pair < WAL_EVIDENCE_PAIRS; pair++) {
        r = file_write(wal->evidence_file, wal->blocks, WAL_EVIDENCE_PAIR_SIZE,
                pair * WAL_EVIDENCE_PAIR_SIZE);
        if (r < 0) {
            return r;
        }
    }
    struct wal_evidence first = {
        .claimed_incarnation = wal->incarnation,
        .log_incarnation = wal->incarnation,
        .first_segment = 1,
        .last_segment = 0,
        .trimmed = 1,
        .durable = 0,
        .flags = WAL_EVIDENCE_CLEAN,
    };
    r = wal_evidence_write(wal, &first);
    if (r < 0) {
        return r;
    }
    return file_sync(wal->evidence_file, true);
}

static bool
evidence_is_sane(const struct wal_evidence *evidence)
{
    uint64_t index_max = (uint64_t)1 << 40;
    return evidence->first_segment > 0 && evidence->first_segment <= index_max &&
           evidence->last_segment + 1 >= evidence->first_segment &&
           evidence->last_segment - evidence->first_segment + 1 <= WAL_SEGMENTS_MAX &&
           evidence->trimmed > 0 && evidence->trimmed <= WAL_SEQUENCE_MAX &&
           evidence->durable <= WAL_SEQUENCE_MAX && evidence->trimmed <= evidence->durable + 1 &&
           evidence->counter < UINT64_MAX;
}

/* Picks the newest of the valid entries in `data`. 0, or what is wrong with the last bad one when
 * none is valid. */
MUST_CHECK static int
evidence_pick(struct bytes data, const char *path, const struct uuid *wal_id,
        struct wal_evidence *ret_evidence)
{
    struct wal_evidence newest = { 0 };
    int error = fault(-EBADMSG, "wal: %s: empty", path);
    for (uint64_t at = 0; at + WAL_BLOCK <= data.size; at += WAL_BLOCK) {
        struct wal_evidence entry;
        int r = wal_evidence_decode(data.data + at, path, at, &entry);
        if (r < 0) {
            error = error == -EPROTONOSUPPORT ? error : r;
            continue;
        }
        if (!uuid_equal(&entry.wal_id, wal_id)) {
            return fault(-EMEDIUMTYPE,
                    "wal: %s at %llu: belongs to another wal than the identity beside it", path,
                    (unsigned long long)at);
        }
        if (evidence_is_sane(&entry) && entry.counter > newest.counter) {
            newest = entry;
        }
    }
    /* An entry of a later version is newer than all of ours: the log may have moved on. */
    if (error == -EPROTONOSUPPORT) {
        return fault(error,
                "wal: %s: written by another version of the format; this program knows %u", path,
                WAL_FORMAT_VERSION);
    }
    if (newest.counter == 0) {
        return fault(-EBADMSG, "wal: %s: damaged: no valid entry", path);
    }
    fault_clear();
    *ret_evidence = newest;
    return 0;
}

int
wal_evidence_read(const char *folder, const struct uuid *wal_id, struct wal_evidence *ret_evidence)
{
    char path[FILE_PATH_MAX];
    int r = wal_path(folder, "evidence", path);
    if (r < 0) {
        return r;
    }
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    r = disk_read_file(path, WAL_EVIDENCE_SIZE, &buf);
    if (r == -ENOENT || r == -EFBIG) {
        return fault(-EBADMSG, "wal: %s: %s", path,
                r == -ENOENT ? "missing beside an identity" : "too large");
    }
    if (r < 0) {
        return r;
    }
    return evidence_pick(buf_bytes(buf), path, wal_id, ret_evidence);
}
