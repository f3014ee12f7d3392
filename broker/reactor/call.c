/* Calls between reactors and completions from foreign threads. */
#include "reactor/call.h"

#include "reactor/internal.h"

#include <errno.h>

struct call {
    int (*fn)(void *arg);
    void *arg;
    int result;
    struct fiber *caller;
    unsigned home;
};

static void
call_finish(void *arg)
{
    struct call *call = arg;
    fiber_wake(call->caller, call->result);
}

static void
call_main(void *arg)
{
    struct call *call = arg;
    call->result = call->fn(call->arg);
    if (call->result < 0) {
        /* The caller sleeps until call_finish, so its story is ours to write. */
        call->caller->fault = fiber_current()->fault;
    }
    reactor_post_inline(call->home, call_finish, call);
}

int
reactor_call(unsigned target, int (*fn)(void *arg), void *arg)
{
    CHECK(reactor_here && target < reactor_here->reactors->count);
    if (target == reactor_here->index) {
        return fn(arg);
    }
    struct fiber *caller = fiber_current();
    struct call call = { .fn = fn, .arg = arg, .caller = caller, .home = reactor_here->index };
    int r = reactor_post(target, caller->name, call_main, &call);
    if (r < 0) {
        return fault(r, "reactor: call to reactor %u was not sent", target);
    }
    return fiber_suspend(NULL, DEADLINE_NONE);
}

void
foreign_wait_init(struct foreign_wait *wait)
{
    *wait = (struct foreign_wait){ .fiber = fiber_current(), .reactor = reactor_here };
    CHECK(wait->fiber);
}

void
foreign_wait_complete(struct foreign_wait *wait, int result)
{
    /* Once it is in the list the waiter may free it; the reactor itself is never freed on real
     * engines. */
    struct reactor *reactor = wait->reactor;
    wait->result = result;
    wait->next = atomic_load(&reactor->post.foreign);
    while (!atomic_compare_exchange_weak(&reactor->post.foreign, &wait->next, wait)) {
    }
    reactor_notify(reactor);
}

int
foreign_wait_for(struct foreign_wait *wait)
{
    CHECK(wait->fiber == fiber_current());
    if (!wait->done) {
        wait->waiting = 1;
        int r = fiber_suspend(NULL, DEADLINE_NONE);
        CHECK(r == wait->result);
    }
    return wait->result;
}
