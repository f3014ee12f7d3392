/* Lists of batches in shared buffers: what a fetch answer and an upload are made of. */
#include "base/mem.h"
#include "store/store.h"

#define SLICES_CAPACITY_MIN 8

void
slices_init(struct slices *slices)
{
    *slices = (struct slices){ 0 };
}

void
slices_append(struct slices *slices, struct buf *owner, struct bytes bytes)
{
    slices->bytes += bytes.size;
    if (slices->count > 0) {
        /* Batches that lie side by side become one part of the answer: fewer vectors for the
         * kernel. */
        struct slice *last = &slices->items[slices->count - 1];
        if (last->owner == owner && last->bytes.data + last->bytes.size == bytes.data) {
            last->bytes.size += bytes.size;
            return;
        }
    }
    if (slices->count == slices->capacity) {
        slices->capacity = MAX((size_t)SLICES_CAPACITY_MIN, slices->capacity * 2);
        slices->items = mem_realloc(slices->items, slices->capacity * sizeof *slices->items);
    }
    slices->items[slices->count++] = slice_ref(owner, bytes);
}

void
slices_done(struct slices *slices)
{
    for (size_t i = 0; i < slices->count; i++) {
        slice_done(&slices->items[i]);
    }
    mem_free(slices->items);
    slices_init(slices);
}
