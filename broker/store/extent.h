#pragma once
/* Extents of the block cache and the queues they pass through. Internal to block_cache.c and
 * eviction.c. */

#include "store/block_cache.h"

enum extent_queue { EXTENT_NO_QUEUE, EXTENT_SMALL, EXTENT_MAIN, EXTENT_AHEAD };

struct cached_block {
    struct map_node node;
    struct extent *extent;
    struct cache_piece piece;
    int error; /* of this block alone */
    bool is_mapped;
    bool is_read; /* somebody asked for it since it was read ahead */
};

struct extent {
    struct list link; /* in the list of its queue */
    enum extent_queue queue;
    uint32_t refs;    /* queue, loader, waiters */
    uint64_t charge;  /* bytes counted for it */
    uint64_t permits; /* of block_cache.loading, while it loads */
    uint64_t token;   /* reader that touched it last, or for which it was read ahead */
    uint64_t ready_ns;
    uint8_t frequency;   /* how often another reader came, at most EXTENT_FREQUENCY_MAX */
    uint32_t read_count; /* blocks with is_read */
    bool is_ahead;       /* counted in ahead_bytes */
    bool is_loading;
    struct wait_queue waiters;
    char *story; /* fault of what went wrong, for the waiters */
    struct buf *buf;
    struct store_range range; /* of an index */
    uint32_t block_count;
    struct cached_block blocks[];
};

#define EXTENT_FREQUENCY_MAX 3
#define AHEAD_STALE_NS (10ull * NS_PER_S)

/* eviction.c */

void eviction_init(struct block_cache *cache);
void eviction_done(struct block_cache *cache);
/* Puts a loaded extent into the queue where it belongs; the queue takes a reference. */
void extent_enqueue(struct block_cache *cache, struct extent *extent);
/* A reader asked for a block of a queued extent. */
void extent_touch(struct block_cache *cache, struct cached_block *block, uint64_t token);
/* Evicts until `charge` more bytes fit, or nothing is left to evict. */
void cache_make_room(struct block_cache *cache, uint64_t charge);
/* Drops unread read-ahead that nobody came for until `charge` more bytes of it are allowed. False:
 * no. */
bool cache_make_room_ahead(struct block_cache *cache, uint64_t charge);
/* Takes the extent out of its queue and all maps; the bytes go when the last reader is done. */
void extent_drop(struct block_cache *cache, struct extent *extent);

/* block_cache.c */

void extent_unmap(struct block_cache *cache, struct extent *extent);
void extent_unref(struct extent *extent);
