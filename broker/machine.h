#pragma once
/* What the process finds out about the machine before the reactors start. */

#include "settings/settings.h"

/* Processors that this process may use, memory of the machine or its container, and the working
 * folder. `directory` receives PATH_MAX bytes. */
void machine_look(struct settings_machine *machine, char *directory);
