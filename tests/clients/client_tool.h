#pragma once
/* A Kafka client of the tests, on librdkafka: makes topics, produces numbered records under
 * crashes, and checks that each acknowledged one is there once and in order. Has nothing in common
 * with the broker's code on purpose. */

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_PARTITIONS_MAX 64
#define CLIENT_VALUE_SIZE_MAX 65536

/* Where an acknowledged record is said to be. */
struct acked {
    int64_t offset;
    int64_t number;
};

/* All acknowledged records of one partition, in the order of their acknowledgement. */
struct acked_list {
    struct acked *records;
    size_t count;
    size_t capacity;
};

/* Prints to stderr and ends the program with status 1. */
_Noreturn void client_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Setting by setting, "name", "value", ..., NULL; what is not named is as in most tests, or with
 * CLIENT_DEFAULTS in the environment as librdkafka has it, which is what users have. */
rd_kafka_conf_t *client_conf(const char *bootstrap, const char *const *settings);
bool client_has_defaults(void);
int64_t client_number(const char *text, int64_t min, int64_t max);

/* The value of record `number` of a partition: the same bytes in the producer and in the check.
 * Returns the size. */
size_t client_value(int32_t partition, int64_t number, char value[CLIENT_VALUE_SIZE_MAX]);
/* The number in a value, or -1 when a byte of it is not what client_value says. */
int64_t client_value_number(int32_t partition, const void *value, size_t size);

int64_t client_now_us(void); /* CLOCK_MONOTONIC */
/* The history of a test (tests/crash/HISTORY.md); `role` begins the worker's name. */
struct history;
struct history *history_open(const char *path, const char *role);
void history_close(struct history *history);
/* One line; `format` gives what follows topic and partition. Reaches the file with a later event or
 * history_flush, 100 ms after. */
void history_event(struct history *history, const char *event, const char *topic, int32_t partition,
        const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The record was given to the client library at that time or later: whoever reads it may be faster
 * than we are with our line. */
void history_sent(struct history *history, int64_t at_us, const char *topic, int32_t partition,
        int64_t number);
/* A line for people, which the check skips: "# TIME EVENT TOPIC PARTITION NUMBER". */
void history_note(struct history *history, const char *event, const char *topic, int32_t partition,
        int64_t number);
void history_flush(struct history *history);
void history_sync(struct history *history); /* at once */
/* What a history says was acknowledged in a topic. A missing file is empty. */
void acked_read(const char *path, const char *topic, struct acked_list *lists, int32_t partitions);
void acked_free(struct acked_list *lists, int32_t partitions);

int client_create(const char *bootstrap, const char *topic, int partitions);
int client_delete(const char *bootstrap, const char *topic);
struct produce_options {
    const char *bootstrap;
    const char *topic;
    int32_t partitions;
    int64_t rate;  /* records a second, over all partitions */
    int64_t first; /* number of the first record in each partition */
    bool is_plain; /* not idempotent, one try each: a record may fail, and then nobody knows */
    const char *path;
};
/* Produces until SIGTERM, then waits for the outcome of all. Goes on where the history ends. */
int client_produce(const struct produce_options *options);
/* Consumes in a group until SIGTERM, commits what it has read every 150 ms, and leaves. */
int client_consume(const char *bootstrap, const char *topic, const char *group, const char *path);
/* Writes the group's committed offsets into the history. */
int client_committed(const char *bootstrap, const char *topic, const char *group,
        int32_t partitions, const char *path);
/* 0 when the topic holds exactly the numbers 0, 1, 2 ... per partition and each record that the
 * history says is acknowledged at its offset. What it reads goes into `read_path` (NULL: nowhere).
 * Without `path` it looks at no number: for topics of several producers.
 */
int client_verify(const char *bootstrap, const char *topic, int32_t partitions, const char *path,
        const char *read_path);
