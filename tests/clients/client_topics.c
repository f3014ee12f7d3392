/* CreateTopics and DeleteTopics through librdkafka's admin client. */
#include "client_tool.h"

#include <stdio.h>

static rd_kafka_t *
admin_client(const char *bootstrap)
{
    char error[512];
    const char *const settings[] = { NULL };
    rd_kafka_t *client =
            rd_kafka_new(RD_KAFKA_PRODUCER, client_conf(bootstrap, settings), error, sizeof error);
    if (!client) {
        client_die("%s", error);
    }
    return client;
}

/* Waits for the answer and looks at the outcome of the one topic. */
static int
admin_finish(rd_kafka_t *client, rd_kafka_queue_t *queue, bool is_create)
{
    int status = 1;
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
    if (!event) {
        fputs("client_tool: no answer from the broker in 30 s\n", stderr);
    } else if (rd_kafka_event_error(event)) {
        fprintf(stderr, "client_tool: %s\n", rd_kafka_event_error_string(event));
    } else {
        size_t count = 0;
        const rd_kafka_topic_result_t **results =
                is_create ? rd_kafka_CreateTopics_result_topics(
                                    rd_kafka_event_CreateTopics_result(event), &count)
                          : rd_kafka_DeleteTopics_result_topics(
                                    rd_kafka_event_DeleteTopics_result(event), &count);
        status = count == 1 && !rd_kafka_topic_result_error(results[0]) ? 0 : 1;
        if (status) {
            fprintf(stderr, "client_tool: %s\n",
                    count == 1 ? rd_kafka_topic_result_error_string(results[0]) : "no result");
        }
    }
    if (event) {
        rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
    return status;
}

int
client_create(const char *bootstrap, const char *topic, int partitions)
{
    char error[512];
    rd_kafka_t *client = admin_client(bootstrap);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_NewTopic_t *wish = rd_kafka_NewTopic_new(topic, partitions, 1, error, sizeof error);
    if (!wish) {
        client_die("%s", error);
    }
    rd_kafka_CreateTopics(client, &wish, 1, NULL, queue);
    rd_kafka_NewTopic_destroy(wish);
    return admin_finish(client, queue, true);
}

int
client_delete(const char *bootstrap, const char *topic)
{
    rd_kafka_t *client = admin_client(bootstrap);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteTopic_t *wish = rd_kafka_DeleteTopic_new(topic);
    rd_kafka_DeleteTopics(client, &wish, 1, NULL, queue);
    rd_kafka_DeleteTopic_destroy(wish);
    return admin_finish(client, queue, false);
}
