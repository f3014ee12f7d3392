/* DeleteRecords: moves log starts up. */
#include "wire/messages/delete_records.h"

#include "base/log.h"
#include "base/mutant.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "partition/shard.h"
#include "reactor/call.h"

#include <errno.h>

#define HIGH_WATERMARK (-1) /* as the offset: all that there is */

struct deletion {
    struct broker *broker;
    struct partition_key key;
    int64_t offset;
    int64_t low_watermark;
};

/* On the partition's reactor. */
static int
delete_here(void *arg)
{
    struct deletion *deletion = arg;
    struct shard *shard = deletion->broker->shards[reactor_index()];
    struct partition *partition = shard_find(shard, deletion->key);
    if (!partition) {
        return -ENOENT;
    }
    int64_t offset =
            deletion->offset == HIGH_WATERMARK ? partition->high_watermark : deletion->offset;
    if (MUTANT(MUTANT_DELETE_NOTHING)) {
        deletion->low_watermark = offset;
        return 0;
    }
    offset = MUTANT(MUTANT_DELETE_TOO_MUCH) ? MIN(offset + 7, partition->high_watermark) : offset;
    partition_hold(partition);
    int r = partition_set_log_start(shard, partition, offset);
    if (r == 0) {
        deletion->low_watermark = partition_log_start(partition);
    }
    partition_release(partition);
    return r;
}

static void
delete_records(struct request *request, struct bytes name,
        const struct delete_records_request_partition *asked,
        struct delete_records_response_partition_result *out)
{
    const struct meta_topic *topic = meta_topic_by_name(meta_state(request->broker->meta), name);
    *out = delete_records_response_partition_result_default;
    out->partition_index = asked->partition_index;
    out->low_watermark = -1;
    if (!topic || asked->partition_index < 0 || asked->partition_index >= topic->partition_count) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    struct deletion deletion = { request->broker, { topic->id, asked->partition_index },
        asked->offset, -1 };
    int r = reactor_call(partition_reactor(deletion.key), delete_here, &deletion);
    out->low_watermark = deletion.low_watermark;
    out->error_code = kafka_error_of(r);
    if (r < 0 && r != -ERANGE && r != -ENOENT) {
        LOG_WARN("records could not be deleted", LOG_BYTES("topic", name),
                LOG_INT("partition", asked->partition_index), LOG_FAULT(r));
    }
}

/* Kafka refuses the request for topics without cleanup.policy=delete. */
static bool
may_delete(struct request *request, struct bytes name)
{
    struct bytes policy;
    return !meta_config_get(meta_state(request->broker->meta), META_RESOURCE_TOPIC, name,
                   BYTES_LITERAL("cleanup.policy"), &policy) ||
           !bytes_equal(policy, BYTES_LITERAL("compact"));
}

void
handle_delete_records(struct request *request)
{
    struct delete_records_request message;
    struct delete_records_response response = delete_records_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct delete_records_response_topic_result *topics =
            request_alloc(request, (size_t)MAX(message.topics.count, 0), sizeof *topics);
    size_t topic_count = 0;
    struct wire_iterator it = wire_iterate(&message.topics);
    struct delete_records_request_topic topic;
    while (delete_records_request_topic_next(&it, &topic)) {
        size_t count = (size_t)MAX(topic.partitions.count, 0);
        struct delete_records_response_partition_result *out =
                request_alloc(request, count, sizeof *out);
        struct wire_iterator partitions = wire_iterate(&topic.partitions);
        struct delete_records_request_partition asked;
        for (size_t i = 0; delete_records_request_partition_next(&partitions, &asked); i++) {
            if (may_delete(request, topic.name)) {
                delete_records(request, topic.name, &asked, &out[i]);
            } else {
                out[i] = (struct delete_records_response_partition_result){ asked.partition_index,
                    -1, KAFKA_POLICY_VIOLATION };
            }
        }
        topics[topic_count++] = (struct delete_records_response_topic_result){ topic.name,
            wire_array_of(out, count) };
    }
    response.topics = wire_array_of(topics, topic_count);
    request_reply(request, &response);
}
