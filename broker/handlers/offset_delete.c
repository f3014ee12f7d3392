/* OffsetDelete (KIP-496): a group forgets committed offsets of topics that it does not read. */
#include "wire/messages/offset_delete.h"

#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

static size_t
count_offsets(const struct offset_delete_request *message)
{
    size_t count = 0;
    struct wire_iterator it = wire_iterate(&message->topics);
    struct offset_delete_request_topic topic;
    while (offset_delete_request_topic_next(&it, &topic)) {
        count += (size_t)MAX(topic.partitions.count, 0);
    }
    return count;
}

static void
gather(struct request *request, const struct offset_delete_request *message,
        struct group_offset *offsets)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    struct wire_iterator topics = wire_iterate(&message->topics);
    struct offset_delete_request_topic topic;
    size_t n = 0;
    while (offset_delete_request_topic_next(&topics, &topic)) {
        const struct meta_topic *found = meta_topic_by_name(state, topic.name);
        struct wire_iterator it = wire_iterate(&topic.partitions);
        struct offset_delete_request_partition partition;
        while (offset_delete_request_partition_next(&it, &partition)) {
            int32_t index = partition.partition_index;
            bool there = found && index >= 0 && index < found->partition_count;
            offsets[n++] = (struct group_offset){
                .topic = topic.name,
                .partition = index,
                .error = there ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
            };
        }
    }
}

static struct wire_array
answers(struct request *request, const struct offset_delete_request *message,
        const struct group_offset *offsets)
{
    struct offset_delete_response_topic *topics =
            request_alloc(request, (size_t)MAX(message->topics.count, 0), sizeof *topics);
    struct wire_iterator it = wire_iterate(&message->topics);
    struct offset_delete_request_topic topic;
    size_t t = 0;
    size_t n = 0;
    while (offset_delete_request_topic_next(&it, &topic)) {
        size_t count = (size_t)MAX(topic.partitions.count, 0);
        struct offset_delete_response_partition *out = request_alloc(request, count, sizeof *out);
        for (size_t i = 0; i < count; i++, n++) {
            out[i] = (struct offset_delete_response_partition){ offsets[n].partition,
                offsets[n].error };
        }
        topics[t++] =
                (struct offset_delete_response_topic){ topic.name, wire_array_of(out, count) };
    }
    return wire_array_of(topics, t);
}

void
handle_offset_delete(struct request *request)
{
    struct offset_delete_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = count_offsets(&message);
    struct group_forget forget = {
        .groups = request->broker->groups,
        .group_id = message.group_id,
        .offsets = request_alloc(request, count, sizeof *forget.offsets),
        .count = count,
    };
    gather(request, &message, forget.offsets);
    group_forget(&forget);
    struct offset_delete_response response = offset_delete_response_default;
    response.error_code = forget.error;
    if (!forget.error) {
        response.topics = answers(request, &message, forget.offsets);
    }
    request_reply(request, &response);
}
