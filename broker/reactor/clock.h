#pragma once
/* Time, from the machine or from the simulator. Callable from any thread; on a reactor the
 * monotonic clock is read once per turn where that is exact enough (clock_mono_coarse_ns). */

#include <stdint.h>

#define NS_PER_US 1000u
#define NS_PER_MS 1000000u
#define NS_PER_S 1000000000u

/* Never goes back; stops while the machine is suspended. For deadlines and durations. */
uint64_t clock_mono_ns(void);
/* As clock_mono_ns but of the present turn's start. */
uint64_t clock_mono_coarse_ns(void);
/* Never goes back; counts suspend too. For leases. */
uint64_t clock_boot_ns(void);
/* As clock_boot_ns, but of no machine: what the simulator plays the world between its machines by,
 * whichever of them asks. For stores and networks that are played. */
uint64_t clock_world_ns(void);
/* Milliseconds since 1970; may jump. For timestamps of records only, never for decisions. */
int64_t clock_wall_ms(void);
