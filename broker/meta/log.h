#pragma once
/* The fenced log of objects under a prefix: M1 to M3 of meta.h without knowing what the records
 * mean. Used for the metadata log and later, one per broker, for `wal.type: s3`.
 *
 * A log object: magic, version, log uuid, sequence, epoch, writer uuid, nonce, hash of the object
 * before, payload, CRC. Keys: <prefix>/log/<20 digits>, <prefix>/snapshot/<20 digits>,
 * <prefix>/floor. Sequences count from 1. One fiber at a time may read or append; floor and
 * snapshots may be written by another fiber meanwhile. Limits: OBJLOG_PAYLOAD_SIZE_MAX,
 * META_SNAPSHOT_SIZE_MAX. Format: docs/formats/metadata.md. */

#include "base/buf.h"
#include "base/limits.h"
#include "base/uuid.h"
#include "objectstore/objectstore.h"

struct objlog;

#define OBJLOG_HASH_SIZE 32u

struct objlog_options {
    struct objectstore *objects; /* borrowed */
    const char *prefix;          /* copied. "meta": meta/log/..., meta/floor, meta/snapshot/... */
    struct uuid log_id;          /* the cluster id; zero when reading an unknown log */
    struct uuid writer;
    int64_t epoch;    /* 0: reader only */
    unsigned mutants; /* tests only: meta/mutants.h */
};

MUST_CHECK int objlog_new(const struct objlog_options *options, struct objlog **ret_log);
/* Accepts NULL. */
void objlog_free(struct objlog *log);

struct objlog_entry {
    uint64_t sequence;
    int64_t epoch;
    struct uuid writer;
    struct bytes payload; /* inside `owner` */
    struct buf *owner;
};
/* The entry at the log's next sequence. -ENOENT: none yet (nothing is proven by that about the
 * future: M1); -EBADMSG: damaged, or the chain of hashes is broken: names the object; -EMEDIUMTYPE:
 * of another cluster or a newer format; -ESTALE: the floor has passed us: start again from a
 * snapshot. What was read counts only after objlog_confirm: see there. */
MUST_CHECK MAY_SUSPEND int objlog_read_next(struct objlog *log, struct objlog_entry *ret_entry);
void objlog_entry_done(struct objlog_entry *entry);
/* As objlog_read_next, with the object already at hand: one that the log's writer has sent us.
 * Takes a reference. -EALREADY: read before; -ENODATA: there are objects before it that were not
 * read. */
MUST_CHECK int objlog_feed(struct objlog *log, struct buf *object, struct objlog_entry *ret_entry);
/* Lists what lies ahead, so that objlog_read_next fetches many objects at once. Optional. */
MUST_CHECK MAY_SUSPEND int objlog_find_tail(struct objlog *log, uint64_t *ret_sequence);
/* Forgets what was listed and read ahead: objects behind the end may have come. */
void objlog_look_again(struct objlog *log);
/* M3 for readers: a slot below the floor may hold an object that a stalled writer put there after
 * the real one was removed, with a correct hash chain. 0: nothing read since objlog_seek or
 * the last confirmation lies at or
 * below the floor, so all of it is the one history, nor does what comes next, so an empty slot is
 * the end; -ESTALE: start again from a newer snapshot. */
MUST_CHECK MAY_SUSPEND int objlog_confirm(struct objlog *log);
/* A place in the log: between two objects. */
struct objlog_position {
    uint64_t next_sequence;
    int64_t last_epoch; /* greatest epoch before it: a writer of a lower one must not write behind
                           it */
    uint8_t previous_hash[OBJLOG_HASH_SIZE];
    bool hash_known; /* false: the first entry is believed (inspect only) */
};
/* Where objlog_read_next goes on: from a snapshot. */
void objlog_seek(struct objlog *log, const struct objlog_position *position);
uint64_t objlog_next_sequence(const struct objlog *log);
struct bytes objlog_previous_hash(const struct objlog *log);
/* Greatest epoch read or written; 0: none. */
int64_t objlog_last_epoch(const struct objlog *log);
/* A writer that has found a higher epoch and still holds the lease goes on under one of its own. */
void objlog_set_epoch(struct objlog *log, int64_t epoch);
/* Found in the objects when the options said zero. */
struct uuid objlog_id(const struct objlog *log);

/* Writes the next slot with these bytes until the slot is settled (M1, M3). 0: ours. -ESTALE:
 * another writer's object of a higher epoch is in the slot (or the slot is below the floor): we are
 * fenced for good. -EAGAIN: an object of a lower or equal epoch by another writer is there: read on
 * and try again with a new payload. Waits as long as the store is away; -ECANCELED when cancelled:
 * then the slot is undecided, this writer must not write again, and every later append returns
 * -ECANCELED. -EMSGSIZE: beyond OBJLOG_PAYLOAD_SIZE_MAX; -EBADMSG: the slot holds a damaged object.
 */
MUST_CHECK MAY_SUSPEND int objlog_append(
        struct objlog *log, const struct iovec *payload, size_t part_count);

/* The object that was appended last, byte for byte, owned; NULL: none since the last call. */
struct buf *objlog_take_written(struct objlog *log);

/* Moves the floor up (monotone, conditional replace), then removes log objects at or below it and
 * snapshots below it (M3). `sequence` must be that of a snapshot that is written. An error: nothing
 * is lost, call again later. */
MUST_CHECK MAY_SUSPEND int objlog_set_floor(struct objlog *log, uint64_t sequence);
/* 0 when there is none yet. */
MUST_CHECK MAY_SUSPEND int objlog_get_floor(struct objlog *log, uint64_t *ret_sequence);

/* `state` after the log's object `sequence`, which must be the last one read or written; it is
 * borrowed until the call returns. */
MUST_CHECK MAY_SUSPEND int objlog_write_snapshot(
        struct objlog *log, uint64_t sequence, struct bytes state);
/* The newest readable snapshot at or below `at_most`: an owned buf, and where the log goes on
 * behind it; -ENOENT: none, or none can be read and the log is there from its beginning; -EBADMSG:
 * none can be read, and the log behind them is gone. Does not seek. */
MUST_CHECK MAY_SUSPEND int objlog_read_snapshot(struct objlog *log, uint64_t at_most,
        struct objlog_position *ret_position, struct buf **ret_state);

struct objlog_stats {
    uint64_t objects;    /* written */
    uint64_t undecided;  /* answers that decided nothing */
    uint64_t read_backs; /* 412s that were looked into */
};
void objlog_stats_get(const struct objlog *log, struct objlog_stats *ret_stats);
