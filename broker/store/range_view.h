#pragma once
/* The blocks of one range during one call: its index, held in memory, or the single block that the
 * range itself describes. Internal to store/. */

#include "store/store_internal.h"

struct range_view {
    struct store *store;
    const struct store_range *range;
    uint64_t deadline_ns;
    uint64_t token;     /* of the reader, 0: none */
    struct slice index; /* owner NULL: one block */
};
/* Checks the range's numbers; GETs the index when there is one. */
MUST_CHECK MAY_SUSPEND int range_view_open(struct range_view *view, struct store *store,
        const struct store_range *range, uint64_t token, uint64_t deadline_ns);
void range_view_done(struct range_view *view);
void range_view_entry(const struct range_view *view, uint32_t i, struct index_entry *ret_entry);
/* The block that covers `offset`, which is in the range. */
uint32_t range_view_find(const struct range_view *view, int64_t offset);
/* As the cache wants it. */
struct cache_piece range_view_piece(const struct range_view *view, uint32_t i);
/* The bodies's batches, checked, with a reference for the caller: slice_done. */
MUST_CHECK MAY_SUSPEND int range_view_block(
        const struct range_view *view, uint32_t i, struct slice *ret_body);
/* The index of a range as a piece; block_count > 1. */
struct cache_piece range_index_piece(const struct store_range *range);
