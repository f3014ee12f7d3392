/* Reading: from an offset in a range to batches, with read-ahead that follows the reader. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mark.h"
#include "store/batch.h"
#include "store/range_view.h"

#include <errno.h>

/* After read-ahead was evicted unread: so many blocks without growth. */
#define HOLD_BLOCKS 8u

static uint64_t
reader_token(struct store *store, struct store_reader *reader)
{
    if (reader && reader->token == 0) {
        reader->token = ++store->reader_token;
    }
    return reader ? reader->token : 0;
}

void
store_reader_done(struct store *store, struct store_reader *reader)
{
    if (reader->token != 0) {
        block_cache_forget_reader(&store->cache, reader->token);
    }
    *reader = (struct store_reader){ 0 };
}

/* Starts GETs for the missing blocks from block `i` on that begin before `limit_position`, adjacent
 * ones in one GET. Returns the position up to which everything is there or under way. */
static uint64_t
blocks_prefetch(const struct range_view *view, uint32_t i, uint64_t limit_position)
{
    struct block_cache *cache = &view->store->cache;
    struct cache_piece group[8];
    size_t count = 0;
    uint64_t bytes = 0;
    uint64_t position = 0;
    for (; i < view->range->block_count; i++) {
        struct cache_piece piece = range_view_piece(view, i);
        position = piece.position;
        if (piece.position >= limit_position) {
            break;
        }
        bool is_there = block_cache_has(cache, piece.object_id, piece.position);
        if (count > 0 && (is_there || count == ARRAY_SIZE(group) ||
                                 bytes + piece.size > cache->extent_bytes_max)) {
            if (!block_cache_prefetch(cache, group, count, view->token, view->deadline_ns)) {
                return group[0].position;
            }
            count = 0;
            bytes = 0;
        }
        if (!is_there) {
            group[count++] = piece;
            bytes += piece.size;
        }
        position = piece.position + piece.size;
    }
    if (count > 0 && !block_cache_prefetch(cache, group, count, view->token, view->deadline_ns)) {
        return group[0].position;
    }
    return position;
}

/* The reader goes into a block that it was not in: the window follows how well reading ahead has
 * worked. */
static void
reader_enter_block(
        struct store *store, struct store_reader *reader, const struct cache_piece *piece)
{
    bool was_ahead =
            reader->object_id == piece->object_id && piece->position < reader->ahead_position;
    if (was_ahead && !block_cache_has(&store->cache, piece->object_id, piece->position)) {
        MARK("store: read-ahead was evicted before it was read");
        reader->window_bytes /= 4;
        reader->hold_blocks = HOLD_BLOCKS;
        reader->ahead_position = 0;
    } else if (reader->hold_blocks > 0) {
        reader->hold_blocks--;
    } else {
        uint64_t doubled = MAX((uint64_t)BLOCK_SIZE_TARGET, reader->window_bytes * 2);
        reader->window_bytes = MIN(doubled, store->options.read_ahead_bytes_max);
    }
    if (reader->object_id != piece->object_id) {
        reader->ahead_position = 0;
    }
    reader->object_id = piece->object_id;
    reader->block_position = piece->position;
}

/* Follows the reader to `offset`, which is in block `i`, and starts the GETs that its window
 * allows. */
static void
reader_advance(
        const struct range_view *view, struct store_reader *reader, int64_t offset, uint32_t i)
{
    struct cache_piece piece = range_view_piece(view, i);
    const struct store_range *range = view->range;
    bool is_same_block =
            reader->object_id == piece.object_id && reader->block_position == piece.position;
    if (!is_same_block && (reader->next_offset != offset || reader->object_id == 0)) {
        /* A seek, or the first read: nothing is known about what comes next. */
        reader->window_bytes = 0;
        reader->hold_blocks = 0;
        reader->ahead_position = 0;
        reader->object_id = piece.object_id;
        reader->block_position = piece.position;
    } else if (!is_same_block) {
        reader_enter_block(view->store, reader, &piece);
    }
    uint64_t end = piece.position + piece.size;
    reader->range_left = range->position + range->size - end;
    uint64_t ahead = reader->ahead_position > end ? reader->ahead_position - end : 0;
    /* Half a window at a time, so that several blocks share one GET; whole blocks that end inside
     * the window. */
    if (reader->window_bytes > 0 && ahead <= reader->window_bytes / 2) {
        uint64_t window = MAX(reader->window_bytes, (uint64_t)BLOCK_SIZE_TARGET);
        reader->ahead_position = blocks_prefetch(view, i + 1, end + window - BLOCK_SIZE_TARGET + 1);
    }
}

struct reading {
    int64_t offset; /* batches that end at or before it are passed over */
    size_t max_bytes;
    size_t bytes; /* appended so far */
    int64_t next_offset;
    struct slices *slices;
};

/* Whole batches of one block from the offset on. False: max_bytes is reached. */
static bool
block_append(struct reading *reading, const struct slice *body)
{
    struct bytes rest = body->bytes;
    while (rest.size > 0) {
        struct batch_view batch;
        int r = batch_next(&rest, &batch);
        CHECK(r == 0); /* the cache keeps checked blocks only */
        if (batch.end_offset <= reading->offset) {
            continue;
        }
        if (reading->bytes > 0 && batch.bytes.size > reading->max_bytes - reading->bytes) {
            return false;
        }
        slices_append(reading->slices, body->owner, batch.bytes);
        reading->bytes += batch.bytes.size;
        reading->next_offset = batch.end_offset;
        if (reading->bytes >= reading->max_bytes) {
            return false;
        }
    }
    return true;
}

static int
view_read(const struct range_view *view, int64_t offset, size_t max_bytes,
        struct store_reader *reader, struct slices *slices)
{
    const struct store_range *range = view->range;
    uint32_t i = range_view_find(view, offset);
    if (reader) {
        reader_advance(view, reader, offset, i);
    }
    if (i + 1 < range->block_count) {
        /* What this very call is going to need, side by side with its first block. */
        struct cache_piece piece = range_view_piece(view, i);
        uint64_t wanted = MIN((uint64_t)max_bytes, view->store->options.read_ahead_bytes_max);
        (void)blocks_prefetch(view, i + 1, piece.position + wanted);
    }
    struct reading reading = {
        .offset = offset,
        .max_bytes = max_bytes,
        .next_offset = range->end_offset,
        .slices = slices,
    };
    for (bool more = true; more && i < range->block_count; i++) {
        struct slice body;
        int r = range_view_block(view, i, &body);
        if (r < 0) {
            return r;
        }
        more = block_append(&reading, &body);
        slice_done(&body);
    }
    if (reader) {
        reader->next_offset = reading.next_offset;
    }
    return 0;
}

int
store_read(struct store *store, const struct store_range *range, int64_t offset, size_t max_bytes,
        struct store_reader *reader, struct slices *slices)
{
    if (offset < range->base_offset || offset >= range->end_offset) {
        return fault(-EINVAL, "store: offset %lld is not in object %016llx, which has %lld to %lld",
                (long long)offset, (unsigned long long)range->object_id,
                (long long)range->base_offset, (long long)range->end_offset);
    }
    struct range_view view;
    int r = range_view_open(
            &view, store, range, reader_token(store, reader), store_read_deadline(store));
    if (r == 0 && range->block_count > 0) {
        r = view_read(&view, offset, max_bytes, reader, slices);
    } else if (r == 0 && reader) {
        reader->next_offset = range->end_offset;
    }
    range_view_done(&view);
    return r;
}

/* Reads ahead into one range; returns the bytes asked for or there, 0 to stop. */
static uint64_t
range_read_ahead(struct store *store, struct store_reader *reader, const struct store_range *range,
        uint64_t bytes)
{
    struct range_view view = {
        .store = store,
        .range = range,
        .deadline_ns = store_read_deadline(store),
        .token = reader->token,
    };
    if (range->block_count > 1) {
        struct cache_piece piece = range_index_piece(range);
        bool is_there = block_cache_has(&store->cache, piece.object_id, piece.position);
        if (!is_there) {
            (void)block_cache_prefetch(&store->cache, &piece, 1, reader->token, view.deadline_ns);
            return 0; /* which blocks there are is known only when it is here */
        }
        /* The index may be on its way still; its blocks are for the next call then. */
        if (!block_cache_peek(&store->cache, &piece, &view.index)) {
            return 0;
        }
    }
    uint64_t end = blocks_prefetch(&view, 0, range->position + bytes);
    range_view_done(&view);
    return end > range->position ? end - range->position : 0;
}

void
store_read_ahead(struct store *store, struct store_reader *reader, const struct store_range *ranges,
        size_t count)
{
    uint64_t left = reader->window_bytes - MIN(reader->window_bytes, reader->range_left);
    for (size_t i = 0; i < count && left > 0; i++) {
        if (ranges[i].block_count == 0) {
            continue;
        }
        int r = store_range_check(&ranges[i]);
        if (r < 0) {
            fault_clear(); /* a hint only: the read itself will say so */
            return;
        }
        uint64_t bytes = range_read_ahead(store, reader, &ranges[i], left);
        if (bytes < MIN(left, ranges[i].size)) {
            return;
        }
        left -= MIN(left, bytes);
    }
}
