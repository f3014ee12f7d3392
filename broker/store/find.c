/* From a time to an offset: the index says which blocks can have it, batch headers which batches.
 */
#include "base/check.h"
#include "base/fault.h"
#include "store/batch.h"
#include "store/range_view.h"

#include <errno.h>

static int
block_find_timestamp(const struct range_view *view, uint32_t i, int64_t timestamp_ms,
        int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    struct slice body;
    int r = range_view_block(view, i, &body);
    if (r < 0) {
        return r == -ENOENT ? -ESTALE : r;
    }
    struct bytes rest = body.bytes;
    r = -EAGAIN;
    while (r == -EAGAIN && rest.size > 0) {
        struct batch_view batch;
        int bad = batch_next(&rest, &batch);
        CHECK(bad == 0);
        if (batch.timestamp_max < timestamp_ms) {
            continue;
        }
        r = batch_find_timestamp(&batch, timestamp_ms, ret_offset, ret_timestamp_ms);
        if (r == -ENOENT) {
            r = -EAGAIN; /* its header promised too much */
        }
    }
    slice_done(&body);
    if (r == -EBADMSG) {
        struct cache_piece piece = range_view_piece(view, i);
        r = fault_note(r, "store: object %016llx at %llu: records of a batch",
                (unsigned long long)piece.object_id, (unsigned long long)piece.position);
    }
    return r;
}

int
store_find_timestamp(struct store *store, const struct store_range *range, int64_t timestamp_ms,
        int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    if (range->timestamp_max < timestamp_ms) {
        return -ENOENT;
    }
    struct range_view view;
    int r = range_view_open(&view, store, range, 0, store_read_deadline(store));
    r = r == -ENOENT ? -ESTALE : r;
    if (r == 0) {
        r = -EAGAIN; /* go on looking */
    }
    for (uint32_t i = 0; r == -EAGAIN && i < range->block_count; i++) {
        struct index_entry entry;
        range_view_entry(&view, i, &entry);
        if (entry.timestamp_max >= timestamp_ms) {
            r = block_find_timestamp(&view, i, timestamp_ms, ret_offset, ret_timestamp_ms);
        }
    }
    range_view_done(&view);
    return r == -EAGAIN ? -ENOENT : r;
}
