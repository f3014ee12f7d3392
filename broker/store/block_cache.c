/* Looking up, loading and checking extents. Who needs a block first fetches it on its own fiber;
 * the others wait for that; read-ahead has fibers of its own. */
#include "store/block_cache.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/call.h"
#include "store/extent.h"
#include "store/format.h"
#include "store/store_internal.h"

#include <errno.h>

/* CRCs of more than this are for a helper thread: the reactor's turn would get too long. */
#define CHECK_HERE_BYTES_MAX (4 * MIB + 64 * KIB)

/* GETs under way hold at most this part of the budget (C2). */
#define LOADING_SHARE 4

/* A read-ahead fiber. */
struct load {
    struct list link;
    struct block_cache *cache;
    struct extent *extent;
    struct fiber *fiber;
    uint64_t deadline_ns;
};

struct block_name {
    uint64_t object_id;
    uint64_t position;
};

static uint64_t
name_hash(struct block_name name)
{
    return hash_u64(hash_u64(name.object_id) ^ name.position);
}

static bool
name_equal(const struct map_node *node, const void *key)
{
    const struct cache_piece *piece = &CONTAINER_OF(node, const struct cached_block, node)->piece;
    const struct block_name *name = key;
    return piece->object_id == name->object_id && piece->position == name->position;
}

static struct cached_block *
cache_find(const struct block_cache *cache, uint64_t object_id, uint64_t position)
{
    struct block_name name = { object_id, position };
    struct map_node *node = map_find(&cache->blocks, name_hash(name), name_equal, &name);
    return node ? CONTAINER_OF(node, struct cached_block, node) : NULL;
}

bool
block_cache_has(const struct block_cache *cache, uint64_t object_id, uint64_t position)
{
    return cache_find(cache, object_id, position) != NULL;
}

void
block_cache_init(struct block_cache *cache, struct objectstore *objects, uint64_t budget_bytes)
{
    *cache = (struct block_cache){ .objects = objects, .budget_bytes = budget_bytes };
    /* So that several fit into the share of AHEAD. */
    cache->extent_bytes_max = MIN((uint64_t)STORE_EXTENT_SIZE_MAX, budget_bytes / 16);
    map_init(&cache->blocks);
    list_init(&cache->loads);
    list_init(&cache->loads_ended);
    semaphore_init(&cache->loading, budget_bytes / LOADING_SHARE);
    eviction_init(cache);
}

/* Frees the handles of read-ahead fibers that have ended. */
static void
cache_reap(struct block_cache *cache)
{
    struct list *node;
    while ((node = list_pop_front(&cache->loads_ended)) != NULL) {
        struct load *load = CONTAINER_OF(node, struct load, link);
        fiber_join(load->fiber);
        mem_free(load);
    }
}

void
block_cache_done(struct block_cache *cache)
{
    LIST_FOREACH (node, &cache->loads) {
        fiber_cancel(CONTAINER_OF(node, struct load, link)->fiber);
    }
    while (!list_is_empty(&cache->loads)) {
        struct load *load = LIST_FIRST(&cache->loads, struct load, link);
        fiber_join(load->fiber);
        /* The fiber moved it to loads_ended when it ended. */
        list_remove(&load->link);
        mem_free(load);
    }
    cache_reap(cache);
    eviction_done(cache);
    CHECK(cache->bytes == 0 && cache->ahead_bytes == 0 && cache->blocks.count == 0);
    map_done(&cache->blocks);
}

void
extent_unmap(struct block_cache *cache, struct extent *extent)
{
    for (uint32_t i = 0; i < extent->block_count; i++) {
        struct cached_block *block = &extent->blocks[i];
        if (block->is_mapped) {
            block->is_mapped = false;
            map_remove(&cache->blocks, &block->node);
        }
    }
}

void
extent_unref(struct extent *extent)
{
    CHECK(extent->refs > 0);
    if (--extent->refs > 0) {
        return;
    }
    CHECK(extent->queue == EXTENT_NO_QUEUE && !extent->is_loading);
    buf_unref(extent->buf);
    mem_free(extent->story);
    mem_free(extent);
}

static uint64_t
pieces_charge(const struct cache_piece *pieces, size_t count)
{
    uint64_t charge = sizeof(struct extent) + sizeof(struct buf);
    for (size_t i = 0; i < count; i++) {
        charge += pieces[i].size + sizeof(struct cached_block);
    }
    return charge;
}

/* An extent that is loading, in the map, charged; the caller holds the permits and gets the
 * reference. */
static struct extent *
extent_new(
        struct block_cache *cache, const struct cache_piece *pieces, size_t count, uint64_t permits)
{
    struct extent *extent = mem_alloc(sizeof *extent + count * sizeof extent->blocks[0]);
    extent->refs = 1;
    extent->charge = pieces_charge(pieces, count);
    extent->permits = permits;
    extent->is_loading = true;
    extent->block_count = (uint32_t)count;
    list_init(&extent->link);
    wait_queue_init(&extent->waiters);
    for (size_t i = 0; i < count; i++) {
        struct cached_block *block = &extent->blocks[i];
        struct block_name name = { pieces[i].object_id, pieces[i].position };
        block->extent = extent;
        block->piece = pieces[i];
        block->is_mapped = true;
        if (pieces[i].index_of) {
            extent->range = *pieces[i].index_of;
            block->piece.index_of = &extent->range;
        }
        map_insert(&cache->blocks, &block->node, name_hash(name));
    }
    cache_make_room(cache, extent->charge);
    cache->bytes += extent->charge;
    return extent;
}

static struct bytes
block_bytes(const struct cached_block *block)
{
    const struct extent *extent = block->extent;
    uint64_t start = block->piece.position - extent->blocks[0].piece.position;
    return bytes_of(extent->buf->data + start, (size_t)block->piece.size);
}

/* O3 */
static int
block_verify(const struct cached_block *block)
{
    const struct cache_piece *piece = &block->piece;
    struct bytes bytes = block_bytes(block);
    if (piece->index_of) {
        return index_check(bytes, piece->index_of);
    }
    struct place place = { piece->object_id, piece->position };
    struct block_header header;
    int r = block_check(bytes, place, &header);
    if (r < 0) {
        return r;
    }
    if (header.base_offset != piece->base_offset || header.end_offset != piece->end_offset) {
        return fault(-EBADMSG,
                "store: object %016llx at %llu: block covers %lld to %lld, not %lld to %lld",
                (unsigned long long)piece->object_id, (unsigned long long)piece->position,
                (long long)header.base_offset, (long long)header.end_offset,
                (long long)piece->base_offset, (long long)piece->end_offset);
    }
    return 0;
}

/* Checks all blocks; touches nothing but the extent, so that it may run on a helper thread. 0, or
 * -EBADMSG when at least one does not fit. */
static int
extent_check(void *arg)
{
    struct extent *extent = arg;
    int result = 0;
    for (uint32_t i = 0; i < extent->block_count; i++) {
        int r = block_verify(&extent->blocks[i]);
        extent->blocks[i].error = r;
        if (r < 0 && result == 0) {
            result = r;
            mem_free(extent->story);
            extent->story = mem_strdup(fault_text());
        }
    }
    return result;
}

static int
extent_fetch_once(struct block_cache *cache, struct extent *extent, uint64_t deadline_ns)
{
    const struct cache_piece *first = &extent->blocks[0].piece;
    const struct cache_piece *last = &extent->blocks[extent->block_count - 1].piece;
    struct object_range range = { first->position, last->position + last->size - first->position };
    extent->buf = buf_unref(extent->buf);
    int r = store_get_exact(cache->objects, first->object_id, range, deadline_ns, &extent->buf);
    if (r < 0) {
        return r;
    }
    return range.size > CHECK_HERE_BYTES_MAX ? offload_run(extent_check, extent)
                                             : extent_check(extent);
}

/* 0: the bytes are here and each block has its verdict. What does not fit may have been damaged on
 * the way only, so it is asked for a second time; what does not fit then is damaged where it lies.
 */
static int
extent_fetch(struct block_cache *cache, struct extent *extent, uint64_t deadline_ns)
{
    int r = extent_fetch_once(cache, extent, deadline_ns);
    if (r == -EBADMSG) {
        MARK("store: misfit fetched again");
        cache->misfits++;
        r = extent_fetch_once(cache, extent, deadline_ns);
        cache->damaged += r == -EBADMSG;
    }
    return r == -EBADMSG && extent->buf ? 0 : r;
}

/* Unmaps what is not good, `error`: nothing is. True when at least one block stays. */
static bool
extent_settle(struct block_cache *cache, struct extent *extent, int error)
{
    bool any = false;
    if (error < 0) {
        mem_free(extent->story);
        extent->story = mem_strdup(fault_text());
    }
    for (uint32_t i = 0; i < extent->block_count; i++) {
        struct cached_block *block = &extent->blocks[i];
        if (error < 0) {
            block->error = error;
        }
        if (block->error < 0) {
            block->is_mapped = false;
            map_remove(&cache->blocks, &block->node);
        } else {
            any = true;
        }
    }
    return any;
}

/* Fetches the bytes, checks them, wakes whoever waits. Keeps the caller's reference. */
static void
extent_load(struct block_cache *cache, struct extent *extent, uint64_t deadline_ns)
{
    int r = extent_fetch(cache, extent, deadline_ns);
    bool is_good = extent_settle(cache, extent, r);
    extent->is_loading = false;
    semaphore_release(&cache->loading, extent->permits);
    /* C2, C3 */
    if (is_good && cache->bytes <= cache->budget_bytes) {
        extent_enqueue(cache, extent);
    } else {
        if (extent->is_ahead) {
            cache->ahead_bytes -= extent->charge;
            extent->is_ahead = false;
        }
        cache->bytes -= extent->charge;
        extent_unmap(cache, extent);
    }
    wait_queue_wake_all(&extent->waiters);
}

/* What became of a loaded block, for one reader. */
static int
block_take(struct cached_block *block, struct slice *ret_slice)
{
    if (block->error < 0) {
        return fault(block->error, "%s", block->extent->story);
    }
    *ret_slice = slice_ref(block->extent->buf, block_bytes(block));
    return 0;
}

/* Fetches the piece on this fiber. -EAGAIN: somebody else began while we waited for our turn. */
static int
cache_load(struct block_cache *cache, const struct cache_piece *piece, uint64_t token,
        uint64_t deadline_ns, struct slice *ret_slice)
{
    uint64_t permits = MIN(pieces_charge(piece, 1), cache->budget_bytes / LOADING_SHARE);
    int r = semaphore_acquire(&cache->loading, permits, deadline_ns);
    if (r < 0) {
        return fault_note(r, "store: object %016llx at %llu: waiting for room in the block cache",
                (unsigned long long)piece->object_id, (unsigned long long)piece->position);
    }
    if (block_cache_has(cache, piece->object_id, piece->position)) {
        semaphore_release(&cache->loading, permits);
        return -EAGAIN;
    }
    cache->misses++;
    struct extent *extent = extent_new(cache, piece, 1, permits);
    extent->token = token;
    extent_load(cache, extent, deadline_ns);
    r = block_take(&extent->blocks[0], ret_slice);
    extent_unref(extent);
    return r;
}

/* Waits for the fiber that loads the block. -EAGAIN: that fiber was cancelled. */
static int
cache_join(struct block_cache *cache, struct cached_block *block, uint64_t token,
        uint64_t deadline_ns, struct slice *ret_slice)
{
    struct extent *extent = block->extent;
    int r = 0;
    extent->refs++;
    while (extent->is_loading && r == 0) {
        r = wait_queue_wait(&extent->waiters, deadline_ns);
    }
    if (r == 0 && block->error == -ECANCELED) {
        MARK("store: loader was cancelled, a waiter takes over");
        r = -EAGAIN;
    } else if (r < 0) {
        r = fault(r, "store: object %016llx at %llu: waiting for another reader's GET",
                (unsigned long long)block->piece.object_id,
                (unsigned long long)block->piece.position);
    } else {
        r = block_take(block, ret_slice);
        if (r == 0 && extent->queue != EXTENT_NO_QUEUE) {
            extent_touch(cache, block, token);
        }
    }
    extent_unref(extent);
    return r;
}

static bool
piece_agrees(const struct cache_piece *a, const struct cache_piece *b)
{
    return a->size == b->size && a->base_offset == b->base_offset &&
           a->end_offset == b->end_offset && !a->index_of == !b->index_of;
}

int
block_cache_get(struct block_cache *cache, const struct cache_piece *piece, uint64_t token,
        uint64_t deadline_ns, struct slice *ret_slice)
{
    int r;
    do {
        struct cached_block *block = cache_find(cache, piece->object_id, piece->position);
        if (!block) {
            r = cache_load(cache, piece, token, deadline_ns, ret_slice);
            continue;
        }
        if (!piece_agrees(&block->piece, piece)) {
            /* Two ranges speak of one place: metadata is wrong about one of them. */
            MARK("store: ranges disagree about a place");
            return fault(-EBADMSG,
                    "store: object %016llx at %llu: ranges disagree about this place",
                    (unsigned long long)piece->object_id, (unsigned long long)piece->position);
        }
        cache->hits++;
        if (block->extent->is_loading) {
            r = cache_join(cache, block, token, deadline_ns, ret_slice);
        } else {
            extent_touch(cache, block, token);
            r = block_take(block, ret_slice);
        }
    } while (r == -EAGAIN);
    return r;
}

bool
block_cache_peek(
        struct block_cache *cache, const struct cache_piece *piece, struct slice *ret_slice)
{
    struct cached_block *block = cache_find(cache, piece->object_id, piece->position);
    if (!block || block->extent->is_loading || !piece_agrees(&block->piece, piece)) {
        return false;
    }
    *ret_slice = slice_ref(block->extent->buf, block_bytes(block));
    return true;
}

static void
load_main(void *arg)
{
    struct load *load = arg;
    struct block_cache *cache = load->cache;
    extent_load(cache, load->extent, load->deadline_ns);
    extent_unref(load->extent);
    cache->load_count--;
    list_remove(&load->link);
    list_push_back(&cache->loads_ended, &load->link);
}

/* A fiber could not be had: nothing was started, nobody has seen the extent. */
static void
prefetch_undo(struct block_cache *cache, struct extent *extent)
{
    MARK("store: no fiber for read-ahead");
    fault_clear();
    extent_unmap(cache, extent);
    cache->bytes -= extent->charge;
    cache->ahead_bytes -= extent->charge;
    semaphore_release(&cache->loading, extent->permits);
    extent->is_loading = false;
    extent_unref(extent);
}

bool
block_cache_prefetch(struct block_cache *cache, const struct cache_piece *pieces, size_t count,
        uint64_t token, uint64_t deadline_ns)
{
    uint64_t charge = pieces_charge(pieces, count);
    cache_reap(cache);
    if (cache->load_count >= STORE_LOADS_MAX || !cache_make_room_ahead(cache, charge) ||
            !semaphore_try_acquire(&cache->loading, charge)) {
        return false;
    }
    struct extent *extent = extent_new(cache, pieces, count, charge);
    extent->token = token;
    extent->is_ahead = true;
    cache->ahead_bytes += charge;
    struct load *load = mem_alloc(sizeof *load);
    *load = (struct load){ .cache = cache, .extent = extent, .deadline_ns = deadline_ns };
    int r = fiber_spawn("store: read-ahead", load_main, load, &load->fiber);
    if (r < 0) {
        mem_free(load);
        prefetch_undo(cache, extent);
        return false;
    }
    list_push_back(&cache->loads, &load->link);
    cache->load_count++;
    cache->read_ahead_bytes += charge;
    return true;
}
