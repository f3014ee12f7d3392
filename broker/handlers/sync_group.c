/* SyncGroup: the leader hands in the assignments, everybody gets theirs. */
#include "wire/messages/sync_group.h"

#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

void
handle_sync_group(struct request *request)
{
    struct sync_group_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = (size_t)MAX(message.assignments.count, 0);
    struct group_assignment *assignments = request_alloc(request, count, sizeof *assignments);
    struct wire_iterator it = wire_iterate(&message.assignments);
    struct sync_group_request_assignment assignment;
    for (size_t i = 0; sync_group_request_assignment_next(&it, &assignment); i++) {
        assignments[i] = (struct group_assignment){ assignment.member_id, assignment.assignment };
    }
    struct group_sync sync = {
        .groups = request->broker->groups,
        .arena = &request->arena,
        .group_id = message.group_id,
        .member_id = message.member_id,
        .instance_id = message.group_instance_id,
        .generation = message.generation_id,
        .protocol_type = message.protocol_type,
        .protocol_name = message.protocol_name,
        .assignments = assignments,
        .assignment_count = count,
    };
    struct sync_group_response response = sync_group_response_default;
    if (request->version >= 5 && (!message.protocol_type.data || !message.protocol_name.data)) {
        sync.error = KAFKA_INCONSISTENT_GROUP_PROTOCOL; /* KIP-559: both must be said */
    } else {
        group_sync(&sync);
    }
    response.error_code = sync.error;
    response.protocol_type = sync.ret_protocol_type;
    response.protocol_name = sync.ret_protocol_name;
    response.assignment = sync.ret_assignment.data ? sync.ret_assignment : BYTES_LITERAL("");
    request_reply(request, &response);
}
