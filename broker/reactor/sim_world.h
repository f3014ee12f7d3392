#pragma once
/* What the files of the simulator share. Private to them. */

#include "reactor/internal.h"
#include "reactor/sim.h"
#include "reactor/sim_internal.h"

#define SIM_SIGNALS_MAX 8
#define SIM_NAME_SIZE 32
#define SIM_FAULTS_MAX 32

/* Something that happens at a time, without a fiber. */
struct sim_event {
    struct timer timer;
    void (*fn)(struct sim *sim, struct sim_event *event);
};

struct sim {
    uint64_t now_ns;
    uint64_t hash;
    uint64_t world_seed;   /* order, times, faults */
    uint64_t program_seed; /* what programs get from random.h */
    uint64_t test_seed;    /* sim_random_below */
    struct timers events;
    struct list hosts;
    struct list processes;
    unsigned host_count;
    uint64_t reactor_number; /* tells reactors apart in the hash */
    uint64_t abandoned;
    bool abrupt; /* S1 */
    struct fiber_pool *pool;
    struct list endpoints; /* of the network: sim_net.c */
    struct list listeners;
    struct list cuts;
    uint64_t endpoint_next;
    struct sim_net_weather net;
    char crash_next[FILE_PATH_MAX];
    unsigned crash_next_passes;
    struct sim_process *first; /* what reactors_run started last */
};

/* A running disk fault that was asked for. */
struct sim_fault_order {
    enum sim_disk_fault_kind kind;
    const char *path_part;
    uint64_t left; /* operations until it strikes; 0: used up */
};

struct sim_disk;

struct sim_host {
    struct list link;
    struct sim *sim;
    char name[SIM_NAME_SIZE];
    char address[20];
    uint64_t paused_until_ns;
    int64_t wall_jump_ms;
    uint64_t asleep_ns; /* what clock_mono_ns does not count */
    uint64_t asleep_until_ns;
    /* Drift: from base_ns on, the host shows host_base_ns + (now - base_ns) * (1 + ppm / 10^6). */
    int ppm;
    uint64_t base_ns;
    uint64_t host_base_ns;
    struct sim_disk *disk;
    struct sim_disk_weather weather;
    struct sim_fault_order faults[SIM_FAULTS_MAX];
    sim_boundary_fn watch;
    void *watch_arg;
    uint64_t boundaries;
    uint16_t port_next;
    struct list in_flight; /* operations of the disk */
};

struct sim_process {
    struct list link;
    struct sim_host *host;
    struct reactors *reactors; /* freed when over */
    enum sim_state state;
    bool over;
    bool dying;  /* killed or exited; its fibers are unwinding */
    bool silent; /* power cut: peers hear nothing */
    int code;
    char name[SIM_NAME_SIZE];
    const char *crash_name;
    char crash_text[FILE_PATH_MAX];
    unsigned crash_passes;
    int signals[SIM_SIGNALS_MAX];
    unsigned signal_count;
    struct fiber *signal_waiter;
    struct list handles; /* open files */
    struct list waiters; /* fibers in sim_wait */
};

/* sim.c */
uint64_t sim_world_random(struct sim *sim);
/* In [min, max]. */
uint64_t sim_world_between(struct sim *sim, uint64_t min, uint64_t max);
bool sim_world_chance(struct sim *sim, unsigned ppm);
/* Mixes into the hash. */
void sim_note(struct sim *sim, uint64_t kind, uint64_t a, uint64_t b);
void sim_event_at(struct sim *sim, struct sim_event *event, uint64_t time_ns);
struct sim_process *sim_process_here(void);
uint64_t sim_host_clock(const struct sim_host *host, uint64_t now_ns);

/* sim_process.c */
/* Whether it did anything. */
bool sim_process_settle(struct sim_process *process);
void sim_process_die(struct sim_process *process, enum sim_state state, int code);
void sim_process_free(struct sim_process *process);
bool sim_reactor_is_runnable(struct reactor *reactor);
void sim_reactor_turn(struct reactor *reactor);

/* sim_file.c */
/* Fibers of the process no longer wait for the disk; the operations go on. */
void sim_file_detach(struct sim_process *process);
/* Closes what the process left open. */
void sim_file_process_over(struct sim_process *process);
/* Nothing that is under way lands any more. */
void sim_file_void(struct sim_host *host);

/* sim_net.c */
void sim_net_process_over(struct sim_process *process);
void sim_net_free(struct sim *sim);
