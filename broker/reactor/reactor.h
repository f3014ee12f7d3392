#pragma once
/* One reactor per core: a thread with its own fibers, timers, I/O engine and memory. Nothing is
 * shared between reactors but messages (reactor/call.h) and reference-counted immutable buffers
 * (base/buf.h).
 *
 * Entered from main.c: reactors_run starts all reactors and runs the main fiber on reactor 0. Every
 * other function of this room must be called from a fiber unless it says otherwise.
 *
 * R1  A wait returns only when the operation it waits for has ended: a buffer lent to an operation
 *     is never touched by the kernel after the wait returned. Cancelling a wait cancels the
 *     operation and still waits for its end.
 *
 * R2  A suspended fiber is never freed; it is cancelled and runs to its end.
 *
 * R3  A fiber lives and dies on the reactor that spawned it.
 *
 * Limits: REACTORS_MAX, FIBERS_MAX, FIBER_STACK_SIZE, MAILBOX_CAPACITY, OFFLOAD_THREADS_MAX
 * (base/limits.h). */

#include "base/attr.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

/* IO_AUTO takes uring where the kernel allows it and threads elsewhere: container runtimes deny
 * io_uring in their default seccomp profile, so it is probed at start; and its rings may be more
 * locked memory than RLIMIT_MEMLOCK leaves to this user. */
enum io_engine { IO_AUTO, IO_URING, IO_THREADS, IO_SIM };

struct sim;

struct reactors_options {
    unsigned count; /* reactors, 1 to REACTORS_MAX */
    enum io_engine engine;
    struct sim
            *sim; /* for IO_SIM only: reactor/sim.h; all reactors then run in the calling thread */
    uint64_t stall_warn_ns; /* a turn without return to the loop longer than this is counted, and
                               the worst of each second logged; 0: 100 ms */
};

typedef void (*fiber_fn)(void *arg);

/* Runs `main_fn` as a fiber of reactor 0 and the loops of all reactors until it returns; then
 * cancels what is left, waits for it and joins the threads. Called from a plain thread, once at a
 * time per process (several times in turn is fine: tests do). -ENOSYS: IO_URING was asked for and
 * the kernel or a seccomp profile refuses it (fault says which). */
MUST_CHECK int reactors_run(const struct reactors_options *options, fiber_fn main_fn, void *arg);

/* "auto", "uring", "threads" -> engine; -EINVAL. */
MUST_CHECK int io_engine_parse(struct bytes text, enum io_engine *ret_engine);
const char *io_engine_name(enum io_engine engine);

/* The reactor that the caller runs on. */
unsigned reactor_index(void);
unsigned reactor_count(void);
/* The engine really in use: IO_URING, IO_THREADS or IO_SIM. */
enum io_engine reactor_engine(void);
/* True on a reactor's thread; false on foreign threads and before reactors_run. Callable anywhere.
 */
bool reactor_is_here(void);

/* Counters of this reactor, for /metrics. */
struct reactor_stats {
    uint64_t turns;
    uint64_t switches;
    uint64_t stalls; /* turns longer than stall_warn_ns */
    uint64_t stall_max_ns;
    uint64_t fibers;     /* alive now */
    uint64_t fibers_max; /* most alive at once */
    uint64_t io_submitted;
    uint64_t busy_ns; /* time not spent waiting in the kernel */
};
void reactor_stats_get(struct reactor_stats *ret_stats);

/* Ends the process at once with that code, after flushing nothing: what must survive is already
 * durable. Callable from anywhere. In the simulator it ends only the simulated process. */
NORETURN void process_exit(int code);

/* Suspends until SIGTERM or SIGINT arrives (on reactor 0) and returns its number; -ECANCELED. The
 * signals are blocked in all threads from reactors_run on. A second signal while the first is
 * handled is returned by the next call. */
MUST_CHECK MAY_SUSPEND int signal_wait(void);
