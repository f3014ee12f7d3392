#pragma once
/* Upkeep of a partition's objects: what rewrites or drops committed ranges. Three things do so:
 * merges of small ranges (merge.c), retention (retention.c) and log compaction (clean.c). All of
 * them go through layout_commit, or through META_LOG_START. Entered from the fibers of the shard,
 * and from handlers/ through partition_set_log_start. Internal to partition/.
 *
 * Q5  What readers see changes by one META_MERGE record and by nothing else: first the new objects
 *     are written, then the manifest that names them, then the record. Crash between any two: the
 *     partition is as before, and what was written is an orphan of a known intent (O1). Every
 * object that the new manifest names and the old one did not is in the record: one left out would
 * be taken for an orphan and removed.
 *
 * Q6  An unknown outcome deletes nothing: only META_MERGE and META_LOG_START, applied, turn objects
 *     into garbage, and only meta/ removes them, after a delay (O2). Crash scenario: a manifest's
 *     PUT is answered by a time-out, is repeated under another id, and lands late: it is named by
 *     nobody. A proposal that ends with -EINPROGRESS or -ESTALE is neither repeated nor undone.
 *
 * Q7  A reader in the middle of a merge loses nothing: it holds references to blocks it has, and
 *     gets -ENOENT (or -ESTALE) for those it has not, looks the offset up again, and finds the same
 *     records under the new name. What it looks up a second time below the log start is -ERANGE.
 *
 * Q8  A log start never moves back, is durable when partition_set_log_start returns, and takes no
 *     producer's state with it: where the newest checkpoint lies in a range that goes, a manifest
 *     takes it over in the same record. Crash scenario: DeleteRecords up to the high watermark, a
 *     restart, and the retry of the last batch is stored a second time (P1).
 *
 * Q9  A fenced owner changes nothing: META_MERGE and META_LOG_START carry the leader epoch, the ids
 *     are of intents of our broker epoch; the state refuses both once a newer one is logged (M6).
 *     Scenario: a broker is paused in the middle of a merge and continues when its successor has
 *     appended and merged.
 *
 * Limits: one rewrite per partition at a time (partition.upkeep_lock), one per shard in memory. */

#include "partition/shard_internal.h"

/* The committed ranges of a partition as they were at one moment. */
struct layout {
    int64_t log_start_offset;
    int64_t end_offset; /* committed */
    int64_t manifest_end_offset;
    uint64_t manifest_id;
    struct store_range *ranges; /* of the manifest, then the recent ones */
    size_t count;
    size_t manifest_count;
    struct bytes checkpoint; /* of the manifest */
    struct buf *owner;       /* of its bytes */
};

/* -ENOENT: the partition is gone; else the store's errors. */
MUST_CHECK MAY_SUSPEND int layout_load(
        struct shard *shard, struct partition *partition, struct layout *ret_layout);
void layout_done(struct layout *layout);

/* What shall be instead. The recent ranges below manifest_end_offset are replaced by what is in
 * `ranges`. */
struct layout_change {
    const struct store_range *ranges; /* all of the new manifest */
    size_t count;
    int64_t manifest_end_offset;
    int64_t log_start_offset;
};
/* Writes the manifest and commits it (Q5). Under partition.upkeep_lock since layout_load. 0:
 * committed; -EAGAIN: refused because something else changed the partition: load again; -ENOENT: it
 * is gone; -ESTALE: fenced (Q9); else the store's errors: nothing has changed, or nobody knows
 * (Q6). */
MUST_CHECK MAY_SUSPEND int layout_commit(struct shard *shard, struct partition *partition,
        const struct layout *from, const struct layout_change *to);

/* --- merge.c --- */

/* The error ends the upkeep of all partitions: cancelled, or fenced. */
bool upkeep_is_over(const struct shard *shard, int r);

/* Merges the partition's small ranges when there are enough of them, or compacts its log when that
 * is due. 1: something was done; 0: no need; errors as layout_commit. */
MUST_CHECK MAY_SUSPEND int partition_merge(struct shard *shard, struct partition *partition);
/* The fiber. */
void shard_merge_main(void *arg);

/* --- clean.c --- */

/* Compacts the log of the partition when that is due; the rules are in clean.h. Under
 * partition.upkeep_lock. 1: done; 0: not due; errors as layout_commit. */
MUST_CHECK MAY_SUSPEND int partition_clean_locked(
        struct shard *shard, struct partition *partition, uint32_t ranges_min);

/* --- retention.c --- */

/* Moves the log start to where the topic's retention wants it, and drops from the manifest what
 * lies wholly below. */
MUST_CHECK MAY_SUSPEND int partition_retain(struct shard *shard, struct partition *partition);
void shard_retention_main(void *arg);
