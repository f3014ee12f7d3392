/* See support_sim.h. */
#include "support_sim.h"

#include "base/check.h"
#include "reactor/sim.h"

static void
sim_main(void *arg)
{
    test_fn *fn = arg;
    (*fn)();
}

void
run_in_sim(test_fn fn)
{
    struct sim *sim = sim_new(1);
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    CHECK(reactors_run(&options, sim_main, &fn) == 0);
    sim_free(sim);
}
