#pragma once
/* The clients that push their metrics (KIP-714): when each may be heard again, and how much came.
 * What they push is counted and dropped: brokers' own metrics are at /metrics, and those of clients
 * belong into the monitoring of the clients.
 *
 * The instances live on reactor 0. A client that is new, or for which the subscriptions have
 * changed, gets its subscription before it is checked.
 *
 * Limits: TELEMETRY_CLIENTS_MAX; the one that was silent for longest makes room. */

#include "base/uuid.h"
#include "handlers/request.h"

#define TELEMETRY_CLIENTS_MAX 16384 /* as Kafka */

struct telemetry;

struct telemetry *telemetry_new(void);
void telemetry_free(struct telemetry *telemetry);

/* One request of a client. */
struct telemetry_visit {
    struct telemetry *telemetry;
    struct uuid instance;
    uint32_t version;      /* client_metrics_version */
    bool has_subscription; /* what follows is the client's, computed for this visit */
    int32_t subscription_id;
    int32_t push_interval_ms;
    bool push; /* PushTelemetry, with: */
    int32_t pushed_subscription_id;
    bool terminating;
    bool unknown_compression;
    bool too_large;
    uint64_t size;
};
/* Kafka's error for the request; TELEMETRY_UNKNOWN: the client is not known with this version, so
 * its subscription must be given. Counts what was pushed. */
#define TELEMETRY_UNKNOWN 1000
MAY_SUSPEND int telemetry_visit(struct telemetry_visit *visit);
/* The client's connection is gone: the next one begins anew. */
MAY_SUSPEND void telemetry_forget(struct telemetry *telemetry, const struct uuid *instance);

/* Since the start. */
struct telemetry_stats {
    uint64_t clients; /* now */
    uint64_t pushes;
    uint64_t push_bytes; /* as compressed */
};
void telemetry_stats_get(const struct telemetry *telemetry, struct telemetry_stats *ret_stats);
