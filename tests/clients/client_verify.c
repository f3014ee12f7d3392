/* Reads a topic from its beginning to its end and compares it with what the producer was told. */
#include "client_tool.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct partition_check {
    int64_t count; /* records read; the next one must have this offset and this number */
    int64_t end;   /* high watermark when the check began */
    bool is_complete;
};

struct verifier {
    struct partition_check partitions[CLIENT_PARTITIONS_MAX];
    int64_t errors;
    const char *topic;
    struct history *history; /* or NULL */
    bool ignores_numbers;
};

static __attribute__((format(printf, 2, 3))) void
complain(struct verifier *verifier, const char *format, ...)
{
    va_list args;
    if (verifier->errors++ >= 20) {
        return;
    }
    va_start(args, format);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

static void
check_record(struct verifier *verifier, const rd_kafka_message_t *message)
{
    struct partition_check *check = &verifier->partitions[message->partition];
    int64_t number = client_value_number(message->partition, message->payload, message->len);
    if (verifier->history) {
        history_event(verifier->history, "read", verifier->topic, message->partition,
                "%" PRId64 " %" PRId64, number, message->offset);
    }
    if (message->offset != check->count) {
        complain(verifier, "partition %" PRId32 ": offset %" PRId64 " where %" PRId64 " should be",
                message->partition, message->offset, check->count);
    }
    if (number != message->offset && !verifier->ignores_numbers) {
        complain(verifier,
                "partition %" PRId32 " offset %" PRId64 ": record %" PRId64
                " (-1: bytes changed): lost, twice or out of order",
                message->partition, message->offset, number);
    }
    check->count = message->offset + 1;
}

static rd_kafka_t *
consumer_open(const char *bootstrap)
{
    char error[512];
    const char *const settings[] = { "group.id", "verify", "enable.auto.commit", "false",
        "enable.partition.eof", "true", "auto.offset.reset", "error", "check.crcs", "true",
        "fetch.wait.max.ms", "50", NULL };
    rd_kafka_t *client =
            rd_kafka_new(RD_KAFKA_CONSUMER, client_conf(bootstrap, settings), error, sizeof error);
    if (!client) {
        client_die("%s", error);
    }
    rd_kafka_poll_set_consumer(client);
    return client;
}

static void
consumer_assign(
        rd_kafka_t *client, struct verifier *verifier, const char *topic, int32_t partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int32_t i = 0; i < partitions; i++) {
        int64_t low = 0;
        int64_t high = 0;
        rd_kafka_resp_err_t error =
                rd_kafka_query_watermark_offsets(client, topic, i, &low, &high, 30000);
        if (error) {
            client_die("offsets of %s/%" PRId32 ": %s", topic, i, rd_kafka_err2str(error));
        }
        if (low != 0) {
            complain(verifier, "partition %" PRId32 " begins at %" PRId64, i, low);
        }
        verifier->partitions[i].end = high;
        if (verifier->history) {
            history_event(verifier->history, "bounds", topic, i, "%" PRId64 " %" PRId64, low, high);
        }
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = 0;
    }
    rd_kafka_resp_err_t error = rd_kafka_assign(client, list);
    if (error) {
        client_die("assign: %s", rd_kafka_err2str(error));
    }
    rd_kafka_topic_partition_list_destroy(list);
}

static void
consume_all(rd_kafka_t *client, struct verifier *verifier, int32_t partitions)
{
    int32_t open = partitions;
    while (open > 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, 60000);
        if (!message) {
            complain(verifier, "no record for 60 s; %" PRId32 " partitions not read to the end",
                    open);
            return;
        }
        if (!message->err) {
            check_record(verifier, message);
        } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            struct partition_check *check = &verifier->partitions[message->partition];
            open -= check->is_complete ? 0 : 1;
            check->is_complete = true;
        } else if (message->err != RD_KAFKA_RESP_ERR__TRANSPORT &&
                   message->err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
            complain(verifier, "consume: %s", rd_kafka_message_errstr(message));
            open = 0;
        }
        rd_kafka_message_destroy(message);
    }
}

/* Since numbers equal offsets, an acknowledged record is in its place exactly when its offset was
 * read. librdkafka knows no offset of a record that it learns of from the answer to a later one. */
static int64_t
check_acked(struct verifier *verifier, const struct acked_list *lists, int32_t partitions)
{
    int64_t total = 0;
    for (int32_t i = 0; i < partitions; i++) {
        struct partition_check *check = &verifier->partitions[i];
        if (check->count != check->end) {
            complain(verifier, "partition %" PRId32 ": read %" PRId64 " of %" PRId64 " records", i,
                    check->count, check->end);
        }
        for (size_t k = 0; k < lists[i].count; k++) {
            const struct acked *acked = &lists[i].records[k];
            bool fits = acked->offset == acked->number || acked->offset == RD_KAFKA_OFFSET_INVALID;
            if (!fits || acked->number >= check->count) {
                complain(verifier,
                        "partition %" PRId32 ": record %" PRId64 " was acknowledged at %" PRId64
                        ", the partition has %" PRId64 " records",
                        i, acked->number, acked->offset, check->count);
            }
        }
        total += (int64_t)lists[i].count;
    }
    return total;
}

int
client_verify(const char *bootstrap, const char *topic, int32_t partitions, const char *path,
        const char *read_path)
{
    static struct verifier verifier;
    struct acked_list lists[CLIENT_PARTITIONS_MAX];
    acked_read(path ? path : "", topic, lists, partitions);
    verifier.topic = topic;
    verifier.ignores_numbers = !path;
    verifier.history = read_path ? history_open(read_path, "reader") : NULL;
    rd_kafka_t *client = consumer_open(bootstrap);
    consumer_assign(client, &verifier, topic, partitions);
    consume_all(client, &verifier, partitions);
    int64_t total = check_acked(&verifier, lists, partitions);
    acked_free(lists, partitions);
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    if (verifier.history) {
        history_close(verifier.history);
    }
    if (total == 0 && path) {
        complain(&verifier, "nothing was acknowledged at all");
    }
    printf("%" PRId64 " acknowledged records, %" PRId64 " errors\n", total, verifier.errors);
    return verifier.errors ? 1 : 0;
}
