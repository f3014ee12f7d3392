#pragma once
/* A heap of deadlines, four children per node. Private to this room. */

#include <stddef.h>
#include <stdint.h>

#define TIMER_IDLE SIZE_MAX

/* Lives in its owner; at most once in one heap. */
struct timer {
    uint64_t due_ns;
    uint64_t order; /* equal deadlines fire in the order of arming */
    size_t place;   /* in the heap, or TIMER_IDLE */
};

struct timers {
    struct timer **heap;
    size_t count;
    size_t capacity;
    uint64_t order_next;
};

void timers_init(struct timers *timers);
void timers_done(struct timers *timers);
void timer_init(struct timer *timer);
/* The timer must be idle. */
void timer_arm(struct timers *timers, struct timer *timer, uint64_t due_ns);
/* As timer_arm; equal deadlines fire by `order`. */
void timer_arm_ordered(struct timers *timers, struct timer *timer, uint64_t due_ns, uint64_t order);
/* Harmless on an idle timer. */
void timer_disarm(struct timers *timers, struct timer *timer);
/* The first timer that is due, taken out; NULL when none is. */
struct timer *timers_pop_due(struct timers *timers, uint64_t now_ns);
/* When the first timer is due, UINT64_MAX when there is none. */
uint64_t timers_next_ns(const struct timers *timers);
