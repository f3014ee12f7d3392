#pragma once
/* Blocks and indexes of objects in memory, shared by all readers of the reactor. Internal to
 * store/.
 *
 * The unit is the extent: what one GET brought, one or several adjacent blocks. Extents are never
 * copied; readers keep the bytes alive by reference, so an eviction never waits for a reader.
 *
 *   LOADING --ok, read on demand--> SMALL or MAIN (when evicted from SMALL not long ago)
 *           --ok, read ahead------> AHEAD --all its blocks were read--> SMALL or MAIN
 *           --error--> gone: every waiter gets the error, nothing is kept
 *   SMALL   --oldest, another reader came--> MAIN       --oldest, nobody came--> gone, remembered
 *   MAIN    --oldest, read since--> once more round     --oldest, not read--> gone
 *
 * This is S3-FIFO: what is read once passes through SMALL (a tenth of the budget once the cache is
 * full) and cannot displace what several readers share. Repeated reads of one block by one reader
 * count once. AHEAD holds what was read ahead and not yet asked for: at most a quarter of the
 * budget. Read-ahead that does not fit is not started, rather than evicting another reader's
 * before it is used; only what nobody fetched for AHEAD_STALE_NS makes way. So any number of
 * catch-up readers leaves MAIN at least 40 % of the budget, and each still gets its demand reads.
 *
 * C1  One GET per block, however many fibers want it at once: a block that is being loaded is in
 * the map.
 *
 * C2  bytes <= budget at all times, GETs under way included; all GETs together hold at most a
 * quarter of it. The exception is a single block of more than that: it is read when nothing else is
 * being loaded, and not kept when it is larger than the whole.
 *
 * C3  What failed or does not fit its checks (O3) is never kept. */

#include "base/buf.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/map.h"
#include "objectstore/objectstore.h"
#include "reactor/sync.h"
#include "store/range.h"

/* What one block or index is expected to be. */
struct cache_piece {
    uint64_t object_id;
    uint64_t position;
    uint64_t size;
    int64_t base_offset; /* that a block must cover */
    int64_t end_offset;
    const struct store_range *index_of; /* set: the index of that range; borrowed during the call */
};

struct ghost;

struct block_cache {
    struct objectstore *objects;
    uint64_t budget_bytes;
    uint64_t extent_bytes_max; /* read-ahead asks for no more than that with one GET */
    uint64_t bytes;            /* extents in queues and under way */
    uint64_t small_bytes;
    uint64_t main_bytes;
    uint64_t ahead_bytes; /* unread read-ahead, GETs under way included */
    struct list small;    /* oldest first, as the others */
    struct list main;
    struct list ahead;
    struct map blocks;
    struct semaphore loading; /* bytes of GETs that may be under way */
    struct ghost *ghosts;     /* blocks that left SMALL unread by others */
    uint32_t ghost_mask;
    uint32_t ghost_sequence;
    struct list loads;       /* read-ahead fibers under way */
    struct list loads_ended; /* to be joined */
    size_t load_count;
    uint64_t hits;
    uint64_t misses;
    uint64_t evictions;
    uint64_t misfits;
    uint64_t damaged;
    uint64_t ahead_stale_ns; /* AHEAD_STALE_NS but in tests */
    uint64_t read_ahead_bytes;
    uint64_t read_ahead_wasted_bytes;
};

void block_cache_init(
        struct block_cache *cache, struct objectstore *objects, uint64_t budget_bytes);
/* Cancels read-ahead and waits for it. */
MAY_SUSPEND void block_cache_done(struct block_cache *cache);

/* The bytes of a piece, checked, with a reference for the caller. `token`: the reader, 0 for none.
 * -ENOENT; -EBADMSG: O3; -ETIMEDOUT; -ECANCELED: the caller was cancelled. */
MUST_CHECK MAY_SUSPEND int block_cache_get(struct block_cache *cache,
        const struct cache_piece *piece, uint64_t token, uint64_t deadline_ns,
        struct slice *ret_slice);
/* True when the piece is there or on its way. */
bool block_cache_has(const struct block_cache *cache, uint64_t object_id, uint64_t position);
/* As block_cache_get when the piece is there already; false otherwise. Does not count as a read. */
bool block_cache_peek(
        struct block_cache *cache, const struct cache_piece *piece, struct slice *ret_slice);
/* Starts one GET for adjacent pieces of one object, none of which block_cache_has. False: there is
 * no room for it now. Does not wait for the GET. */
MAY_SUSPEND bool block_cache_prefetch(struct block_cache *cache, const struct cache_piece *pieces,
        size_t count, uint64_t token, uint64_t deadline_ns);
/* The reader is gone: what was read ahead for it is evicted first. */
void block_cache_forget_reader(struct block_cache *cache, uint64_t token);
