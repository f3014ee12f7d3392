#pragma once
/* A rate of events, for max.connection.creation.rate: the generic cell rate algorithm. Over any
 * long time it lets `rate` events a second through; after a pause, as many at once as a window
 * holds. */

#include <stdint.h>

struct pace_limits {
    uint32_t rate;        /* a second; 0: as slow as wait_max_ns allows */
    uint64_t window_ns;   /* of which a mean is taken: what may come at once is rate times this */
    uint64_t wait_max_ns; /* nobody waits longer */
};

struct pace {
    uint64_t due_ns; /* when all that were taken would be through at exactly the rate */
};

/* Takes the next place; how long to wait for it. */
uint64_t pace_take(struct pace *pace, const struct pace_limits *limits, uint64_t now_ns);
