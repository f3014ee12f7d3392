/* DeleteTopics, by name or by id. */
#include "wire/messages/delete_topics.h"

#include "base/log.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/run.h"
#include "partition/topics.h"

#include <errno.h>

struct deletion {
    struct request *request;
    struct delete_topics_response_deletable_topic_result *out;
    struct meta_record *records;
    size_t *out_index;
    size_t count;
    size_t out_count;
};

static void
add(struct deletion *deletion, struct bytes name, const struct uuid *id)
{
    struct request *request = deletion->request;
    const struct meta_state *state = meta_state(request->broker->meta);
    const struct meta_topic *topic =
            name.data ? meta_topic_by_name(state, name) : meta_topic_by_id(state, id);
    struct delete_topics_response_deletable_topic_result *out = &deletion->out[deletion->out_count];
    *out = delete_topics_response_deletable_topic_result_default;
    out->name = name;
    out->topic_id = *id;
    if (!topic) {
        out->error_code = name.data ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_UNKNOWN_TOPIC_ID;
        out->error_message = bytes_of_string(kafka_error_message(out->error_code));
    } else {
        out->name = arena_dup(&request->arena, bytes_of_string(topic->name));
        out->topic_id = topic->id;
        deletion->out_index[deletion->count] = deletion->out_count;
        deletion->records[deletion->count++] =
                (struct meta_record){ .type = META_TOPIC_DELETE, .topic_delete = { topic->id } };
    }
    deletion->out_count++;
}

static void
carry_out(struct deletion *deletion)
{
    struct request *request = deletion->request;
    struct meta_result *results = request_alloc(request, deletion->count, sizeof *results);
    int r = meta_propose(request->broker->meta, deletion->records, deletion->count, results);
    if (r == 0) {
        r = topics_settle(request->broker->meta);
    }
    if (r < 0) {
        LOG_WARN("topics could not be deleted", LOG_FAULT(r));
    }
    for (size_t i = 0; i < deletion->count; i++) {
        int16_t code = r < 0              ? (int16_t)KAFKA_REQUEST_TIMED_OUT
                       : results[i].error ? (int16_t)KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                                          : (int16_t)KAFKA_NONE;
        deletion->out[deletion->out_index[i]].error_code = code;
        deletion->out[deletion->out_index[i]].error_message =
                bytes_of_string(kafka_error_message(code));
    }
}

void
delete_topics_run(struct request *request, const struct delete_topics_request *message,
        struct delete_topics_response *ret_response)
{
    size_t most =
            (size_t)MAX(message->topics.count, 0) + (size_t)MAX(message->topic_names.count, 0);
    struct deletion deletion = {
        .request = request,
        .out = request_alloc(request, most, sizeof *deletion.out),
        .records = request_alloc(request, most, sizeof *deletion.records),
        .out_index = request_alloc(request, most, sizeof *deletion.out_index),
    };
    struct wire_iterator it = wire_iterate(&message->topics);
    struct delete_topics_request_delete_topic_state topic;
    while (delete_topics_request_delete_topic_state_next(&it, &topic)) {
        add(&deletion, topic.name, &topic.topic_id);
    }
    struct bytes name;
    struct uuid none = UUID_ZERO;
    it = wire_iterate(&message->topic_names);
    while (wire_string_next(&it, &name)) {
        add(&deletion, name, &none);
    }
    if (deletion.count) {
        carry_out(&deletion);
    }
    *ret_response = delete_topics_response_default;
    ret_response->responses = wire_array_of(deletion.out, deletion.out_count);
}

void
handle_delete_topics(struct request *request)
{
    struct delete_topics_request message;
    struct delete_topics_response response;
    if (request_read(request, &message) < 0) {
        return;
    }
    delete_topics_run(request, &message, &response);
    request_reply(request, &response);
}
