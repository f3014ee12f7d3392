/* JoinGroup: the answer waits until the group's next generation begins. */
#include "wire/messages/join_group.h"

#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

/* "/127.0.0.1", as Kafka tells it. */
static struct bytes
client_host(struct request *request)
{
    const char *port = strrchr(request->peer, ':');
    int size = port ? (int)(port - request->peer) : (int)strlen(request->peer);
    return request_text(request, "/%.*s", size, request->peer);
}

static struct group_protocol *
gather_protocols(
        struct request *request, const struct join_group_request *message, size_t *ret_count)
{
    size_t count = (size_t)MAX(message->protocols.count, 0);
    struct group_protocol *protocols = request_alloc(request, count, sizeof *protocols);
    struct wire_iterator it = wire_iterate(&message->protocols);
    struct join_group_request_protocol protocol;
    for (size_t i = 0; join_group_request_protocol_next(&it, &protocol); i++) {
        protocols[i] = (struct group_protocol){ protocol.name, protocol.metadata };
    }
    *ret_count = count;
    return protocols;
}

static void
reply(struct request *request, const struct group_join *join)
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
    response.protocol_type = join->ret_protocol_type;
    response.protocol_name = join->ret_protocol_name;
    if (!response.protocol_name.data && request->version < 7) {
        response.protocol_name = BYTES_LITERAL("");
    }
    response.leader = join->ret_leader;
    response.member_id = join->ret_member_id;
    response.skip_assignment = join->ret_skip_assignment;
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
    struct group_join join = {
        .groups = request->broker->groups,
        .arena = &request->arena,
        .group_id = message.group_id,
        .member_id = message.member_id,
        .instance_id = message.group_instance_id,
        .client_id = request->client_id,
        .client_host = client_host(request),
        .session_timeout_ms = message.session_timeout_ms,
        .rebalance_timeout_ms = message.rebalance_timeout_ms,
        .protocol_type = message.protocol_type,
        .id_required = request->version >= 4,
        .may_skip_assign = request->version >= 9,
        .reason = message.reason,
    };
    join.protocols = gather_protocols(request, &message, &join.protocol_count);
    group_join(&join);
    reply(request, &join);
}
