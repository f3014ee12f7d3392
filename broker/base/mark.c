/* Marks link themselves into a lock-free list when first hit. */
#include "base/mark.h"

#include <string.h>

static _Atomic(struct mark *) marks;

void
mark_hit(struct mark *mark)
{
    atomic_fetch_add_explicit(&mark->count, 1, memory_order_relaxed);
    if (atomic_exchange_explicit(&mark->registered, 1, memory_order_acq_rel)) {
        return;
    }
    mark->next = atomic_load(&marks);
    while (!atomic_compare_exchange_weak(&marks, &mark->next, mark)) {
    }
}

uint64_t
mark_count(const char *name)
{
    uint64_t total = 0;
    for (struct mark *m = atomic_load(&marks); m; m = m->next) {
        if (strcmp(m->name, name) == 0) {
            total += atomic_load(&m->count);
        }
    }
    return total;
}
