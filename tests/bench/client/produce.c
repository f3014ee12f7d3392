/* The producing side: at a rate, or as fast as the broker takes it; with -e a consumer beside it
 * measures from the record's due time to its arrival. */
#include "load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* In front of each value. */
struct stamp {
    int64_t run;
    int64_t due_ns;
};

struct producer {
    const struct load_options *options;
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    char *value;
    int64_t run;
    int64_t begin_ns;
    int64_t measure_ns; /* the warm-up ends */
    int64_t sent;
    int64_t acked;
    int64_t acked_before; /* in the warm-up */
    int64_t failed;
    struct histogram acks;
    struct histogram arrivals; /* the consumer's thread */
    atomic_bool over;
    pthread_t thread;
};

static void
on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    struct producer *producer = opaque;
    (void)client;
    if (message->err) {
        if (producer->failed++ == 0) {
            fprintf(stderr, "bench_load: not delivered: %s\n", rd_kafka_err2str(message->err));
        }
        return;
    }
    struct stamp stamp;
    memcpy(&stamp, message->payload, sizeof stamp);
    producer->acked++;
    if (stamp.due_ns >= producer->measure_ns) {
        histogram_add(&producer->acks, load_now_ns() - stamp.due_ns);
    }
}

static void *
arrivals_run(void *arg)
{
    struct producer *producer = arg;
    rd_kafka_t *client = load_consumer(producer->options, RD_KAFKA_OFFSET_END);
    while (!producer->over) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 50);
        if (message && !message->err && message->len >= sizeof(struct stamp)) {
            struct stamp stamp;
            memcpy(&stamp, message->payload, sizeof stamp);
            if (stamp.run == producer->run && stamp.due_ns >= producer->measure_ns) {
                histogram_add(&producer->arrivals, load_now_ns() - stamp.due_ns);
            }
        }
        if (message) {
            rd_kafka_message_destroy(message);
        }
    }
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    return NULL;
}

static void
producer_open(struct producer *producer)
{
    const struct load_options *options = producer->options;
    const char *const settings[] = { "bootstrap.servers", options->bootstrap, "acks", "all",
        "linger.ms", options->linger_ms, "compression.codec", options->codec, "enable.idempotence",
        options->idempotent, "queue.buffering.max.messages", "1000000", "log_level", "3", NULL };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, producer);
    producer->client = load_client(RD_KAFKA_PRODUCER, conf, settings);
    producer->topic = rd_kafka_topic_new(producer->client, options->topic, NULL);
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(producer->client, 0, producer->topic, &metadata, 10000)) {
        load_die("no metadata of %s", options->topic);
    }
    rd_kafka_metadata_destroy(metadata);
    producer->value = malloc((size_t)options->size);
    uint32_t x = 12345;
    for (int i = 0; i < options->size; i++) {
        x = x * 1103515245u + 12345u;
        producer->value[i] = "abcdefghijklmnopqrstuvwxyz012345"[(x >> 16) & 31];
    }
}

static void
send_until(struct producer *producer, int64_t due)
{
    const struct load_options *options = producer->options;
    due = options->records ? MIN(due, options->records) : due;
    while (producer->sent < due) {
        struct stamp stamp = { producer->run, load_now_ns() };
        if (options->rate > 0) {
            stamp.due_ns =
                    producer->begin_ns + (int64_t)((double)producer->sent / options->rate * 1e9);
        }
        memcpy(producer->value, &stamp, sizeof stamp);
        int32_t partition = (int32_t)(producer->sent / options->in_row % options->partitions);
        if (rd_kafka_produce(producer->topic, partition, RD_KAFKA_MSG_F_COPY, producer->value,
                    (size_t)options->size, NULL, 0, NULL) == -1) {
            rd_kafka_poll(producer->client, 1);
            continue;
        }
        if ((++producer->sent & 255) == 0) {
            rd_kafka_poll(producer->client, 0);
        }
    }
}

static bool
is_done(const struct producer *producer)
{
    int64_t limit = producer->options->records;
    return limit && producer->sent >= limit;
}

static double
producer_run(struct producer *producer)
{
    const struct load_options *options = producer->options;
    const struct timespec pause = { 0, 200000 };
    int64_t measured_ns = 0;
    producer->begin_ns = load_now_ns();
    producer->measure_ns = producer->begin_ns + (int64_t)(options->warmup_s * 1e9);
    int64_t end_ns = producer->measure_ns + (int64_t)(options->seconds * 1e9);
    int64_t now_ns;
    while ((now_ns = load_now_ns()) < end_ns && !is_done(producer)) {
        if (!measured_ns && now_ns >= producer->measure_ns) {
            producer->acked_before = producer->acked;
            measured_ns = now_ns;
        }
        send_until(producer, options->rate > 0 ? (int64_t)((double)(now_ns - producer->begin_ns) /
                                                           1e9 * options->rate)
                                               : producer->sent + 1000);
        rd_kafka_poll(producer->client, 0);
        if (options->rate > 0) {
            nanosleep(&pause, NULL);
        }
    }
    return (double)(now_ns - measured_ns) / 1e9;
}

int
load_produce(const struct load_options *options)
{
    static struct producer producer;
    const struct timespec settle = { 1, 0 };
    producer.options = options;
    producer.run = load_now_ns();
    producer.measure_ns = INT64_MAX;
    producer_open(&producer);
    if (options->end_to_end) {
        if (pthread_create(&producer.thread, NULL, arrivals_run, &producer)) {
            load_die("no thread");
        }
        nanosleep(&settle, NULL);
    }
    double seconds = producer_run(&producer);
    double rate = (double)(producer.acked - producer.acked_before) / seconds;
    rd_kafka_flush(producer.client, 20000);
    printf("records_per_s %.0f\n", rate);
    printf("MB_per_s %.1f\n", rate * options->size / 1e6);
    printf("bytes %.0f\n", (double)producer.acked * options->size);
    histogram_print(&producer.acks, "ack");
    if (options->end_to_end) {
        nanosleep(&settle, NULL);
        producer.over = true;
        pthread_join(producer.thread, NULL);
        histogram_print(&producer.arrivals, "end_to_end");
    }
    printf("failed %lld\n", (long long)(producer.failed + rd_kafka_outq_len(producer.client)));
    rd_kafka_topic_destroy(producer.topic);
    rd_kafka_destroy(producer.client);
    free(producer.value);
    return producer.failed > 0;
}
