#pragma once
/* The process as handlers see it: made by main.c before the first request, the same for all
 * reactors. */

#include "handlers/request_memory.h"
#include "meta/meta.h"
#include "partition/shard.h"
#include "settings/settings.h"

struct groups;
struct telemetry;

/* Producer ids of a reactor that were not given yet. */
struct producer_ids {
    int64_t next;
    int64_t left;
};

struct broker {
    const struct settings *settings; /* as of the start */
    struct settings **dynamic;       /* by reactor index, with what AlterConfigs set */
    struct meta *meta;
    struct shard **shards;       /* by reactor index */
    struct store **stores;       /* by reactor index */
    struct groups *groups;       /* the group coordinators of this broker */
    struct telemetry *telemetry; /* clients that push metrics; lives on reactor 0 */
    struct producer_ids producer_ids[REACTORS_MAX];
    uint32_t fetch_sessions[REACTORS_MAX]; /* that are open */
    struct request_memory memory;          /* of all requests under way */
    bool stopping; /* answers NOT_LEADER / COORDINATOR_NOT_AVAILABLE while draining */
};
