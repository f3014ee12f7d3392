/* DescribeGroups: state and members of classic groups. */
#include "wire/messages/describe_groups.h"

#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

/* AclOperation: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS: all that groups have. */
#define OPERATIONS_ALL (1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11)

static struct wire_array
describe_members(struct request *request, const struct group_describe *describe)
{
    struct describe_groups_response_described_group_member *out =
            request_alloc(request, describe->member_count, sizeof *out);
    for (size_t i = 0; i < describe->member_count; i++) {
        const struct group_member_description *member = &describe->members[i];
        out[i] = (struct describe_groups_response_described_group_member){ member->member_id,
            member->instance_id, member->client_id, member->client_host, member->metadata,
            member->assignment };
    }
    return wire_array_of(out, describe->member_count);
}

static void
describe_one(struct request *request, struct bytes group_id, bool operations,
        struct describe_groups_response_described_group *out)
{
    struct group_describe describe = {
        .groups = request->broker->groups,
        .arena = &request->arena,
        .group_id = group_id,
    };
    *out = describe_groups_response_described_group_default;
    out->error_message = BYTES_NULL;
    out->group_id = group_id;
    group_describe(&describe);
    if (describe.error == KAFKA_GROUP_ID_NOT_FOUND) {
        out->group_state = BYTES_LITERAL("Dead");
        if (request->version < 6) { /* KIP-1043 */
            describe.error = KAFKA_NONE;
        } else {
            out->error_message = request_text(request, "Group %.*s not found.",
                    (int)MIN(group_id.size, (size_t)1000), (const char *)group_id.data);
        }
    } else if (!describe.error) {
        out->group_state = bytes_of_string(group_state_name(describe.state));
        out->protocol_type = describe.protocol_type;
        out->protocol_data = describe.protocol_name;
        out->members = describe_members(request, &describe);
    }
    out->error_code = describe.error;
    if (operations && request->version >= 3 && !describe.error) {
        out->authorized_operations = OPERATIONS_ALL;
    }
}

void
handle_describe_groups(struct request *request)
{
    struct describe_groups_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = (size_t)MAX(message.groups.count, 0);
    struct describe_groups_response_described_group *groups =
            request_alloc(request, count, sizeof *groups);
    struct wire_iterator it = wire_iterate(&message.groups);
    struct bytes group_id;
    size_t n = 0;
    while (wire_string_next(&it, &group_id) && !request_is_too_large(request)) {
        describe_one(request, group_id, message.include_authorized_operations, &groups[n++]);
    }
    struct describe_groups_response response = describe_groups_response_default;
    response.groups = wire_array_of(groups, n);
    request_reply(request, &response);
}
