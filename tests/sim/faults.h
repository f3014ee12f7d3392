#pragma once
/* What goes wrong, by the plan. Entered by fate. */

#include "sim/world.h"

/* One thing that goes wrong, or gets better. */
void misfortune(struct world *world);
/* Everything is well from now on; what is down may start. */
MAY_SUSPEND void faults_end(struct world *world);

/* rot.c: an object changes in the bucket; all are as they were again. */
MAY_SUSPEND void rot_one(struct world *world);
MAY_SUSPEND void rot_heal(void);
