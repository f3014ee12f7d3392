/* ListOffsets: earliest, latest, greatest timestamp, and by time. */
#include "wire/messages/list_offsets.h"

#include "base/log.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "partition/shard.h"
#include "reactor/call.h"

#include <errno.h>

/* Special timestamps: ListOffsetsRequest of Kafka 4.4. */
#define LATEST -1
#define EARLIEST -2
#define MAX_TIMESTAMP -3  /* KIP-734 */
#define EARLIEST_LOCAL -4 /* KIP-405: nothing is local to a broker here, so the log start */
#define LATEST_TIERED -5  /* KIP-1005: the last offset that is in the bucket */
#define EARLIEST_PENDING_UPLOAD -6 /* KIP-1023 */

struct lookup {
    struct broker *broker;
    int16_t version;
    struct partition_key key;
    int64_t timestamp;
    int32_t leader_epoch;
    struct list_offsets_response_partition *out;
};

static int
look(const struct lookup *lookup, struct shard *shard, struct partition *partition)
{
    struct list_offsets_response_partition *out = lookup->out;
    int r = 0;
    switch (lookup->timestamp) {
    case LATEST:
        out->offset = partition->high_watermark;
        break;
    case EARLIEST:
    case EARLIEST_LOCAL:
        out->offset = partition_log_start(partition);
        break;
    case LATEST_TIERED:
        out->offset = partition->tail.uploaded_offset - 1;
        break;
    case EARLIEST_PENDING_UPLOAD:
        out->offset = partition->tail.uploaded_offset;
        break;
    case MAX_TIMESTAMP:
        r = partition_find_max_timestamp(shard, partition, &out->offset, &out->timestamp);
        break;
    default:
        r = lookup->timestamp < 0 ? -EINVAL
                                  : partition_find_timestamp(shard, partition, lookup->timestamp,
                                            &out->offset, &out->timestamp);
    }
    if (lookup->version >= 4) {
        out->leader_epoch = partition->epoch;
    }
    return r == -ENOENT ? 0 : r; /* no such record: offset -1, timestamp -1 */
}

static int
look_here(void *arg)
{
    struct lookup *lookup = arg;
    struct shard *shard = lookup->broker->shards[reactor_index()];
    struct partition *partition = shard_find_led(shard, lookup->key);
    if (!partition) {
        lookup->out->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
        return 0;
    }
    if (lookup->leader_epoch >= 0 && lookup->leader_epoch != partition->epoch) {
        bool older = lookup->leader_epoch < partition->epoch;
        lookup->out->error_code = older ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
        return 0;
    }
    partition_hold(partition);
    int r = partition_check(partition);
    r = r < 0 ? r : look(lookup, shard, partition);
    partition_release(partition);
    if (r < 0) {
        lookup->out->error_code =
                r == -EINVAL ? (int16_t)KAFKA_UNSUPPORTED_VERSION : kafka_error_of(r);
        if (r != -EINVAL) {
            LOG_WARN("offset lookup failed", LOG_INT("timestamp", lookup->timestamp), LOG_FAULT(r));
        }
    }
    return 0;
}

static void
look_up(struct request *request, const struct meta_topic *topic,
        const struct list_offsets_request_partition *asked,
        struct list_offsets_response_partition *out)
{
    *out = list_offsets_response_partition_default;
    out->partition_index = asked->partition_index;
    if (!topic || asked->partition_index < 0 || asked->partition_index >= topic->partition_count) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    struct lookup lookup = {
        .broker = request->broker,
        .version = request->version,
        .key = { topic->id, asked->partition_index },
        .timestamp = asked->timestamp,
        .leader_epoch = asked->current_leader_epoch,
        .out = out,
    };
    int r = reactor_call(partition_reactor(lookup.key), look_here, &lookup);
    if (r < 0) {
        out->error_code = kafka_error_of(r);
    }
}

void
handle_list_offsets(struct request *request)
{
    struct list_offsets_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct list_offsets_response response = list_offsets_response_default;
    size_t topic_count = (size_t)MAX(message.topics.count, 0);
    struct list_offsets_response_topic *topics =
            request_alloc(request, topic_count, sizeof *topics);
    size_t t = 0;
    struct wire_iterator it = wire_iterate(&message.topics);
    struct list_offsets_request_topic topic;
    while (list_offsets_request_topic_next(&it, &topic)) {
        size_t count = (size_t)MAX(topic.partitions.count, 0);
        struct list_offsets_response_partition *out = request_alloc(request, count, sizeof *out);
        struct wire_iterator partitions = wire_iterate(&topic.partitions);
        struct list_offsets_request_partition asked;
        for (size_t i = 0; list_offsets_request_partition_next(&partitions, &asked); i++) {
            /* Looked up for each: the metadata may change while a look-up waits. */
            look_up(request, meta_topic_by_name(meta_state(request->broker->meta), topic.name),
                    &asked, &out[i]);
        }
        topics[t++] = (struct list_offsets_response_topic){ topic.name, wire_array_of(out, count) };
    }
    response.topics = wire_array_of(topics, t);
    request_reply(request, &response);
}
