/* What is deleted while faults go on: records up to an offset (DeleteRecords), and topics that live
 * for a moment, with records in them. Retention is the plain topics' own (admin.c). */
#include "base/fault.h"
#include "sim/client.h"
#include "wire/messages/delete_records.h"
#include "wire/messages/delete_topics.h"
#include "wire/messages/metadata.h"

#include <errno.h>
#include <stdio.h>

#define METADATA 3
#define DELETE_TOPICS 20
#define DELETE_RECORDS 21

static void
tell_code(struct client *client, const char *event, const char *topic, int32_t partition,
        const char *before, int r)
{
    world_event(client->world, client->name, event, topic, partition, "%s%s%d", before,
            r < 0 ? "errno" : "code", r < 0 ? -r : r);
}

/* Kafka's code, or -errno. */
MUST_CHECK MAY_SUSPEND static int
delete_until(
        struct client *client, const char *topic, int32_t index, int64_t offset, int64_t *ret_low)
{
    struct delete_records_request_partition partition = { index, offset };
    struct delete_records_request_topic asked = { bytes_of_string(topic),
        wire_array_of(&partition, 1) };
    struct delete_records_request request = delete_records_request_default;
    struct delete_records_response response;
    struct delete_records_response_topic_result answered;
    struct delete_records_response_partition_result p;
    int32_t leader = client_leader(client, topic, index);
    request.topics = wire_array_of(&asked, 1);
    request.timeout_ms = 5000;
    int r = leader > 0 ? client_call(client, leader, DELETE_RECORDS, 1, &request, &response)
                       : fault(-ENOENT, "no leader");
    if (r == 0) {
        struct wire_iterator topics = wire_iterate(&response.topics);
        if (!delete_records_response_topic_result_next(&topics, &answered)) {
            return fault(-EBADMSG, "an answer without its topic");
        }
        struct wire_iterator partitions = wire_iterate(&answered.partitions);
        if (!delete_records_response_partition_result_next(&partitions, &p)) {
            return fault(-EBADMSG, "an answer without its partition");
        }
        *ret_low = p.low_watermark;
        r = p.error_code;
    }
    if (r) {
        client_forget(client);
    }
    return r;
}

/* Some of what there is in some partition, now and then all of it. */
static void
records_go(struct client *client)
{
    struct world *world = client->world;
    const struct plan *plan = &world->plan;
    unsigned i = (unsigned)world_between(world, 0, plan->idempotent + plan->plain - 1);
    int32_t partition = (int32_t)world_between(world, 0, plan->partitions - 1);
    char topic[16];
    char offset_text[24];
    int64_t begin = 0;
    int64_t end = 0;
    int64_t low = -1;
    topic_name(i, i >= plan->idempotent, topic);
    client_forget(client);
    if (client_offset(client, topic, partition, -2, &begin) ||
            client_offset(client, topic, partition, -1, &end) || end <= begin) {
        return;
    }
    bool all = world_between(world, 0, 5) == 0;
    int64_t offset =
            all ? end : begin + (int64_t)world_between(world, 0, (uint64_t)(end - begin) / 2);
    world->trim_asked[i][partition] = MAX(world->trim_asked[i][partition], offset);
    world_event(world, client->name, "trim-asked", topic, partition, "%lld", (long long)offset);
    int r = delete_until(client, topic, partition, offset, &low);
    snprintf(offset_text, sizeof offset_text, "%lld ", (long long)offset);
    if (r == 0) {
        world_event(world, client->name, "trimmed", topic, partition, "%lld", (long long)low);
    } else {
        tell_code(client, "trim-unknown", topic, partition, offset_text, r);
    }
    if (r == 0 && low < offset) {
        world_violate(world, "%s/%d: records below %lld were deleted, and the log starts at %lld",
                topic, partition, (long long)offset, (long long)low);
    }
}

MUST_CHECK MAY_SUSPEND static int
delete_topic(struct client *client, const char *name)
{
    struct bytes text = bytes_of_string(name);
    struct delete_topics_request request = delete_topics_request_default;
    struct delete_topics_response response;
    struct delete_topics_response_deletable_topic_result result;
    request.topic_names = wire_array_of(&text, 1);
    request.timeout_ms = 5000;
    int r = client_call(client, client_any(client), DELETE_TOPICS, 5, &request, &response);
    if (r < 0) {
        return r;
    }
    struct wire_iterator topics = wire_iterate(&response.responses);
    return delete_topics_response_deletable_topic_result_next(&topics, &result)
                   ? result.error_code
                   : fault(-EBADMSG, "an answer without its topic");
}

/* A topic of its own name each time; one in four stays. */
static void
topic_comes_and_goes(struct client *client, unsigned number)
{
    struct world *world = client->world;
    char name[16];
    snprintf(name, sizeof name, "brief%u", number);
    world_event(world, client->name, "topic-asked", name, 0, "%u", world->plan.partitions);
    int r = admin_create_topic(client, name, 0);
    if (r == 0) {
        world_event(world, client->name, "topic-created", name, 0, "%s", "");
    } else {
        tell_code(client, "topic-unknown", name, 0, "", r);
    }
    for (unsigned i = 0; i < world->plan.partitions; i++) {
        producer_fill(client, name, (int32_t)i);
    }
    if (world_between(world, 0, 3) == 0 || !world_sleep(world, 10, 3000)) {
        return;
    }
    world_event(world, client->name, "delete-asked", name, 0, "%s", "");
    r = delete_topic(client, name);
    if (r == 0) {
        world_event(world, client->name, "topic-deleted", name, 0, "%s", "");
    } else {
        tell_code(client, "delete-unknown", name, 0, "", r);
    }
}

void
deleter_main(void *arg)
{
    struct client_process *self = arg;
    struct world *world = self->world;
    struct client client;
    unsigned topics = 0;
    client_init(&client, world, self->host);
    while (!world->calm && world_sleep(world, 100, 4000)) {
        if (world_between(world, 0, 2)) {
            records_go(&client);
        } else {
            topic_comes_and_goes(&client, topics++);
        }
    }
    client_done(&client);
    world->clients--;
}

/* All topics that there are. */
MUST_CHECK MAY_SUSPEND static int
topics_list(struct client *client)
{
    struct metadata_request request = metadata_request_default;
    struct metadata_response response;
    struct metadata_response_topic topic;
    request.topics = WIRE_ARRAY_NULL;
    request.allow_auto_topic_creation = false;
    int r = client_call(client, client_any(client), METADATA, 9, &request, &response);
    if (r < 0) {
        return r;
    }
    struct wire_iterator topics = wire_iterate(&response.topics);
    while (metadata_response_topic_next(&topics, &topic)) {
        char name[64];
        bytes_to_string(topic.name, name, sizeof name);
        world_event(client->world, client->name, "topic", name, 0, "%zu",
                (size_t)MAX(topic.partitions.count, 0));
    }
    world_event(client->world, client->name, "topics-listed", "-", 0, "%s", "");
    return 0;
}

void
last_topics(struct client *client)
{
    for (unsigned i = 0; i < 600; i++) {
        if (topics_list(client) == 0) {
            return;
        }
        if (!world_sleep(client->world, 100, 100)) {
            return;
        }
    }
    world_violate(client->world, "the topics cannot be listed after all faults");
}
