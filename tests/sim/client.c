/* See client.h. */
#include "sim/client.h"

#include "base/check.h"
#include "base/fault.h"
#include "reactor/clock.h"
#include "wire/messages/metadata.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PORT 9092
#define METADATA 3

void
client_init(struct client *client, struct world *world, const char *name)
{
    *client = (struct client){ .world = world, .leader = -1, .coordinator = -1 };
    snprintf(client->name, sizeof client->name, "%s", name);
}

void
client_unlink(struct client *client, int32_t broker)
{
    struct kafka *link = client->links[broker];
    client->links[broker] = NULL;
    kafka_close(link);
}

void
client_done(struct client *client)
{
    for (int32_t i = 1; i <= PLAN_BROKERS_MAX; i++) {
        client_unlink(client, i);
    }
}

int
client_link(struct client *client, int32_t broker, struct kafka **ret_link)
{
    CHECK(broker >= 1 && broker <= PLAN_BROKERS_MAX);
    if (!client->links[broker]) {
        const struct node *node = &client->world->nodes[broker - 1];
        int r = kafka_connect(
                node->name, PORT, clock_mono_ns() + CLIENT_CALL_NS, &client->links[broker]);
        if (r < 0) {
            return r;
        }
    }
    *ret_link = client->links[broker];
    return 0;
}

int
client_call(struct client *client, int32_t broker, int16_t api_key, int16_t version,
        const void *request, void *ret_response)
{
    struct kafka *link;
    uint64_t deadline_ns = clock_mono_ns() + CLIENT_CALL_NS;
    int r = client_link(client, broker, &link);
    if (r < 0) {
        return r;
    }
    r = kafka_send(link, api_key, version, request, deadline_ns);
    r = r < 0 ? r : kafka_receive(link, ret_response, deadline_ns);
    if (r < 0) {
        client_unlink(client, broker);
    }
    return r;
}

int32_t
client_any(struct client *client)
{
    return (int32_t)world_between(client->world, 1, client->world->plan.brokers);
}

void
client_forget(struct client *client)
{
    client->leader = -1;
}

static int32_t
leader_in(const struct metadata_response *response, int32_t partition)
{
    struct metadata_response_topic topic;
    struct metadata_response_partition p;
    struct wire_iterator topics = wire_iterate(&response->topics);
    while (metadata_response_topic_next(&topics, &topic)) {
        struct wire_iterator partitions = wire_iterate(&topic.partitions);
        while (metadata_response_partition_next(&partitions, &p)) {
            if (p.partition_index == partition) {
                return p.leader_id;
            }
        }
    }
    return -1;
}

int32_t
client_leader(struct client *client, const char *topic, int32_t partition)
{
    if (client->leader > 0) {
        return client->leader;
    }
    struct metadata_request_topic wanted = metadata_request_topic_default;
    wanted.name = bytes_of_string(topic);
    struct metadata_request request = metadata_request_default;
    request.topics = wire_array_of(&wanted, 1);
    request.allow_auto_topic_creation = false;
    struct metadata_response response;
    int r = client_call(client, client_any(client), METADATA, 9, &request, &response);
    client->leader = r < 0 ? -1 : leader_in(&response, partition);
    return client->leader;
}

static uint64_t
filler(int32_t partition, int64_t number)
{
    return hash_u64((uint64_t)number << 8 ^ (uint64_t)partition);
}

size_t
record_value(int32_t partition, int64_t number, uint8_t value[RECORD_VALUE_MAX])
{
    uint64_t dice = filler(partition, number);
    size_t size = 8 + dice % (dice >> 60 == 0 ? RECORD_VALUE_MAX - 8 : 100);
    store_be64(value, (uint64_t)number);
    for (size_t i = 8; i < size; i++) {
        value[i] = (uint8_t)(dice >> i % 8 * 8 ^ i);
    }
    return size;
}

int64_t
record_number(int32_t partition, struct bytes value)
{
    uint8_t right[RECORD_VALUE_MAX];
    if (value.size < 8) {
        return -1;
    }
    int64_t number = (int64_t)load_be64(value.data);
    size_t size = record_value(partition, number, right);
    return size == value.size && memcmp(right, value.data, size) == 0 ? number : -1;
}

const char *
topic_name(unsigned index, bool plain, char name[16])
{
    snprintf(name, 16, "%s%u", plain ? "plain" : "once", index);
    return name;
}
