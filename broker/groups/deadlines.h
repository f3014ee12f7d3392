#pragma once
/* A heap of the times at which groups want to be looked at. Internal to groups/. */

#include "base/attr.h"

#include <stddef.h>
#include <stdint.h>

/* Lives in its owner; begins zeroed. */
struct deadline {
    uint64_t due_ns;
    size_t place; /* in the heap + 1; 0: idle */
};

struct deadlines {
    struct deadline **heap;
    size_t count;
    size_t capacity;
};

void deadlines_done(struct deadlines *deadlines);
/* Arms or moves it, earlier or later. */
void deadlines_set(struct deadlines *deadlines, struct deadline *deadline, uint64_t due_ns);
/* Harmless on an idle one. */
void deadlines_remove(struct deadlines *deadlines, struct deadline *deadline);
/* The earliest; UINT64_MAX when there is none. */
uint64_t deadlines_next_ns(const struct deadlines *deadlines);
/* One that is due, taken out; NULL: none is. */
struct deadline *deadlines_pop(struct deadlines *deadlines, uint64_t now_ns);
