/* FindCoordinator: with one broker, this one. Transactions are not there yet and are refused by
 * name. */
#include "wire/messages/find_coordinator.h"

#include "handlers/errors.h"
#include "handlers/handlers.h"

#define KEY_TYPE_GROUP 0

static void
fill(struct request *request, struct bytes key, int8_t key_type,
        struct find_coordinator_response_coordinator *out)
{
    *out = find_coordinator_response_coordinator_default;
    out->key = key;
    out->node_id = -1;
    out->port = -1;
    out->host = BYTES_LITERAL("");
    if (key_type != KEY_TYPE_GROUP) {
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message =
                BYTES_LITERAL("Transactions and share groups are not available in this version.");
        return;
    }
    out->node_id = meta_broker_id(request->broker->meta);
    out->host = bytes_of_string(request->broker->advertised_host);
    out->port = request->broker->advertised_port;
}

void
handle_find_coordinator(struct request *request)
{
    struct find_coordinator_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct find_coordinator_response response = find_coordinator_response_default;
    if (request->version < 4) {
        struct find_coordinator_response_coordinator one;
        fill(request, message.key, message.key_type, &one);
        response.error_code = one.error_code;
        response.error_message = one.error_message;
        response.node_id = one.node_id;
        response.host = one.host;
        response.port = one.port;
    } else {
        size_t count = (size_t)message.coordinator_keys.count;
        struct find_coordinator_response_coordinator *all =
                request_alloc(request, count, sizeof *all);
        struct wire_iterator it = wire_iterate(&message.coordinator_keys);
        struct bytes key;
        for (size_t i = 0; wire_string_next(&it, &key); i++) {
            fill(request, key, message.key_type, &all[i]);
        }
        response.coordinators = wire_array_of(all, count);
    }
    request_reply(request, &response);
}
