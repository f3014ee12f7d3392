/* Producers: one topic each, a fiber for each partition. The idempotent ones repeat a window of
 * batches until all of it is acknowledged, as Kafka's producer does; the plain ones send once. */
#include "base/buf.h"
#include "base/check.h"
#include "base/fault.h"
#include "reactor/clock.h"
#include "sim/client.h"
#include "wire/messages/init_producer_id.h"
#include "wire/messages/produce.h"
#include "wire/record_builder.h"

#include <errno.h>
#include <stdio.h>

#define PRODUCE 0
#define INIT_PRODUCER_ID 22
#define WINDOW_MAX 5
#define BATCH_MAX 4

struct batch {
    int64_t number; /* of the first record */
    int count;
    int32_t sequence;
    struct buf *bytes;
    bool done;
};

struct producer {
    struct client client;
    char topic[16];
    int32_t partition;
    bool plain;
    int64_t producer_id;
    int16_t epoch;
    int64_t next_number;
    struct batch window[WINDOW_MAX];
    unsigned window_count;
};

static void
tell(struct producer *p, const char *event, int64_t number, const char *what)
{
    world_event(p->client.world, p->client.name, event, p->topic, p->partition, "%lld %s",
            (long long)number, what);
}

static void
tell_sent(struct producer *p, const struct batch *batch)
{
    for (int i = 0; i < batch->count; i++) {
        world_event(p->client.world, p->client.name, "send", p->topic, p->partition, "%lld",
                (long long)batch->number + i);
    }
}

static void
tell_acked(struct producer *p, const struct batch *batch, int64_t base_offset)
{
    for (int i = 0; i < batch->count; i++) {
        world_event(p->client.world, p->client.name, "ack", p->topic, p->partition, "%lld %lld",
                (long long)batch->number + i, (long long)base_offset + i);
    }
}

/* All records of a batch that has no acknowledgement. */
static void
tell_not_acked(struct producer *p, const struct batch *batch, const char *event, int code)
{
    char text[24];
    snprintf(text, sizeof text, "%s%d", code < 0 ? "errno" : "code", code < 0 ? -code : code);
    for (int i = 0; i < batch->count; i++) {
        tell(p, event, batch->number + i, text);
    }
}

static void
batch_build(struct producer *p, struct batch *batch)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct record_builder builder;
    uint8_t value[RECORD_VALUE_MAX];
    *batch = (struct batch){ .number = p->next_number,
        .count = (int)world_between(p->client.world, 1, BATCH_MAX),
        .sequence = (int32_t)p->next_number };
    if (!p->plain) {
        options.producer_id = p->producer_id;
        options.producer_epoch = p->epoch;
        options.base_sequence = batch->sequence;
    }
    record_builder_init(&builder, &options, BATCH_MAX * (RECORD_VALUE_MAX + 100));
    for (int i = 0; i < batch->count; i++) {
        size_t size = record_value(p->partition, batch->number + i, value);
        const struct record record = {
            .value = bytes_of(value, size), .offset = i, .timestamp = clock_wall_ms()
        };
        record_builder_append(&builder, &record);
    }
    CHECK(record_builder_finish(&builder, &batch->bytes) == 0);
    record_builder_done(&builder);
    p->next_number += batch->count;
}

static int
batch_send(struct producer *p, struct kafka *link, const struct batch *batch)
{
    struct produce_request_partition_data data = produce_request_partition_data_default;
    struct produce_request_topic_data topic = produce_request_topic_data_default;
    struct produce_request request = produce_request_default;
    data.index = p->partition;
    data.records.bytes = buf_bytes(batch->bytes);
    topic.name = bytes_of_string(p->topic);
    topic.partition_data = wire_array_of(&data, 1);
    request.acks = -1;
    request.timeout_ms = 5000;
    request.topic_data = wire_array_of(&topic, 1);
    return kafka_send(link, PRODUCE, 9, &request, clock_mono_ns() + CLIENT_CALL_NS);
}

/* Kafka's code, or -errno. */
static int
batch_receive(struct kafka *link, int64_t *ret_offset)
{
    struct produce_response response;
    struct produce_response_topic_response topic;
    struct produce_response_partition_response p;
    int r = kafka_receive(link, &response, clock_mono_ns() + CLIENT_CALL_NS);
    if (r < 0) {
        return r;
    }
    struct wire_iterator topics = wire_iterate(&response.responses);
    if (!produce_response_topic_response_next(&topics, &topic)) {
        return fault(-EBADMSG, "a produce answer without its topic");
    }
    struct wire_iterator partitions = wire_iterate(&topic.partition_responses);
    if (!produce_response_partition_response_next(&partitions, &p)) {
        return fault(-EBADMSG, "a produce answer without its partition");
    }
    *ret_offset = p.base_offset;
    return p.error_code;
}

/* What an idempotent producer must never hear: its place in the sequence is part of what was
 * acknowledged. */
static bool
is_fatal(int code, bool is_first)
{
    return code == CODE_DUPLICATE_SEQUENCE || code == CODE_UNKNOWN_PRODUCER ||
           (code == CODE_OUT_OF_ORDER && is_first);
}

/* Sends what is not done, reads all answers. Returns how many answers were errors, or -errno. */
static int
window_try(struct producer *p, int32_t leader)
{
    struct kafka *link;
    int r = client_link(&p->client, leader, &link);
    for (unsigned i = 0; r == 0 && i < p->window_count; i++) {
        r = p->window[i].done ? 0 : batch_send(p, link, &p->window[i]);
    }
    int errors = 0;
    for (unsigned i = 0; r >= 0 && i < p->window_count; i++) {
        struct batch *batch = &p->window[i];
        int64_t offset = -1;
        if (batch->done) {
            continue;
        }
        r = batch_receive(link, &offset);
        batch->done = r == 0;
        if (r == 0) {
            tell_acked(p, batch, offset);
        } else if (is_fatal(r, errors == 0)) {
            tell_not_acked(p, batch, "fatal", r);
        }
        errors += r > 0;
    }
    if (r < 0) {
        client_unlink(&p->client, leader);
    }
    return r < 0 ? r : errors;
}

static bool
window_is_done(const struct producer *p)
{
    for (unsigned i = 0; i < p->window_count; i++) {
        if (!p->window[i].done) {
            return false;
        }
    }
    return true;
}

/* Repeats until everything is acknowledged. False: the process dies. */
static bool
window_push(struct producer *p)
{
    while (!window_is_done(p)) {
        int32_t leader = client_leader(&p->client, p->topic, p->partition);
        int r = leader > 0 ? window_try(p, leader) : -ENOENT;
        if (r == -ECANCELED) {
            return false;
        }
        if (r != 0) {
            client_forget(&p->client);
            if (!world_sleep(p->client.world, 20, 300)) {
                return false;
            }
        }
    }
    return true;
}

static bool
window_fill_and_push(struct producer *p)
{
    p->window_count = (unsigned)world_between(p->client.world, 1, WINDOW_MAX);
    for (unsigned i = 0; i < p->window_count; i++) {
        batch_build(p, &p->window[i]);
        tell_sent(p, &p->window[i]);
    }
    bool alive = window_push(p);
    for (unsigned i = 0; i < p->window_count; i++) {
        buf_unref(p->window[i].bytes);
    }
    return alive;
}

/* One batch, once. */
static bool
plain_send(struct producer *p)
{
    struct kafka *link;
    int32_t leader = client_leader(&p->client, p->topic, p->partition);
    int r = leader > 0 ? client_link(&p->client, leader, &link) : -ENOENT;
    if (r < 0) {
        client_forget(&p->client);
        return r != -ECANCELED; /* nothing was sent */
    }
    struct batch batch;
    batch_build(p, &batch);
    tell_sent(p, &batch);
    int64_t offset = -1;
    r = batch_send(p, link, &batch);
    r = r < 0 ? r : batch_receive(link, &offset);
    buf_unref(batch.bytes);
    if (r == 0) {
        tell_acked(p, &batch, offset);
        return true;
    }
    client_forget(&p->client);
    bool refused = r == CODE_NOT_LEADER || r == CODE_UNKNOWN_TOPIC;
    tell_not_acked(p, &batch, refused ? "refused" : "unknown", r);
    if (r < 0) {
        client_unlink(&p->client, leader);
    }
    return r != -ECANCELED;
}

void
producer_fill(struct client *client, const char *topic, int32_t partition)
{
    struct producer p = { .client = *client, .partition = partition, .plain = true };
    struct kafka *link;
    struct batch batch;
    int64_t offset;
    snprintf(p.topic, sizeof p.topic, "%s", topic);
    client_forget(client);
    int32_t leader = client_leader(client, topic, partition);
    if (leader < 1 || client_link(client, leader, &link) < 0) {
        return;
    }
    batch_build(&p, &batch);
    int r = batch_send(&p, link, &batch);
    r = r < 0 ? r : batch_receive(link, &offset);
    buf_unref(batch.bytes);
    if (r < 0) {
        client_unlink(client, leader);
    }
    client_forget(client);
}

static bool
take_producer_id(struct producer *p)
{
    while (!p->plain) {
        struct init_producer_id_request request = init_producer_id_request_default;
        struct init_producer_id_response response;
        request.transactional_id = BYTES_NULL;
        request.transaction_timeout_ms = 60000;
        int r = client_call(
                &p->client, client_any(&p->client), INIT_PRODUCER_ID, 4, &request, &response);
        if (r == 0 && response.error_code == 0) {
            p->producer_id = response.producer_id;
            p->epoch = response.producer_epoch;
            break;
        }
        if (!world_sleep(p->client.world, 100, 500)) {
            return false;
        }
    }
    return true;
}

static int
partition_main(void *arg)
{
    struct producer *p = arg;
    struct world *world = p->client.world;
    bool alive = take_producer_id(p);
    while (alive && !world->closing) {
        alive = p->plain ? plain_send(p) : window_fill_and_push(p);
        alive = alive && world_sleep(world, 5, 400);
    }
    client_done(&p->client);
    return 0;
}

void
producer_main(void *arg)
{
    struct client_process *self = arg;
    struct world *world = self->world;
    struct fiber_group group;
    static struct producer all[PLAN_TOPICS_MAX][8];
    bool plain = self->index >= world->plan.idempotent;
    fiber_group_init(&group);
    for (unsigned i = 0; i < world->plan.partitions; i++) {
        struct producer *p = &all[self->index][i];
        char name[32];
        snprintf(name, sizeof name, "%s-%u", self->host, i);
        client_init(&p->client, world, name);
        topic_name(self->index, plain, p->topic);
        p->partition = (int32_t)i;
        p->plain = plain;
        fiber_group_spawn(&group, "partition", partition_main, p);
    }
    CHECK(fiber_group_wait(&group) == 0);
    world->clients--;
}
