/* All groups of this coordinator: start, stop, and the fiber that watches the time. */
#include "base/mem.h"
#include "groups/group.h"
#include "reactor/clock.h"

#define SWEEP_INTERVAL_NS (100ull * NS_PER_MS)

void
groups_wake_sweeper(struct groups *groups)
{
    wait_queue_wake_all(&groups->idle);
}

static bool
sweep(struct groups *groups)
{
    bool busy = false;
    uint64_t now = clock_mono_ns();
    LIST_FOREACH (link, &groups->all) {
        struct group *group = CONTAINER_OF(link, struct group, link);
        group_tick(groups, group, now);
        busy |= !list_is_empty(&group->members) || group->state == GROUP_PREPARING;
    }
    return busy;
}

static void
sweeper_main(void *arg)
{
    struct groups *groups = arg;
    for (;;) {
        int r = sweep(groups) ? fiber_sleep_ns(SWEEP_INTERVAL_NS)
                              : wait_queue_wait(&groups->idle, DEADLINE_NONE);
        if (r < 0) {
            return;
        }
    }
}

static void
groups_free(struct groups *groups)
{
    LIST_FOREACH_SAFE (link, &groups->all) {
        struct group *group = CONTAINER_OF(link, struct group, link);
        LIST_FOREACH_SAFE (member, &group->members) {
            group_remove_member(groups, group, CONTAINER_OF(member, struct member, link));
        }
        group_free_offsets(group);
        map_remove(&groups->by_id, &group->node);
        mem_free(group->id);
        mem_free(group->protocol_type);
        mem_free(group->protocol_name);
        mem_free(group->leader);
        mem_free(group);
    }
    map_done(&groups->by_id);
    mem_free(groups);
}

int
groups_start(const struct groups_options *options, struct groups **ret_groups)
{
    struct groups *groups = mem_alloc(sizeof *groups);
    groups->options = *options;
    map_init(&groups->by_id);
    list_init(&groups->all);
    wait_queue_init(&groups->idle);
    wait_queue_init(&groups->calls_ended);
    int r = offsets_log_load(groups);
    if (r == 0) {
        r = fiber_spawn("group sweeper", sweeper_main, groups, &groups->sweeper);
    }
    if (r < 0) {
        groups_free(groups);
        return r;
    }
    *ret_groups = groups;
    return 0;
}

void
groups_stop(struct groups *groups)
{
    groups->stopping = true;
    fiber_cancel(groups->sweeper);
    fiber_join(groups->sweeper);
    LIST_FOREACH (link, &groups->all) {
        wait_queue_wake_all(&CONTAINER_OF(link, struct group, link)->changed);
    }
    while (groups->calls) {
        if (wait_queue_wait(&groups->calls_ended, DEADLINE_NONE) < 0) {
            return; /* the process gives up: what waits still uses the memory */
        }
    }
    groups_free(groups);
}
