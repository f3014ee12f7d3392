/* The client of the tests: its commands and what they share. */
#include "client_tool.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
client_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("client_tool: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

int64_t
client_number(const char *text, int64_t min, int64_t max)
{
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n < min || n > max) {
        client_die("'%s' is no number from %" PRId64 " to %" PRId64, text, min, max);
    }
    return n;
}

static void
conf_set(rd_kafka_conf_t *conf, const char *const *settings)
{
    char error[512];
    for (; *settings; settings += 2) {
        if (rd_kafka_conf_set(conf, settings[0], settings[1], error, sizeof error)) {
            client_die("%s", error);
        }
    }
}

bool
client_has_defaults(void)
{
    return getenv("CLIENT_DEFAULTS") != NULL;
}

rd_kafka_conf_t *
client_conf(const char *bootstrap, const char *const *settings)
{
    const char *const where[] = { "bootstrap.servers", bootstrap, "log.connection.close", "false",
        NULL };
    /* A killed broker is back in a moment: look often. */
    static const char *const eager[] = { "reconnect.backoff.ms", "20", "reconnect.backoff.max.ms",
        "200", NULL };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    conf_set(conf, where);
    if (!client_has_defaults()) {
        conf_set(conf, eager);
    }
    conf_set(conf, settings);
    const char *const debug[] = { "debug", getenv("CLIENT_DEBUG"), NULL };
    if (debug[1]) {
        conf_set(conf, debug);
    }
    return conf;
}

static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

size_t
client_value(int32_t partition, int64_t number, char value[CLIENT_VALUE_SIZE_MAX])
{
    uint64_t seed = mix((uint64_t)number * 64 + (uint64_t)partition);
    /* Mostly small, now and then tens of KiB: batches that end at odd places. */
    size_t size = 32 + seed % 400;
    if (seed % 97 == 0) {
        size = 20000 + seed % 40000;
    }
    int head =
            snprintf(value, CLIENT_VALUE_SIZE_MAX, "%" PRId32 " %" PRId64 " ", partition, number);
    for (size_t i = (size_t)head; i < size; i++) {
        value[i] = (char)('a' + (seed >> (i % 56)) % 26);
    }
    return size;
}

int64_t
client_value_number(int32_t partition, const void *value, size_t size)
{
    static char expected[CLIENT_VALUE_SIZE_MAX];
    char head[48] = { 0 };
    int32_t said_partition = 0;
    int64_t number = 0;
    memcpy(head, value, size < sizeof head ? size : sizeof head - 1);
    if (sscanf(head, "%" SCNd32 " %" SCNd64 " ", &said_partition, &number) != 2 || number < 0 ||
            said_partition != partition) {
        return -1;
    }
    size_t expected_size = client_value(partition, number, expected);
    return expected_size == size && memcmp(expected, value, size) == 0 ? number : -1;
}

static int
usage(void)
{
    fputs("usage: client_tool create    BOOTSTRAP TOPIC PARTITIONS\n"
          "       client_tool delete    BOOTSTRAP TOPIC\n"
          "       client_tool produce   BOOTSTRAP TOPIC PARTITIONS RATE HISTORY [FIRST-NUMBER]\n"
          "       client_tool plain     BOOTSTRAP TOPIC PARTITIONS RATE HISTORY [FIRST-NUMBER]\n"
          "       client_tool consume   BOOTSTRAP TOPIC GROUP HISTORY\n"
          "       client_tool committed BOOTSTRAP TOPIC GROUP PARTITIONS HISTORY\n"
          "       client_tool verify    BOOTSTRAP TOPIC PARTITIONS HISTORY [READ-HISTORY]\n"
          "       client_tool read      BOOTSTRAP TOPIC PARTITIONS READ-HISTORY\n",
            stderr);
    return 2;
}

static int32_t
partitions_of(const char *text)
{
    return (int32_t)client_number(text, 1, CLIENT_PARTITIONS_MAX);
}

int
main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "";
    if (strcmp(command, "delete") == 0 && argc == 4) {
        return client_delete(argv[2], argv[3]);
    }
    if (strcmp(command, "create") == 0 && argc == 5) {
        return client_create(argv[2], argv[3], (int)client_number(argv[4], 1, 1000000));
    }
    if ((strcmp(command, "produce") == 0 || strcmp(command, "plain") == 0) &&
            (argc == 7 || argc == 8)) {
        const struct produce_options options = {
            .bootstrap = argv[2],
            .topic = argv[3],
            .partitions = partitions_of(argv[4]),
            .rate = client_number(argv[5], 1, 1000000),
            .path = argv[6],
            .first = argc == 8 ? client_number(argv[7], 0, INT64_MAX / 2) : 0,
            .is_plain = command[1] == 'l',
        };
        return client_produce(&options);
    }
    if (strcmp(command, "read") == 0 && argc == 6) {
        return client_verify(argv[2], argv[3], partitions_of(argv[4]), NULL, argv[5]);
    }
    if (strcmp(command, "consume") == 0 && argc == 6) {
        return client_consume(argv[2], argv[3], argv[4], argv[5]);
    }
    if (strcmp(command, "committed") == 0 && argc == 7) {
        return client_committed(argv[2], argv[3], argv[4], partitions_of(argv[5]), argv[6]);
    }
    if (strcmp(command, "verify") == 0 && (argc == 6 || argc == 7)) {
        return client_verify(argv[2], argv[3], partitions_of(argv[4]), argv[5], argv[6]);
    }
    return usage();
}
