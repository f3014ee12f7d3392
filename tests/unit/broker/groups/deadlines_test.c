/* The heap of deadlines against a list. */
#include "base/attr.h"
#include "groups/deadlines.h"
#include "unit/test.h"

#define COUNT 200

static unsigned
dice(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static uint64_t
earliest(const struct deadline *all)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < COUNT; i++) {
        least = all[i].place ? MIN(least, all[i].due_ns) : least;
    }
    return least;
}

TEST(the_earliest_comes_first_whatever_was_moved_or_removed)
{
    struct deadlines heap = { 0 };
    struct deadline all[COUNT] = { 0 };
    unsigned seed = 7;
    for (int i = 0; i < 20000; i++) {
        struct deadline *one = &all[dice(&seed) % COUNT];
        if (dice(&seed) % 4) {
            deadlines_set(&heap, one, dice(&seed) % 1000);
        } else {
            deadlines_remove(&heap, one);
        }
        ASSERT_EQ(deadlines_next_ns(&heap), earliest(all));
    }
    uint64_t before = 0;
    struct deadline *next;
    ASSERT(deadlines_pop(&heap, 0) == NULL || deadlines_next_ns(&heap) == 0);
    while ((next = deadlines_pop(&heap, 1000)) != NULL) {
        ASSERT(next->due_ns >= before && next->place == 0);
        before = next->due_ns;
    }
    ASSERT_EQ(heap.count, 0);
    deadlines_done(&heap);
}
