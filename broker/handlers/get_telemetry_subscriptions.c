/* GetTelemetrySubscriptions (KIP-714): which metrics a client shall push, and how often. */
#include "wire/messages/get_telemetry_subscriptions.h"

#include "handlers/client_metrics.h"
#include "handlers/config_resources.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/telemetry.h"
#include "reactor/random.h"

void
handle_get_telemetry_subscriptions(struct request *request)
{
    static const int8_t compressions[] = { 4, 3, 1, 2 }; /* zstd, lz4, gzip, snappy */
    struct get_telemetry_subscriptions_request message;
    struct get_telemetry_subscriptions_response response =
            get_telemetry_subscriptions_response_default;
    struct client_subscription subscription;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct telemetry_visit visit = {
        .telemetry = request->broker->telemetry,
        .instance = message.client_instance_id,
        .version = client_metrics_version(meta_state(request->broker->meta)),
        .has_subscription = true,
    };
    if (uuid_is_zero(&visit.instance)) {
        visit.instance = random_uuid();
    }
    client_metrics_match(request, &visit.instance, &subscription);
    visit.subscription_id = subscription.id;
    visit.push_interval_ms = subscription.push_interval_ms;
    response.error_code = (int16_t)telemetry_visit(&visit);
    request->connection->telemetry_instance = visit.instance;
    if (response.error_code == KAFKA_NONE) {
        response.client_instance_id = visit.instance;
        response.subscription_id = subscription.id;
        response.accepted_compression_types = wire_array_of(compressions, ARRAY_SIZE(compressions));
        response.push_interval_ms = subscription.push_interval_ms;
        response.telemetry_max_bytes =
                settings_int(config_settings(request), "telemetry.max.bytes");
        response.delta_temporality = true;
        response.requested_metrics = wire_array_of(subscription.metrics, subscription.metric_count);
    }
    request_reply(request, &response);
}
