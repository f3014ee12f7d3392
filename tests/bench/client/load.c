/* bench_load produce|consume|connections|metadata -b HOST:PORT -t TOPIC [...]: the load of
 * tests/bench/broker. Prints lines "name value". Durations count from the moment at which a record
 * was due, so a producer that is held up is counted too. */
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t
load_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void
load_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench_load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void
histogram_add(struct histogram *histogram, int64_t duration_ns)
{
    uint64_t us = duration_ns > 0 ? (uint64_t)duration_ns / 1000 : 0;
    size_t bucket = us;
    if (us >= 64) {
        unsigned octave = 63 - (unsigned)__builtin_clzll(us);
        bucket = 64 + (size_t)(octave - 6) * 64 + ((us >> (octave - 6)) & 63);
    }
    histogram->buckets[bucket < 2047 ? bucket : 2047]++;
    histogram->count++;
    histogram->max_us = us > histogram->max_us ? us : histogram->max_us;
}

double
histogram_quantile(const struct histogram *histogram, double quantile)
{
    uint64_t wanted = (uint64_t)((double)histogram->count * quantile);
    uint64_t seen = 0;
    for (size_t i = 0; i < 2048; i++) {
        seen += histogram->buckets[i];
        if (seen > wanted) {
            size_t octave = i < 64 ? 0 : (i - 64) / 64;
            return i < 64 ? (double)i
                          : ((double)(64 + (i - 64) % 64) + 0.5) * (double)(1ull << octave);
        }
    }
    return (double)histogram->max_us;
}

void
histogram_print(const struct histogram *histogram, const char *name)
{
    printf("%s.p50_ms %.3f\n", name, histogram_quantile(histogram, 0.5) / 1e3);
    printf("%s.p99_ms %.3f\n", name, histogram_quantile(histogram, 0.99) / 1e3);
    printf("%s.p999_ms %.3f\n", name, histogram_quantile(histogram, 0.999) / 1e3);
}

rd_kafka_t *
load_client(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *const *settings)
{
    char error[512];
    for (; settings[0]; settings += 2) {
        if (rd_kafka_conf_set(conf, settings[0], settings[1], error, sizeof error)) {
            load_die("%s", error);
        }
    }
    rd_kafka_t *client = rd_kafka_new(type, conf, error, sizeof error);
    if (!client) {
        load_die("%s", error);
    }
    return client;
}

rd_kafka_t *
load_consumer(const struct load_options *options, int64_t offset)
{
    const char *const settings[] = { "bootstrap.servers", options->bootstrap, "group.id", "bench",
        "enable.auto.commit", "false", "auto.offset.reset", "earliest", "queued.min.messages",
        "100000", "log_level", "3", NULL };
    rd_kafka_t *client = load_client(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), settings);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(options->partitions);
    rd_kafka_poll_set_consumer(client);
    for (int i = 0; i < options->partitions; i++) {
        rd_kafka_topic_partition_list_add(list, options->topic, i)->offset = offset;
    }
    if (rd_kafka_assign(client, list)) {
        load_die("assign failed");
    }
    rd_kafka_topic_partition_list_destroy(list);
    return client;
}

static int
usage(void)
{
    fputs("usage: bench_load produce|consume|connections|metadata -b HOST:PORT -t TOPIC [-p "
          "partitions]\n"
          "  [-n records to produce or consume, connections, or least partitions]\n"
          "  [-r records/s] [-s record size] [-d seconds] [-w warm-up seconds] [-l linger.ms] [-z "
          "codec] [-i (idempotent)] [-e (end to end)]\n",
            stderr);
    return 2;
}

static int
parse(int count, char **texts, struct load_options *options)
{
    int c;
    while ((c = getopt(count, texts, "b:t:p:n:r:s:d:w:l:z:ie")) != -1) {
        switch (c) {
        case 'b':
            options->bootstrap = optarg;
            break;
        case 't':
            options->topic = optarg;
            break;
        case 'p':
            options->partitions = (int)strtol(optarg, NULL, 10);
            break;
        case 'n':
            options->records = strtoll(optarg, NULL, 10);
            break;
        case 'r':
            options->rate = strtod(optarg, NULL);
            break;
        case 's':
            options->size = (int)strtol(optarg, NULL, 10);
            break;
        case 'd':
            options->seconds = strtod(optarg, NULL);
            break;
        case 'w':
            options->warmup_s = strtod(optarg, NULL);
            break;
        case 'l':
            options->linger_ms = optarg;
            break;
        case 'z':
            options->codec = optarg;
            break;
        case 'i':
            options->idempotent = "true";
            break;
        case 'e':
            options->end_to_end = 1;
            break;
        default:
            return -1;
        }
    }
    return options->bootstrap && options->topic && options->partitions > 0 &&
                           options->partitions <= LOAD_PARTITIONS_MAX && options->size >= 16
                   ? 0
                   : -1;
}

int
main(int count, char **texts)
{
    struct load_options options = { .linger_ms = "5",
        .codec = "none",
        .idempotent = "false",
        .seconds = 5,
        .warmup_s = 1,
        .size = 1024,
        .partitions = 16,
        .in_row = 16 };
    if (count < 2 || parse(count - 1, texts + 1, &options) < 0) {
        return usage();
    }
    static const struct {
        const char *name;
        int (*fn)(const struct load_options *options);
    } loads[] = { { "produce", load_produce }, { "consume", load_consume },
        { "connections", load_connections }, { "metadata", load_metadata } };
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        if (strcmp(texts[1], loads[i].name) == 0) {
            return loads[i].fn(&options);
        }
    }
    return usage();
}
