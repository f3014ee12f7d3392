/* The consuming side: all partitions from the beginning, a number of records. */
#include "load.h"

#include <stdio.h>

#define AT_ONCE 1000
#define PATIENCE_NS 20000000000LL

int
load_consume(const struct load_options *options)
{
    static rd_kafka_message_t *messages[AT_ONCE];
    rd_kafka_t *client = load_consumer(options, RD_KAFKA_OFFSET_BEGINNING);
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    int64_t began_ns = 0;
    int64_t last_ns = load_now_ns();
    int64_t records = 0;
    int64_t first = 0; /* records that were there when the clock started */
    double bytes = 0;
    while (records < options->records) {
        ssize_t n = rd_kafka_consume_batch_queue(queue, 50, messages, AT_ONCE);
        for (ssize_t i = 0; i < n; i++) {
            if (!messages[i]->err) {
                records++;
                bytes += (double)messages[i]->len;
                last_ns = load_now_ns();
            }
            rd_kafka_message_destroy(messages[i]);
        }
        if (!began_ns && records > 0) {
            began_ns = load_now_ns();
            first = records;
        }
        if (load_now_ns() - last_ns > PATIENCE_NS) {
            load_die("only %lld of %lld records came", (long long)records,
                    (long long)options->records);
        }
    }
    double seconds = (double)(last_ns - began_ns) / 1e9;
    double rate = (double)(records - first) / seconds;
    printf("records_per_s %.0f\n", rate);
    printf("MB_per_s %.1f\n", rate * (bytes / (double)records) / 1e6);
    printf("bytes %.0f\n", bytes);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    return 0;
}
