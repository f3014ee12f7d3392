/* Time: the machine's clocks, or the simulator's when this thread runs one. */
#include "reactor/clock.h"

#include "reactor/internal.h"
#include "reactor/sim.h"
#include "reactor/sim_internal.h"

#include <time.h>

static uint64_t
clock_ns(clockid_t id)
{
    struct timespec t;
    CHECK(clock_gettime(id, &t) == 0);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t
clock_mono_ns(void)
{
    return sim_here ? sim_mono_ns() : clock_ns(CLOCK_MONOTONIC);
}

uint64_t
clock_mono_coarse_ns(void)
{
    return reactor_here && reactor_here->current ? reactor_here->now_ns : clock_mono_ns();
}

uint64_t
clock_boot_ns(void)
{
    return sim_here ? sim_boot_ns() : clock_ns(CLOCK_BOOTTIME);
}

uint64_t
clock_world_ns(void)
{
    return sim_here ? sim_now_ns(sim_here) : clock_ns(CLOCK_BOOTTIME);
}

int64_t
clock_wall_ms(void)
{
    return sim_here ? sim_wall_ms() : (int64_t)(clock_ns(CLOCK_REALTIME) / NS_PER_MS);
}
