#pragma once
/* What the files of this room share: the reactor, the fiber, and the engine behind them. Private to
 * this room.
 *
 * A run (`struct reactors`) is one process: all reactors of one reactors_run, or one simulated
 * process. The thread's current reactor is `reactor_here`; the simulator sets it before each step,
 * real threads once. */

#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "reactor/context.h"
#include "reactor/disk.h"
#include "reactor/fiber.h"
#include "reactor/mailbox.h"
#include "reactor/sync.h"
#include "reactor/tcp.h"
#include "reactor/timers.h"

#include <pthread.h>
#include <stdatomic.h>

/* No room in this process has more fibers than that alive on one reactor; see stack.h for their
 * stacks. */
struct fiber_pool;
struct reactor;
struct reactors;

/* Breaks the wait that the fiber is in: called once, by cancellation (-ECANCELED) or its deadline
 * (-ETIMEDOUT). Either wakes the fiber with that reason, or starts what will wake it (R1). */
typedef void (*interrupt_fn)(struct fiber *fiber, int reason);

enum fiber_state { FIBER_IDLE, FIBER_READY, FIBER_RUNNING, FIBER_SUSPENDED, FIBER_ENDED };

struct fiber {
    struct list link;  /* in the reactor's ready list, a wait queue, or the pool */
    struct list alive; /* in the reactor's list of all */
    struct context context;
    struct reactor *reactor;
    const char *name;
    uint64_t id;
    fiber_fn fn;
    void *arg;
    enum fiber_state state;
    bool cancelled;
    bool owned;            /* somebody has the handle and will join */
    unsigned no_suspend;   /* depth of guards */
    unsigned direct_count; /* operations that did not have to wait since the last switch */
    struct fiber *joiner;
    /* The present wait. */
    interrupt_fn interrupt; /* NULL: the wait always runs to its end */
    void *wait_object;      /* what the interrupt function needs */
    uint64_t wait_amount;   /* permits asked from a semaphore */
    int wait_result;
    struct timer timer;
    /* The stack, bound to this structure for ever. */
    void *stack;
    size_t stack_size;
    bool stack_poisoned;   /* its last frame never returned: AddressSanitizer must forget it */
    void *sanitizer_fiber; /* ThreadSanitizer's, or AddressSanitizer's fake stack */
    unsigned valgrind_id;
    struct fault fault;
    struct log_context log_context;
};

/* A descriptor that fibers wait for; at most one per direction. */
struct descriptor {
    int number;
    bool readable; /* an edge came that nobody has used yet */
    bool writable;
    struct fiber *reader;
    struct fiber *writer;
};
enum direction { DIRECTION_READ, DIRECTION_WRITE };

enum disk_operation_kind { DISK_READ, DISK_WRITE, DISK_WRITE_DURABLE, DISK_SYNC, DISK_SYNC_DATA };

struct disk_operation {
    enum disk_operation_kind kind;
    int descriptor;
    void *data;
    size_t size;
    uint64_t offset;
};

/* What differs between uring and threads. All but `wake` are called on the reactor's own thread. */
struct engine {
    enum io_engine kind;
    /* -errno with fault. */
    MUST_CHECK int (*start)(struct reactor *reactor);
    void (*stop)(struct reactor *reactor);
    /* Hands queued operations to the kernel, waits until something happened or timeout_ns passed
     * (0: looks only), and wakes the fibers whose operations ended. */
    void (*poll)(struct reactor *reactor, uint64_t timeout_ns);
    /* Ends the present or next poll soon. From any thread. */
    void (*wake)(struct reactor *reactor);
    /* A new descriptor; -errno. */
    MUST_CHECK int (*watch)(struct reactor *reactor, struct descriptor *descriptor);
    /* Before the descriptor is closed; nobody waits for it. */
    void (*unwatch)(struct reactor *reactor, struct descriptor *descriptor);
    /* Suspends until the descriptor may be ready; it may also turn out not to be. */
    MUST_CHECK int (*wait)(struct reactor *reactor, struct descriptor *descriptor,
            enum direction direction, uint64_t deadline_ns);
    /* Suspends until bytes came; the result of recv or -errno. */
    MUST_CHECK int64_t (*receive)(struct reactor *reactor, struct descriptor *descriptor,
            void *data, size_t size, uint64_t deadline_ns);
    /* Suspends until the operation has ended; bytes or -errno without fault. */
    MUST_CHECK int64_t (*disk)(struct reactor *reactor, const struct disk_operation *operation);
};

extern const struct engine engine_threads;
/* What the engines share. */
void wake_by_eventfd(struct reactor *reactor);
/* What has come, without a wait; -EAGAIN: nothing yet. A wait all the same (fiber_wait_begin). */
MUST_CHECK int64_t receive_now(const struct descriptor *descriptor, void *data, size_t size);
extern const struct engine engine_uring;
/* 0, or -ENOSYS with the reason as fault. */
MUST_CHECK int engine_uring_probe(void);

struct sim_process;

/* The worst turn since the log was told. */
struct stall_log {
    uint64_t turn_ns;
    uint64_t longest_ns;
    const char *name;
    uint64_t count;
    uint64_t said_ns; /* 0: never */
};

struct reactor {
    unsigned index;
    struct reactors *reactors;
    const struct engine *engine; /* NULL in the simulator */
    void *engine_state;
    struct fiber_pool *pool;
    struct context loop;
    void *loop_stack; /* bounds of the thread's own stack, for AddressSanitizer */
    size_t loop_stack_size;
    void *loop_sanitizer;
    struct fiber *current;
    struct list ready;
    struct list alive;
    struct timers timers;
    struct post_office post; /* mailboxes: mailbox.h */
    uint64_t fiber_id_next;
    uint64_t now_ns;     /* clock_mono_coarse_ns: the turn's start or later */
    uint64_t longest_ns; /* longest run of one fiber in this turn, and its name */
    const char *longest_name;
    struct stall_log stall;
    bool stopping; /* every fiber is cancelled, new ones are born so */
    bool halted;   /* the simulator: no fiber runs again (S1) */
    struct reactor_stats stats;
    _Atomic int sleeping; /* in or about to enter a poll that waits */
    int wake_descriptor;  /* eventfd, kept for the life of the process: a late wake must find it */
    pthread_t thread;
    int start_result;
    struct fault start_fault;
    uint64_t stop_began_ns;
};

struct offload;

struct reactors {
    unsigned count;
    enum io_engine kind;
    struct reactor *all[REACTORS_MAX];
    uint64_t stall_warn_ns;
    fiber_fn main_fn;
    void *main_arg;
    _Atomic int phase; /* enum run_phase */
    struct offload *offload;
    struct sim_process *sim; /* NULL on real engines */
    pthread_mutex_t
            gate_mutex; /* threads report here and wait for the phase to leave RUN_STARTING */
    pthread_cond_t gate;
    unsigned reported;
    /* What each reactor said when it had nothing left, for the end of a run: see reactor.c. */
    struct {
        _Atomic uint64_t sent;
        _Atomic uint64_t received;
        _Atomic int idle;
    } quiet[REACTORS_MAX];
};

enum run_phase { RUN_STARTING, RUN_FAILED, RUN_RUNNING, RUN_STOPPING, RUN_FINISHED };

extern _Thread_local struct reactor *reactor_here;

/* fiber.c */
/* As fiber_spawn, on a given reactor of this thread. */
MUST_CHECK int fiber_start(struct reactor *reactor, const char *name, fiber_fn fn, void *arg,
        struct fiber **ret_fiber);
/* First line of every wait: 0, or -ECANCELED when the fiber is cancelled. Stops the process under a
 * no-suspend guard. */
MUST_CHECK int fiber_wait_begin(void);
/* Suspends the current fiber until fiber_wake; the result given there. A cancelled fiber is not
 * interrupted again: waits that can be interrupted call fiber_wait_begin first. */
int fiber_suspend(interrupt_fn interrupt, uint64_t deadline_ns);
void fiber_wake(struct fiber *fiber, int result);
/* Breaks the present wait for that reason when it can be broken. */
void fiber_interrupt(struct fiber *fiber, int reason);
/* Interrupt for waits whose fiber is at most in one list: takes it out and wakes it. */
void fiber_interrupt_simple(struct fiber *fiber, int reason);
/* After an operation that did not wait: gives way now and then, so that a busy socket cannot starve
 * the others. */
void fiber_give_way(void);
/* Switches to the fiber until it waits or ends. From the loop only. */
void fiber_run(struct fiber *fiber);

/* reactor.c, shared with the simulator */
/* Keeps only wake_descriptor of what was there. */
void reactor_init(struct reactor *reactor, struct reactors *reactors, unsigned index);
void reactor_done(struct reactor *reactor);
/* One turn: fibers that are ready, mail, timers. */
void reactor_turn(struct reactor *reactor);
/* Cancels every fiber; new ones are born cancelled. */
void reactor_stop(struct reactor *reactor);
/* Wakes the target's thread if it sleeps. */
void reactor_notify(struct reactor *target);
bool reactor_has_work(struct reactor *reactor);

/* offload.c */
struct offload *offload_new(void);
void offload_free(struct offload *offload);
/* As offload_run on a real engine, also when the fiber is cancelled: for closing. */
MUST_CHECK int offload_always(int (*fn)(void *arg), void *arg);

/* stall.c */
/* Counts and logs a turn that took too long. */
void stall_check(struct reactor *reactor, uint64_t turn_ns);

static inline bool
is_sim(void)
{
    return reactor_here && reactor_here->reactors->sim;
}
