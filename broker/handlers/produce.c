/* Produce: every partition's batch goes to the reactor that owns it; when all have their place in
 * line the connection's next request may start; the answer waits until all are durable. */
#include "wire/messages/produce.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "handlers/error_names.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "handlers/leader_hint.h"
#include "partition/shard.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define REFUSAL_LOG_INTERVAL_NS ((uint64_t)NS_PER_S)
#define REFUSAL_TEXT_SIZE 160

struct produce_part {
    struct partition_append append;
    unsigned reactor;
    bool refused; /* never reached a shard; append.error says why */
};

struct produce_work {
    struct request *request;
    struct produce_part *parts;
    size_t count;
    unsigned home;
    unsigned unplaced; /* turns that have not begun their appends; on the home reactor */
};

/* What one reactor does of the work. */
struct produce_turn {
    struct produce_work *work;
    unsigned reactor;
    bool placed; /* on the home reactor */
};

static bool
is_of_turn(const struct produce_part *part, const struct produce_turn *turn)
{
    return !part->refused && part->reactor == turn->reactor;
}

/* On the home reactor, maybe in its loop: once all have their places the next request may start. */
static void
turn_placed(void *arg)
{
    struct produce_turn *turn = arg;
    if (!turn->placed) {
        turn->placed = true;
        if (--turn->work->unplaced == 0) {
            request_ordered(turn->work->request);
        }
    }
}

static void
turn_begin(struct produce_turn *turn, struct shard *shard)
{
    struct produce_work *work = turn->work;
    for (size_t i = 0; i < work->count; i++) {
        if (is_of_turn(&work->parts[i], turn)) {
            partition_append_begin(shard, &work->parts[i].append);
        }
    }
    if (work->home == turn->reactor) {
        turn_placed(turn);
    } else {
        reactor_post_inline(work->home, turn_placed, turn);
    }
}

/* On the turn's reactor: begins and waits in one visit, so that an answer costs one message there
 * and one back. */
static int
turn_here(void *arg)
{
    struct produce_turn *turn = arg;
    struct produce_work *work = turn->work;
    struct shard *shard = work->request->broker->shards[turn->reactor];
    int result = 0;
    turn_begin(turn, shard);
    for (size_t i = 0; i < work->count; i++) {
        if (is_of_turn(&work->parts[i], turn)) {
            int r = partition_append_wait(shard, &work->parts[i].append);
            result = r < 0 ? r : result;
        }
    }
    return result;
}

static int
turn_run(void *arg)
{
    struct produce_turn *turn = arg;
    int r = reactor_call(turn->reactor, turn_here, turn);
    /* Also when the call was never sent. */
    turn_placed(turn);
    return r;
}

static size_t
find_turns(struct produce_work *work, struct produce_turn turns[REACTORS_MAX])
{
    bool used[REACTORS_MAX] = { false };
    size_t count = 0;
    for (size_t i = 0; i < work->count; i++) {
        const struct produce_part *part = &work->parts[i];
        if (!part->refused && !used[part->reactor]) {
            used[part->reactor] = true;
            turns[count++] = (struct produce_turn){ .work = work, .reactor = part->reactor };
        }
    }
    return count;
}

/* All reactors at the same time. < 0: the outcome of some part is not known. */
static int
append_all(struct produce_work *work)
{
    struct produce_turn turns[REACTORS_MAX];
    struct fiber_group group;
    size_t count = find_turns(work, turns);
    if (count == 0) {
        request_ordered(work->request);
        return 0;
    }
    work->unplaced = (unsigned)count;
    fiber_group_init(&group);
    for (size_t i = 1; i < count; i++) {
        fiber_group_spawn(&group, "produce", turn_run, &turns[i]);
    }
    int r = turn_run(&turns[0]);
    int others = fiber_group_wait(&group);
    return r < 0 ? r : others;
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
    part->append.zstd_refused = request->version < 7;
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

/* What an answer says beside the offsets. */
struct produce_extras {
    size_t record_errors_left;
    struct leader_hints hints;
};

/* Names the records at fault, unless that would be too many in one answer: then the error stands
 * for the whole batch. */
static struct wire_array
list_record_errors(
        struct request *request, const struct partition_append *append, size_t *record_errors_left)
{
    if (append->rejected_count > *record_errors_left) {
        return wire_array_of(NULL, 0);
    }
    *record_errors_left -= append->rejected_count;
    struct produce_response_record_error *out =
            request_alloc(request, append->rejected_count, sizeof *out);
    for (size_t i = 0; i < append->rejected_count; i++) {
        out[i] = (struct produce_response_record_error){ append->rejected[i], BYTES_NULL };
    }
    return wire_array_of(out, append->rejected_count);
}

/* KIP-951 */
static struct wire_array
fill_endpoints(struct request *request, const struct leader_hints *hints)
{
    struct produce_response_node_endpoint *out = request_alloc(request, hints->count, sizeof *out);
    size_t count = 0;
    for (size_t i = 0; i < hints->count; i++) {
        const struct meta_broker *broker;
        const struct meta_broker_endpoint *endpoint = leader_hint_endpoint(hints, i, &broker);
        if (endpoint) {
            out[count++] = (struct produce_response_node_endpoint){ broker->id,
                arena_dup(&request->arena, bytes_of_string(endpoint->host)), endpoint->port,
                broker->rack ? arena_dup(&request->arena, bytes_of_string(broker->rack))
                             : BYTES_NULL };
        }
    }
    return wire_array_of(out, count);
}

/* Why, with the numbers of a gap: whose fault one is shows in what came before. */
static const char *
refusal_text(const struct partition_append *append, char text[REFUSAL_TEXT_SIZE])
{
    const struct append_gap *gap = &append->gap;
    const char *why = append->error_text ? append->error_text : "";
    if (append->error != APPEND_OUT_OF_ORDER_SEQUENCE) {
        return why;
    }
    snprintf(text, REFUSAL_TEXT_SIZE, "%s Producer %" PRId64 ", epoch %d: %d came, %d should have.",
            why, gap->producer_id, gap->epoch, gap->sequence, gap->expected);
    return text;
}

/* What a client did wrong, as against what it could not know; one line a second at most, or a flood
 * of bad batches would be a flood of lines. */
static void
log_refusal(const struct request *request, const struct produce_request_topic_data *topic,
        int32_t index, const struct partition_append *append)
{
    static _Thread_local uint64_t logged_ns;
    static _Thread_local uint64_t silent;
    if (append->error <= APPEND_NOT_LEADER) {
        return;
    }
    char text[REFUSAL_TEXT_SIZE];
    uint64_t now_ns = clock_mono_coarse_ns();
    if (logged_ns && now_ns - logged_ns < REFUSAL_LOG_INTERVAL_NS) {
        silent++;
        return;
    }
    const struct meta_topic *found =
            request->version >= 13
                    ? meta_topic_by_id(meta_state(request->broker->meta), &topic->topic_id)
                    : NULL;
    LOG_WARN("batch refused",
            LOG_BYTES("topic", found ? bytes_of_string(found->name) : topic->name),
            LOG_INT("partition", index),
            LOG_STR("kafka_error", kafka_error_name(error_of(request, append))),
            LOG_STR("why", refusal_text(append, text)), LOG_BYTES("client_id", request->client_id),
            LOG_INT("others_refused", silent));
    logged_ns = now_ns;
    silent = 0;
}

static void
fill_partition(struct request *request, int32_t index, const struct partition_append *append,
        struct produce_extras *extras, struct produce_response_partition_response *out)
{
    *out = produce_response_partition_response_default;
    out->index = index;
    out->error_code = error_of(request, append);
    out->base_offset = out->error_code ? -1 : append->base_offset;
    out->log_append_time_ms = append->log_append_time_ms;
    out->log_start_offset = append->log_start_offset;
    out->error_message = bytes_of_string(append->error_text);
    out->record_errors = list_record_errors(request, append, &extras->record_errors_left);
    if (out->error_code == KAFKA_NOT_LEADER_OR_FOLLOWER && request->version >= 10) {
        leader_hint_find(&extras->hints, append->key, &out->current_leader.leader_id,
                &out->current_leader.leader_epoch);
    }
}

static void
reply(struct request *request, const struct produce_request *message,
        const struct produce_part *parts)
{
    struct produce_response response = produce_response_default;
    size_t topic_count = (size_t)MAX(message->topic_data.count, 0);
    struct produce_response_topic_response *topics =
            request_alloc(request, topic_count, sizeof *topics);
    struct produce_extras extras = { RECORD_ERRORS_MAX, { .request = request } };
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
            log_refusal(request, &topic, data.index, &parts[n].append);
            fill_partition(request, data.index, &parts[n++].append, &extras, &out[i]);
        }
        topics[t++] = (struct produce_response_topic_response){ topic.name, topic.topic_id,
            wire_array_of(out, count) };
    }
    response.responses = wire_array_of(topics, t);
    response.node_endpoints = fill_endpoints(request, &extras.hints);
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

/* Everything but the memory that parts hold. */
static void
serve(struct request *request, const struct produce_request *message, struct produce_work *work)
{
    bool acks_known = message->acks >= -1 && message->acks <= 1;
    if (!acks_known) {
        refuse_acks(work->parts, work->count);
    }
    int r = append_all(work);
    if (r < 0) {
        LOG_WARN("outcome of a produce request is not known, connection is closed", LOG_FAULT(r));
        request->close = true;
        return;
    }
    if (message->acks == 0) {
        finish_without_answer(request, work->parts, work->count);
        return;
    }
    reply(request, message, work->parts);
}

void
handle_produce(struct request *request)
{
    struct produce_request message;
    if (request_read(request, &message) < 0) {
        return;
    }
    struct produce_work work = {
        .request = request, .count = count_parts(&message), .home = reactor_index()
    };
    work.parts = request_alloc(request, work.count, sizeof *work.parts);
    route_all(request, &message, work.parts);
    serve(request, &message, &work);
    for (size_t i = 0; i < work.count; i++) {
        mem_free(work.parts[i].append.rejected);
    }
}
