/* CreatePartitions: more partitions for a topic. */
#include "wire/messages/create_partitions.h"

#include "base/log.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/run.h"
#include "partition/topics.h"

#include <errno.h>

#define PARTITIONS_PER_TOPIC_MAX 100000

static bool
named_before(const struct create_partitions_request *message, struct bytes name, size_t self)
{
    struct wire_iterator it = wire_iterate(&message->topics);
    struct create_partitions_request_topic topic;
    for (size_t i = 0; create_partitions_request_topic_next(&it, &topic); i++) {
        if (i != self && bytes_equal(topic.name, name)) {
            return true;
        }
    }
    return false;
}

static void
refuse(struct create_partitions_response_topic_result *out, int16_t error, struct bytes message)
{
    out->error_code = error;
    out->error_message = message;
}

/* Each new partition has its brokers named: as many entries as there are new partitions. */
static bool
check_assignments(const struct meta_topic *found,
        const struct create_partitions_request_topic *topic,
        struct create_partitions_response_topic_result *out)
{
    if (wire_array_is_null(&topic->assignments)) {
        return true;
    }
    if (topic->assignments.count != topic->count - found->partition_count) {
        refuse(out, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                BYTES_LITERAL("The number of assignments is not that of the new partitions."));
        return false;
    }
    return true;
}

static bool
check_topic(struct request *request, const struct create_partitions_request *message, size_t i,
        const struct create_partitions_request_topic *topic,
        struct create_partitions_response_topic_result *out)
{
    const struct meta_topic *found =
            meta_topic_by_name(meta_state(request->broker->meta), topic->name);
    if (named_before(message, topic->name, i)) {
        refuse(out, KAFKA_INVALID_REQUEST, BYTES_LITERAL("Duplicate topic name."));
    } else if (!found) {
        refuse(out, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                bytes_of_string(kafka_error_message(KAFKA_UNKNOWN_TOPIC_OR_PARTITION)));
    } else if (topic->count == found->partition_count) {
        refuse(out, KAFKA_INVALID_PARTITIONS,
                request_text(request, "Topic already has %d partition(s).", topic->count));
    } else if (topic->count < found->partition_count) {
        refuse(out, KAFKA_INVALID_PARTITIONS,
                request_text(request,
                        "The topic %s currently has %d partition(s); %d would not be an increase.",
                        found->name, found->partition_count, topic->count));
    } else if (topic->count > PARTITIONS_PER_TOPIC_MAX) {
        refuse(out, KAFKA_INVALID_PARTITIONS,
                BYTES_LITERAL("A topic has 100000 partitions at most."));
    } else {
        return check_assignments(found, topic, out);
    }
    return false;
}

static void
create(struct request *request, const struct create_partitions_request_topic *topic,
        struct create_partitions_response_topic_result *out)
{
    const struct meta_topic *found =
            meta_topic_by_name(meta_state(request->broker->meta), topic->name);
    int r = found ? topics_add_partitions(request->broker->meta, &found->id, topic->count)
                  : -ENOENT;
    if (r < 0) {
        LOG_WARN("partitions could not be created", LOG_BYTES("topic", topic->name), LOG_FAULT(r));
        int16_t error = r == -ENOENT   ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                        : r == -EINVAL ? KAFKA_INVALID_PARTITIONS
                        : r == -ENOSPC ? KAFKA_POLICY_VIOLATION
                                       : KAFKA_REQUEST_TIMED_OUT;
        refuse(out, error, bytes_of_string(kafka_error_message(error)));
    }
}

void
create_partitions_run(struct request *request, const struct create_partitions_request *message,
        struct create_partitions_response *ret_response)
{
    size_t count = (size_t)MAX(message->topics.count, 0);
    struct create_partitions_response_topic_result *out =
            request_alloc(request, count, sizeof *out);
    struct wire_iterator it = wire_iterate(&message->topics);
    struct create_partitions_request_topic topic;
    for (size_t i = 0; create_partitions_request_topic_next(&it, &topic); i++) {
        out[i] = create_partitions_response_topic_result_default;
        out[i].name = topic.name;
        out[i].error_message = BYTES_NULL;
        if (check_topic(request, message, i, &topic, &out[i]) && !message->validate_only) {
            create(request, &topic, &out[i]);
        }
    }
    *ret_response = create_partitions_response_default;
    ret_response->results = wire_array_of(out, count);
}

void
handle_create_partitions(struct request *request)
{
    struct create_partitions_request message;
    struct create_partitions_response response;
    if (request_read(request, &message) < 0) {
        return;
    }
    create_partitions_run(request, &message, &response);
    request_reply(request, &response);
}
