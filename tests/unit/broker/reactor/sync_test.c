/* Wait queues, semaphores, mutexes. */
#include "base/attr.h"
#include "reactor/clock.h"
#include "reactor/sync.h"
#include "unit/test.h"

#include <errno.h>

struct party {
    struct wait_queue queue;
    struct semaphore semaphore;
    struct mutex mutex;
    unsigned order[8];
    unsigned count;
    int inside;
    int most_inside;
};

struct guest {
    struct party *party;
    unsigned number;
    uint64_t need;
    uint64_t deadline_ns;
    int result;
    struct fiber *fiber;
};

static void
note(struct guest *guest)
{
    guest->party->order[guest->party->count++] = guest->number;
}

static void
wait_in_queue(void *arg)
{
    struct guest *guest = arg;
    guest->result = wait_queue_wait(&guest->party->queue, guest->deadline_ns);
    note(guest);
}

static void
party_init(struct party *party, uint64_t permits)
{
    *party = (struct party){ 0 };
    wait_queue_init(&party->queue);
    semaphore_init(&party->semaphore, permits);
    mutex_init(&party->mutex);
}

static int
invite(struct party *party, struct guest *guests, unsigned count, fiber_fn fn)
{
    for (unsigned i = 0; i < count; i++) {
        guests[i].party = party;
        guests[i].number = i;
        guests[i].deadline_ns = guests[i].deadline_ns ? guests[i].deadline_ns : DEADLINE_NONE;
        int r = fiber_spawn("guest", fn, &guests[i], &guests[i].fiber);
        if (r < 0) {
            return r;
        }
    }
    return fiber_yield();
}

FIBER_TEST(waiters_wake_in_the_order_in_which_they_came)
{
    struct party party;
    struct guest guests[4] = { 0 };
    party_init(&party, 0);
    ASSERT(!wait_queue_wake_one(&party.queue));
    ASSERT_OK(invite(&party, guests, 4, wait_in_queue));
    ASSERT(wait_queue_wake_one(&party.queue));
    ASSERT_OK(fiber_yield());
    ASSERT_EQ(party.count, 1);
    wait_queue_wake_all(&party.queue);
    ASSERT(wait_queue_is_empty(&party.queue));
    for (unsigned i = 0; i < 4; i++) {
        fiber_join(guests[i].fiber);
        ASSERT_EQ(party.order[i], i);
        ASSERT_OK(guests[i].result);
    }
}

FIBER_TEST(a_waiter_gives_up_at_its_deadline_or_when_cancelled)
{
    struct party party;
    struct guest guests[3] = { 0 };
    party_init(&party, 0);
    guests[1].deadline_ns = clock_mono_ns() + 2 * NS_PER_MS;
    ASSERT_OK(invite(&party, guests, 3, wait_in_queue));
    fiber_cancel(guests[0].fiber);
    fiber_join(guests[0].fiber);
    fiber_join(guests[1].fiber);
    ASSERT_ERROR(guests[0].result, -ECANCELED);
    ASSERT_ERROR(guests[1].result, -ETIMEDOUT);
    ASSERT(wait_queue_wake_one(&party.queue));
    fiber_join(guests[2].fiber);
    ASSERT_OK(guests[2].result);
}

FIBER_TEST(a_wake_is_not_lost_when_its_fiber_is_cancelled_before_it_runs)
{
    struct party party;
    struct guest guests[1] = { 0 };
    party_init(&party, 0);
    ASSERT_OK(invite(&party, guests, 1, wait_in_queue));
    ASSERT(wait_queue_wake_one(&party.queue));
    fiber_cancel(guests[0].fiber);
    fiber_join(guests[0].fiber);
    ASSERT_OK(guests[0].result);
}

static void
take_permits(void *arg)
{
    struct guest *guest = arg;
    guest->result = semaphore_acquire(&guest->party->semaphore, guest->need, guest->deadline_ns);
    note(guest);
}

FIBER_TEST(a_big_request_is_not_overtaken_by_small_ones)
{
    struct party party;
    struct guest guests[3] = { { .need = 5 }, { .need = 1 }, { .need = 1 } };
    party_init(&party, 4);
    ASSERT_OK(invite(&party, guests, 3, take_permits));
    ASSERT_EQ(party.count, 0);
    ASSERT(!semaphore_try_acquire(&party.semaphore, 1));
    semaphore_release(&party.semaphore, 2);
    fiber_join(guests[0].fiber);
    fiber_join(guests[1].fiber);
    ASSERT_EQ(party.order[0], 0);
    ASSERT_EQ(party.order[1], 1);
    semaphore_release(&party.semaphore, 1);
    fiber_join(guests[2].fiber);
    ASSERT_EQ(party.semaphore.available, 0);
}

FIBER_TEST(who_waited_behind_one_that_gives_up_is_served)
{
    struct party party;
    struct guest guests[3] = { { .need = 5 }, { .need = 5 }, { .need = 2 } };
    party_init(&party, 4);
    guests[1].deadline_ns = clock_mono_ns() + 2 * NS_PER_MS;
    ASSERT_OK(invite(&party, guests, 3, take_permits));
    fiber_cancel(guests[0].fiber);
    fiber_join(guests[0].fiber);
    ASSERT_ERROR(guests[0].result, -ECANCELED);
    fiber_join(guests[1].fiber);
    ASSERT_ERROR(guests[1].result, -ETIMEDOUT);
    fiber_join(guests[2].fiber);
    ASSERT_OK(guests[2].result);
    ASSERT_EQ(party.semaphore.available, 2);
}

static void
enter(void *arg)
{
    struct guest *guest = arg;
    struct party *party = guest->party;
    guest->result = mutex_lock(&party->mutex);
    if (guest->result < 0) {
        return;
    }
    party->inside++;
    party->most_inside = MAX(party->most_inside, party->inside);
    int r = fiber_sleep_ns(NS_PER_MS / 4);
    note(guest);
    party->inside--;
    mutex_unlock(&party->mutex);
    guest->result = r;
}

FIBER_TEST(a_mutex_lets_one_in_at_a_time_in_order)
{
    struct party party;
    struct guest guests[8] = { 0 };
    party_init(&party, 0);
    ASSERT_OK(invite(&party, guests, 8, enter));
    for (unsigned i = 0; i < 8; i++) {
        fiber_join(guests[i].fiber);
        ASSERT_EQ(party.order[i], i);
    }
    ASSERT_EQ(party.most_inside, 1);
}
