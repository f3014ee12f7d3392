/* Thin wrappers over the C heap that stop on exhaustion. */
#include "base/mem.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

void *
mem_alloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    CHECK(p);
    return p;
}

void *
mem_alloc_array(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    CHECK(p);
    return p;
}

void *
mem_try_alloc(size_t size)
{
    return malloc(size ? size : 1);
}

void *
mem_realloc(void *p, size_t size)
{
    void *grown = realloc(p, size ? size : 1);
    CHECK(grown);
    return grown;
}

void *
mem_try_alloc_aligned(size_t alignment, size_t size)
{
    CHECK(size % alignment == 0);
    return aligned_alloc(alignment, size);
}

char *
mem_strdup(const char *s)
{
    return mem_dup(s, strlen(s) + 1);
}

void *
mem_dup(const void *data, size_t size)
{
    void *p = mem_alloc(size);
    if (size) {
        memcpy(p, data, size);
    }
    return p;
}

void
mem_free(void *p)
{
    free(p);
}
