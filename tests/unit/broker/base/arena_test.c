/* Request memory: zeroed, aligned, bounded. */
#include "base/arena.h"
#include "unit/test.h"

TEST(allocations_are_zeroed_aligned_and_apart)
{
    struct arena arena;
    uint8_t *last = NULL;
    arena_init(&arena, 1 << 20);
    for (size_t size = 1; size < 600; size += 7) {
        uint8_t *p = arena_alloc(&arena, size);
        ASSERT_EQ((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++) {
            ASSERT_EQ(p[i], 0);
        }
        memset(p, 0xff, size);
        ASSERT(p != last);
        last = p;
    }
    arena_done(&arena);
}

TEST(a_budget_is_not_exceeded_and_is_whole_again_after_a_reset)
{
    struct arena arena;
    arena_init(&arena, 10000);
    ASSERT(arena_try_alloc(&arena, 10001) == NULL);
    ASSERT(arena_try_alloc(&arena, SIZE_MAX) == NULL);
    ASSERT(arena_try_alloc(&arena, 6000));
    ASSERT(arena_try_alloc(&arena, 6000) == NULL);
    ASSERT(arena_try_alloc(&arena, 3000));
    arena_reset(&arena);
    ASSERT_EQ(arena.used, 0);
    ASSERT(arena_try_alloc(&arena, 9000));
    arena_done(&arena);
}

TEST(an_array_whose_size_overflows_is_refused)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    ASSERT(arena_try_alloc_array(&arena, SIZE_MAX / 2, 4) == NULL);
    ASSERT(arena_try_alloc_array(&arena, 100, 100));
    arena_done(&arena);
}

TEST(a_reset_gives_memory_that_is_zeroed_again)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    memset(arena_alloc(&arena, 1000), 0xff, 1000);
    arena_reset(&arena);
    uint8_t *p = arena_alloc(&arena, 1000);
    for (size_t i = 0; i < 1000; i++) {
        ASSERT_EQ(p[i], 0);
    }
    arena_reset(&arena);
    ASSERT(arena_try_alloc(&arena, 100000));
    arena_reset(&arena);
    arena_done(&arena);
}

TEST(copies_and_texts_end_with_a_zero_behind_them)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct bytes copy = arena_dup(&arena, BYTES_LITERAL("abc"));
    ASSERT_BYTES(copy, BYTES_LITERAL("abc"));
    ASSERT_EQ(copy.data[3], 0);
    ASSERT_EQ(arena_dup(&arena, BYTES_NULL).size, 0);
    ASSERT_BYTES(arena_printf(&arena, "%d-%s", 7, "x"), BYTES_LITERAL("7-x"));
    arena_done(&arena);
}
