/* UnregisterBroker (KIP-631): a broker that is gone is forgotten. Kafka forgets living ones too,
 * and what only they had; here one that is alive, or whose write-ahead log may hold what no object
 * has, is kept (M5 of meta/state.h). */
#include "wire/messages/unregister_broker.h"

#include "base/log.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

#include <errno.h>

static int16_t
refusal_code(int refusal)
{
    switch (refusal) {
    case 0:
        return KAFKA_NONE;
    case -ENOENT:
        return KAFKA_BROKER_ID_NOT_REGISTERED;
    default:
        return KAFKA_INVALID_REQUEST;
    }
}

static struct bytes
refusal_text(struct request *request, int refusal, int32_t id)
{
    switch (refusal) {
    case 0:
        return BYTES_NULL;
    case -ENOENT:
        return request_text(request, "Broker ID %d is not currently registered", id);
    case -ESTALE:
        return request_text(request, "Broker %d has registered again meanwhile", id);
    default:
        return request_text(request,
                "Broker %d is alive, or its write-ahead log may hold acknowledged records: drain "
                "and stop it, or recover its volume, first",
                id);
    }
}

void
handle_unregister_broker(struct request *request)
{
    struct unregister_broker_request message;
    struct unregister_broker_response response = unregister_broker_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    int refusal = 0;
    int r = meta_unregister(request->broker->meta, message.broker_id, -1, &refusal);
    if (r < 0) {
        LOG_WARN("a broker is not known to be unregistered", LOG_INT("broker", message.broker_id),
                LOG_FAULT(r));
        response.error_code = KAFKA_REQUEST_TIMED_OUT;
        response.error_message = BYTES_NULL;
        request_reply(request, &response);
        return;
    }
    LOG_INFO("a broker was asked to be unregistered", LOG_INT("broker", message.broker_id),
            LOG_INT("refusal", -refusal));
    response.error_code = refusal_code(refusal);
    response.error_message = refusal_text(request, refusal, message.broker_id);
    request_reply(request, &response);
}
