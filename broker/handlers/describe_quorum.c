/* DescribeQuorum (KIP-595, KIP-836, KIP-853): who has the last word about metadata, and how far the
 * log is. The log is one of objects, so the controller is the only voter; positions are those of
 * docs/formats (object sequence << 20 | index of the record in it), which grow but have gaps. */
#include "wire/messages/describe_quorum.h"

#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "reactor/clock.h"

#define METADATA_TOPIC "__cluster_metadata"

static struct describe_quorum_response_replica_state
replica_state(int32_t id, int64_t end)
{
    int64_t now_ms = clock_wall_ms();
    return (struct describe_quorum_response_replica_state){
        .replica_id = id,
        .log_end_offset = end,
        .last_fetch_timestamp = now_ms,
        .last_caught_up_timestamp = now_ms,
    };
}

static void
describe_partition(struct request *request, bool known, int32_t index,
        struct describe_quorum_response_partition_data *out)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    int32_t here = meta_broker_id(request->broker->meta);
    *out = describe_quorum_response_partition_data_default;
    out->partition_index = index;
    out->error_message = BYTES_NULL;
    if (!known || index != 0) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        out->error_message = bytes_of_string(kafka_error_message(out->error_code));
        return;
    }
    int64_t end = (int64_t)meta_state_sequence(state) + 1;
    struct describe_quorum_response_replica_state *states =
            request_alloc(request, 2, sizeof *states);
    out->leader_id = meta_state_controller(state);
    out->leader_epoch = (int32_t)meta_state_controller_epoch(state);
    out->high_watermark = end;
    states[0] = replica_state(out->leader_id, end);
    out->current_voters = wire_array_of(states, 1);
    if (here != out->leader_id) {
        states[1] = replica_state(here, end);
        out->observers = wire_array_of(&states[1], 1);
    }
}

static struct wire_array
describe_topics(struct request *request, const struct describe_quorum_request *message)
{
    size_t count = (size_t)MAX(message->topics.count, 0);
    struct describe_quorum_response_topic_data *topics =
            request_alloc(request, count, sizeof *topics);
    struct wire_iterator it = wire_iterate(&message->topics);
    struct describe_quorum_request_topic_data topic;
    for (size_t i = 0; describe_quorum_request_topic_data_next(&it, &topic); i++) {
        bool known = bytes_equal(topic.topic_name, BYTES_LITERAL(METADATA_TOPIC));
        size_t n = (size_t)MAX(topic.partitions.count, 0);
        struct describe_quorum_response_partition_data *partitions =
                request_alloc(request, n, sizeof *partitions);
        struct wire_iterator inner = wire_iterate(&topic.partitions);
        struct describe_quorum_request_partition_data partition;
        for (size_t k = 0; describe_quorum_request_partition_data_next(&inner, &partition); k++) {
            describe_partition(request, known, partition.partition_index, &partitions[k]);
        }
        topics[i] = (struct describe_quorum_response_topic_data){ topic.topic_name,
            wire_array_of(partitions, n) };
    }
    return wire_array_of(topics, count);
}

/* Where the controller is reached: as any broker. */
static struct wire_array
list_nodes(struct request *request)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    const struct meta_broker *broker = meta_broker_find(state, meta_state_controller(state));
    if (!broker) {
        return (struct wire_array){ 0 };
    }
    size_t count = (size_t)broker->endpoint_count;
    struct describe_quorum_response_listener *listeners =
            request_alloc(request, count, sizeof *listeners);
    struct describe_quorum_response_node *node = request_alloc(request, 1, sizeof *node);
    for (size_t i = 0; i < count; i++) {
        const struct meta_broker_endpoint *endpoint = &broker->endpoints[i];
        listeners[i] = (struct describe_quorum_response_listener){
            arena_dup(&request->arena, bytes_of_string(endpoint->listener)),
            arena_dup(&request->arena, bytes_of_string(endpoint->host)), (uint16_t)endpoint->port
        };
    }
    *node = (struct describe_quorum_response_node){ broker->id, wire_array_of(listeners, count) };
    return wire_array_of(node, 1);
}

void
handle_describe_quorum(struct request *request)
{
    struct describe_quorum_request message;
    struct describe_quorum_response response = describe_quorum_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    response.error_message = BYTES_NULL;
    response.topics = describe_topics(request, &message);
    if (request->version >= 2) {
        response.nodes = list_nodes(request);
    }
    request_reply(request, &response);
}
