/* FindCoordinator: the owner of the internal partition that the group's id hashes to. Transactions
 * are not there yet and are refused by name. */
#include "wire/messages/find_coordinator.h"

#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/leaders.h"

#define KEY_TYPE_GROUP 0

static void
fill(struct request *request, struct bytes key, int8_t key_type,
        struct find_coordinator_response_coordinator *out)
{
    int32_t id = -1;
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
    out->error_code = groups_locate(request->broker->groups, key, &id);
    if (out->error_code) {
        out->error_message = bytes_of_string(kafka_error_message(out->error_code));
        return;
    }
    const struct meta_broker *broker = meta_broker_find(meta_state(request->broker->meta), id);
    const struct meta_broker_endpoint *endpoint = meta_broker_endpoint(broker, request->listener);
    if (!endpoint) {
        out->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
        out->error_message = bytes_of_string(kafka_error_message(out->error_code));
        return;
    }
    out->node_id = id;
    out->host = arena_dup(&request->arena, bytes_of_string(endpoint->host));
    out->port = endpoint->port;
}

void
handle_find_coordinator(struct request *request)
{
    struct find_coordinator_request message;
    if (request_read(request, &message) < 0 || !leaders_wait(request)) {
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
        size_t count = (size_t)MAX(message.coordinator_keys.count, 0);
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
