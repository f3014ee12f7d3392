/* The heap keeps each timer's place in the timer, so that disarming needs no search. */
#include "reactor/timers.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdbool.h>

#define CHILDREN 4u
#define CAPACITY_MIN 64u

void
timers_init(struct timers *timers)
{
    *timers = (struct timers){ 0 };
}

void
timers_done(struct timers *timers)
{
    mem_free(timers->heap);
    *timers = (struct timers){ 0 };
}

void
timer_init(struct timer *timer)
{
    *timer = (struct timer){ .place = TIMER_IDLE };
}

static bool
timer_before(const struct timer *a, const struct timer *b)
{
    return a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->order < b->order);
}

static void
heap_put(struct timers *timers, size_t place, struct timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void
heap_rise(struct timers *timers, size_t place, struct timer *timer)
{
    while (place > 0) {
        size_t parent = (place - 1) / CHILDREN;
        if (!timer_before(timer, timers->heap[parent])) {
            break;
        }
        heap_put(timers, place, timers->heap[parent]);
        place = parent;
    }
    heap_put(timers, place, timer);
}

static void
heap_sink(struct timers *timers, size_t place, struct timer *timer)
{
    for (;;) {
        size_t child = place * CHILDREN + 1;
        size_t end = MIN(child + CHILDREN, timers->count);
        if (child >= timers->count) {
            break;
        }
        size_t best = child;
        for (size_t i = child + 1; i < end; i++) {
            if (timer_before(timers->heap[i], timers->heap[best])) {
                best = i;
            }
        }
        if (!timer_before(timers->heap[best], timer)) {
            break;
        }
        heap_put(timers, place, timers->heap[best]);
        place = best;
    }
    heap_put(timers, place, timer);
}

void
timer_arm_ordered(struct timers *timers, struct timer *timer, uint64_t due_ns, uint64_t order)
{
    CHECK(timer->place == TIMER_IDLE);
    if (timers->count == timers->capacity) {
        /* Bounded by FIBERS_MAX: each fiber has one timer. */
        timers->capacity = MAX(timers->capacity * 2, (size_t)CAPACITY_MIN);
        timers->heap = mem_realloc(timers->heap, timers->capacity * sizeof(struct timer *));
    }
    timer->due_ns = due_ns;
    timer->order = order;
    heap_rise(timers, timers->count++, timer);
}

void
timer_arm(struct timers *timers, struct timer *timer, uint64_t due_ns)
{
    timer_arm_ordered(timers, timer, due_ns, timers->order_next++);
}

void
timer_disarm(struct timers *timers, struct timer *timer)
{
    size_t place = timer->place;
    if (place == TIMER_IDLE) {
        return;
    }
    CHECK(place < timers->count && timers->heap[place] == timer);
    timer->place = TIMER_IDLE;
    struct timer *last = timers->heap[--timers->count];
    if (last == timer) {
        return;
    }
    if (place > 0 && timer_before(last, timers->heap[(place - 1) / CHILDREN])) {
        heap_rise(timers, place, last);
    } else {
        heap_sink(timers, place, last);
    }
}

struct timer *
timers_pop_due(struct timers *timers, uint64_t now_ns)
{
    if (timers->count == 0 || timers->heap[0]->due_ns > now_ns) {
        return NULL;
    }
    struct timer *timer = timers->heap[0];
    timer_disarm(timers, timer);
    return timer;
}

uint64_t
timers_next_ns(const struct timers *timers)
{
    return timers->count ? timers->heap[0]->due_ns : UINT64_MAX;
}
