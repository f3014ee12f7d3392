#pragma once
/* Log compaction (cleanup.policy=compact) of one partition's committed ranges, as a special merge:
 * first the keys of what is not cleaned yet are gathered, then all ranges are rewritten without the
 * records that have a newer one, then one META_MERGE names the result (Q5 to Q9 in upkeep.h).
 * Internal to clean.c (reads and writes, on a fiber) and clean_filter.c (looks at batches, on a
 * helper thread).
 *
 * Q10  The newest record of each key stays, at its own offset and with its own timestamp, unless it
 *     is a tombstone past its horizon. A record goes only for a newer one with its key that is in
 *     the committed ranges of this very pass. Crash scenario: the newer one is only in the WAL and
 *     turns out torn; a reader from the log start would find neither.
 *
 * Q11  A tombstone is kept for delete.retention.ms from the first pass that saw it: the horizon is
 *     written into its batch, as Kafka does. Scenario: a consumer that reads from the log start for
 *     an hour meets the record of a key that was deleted, and never its tombstone.
 *
 * Q12  The last batch of each producer stays, empty of records if need be, with its sequences.
 *
 * Q13  Records of a transaction count once it is committed, and go once it is aborted; nothing is
 *     touched from the first open transaction on. A commit marker goes only when no record of its
 *     transaction is left, and delete.retention.ms after the first pass that saw this; an abort
 *     marker stays, because consumers are told of aborted transactions by where they began and
 *     must meet the end. Scenario: a committed offset of a group is kept and its marker is not: the
 *     next coordinator that reads __consumer_offsets takes it for open.
 *
 * Kafka's settings as they are taken here: min.cleanable.dirty.ratio is of bytes of blocks; the
 * dirty part counts when it has as many ranges as are worth a merge, or is as large as
 * segment.bytes, or as old as segment.ms; max.compaction.lag.ms makes it due whatever the ratio;
 * min.compaction.lag.ms spares whole ranges, by their greatest timestamp. A tombstone goes in the
 * first pass after its horizon, which may be much later when nothing is written.
 *
 * Limits: CLEAN_KEYS_MAX keys and CLEAN_TXNS_MAX transactions a pass (what is beyond waits for the
 * next one), CLEAN_READ_SIZE read at once, objects of CLEAN_OBJECT_SIZE: about 100 MiB in all, one
 * pass at a time per shard. */

#include "partition/clean_map.h"
#include "partition/upkeep.h"
#include "wire/record_batch.h"

#define CLEAN_KEYS_MAX ((size_t)1 << 20)
#define CLEAN_TXNS_MAX ((size_t)1 << 19)
#define CLEAN_READ_SIZE (4 * MIB)
#define CLEAN_OBJECT_SIZE (32 * MIB)

/* The last batch that a producer has written. */
struct clean_producer {
    int64_t id;
    int64_t last_offset;
    bool kept; /* a record of its transaction that the filter is in */
};

/* The end of a transaction. */
struct clean_marker {
    int64_t producer_id;
    int64_t offset;
    bool commit;
};

/* A batch of a transaction. */
struct clean_open {
    int64_t producer_id;
    int64_t offset;
    size_t markers; /* seen before it */
};

/* The transactions of the dirty part, when it has any. */
struct clean_txns {
    bool wanted; /* there are some */
    bool known;
    int64_t stable_offset;        /* the first open one begins here */
    struct clean_marker *markers; /* sorted by producer, then offset, once known */
    size_t marker_count;
    size_t marker_capacity;
    struct clean_open *opens;
    size_t open_count;
    size_t open_capacity;
};

struct cleaner {
    struct shard *shard;
    struct partition *partition;
    struct layout layout;
    size_t first; /* ranges before it are below the log start */
    size_t dirty; /* ranges from it on were not cleaned before */
    size_t end;   /* ranges from it on stay as they are */
    int64_t now_ms;
    int64_t delete_retention_ms;
    struct clean_txns txns;
    struct clean_map map;
    int64_t mapped_offset;            /* the map knows all keys before it */
    bool beyond;                      /* the filter is behind it: everything stays */
    struct clean_producer *producers; /* sorted by id */
    size_t producer_count;
    struct slices out; /* batches of the object that is being made */
    uint64_t records_removed;
    struct store_range *ranges; /* written so far */
    size_t count;
    size_t capacity;
};

/* Some batches of a range, on their way through one of the two functions below. */
struct clean_chunk {
    struct cleaner *cleaner;
    const struct slices *batches;
    int64_t next_offset; /* behind what was looked at */
    bool stopped;        /* before the end of `batches` */
};
/* Notes how transactions begin and end; stops where there are too many. -EBADMSG. For offload_run.
 */
int clean_scan(void *chunk);
/* Puts the keys into the map; stops where it is full, at the first open transaction, and at the
 * first of all while clean_scan has not been run. -EBADMSG, -ENOMEM. For offload_run. */
int clean_gather(void *chunk);
/* Appends what stays to cleaner.out; stops at mapped_offset, until `beyond` is set. For
 * offload_run. */
int clean_filter(void *chunk);
/* --- clean_txn.c --- */
int clean_scan_batch(struct cleaner *cleaner, const struct record_batch *batch);
/* After the last clean_scan. */
void clean_txns_settle(struct clean_txns *txns);
void clean_txns_done(struct clean_txns *txns);
bool clean_is_aborted(const struct cleaner *cleaner, const struct record_batch *batch);
/* CONTROL_COMMIT ... of a control batch; -EBADMSG. */
MUST_CHECK int clean_marker_type(const struct record_batch *batch);

/* The pass is worth its cost. */
bool clean_is_due(const struct cleaner *cleaner, uint32_t ranges_min);
