/* DeleteGroups: empty groups with all their offsets. */
#include "wire/messages/delete_groups.h"

#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

void
handle_delete_groups(struct request *request)
{
    struct delete_groups_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = (size_t)MAX(message.groups_names.count, 0);
    struct delete_groups_response_deletable_group_result *results =
            request_alloc(request, count, sizeof *results);
    struct wire_iterator it = wire_iterate(&message.groups_names);
    struct bytes group_id;
    size_t n = 0;
    while (wire_string_next(&it, &group_id)) {
        struct group_delete delete = { .groups = request->broker->groups, .group_id = group_id };
        group_delete(&delete);
        results[n] = delete_groups_response_deletable_group_result_default;
        results[n].group_id = group_id;
        results[n].error_code = delete.error;
        results[n].error_message =
                delete.error ? bytes_of_string(kafka_error_message(delete.error)) : BYTES_NULL;
        n++;
    }
    struct delete_groups_response response = delete_groups_response_default;
    response.results = wire_array_of(results, n);
    request_reply(request, &response);
}
