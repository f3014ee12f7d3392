/* A producer of numbered records that writes down what was acknowledged, and where. It lives
 * through any number of crashes of the broker. An idempotent one has each record acknowledged in
 * the end or fails; a plain one tries each once, and what it isn't told is in the history. */
#include "client_tool.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct producer {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    int32_t partitions;
    int64_t next[CLIENT_PARTITIONS_MAX];   /* number of the next record of each partition */
    int32_t led_by[CLIENT_PARTITIONS_MAX]; /* who acknowledged last, 1 above its id; 0: nobody */
    int64_t acked;
    int64_t failed;
    const struct produce_options *options;
    struct history *history;
};

static volatile sig_atomic_t stop_wanted;

static void
on_signal(int number)
{
    (void)number;
    stop_wanted = 1;
}

static void
on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct producer *producer = opaque;
    int64_t number = (int64_t)(intptr_t)message->_private;
    (void)client;
    if (message->err) {
        bool refused = rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_NOT_PERSISTED;
        history_event(producer->history, refused ? "refused" : "unknown", producer->options->topic,
                message->partition, "%" PRId64 " %s", number, rd_kafka_err2name(message->err));
        if (producer->failed++ < 10 && !producer->options->is_plain) {
            fprintf(stderr, "client_tool: not delivered: partition %" PRId32 ": %s\n",
                    message->partition, rd_kafka_err2str(message->err));
        }
        return;
    }
    int32_t leader = rd_kafka_message_broker_id(message) + 1;
    if (producer->led_by[message->partition] != leader) {
        producer->led_by[message->partition] = leader;
        history_note(
                producer->history, "led", producer->options->topic, message->partition, leader - 1);
    }
    history_event(producer->history, "ack", producer->options->topic, message->partition,
            "%" PRId64 " %" PRId64, number, message->offset);
    producer->acked++;
}

static void
producer_open(struct producer *producer)
{
    char error[512];
    const char *const settings[] = { "enable.idempotence", "true", "linger.ms", "2",
        /* No record may be given up: the broker comes back. */
        "message.timeout.ms", "0", "retry.backoff.ms", "50", "socket.timeout.ms", "10000",
        "queue.buffering.max.messages", "200000", "compression.codec", "lz4", NULL };
    /* Each record is sent once at most, so none can be there twice. */
    const char *const plain[] = { "acks", "all", "retries", "0", "linger.ms", "2",
        "message.timeout.ms", "4000", "socket.timeout.ms", "3000", "queue.buffering.max.messages",
        "200000", NULL };
    /* As users have it, but that no record may be given up. */
    const char *const defaults[] = { "enable.idempotence", "true", "message.timeout.ms", "0",
        NULL };
    rd_kafka_conf_t *conf =
            client_conf(producer->options->bootstrap, producer->options->is_plain ? plain
                                                      : client_has_defaults()     ? defaults
                                                                                  : settings);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, producer);
    producer->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (!producer->client) {
        client_die("%s", error);
    }
    producer->topic = rd_kafka_topic_new(producer->client, producer->options->topic, NULL);
}

/* Numbers go on after the greatest acknowledged one: a run ends only when all are. */
static void
producer_resume(struct producer *producer)
{
    const struct produce_options *options = producer->options;
    struct acked_list lists[CLIENT_PARTITIONS_MAX];
    acked_read(options->path, options->topic, lists, producer->partitions);
    for (int32_t i = 0; i < producer->partitions; i++) {
        producer->next[i] = options->first;
        for (size_t k = 0; k < lists[i].count; k++) {
            if (lists[i].records[k].number >= producer->next[i]) {
                producer->next[i] = lists[i].records[k].number + 1;
            }
        }
    }
    acked_free(lists, producer->partitions);
    producer->history = history_open(options->path, options->is_plain ? "plain" : "producer");
}

/* False when librdkafka's queue is full: the broker is away. */
static bool
produce_one(struct producer *producer, int32_t partition)
{
    static char value[CLIENT_VALUE_SIZE_MAX];
    char key[32];
    int64_t number = producer->next[partition];
    size_t size = client_value(partition, number, value);
    int key_size = snprintf(key, sizeof key, "%" PRId64, number);
    int64_t at_us = client_now_us();
    if (rd_kafka_produce(producer->topic, partition, RD_KAFKA_MSG_F_COPY, value, size, key,
                (size_t)key_size, (void *)(intptr_t)number) == -1) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            client_die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
        }
        return false;
    }
    history_sent(producer->history, at_us, producer->options->topic, partition, number);
    producer->next[partition] = number + 1;
    return true;
}

static void
produce_until_stopped(struct producer *producer, int64_t rate)
{
    int64_t start_us = client_now_us();
    int64_t sent = 0;
    while (!stop_wanted && (!producer->failed || producer->options->is_plain)) {
        int64_t due = (client_now_us() - start_us) * rate / 1000000;
        while (sent < due && produce_one(producer, (int32_t)(sent % producer->partitions))) {
            sent++;
        }
        rd_kafka_poll(producer->client, 2);
        history_flush(producer->history);
    }
}

int
client_produce(const struct produce_options *options)
{
    struct producer producer = { .partitions = options->partitions, .options = options };
    producer_resume(&producer);
    producer_open(&producer);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);

    produce_until_stopped(&producer, options->rate);
    rd_kafka_flush(producer.client, 120000);
    int undecided = rd_kafka_outq_len(producer.client);
    char text[256];
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(producer.client, text, sizeof text);
    if (fatal) {
        fprintf(stderr, "client_tool: fatal: %s: %s\n", rd_kafka_err2name(fatal), text);
    }
    history_close(producer.history);
    printf("acked %" PRId64 ", failed %" PRId64 ", undecided %d\n", producer.acked, producer.failed,
            undecided);
    rd_kafka_topic_destroy(producer.topic);
    rd_kafka_destroy(producer.client);
    if (options->is_plain) {
        return undecided || fatal ? 1 : 0;
    }
    return producer.failed || undecided || fatal ? 1 : 0;
}
