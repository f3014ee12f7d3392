/* The pool of fibers with their stacks. */
#include "reactor/stack.h"

#include "base/mem.h"
#include "reactor/internal.h"
#include "reactor/sanitizer.h"

#include <errno.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define GUARD_SIZE 4096u
#define STACK_SIZE (FIBER_STACK_SIZE * SANITIZER_STACK_FACTOR)
#define SLOT_SIZE (STACK_SIZE + GUARD_SIZE)
/* A stack that was used deeper than this gives its pages back when it is recycled. */
#define KEEP_SIZE (16 * KIB)

struct fiber_pool {
    char *base;   /* the reservation, NULL until the first fiber */
    size_t slots; /* made so far */
    size_t slots_max;
    bool guards_by_mprotect;
    struct list idle;
};

struct fiber_pool *
fiber_pool_new(size_t fibers_max)
{
    struct fiber_pool *pool = mem_alloc(sizeof *pool);
    pool->slots_max = fibers_max;
    list_init(&pool->idle);
    return pool;
}

void
fiber_pool_free(struct fiber_pool *pool)
{
    struct list *node;
    size_t freed = 0;
    while ((node = list_pop_front(&pool->idle))) {
        struct fiber *fiber = CONTAINER_OF(node, struct fiber, link);
        sanitizer_stack_free(fiber);
        context_done(&fiber->context);
        mem_free(fiber);
        freed++;
    }
    CHECK(freed == pool->slots);
    if (pool->base) {
        munmap(pool->base, pool->slots_max * SLOT_SIZE);
    }
    mem_free(pool);
}

static int
pool_reserve(struct fiber_pool *pool)
{
    /* PROT_NONE memory counts against no limit of the machine; slots become usable one by one. */
    void *base = mmap(NULL, pool->slots_max * SLOT_SIZE, PROT_NONE,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
        return fault(-ENOMEM, "reactor: cannot reserve %zu stacks", pool->slots_max);
    }
    pool->base = base;
    return 0;
}

/* The guard is the lowest page: stacks grow down into it. */
static int
slot_prepare(struct fiber_pool *pool, char *slot)
{
    if (!pool->guards_by_mprotect) {
        if (mprotect(slot, SLOT_SIZE, PROT_READ | PROT_WRITE) != 0) {
            return fault(-ENOMEM, "reactor: no memory for stack %zu", pool->slots);
        }
        if (madvise(slot, GUARD_SIZE, MADV_GUARD_INSTALL) == 0) {
            return 0;
        }
        pool->guards_by_mprotect = true;
    }
    if (mprotect(slot, GUARD_SIZE, PROT_NONE) != 0 ||
            mprotect(slot + GUARD_SIZE, STACK_SIZE, PROT_READ | PROT_WRITE) != 0) {
        return fault(-ENOMEM,
                "reactor: no mapping for the guard of stack %zu; see vm.max_map_count",
                pool->slots);
    }
    return 0;
}

static int
pool_grow(struct fiber_pool *pool, struct fiber **ret_fiber)
{
    if (!pool->base) {
        int r = pool_reserve(pool);
        if (r < 0) {
            return r;
        }
    }
    if (pool->slots == pool->slots_max) {
        return fault(-ENOMEM, "reactor: all %zu stacks are in use", pool->slots);
    }
    char *slot = pool->base + pool->slots * SLOT_SIZE;
    int r = slot_prepare(pool, slot);
    if (r < 0) {
        return r;
    }
    struct fiber *fiber = mem_alloc(sizeof *fiber);
    fiber->stack = slot + GUARD_SIZE;
    fiber->stack_size = STACK_SIZE;
    list_init(&fiber->link);
    list_init(&fiber->alive);
    timer_init(&fiber->timer);
    sanitizer_stack_new(fiber);
    pool->slots++;
    *ret_fiber = fiber;
    return 0;
}

int
fiber_pool_take(struct fiber_pool *pool, struct fiber **ret_fiber)
{
    struct list *node = list_pop_front(&pool->idle);
    if (!node) {
        return pool_grow(pool, ret_fiber);
    }
    *ret_fiber = CONTAINER_OF(node, struct fiber, link);
    return 0;
}

#if !SANITIZER_ANY
/* Looks for traces of use below the part that is kept; one cache line there is as good as all:
 * frames that deep write some of it, and a stack missed once is found another time. */
static bool
stack_was_deep(const struct fiber *fiber)
{
    const uint64_t *words = (const uint64_t *)(const void *)((const char *)fiber->stack +
                                                             fiber->stack_size - KEEP_SIZE - 512);
    uint64_t seen = 0;
    for (size_t i = 0; i < 64; i++) {
        seen |= words[i];
    }
    return seen != 0;
}
#endif

void
fiber_pool_give(struct fiber_pool *pool, struct fiber *fiber)
{
#if !SANITIZER_ANY
    if (stack_was_deep(fiber)) {
        madvise(fiber->stack, fiber->stack_size - KEEP_SIZE, MADV_DONTNEED);
    }
#endif
    context_done(&fiber->context);
    fiber->state = FIBER_IDLE;
    list_push_front(&pool->idle, &fiber->link);
}
