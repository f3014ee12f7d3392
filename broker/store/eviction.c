/* Which extent goes first: S3-FIFO with a queue of its own for unread read-ahead (block_cache.h).
 */
#include "base/check.h"
#include "base/limits.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "store/extent.h"

/* A block that left SMALL: a second read soon after shows that it is shared and sends it to MAIN.
 * Direct mapped and bounded; a collision forgets, which only costs a chance. */
struct ghost {
    uint32_t tag;
    uint32_t sequence;
};

#define GHOSTS_MIN 256u
#define GHOSTS_MAX 65536u

void
eviction_init(struct block_cache *cache)
{
    uint32_t count = GHOSTS_MIN;
    while (count < GHOSTS_MAX && (uint64_t)count * (256 * KIB) < cache->budget_bytes) {
        count *= 2;
    }
    cache->ghosts = mem_alloc_array(count, sizeof *cache->ghosts);
    cache->ghost_mask = count - 1;
    cache->ahead_stale_ns = AHEAD_STALE_NS;
    /* Far enough from the zeroed entries that they count as forgotten. */
    cache->ghost_sequence = count + 1;
    list_init(&cache->small);
    list_init(&cache->main);
    list_init(&cache->ahead);
}

void
eviction_done(struct block_cache *cache)
{
    struct list *queues[] = { &cache->small, &cache->main, &cache->ahead };
    for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
        struct extent *extent;
        while ((extent = LIST_FIRST(queues[i], struct extent, link))) {
            extent_drop(cache, extent);
        }
    }
    mem_free(cache->ghosts);
}

static uint64_t
block_hash(const struct cached_block *block)
{
    return block->node.hash;
}

static void
ghost_remember(struct block_cache *cache, const struct extent *extent)
{
    for (uint32_t i = 0; i < extent->block_count; i++) {
        uint64_t hash = block_hash(&extent->blocks[i]);
        cache->ghosts[hash & cache->ghost_mask] = (struct ghost){
            .tag = (uint32_t)(hash >> 32),
            .sequence = cache->ghost_sequence++,
        };
    }
}

static bool
ghost_knows(const struct block_cache *cache, const struct extent *extent)
{
    uint64_t hash = block_hash(&extent->blocks[0]);
    const struct ghost *ghost = &cache->ghosts[hash & cache->ghost_mask];
    return ghost->tag == (uint32_t)(hash >> 32) &&
           cache->ghost_sequence - ghost->sequence <= cache->ghost_mask;
}

static void
queue_push(struct block_cache *cache, struct extent *extent, enum extent_queue queue)
{
    extent->queue = queue;
    if (queue == EXTENT_SMALL) {
        list_push_back(&cache->small, &extent->link);
        cache->small_bytes += extent->charge;
    } else if (queue == EXTENT_MAIN) {
        list_push_back(&cache->main, &extent->link);
        cache->main_bytes += extent->charge;
    } else {
        list_push_back(&cache->ahead, &extent->link);
    }
}

static void
queue_remove(struct block_cache *cache, struct extent *extent)
{
    list_remove(&extent->link);
    if (extent->queue == EXTENT_SMALL) {
        cache->small_bytes -= extent->charge;
    } else if (extent->queue == EXTENT_MAIN) {
        cache->main_bytes -= extent->charge;
    }
    extent->queue = EXTENT_NO_QUEUE;
}

/* It was asked for: no longer speculative. */
static void
extent_leave_ahead(struct block_cache *cache, struct extent *extent)
{
    if (extent->is_ahead) {
        extent->is_ahead = false;
        cache->ahead_bytes -= extent->charge;
    }
}

void
extent_enqueue(struct block_cache *cache, struct extent *extent)
{
    extent->refs++;
    extent->ready_ns = clock_mono_coarse_ns();
    if (extent->is_ahead) {
        queue_push(cache, extent, EXTENT_AHEAD);
    } else {
        queue_push(cache, extent, ghost_knows(cache, extent) ? EXTENT_MAIN : EXTENT_SMALL);
    }
}

/* Unread blocks keep their extent in AHEAD: evicting it with SMALL would fetch them twice. */
static void
ahead_touch(struct block_cache *cache, struct cached_block *block)
{
    struct extent *extent = block->extent;
    if (!block->is_read) {
        block->is_read = true;
        extent->read_count++;
    }
    if (extent->read_count == extent->block_count) {
        queue_remove(cache, extent);
        extent_leave_ahead(cache, extent);
        queue_push(cache, extent, ghost_knows(cache, extent) ? EXTENT_MAIN : EXTENT_SMALL);
    }
}

void
extent_touch(struct block_cache *cache, struct cached_block *block, uint64_t token)
{
    struct extent *extent = block->extent;
    if (extent->queue == EXTENT_AHEAD) {
        ahead_touch(cache, block);
    }
    /* A reader that comes back for the rest of a block, or for what was read ahead for it, does not
     * make it popular. */
    if (token == 0 || token != extent->token) {
        extent->frequency = (uint8_t)MIN(extent->frequency + 1, EXTENT_FREQUENCY_MAX);
        extent->token = token;
    }
}

static uint64_t
extent_unread_bytes(const struct extent *extent)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < extent->block_count; i++) {
        bytes += extent->blocks[i].is_read ? 0 : extent->blocks[i].piece.size;
    }
    return bytes;
}

void
extent_drop(struct block_cache *cache, struct extent *extent)
{
    if (extent->is_ahead) {
        cache->read_ahead_wasted_bytes += extent_unread_bytes(extent);
        extent_leave_ahead(cache, extent);
    }
    queue_remove(cache, extent);
    extent_unmap(cache, extent);
    cache->bytes -= extent->charge;
    cache->evictions++;
    extent_unref(extent);
}

/* The oldest of SMALL goes, or moves on to MAIN when other readers came. True: something went. */
static bool
evict_small(struct block_cache *cache)
{
    while (!list_is_empty(&cache->small)) {
        struct extent *extent = LIST_FIRST(&cache->small, struct extent, link);
        if (extent->frequency == 0) {
            ghost_remember(cache, extent);
            extent_drop(cache, extent);
            return true;
        }
        queue_remove(cache, extent);
        extent->frequency = 0;
        queue_push(cache, extent, EXTENT_MAIN);
    }
    return false;
}

static bool
evict_main(struct block_cache *cache)
{
    while (!list_is_empty(&cache->main)) {
        struct extent *extent = LIST_FIRST(&cache->main, struct extent, link);
        if (extent->frequency == 0) {
            extent_drop(cache, extent);
            return true;
        }
        extent->frequency--;
        queue_remove(cache, extent);
        queue_push(cache, extent, EXTENT_MAIN);
    }
    return false;
}

static bool
evict_ahead(struct block_cache *cache)
{
    struct extent *first = LIST_FIRST(&cache->ahead, struct extent, link);
    if (!first) {
        return false;
    }
    MARK("store: unread read-ahead evicted");
    extent_drop(cache, first);
    return true;
}

static bool
evict_one(struct block_cache *cache)
{
    bool small_first = cache->small_bytes + cache->ahead_bytes > cache->budget_bytes / 10;
    if (small_first && evict_small(cache)) {
        return true;
    }
    return evict_main(cache) || evict_small(cache) || evict_ahead(cache);
}

void
cache_make_room(struct block_cache *cache, uint64_t charge)
{
    while (cache->bytes + charge > cache->budget_bytes && evict_one(cache)) {
    }
}

bool
cache_make_room_ahead(struct block_cache *cache, uint64_t charge)
{
    uint64_t limit = cache->budget_bytes / 4;
    uint64_t now = clock_mono_coarse_ns();
    while (cache->ahead_bytes + charge > limit) {
        struct extent *oldest = LIST_FIRST(&cache->ahead, struct extent, link);
        if (!oldest || now - oldest->ready_ns < cache->ahead_stale_ns) {
            MARK("store: read-ahead refused");
            return false;
        }
        MARK("store: stale read-ahead evicted");
        extent_drop(cache, oldest);
    }
    return true;
}

void
block_cache_forget_reader(struct block_cache *cache, uint64_t token)
{
    LIST_FOREACH_SAFE (node, &cache->ahead) {
        struct extent *extent = CONTAINER_OF(node, struct extent, link);
        if (extent->token == token) {
            queue_remove(cache, extent);
            extent_leave_ahead(cache, extent);
            cache->read_ahead_wasted_bytes += extent_unread_bytes(extent);
            extent->queue = EXTENT_SMALL;
            list_push_front(&cache->small, &extent->link);
            cache->small_bytes += extent->charge;
        }
    }
}
