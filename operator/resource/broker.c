/* BROKER of docs/admin-api.md. */
#include "resource/broker.h"

#include "base/fault.h"

#include <errno.h>
#include <stdio.h>

static const char *const names[] = { "unknown", "starting", "active", "draining", "drained",
    "stopping", "fenced" };

const char *
broker_state_name(enum broker_state state)
{
    return names[state];
}

static enum broker_state
state_of(const char *text)
{
    for (size_t i = 1; i < ARRAY_SIZE(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            return (enum broker_state)i;
        }
    }
    return BROKER_UNKNOWN;
}

static int64_t
partitions_of(const cJSON *object)
{
    const cJSON *counts = json_at(object, "partitions");
    if (!cJSON_IsObject(counts)) {
        return -1;
    }
    return json_int(counts, "owned", 0) + json_int(counts, "opening", 0) +
           json_int(counts, "closing", 0);
}

int
broker_parse(const cJSON *object, struct broker *ret_broker)
{
    int64_t id = json_int(object, "id", -1);
    if (id < 0 || id > INT32_MAX) {
        return fault(-EBADMSG, "a broker without an id");
    }
    *ret_broker = (struct broker){
        .id = (int)id,
        .epoch = json_int(object, "epoch", -1),
        .state = state_of(json_text(object, "state")),
        .is_alive = json_bool(object, "alive", false),
        .is_cordoned = json_bool(object, "cordoned", false),
        .is_wal_empty = json_bool(object, "wal/empty", false),
        .quarantined = json_int(object, "wal/quarantined", -1),
        .partitions = partitions_of(object),
    };
    snprintf(
            ret_broker->version, sizeof ret_broker->version, "%.31s", json_text(object, "version"));
    snprintf(ret_broker->cluster_id, sizeof ret_broker->cluster_id, "%.31s",
            json_text(object, "clusterId"));
    return 0;
}
