#pragma once
/* Waiting for each other on one reactor. Not for use between threads: that is reactor/call.h. */

#include "base/list.h"
#include "reactor/fiber.h"

/* Fibers that wait for something to become true. Like a condition variable: check the condition
 * again after waking. */
struct wait_queue {
    struct list waiters;
};

void wait_queue_init(struct wait_queue *queue);
/* 0 when woken, -ETIMEDOUT, -ECANCELED. Woken fibers run in the order in which they waited. */
MUST_CHECK MAY_SUSPEND int wait_queue_wait(struct wait_queue *queue, uint64_t deadline_ns);
/* Wakes the longest waiter; false when nobody waits. Never suspends. */
bool wait_queue_wake_one(struct wait_queue *queue);
void wait_queue_wake_all(struct wait_queue *queue);
bool wait_queue_is_empty(const struct wait_queue *queue);

/* A number of permits, handed out in order of arrival: budgets of bytes, requests, connections. */
struct semaphore {
    uint64_t available;
    struct wait_queue queue;
};
void semaphore_init(struct semaphore *semaphore, uint64_t permits);
/* Takes n permits; n may not exceed what the semaphore was made with. -ECANCELED, -ETIMEDOUT: none
 * were taken. */
MUST_CHECK MAY_SUSPEND int semaphore_acquire(
        struct semaphore *semaphore, uint64_t n, uint64_t deadline_ns);
bool semaphore_try_acquire(struct semaphore *semaphore, uint64_t n);
void semaphore_release(struct semaphore *semaphore, uint64_t n);

/* Mutual exclusion across waits, in order of arrival. */
struct mutex {
    struct semaphore semaphore;
};
void mutex_init(struct mutex *mutex);
MUST_CHECK MAY_SUSPEND int mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
