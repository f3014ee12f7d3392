#pragma once
/* A world of writers and readers of one object log in the simulator: each a process on a host of
 * its own, with its own faults between it and the one store. Writers take over from each other with
 * rising epochs, whenever they like: there is no lease here that would keep them apart, so M1, M2
 * and M3 alone must. */

#include "model/ledger.h"
#include "objectstore/faulty.h"
#include "objectstore/objectstore.h"
#include "reactor/sim.h"

#include <stdbool.h>

#define WORLD_ACTORS_MAX 4
#define WORLD_STORE "model"

struct world;

struct actor {
    struct world *world;
    unsigned index;
    char name[16];
    bool reader;
    struct sim_host *host;
    struct sim_process *process;
    struct objectstore *objects;
    uint64_t snapshots_every; /* entries */
    uint64_t pause_max_ns;    /* between appends */
    uint64_t append_limit;    /* 0: none */
    uint64_t start_ns;        /* does nothing before */
};

struct world {
    uint64_t seed;
    unsigned mutants;
    struct sim *sim;
    struct ledger ledger;
    int64_t next_epoch; /* as the lease's conditional replace hands them out */
    uint64_t next_id;
    uint64_t end_ns; /* actors stop then */
    bool stopping;
    struct actor actors[WORLD_ACTORS_MAX];
    unsigned actor_count;
};

void world_init(struct world *world, uint64_t seed, unsigned mutants);
void world_done(struct world *world);
struct actor *world_add(struct world *world, const char *name, bool reader);
/* Starts (again) the actor's process. */
void actor_start(struct actor *actor);
/* One rule in faulty.h's notation. */
void actor_fault(struct actor *actor, const char *rule);
void actor_heal(struct actor *actor);
/* Waits until the actors' processes are over; then lets late writes land, reads the log as a
 * newcomer would, and compares. Call on a fiber of the driver's process. */
void world_finish(struct world *world);
/* Runs the driver as a process until all is over. */
void world_run(struct world *world, fiber_fn driver, void *arg);
/* From the reactor's clock: time since the start. */
uint64_t world_now_ns(void);

/* log_script.c: one run of a given number; the number of all scripts. */
void script_run(struct world *world, uint64_t number);
uint64_t script_count(void);
