#pragma once
/* The only door to the heap. Small allocations cannot fail: the process stops instead, because
 * every pool and queue is bounded by base/limits.h and running out means that the bounds are wrong.
 * Sizes that come from outside use mem_try_alloc. */

#include "base/attr.h"

#include <stddef.h>

/* Zeroed memory of `size` bytes; never NULL. Owned by the caller: mem_free. */
void *mem_alloc(size_t size);
/* Zeroed array; stops the process when count * size overflows. */
void *mem_alloc_array(size_t count, size_t size);
/* Uninitialised memory, or NULL when there is none. For sizes that bad input can choose. */
MUST_CHECK void *mem_try_alloc(size_t size);
/* Grows or shrinks; new bytes are uninitialised. */
void *mem_realloc(void *p, size_t size);
/* `alignment` is a power of two and `size` a multiple of it; uninitialised; NULL when there is
 * none. */
MUST_CHECK void *mem_try_alloc_aligned(size_t alignment, size_t size);
char *mem_strdup(const char *s);
void *mem_dup(const void *data, size_t size);
/* Accepts NULL. */
void mem_free(void *p);

static inline void
mem_freep(void *p)
{
    mem_free(*(void **)p);
}
