/* Advice to the C library and to the kernel. */
#include "base/pages.h"

#include "base/limits.h"
#include "base/mem.h"

#include <malloc.h>
#include <sys/mman.h>

#define MALLOC_BLOCK_MAX (32 * MIB) /* the most that the C library takes */
#define MALLOC_KEPT (1 * GIB)
#define MALLOC_STEP (64 * MIB) /* a heap of a thread at once */
#define SMALL_PAGE (4 * KIB)
#define HUGE_PAGE (2 * MIB)

/* By default the C library gives the end of a thread's heap back to the kernel as soon as it is 128
 * KiB, and blocks of that size at once: requests of a MiB that come and go, and caches that are
 * emptied and filled, would take a page fault for each 4 KiB. What is kept is bounded by what was
 * in use, which is bounded by base/limits.h. */
void
pages_keep(void)
{
    /* NOLINTBEGIN(concurrency-mt-unsafe): no other thread runs yet */
    mallopt(M_MMAP_THRESHOLD, (int)MALLOC_BLOCK_MAX);
    mallopt(M_TRIM_THRESHOLD, (int)MALLOC_KEPT);
    mallopt(M_TOP_PAD, (int)MALLOC_STEP);
    /* NOLINTEND(concurrency-mt-unsafe) */
}

void *
pages_try_alloc(size_t size)
{
    if (size > SIZE_MAX - HUGE_PAGE) {
        return NULL;
    }
    size_t unit = size < HUGE_PAGE ? SMALL_PAGE : HUGE_PAGE;
    size_t whole = (size + unit - 1) / unit * unit;
    void *p = mem_try_alloc_aligned(unit, whole);
    if (p && unit == HUGE_PAGE) {
        /* Advice: small pages do as well. */
        (void)madvise(p, whole, MADV_HUGEPAGE);
    }
    return p;
}
