#pragma once
/* Tests of what depends on time, run once in the simulator: a busy machine cannot make them fail.
 */

#include "unit/test.h"

#define SIM_TEST(name)                                                                             \
    static void sim_##name(void);                                                                  \
    TEST(name)                                                                                     \
    {                                                                                              \
        run_in_sim(sim_##name);                                                                    \
    }                                                                                              \
    static void sim_##name(void)

void run_in_sim(test_fn fn);
