/* A binary heap whose elements know their place. */
#include "groups/deadlines.h"

#include "base/mem.h"

static void
put(struct deadlines *deadlines, size_t at, struct deadline *deadline)
{
    deadlines->heap[at] = deadline;
    deadline->place = at + 1;
}

static void
sift_up(struct deadlines *deadlines, size_t at)
{
    struct deadline *moved = deadlines->heap[at];
    while (at > 0 && deadlines->heap[(at - 1) / 2]->due_ns > moved->due_ns) {
        put(deadlines, at, deadlines->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(deadlines, at, moved);
}

static void
sift_down(struct deadlines *deadlines, size_t at)
{
    struct deadline *moved = deadlines->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= deadlines->count) {
            break;
        }
        if (child + 1 < deadlines->count &&
                deadlines->heap[child + 1]->due_ns < deadlines->heap[child]->due_ns) {
            child++;
        }
        if (deadlines->heap[child]->due_ns >= moved->due_ns) {
            break;
        }
        put(deadlines, at, deadlines->heap[child]);
        at = child;
    }
    put(deadlines, at, moved);
}

void
deadlines_done(struct deadlines *deadlines)
{
    mem_free(deadlines->heap);
    *deadlines = (struct deadlines){ 0 };
}

void
deadlines_set(struct deadlines *deadlines, struct deadline *deadline, uint64_t due_ns)
{
    if (deadline->place == 0) {
        if (deadlines->count == deadlines->capacity) {
            deadlines->capacity = deadlines->capacity ? deadlines->capacity * 2 : 64;
            deadlines->heap =
                    mem_realloc(deadlines->heap, deadlines->capacity * sizeof(struct deadline *));
        }
        put(deadlines, deadlines->count++, deadline);
    }
    deadline->due_ns = due_ns;
    sift_up(deadlines, deadline->place - 1);
    sift_down(deadlines, deadline->place - 1);
}

void
deadlines_remove(struct deadlines *deadlines, struct deadline *deadline)
{
    if (deadline->place == 0) {
        return;
    }
    size_t at = deadline->place - 1;
    struct deadline *last = deadlines->heap[--deadlines->count];
    deadline->place = 0;
    if (last != deadline) {
        put(deadlines, at, last);
        sift_up(deadlines, at);
        sift_down(deadlines, last->place - 1);
    }
}

uint64_t
deadlines_next_ns(const struct deadlines *deadlines)
{
    return deadlines->count ? deadlines->heap[0]->due_ns : UINT64_MAX;
}

struct deadline *
deadlines_pop(struct deadlines *deadlines, uint64_t now_ns)
{
    if (deadlines->count == 0 || deadlines->heap[0]->due_ns > now_ns) {
        return NULL;
    }
    struct deadline *first = deadlines->heap[0];
    deadlines_remove(deadlines, first);
    return first;
}
