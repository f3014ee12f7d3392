#pragma once
/* The objects of one broker as seen by one reactor: builds, writes, reads, caches, merges and
 * removes them. Entered from partition/ (upload, fetch, compaction) and from meta/ (removal).
 * Knows nothing of ownership: who may name an object is meta/'s business.
 *
 * O1  An object is written only under an id that the metadata log has handed out to this broker's
 * epoch (the intent), is committed there, and only then named by anyone. Crash between write and
 * commit: an orphan with a known id range, never a half-visible object. An id is written once:
 * objects are immutable; a repeated write carries the same bytes.
 *
 * O2  An object is removed in two phases: marked in the metadata log, removed after a delay, and
 * only when no partition, manifest, intent or unfenced epoch can name it. An unknown outcome
 * removes nothing.
 *
 * O3  Every block, index, checkpoint, manifest and footer carries a CRC-32C, and names its own
 * object and position: what does not fit is -EBADMSG with a fault naming object and position, and
 * never data. Scenario: a proxy answers a range request with the range of another object; all CRCs
 * inside fit.
 *
 * Limits: BLOCK_SIZE_TARGET, BLOCK_SIZE_MAX, STORE_* in base/limits.h, and the budgets of
 * store_options. Format: docs/formats/object.md, manifest.md. */

#include "base/buf.h"
#include "base/limits.h"
#include "objectstore/objectstore.h"
#include "store/range.h"

struct store;

struct store_options {
    struct objectstore *objects;   /* borrowed */
    uint64_t block_cache_bytes;    /* budget of the block cache, GETs under way included */
    uint64_t read_ahead_bytes_max; /* per reader */
    uint64_t fetch_timeout_ns;     /* of one read with its retries and waits */
};
MUST_CHECK int store_new(const struct store_options *options, struct store **ret_store);
/* Ends read-ahead that is under way and waits for it. No other call may be under way. Accepts NULL.
 */
MAY_SUSPEND void store_free(struct store *store);

/* --- building and writing an object (upload) --- */

struct object_builder;
/* `broker_id`, `broker_epoch`: who writes, kept in the object for audit. */
struct object_builder *object_builder_new(
        uint64_t object_id, int32_t broker_id, int64_t broker_epoch);
/* Accepts NULL. */
void object_builder_free(struct object_builder *builder);
/* One run of whole record batches of one partition, in offset order, without gaps between what is
 * covered. At most once per partition and object. Takes references to the slices' owners; the bytes
 * are not copied. `checkpoint` may be empty; it is copied. Without batches the run says that all
 * its records are gone. */
struct object_run {
    struct partition_key key;
    int32_t leader_epoch;
    int64_t base_offset;
    int64_t end_offset;
    const struct slice *batches; /* each one or more whole record batches */
    size_t batch_count;
    struct bytes checkpoint;
};
/* Checks each batch's CRC once more: what leaves the WAL's care is what the producer sent. The
 * builder is unchanged after an error: -EBADMSG: a batch is damaged; -EINVAL: offsets out of order;
 * -EEXIST: the partition is in the object already; -EFBIG: OBJECT_SIZE_MAX or
 * STORE_OBJECT_RUNS_MAX: write this object and begin another. */
MUST_CHECK int object_builder_add(struct object_builder *builder, const struct object_run *run);
/* Bytes of the whole object if it were written now. */
uint64_t object_builder_size(const struct object_builder *builder);
/* Writes the object (O1) and returns the ranges in order of object_builder_add; the array belongs
 * to the builder, to which nothing can be added any more. -EINVAL: no run was added. -ETIMEDOUT and
 * other errors: it may be there; the caller keeps the id reserved and may call again with the same
 * builder (same bytes, same id). */
MUST_CHECK MAY_SUSPEND int store_write_object(struct store *store, struct object_builder *builder,
        uint64_t deadline_ns, const struct store_range **ret_ranges, size_t *ret_count);

/* --- reading --- */

/* A list of batches that lie in shared buffers. */
struct slices {
    struct slice *items;
    size_t count;
    size_t capacity;
    size_t bytes;
};
void slices_init(struct slices *slices);
/* Takes a new reference. Bytes that continue the last item become part of it. */
void slices_append(struct slices *slices, struct buf *owner, struct bytes bytes);
void slices_done(struct slices *slices);

/* One sequential reader of one partition: carries the read-ahead state between fetches. Zeroed
 * memory is a valid start; store_reader_done when it ends. One fiber at a time. */
struct store_reader {
    int64_t next_offset;   /* a read from here goes on where the last one ended */
    uint64_t window_bytes; /* how far ahead to read; doubles with each block read in order */
    uint64_t token;        /* who it is among the readers of the cache; 0: not known yet */
    uint64_t object_id;    /* of the block it is in */
    uint64_t block_position;
    uint64_t ahead_position; /* blocks before it in that object were asked for */
    uint64_t range_left;     /* bytes behind the present block in its range */
    uint32_t hold_blocks;    /* blocks for which the window does not grow: it was too much lately */
};
/* Its unread read-ahead becomes the first that is evicted. */
void store_reader_done(struct store *store, struct store_reader *reader);

/* Appends whole batches from the one that contains `offset` on, out of that range, until max_bytes
 * would be exceeded (always at least one batch when there is one). The first batch may begin before
 * `offset`: Kafka's consumers skip. reader may be NULL: no read-ahead beyond max_bytes. With 0 and
 * nothing appended the range has no records from there on. -ENOENT: the object is gone: look the
 * range up again; -EBADMSG: O3; -EINVAL: `offset` is not in the range; -ETIMEDOUT. After an error
 * slices may have grown by batches that are good. */
MUST_CHECK MAY_SUSPEND int store_read(struct store *store, const struct store_range *range,
        int64_t offset, size_t max_bytes, struct store_reader *reader, struct slices *slices);
/* Tells which ranges come after the one that the reader is in, so that its window can reach into
 * them: a chain of small objects is then read in parallel. Starts GETs and does not wait for them;
 * a hint, so it cannot fail. */
MAY_SUSPEND void store_read_ahead(struct store *store, struct store_reader *reader,
        const struct store_range *ranges, size_t count);
/* First offset in the range whose record has a timestamp >= timestamp_ms, and that timestamp.
 * -ENOENT: none; -ESTALE: the object is gone: look the range up again; -EBADMSG: O3. */
MUST_CHECK MAY_SUSPEND int store_find_timestamp(struct store *store,
        const struct store_range *range, int64_t timestamp_ms, int64_t *ret_offset,
        int64_t *ret_timestamp_ms);
/* The checkpoint that the range's object holds for its partition; owned buf. -ENOENT when
 * checkpoint_size is 0. */
MUST_CHECK MAY_SUSPEND int store_read_checkpoint(struct store *store,
        const struct store_range *range, struct partition_key key, struct buf **ret_buf);

/* --- the manifest of a partition: its older objects in one object --- */

struct manifest {
    struct partition_key key;
    uint64_t manifest_id;       /* object id under which it is stored */
    struct store_range *ranges; /* in offset order, contiguous; from mem_alloc_array */
    size_t count;
    struct bytes checkpoint; /* state at the end of the last range; may be empty */
    struct buf *owner;       /* of the checkpoint's bytes; may be NULL */
};
void manifest_done(struct manifest *manifest);
/* Manifests are objects with ids too (O1, O2). -EINVAL: ranges that do not follow each other;
 * -EFBIG. */
MUST_CHECK MAY_SUSPEND int store_write_manifest(
        struct store *store, const struct manifest *manifest, uint64_t deadline_ns);
/* Owned by the caller: manifest_done. -EBADMSG: O3, or it is another partition's. */
MUST_CHECK MAY_SUSPEND int store_read_manifest(struct store *store, struct partition_key key,
        uint64_t manifest_id, struct manifest *ret_manifest);
/* The range that holds `offset`, by binary search; NULL when none does. */
const struct store_range *manifest_find(const struct manifest *manifest, int64_t offset);

/* --- object compaction: many small ranges of one partition into one large object --- */

struct store_merge {
    struct partition_key key;
    const struct store_range *ranges; /* contiguous, in offset order */
    size_t count;
    uint64_t object_id; /* of the new object */
    int32_t broker_id;
    int64_t broker_epoch;
    int64_t start_offset;    /* batches that end at or before it are left out (log start) */
    struct bytes checkpoint; /* for the new object; empty: that of the last range, if any */
};
/* Reads the ranges, checks every CRC, writes the new object. One merge at a time per reactor, with
 * at most STORE_MERGE_SIZE_MAX of input, which is all in memory when the object is written. The old
 * objects stay: the caller commits, then marks them (O2). -EFBIG: too much input: merge fewer
 * ranges; -EINVAL: ranges with holes between them. */
MUST_CHECK MAY_SUSPEND int store_merge_ranges(struct store *store, const struct store_merge *merge,
        uint64_t deadline_ns, struct store_range *ret_range);

/* --- removal, second phase of O2 --- */

/* 0: all are gone. After an error any of them may be gone. */
MUST_CHECK MAY_SUSPEND int store_remove_objects(
        struct store *store, const uint64_t *object_ids, size_t count, uint64_t deadline_ns);

struct store_stats {
    uint64_t block_cache_bytes; /* held now, GETs under way included */
    uint64_t block_cache_hits;  /* blocks and indexes found, also when their GET was under way */
    uint64_t block_cache_misses;
    uint64_t block_cache_evictions;   /* extents */
    uint64_t read_ahead_bytes;        /* asked for before anyone needed them */
    uint64_t read_ahead_wasted_bytes; /* of them: evicted before anyone read them */
    uint64_t misfits; /* GETs whose bytes did not fit their checks (O3) and were repeated */
    uint64_t damaged; /* of them: the second one did not fit either */
    uint64_t objects_written;
    uint64_t object_bytes_written;
};
void store_stats_get(const struct store *store, struct store_stats *ret_stats);

/* For `freshet inspect object` and `freshet audit`: walks footer, index, blocks and checkpoints of
 * one object, or a manifest. */
struct object_inspect_entry {
    const char *kind; /* "object", "block", "checkpoint", "index", "directory", "footer",
                         "manifest", "range" (of a manifest) */
    struct partition_key key;
    uint64_t position;
    uint64_t size;
    int64_t base_offset;
    int64_t end_offset;
    int64_t timestamp_max;
    const char *state;  /* "valid" or what is wrong with it; valid during the call */
    uint64_t object_id; /* of a "range": the object that it names; else the object itself */
};
/* A non-zero return ends the walk and is returned by it. */
typedef int (*object_inspect_fn)(void *arg, const struct object_inspect_entry *entry);
/* 0: every byte of the object is accounted for and valid; -EBADMSG: at least one entry was not
 * valid (the walk goes on as far as it can); -ENOENT. Each GET with its retries takes at most
 * fetch_timeout_ns. */
MUST_CHECK MAY_SUSPEND int store_inspect_object(
        struct store *store, uint64_t object_id, object_inspect_fn fn, void *arg);
