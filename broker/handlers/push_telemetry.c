/* PushTelemetry (KIP-714): metrics of a client, which are counted and dropped. */
#include "wire/messages/push_telemetry.h"

#include "base/log.h"
#include "handlers/client_metrics.h"
#include "handlers/config_resources.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/telemetry.h"

#define COMPRESSION_TYPE_MAX 4 /* zstd */

/* Ids that Kafka keeps for itself: 0 and 1. */
static bool
is_reserved(const struct uuid *uuid)
{
    struct uuid one = UUID_ZERO;
    one.bytes[sizeof one.bytes - 1] = 1;
    return uuid_is_zero(uuid) || uuid_equal(uuid, &one);
}

static int
visit(struct request *request, struct telemetry_visit *visit)
{
    struct client_subscription subscription;
    visit->version = client_metrics_version(meta_state(request->broker->meta));
    int error = telemetry_visit(visit);
    if (error != TELEMETRY_UNKNOWN) {
        return error;
    }
    client_metrics_match(request, &visit->instance, &subscription);
    visit->has_subscription = true;
    visit->subscription_id = subscription.id;
    visit->push_interval_ms = subscription.push_interval_ms;
    return telemetry_visit(visit);
}

void
handle_push_telemetry(struct request *request)
{
    struct push_telemetry_request message;
    struct push_telemetry_response response = push_telemetry_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    int32_t most = settings_int(config_settings(request), "telemetry.max.bytes");
    struct telemetry_visit push = {
        .telemetry = request->broker->telemetry,
        .instance = message.client_instance_id,
        .push = true,
        .pushed_subscription_id = message.subscription_id,
        .terminating = message.terminating,
        .unknown_compression =
                message.compression_type < 0 || message.compression_type > COMPRESSION_TYPE_MAX,
        .too_large = message.metrics.size > (size_t)most,
        .size = message.metrics.size,
    };
    response.error_code = is_reserved(&push.instance) ? (int16_t)KAFKA_INVALID_REQUEST
                                                      : (int16_t)visit(request, &push);
    if (response.error_code == KAFKA_TELEMETRY_TOO_LARGE) {
        LOG_WARN("a client pushes larger metrics than it may",
                LOG_INT("bytes", (int64_t)message.metrics.size), LOG_INT("bytes_max", most));
    }
    request_reply(request, &response);
}
