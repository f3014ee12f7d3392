/* Bump allocation in chunks; a chunk that fits a typical request is kept between requests. */
#include "base/arena.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define ARENA_CHUNK_SIZE 4096u
#define ARENA_ALIGNMENT 16u

struct arena_chunk {
    struct arena_chunk *older;
    size_t capacity;
    size_t used;
    size_t pad; /* keeps `data` aligned to ARENA_ALIGNMENT */
    uint8_t data[];
};

void
arena_init(struct arena *arena, size_t budget)
{
    *arena = (struct arena){ .budget = budget };
}

static void
arena_free_older(struct arena_chunk *chunk)
{
    while (chunk) {
        struct arena_chunk *older = chunk->older;
        mem_free(chunk);
        chunk = older;
    }
}

void
arena_done(struct arena *arena)
{
    arena_free_older(arena->chunk);
    arena->chunk = NULL;
    arena->used = 0;
}

void
arena_reset(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunk;
    arena->used = 0;
    if (!chunk) {
        return;
    }
    if (chunk->capacity > ARENA_CHUNK_SIZE) {
        arena_done(arena);
        return;
    }
    arena_free_older(chunk->older);
    chunk->older = NULL;
    chunk->used = 0;
}

static struct arena_chunk *
arena_add_chunk(struct arena *arena, size_t size)
{
    /* Growing by half of what is in use keeps the slack of a big request below a third of it. */
    size_t capacity =
            MAX(size, MAX((size_t)ARENA_CHUNK_SIZE, MIN(arena->used / 2, (size_t)1 << 20)));
    struct arena_chunk *chunk = mem_try_alloc(sizeof *chunk + capacity);
    if (!chunk) {
        return NULL;
    }
    *chunk = (struct arena_chunk){ .older = arena->chunk, .capacity = capacity };
    arena->chunk = chunk;
    return chunk;
}

void *
arena_try_alloc(struct arena *arena, size_t size)
{
    if (size > arena->budget) {
        return NULL;
    }
    size_t rounded = (size + ARENA_ALIGNMENT - 1) / ARENA_ALIGNMENT * ARENA_ALIGNMENT;
    if (rounded > arena->budget - MIN(arena->used, arena->budget)) {
        return NULL;
    }
    struct arena_chunk *chunk = arena->chunk;
    if (!chunk || chunk->capacity - chunk->used < rounded) {
        chunk = arena_add_chunk(arena, rounded);
        if (!chunk) {
            return NULL;
        }
    }
    uint8_t *p = chunk->data + chunk->used;
    chunk->used += rounded;
    arena->used += rounded;
    memset(p, 0, rounded);
    return p;
}

void *
arena_try_alloc_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return arena_try_alloc(arena, total);
}

void *
arena_alloc(struct arena *arena, size_t size)
{
    void *p = arena_try_alloc(arena, size);
    CHECK(p);
    return p;
}

void *
arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    void *p = arena_try_alloc_array(arena, count, size);
    CHECK(p);
    return p;
}

struct bytes
arena_dup(struct arena *arena, struct bytes bytes)
{
    uint8_t *p = arena_alloc(arena, bytes.size + 1);
    if (bytes.size) {
        memcpy(p, bytes.data, bytes.size);
    }
    return bytes_of(p, bytes.size);
}

struct bytes
arena_printf(struct arena *arena, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    CHECK(n >= 0);
    return arena_dup(arena, bytes_of(text, MIN((size_t)n, sizeof text - 1)));
}
