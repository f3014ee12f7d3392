#pragma once
/* One coordinator: the groups of one partition of __consumer_offsets, and its way into that
 * partition. The coordinators of a reactor share two fibers: one watches the time of rebalances and
 * sessions, the other removes offsets that nobody needs. Internal to groups/.
 *
 * Each coordinator has a fiber: it loads the partition, then writes what is handed to
 * coordinator_write, many at once in one batch, one batch after the other, and applies each when it
 * is durable (G1, G4). It ends when the partition closes. */

#include "groups/records.h"
#include "reactor/sync.h"

#define TOPICS_DELETED_KEPT 64

struct groups {
    struct groups_options options;
    struct coordinators *by_reactor[REACTORS_MAX];
    struct mutex creation; /* of the topic; reactor 0 */
};

struct coordinators {
    struct groups *groups;
    struct shard *shard;
    struct shard_listener listener;
    struct map by_partition;
    struct list all;
    struct wait_queue ended; /* a coordinator is gone */
    struct deadlines deadlines;
    struct wait_queue timer_wanted;
    uint64_t timer_due_ns; /* until when the timer fiber sleeps */
    struct fiber *timer;
    struct wait_queue janitor_wanted;
    bool topics_deleted;                      /* since the janitor began its last round */
    struct uuid deleted[TOPICS_DELETED_KEPT]; /* the last ones, a ring */
    size_t deleted_count;
    struct fiber *janitor;
    size_t memory;
    size_t writes_size; /* of records that wait for the log */
    uint64_t group_count;
    uint64_t commits;
    uint64_t expired_offsets;
    uint64_t rebalances;
};

struct coordinator {
    struct map_node node; /* in coordinators.by_partition, until it is closed */
    struct list link;     /* in coordinators.all, until its memory goes */
    struct coordinators *home;
    struct partition_key key;
    bool loaded;  /* G5 */
    bool closed;  /* G5 */
    bool running; /* has its fiber */
    struct map groups;
    struct list all;        /* groups */
    struct list writes;     /* coordinator_write, oldest first */
    struct wait_queue work; /* its fiber waits here */
    uint32_t users;         /* its open partition, its fiber, and calls that wait */
};

/* --- coordinators.c: those of this reactor --- */
MUST_CHECK int coordinators_open(struct groups *groups);
/* Closes all coordinators and ends the fibers. */
MAY_SUSPEND void coordinators_close(struct coordinators *home);
void coordinators_free(struct coordinators *home);
/* The coordinator of the partition, or NULL with Kafka's code (G5). */
struct coordinator *coordinators_find(
        struct coordinators *home, struct partition_key key, int16_t *ret_error);
/* No new groups, members or offsets: GROUPS_MEMORY_MAX. */
bool coordinators_are_full(const struct coordinators *home);

/* --- coordinator.c --- */
void coordinator_init(struct coordinator *c, struct coordinators *home, struct partition_key key);
/* Starts its fiber. -ENOBUFS: none can be had; later. */
MUST_CHECK int coordinator_run(struct coordinator *c);
/* Ends what waits in it; its memory goes when nobody is inside any more. Must not wait. */
void coordinator_close(struct coordinator *c);
void coordinator_unref(struct coordinator *c);
struct group *coordinator_group(struct coordinator *c, struct bytes id);
struct group *coordinator_new_group(struct coordinator *c, struct bytes id);
/* Nobody may wait in the group. */
void coordinator_free_group(struct coordinator *c, struct group *group);
/* The group wants to be looked at when that time comes, or before. */
void coordinator_arm(struct coordinator *c, struct group *group, uint64_t due_ns);

/* In the coordinator's fiber when the records are durable, or with the code why not; must not
 * wait. */
typedef void (*coordinator_done_fn)(struct coordinator *c, void *arg, int16_t error);
/* Hands the records over (takes them). With `replay` they change memory as if they were loaded;
 * then `done`, which may be NULL, is called. */
void coordinator_write(struct coordinator *c, struct group_records *records, bool replay,
        coordinator_done_fn done, void *arg);
/* Writes with replay and waits: 0 when durable and applied, or Kafka's code. Takes the records;
 * none at all is fine. At most offsets.commit.timeout.ms. */
MAY_SUSPEND int16_t coordinator_commit(struct coordinator *c, struct group_records *records);

/* --- load.c --- */
/* Reads the whole partition into memory. -ECANCELED: closed meanwhile. */
MUST_CHECK MAY_SUSPEND int coordinator_load(struct coordinator *c);
/* Makes memory what the record says (G4). */
MUST_CHECK int coordinator_replay(struct coordinator *c, const struct group_record *record);

/* --- janitor.c --- */
void coordinators_janitor_main(void *arg);
