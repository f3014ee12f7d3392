#pragma once
/* Named places where a test can kill the process: FRESHET_CRASH_POINT="wal: group flushed:3" sends
 * SIGKILL to the process when the place is passed for the third time (":1" when no number is
 * given). Costs one load when unset. In the simulator the simulated process is killed. All names
 * are listed by crash_point_names in crash_point.c. */

void crash_point(const char *name);
/* Reads the environment; called once by main. An unknown name is an error: -EINVAL. */
__attribute__((warn_unused_result)) int crash_point_setup(const char *setting);
/* Every name that crash_point is called with, ended by NULL. */
extern const char *const crash_point_names[];
