/* The history of a test: one line per event, in the format of tests/crash/HISTORY.md. */
#include "client_tool.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct history {
    FILE *file;
    char worker[64];
    int64_t flushed_us;
};

int64_t
client_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct history *
history_open(const char *path, const char *role)
{
    struct history *history = calloc(1, sizeof *history);
    if (!history) {
        client_die("out of memory");
    }
    /* A process that goes on in the file of an earlier one is another worker. */
    snprintf(history->worker, sizeof history->worker, "%s-%d", role, (int)getpid());
    history->file = fopen(path, "ae");
    if (!history->file) {
        client_die("cannot write %s", path);
    }
    return history;
}

void
history_close(struct history *history)
{
    if (fclose(history->file)) {
        client_die("the history cannot be written");
    }
    free(history);
}

/* At most every 100 ms. */
static void
flush_at(struct history *history, int64_t now_us)
{
    if (now_us - history->flushed_us > 100000) {
        fflush(history->file);
        history->flushed_us = now_us;
    }
}

void
history_flush(struct history *history)
{
    flush_at(history, client_now_us());
}

void
history_sync(struct history *history)
{
    fflush(history->file);
    history->flushed_us = client_now_us();
}

static void
event_write(struct history *history, int64_t at_us, const char *event, const char *topic,
        int32_t partition)
{
    fprintf(history->file, "%" PRId64 " %s %s %s %" PRId32 " ", at_us, history->worker, event,
            topic, partition);
}

void
history_event(struct history *history, const char *event, const char *topic, int32_t partition,
        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int64_t now_us = client_now_us();
    event_write(history, now_us, event, topic, partition);
    vfprintf(history->file, format, args);
    fputc('\n', history->file);
    va_end(args);
    flush_at(history, now_us);
}

void
history_sent(struct history *history, int64_t at_us, const char *topic, int32_t partition,
        int64_t number)
{
    event_write(history, at_us, "send", topic, partition);
    fprintf(history->file, "%" PRId64 "\n", number);
    flush_at(history, client_now_us());
}

void
history_note(struct history *history, const char *event, const char *topic, int32_t partition,
        int64_t number)
{
    fprintf(history->file, "# %" PRId64 " %s %s %" PRId32 " %" PRId64 "\n", client_now_us(), event,
            topic, partition, number);
}

static void
acked_add(struct acked_list *list, struct acked record)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? list->capacity * 2 : 1024;
        list->records = realloc(list->records, list->capacity * sizeof *list->records);
        if (!list->records) {
            client_die("out of memory");
        }
    }
    list->records[list->count++] = record;
}

/* True when the line is an ack of the topic. */
static bool
ack_parse(const char *line, const char *wanted, int32_t *ret_partition, struct acked *ret_record)
{
    char topic[256];
    return sscanf(line, "%*d %*s ack %255s %" SCNd32 " %" SCNd64 " %" SCNd64, topic, ret_partition,
                   &ret_record->number, &ret_record->offset) == 4 &&
           strcmp(topic, wanted) == 0;
}

void
acked_read(const char *path, const char *topic, struct acked_list *lists, int32_t partitions)
{
    memset(lists, 0, (size_t)partitions * sizeof *lists);
    FILE *file = fopen(path, "re");
    if (!file) {
        return;
    }
    char line[1024];
    int32_t partition = 0;
    struct acked record;
    while (fgets(line, sizeof line, file)) {
        if (!ack_parse(line, topic, &partition, &record)) {
            continue;
        }
        if (partition < 0 || partition >= partitions) {
            client_die("%s names partition %" PRId32, path, partition);
        }
        acked_add(&lists[partition], record);
    }
    fclose(file);
}

void
acked_free(struct acked_list *lists, int32_t partitions)
{
    for (int32_t i = 0; i < partitions; i++) {
        free(lists[i].records);
    }
}
