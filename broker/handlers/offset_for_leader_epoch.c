/* OffsetForLeaderEpoch (KIP-320): a consumer asks whether its position is on this history. What was
 * acknowledged here is never cut off again, so the answer is never below the position. */
#include "wire/messages/offset_for_leader_epoch.h"

#include "base/log.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "partition/shard.h"
#include "reactor/call.h"

#include <errno.h>

struct lookup {
    struct broker *broker;
    struct partition_key key;
    const struct offset_for_leader_epoch_request_offset_for_leader_partition *asked;
    struct offset_for_leader_epoch_response_epoch_end_offset *out;
};

/* On the partition's reactor. */
static int
look_here(void *arg)
{
    struct lookup *lookup = arg;
    struct offset_for_leader_epoch_response_epoch_end_offset *out = lookup->out;
    struct shard *shard = lookup->broker->shards[reactor_index()];
    struct partition *partition = shard_find_led(shard, lookup->key);
    int32_t current = lookup->asked->current_leader_epoch;
    if (!partition) {
        out->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
        return 0;
    }
    if (current >= 0 && current != partition->epoch) {
        out->error_code =
                current < partition->epoch ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
        return 0;
    }
    partition_hold(partition);
    int r = partition_find_epoch_end(
            shard, partition, lookup->asked->leader_epoch, &out->end_offset);
    partition_release(partition);
    if (r == 0) {
        out->leader_epoch = lookup->asked->leader_epoch;
    } else if (r != -ENOENT) {
        out->error_code = kafka_error_of(r);
        LOG_WARN("leader epoch not found", LOG_INT("leader_epoch", lookup->asked->leader_epoch),
                LOG_FAULT(r));
    }
    return 0;
}

static void
look_up(struct request *request, struct bytes name,
        const struct offset_for_leader_epoch_request_offset_for_leader_partition *asked,
        struct offset_for_leader_epoch_response_epoch_end_offset *out)
{
    const struct meta_topic *topic = meta_topic_by_name(meta_state(request->broker->meta), name);
    *out = offset_for_leader_epoch_response_epoch_end_offset_default;
    out->partition = asked->partition;
    if (!topic || asked->partition < 0 || asked->partition >= topic->partition_count) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    struct lookup lookup = { request->broker, { topic->id, asked->partition }, asked, out };
    int r = reactor_call(partition_reactor(lookup.key), look_here, &lookup);
    if (r < 0) {
        out->error_code = kafka_error_of(r);
    }
}

void
handle_offset_for_leader_epoch(struct request *request)
{
    struct offset_for_leader_epoch_request message;
    struct offset_for_leader_epoch_response response = offset_for_leader_epoch_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct offset_for_leader_epoch_response_offset_for_leader_topic_result *topics =
            request_alloc(request, (size_t)MAX(message.topics.count, 0), sizeof *topics);
    size_t topic_count = 0;
    struct wire_iterator it = wire_iterate(&message.topics);
    struct offset_for_leader_epoch_request_offset_for_leader_topic topic;
    while (offset_for_leader_epoch_request_offset_for_leader_topic_next(&it, &topic)) {
        size_t count = (size_t)MAX(topic.partitions.count, 0);
        struct offset_for_leader_epoch_response_epoch_end_offset *out =
                request_alloc(request, count, sizeof *out);
        struct wire_iterator partitions = wire_iterate(&topic.partitions);
        struct offset_for_leader_epoch_request_offset_for_leader_partition asked;
        for (size_t i = 0; offset_for_leader_epoch_request_offset_for_leader_partition_next(
                     &partitions, &asked);
                i++) {
            look_up(request, topic.topic, &asked, &out[i]);
        }
        topics[topic_count++] =
                (struct offset_for_leader_epoch_response_offset_for_leader_topic_result){
                    topic.topic, wire_array_of(out, count)
                };
    }
    response.topics = wire_array_of(topics, topic_count);
    request_reply(request, &response);
}
