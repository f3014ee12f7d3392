/* From a range to its blocks. */
#include "store/range_view.h"

#include "base/check.h"
#include "base/fault.h"

#include <errno.h>

struct cache_piece
range_index_piece(const struct store_range *range)
{
    return (struct cache_piece){
        .object_id = range->object_id,
        .position = range->index_position,
        .size = index_size(range->block_count),
        .base_offset = range->base_offset,
        .end_offset = range->end_offset,
        .index_of = range,
    };
}

int
range_view_open(struct range_view *view, struct store *store, const struct store_range *range,
        uint64_t token, uint64_t deadline_ns)
{
    *view = (struct range_view){
        .store = store, .range = range, .deadline_ns = deadline_ns, .token = token
    };
    int r = store_range_check(range);
    if (r < 0 || range->block_count <= 1) {
        return r;
    }
    struct cache_piece piece = range_index_piece(range);
    return block_cache_get(&store->cache, &piece, token, deadline_ns, &view->index);
}

void
range_view_done(struct range_view *view)
{
    slice_done(&view->index);
}

void
range_view_entry(const struct range_view *view, uint32_t i, struct index_entry *ret_entry)
{
    const struct store_range *range = view->range;
    CHECK(i < range->block_count);
    if (range->block_count > 1) {
        index_entry_read(view->index.bytes.data + index_size(i), ret_entry);
        return;
    }
    *ret_entry = (struct index_entry){
        .position = range->position,
        .size = (uint32_t)range->size,
        .base_offset = range->base_offset,
        .end_offset = range->end_offset,
        .timestamp_max = range->timestamp_max,
    };
}

uint32_t
range_view_find(const struct range_view *view, int64_t offset)
{
    uint32_t low = 0;
    uint32_t high = view->range->block_count; /* the answer is in [low, high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        struct index_entry entry;
        range_view_entry(view, middle, &entry);
        if (entry.base_offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

struct cache_piece
range_view_piece(const struct range_view *view, uint32_t i)
{
    struct index_entry entry;
    range_view_entry(view, i, &entry);
    return (struct cache_piece){
        .object_id = view->range->object_id,
        .position = entry.position,
        .size = entry.size,
        .base_offset = entry.base_offset,
        .end_offset = entry.end_offset,
    };
}

int
range_view_block(const struct range_view *view, uint32_t i, struct slice *ret_body)
{
    struct cache_piece piece = range_view_piece(view, i);
    struct slice slice;
    int r = block_cache_get(&view->store->cache, &piece, view->token, view->deadline_ns, &slice);
    if (r < 0) {
        return r;
    }
    slice.bytes =
            bytes_of(slice.bytes.data + BLOCK_HEADER_SIZE, slice.bytes.size - BLOCK_HEADER_SIZE);
    *ret_body = slice;
    return 0;
}
