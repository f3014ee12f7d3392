/* Produce: every partition's batch goes to the reactor that owns it; when all have their place in
 * line the connection's next request may start; the answer waits until all are durable. */
#include "wire/messages/produce.h"

#include "base/log.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "partition/shard.h"
#include "reactor/call.h"

#include <errno.h>

struct produce_part {
    struct partition_append append;
    unsigned reactor;
    bool refused; /* never reached a shard; append.error says why */
    int result;   /* of partition_append_wait */
};

struct produce_work {
    struct broker *broker;
    struct produce_part *parts;
    size_t count;
    unsigned reactor;
};

static int
begin_here(void *arg)
{
    struct produce_work *work = arg;
    for (size_t i = 0; i < work->count; i++) {
        if (!work->parts[i].refused && work->parts[i].reactor == work->reactor) {
            partition_append_begin(work->broker->shards[work->reactor], &work->parts[i].append);
        }
    }
    return 0;
}

static int
wait_here(void *arg)
{
    struct produce_work *work = arg;
    int result = 0;
    for (size_t i = 0; i < work->count; i++) {
        if (!work->parts[i].refused && work->parts[i].reactor == work->reactor) {
            int r = partition_append_wait(
                    work->broker->shards[work->reactor], &work->parts[i].append);
            result = r < 0 ? r : result;
        }
    }
    return result;
}

/* Runs fn on each reactor that owns one of the parts. */
static int
on_each_reactor(struct produce_work *work, int (*fn)(void *arg))
{
    int result = 0;
    for (unsigned reactor = 0; reactor < reactor_count(); reactor++) {
        bool used = false;
        for (size_t i = 0; i < work->count && !used; i++) {
            used = !work->parts[i].refused && work->parts[i].reactor == reactor;
        }
        if (used) {
            work->reactor = reactor;
            int r = reactor_call(reactor, fn, work);
            result = r < 0 ? r : result;
        }
    }
    return result;
}

/* Finds the partition; what cannot be found is refused here. */
static void
route(struct request *request, const struct produce_request_topic_data *topic,
        const struct produce_request_partition_data *data, struct produce_part *part)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    const struct meta_topic *found = request->version >= 13
                                             ? meta_topic_by_id(state, &topic->topic_id)
                                             : meta_topic_by_name(state, topic->name);
    part->append = (struct partition_append){
        .owner = request->frame, .base_offset = -1, .log_append_time_ms = -1, .log_start_offset = -1
    };
    part->refused = true;
    if (!found || data->index < 0 || data->index >= found->partition_count) {
        part->append.error = -ENXIO;
        return;
    }
    if (data->records.bytes.size == 0) {
        part->append.error = APPEND_INVALID_RECORD;
        part->append.error_text = "The partition's record batch is missing.";
        return;
    }
    part->refused = false;
    part->append.key = (struct partition_key){ found->id, data->index };
    part->append.batches = request->frame->data + (data->records.bytes.data - request->frame->data);
    part->append.size = data->records.bytes.size;
    part->reactor = partition_reactor(part->append.key);
}

static size_t
count_parts(const struct produce_request *message)
{
    size_t count = 0;
    struct wire_iterator it = wire_iterate(&message->topic_data);
    struct produce_request_topic_data topic;
    while (produce_request_topic_data_next(&it, &topic)) {
        count += (size_t)MAX(topic.partition_data.count, 0);
    }
    return count;
}

static void
route_all(
        struct request *request, const struct produce_request *message, struct produce_part *parts)
{
    size_t n = 0;
    struct wire_iterator topics = wire_iterate(&message->topic_data);
    struct produce_request_topic_data topic;
    while (produce_request_topic_data_next(&topics, &topic)) {
        struct wire_iterator it = wire_iterate(&topic.partition_data);
        struct produce_request_partition_data data;
        while (produce_request_partition_data_next(&it, &data)) {
            route(request, &topic, &data, &parts[n++]);
        }
    }
}

static int16_t
error_of(const struct request *request, const struct partition_append *append)
{
    if (append->error == -ENXIO) {
        return request->version >= 13 ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return kafka_error_of_append(append->error);
}

static void
fill_partition(const struct request *request, int32_t index, const struct partition_append *append,
        struct produce_response_partition_response *out)
{
    *out = produce_response_partition_response_default;
    out->index = index;
    out->error_code = error_of(request, append);
    out->base_offset = out->error_code ? -1 : append->base_offset;
    out->log_append_time_ms = append->log_append_time_ms;
    out->log_start_offset = append->log_start_offset;
    out->error_message = bytes_of_string(append->error_text);
}

static void
reply(struct request *request, const struct produce_request *message,
        const struct produce_part *parts)
{
    struct produce_response response = produce_response_default;
    size_t topic_count = (size_t)MAX(message->topic_data.count, 0);
    struct produce_response_topic_response *topics =
            request_alloc(request, topic_count, sizeof *topics);
    size_t t = 0;
    size_t n = 0;
    struct wire_iterator it = wire_iterate(&message->topic_data);
    struct produce_request_topic_data topic;
    while (produce_request_topic_data_next(&it, &topic)) {
        size_t count = (size_t)MAX(topic.partition_data.count, 0);
        struct produce_response_partition_response *out =
                request_alloc(request, count, sizeof *out);
        struct wire_iterator data_it = wire_iterate(&topic.partition_data);
        struct produce_request_partition_data data;
        for (size_t i = 0; produce_request_partition_data_next(&data_it, &data); i++) {
            fill_partition(request, data.index, &parts[n++].append, &out[i]);
        }
        topics[t++] = (struct produce_response_topic_response){ topic.name, topic.topic_id,
            wire_array_of(out, count) };
    }
    response.responses = wire_array_of(topics, t);
    request_reply(request, &response);
}

static void
refuse_acks(struct produce_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        parts[i].refused = true;
        parts[i].append.error = -EPROTO;
    }
}

/* With acks=0 nobody reads an answer: as in Kafka an error closes the connection, so that the
 * client looks again. */
static void
finish_without_answer(struct request *request, const struct produce_part *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].append.error) {
            LOG_INFO("produce without acks failed, connection is closed",
                    LOG_INT("kafka_error", error_of(request, &parts[i].append)));
            request->close = true;
            return;
        }
    }
}

void
handle_produce(struct request *request)
{
    struct produce_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct produce_work work = { .broker = request->broker, .count = count_parts(&message) };
    work.parts = request_alloc(request, work.count, sizeof *work.parts);
    route_all(request, &message, work.parts);
    bool acks_known = message.acks >= -1 && message.acks <= 1;
    if (!acks_known) {
        refuse_acks(work.parts, work.count);
    }
    int r = on_each_reactor(&work, begin_here);
    request_ordered(request);
    int waited = on_each_reactor(&work, wait_here);
    if (r < 0 || waited < 0) {
        LOG_WARN("outcome of a produce request is not known, connection is closed",
                LOG_FAULT(r < 0 ? r : waited));
        request->close = true;
        return;
    }
    if (message.acks == 0) {
        finish_without_answer(request, work.parts, work.count);
        return;
    }
    reply(request, &message, work.parts);
}
