/* Fan-out within one request: fibers that are joined together. */
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/internal.h"

struct member {
    struct fiber_group *group;
    int (*fn)(void *arg);
    void *arg;
};

void
fiber_group_init(struct fiber_group *group)
{
    *group = (struct fiber_group){ 0 };
}

static void
group_note_error(struct fiber_group *group, int r)
{
    if (r < 0 && group->error == 0) {
        group->error = r;
        group->fault = mem_dup(&fiber_current()->fault, sizeof(struct fault));
    }
}

static void
member_main(void *arg)
{
    struct member *member = arg;
    struct fiber_group *group = member->group;
    int r = member->fn(member->arg);
    mem_free(member);
    group_note_error(group, r);
    group->running--;
    if (group->running == 0 && group->waiter) {
        fiber_wake(group->waiter, 0);
    }
}

void
fiber_group_spawn(struct fiber_group *group, const char *name, int (*fn)(void *arg), void *arg)
{
    struct member *member = mem_alloc(sizeof *member);
    *member = (struct member){ .group = group, .fn = fn, .arg = arg };
    int r = fiber_spawn(name, member_main, member, NULL);
    if (r < 0) {
        MARK("reactor: group member ran in its caller");
        mem_free(member);
        fault_clear();
        group_note_error(group, fn(arg));
        return;
    }
    group->running++;
}

int
fiber_group_wait(struct fiber_group *group)
{
    CHECK(!group->waiter);
    if (group->running > 0) {
        group->waiter = fiber_current();
        int r = fiber_suspend(NULL, DEADLINE_NONE);
        CHECK(r == 0);
        group->waiter = NULL;
    }
    if (group->fault) {
        fiber_current()->fault = *group->fault;
        mem_free(group->fault);
        group->fault = NULL;
    }
    return group->error;
}
