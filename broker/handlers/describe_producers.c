/* DescribeProducers (KIP-664): the idempotent producers that a partition remembers. */
#include "wire/messages/describe_producers.h"

#include "base/log.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "partition/shard.h"
#include "reactor/call.h"

#include <errno.h>

struct lookup {
    struct request *request;
    struct partition_key key;
    struct describe_producers_response_partition *out;
};

static void
list_producers(struct lookup *lookup, const struct producer_states *states)
{
    struct describe_producers_response_producer_state *producers =
            request_alloc(lookup->request, states->by_id.count, sizeof *producers);
    size_t count = 0;
    LIST_FOREACH (link, &states->by_use) {
        const struct producer *p = CONTAINER_OF(link, struct producer, link);
        struct describe_producers_response_producer_state *out = &producers[count++];
        *out = describe_producers_response_producer_state_default;
        out->producer_id = p->id;
        out->producer_epoch = p->epoch;
        out->last_timestamp = p->last_timestamp;
        out->coordinator_epoch = -1;
        if (p->batch_count > 0) {
            out->last_sequence = p->batches[p->batch_count - 1].last_sequence;
        }
    }
    lookup->out->active_producers = wire_array_of(producers, count);
}

/* On the partition's reactor; the caller waits, so its arena is ours. */
static int
look_here(void *arg)
{
    struct lookup *lookup = arg;
    struct shard *shard = lookup->request->broker->shards[reactor_index()];
    struct partition *partition = shard_find_led(shard, lookup->key);
    if (!partition) {
        return -ENOENT;
    }
    partition_hold(partition);
    int r = partition_load_producers(shard, partition);
    if (r == 0) {
        list_producers(lookup, &partition->producers);
    }
    partition_release(partition);
    return r;
}

static void
look_up(struct request *request, struct bytes name, int32_t index,
        struct describe_producers_response_partition *out)
{
    const struct meta_topic *topic = meta_topic_by_name(meta_state(request->broker->meta), name);
    *out = describe_producers_response_partition_default;
    out->partition_index = index;
    out->active_producers = wire_array_of(NULL, 0);
    out->error_message = BYTES_NULL;
    if (!topic || index < 0 || index >= topic->partition_count) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        out->error_message = bytes_of_string(kafka_error_message(out->error_code));
        return;
    }
    struct lookup lookup = { request, { topic->id, index }, out };
    int r = reactor_call(partition_reactor(lookup.key), look_here, &lookup);
    if (r < 0) {
        LOG_WARN("producers could not be listed", LOG_BYTES("topic", name),
                LOG_INT("partition", index), LOG_FAULT(r));
        out->error_code = kafka_error_of(r);
        out->error_message = bytes_of_string(kafka_error_message(out->error_code));
    }
}

void
handle_describe_producers(struct request *request)
{
    struct describe_producers_request message;
    struct describe_producers_response response = describe_producers_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct describe_producers_response_topic *topics =
            request_alloc(request, (size_t)MAX(message.topics.count, 0), sizeof *topics);
    size_t topic_count = 0;
    struct wire_iterator it = wire_iterate(&message.topics);
    struct describe_producers_request_topic topic;
    while (describe_producers_request_topic_next(&it, &topic)) {
        size_t count = (size_t)MAX(topic.partition_indexes.count, 0);
        struct describe_producers_response_partition *out =
                request_alloc(request, count, sizeof *out);
        struct wire_iterator partitions = wire_iterate(&topic.partition_indexes);
        int32_t index;
        for (size_t i = 0; wire_int32_next(&partitions, &index); i++) {
            look_up(request, topic.name, index, &out[i]);
        }
        topics[topic_count++] =
                (struct describe_producers_response_topic){ topic.name, wire_array_of(out, count) };
    }
    response.topics = wire_array_of(topics, topic_count);
    request_reply(request, &response);
}
