/* A member of a consumer group that writes down what it was given, what it committed and what was
 * committed when partitions came to it. It lives through any number of crashes of the broker. */
#include "client_tool.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define COMMIT_INTERVAL_US 150000
#define ASK_TIMEOUT_MS 20000

struct member {
    rd_kafka_t *client;
    struct history *history;
    const char *group;
    const char *topic;
    int64_t next[CLIENT_PARTITIONS_MAX]; /* offset to commit; -1: nothing was read since the last */
    int64_t polled;
    int64_t commits;
};

static volatile sig_atomic_t stop_wanted;

static void
on_signal(int number)
{
    (void)number;
    stop_wanted = 1;
}

/* Refused by the coordinator: surely not carried out. Everything else may be. */
static bool
is_refused(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
           error == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}

static void
commit_event(struct member *member, const rd_kafka_topic_partition_t *p, rd_kafka_resp_err_t error)
{
    error = error ? error : p->err;
    if (error) {
        history_event(member->history, is_refused(error) ? "commit-refused" : "commit-unknown",
                p->topic, p->partition, "%" PRId64 " %s %s", p->offset, member->group,
                rd_kafka_err2name(error));
        return;
    }
    history_event(member->history, "commit", p->topic, p->partition, "%" PRId64 " %s", p->offset,
            member->group);
    member->commits++;
}

static void
commit(struct member *member)
{
    rd_kafka_topic_partition_list_t *list =
            rd_kafka_topic_partition_list_new(CLIENT_PARTITIONS_MAX);
    for (int32_t i = 0; i < CLIENT_PARTITIONS_MAX; i++) {
        if (member->next[i] >= 0) {
            rd_kafka_topic_partition_list_add(list, member->topic, i)->offset = member->next[i];
            history_event(member->history, "commit-asked", member->topic, i, "%" PRId64 " %s",
                    member->next[i], member->group);
            member->next[i] = -1;
        }
    }
    if (list->cnt > 0) {
        /* A member that is killed has written down what it asked for. */
        history_sync(member->history);
        rd_kafka_resp_err_t error = rd_kafka_commit(member->client, list, 0);
        for (int i = 0; i < list->cnt; i++) {
            commit_event(member, &list->elems[i], error);
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Where the group is, as the coordinator says. It must say so sooner or later. */
static void
committed_ask(struct member *member, rd_kafka_topic_partition_list_t *list)
{
    int64_t asked_us = client_now_us();
    rd_kafka_resp_err_t error;
    while ((error = rd_kafka_committed(member->client, list, ASK_TIMEOUT_MS)) != 0 &&
            !stop_wanted) {
        fprintf(stderr, "client_tool: committed offsets: %s\n", rd_kafka_err2str(error));
        asked_us = client_now_us();
    }
    for (int i = 0; i < list->cnt && !error; i++) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        if (p->err) {
            fprintf(stderr, "client_tool: committed offset of %s/%" PRId32 ": %s\n", p->topic,
                    p->partition, rd_kafka_err2str(p->err));
            continue;
        }
        int64_t offset = p->offset < 0 ? -1 : p->offset;
        history_event(member->history, "committed", p->topic, p->partition,
                "%" PRId64 " %s %" PRId64, offset, member->group, asked_us);
    }
}

static void
on_rebalance(rd_kafka_t *client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *list,
        void *opaque)
{
    struct member *member = opaque;
    if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        committed_ask(member, list);
        for (int i = 0; i < list->cnt; i++) {
            /* A position that isn't known is asked for again by the client itself. */
            history_event(member->history, "assign", list->elems[i].topic, list->elems[i].partition,
                    "%" PRId64 " %s", list->elems[i].offset < 0 ? -1 : list->elems[i].offset,
                    member->group);
        }
        rd_kafka_assign(client, list);
        return;
    }
    if (!rd_kafka_assignment_lost(client)) {
        commit(member);
    }
    for (int i = 0; i < list->cnt; i++) {
        member->next[list->elems[i].partition] = -1;
        history_event(member->history, "revoke", list->elems[i].topic, list->elems[i].partition,
                "%s", member->group);
    }
    rd_kafka_assign(client, NULL);
}

static void
member_open(struct member *member, const char *bootstrap)
{
    char error[512];
    const char *const settings[] = { "group.id", member->group, "enable.auto.commit", "false",
        "auto.offset.reset", "earliest", "check.crcs", "true", "fetch.wait.max.ms", "100",
        "session.timeout.ms", "10000", "heartbeat.interval.ms", "500", "socket.timeout.ms", "10000",
        "retry.backoff.ms", "50", NULL };
    rd_kafka_conf_t *conf = client_conf(bootstrap, settings);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_opaque(conf, member);
    member->client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (!member->client) {
        client_die("%s", error);
    }
    rd_kafka_poll_set_consumer(member->client);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, member->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t r = rd_kafka_subscribe(member->client, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (r) {
        client_die("subscribe: %s", rd_kafka_err2str(r));
    }
}

static void
take(struct member *member, const rd_kafka_message_t *message)
{
    if (message->err) {
        if (message->err != RD_KAFKA_RESP_ERR__TRANSPORT &&
                message->err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
            fprintf(stderr, "client_tool: consume: %s\n", rd_kafka_message_errstr(message));
        }
        /* An offset out of range would make the client begin anew: the history says so. */
        if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                message->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE) {
            history_event(member->history, "reset", member->topic, message->partition,
                    "%" PRId64 " %s", message->offset, member->group);
        }
        return;
    }
    int64_t number = client_value_number(message->partition, message->payload, message->len);
    history_event(member->history, "poll", member->topic, message->partition,
            "%" PRId64 " %" PRId64 " %s", number, message->offset, member->group);
    member->next[message->partition] = message->offset + 1;
    member->polled++;
}

int
client_consume(const char *bootstrap, const char *topic, const char *group, const char *path)
{
    struct member member = { .group = group, .topic = topic };
    memset(member.next, 0xff, sizeof member.next);
    member.history = history_open(path, "consumer");
    member_open(&member, bootstrap);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    int64_t committed_us = client_now_us();
    while (!stop_wanted) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(member.client, 20);
        if (message) {
            take(&member, message);
            rd_kafka_message_destroy(message);
        }
        if (client_now_us() - committed_us > COMMIT_INTERVAL_US) {
            commit(&member);
            committed_us = client_now_us();
        }
        history_flush(member.history);
    }
    rd_kafka_consumer_close(member.client); /* commits in on_rebalance */
    rd_kafka_destroy(member.client);
    history_close(member.history);
    printf("polled %" PRId64 ", commits %" PRId64 "\n", member.polled, member.commits);
    return 0;
}

int
client_committed(const char *bootstrap, const char *topic, const char *group, int32_t partitions,
        const char *path)
{
    char error[512];
    const char *const settings[] = { "group.id", group, NULL };
    struct member member = { .group = group, .topic = topic };
    member.history = history_open(path, "asker");
    member.client =
            rd_kafka_new(RD_KAFKA_CONSUMER, client_conf(bootstrap, settings), error, sizeof error);
    if (!member.client) {
        client_die("%s", error);
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int32_t i = 0; i < partitions; i++) {
        rd_kafka_topic_partition_list_add(list, topic, i);
    }
    committed_ask(&member, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(member.client);
    history_close(member.history);
    return 0;
}
