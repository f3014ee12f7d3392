/* OffsetCommit. Topic ids (version 10) become names here: the coordinator keeps names, as Kafka's
 * does, with the id beside them. */
#include "wire/messages/offset_commit.h"

#include "groups/groups.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"

static size_t
count_commits(const struct offset_commit_request *message)
{
    size_t count = 0;
    struct wire_iterator it = wire_iterate(&message->topics);
    struct offset_commit_request_topic topic;
    while (offset_commit_request_topic_next(&it, &topic)) {
        count += (size_t)MAX(topic.partitions.count, 0);
    }
    return count;
}

static void
gather_commits(struct request *request, const struct offset_commit_request *message,
        struct group_offset *offsets)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    size_t n = 0;
    struct wire_iterator topics = wire_iterate(&message->topics);
    struct offset_commit_request_topic topic;
    while (offset_commit_request_topic_next(&topics, &topic)) {
        const struct meta_topic *found = request->version < 10
                                                 ? meta_topic_by_name(state, topic.name)
                                                 : meta_topic_by_id(state, &topic.topic_id);
        int16_t unknown =
                request->version < 10 ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_UNKNOWN_TOPIC_ID;
        int32_t partition_count = found ? found->partition_count : 0;
        struct bytes name =
                found ? arena_dup(&request->arena, bytes_of_string(found->name)) : topic.name;
        struct wire_iterator it = wire_iterate(&topic.partitions);
        struct offset_commit_request_partition partition;
        while (offset_commit_request_partition_next(&it, &partition)) {
            bool there =
                    partition.partition_index >= 0 && partition.partition_index < partition_count;
            offsets[n++] = (struct group_offset){
                .topic = name,
                .topic_id = found ? found->id : UUID_ZERO,
                .partition = partition.partition_index,
                .offset = partition.committed_offset,
                .leader_epoch = partition.committed_leader_epoch,
                .metadata = partition.committed_metadata,
                .error = there   ? KAFKA_NONE
                         : found ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                 : unknown,
            };
        }
    }
}

static void
reply_commits(struct request *request, const struct offset_commit_request *message,
        const struct group_offset *offsets)
{
    struct offset_commit_response response = offset_commit_response_default;
    size_t topic_count = (size_t)MAX(message->topics.count, 0);
    struct offset_commit_response_topic *topics =
            request_alloc(request, topic_count, sizeof *topics);
    size_t t = 0;
    size_t n = 0;
    struct wire_iterator it = wire_iterate(&message->topics);
    struct offset_commit_request_topic topic;
    while (offset_commit_request_topic_next(&it, &topic)) {
        size_t count = (size_t)MAX(topic.partitions.count, 0);
        struct offset_commit_response_partition *out = request_alloc(request, count, sizeof *out);
        for (size_t i = 0; i < count; i++, n++) {
            out[i] = (struct offset_commit_response_partition){ offsets[n].partition,
                offsets[n].error };
        }
        topics[t++] = (struct offset_commit_response_topic){ topic.name, topic.topic_id,
            wire_array_of(out, count) };
    }
    response.topics = wire_array_of(topics, t);
    request_reply(request, &response);
}

void
handle_offset_commit(struct request *request)
{
    struct offset_commit_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t count = count_commits(&message);
    struct group_commit commit = {
        .groups = request->broker->groups,
        .group_id = message.group_id,
        .member_id = message.member_id,
        .instance_id = message.group_instance_id,
        .generation = message.generation_id_or_member_epoch,
        .retention_ms = message.retention_time_ms,
        .group_error = request->version >= 9,
        .offsets = request_alloc(request, count, sizeof *commit.offsets),
        .count = count,
    };
    gather_commits(request, &message, commit.offsets);
    group_commit(&commit);
    reply_commits(request, &message, commit.offsets);
}
