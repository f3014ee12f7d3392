#pragma once
/* Features with levels (KIP-584): what this build has. A level is fixed by the build: there is
 * nothing yet that a cluster could switch on later. */

#include <stdint.h>

struct feature {
    const char *name;
    int16_t min;
    int16_t max;
    int16_t level; /* finalized */
};

/* Ends with one without a name. Kafka's own features (metadata.version, kraft.version,
 * group.version...) stand for things that are not here, and are not claimed. */
extern const struct feature features[];
