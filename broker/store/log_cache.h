#pragma once
/* The newest batches of the partitions of one reactor, in memory: what tail consumers read and
 * what the next upload takes. A batch that is not uploaded is pinned; uploaded ones are kept while
 * their budget lasts, oldest upload out first over all partitions. The two budgets differ: while
 * the store is away the WAL can take much more than tail consumers ever look back for, and memory
 * that was never touched is dear (a page fault for each 4 KiB). The bytes are shared with the
 * socket buffer they came from: nothing is copied. Entered from partition/; never waits.
 *
 * O4  A batch leaves the cache only after its object is committed: until then the WAL is its only
 * other place. Crash scenario: an upload is written, the batch is dropped, the commit is refused;
 * the next upload would have a hole that only a recovery of the WAL could fill.
 *
 * Limits: the budgets given to log_cache_init. What counts is what the cache keeps alive: the whole
 * buffer that a batch lies in (once, however many batches share it) and the bookkeeping, so that
 * one small batch of a huge request is not held for free. partition/ stops appending
 * (back-pressure) while log_cache_is_full() says so. */

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "store/store.h"

#include <stdbool.h>

struct log_cache {
    uint64_t budget_bytes;
    uint64_t uploaded_budget_bytes; /* of bytes - pinned_bytes */
    uint64_t bytes;                 /* all that is held */
    uint64_t pinned_bytes;          /* of them: kept by batches that are not uploaded */
    uint64_t entry_count;
    struct list uploaded; /* oldest upload first: candidates for eviction */
    struct map owners;    /* buffers that entries lie in */
};
/* Of the whole, and of what is uploaded. */
void log_cache_init(struct log_cache *cache, uint64_t budget_bytes, uint64_t uploaded_budget_bytes);
/* All tails are done before. */
void log_cache_done(struct log_cache *cache);
/* Pinned bytes have reached three quarters of the budget. */
bool log_cache_is_full(const struct log_cache *cache);

struct log_entry;

/* The part of one partition. The fields are for reading only. An empty tail has no memory of its
 * own. */
struct log_tail {
    struct log_cache *cache;
    struct log_entry **ring; /* in offset order, contiguous, from ring[head] on */
    uint32_t ring_capacity;  /* power of two, or 0 */
    uint32_t head;
    uint32_t count;
    uint32_t uploaded_count; /* of the oldest entries: unpinned */
    int64_t start_offset;    /* of the oldest entry held; end_offset when empty */
    int64_t end_offset;      /* one past the newest */
    int64_t uploaded_offset; /* everything before it is uploaded */
};
void log_tail_init(struct log_tail *tail, struct log_cache *cache, int64_t end_offset);
/* Forgets all entries, also pinned ones: the partition is closed here. */
void log_tail_done(struct log_tail *tail);
/* `batches`: one or more whole record batches from base_offset (== tail end_offset) to end_offset.
 * Takes a reference. timestamp_max: of all batches, ms. O(1). */
void log_tail_append(struct log_tail *tail, struct slice batches, int64_t base_offset,
        int64_t end_offset, int64_t timestamp_max);
/* Takes back entries from `offset` on (a failed WAL append). `offset` begins an entry and is not
 * uploaded. */
void log_tail_truncate(struct log_tail *tail, int64_t offset);
/* Appends whole batches from the one containing `offset` up to `limit_offset` (exclusive) and
 * max_bytes (at least one batch). False: `offset` is older than what the cache holds. Never waits.
 * O(log entries). */
bool log_tail_read(struct log_tail *tail, int64_t offset, int64_t limit_offset, size_t max_bytes,
        struct slices *slices);
/* The batches not yet uploaded, up to `limit_offset` and max_bytes (at least one batch), for an
 * object; references are taken by the slices. Returns the offset one past the last taken,
 * uploaded_offset when there is nothing to take. */
int64_t log_tail_take_upload(
        struct log_tail *tail, int64_t limit_offset, size_t max_bytes, struct slices *slices);
/* Everything before `offset` is in a committed object now: unpins it (O4). */
void log_tail_uploaded(struct log_tail *tail, int64_t offset);
/* First offset with timestamp >= timestamp_ms among the batches below limit_offset: -ENOENT when
 * none; -EBADMSG when a batch cannot be read. */
MUST_CHECK int log_tail_find_timestamp(struct log_tail *tail, int64_t timestamp_ms,
        int64_t limit_offset, int64_t *ret_offset, int64_t *ret_timestamp_ms);
