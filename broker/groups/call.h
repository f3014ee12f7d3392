#pragma once
/* From a handler's reactor to the coordinator of a group. Internal to groups/. */

#include "groups/coordinator.h"

#define GROUPS_TOPIC "__consumer_offsets"

/* Runs fn(coordinator, arg) on the coordinator's reactor; fn returns Kafka's code. Returns that, or
 * why there is no coordinator to ask here (G5). */
MAY_SUSPEND int16_t group_call(struct groups *groups, struct bytes group_id,
        int (*fn)(struct coordinator *c, void *arg), void *arg);
