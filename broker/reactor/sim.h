#pragma once
/* The simulator: hosts with a disk and a clock each, a network, and processes made of reactors, all
 * in the calling thread, all from one seed. The same seed and the same program give the same run,
 * proven by sim_hash.
 *
 * Entered by tests. A program under test is any code that runs on reactors; it cannot tell the
 * difference.
 *
 *   struct sim *sim = sim_new(seed);
 *   struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
 *   int r = reactors_run(&options, program, arg);  // one process on host "local", until it ends
 *   sim_free(sim);
 *
 * Several processes: sim_start for each, then sim_run. A driver that wants to kill, cut and restart
 * while they run is best itself a process (sim_start on a host of its own): it waits with
 * fiber_sleep_ns and calls the functions below.
 *
 * Time is virtual: a turn of a reactor costs one or two microseconds, otherwise time jumps to the
 * next event. Work of several reactors that is ready at one time is done in seeded order.
 * Helper-thread work (offload_run) is done in place. Threads that are not the simulator's must not
 * touch it: foreign_wait_complete only from its own thread.
 *
 * S1  A killed process does nothing any more to a disk, the network or the clock: each of its
 *     fibers is cancelled, so that every wait returns -ECANCELED at once and its cleanup frees its
 *     memory. What it changes in memory that it shares with the test is the test's business. Only
 *     fibers that can't end (in process_exit, or waiting for such a one) are abandoned with what
 *     they own on the heap: sim_abandoned counts them.
 *
 *     After sim_die_abruptly no fiber of a killed process runs again, not even to clean up, as with
 *     a real SIGKILL: for programs that are not made to unwind at any place. Their heap is lost.
 *
 * S2  What a killed process had handed to the disk may still land later, and its file locks are
 *     held until then.
 *
 * S3  A sector is durable only after a flush that began when its write was complete (or by a
 *     durable write). Of all other sectors any subset may survive a power cut: the test chooses
 *     which (struct sim_crash).
 *
 * S4  Sizes are durable by a flush of the file, names by disk_sync_folder of the folder. Names
 *     become durable in the order of the changes, as in a journal; sizes and sectors in any order.
 *
 * S5  After a failed flush the written pages count as clean though a part of them never reaches the
 *     disk: a second flush succeeds and proves nothing, as on Linux.
 *
 * Cost: some 10 us for sim_new, a process and sim_free; images share pages, a snapshot copies only
 * page tables. */

#include "reactor/fiber.h"

struct sim;
struct sim_host;
struct sim_process;
struct sim_image;

struct sim *sim_new(uint64_t seed);
/* Kills what still runs. Images stay valid. */
void sim_free(struct sim *sim);
/* Everything that happened so far as one number. */
uint64_t sim_hash(const struct sim *sim);
uint64_t sim_now_ns(const struct sim *sim);
/* From the seed, for the test's own decisions. */
uint64_t sim_random_below(struct sim *sim, uint64_t bound);
/* See S1. */
void sim_die_abruptly(struct sim *sim);
/* The simulator that runs the caller, or NULL. */
struct sim *sim_current(void);
/* The host whose process runs now, or NULL: for log lines. */
const char *sim_whoami(void);
/* Fibers whose memory was lost, see S1. */
uint64_t sim_abandoned(const struct sim *sim);

/* ---- hosts ---- */

/* The host of that name, made when there is none: its own address 10.0.0.n, its own empty disk.
 * tcp_connect finds it by name or address; "localhost", "127.0.0.1" and "" are the host of the
 * caller. reactors_run uses "local". */
struct sim_host *sim_host(struct sim *sim, const char *name);
const char *sim_host_address(const struct sim_host *host);
/* Nothing runs there for that long, though time and the network go on: a pause of the machine or
 * the scheduler. */
void sim_host_pause(struct sim_host *host, uint64_t duration_ns);
/* The wall clock (only) jumps. */
void sim_clock_jump(struct sim_host *host, int64_t wall_ms);
/* Its clocks run faster by that many millionths (negative: slower) from now on. */
void sim_clock_drift(struct sim_host *host, int ppm);
/* The machine sleeps: as a pause, but clock_mono_ns does not count it and clock_boot_ns does. */
void sim_host_suspend(struct sim_host *host, uint64_t duration_ns);

/* ---- processes ---- */

enum sim_state {
    SIM_RUNNING,
    SIM_ENDED,  /* its main function returned */
    SIM_EXITED, /* process_exit */
    SIM_KILLED,
};

/* Starts a process of `count` reactors; it runs when sim_run does. The handle is valid until
 * sim_free. */
struct sim_process *sim_start(
        struct sim_host *host, unsigned count, const char *name, fiber_fn main_fn, void *arg);
enum sim_state sim_process_state(const struct sim_process *process);
/* The argument of process_exit; 0 otherwise. */
int sim_process_code(const struct sim_process *process);
/* SIGKILL: its connections are closed by the kernel, its page cache survives. From anywhere on this
 * thread, also from the process itself (then its current fiber goes on until it next waits).
 * Harmless when it is over. */
void sim_kill(struct sim_process *process);
/* For signal_wait. */
void sim_signal(struct sim_process *process, int signal);
/* Kills the process when one of its fibers passes that crash point for the nth time (1: the first).
 */
void sim_crash_at(struct sim_process *process, const char *crash_point, unsigned nth);
/* As sim_crash_at for the process that reactors_run starts next. */
void sim_crash_next(struct sim *sim, const char *crash_point, unsigned nth);

/* Runs until no process runs. -EDEADLK: nothing can happen any more (the fault names a fiber that
 * waits); -ETIMEDOUT: limit_ns of virtual time have passed. From the plain thread only. */
MUST_CHECK int sim_run(struct sim *sim, uint64_t limit_ns);
/* As sim_run, until that process is over. */
MUST_CHECK int sim_run_process(struct sim_process *process, uint64_t limit_ns);
/* Suspends the calling fiber (of another process) until the process is over. */
MUST_CHECK MAY_SUSPEND int sim_wait(struct sim_process *process);

/* ---- disks ---- */

/* A step of the disk at which a crash makes a difference. */
enum sim_boundary_kind {
    SIM_WRITE_SUBMITTED,
    SIM_WRITE_DONE,
    SIM_FLUSH_SUBMITTED,
    SIM_FLUSH_DONE,
    SIM_NAME_CHANGED, /* create, rename, remove, folder made; also sizes set by truncate and
                         allocate */
    SIM_FOLDER_FLUSHED,
};

struct sim_boundary {
    uint64_t number; /* 1, 2 ... on this host */
    enum sim_boundary_kind kind;
    const char *path;
    uint64_t offset;
    uint64_t size;
    int result; /* of what is done, 0 or -errno */
    struct sim_process *process;
};

/* Called at each boundary after the disk has changed and before the fiber that waits learns of it.
 * May take a snapshot, inject faults and kill; must not wait. NULL: none. */
typedef void (*sim_boundary_fn)(
        void *arg, struct sim_host *host, const struct sim_boundary *boundary);
void sim_disk_watch(struct sim_host *host, sim_boundary_fn fn, void *arg);
uint64_t sim_disk_boundaries(const struct sim_host *host);

/* What the disk holds now: durable sectors, and the ones that a power cut may lose. Owned:
 * sim_image_free. An image may be loaded many times, in any simulation, also after the one that it
 * came from is gone. */
struct sim_image *sim_disk_snapshot(struct sim_host *host);
void sim_image_free(struct sim_image *image);

/* One thing that a power cut may or may not lose: a sector of 512 bytes, a size, or a change of a
 * name. */
enum sim_unit_kind { SIM_UNIT_SECTOR, SIM_UNIT_SIZE, SIM_UNIT_NAME };
struct sim_unit {
    size_t index; /* 0 to sim_image_units() - 1, in the order of the changes */
    enum sim_unit_kind kind;
    const char *path; /* under which the file was last known */
    uint64_t offset;  /* of the sector; the new size */
    bool done;        /* its write had completed, so the process may have seen it succeed */
};
size_t sim_image_units(const struct sim_image *image);

/* Which of the unflushed units survive. Names survive only with all name changes before them (S4).
 */
enum sim_keep {
    SIM_KEEP_NONE,
    SIM_KEEP_ALL,
    SIM_KEEP_ONE,     /* only unit `index` */
    SIM_KEEP_ALL_BUT, /* all but unit `index` */
    SIM_KEEP_FIRST,   /* units below `index` */
    SIM_KEEP_RANDOM,  /* each with probability permille / 1000, by `seed` */
    SIM_KEEP_CHOSEN,  /* by `choose`, called once for each unit in order */
};
struct sim_crash {
    enum sim_keep keep;
    size_t index;
    uint64_t seed;
    unsigned permille;
    bool (*choose)(void *arg, const struct sim_unit *unit);
    void *arg;
};

/* Makes the host's disk what the image would be after a power cut and a restart. No process may run
 * on the host. */
void sim_disk_load(
        struct sim_host *host, const struct sim_image *image, const struct sim_crash *crash);
/* Power cut: kills every process of the host, silently for its peers, and leaves its disk as
 * `crash` says. */
void sim_power_cut(struct sim_host *host, const struct sim_crash *crash);

enum sim_disk_fault_kind {
    SIM_DISK_READ_ERROR,   /* -EIO */
    SIM_DISK_READ_SHORT,   /* part of the bytes, as Linux may; file_read asks again */
    SIM_DISK_READ_FLIP,    /* one bit of the answer is wrong, once */
    SIM_DISK_WRITE_ERROR,  /* -EIO; any subset of the sectors was written */
    SIM_DISK_WRITE_FULL,   /* -ENOSPC; nothing was written */
    SIM_DISK_WRITE_FLIP,   /* one bit is written wrong */
    SIM_DISK_WRITE_LOST,   /* says success, writes nothing */
    SIM_DISK_WRITE_ASTRAY, /* says success, writes elsewhere in the same file */
    SIM_DISK_FLUSH_ERROR,  /* -EIO; S5 */
    SIM_DISK_STALL,        /* any of them takes stall_ns longer */
    SIM_DISK_FAULT_KINDS,
};

/* Lets the nth (1: the next) fitting operation of the host fail; `path_part` NULL: of any file. The
 * text is borrowed. */
void sim_disk_inject(
        struct sim_host *host, enum sim_disk_fault_kind kind, const char *path_part, uint64_t nth);
/* Takes back what was injected and has not struck yet. */
void sim_disk_forgive(struct sim_host *host);
/* Faults and times at random. */
struct sim_disk_weather {
    uint64_t latency_min_ns;
    uint64_t latency_max_ns;
    uint64_t stall_ns;
    unsigned ppm[SIM_DISK_FAULT_KINDS]; /* of the operations of the fitting kind */
};
void sim_disk_set_weather(struct sim_host *host, const struct sim_disk_weather *weather);
/* -ENOSPC beyond; default 1 TiB. */
void sim_disk_set_capacity(struct sim_host *host, uint64_t bytes);
/* Flips one bit of a file in place, durably: rot. -ENOENT, -EINVAL beyond the end. */
MUST_CHECK int sim_disk_rot(struct sim_host *host, const char *path, uint64_t offset, unsigned bit);

/* ---- network ---- */

struct sim_net_weather {
    uint64_t latency_min_ns;
    uint64_t latency_max_ns;
    unsigned loss_ppm;   /* of segments; lost ones come later, as TCP sends again */
    unsigned reset_ppm;  /* of segments; the connection is reset for both */
    uint64_t give_up_ns; /* a peer that cannot be reached so long is -ETIMEDOUT */
};
void sim_net_set_weather(struct sim *sim, const struct sim_net_weather *weather);
/* Cuts or mends one direction between two hosts. Connections survive as long as give_up_ns. */
void sim_net_cut(struct sim_host *from, struct sim_host *to, bool cut);
