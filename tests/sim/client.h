#pragma once
/* What all model clients share: connections to the brokers, who leads what, numbered records. One
 * client is used by one fiber. */

#include "sim/kafka.h"
#include "sim/world.h"

#define CLIENT_CALL_NS (6ull * NS_PER_S)

struct client {
    struct world *world;
    char name[48];                             /* of the worker in the history */
    struct kafka *links[PLAN_BROKERS_MAX + 1]; /* by broker id */
    int32_t leader;                            /* where the last question went, or -1 */
    int32_t coordinator;                       /* of the group, or -1 */
};

/* A process of its own on a host of its own; ends by itself, or killed by fate. */
struct client_process {
    struct world *world;
    char host[24];
    fiber_fn main_fn;
    unsigned index; /* among its kind */
    unsigned starts;
    bool may_be_killed; /* it is another worker when it comes back */
    struct sim_process *process;
};

void client_init(struct client *client, struct world *world, const char *name);
MAY_SUSPEND void client_done(struct client *client);
/* A connection to the broker; made when there is none. -errno: nothing was sent. */
MUST_CHECK MAY_SUSPEND int client_link(
        struct client *client, int32_t broker, struct kafka **ret_link);
MAY_SUSPEND void client_unlink(struct client *client, int32_t broker);
/* One request and its answer. After an error the connection is closed: the outcome is unknown. */
MUST_CHECK MAY_SUSPEND int client_call(struct client *client, int32_t broker, int16_t api_key,
        int16_t version, const void *request, void *ret_response);
/* Any broker. */
int32_t client_any(struct client *client);
/* The leader of the partition as some broker tells; -1: nobody knows. */
MAY_SUSPEND int32_t client_leader(struct client *client, const char *topic, int32_t partition);
/* A Produce or Fetch... answer with an error, or none: the next one goes to who leads then. */
void client_forget(struct client *client);

#define RECORD_VALUE_MAX 2048
/* The value of a record: its number and bytes that follow from it. Returns the size. */
size_t record_value(int32_t partition, int64_t number, uint8_t value[RECORD_VALUE_MAX]);
/* The number in a value, or -1 when a byte of it is another. */
int64_t record_number(int32_t partition, struct bytes value);

struct fetched {
    int64_t next; /* offset to ask for */
    int64_t high_watermark;
    int64_t start;
};
typedef void (*record_fn)(void *arg, int64_t offset, int64_t number);
/* One Fetch of one partition. Calls `each` for every record from `offset` on. Kafka's code, or
 * -errno. */
MUST_CHECK MAY_SUSPEND int client_fetch(struct client *client, const char *topic, int32_t partition,
        int64_t offset, unsigned wait_ms, record_fn each, void *arg, struct fetched *ret);
/* ListOffsets: -1 latest, -2 earliest. */
MUST_CHECK MAY_SUSPEND int client_offset(struct client *client, const char *topic,
        int32_t partition, int64_t timestamp, int64_t *ret_offset);
/* The names of the world's topics. */
const char *topic_name(unsigned index, bool plain, char name[16]);

/* clients.c: who runs, for fate. */
void clients_add(struct world *world);
/* Starts again what was killed. */
void clients_tend(struct world *world);
bool clients_are_over(struct world *world);
/* Any client, or NULL when there is none. */
struct client_process *clients_any(struct world *world);
unsigned clients_count(void);
struct client_process *clients_at(unsigned i);
struct sim_host *clients_host(struct world *world, const struct client_process *client);

/* The model clients: main functions of struct client_process. */
void producer_main(void *arg); /* one topic, a fiber for each partition */
void tail_main(void *arg);     /* follows all partitions of one topic without a group */
void member_main(void *arg);   /* of group "g", which reads all idempotent topics */
void mover_main(void *arg);    /* reassigns partitions */
void deleter_main(void *arg);  /* deletes records, makes and deletes topics */
/* Called by fate. */
MUST_CHECK MAY_SUSPEND int admin_create_topics(struct client *client);
MAY_SUSPEND void last_reading(struct client *client);
MAY_SUSPEND void last_topics(struct client *client);

/* 0: it is there. retention_bytes 0: not set. */
MUST_CHECK MAY_SUSPEND int admin_create_topic(
        struct client *client, const char *name, unsigned retention_bytes);
/* A batch that no history knows: for a topic that goes with it. */
MAY_SUSPEND void producer_fill(struct client *client, const char *topic, int32_t partition);
/* Behind OFFSET_OUT_OF_RANGE, where records are deleted: moves the position to the log's start when
 * that is behind it. False: it is not, or not known now. */
MUST_CHECK MAY_SUSPEND bool client_restart(
        struct client *client, const char *topic, int32_t partition, int64_t *position);
#define RETENTION_BYTES 4000 /* of the plain topics, where records are deleted */
