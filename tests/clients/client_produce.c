/* An idempotent producer of numbered records that writes down what was acknowledged, and where. It
 * lives through any number of crashes of the broker: each record is either acknowledged in the end
 * or the program fails. */
#include "client_tool.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct producer {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    int32_t partitions;
    int64_t next[CLIENT_PARTITIONS_MAX]; /* number of the next record of each partition */
    int64_t acked;
    int64_t failed;
    FILE *file;
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
    (void)client;
    if (message->err) {
        if (producer->failed++ < 10) {
            fprintf(stderr, "client_tool: not delivered: partition %" PRId32 ": %s\n",
                    message->partition, rd_kafka_err2str(message->err));
        }
        return;
    }
    fprintf(producer->file, "%" PRId32 " %" PRId64 " %" PRId64 "\n", message->partition,
            message->offset, (int64_t)(intptr_t)message->_private);
    producer->acked++;
}

static int64_t
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
producer_open(struct producer *producer, const char *bootstrap, const char *topic)
{
    char error[512];
    const char *const settings[] = { "enable.idempotence", "true", "linger.ms", "2",
        /* No record may be given up: the broker comes back. */
        "message.timeout.ms", "0", "retry.backoff.ms", "50", "socket.timeout.ms", "10000",
        "queue.buffering.max.messages", "200000", "compression.codec", "lz4", NULL };
    rd_kafka_conf_t *conf = client_conf(bootstrap, settings);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, producer);
    producer->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (!producer->client) {
        client_die("%s", error);
    }
    producer->topic = rd_kafka_topic_new(producer->client, topic, NULL);
}

/* Numbers go on after the greatest acknowledged one: a run ends only when all are. */
static void
producer_resume(struct producer *producer, const char *acked_path)
{
    struct acked_list lists[CLIENT_PARTITIONS_MAX];
    acked_read(acked_path, lists, producer->partitions);
    for (int32_t i = 0; i < producer->partitions; i++) {
        for (size_t k = 0; k < lists[i].count; k++) {
            if (lists[i].records[k].number >= producer->next[i]) {
                producer->next[i] = lists[i].records[k].number + 1;
            }
        }
    }
    acked_free(lists, producer->partitions);
    producer->file = fopen(acked_path, "ae");
    if (!producer->file) {
        client_die("cannot write %s", acked_path);
    }
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
    if (rd_kafka_produce(producer->topic, partition, RD_KAFKA_MSG_F_COPY, value, size, key,
                (size_t)key_size, (void *)(intptr_t)number) == -1) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            client_die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
        }
        return false;
    }
    producer->next[partition] = number + 1;
    return true;
}

static void
produce_until_stopped(struct producer *producer, int64_t rate)
{
    int64_t start = now_ms();
    int64_t flushed = start;
    int64_t sent = 0;
    while (!stop_wanted && !producer->failed) {
        int64_t due = (now_ms() - start) * rate / 1000;
        while (sent < due && produce_one(producer, (int32_t)(sent % producer->partitions))) {
            sent++;
        }
        rd_kafka_poll(producer->client, 2);
        if (now_ms() - flushed > 100) {
            fflush(producer->file);
            flushed = now_ms();
        }
    }
}

int
client_produce(const char *bootstrap, const char *topic, int32_t partitions, int64_t rate,
        const char *acked_path)
{
    struct producer producer = { .partitions = partitions };
    producer_resume(&producer, acked_path);
    producer_open(&producer, bootstrap, topic);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);

    produce_until_stopped(&producer, rate);
    rd_kafka_flush(producer.client, 120000);
    int undecided = rd_kafka_outq_len(producer.client);
    char text[256];
    rd_kafka_resp_err_t fatal = rd_kafka_fatal_error(producer.client, text, sizeof text);
    if (fatal) {
        fprintf(stderr, "client_tool: fatal: %s: %s\n", rd_kafka_err2name(fatal), text);
    }
    fclose(producer.file);
    printf("acked %" PRId64 ", failed %" PRId64 ", undecided %d\n", producer.acked, producer.failed,
            undecided);
    rd_kafka_topic_destroy(producer.topic);
    rd_kafka_destroy(producer.client);
    return producer.failed || undecided || fatal ? 1 : 0;
}
