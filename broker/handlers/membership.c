/* JoinGroup, SyncGroup, Heartbeat, LeaveGroup: from the wire to the coordinator on reactor 0 and
 * back. */
#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "reactor/call.h"
#include "wire/messages/heartbeat.h"
#include "wire/messages/join_group.h"
#include "wire/messages/leave_group.h"
#include "wire/messages/sync_group.h"

#define COORDINATOR 0

static int
join_here(void *arg)
{
    group_join(arg);
    return 0;
}

static void
reply_join(struct request *request, const struct join_group_request *message,
        const struct group_join *join)
{
    struct join_group_response response = join_group_response_default;
    struct join_group_response_member *members =
            request_alloc(request, join->ret_member_count, sizeof *members);
    for (size_t i = 0; i < join->ret_member_count; i++) {
        members[i] = (struct join_group_response_member){ join->ret_members[i].member_id,
            join->ret_members[i].instance_id, join->ret_members[i].metadata };
    }
    response.error_code = join->error;
    response.generation_id = join->generation;
    response.protocol_type = join->error ? BYTES_NULL : message->protocol_type;
    response.protocol_name = join->ret_protocol_name;
    if (!response.protocol_name.data && request->version < 7) {
        response.protocol_name = BYTES_LITERAL("");
    }
    response.leader = join->ret_leader.data ? join->ret_leader : BYTES_LITERAL("");
    response.member_id = join->ret_member_id;
    response.members = wire_array_of(members, join->ret_member_count);
    request_reply(request, &response);
}

void
handle_join_group(struct request *request)
{
    struct join_group_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = (size_t)MAX(message.protocols.count, 0);
    struct group_protocol *protocols = request_alloc(request, count, sizeof *protocols);
    struct wire_iterator it = wire_iterate(&message.protocols);
    struct join_group_request_protocol protocol;
    for (size_t i = 0; join_group_request_protocol_next(&it, &protocol); i++) {
        protocols[i] = (struct group_protocol){ protocol.name, protocol.metadata };
    }
    struct group_join join = {
        .groups = request->broker->groups,
        .arena = &request->arena,
        .group_id = message.group_id,
        .member_id = message.member_id,
        .instance_id = message.group_instance_id,
        .client_id = request->client_id,
        .client_host = request->peer,
        .session_timeout_ms = message.session_timeout_ms,
        .rebalance_timeout_ms = message.rebalance_timeout_ms,
        .protocol_type = message.protocol_type,
        .protocols = protocols,
        .protocol_count = count,
        .id_required = request->version >= 4,
    };
    if (reactor_call(COORDINATOR, join_here, &join) < 0) {
        request->close = true;
        return;
    }
    reply_join(request, &message, &join);
}

static int
sync_here(void *arg)
{
    group_sync(arg);
    return 0;
}

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
    if (reactor_call(COORDINATOR, sync_here, &sync) < 0) {
        request->close = true;
        return;
    }
    struct sync_group_response response = sync_group_response_default;
    response.error_code = sync.error;
    response.protocol_type = sync.ret_protocol_type;
    response.protocol_name = sync.ret_protocol_name;
    response.assignment = sync.ret_assignment.data ? sync.ret_assignment : BYTES_LITERAL("");
    request_reply(request, &response);
}

static int
heartbeat_here(void *arg)
{
    group_heartbeat(arg);
    return 0;
}

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
    if (reactor_call(COORDINATOR, heartbeat_here, &heartbeat) < 0) {
        request->close = true;
        return;
    }
    struct heartbeat_response response = heartbeat_response_default;
    response.error_code = heartbeat.error;
    request_reply(request, &response);
}

static int
leave_here(void *arg)
{
    group_leave(arg);
    return 0;
}

/* False: the broker is stopping. */
static bool
leave_one(struct request *request, struct bytes group_id, struct bytes member_id,
        struct bytes instance_id, int16_t *ret_error)
{
    struct group_leave leave = {
        .groups = request->broker->groups,
        .group_id = group_id,
        .member_id = member_id,
        .instance_id = instance_id,
    };
    if (reactor_call(COORDINATOR, leave_here, &leave) < 0) {
        return false;
    }
    *ret_error = leave.error;
    return true;
}

void
handle_leave_group(struct request *request)
{
    struct leave_group_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct leave_group_response response = leave_group_response_default;
    bool ok = true;
    if (request->version < 3) {
        ok = leave_one(
                request, message.group_id, message.member_id, BYTES_NULL, &response.error_code);
    } else {
        size_t count = (size_t)MAX(message.members.count, 0);
        struct leave_group_response_member *out = request_alloc(request, count, sizeof *out);
        struct wire_iterator it = wire_iterate(&message.members);
        struct leave_group_request_member_identity member;
        for (size_t i = 0; ok && leave_group_request_member_identity_next(&it, &member); i++) {
            out[i] = (struct leave_group_response_member){ member.member_id,
                member.group_instance_id, 0 };
            ok = leave_one(request, message.group_id, member.member_id, member.group_instance_id,
                    &out[i].error_code);
        }
        response.members = wire_array_of(out, count);
    }
    if (!ok) {
        request->close = true;
        return;
    }
    request_reply(request, &response);
}
