#pragma once
/* A broker's coordinators over a rig: one reactor's partitions of __consumer_offsets, and clients
 * that join and sync on fibers of their own. */

#include "groups/coordinator.h"
#include "groups/kafka_codes.h"
#include "unit/broker/partition/support_rig.h"

struct bench {
    struct rig rig;
    struct settings *settings;
    struct shard *shards[REACTORS_MAX];
    struct groups *groups;
    struct bytes group; /* an id whose coordinator is on reactor 0 */
    struct arena arena; /* of all calls' answers */
};

/* `settings`: "key=value" pairs, NULL at the end; the initial delay is 0 unless set. */
int bench_new(struct bench *bench, const char *name, const char *const *settings);
int bench_stop(struct bench *bench);
/* SIGKILL and a new start on what is durable. */
int bench_crash(struct bench *bench);
/* Closes and opens the coordinators' partitions on this broker, as a move away and back does. */
int bench_move(struct bench *bench);
/* Waits until fn(arg) is true: at most ten seconds. */
bool bench_wait(bool (*fn)(void *arg), void *arg);
/* Waits until no coordinator loads. */
bool bench_loaded(struct bench *bench);
struct group *bench_group(struct bench *bench);

/* A client of the group: a member with one protocol "range" unless said otherwise. */
struct client {
    struct bench *bench;
    const char *instance_id; /* NULL: dynamic */
    const char *protocol;    /* NULL: "range" */
    const char *metadata;    /* NULL: "" */
    const char *type;        /* NULL: "consumer" */
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    bool old;        /* joins without an id of its own: before KIP-394 */
    bool skip;       /* knows version 9 */
    struct bytes id; /* member id, as told */
    struct group_protocol protocol_storage;
    struct group_join join;
    struct group_sync sync;
    struct group_assignment assignments[8];
    struct fiber *fiber;
};

struct client client_of(struct bench *bench);
/* Begins JoinGroup on a fiber (repeats it with the id that it is given); client_end waits for the
 * answer. */
int client_join_begin(struct client *client);
int client_sync_begin(struct client *client);
void client_end(struct client *client);
int16_t client_join(struct client *client);
/* As the leader: gives each of the members its own id as assignment. */
int16_t client_sync(struct client *client);
int16_t client_heartbeat(struct client *client);
int16_t client_leave(struct client *client);
/* Commits for topic "t", partition 0, as a member. */
int16_t client_commit(struct client *client, int64_t offset);

/* A simple consumer's commit and look-up of t-`partition`. */
int16_t bench_commit(struct bench *bench, int32_t partition, int64_t offset);
int64_t bench_offset(struct bench *bench, int32_t partition);
