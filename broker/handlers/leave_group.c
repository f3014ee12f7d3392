/* LeaveGroup: one member, or from version 3 on many at once. */
#include "wire/messages/leave_group.h"

#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

static struct wire_array
answers(struct request *request, const struct group_leave *leave)
{
    struct leave_group_response_member *out = request_alloc(request, leave->count, sizeof *out);
    for (size_t i = 0; i < leave->count; i++) {
        const struct group_leaver *leaver = &leave->leavers[i];
        out[i] = (struct leave_group_response_member){ leaver->member_id, leaver->instance_id,
            leaver->error };
    }
    return wire_array_of(out, leave->count);
}

void
handle_leave_group(struct request *request)
{
    struct leave_group_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    bool one = request->version < 3;
    struct group_leave leave = {
        .groups = request->broker->groups,
        .group_id = message.group_id,
        .count = one ? 1 : (size_t)MAX(message.members.count, 0),
    };
    leave.leavers = request_alloc(request, leave.count, sizeof *leave.leavers);
    if (one) {
        leave.leavers[0] = (struct group_leaver){ .member_id = message.member_id };
    }
    struct wire_iterator it = wire_iterate(&message.members);
    struct leave_group_request_member_identity member;
    for (size_t i = 0; !one && leave_group_request_member_identity_next(&it, &member); i++) {
        leave.leavers[i] = (struct group_leaver){ .member_id = member.member_id,
            .instance_id = member.group_instance_id,
            .reason = member.reason };
    }
    group_leave(&leave);
    struct leave_group_response response = leave_group_response_default;
    response.error_code = leave.error;
    if (one && !leave.error) {
        response.error_code = leave.leavers[0].error;
    } else if (!one && !leave.error) {
        response.members = answers(request, &leave);
    }
    request_reply(request, &response);
}
