/* ListGroups: the groups that this broker coordinates, by state (KIP-518) and type (KIP-848). */
#include "wire/messages/list_groups.h"

#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

#define TYPE "classic"

static bool
equal_ignoring_case(struct bytes a, const char *b)
{
    if (a.size != strlen(b)) {
        return false;
    }
    for (size_t i = 0; i < a.size; i++) {
        char x = (char)a.data[i];
        x = x >= 'A' && x <= 'Z' ? (char)(x - 'A' + 'a') : x;
        char y = b[i] >= 'A' && b[i] <= 'Z' ? (char)(b[i] - 'A' + 'a') : b[i];
        if (x != y) {
            return false;
        }
    }
    return true;
}

/* A bit for each state that is asked for; no filter asks for all. */
static unsigned
wanted_states(const struct list_groups_request *message)
{
    struct wire_iterator it = wire_iterate(&message->states_filter);
    struct bytes name;
    unsigned states = 0;
    if (message->states_filter.count <= 0) {
        return (1u << GROUP_STATE_COUNT) - 1;
    }
    while (wire_string_next(&it, &name)) {
        for (unsigned i = 0; i < GROUP_STATE_COUNT; i++) {
            bool same = equal_ignoring_case(name, group_state_name((enum group_state)i));
            states |= same ? 1u << i : 0;
        }
    }
    return states;
}

/* All groups are classic ones. */
static bool
wants_type(const struct list_groups_request *message)
{
    struct wire_iterator it = wire_iterate(&message->types_filter);
    struct bytes name;
    bool wanted = message->types_filter.count <= 0;
    while (wire_string_next(&it, &name)) {
        wanted |= equal_ignoring_case(name, TYPE);
    }
    return wanted;
}

void
handle_list_groups(struct request *request)
{
    struct list_groups_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct group_list list = {
        .groups = request->broker->groups,
        .arena = &request->arena,
        .states = wants_type(&message) ? wanted_states(&message) : 0,
    };
    group_list(&list);
    struct list_groups_response response = list_groups_response_default;
    size_t count = list.error ? 0 : list.count;
    struct list_groups_response_listed_group *groups =
            request_alloc(request, count, sizeof *groups);
    for (size_t i = 0; i < count; i++) {
        groups[i] = (struct list_groups_response_listed_group){ list.listings[i].group_id,
            list.listings[i].protocol_type,
            bytes_of_string(group_state_name(list.listings[i].state)), BYTES_LITERAL(TYPE) };
    }
    response.error_code = list.error;
    response.groups = wire_array_of(groups, count);
    request_reply(request, &response);
}
