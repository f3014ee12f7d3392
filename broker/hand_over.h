#pragma once
/* SIGTERM in a cluster: everything goes to live brokers while this one still serves. Entered from
 * process.c before it stops. */

#include "meta/meta.h"
#include "partition/quarantine.h"

/* Asks the controller to move all our partitions away and waits until they are gone, nobody takes
 * any, or HAND_OVER_NS have passed; what is left stays ours and is uploaded by the stop. On reactor
 * 0. `lingers`: this broker goes on serving for a while, so it says that it is stopping even if it
 * has nothing, and gets nothing meanwhile. -ESTALE: fenced. */
MUST_CHECK MAY_SUSPEND int hand_over_all(
        struct meta *meta, const struct quarantine *quarantine, bool lingers);
/* Partitions that this broker has open. */
size_t hand_over_count(const struct meta *meta, const struct quarantine *quarantine);
