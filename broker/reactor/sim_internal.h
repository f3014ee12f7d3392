#pragma once
/* The simulator's side of every call that the other files of this room hand on. Private to this
 * room. */

#include "reactor/call.h"
#include "reactor/disk.h"
#include "reactor/tcp.h"

struct sim;
/* The simulator that this thread runs, or NULL. */
extern _Thread_local struct sim *sim_here;

MUST_CHECK int sim_reactors_run(
        const struct reactors_options *options, fiber_fn main_fn, void *arg);
NORETURN void sim_process_exit(int code);
MUST_CHECK int sim_offload(int (*fn)(void *arg), void *arg);
uint64_t sim_mono_ns(void);
uint64_t sim_boot_ns(void);
int64_t sim_wall_ms(void);
uint64_t sim_random_u64(void);
MUST_CHECK int sim_signal_wait(void);
void sim_crash_point(const char *name);
