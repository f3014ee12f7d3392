#pragma once
/* Subscriptions to the metrics of clients (KIP-714): configs of the resources CLIENT_METRICS, and
 * which of them are for which client.
 *
 * Patterns are POSIX extended regular expressions, which must match the whole value; they run on a
 * helper thread, because the C library's matcher takes more stack than a fiber has.
 *
 * Limits: CLIENT_METRICS_SUBSCRIPTIONS_MAX are looked at, in order of their names; a pattern has
 * CLIENT_METRICS_PATTERN_MAX bytes, and as much of the client's value is looked at. */

#include "base/uuid.h"
#include "handlers/request.h"

#define CLIENT_METRICS_SUBSCRIPTIONS_MAX 1000
#define CLIENT_METRICS_PATTERN_MAX 1000
#define CLIENT_METRICS_INTERVAL_MS_DEFAULT 300000

/* What one client shall push. */
struct client_subscription {
    int32_t id; /* another one when what follows is not the same */
    int32_t push_interval_ms;
    struct bytes *metrics; /* beginnings of names, in the request's arena */
    size_t metric_count;
};

/* Changes when any subscription does. */
uint32_t client_metrics_version(const struct meta_state *state);
/* By the client's id, its software as it said in ApiVersions, its address. */
MAY_SUSPEND void client_metrics_match(struct request *request, const struct uuid *instance,
        struct client_subscription *ret_subscription);
/* What the table of settings cannot say about one value: -EINVAL with Kafka's error and words for
 * it. */
MUST_CHECK MAY_SUSPEND int client_metrics_check(
        struct bytes key, struct bytes value, int16_t *ret_code, char error[SETTINGS_ERROR_SIZE]);
