/* See group.h. */
#include "sim/group.h"

#include "base/fault.h"
#include "wire/messages/find_coordinator.h"
#include "wire/messages/heartbeat.h"
#include "wire/messages/join_group.h"
#include "wire/messages/leave_group.h"
#include "wire/messages/offset_commit.h"
#include "wire/messages/offset_fetch.h"
#include "wire/messages/sync_group.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { OFFSET_COMMIT = 8, OFFSET_FETCH = 9, FIND_COORDINATOR = 10, JOIN_GROUP = 11 };
enum { HEARTBEAT = 12, LEAVE_GROUP = 13, SYNC_GROUP = 14 };
#define SESSION_MS 3000
#define GROUP BYTES_LITERAL("g")
#define PROTOCOL_TYPE BYTES_LITERAL("sim")

static int
find_coordinator(struct client *client)
{
    if (client->coordinator > 0) {
        return 0;
    }
    struct find_coordinator_request request = find_coordinator_request_default;
    struct find_coordinator_response response;
    request.key = GROUP;
    int r = client_call(client, client_any(client), FIND_COORDINATOR, 3, &request, &response);
    if (r == 0 && response.error_code == 0 && response.node_id > 0) {
        client->coordinator = response.node_id;
        return 0;
    }
    return r < 0 ? r : fault(-EAGAIN, "no coordinator");
}

/* To the coordinator. */
static int
ask(struct client *client, int16_t api_key, int16_t version, const void *request,
        void *ret_response)
{
    int r = find_coordinator(client);
    r = r < 0 ? r
              : client_call(client, client->coordinator, api_key, version, request, ret_response);
    if (r < 0) {
        client->coordinator = -1;
    }
    return r;
}

/* What the coordinator said. */
static int
judge(struct member *member, int code)
{
    if (code == CODE_UNKNOWN_MEMBER || code == CODE_ILLEGAL_GENERATION) {
        member->id[0] = 0;
    } else if (code && code != CODE_REBALANCE && code != CODE_MEMBER_ID_REQUIRED) {
        member->client.coordinator = -1;
    }
    return code;
}

/* The leader's work: slots in turn to the members, in their order. */
static size_t
share(struct member *member, const struct join_group_response *joined, uint8_t *blobs,
        struct sync_group_request_assignment *ret_assignments)
{
    const struct plan *plan = &member->client.world->plan;
    struct join_group_response_member other;
    struct wire_iterator members = wire_iterate(&joined->members);
    size_t count = 0;
    while (count < GROUP_MEMBERS_MAX && join_group_response_member_next(&members, &other)) {
        ret_assignments[count] = sync_group_request_assignment_default;
        ret_assignments[count].member_id = other.member_id;
        ret_assignments[count].assignment = bytes_of(blobs + count * GROUP_SLOTS_MAX, 0);
        count++;
    }
    unsigned next = 0;
    for (unsigned i = 0; count && i < plan->idempotent * plan->partitions; i++) {
        struct bytes *blob = &ret_assignments[next++ % count].assignment;
        uint8_t *bytes = blobs + (next - 1) % count * GROUP_SLOTS_MAX;
        bytes[blob->size++] = (uint8_t)(i / plan->partitions * 8 + i % plan->partitions);
    }
    return count;
}

static int
sync_group(struct member *member, const struct join_group_response *joined)
{
    uint8_t blobs[GROUP_MEMBERS_MAX * GROUP_SLOTS_MAX];
    struct sync_group_request_assignment assignments[GROUP_MEMBERS_MAX];
    struct sync_group_request request = sync_group_request_default;
    struct sync_group_response response;
    request.group_id = GROUP;
    request.generation_id = member->generation;
    request.member_id = bytes_of_string(member->id);
    request.protocol_type = PROTOCOL_TYPE;
    request.protocol_name = BYTES_LITERAL("share");
    if (bytes_equal(joined->leader, joined->member_id)) {
        request.assignments = wire_array_of(assignments, share(member, joined, blobs, assignments));
    }
    int r = ask(&member->client, SYNC_GROUP, 5, &request, &response);
    if (r < 0 || response.error_code) {
        return r < 0 ? r : judge(member, response.error_code);
    }
    member->slot_count = (unsigned)MIN(response.assignment.size, (size_t)GROUP_SLOTS_MAX);
    memcpy(member->slots, response.assignment.data, member->slot_count);
    return 0;
}

int
member_join(struct member *member)
{
    struct join_group_request_protocol protocol = { .name = BYTES_LITERAL("share"),
        .metadata = BYTES_LITERAL("-") };
    struct join_group_request request = join_group_request_default;
    struct join_group_response response;
    request.group_id = GROUP;
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = SESSION_MS;
    request.member_id = bytes_of_string(member->id);
    request.protocol_type = PROTOCOL_TYPE;
    request.protocols = wire_array_of(&protocol, 1);
    int r = ask(&member->client, JOIN_GROUP, 7, &request, &response);
    if (r < 0) {
        return r;
    }
    if (response.error_code == 0 || response.error_code == CODE_MEMBER_ID_REQUIRED) {
        snprintf(member->id, sizeof member->id, "%.*s", (int)response.member_id.size,
                (const char *)response.member_id.data);
        member->generation = response.generation_id;
    }
    return response.error_code ? judge(member, response.error_code) : sync_group(member, &response);
}

int
member_heartbeat(struct member *member)
{
    struct heartbeat_request request = heartbeat_request_default;
    struct heartbeat_response response;
    request.group_id = GROUP;
    request.generation_id = member->generation;
    request.member_id = bytes_of_string(member->id);
    int r = ask(&member->client, HEARTBEAT, 4, &request, &response);
    return r < 0 ? r : judge(member, response.error_code);
}

void
member_leave(struct member *member)
{
    struct leave_group_request_member_identity me = leave_group_request_member_identity_default;
    struct leave_group_request request = leave_group_request_default;
    struct leave_group_response response;
    me.member_id = bytes_of_string(member->id);
    request.group_id = GROUP;
    request.members = wire_array_of(&me, 1);
    int r = ask(&member->client, LEAVE_GROUP, 4, &request, &response);
    (void)r; /* its session ends anyway */
}

int
member_commit(struct member *member, const char *topic, int32_t partition, int64_t offset)
{
    struct offset_commit_request_partition p = offset_commit_request_partition_default;
    struct offset_commit_request_topic t = offset_commit_request_topic_default;
    struct offset_commit_request request = offset_commit_request_default;
    struct offset_commit_response response;
    struct offset_commit_response_topic answered;
    p.partition_index = partition;
    p.committed_offset = offset;
    t.name = bytes_of_string(topic);
    t.partitions = wire_array_of(&p, 1);
    request.group_id = GROUP;
    request.generation_id_or_member_epoch = member->generation;
    request.member_id = bytes_of_string(member->id);
    request.topics = wire_array_of(&t, 1);
    int r = ask(&member->client, OFFSET_COMMIT, 8, &request, &response);
    if (r < 0) {
        return r;
    }
    struct offset_commit_response_partition result = { .error_code = CODE_UNKNOWN_TOPIC };
    struct wire_iterator topics = wire_iterate(&response.topics);
    if (offset_commit_response_topic_next(&topics, &answered)) {
        struct wire_iterator partitions = wire_iterate(&answered.partitions);
        (void)offset_commit_response_partition_next(&partitions, &result);
    }
    return judge(member, result.error_code);
}

int
member_committed(struct client *client, const char *topic, int32_t partition, int64_t *ret_offset)
{
    struct offset_fetch_request_topic t = offset_fetch_request_topic_default;
    struct offset_fetch_request request = offset_fetch_request_default;
    struct offset_fetch_response response;
    struct offset_fetch_response_topic answered;
    t.name = bytes_of_string(topic);
    t.partition_indexes = wire_array_of(&partition, 1);
    request.group_id = GROUP;
    request.topics = wire_array_of(&t, 1);
    int r = ask(client, OFFSET_FETCH, 7, &request, &response);
    if (r < 0) {
        return r;
    }
    struct offset_fetch_response_partition result = { .error_code = CODE_UNKNOWN_TOPIC };
    struct wire_iterator topics = wire_iterate(&response.topics);
    if (response.error_code == 0 && offset_fetch_response_topic_next(&topics, &answered)) {
        struct wire_iterator partitions = wire_iterate(&answered.partitions);
        (void)offset_fetch_response_partition_next(&partitions, &result);
    }
    r = response.error_code ? response.error_code : result.error_code;
    if (r) {
        client->coordinator = -1;
        return r;
    }
    *ret_offset = result.committed_offset;
    return 0;
}
