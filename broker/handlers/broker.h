#pragma once
/* The process as handlers see it: made by main.c before the first request, the same for all
 * reactors. */

#include "meta/meta.h"
#include "partition/shard.h"
#include "settings/settings.h"

struct groups;

struct broker {
    const struct settings *settings;
    struct meta *meta;
    struct shard **shards; /* by reactor index */
    struct store **stores; /* by reactor index */
    struct groups *groups; /* the group coordinator; lives on reactor 0 */
    const char *advertised_host;
    int32_t advertised_port;
    bool stopping; /* answers NOT_LEADER / COORDINATOR_NOT_AVAILABLE while draining */
};
