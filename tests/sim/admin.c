/* Topics are made, partitions moved, with Kafka's own requests. */
#include "base/fault.h"
#include "sim/client.h"
#include "wire/messages/alter_partition_reassignments.h"
#include "wire/messages/create_topics.h"

#include <errno.h>
#include <stdio.h>

#define CREATE_TOPICS 19
#define ALTER_PARTITION_REASSIGNMENTS 45

int
admin_create_topic(struct client *client, const char *name, unsigned retention_bytes)
{
    char number[16];
    snprintf(number, sizeof number, "%u", retention_bytes);
    struct create_topics_request_creatable_topic_config retention = {
        BYTES_LITERAL("retention.bytes"), bytes_of_string(number)
    };
    struct create_topics_request_creatable_topic topic =
            create_topics_request_creatable_topic_default;
    struct create_topics_request request = create_topics_request_default;
    struct create_topics_response response;
    struct create_topics_response_creatable_topic_result result;
    topic.name = bytes_of_string(name);
    topic.num_partitions = (int32_t)client->world->plan.partitions;
    topic.replication_factor = 1;
    topic.configs = wire_array_of(&retention, retention_bytes ? 1 : 0);
    request.topics = wire_array_of(&topic, 1);
    request.timeout_ms = 5000;
    int r = client_call(client, client_any(client), CREATE_TOPICS, 5, &request, &response);
    if (r < 0) {
        return r;
    }
    struct wire_iterator topics = wire_iterate(&response.topics);
    if (!create_topics_response_creatable_topic_result_next(&topics, &result)) {
        return fault(-EBADMSG, "an answer without its topic");
    }
    return result.error_code == 0 || result.error_code == CODE_TOPIC_EXISTS
                   ? 0
                   : fault(-EAGAIN, "topic %s: code %d", name, result.error_code);
}

int
admin_create_topics(struct client *client)
{
    const struct plan *plan = &client->world->plan;
    for (unsigned i = 0; i < plan->idempotent + plan->plain; i++) {
        char name[16];
        bool plain = i >= plan->idempotent;
        unsigned retention = plain && plan_has(plan, FAULT_DELETE) ? RETENTION_BYTES : 0;
        int r = admin_create_topic(client, topic_name(i, plain, name), retention);
        if (r < 0) {
            return r;
        }
        for (unsigned p = 0; retention && p < plan->partitions; p++) {
            world_event(client->world, client->name, "retain", name, (int32_t)p, "%u", retention);
        }
    }
    return 0;
}

/* Any partition to any broker; refused or lost, nobody minds. */
static void
move(struct client *client)
{
    struct world *world = client->world;
    const struct plan *plan = &world->plan;
    unsigned topic = (unsigned)world_between(world, 0, plan->idempotent + plan->plain);
    int32_t to = client_any(client);
    char name[24];
    struct alter_partition_reassignments_request_reassignable_partition partition =
            alter_partition_reassignments_request_reassignable_partition_default;
    struct alter_partition_reassignments_request_reassignable_topic moved =
            alter_partition_reassignments_request_reassignable_topic_default;
    struct alter_partition_reassignments_request request =
            alter_partition_reassignments_request_default;
    struct alter_partition_reassignments_response response;
    if (topic < plan->idempotent + plan->plain) {
        moved.name = bytes_of_string(topic_name(topic, topic >= plan->idempotent, name));
        partition.partition_index = (int32_t)world_between(world, 0, plan->partitions - 1);
    } else {
        moved.name = BYTES_LITERAL("__consumer_offsets");
    }
    partition.replicas = wire_array_of(&to, 1);
    moved.partitions = wire_array_of(&partition, 1);
    request.topics = wire_array_of(&moved, 1);
    request.timeout_ms = 5000;
    int r = client_call(
            client, client_any(client), ALTER_PARTITION_REASSIGNMENTS, 0, &request, &response);
    (void)r; /* unknown outcomes are what this is about */
}

void
mover_main(void *arg)
{
    struct client_process *self = arg;
    struct world *world = self->world;
    struct client client;
    client_init(&client, world, self->host);
    while (!world->calm && world_sleep(world, 50, 3000)) {
        move(&client);
    }
    client_done(&client);
    world->clients--;
}
