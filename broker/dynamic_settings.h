#pragma once
/* The settings that AlterConfigs changes while the broker runs: a copy for each reactor, which
 * follows the metadata log on its own, so that readers need no lock. Entered from parts.c. */

#include "meta/meta.h"
#include "settings/settings.h"

/* One reactor's. Stays where it is while it follows. */
struct dynamic_settings {
    struct meta *meta;
    struct settings *values;
};

/* On each reactor, before whatever derives something from the settings begins to listen. `base` is
 * copied. */
void dynamic_settings_start(
        struct dynamic_settings *dynamic, struct meta *meta, const struct settings *base);
/* Frees the values. */
void dynamic_settings_stop(struct dynamic_settings *dynamic);
