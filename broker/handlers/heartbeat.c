/* Heartbeat of a member of a classic group. */
#include "wire/messages/heartbeat.h"

#include "groups/groups.h"
#include "handlers/handlers.h"

void
handle_heartbeat(struct request *request)
{
    struct heartbeat_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct group_heartbeat heartbeat = {
        .groups = request->broker->groups,
        .group_id = message.group_id,
        .member_id = message.member_id,
        .instance_id = message.group_instance_id,
        .generation = message.generation_id,
    };
    group_heartbeat(&heartbeat);
    struct heartbeat_response response = heartbeat_response_default;
    response.error_code = heartbeat.error;
    request_reply(request, &response);
}
