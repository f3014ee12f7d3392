/* The engine of io_uring: one ring per reactor; every fiber waits for the completion of its own
 * operation, which lies on its stack. Cancelling and deadlines ask the kernel to cancel and go on
 * waiting (R1): a completion always comes. */
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/internal.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define RING_ENTRIES 1024u
#define RING_COMPLETIONS (8 * RING_ENTRIES)
/* What user_data says when it is no operation. */
#define TAG_NOTHING 0u
#define TAG_WAKE 1u

struct state {
    struct io_uring ring;
};

struct operation {
    struct fiber *fiber;
    int reason; /* why it was interrupted, or 0 */
    int result;
    unsigned flags; /* IORING_CQE_F_... */
};

static const int wanted_operations[] = { IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FSYNC,
    IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_RECV };

/* Best first; older kernels refuse flags that they do not know with -EINVAL. */
static const unsigned setups[] = {
    IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN |
            IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_CQSIZE | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_CQSIZE,
};

static int
ring_open(struct io_uring *ring, unsigned entries, unsigned completions)
{
    int r = -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(setups) && r == -EINVAL; i++) {
        struct io_uring_params params = { .flags = setups[i], .cq_entries = completions };
        r = io_uring_queue_init_params(entries, ring, &params);
    }
    return r;
}

static int
open_fault(int r)
{
    switch (r) {
    case -EPERM:
        return fault(-ENOSYS,
                "reactor: io_uring is denied (seccomp profile or kernel.io_uring_disabled)");
    case -ENOSYS:
        return fault(
                -ENOSYS, "reactor: this kernel has no io_uring, or a seccomp profile hides it");
    case -ENOMEM:
        return fault(-ENOSYS, "reactor: no memory for an io_uring; see RLIMIT_MEMLOCK");
    default:
        return fault(-ENOSYS, "reactor: io_uring_setup: %s", strerrordesc_np(-r));
    }
}

static int
check_ring(struct io_uring *ring)
{
    /* In the order of kernels 5.5, 5.11, 5.13; the last came with multishot poll. */
    unsigned features = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_RSRC_TAGS;
    if ((ring->features & features) != features) {
        return fault(-ENOSYS, "reactor: io_uring of this kernel is too old (Linux 5.13 is needed)");
    }
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    if (!probe) {
        return fault(-ENOSYS, "reactor: io_uring cannot be probed");
    }
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(wanted_operations) && r == 0; i++) {
        if (!io_uring_opcode_supported(probe, wanted_operations[i])) {
            r = fault(-ENOSYS, "reactor: io_uring lacks operation %d", wanted_operations[i]);
        }
    }
    io_uring_free_probe(probe);
    return r;
}

int
engine_uring_probe(void)
{
    struct io_uring ring;
    int r = ring_open(&ring, 4, 8);
    if (r < 0) {
        return open_fault(r);
    }
    r = check_ring(&ring);
    io_uring_queue_exit(&ring);
    return r;
}

/* The next entry of the submission queue; when it is full the kernel takes what is there. */
static struct io_uring_sqe *
next_entry(struct reactor *reactor)
{
    struct state *state = reactor->engine_state;
    struct io_uring_sqe *entry;
    while (!(entry = io_uring_get_sqe(&state->ring))) {
        MARK("reactor: submission queue full");
        int r = io_uring_submit(&state->ring);
        CHECK(r >= 0 || r == -EINTR || r == -EAGAIN || r == -EBUSY);
    }
    reactor->stats.io_submitted++;
    return entry;
}

/* Never read: each write to the eventfd is a new event of the multishot poll. */
static void
arm_wake(struct reactor *reactor)
{
    struct io_uring_sqe *entry = next_entry(reactor);
    io_uring_prep_poll_multishot(entry, reactor->wake_descriptor, POLLIN);
    io_uring_sqe_set_data64(entry, TAG_WAKE);
}

static int
uring_start(struct reactor *reactor)
{
    struct state *state = mem_alloc(sizeof *state);
    int r = ring_open(&state->ring, RING_ENTRIES, RING_COMPLETIONS);
    if (r < 0) {
        mem_free(state);
        return open_fault(r);
    }
    reactor->engine_state = state;
    arm_wake(reactor);
    return 0;
}

static void
uring_stop(struct reactor *reactor)
{
    struct state *state = reactor->engine_state;
    /* No operation of a fiber is under way: fibers end only after theirs. The poll of the eventfd
     * has no buffer. */
    io_uring_queue_exit(&state->ring);
    mem_free(state);
    reactor->engine_state = NULL;
}

static void
complete(struct reactor *reactor, const struct io_uring_cqe *completion)
{
    if (completion->user_data == TAG_NOTHING) {
        return;
    }
    if (completion->user_data == TAG_WAKE) {
        if (!(completion->flags & IORING_CQE_F_MORE)) {
            arm_wake(reactor);
        }
        return;
    }
    struct operation *operation = (struct operation *)(uintptr_t)completion->user_data;
    operation->result = completion->res;
    operation->flags = completion->flags;
    fiber_wake(operation->fiber, 0);
}

static void
submit_and_wait(struct state *state, uint64_t timeout_ns)
{
    struct io_uring_cqe *first;
    int r;
    if (timeout_ns == 0) {
        /* Without anything to hand in or to fetch, no system call is needed. */
        bool idle = io_uring_sq_ready(&state->ring) == 0 &&
                    !io_uring_cq_has_overflow(&state->ring) &&
                    (state->ring.flags & IORING_SETUP_TASKRUN_FLAG) &&
                    !(IO_URING_READ_ONCE(*state->ring.sq.kflags) & IORING_SQ_TASKRUN);
        r = idle ? 0 : io_uring_submit_and_get_events(&state->ring);
    } else if (timeout_ns == UINT64_MAX) {
        r = io_uring_submit_and_wait(&state->ring, 1);
    } else {
        struct __kernel_timespec timeout = { .tv_sec = (long long)(timeout_ns / NS_PER_S),
            .tv_nsec = (long long)(timeout_ns % NS_PER_S) };
        r = io_uring_submit_and_wait_timeout(&state->ring, &first, 1, &timeout, NULL);
    }
    /* EBUSY and EAGAIN: the kernel wants completions to be read, or memory; both pass. */
    CHECK(r >= 0 || r == -ETIME || r == -EINTR || r == -EAGAIN || r == -EBUSY);
}

static void
uring_poll(struct reactor *reactor, uint64_t timeout_ns)
{
    struct state *state = reactor->engine_state;
    unsigned head;
    unsigned seen = 0;
    struct io_uring_cqe *completion;
    submit_and_wait(state, timeout_ns);
    io_uring_for_each_cqe(&state->ring, head, completion)
    {
        complete(reactor, completion);
        seen++;
    }
    io_uring_cq_advance(&state->ring, seen);
}

static void
operation_interrupt(struct fiber *fiber, int reason)
{
    struct operation *operation = fiber->wait_object;
    operation->reason = reason;
    struct io_uring_sqe *entry = next_entry(fiber->reactor);
    io_uring_prep_cancel(entry, operation, 0);
    io_uring_sqe_set_data64(entry, TAG_NOTHING);
}

/* Waits for the end of the operation that `entry` describes; its result, or the reason for which it
 * was cancelled. */
static int
operation_wait(struct operation *operation, struct io_uring_sqe *entry, uint64_t deadline_ns)
{
    struct fiber *fiber = fiber_current();
    operation->fiber = fiber;
    operation->reason = 0;
    io_uring_sqe_set_data(entry, operation);
    fiber->wait_object = operation;
    int r = fiber_suspend(operation_interrupt, deadline_ns);
    CHECK(r == 0);
    /* A poll or transfer that ended before the cancellation reached it has its own result. EINTR:
     * cancelled while a kernel worker was at it. */
    bool cancelled = operation->result == -ECANCELED || operation->result == -EINTR;
    return operation->reason && cancelled ? operation->reason : operation->result;
}

static int
uring_watch(struct reactor *reactor, struct descriptor *descriptor)
{
    (void)reactor;
    (void)descriptor;
    return 0;
}

static void
uring_unwatch(struct reactor *reactor, struct descriptor *descriptor)
{
    (void)reactor;
    CHECK(!descriptor->reader && !descriptor->writer);
}

static int
poll_wait(struct reactor *reactor, struct descriptor *descriptor, unsigned events,
        uint64_t deadline_ns)
{
    struct operation operation;
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    struct io_uring_sqe *entry = next_entry(reactor);
    io_uring_prep_poll_add(entry, descriptor->number, events);
    r = operation_wait(&operation, entry, deadline_ns);
    return r < 0 ? r : 0;
}

static int
uring_wait(struct reactor *reactor, struct descriptor *descriptor, enum direction direction,
        uint64_t deadline_ns)
{
    bool read = direction == DIRECTION_READ;
    struct fiber **waiter = read ? &descriptor->reader : &descriptor->writer;
    CHECK(!*waiter);
    *waiter = reactor->current;
    int r = poll_wait(reactor, descriptor, read ? POLLIN | POLLRDHUP : POLLOUT, deadline_ns);
    *waiter = NULL;
    return r;
}

static int64_t
uring_receive(struct reactor *reactor, struct descriptor *descriptor, void *data, size_t size,
        uint64_t deadline_ns)
{
    CHECK(!descriptor->reader);
    for (;;) {
        struct operation operation;
        /* Measured (tests/bench/reactor.c): a direct call first and a receiving operation only when
         * nothing is there takes the least CPU, for small requests and for bulk; an operation at
         * once takes up to half as much more. */
        int64_t n = receive_now(descriptor, data, size);
        if (n != -EAGAIN) {
            return n;
        }
        struct io_uring_sqe *entry = next_entry(reactor);
        io_uring_prep_recv(entry, descriptor->number, data, size, 0);
        descriptor->reader = reactor->current;
        int r = operation_wait(&operation, entry, deadline_ns);
        descriptor->reader = NULL;
        if (r != -EAGAIN && r != -EINTR) {
            return r;
        }
        /* EAGAIN: this kernel does not wait in recv for this kind of descriptor. */
        r = uring_wait(reactor, descriptor, DIRECTION_READ, deadline_ns);
        if (r < 0) {
            return r;
        }
    }
}

static void
disk_prepare(struct io_uring_sqe *entry, const struct disk_operation *operation)
{
    switch (operation->kind) {
    case DISK_READ:
        io_uring_prep_read(entry, operation->descriptor, operation->data, (unsigned)operation->size,
                operation->offset);
        break;
    case DISK_WRITE:
    case DISK_WRITE_DURABLE:
        io_uring_prep_write(entry, operation->descriptor, operation->data,
                (unsigned)operation->size, operation->offset);
        entry->rw_flags = operation->kind == DISK_WRITE_DURABLE ? RWF_DSYNC : 0;
        break;
    case DISK_SYNC:
    case DISK_SYNC_DATA:
        io_uring_prep_fsync(entry, operation->descriptor,
                operation->kind == DISK_SYNC_DATA ? IORING_FSYNC_DATASYNC : 0);
        break;
    }
}

static int64_t
uring_disk(struct reactor *reactor, const struct disk_operation *disk)
{
    for (;;) {
        struct operation operation;
        int r = fiber_wait_begin();
        if (r < 0) {
            return r;
        }
        struct io_uring_sqe *entry = next_entry(reactor);
        disk_prepare(entry, disk);
        r = operation_wait(&operation, entry, DEADLINE_NONE);
        if (r != -EINTR && r != -EAGAIN) {
            return r;
        }
    }
}

const struct engine engine_uring = {
    .kind = IO_URING,
    .start = uring_start,
    .stop = uring_stop,
    .poll = uring_poll,
    .wake = wake_by_eventfd,
    .watch = uring_watch,
    .unwatch = uring_unwatch,
    .wait = uring_wait,
    .receive = uring_receive,
    .disk = uring_disk,
};
