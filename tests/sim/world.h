#pragma once
/* A simulated cluster: real brokers (broker/process.h) on simulated hosts, one store in memory, and
 * model clients that reach them through the simulated network; all in one thread, from one seed.
 *
 * A run has three parts: faults go on while clients work (safety); all faults end, and everything
 * must become available within LIVENESS_NS (liveness); the last reading of all that is there. What
 * clients saw goes into a history (tests/crash/HISTORY.md), which tests/crash/check_history.py
 * judges; what the run itself sees to be wrong is a violation. */

#include "base/attr.h"
#include "process.h"
#include "reactor/clock.h"
#include "reactor/sim.h"
#include "sim/plan.h"

#include <stdio.h>

#define CLIENTS_MAX 16

/* Of simulated time, from the end of the faults until all clients are done. */
#define LIVENESS_NS (180ull * NS_PER_S)

struct world;

struct node {
    struct world *world;
    int id;
    char name[16]; /* of its host, and of its rules for the store */
    struct sim_host *host;
    struct sim_process *process;
    struct settings *settings;
    struct process_options options;
    bool is_ready;
    uint64_t start_ns;    /* not started before */
    int64_t wall_jump_ms; /* how wrong its wall clock is */
    unsigned starts;
};

struct world {
    struct sim *sim;
    struct plan plan;
    FILE *history;
    struct node nodes[PLAN_BROKERS_MAX];    /* node i has id i + 1 */
    bool calm;                              /* faults are over */
    bool closing;                           /* clients finish what they have begun, and end */
    bool may_stop;                          /* the last reading is done, all brokers are ready */
    unsigned clients;                       /* that run */
    int64_t trim_asked[PLAN_TOPICS_MAX][8]; /* greatest offset that records were deleted up to */
    uint64_t began_ns;
    char violation[1024];
};

/* The first one counts. */
PRINTF(2, 3) void world_violate(struct world *world, const char *format, ...);
/* One line of the history. */
PRINTF(6, 7)
void world_event(struct world *world, const char *worker, const char *event, const char *topic,
        int32_t partition, const char *format, ...);
/* In [min, max], from the seed. */
uint64_t world_between(struct world *world, uint64_t min, uint64_t max);
/* Sleeps; false when the process dies. */
MUST_CHECK MAY_SUSPEND bool world_sleep(struct world *world, uint64_t min_ms, uint64_t max_ms);

/* nodes.c */
void nodes_init(struct world *world);
bool node_is_up(const struct node *node);
/* Starts whatever is down and may run. */
void nodes_tend(struct world *world);
bool nodes_are_ready(struct world *world);
void nodes_done(struct world *world);

/* fate.c: the process that makes the faults; arg is the world. */
void fate_main(void *arg);
