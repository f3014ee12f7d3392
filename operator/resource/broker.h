#pragma once
/* A broker as its admin API shows it: docs/admin-api.md. What was not told is unknown, never
 * false. */

#include "kube/json.h"

enum broker_state {
    BROKER_UNKNOWN, /* not asked, no answer, or a word that we don't know */
    BROKER_STARTING,
    BROKER_ACTIVE,
    BROKER_DRAINING,
    BROKER_DRAINED,
    BROKER_STOPPING,
    BROKER_FENCED,
};

struct broker {
    int id;
    int64_t epoch; /* -1: unknown */
    enum broker_state state;
    bool is_alive;
    bool is_cordoned;
    bool is_wal_empty;   /* proven */
    int64_t quarantined; /* partitions whose records its log cannot give back; -1: unknown */
    int64_t partitions;  /* owned, opening and closing; -1: unknown */
    char version[32];
    char cluster_id[32]; /* "": not told */
};

/* -EBADMSG: no id. */
MUST_CHECK int broker_parse(const cJSON *object, struct broker *ret_broker);
const char *broker_state_name(enum broker_state state);
