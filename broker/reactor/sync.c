/* Wait queues, semaphores, mutexes: all on the list link of the waiting fiber, so nothing is
 * allocated. */
#include "reactor/sync.h"

#include "reactor/internal.h"

void
wait_queue_init(struct wait_queue *queue)
{
    list_init(&queue->waiters);
}

int
wait_queue_wait(struct wait_queue *queue, uint64_t deadline_ns)
{
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    list_push_back(&queue->waiters, &fiber_current()->link);
    return fiber_suspend(fiber_interrupt_simple, deadline_ns);
}

bool
wait_queue_wake_one(struct wait_queue *queue)
{
    struct list *node = list_pop_front(&queue->waiters);
    if (!node) {
        return false;
    }
    fiber_wake(CONTAINER_OF(node, struct fiber, link), 0);
    return true;
}

void
wait_queue_wake_all(struct wait_queue *queue)
{
    while (wait_queue_wake_one(queue)) {
    }
}

bool
wait_queue_is_empty(const struct wait_queue *queue)
{
    return list_is_empty(&queue->waiters);
}

void
semaphore_init(struct semaphore *semaphore, uint64_t permits)
{
    semaphore->available = permits;
    wait_queue_init(&semaphore->queue);
}

/* Hands permits to the longest waiters; a big request at the front is not overtaken, or it would
 * wait for ever. */
static void
semaphore_grant(struct semaphore *semaphore)
{
    for (;;) {
        struct fiber *first = LIST_FIRST(&semaphore->queue.waiters, struct fiber, link);
        if (!first || first->wait_amount > semaphore->available) {
            return;
        }
        semaphore->available -= first->wait_amount;
        list_remove(&first->link);
        fiber_wake(first, 0);
    }
}

/* Whoever waited behind the one that gives up may fit now. */
static void
semaphore_interrupt(struct fiber *fiber, int reason)
{
    struct semaphore *semaphore = fiber->wait_object;
    fiber_interrupt_simple(fiber, reason);
    semaphore_grant(semaphore);
}

bool
semaphore_try_acquire(struct semaphore *semaphore, uint64_t n)
{
    if (!wait_queue_is_empty(&semaphore->queue) || semaphore->available < n) {
        return false;
    }
    semaphore->available -= n;
    return true;
}

int
semaphore_acquire(struct semaphore *semaphore, uint64_t n, uint64_t deadline_ns)
{
    int r = fiber_wait_begin();
    if (r < 0 || semaphore_try_acquire(semaphore, n)) {
        return r;
    }
    struct fiber *fiber = fiber_current();
    fiber->wait_object = semaphore;
    fiber->wait_amount = n;
    list_push_back(&semaphore->queue.waiters, &fiber->link);
    return fiber_suspend(semaphore_interrupt, deadline_ns);
}

void
semaphore_release(struct semaphore *semaphore, uint64_t n)
{
    CHECK(n <= UINT64_MAX - semaphore->available);
    semaphore->available += n;
    semaphore_grant(semaphore);
}

void
mutex_init(struct mutex *mutex)
{
    semaphore_init(&mutex->semaphore, 1);
}

int
mutex_lock(struct mutex *mutex)
{
    return semaphore_acquire(&mutex->semaphore, 1, DEADLINE_NONE);
}

void
mutex_unlock(struct mutex *mutex)
{
    CHECK(mutex->semaphore.available == 0);
    semaphore_release(&mutex->semaphore, 1);
}
