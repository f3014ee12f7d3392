/* The small exhaustive part: two writers, every combination of what the store does to their first
 * requests, of when the second takes over, and of a pause of the first that is longer than the life
 * of the log's objects. */
#include "base/attr.h"
#include "base/check.h"
#include "model/log_world.h"
#include "reactor/clock.h"

#include <stdio.h>

/* What happens to one create. Times: a writer appends every 50 ms or so. */
static const char *const fates[] = {
    NULL,
    "lost",
    "late:ms=30",
    "late:ms=1500",
    "late:ms=8000",
    "echo",
    "409",
    "412",
};
/* When the second writer takes over, ms. */
static const unsigned takeovers[] = { 0, 20, 60, 300 };
/* The first is paused after that long; 0: never. */
static const unsigned pauses[] = { 0, 25, 120 };

#define FATES ARRAY_SIZE(fates)

uint64_t
script_count(void)
{
    return FATES * FATES * FATES * ARRAY_SIZE(takeovers) * ARRAY_SIZE(pauses);
}

static uint64_t
digit(uint64_t *number, uint64_t base)
{
    uint64_t result = *number % base;
    *number /= base;
    return result;
}

static void
fate_set(struct actor *actor, uint64_t fate, unsigned skip)
{
    char rule[96];
    if (fates[fate]) {
        snprintf(rule, sizeof rule, "put:meta/log*:%s:n=1:skip=%u", fates[fate], skip);
        actor_fault(actor, rule);
    }
}

static void
script_driver(void *arg)
{
    struct world *world = arg;
    uint64_t number = world->seed;
    struct actor *first = &world->actors[0];
    struct actor *second = &world->actors[1];
    fate_set(first, digit(&number, FATES), 0);
    fate_set(first, digit(&number, FATES), 2);
    fate_set(second, digit(&number, FATES), 0);
    second->start_ns =
            world_now_ns() + takeovers[digit(&number, ARRAY_SIZE(takeovers))] * (uint64_t)NS_PER_MS;
    unsigned pause_ms = pauses[digit(&number, ARRAY_SIZE(pauses))];
    actor_start(first);
    actor_start(second);
    int r = 0;
    if (pause_ms) {
        r = fiber_sleep_ns(pause_ms * (uint64_t)NS_PER_MS);
        sim_host_pause(first->host, 10 * (uint64_t)NS_PER_S);
    }
    for (unsigned i = 0; i < world->actor_count && r == 0; i++) {
        r = sim_wait(world->actors[i].process);
    }
    CHECK(r == 0);
    world_finish(world);
}

void
script_run(struct world *world, uint64_t number)
{
    world_init(world, number, 0);
    struct actor *first = world_add(world, "first", false);
    struct actor *second = world_add(world, "second", false);
    first->append_limit = 4;
    second->append_limit = 16;
    first->snapshots_every = 2;
    second->snapshots_every = 3;
    first->pause_max_ns = 50 * (uint64_t)NS_PER_MS;
    second->pause_max_ns = 100 * (uint64_t)NS_PER_MS;
    world_run(world, script_driver, world);
}
