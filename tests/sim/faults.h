#pragma once
/* What goes wrong, by the plan. Entered by fate. */

#include "sim/world.h"

/* One thing that goes wrong, or gets better. */
void misfortune(struct world *world);
/* Everything is well from now on; what is down may start. */
void faults_end(struct world *world);
