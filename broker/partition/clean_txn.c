/* Log compaction: how the transactions of the part that is not clean yet have ended (Q13). */
#include "base/mem.h"
#include "partition/clean.h"
#include "wire/record_builder.h"

#include <errno.h>
#include <stdlib.h>

static int
marker_compare(const void *a, const void *b)
{
    const struct clean_marker *left = a;
    const struct clean_marker *right = b;
    if (left->producer_id != right->producer_id) {
        return left->producer_id < right->producer_id ? -1 : 1;
    }
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

/* The marker that ended the producer's transaction with a record at `offset`; NULL: it is open. */
static const struct clean_marker *
marker_after(const struct clean_txns *txns, int64_t producer_id, int64_t offset)
{
    size_t low = 0;
    size_t high = txns->marker_count;
    const struct clean_marker wanted = { producer_id, offset, false };
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (marker_compare(&txns->markers[middle], &wanted) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < txns->marker_count && txns->markers[low].producer_id == producer_id
                   ? &txns->markers[low]
                   : NULL;
}

static void
txns_add(struct clean_txns *txns, const struct clean_marker *marker)
{
    if (txns->marker_count == txns->marker_capacity) {
        txns->marker_capacity = txns->marker_capacity * 2 + 64;
        txns->markers = mem_realloc(txns->markers, txns->marker_capacity * sizeof *txns->markers);
    }
    txns->markers[txns->marker_count++] = *marker;
}

static void
txns_open(struct clean_txns *txns, int64_t producer_id, int64_t offset)
{
    if (txns->open_count) {
        const struct clean_open *last = &txns->opens[txns->open_count - 1];
        if (last->producer_id == producer_id && last->markers == txns->marker_count) {
            return; /* more of the same */
        }
    }
    if (txns->open_count == txns->open_capacity) {
        txns->open_capacity = txns->open_capacity * 2 + 64;
        txns->opens = mem_realloc(txns->opens, txns->open_capacity * sizeof *txns->opens);
    }
    txns->opens[txns->open_count++] =
            (struct clean_open){ producer_id, offset, txns->marker_count };
}

int
clean_marker_type(const struct record_batch *batch)
{
    struct record_iterator it;
    struct record record;
    if (record_batch_compression(batch) != COMPRESSION_NONE) {
        return -EBADMSG;
    }
    record_iterator_init(&it, batch, batch->records);
    int r = record_iterator_next(&it, &record);
    return r <= 0 ? -EBADMSG : record_control_type(&record);
}

int
clean_scan_batch(struct cleaner *cleaner, const struct record_batch *batch)
{
    struct clean_txns *txns = &cleaner->txns;
    if (txns->marker_count + txns->open_count >= CLEAN_TXNS_MAX) {
        txns->stable_offset = batch->base_offset;
        return 0;
    }
    if (record_batch_is_control(batch)) {
        int type = clean_marker_type(batch);
        if (type == CONTROL_ABORT || type == CONTROL_COMMIT) {
            txns_add(txns, &(struct clean_marker){ batch->producer_id, batch->base_offset,
                                   type == CONTROL_COMMIT });
        }
        return type < 0 ? type : 1;
    }
    if (record_batch_is_transactional(batch)) {
        txns_open(txns, batch->producer_id, batch->base_offset);
    }
    return 1;
}

void
clean_txns_settle(struct clean_txns *txns)
{
    if (txns->marker_count) {
        qsort(txns->markers, txns->marker_count, sizeof *txns->markers, marker_compare);
    }
    for (size_t i = 0; i < txns->open_count; i++) {
        const struct clean_open *open = &txns->opens[i];
        if (!marker_after(txns, open->producer_id, open->offset)) {
            txns->stable_offset = MIN(txns->stable_offset, open->offset);
        }
    }
    txns->known = true;
}

bool
clean_is_aborted(const struct cleaner *cleaner, const struct record_batch *batch)
{
    if (!record_batch_is_transactional(batch) ||
            batch->base_offset < cleaner->layout.ranges[cleaner->dirty].base_offset) {
        return false; /* what was aborted there went with the pass that made it clean */
    }
    const struct clean_marker *marker =
            marker_after(&cleaner->txns, batch->producer_id, batch->base_offset);
    return marker && !marker->commit;
}

void
clean_txns_done(struct clean_txns *txns)
{
    mem_free(txns->markers);
    mem_free(txns->opens);
    *txns = (struct clean_txns){ .stable_offset = INT64_MAX };
}
