#pragma once
/* One broker of the meta_world: what it proposes and writes, and what it reports of what it sees.
 */

#include "meta/meta.h"
#include "model/ledger.h"
#include "reactor/sim.h"
#include "store/store.h"

#define META_WORLD_BROKERS 3
#define META_WORLD_IDS_MAX 32768
#define META_WORLD_SLOTS 256 /* slots of the ledger for the records of one log object */

struct meta_world;

struct broker {
    struct meta_world *world;
    char name[16];
    int32_t id;
    struct sim_host *host;
    struct sim_process *process;
    uint64_t snapshot_interval;
    struct uuid last_writer; /* kept on the host's disk: the process is dead when it is read */
    struct objectstore *objects;
    struct store *store;
    struct meta *meta;
    int64_t epoch; /* as controller */
    bool stopping;
};

struct meta_world {
    unsigned mutants;
    struct sim *sim;
    struct ledger ledger;
    bool refused[META_WORLD_IDS_MAX];            /* by entry: reported as not logged */
    uint64_t write_ended_ns[META_WORLD_IDS_MAX]; /* by object: when no request for it was under way
                                                    any more */
    uint64_t collected_ns[META_WORLD_IDS_MAX];   /* by object: META_INTENT_DONE */
    uint64_t next_id;
    uint32_t next_topic;
    int64_t valid_epoch; /* greatest epoch whose lease was seen valid */
    bool stopping;
    struct broker brokers[META_WORLD_BROKERS + 1]; /* and the last one */
};

int broker_open(struct broker *broker);
void broker_close(struct broker *broker);
/* meta_start, and reports what the state is. */
int broker_start(struct broker *broker);
/* The main function of a broker's process: lives until the world stops or it is killed. */
void broker_main(void *arg);
