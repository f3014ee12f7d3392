#pragma once
/* The load of the broker benchmark, on librdkafka: has nothing in common with the broker's code, so
 * that it drives Apache Kafka and Freshet alike. */

#include <librdkafka/rdkafka.h>
#include <stdint.h>

#define LOAD_PARTITIONS_MAX 64

struct load_options {
    const char *bootstrap;
    const char *topic;
    const char *linger_ms;
    const char *codec;
    const char *idempotent; /* "true" or "false" */
    double rate;            /* records a second; 0: as many as go */
    double seconds;         /* measured, after the warm-up */
    double warmup_s;
    int64_t records; /* produced at most (0: no limit) or consumed; connections; least partitions */
    int size;        /* of a record's value */
    int partitions;
    int in_row; /* records in a row to one partition, as a sticky partitioner does it */
    int end_to_end;
};

/* Microseconds, 64 steps an octave. */
struct histogram {
    uint64_t buckets[2048];
    uint64_t count;
    uint64_t max_us;
};

void histogram_add(struct histogram *histogram, int64_t duration_ns);
double histogram_quantile(const struct histogram *histogram, double quantile);
/* "name.p50 ..." lines, in milliseconds. */
void histogram_print(const struct histogram *histogram, const char *name);

int64_t load_now_ns(void);
_Noreturn void load_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Setting by setting, "name", "value", ..., NULL. */
rd_kafka_t *load_client(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *const *settings);
/* A consumer that is assigned all partitions from that offset on. */
rd_kafka_t *load_consumer(const struct load_options *options, int64_t offset);

int load_produce(const struct load_options *options);
int load_consume(const struct load_options *options);
/* hold.c: holds `records` idle connections for `seconds`. */
int load_connections(const struct load_options *options);
/* How long the metadata of the topic take, which has `records` partitions at least. */
int load_metadata(const struct load_options *options);
