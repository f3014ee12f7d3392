#pragma once
/* What the files of this room share. Nobody else includes it but the room's own tests.
 *
 * Positions and files are two lines: appends take positions at once, in memory (append.c); the
 * keeper makes the segment files that those positions will need (keeper.c); the committers join the
 * two (commit.c). All on one reactor: state changes only at waits. */

#include "reactor/call.h"
#include "reactor/disk.h"
#include "reactor/sync.h"
#include "wal/format.h"
#include "wal/wal.h"

/* Groups in flight at once; tests/bench/wal.c says why. */
#ifndef WAL_COMMITTERS
#define WAL_COMMITTERS 2
#endif
/* See wal_gathering_may_go. */
#define WAL_GROUP_BESIDE_SIZE_MIN (128 * KIB)
#define WAL_GROUPS_CACHED_MAX 8
/* Evidence follows when no group was written for so long. */
#define WAL_EVIDENCE_IDLE_NS (2 * (uint64_t)1000000)
/* How often a full disk is tried again. */
#define WAL_SPACE_RETRY_NS ((uint64_t)1000000000)

/* Opened -> replayed (wal_replay) -> started (wal_start): only then are there fibers, groups and
 * segments in memory. */
enum wal_phase { WAL_OPENED, WAL_REPLAYED, WAL_STARTED };

/* A live segment of this incarnation; slot index % segments_max of wal->segments. */
struct wal_segment {
    uint64_t index;
    uint64_t last_sequence; /* greatest sequence with a frame in it */
    struct file *file;      /* NULL until the keeper made it */
};

/* What is written and flushed at once. */
struct wal_group {
    struct list link; /* in wal->ready, wal->in_flight or wal->cached */
    uint8_t *data;    /* WAL_GROUP_SIZE_MAX bytes, aligned */
    size_t limit;     /* ends with the segment */
    size_t used;
    uint64_t position;
    uint64_t last_complete; /* greatest sequence that ends in this group; 0: none */
    struct list appends;    /* of wal_append.link: those whose last frame is here */
    uint64_t records;
    uint64_t payload;
    int result;
    bool written;
};

struct wal_objects;

struct wal {
    struct wal_objects *objects; /* in the bucket, objects.h; NULL: on a volume */
    char folder[FILE_PATH_MAX];  /* or the prefix of its keys */
    struct wal_identity identity;
    uint64_t incarnation;
    uint64_t segment_size;
    uint64_t segments_max;
    uint64_t record_size_max; /* what fits into the volume when all before it is trimmed */
    size_t group_size;
    bool read_only;
    bool buffered; /* the file system refuses O_DIRECT */
    enum wal_phase phase;
    struct file *lock;
    struct file *evidence_file;
    struct wal_evidence evidence; /* as last written */
    uint8_t *blocks; /* WAL_EVIDENCE_PAIR_SIZE bytes, aligned; by one fiber at a time */

    /* Files. */
    uint64_t *found; /* indexes of the segments found by wal_open, ascending */
    size_t found_count;
    uint64_t *spares; /* indexes in names of spare files, at most segments_max */
    size_t spare_count;
    uint64_t highest_index; /* ever given */

    /* The live log of this incarnation. */
    struct wal_segment *segments;
    uint64_t first_segment;
    uint64_t last_segment; /* the last one with a file */
    uint64_t tail;         /* where the next group will begin */
    uint64_t next_sequence;
    uint64_t durable_sequence;
    uint64_t trim_sequence;
    uint32_t chain_crc; /* of the frame last handed to the disk */

    struct wal_group *gathering; /* or NULL */
    struct list ready;           /* full groups, oldest first */
    struct list in_flight;       /* oldest first */
    struct list cached;
    size_t cached_count;
    uint64_t queued_bytes;
    uint64_t pending; /* appends begun and not done */
    uint64_t last_commit_ns;

    uint16_t previous_tag; /* of the last record that took its place */
    struct wal_damage damage;

    struct mutex line;      /* held by the append that waits for room */
    struct wait_queue room; /* it waits here (W5) */
    struct wait_queue work; /* committers */
    struct wait_queue keeper_queue;
    bool keeper_poked; /* something to do came up while the keeper was busy */
    bool keeper_armed; /* it sleeps with a deadline: no need to wake it for evidence */
    bool no_space;
    uint64_t space_retry_ns;
    bool closing;  /* no new appends */
    bool stopping; /* the keeper must end */
    int error;     /* W2 */
    char error_text[200];
    unsigned committer_count;
    struct fiber *committers[WAL_COMMITTERS];
    struct fiber *keeper;
    struct wal_stats stats;
};

static inline uint64_t
wal_segment_of(const struct wal *wal, uint64_t position)
{
    return position / wal->segment_size;
}

static inline struct wal_segment *
wal_segment_at(struct wal *wal, uint64_t index)
{
    return &wal->segments[index % wal->segments_max];
}

/* file.c: names and small files. */
enum wal_name_kind { WAL_NAME_OTHER, WAL_NAME_SEGMENT, WAL_NAME_SPARE, WAL_NAME_BAD };
enum wal_name_kind wal_name_parse(const char *name, uint64_t *ret_index);
/* `out`: FILE_PATH_MAX bytes. -ENAMETOOLONG. */
MUST_CHECK int wal_path(const char *folder, const char *name, char *out);
MUST_CHECK int wal_path_index(const char *folder, const char *prefix, uint64_t index, char *out);
/* Opens for direct writing, without O_DIRECT where the file system refuses it. */
MUST_CHECK MAY_SUSPEND int wal_file_open(
        struct wal *wal, const char *path, unsigned flags, struct file **ret_file);
/* Flushes the folder and all folders above it that may be opened. */
MUST_CHECK MAY_SUSPEND int wal_folders_sync(const char *folder);

/* evidence.c */
/* Writes `next` with the next counter as the newest entry, durably, and makes it wal->evidence. */
MUST_CHECK MAY_SUSPEND int wal_evidence_write(struct wal *wal, const struct wal_evidence *next);
/* The newest valid entry. -EBADMSG: none; -EPROTONOSUPPORT. */
MUST_CHECK MAY_SUSPEND int wal_evidence_read(
        const char *folder, const struct uuid *wal_id, struct wal_evidence *ret_evidence);
/* Makes the file with one entry. */
MUST_CHECK MAY_SUSPEND int wal_evidence_make(struct wal *wal);

/* segment.c */
/* Puts a spare, or a new file, into use as segment last_segment + 1. -ENOSPC: no place now. */
MUST_CHECK MAY_SUSPEND int wal_segment_add(struct wal *wal, uint32_t *ret_header_crc);
/* Renames segments [from, to) to spares; the evidence that they are not wanted must be durable. */
MUST_CHECK MAY_SUSPEND int wal_segments_recycle(struct wal *wal, uint64_t from, uint64_t to);
/* Renames all found by wal_open to spares and removes spares that are too many. */
MUST_CHECK MAY_SUSPEND int wal_found_recycle(struct wal *wal);

/* keeper.c */
void wal_keeper_run(void *arg);
/* Tells the keeper to look around. */
void wal_keeper_poke(struct wal *wal);
bool wal_keeper_is_armed(const struct wal *wal);
/* Writes evidence when the log is idle and it is due: 1; else 0. */
MUST_CHECK MAY_SUSPEND int wal_evidence_follow(struct wal *wal);

/* open.c */
void wal_init(struct wal *wal);

/* append.c */
/* Ends the gathering group: pads it and puts it behind the others. */
void wal_group_close(struct wal *wal);
/* Keeps some for reuse. */
void wal_group_free(struct wal *wal, struct wal_group *group);
/* Where the next group will begin, or the gathering one would end now. */
uint64_t wal_tail(const struct wal *wal);
/* Payload that fits into one empty segment. */
uint64_t wal_segment_payload(uint64_t segment_size, size_t group_size);

/* commit.c */
void wal_committer_run(void *arg);
/* There is a gathering group that need not wait for the one under way. */
bool wal_gathering_may_go(const struct wal *wal);
void wal_append_finish(struct wal *wal, struct wal_append *append, int result);
void wal_latency_count(struct wal *wal, uint64_t begun_ns, uint64_t now_ns);
/* W2: marks the wal broken with the present fault as the reason; fails every append under way. */
void wal_break(struct wal *wal, int error);
/* -EIO with the reason. */
MUST_CHECK int wal_broken_fault(const struct wal *wal);
