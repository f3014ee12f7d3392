/* DescribeCluster (KIP-700). */
#include "wire/messages/describe_cluster.h"

#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/operations.h"

#define ENDPOINT_BROKERS 1

static struct wire_array
list_brokers(struct request *request, const struct describe_cluster_request *message)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    const struct meta_broker *broker;
    size_t count = 0;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        count++;
    }
    struct describe_cluster_response_broker *out = request_alloc(request, count, sizeof *out);
    count = 0;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        const struct meta_broker_endpoint *endpoint =
                meta_broker_endpoint(broker, request->listener);
        if (!endpoint || (!broker->alive && !message->include_fenced_brokers)) {
            continue;
        }
        out[count++] = (struct describe_cluster_response_broker){
            .broker_id = broker->id,
            .host = arena_dup(&request->arena, bytes_of_string(endpoint->host)),
            .port = endpoint->port,
            .rack = broker->rack ? arena_dup(&request->arena, bytes_of_string(broker->rack))
                                 : BYTES_NULL,
            .is_fenced = !broker->alive,
        };
    }
    return wire_array_of(out, count);
}

void
handle_describe_cluster(struct request *request)
{
    struct describe_cluster_request message;
    struct describe_cluster_response response = describe_cluster_response_default;
    char text[UUID_TEXT_SIZE];
    if (request_read(request, &message) < 0) {
        return;
    }
    response.error_message = BYTES_NULL;
    response.endpoint_type = message.endpoint_type;
    if (message.endpoint_type != ENDPOINT_BROKERS) {
        response.error_code = message.endpoint_type == 2 ? KAFKA_MISMATCHED_ENDPOINT_TYPE
                                                         : KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
        response.error_message = request_text(request,
                "The request was sent to an endpoint of the brokers, but wanted type %d.",
                message.endpoint_type);
        request_reply(request, &response);
        return;
    }
    const struct meta_state *state = meta_state(request->broker->meta);
    response.cluster_id = bytes_of_string(uuid_format(meta_state_cluster_id(state), text));
    response.controller_id = meta_state_controller(state);
    response.brokers = list_brokers(request, &message);
    response.cluster_authorized_operations =
            message.include_cluster_authorized_operations ? OPERATIONS_CLUSTER : OPERATIONS_UNKNOWN;
    request_reply(request, &response);
}
