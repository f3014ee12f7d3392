/* What is not throughput: many idle connections, and how long the metadata of many partitions
 * takes. */
#include "load.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ApiVersions, version 0, correlation id 1, client id "b". */
static const unsigned char api_versions[] = { 0, 0, 0, 11, 0, 18, 0, 0, 0, 0, 0, 1, 0, 1, 'b' };

static struct addrinfo *
resolve(const char *bootstrap)
{
    char host[256];
    const char *colon = strrchr(bootstrap, ':');
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    struct addrinfo *all = NULL;
    if (!colon || (size_t)(colon - bootstrap) >= sizeof host) {
        load_die("%s is no HOST:PORT", bootstrap);
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - bootstrap), bootstrap);
    if (getaddrinfo(host, colon + 1, &hints, &all) || !all) {
        load_die("%s cannot be found", bootstrap);
    }
    return all;
}

/* A connection that has been answered once. */
static void
connect_one(const struct addrinfo *address)
{
    char answer[4];
    int number = socket(address->ai_family, SOCK_STREAM, 0);
    if (number < 0 || connect(number, address->ai_addr, address->ai_addrlen) ||
            send(number, api_versions, sizeof api_versions, MSG_NOSIGNAL) !=
                    (ssize_t)sizeof api_versions ||
            recv(number, answer, sizeof answer, MSG_WAITALL) != (ssize_t)sizeof answer) {
        load_die("a connection was refused or not answered");
    }
}

int
load_connections(const struct load_options *options)
{
    struct rlimit files = { (rlim_t)options->records + 100, (rlim_t)options->records + 100 };
    if (setrlimit(RLIMIT_NOFILE, &files)) {
        load_die("%lld open files are not allowed", (long long)options->records);
    }
    struct addrinfo *address = resolve(options->bootstrap);
    int64_t began_ns = load_now_ns();
    for (int64_t i = 0; i < options->records; i++) {
        connect_one(address);
    }
    printf("connect_ms %.0f\n", (double)(load_now_ns() - began_ns) / 1e6);
    fflush(stdout);
    freeaddrinfo(address);
    const struct timespec hold = { (time_t)options->seconds, 0 };
    nanosleep(&hold, NULL);
    return 0;
}

int
load_metadata(const struct load_options *options)
{
    const char *const settings[] = { "bootstrap.servers", options->bootstrap, "log_level", "3",
        NULL };
    rd_kafka_t *client = load_client(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), settings);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, options->topic, NULL);
    static struct histogram times;
    for (int i = 0; i < 20; i++) {
        const struct rd_kafka_metadata *metadata;
        int64_t began_ns = load_now_ns();
        if (rd_kafka_metadata(client, 0, topic, &metadata, 60000)) {
            load_die("no metadata of %s", options->topic);
        }
        int count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
        if (count < options->records) {
            load_die("%s has %d partitions", options->topic, count);
        }
        histogram_add(&times, load_now_ns() - began_ns);
    }
    printf("metadata.p50_ms %.3f\n", histogram_quantile(&times, 0.5) / 1e3);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
    return 0;
}
