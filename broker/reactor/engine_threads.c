/* The engine of plain system calls: epoll (edge-triggered) for sockets, helper threads for the
 * disk. Works wherever Linux does, also where a seccomp profile denies io_uring. */
#include "base/mem.h"
#include "reactor/internal.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define EVENTS_MAX 256
/* While fibers are ready, the kernel is asked for events only that often: each question is a system
 * call. */
#define LOOK_NS (10 * NS_PER_US)

struct state {
    int epoll;
    uint64_t looked_ns;
    bool no_pwait2; /* Linux before 5.11: timeouts in milliseconds */
    struct epoll_event events[EVENTS_MAX];
};

static int
threads_start(struct reactor *reactor)
{
    struct state *state = mem_alloc(sizeof *state);
    state->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (state->epoll < 0) {
        int error = errno;
        mem_free(state);
        return fault(-error, "reactor: epoll_create1 failed");
    }
    /* Edge-triggered, so the eventfd never needs to be read: each write is a new edge. */
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.ptr = NULL };
    if (epoll_ctl(state->epoll, EPOLL_CTL_ADD, reactor->wake_descriptor, &event) != 0) {
        int error = errno;
        close(state->epoll);
        mem_free(state);
        return fault(-error, "reactor: epoll does not take the eventfd");
    }
    reactor->engine_state = state;
    return 0;
}

static void
threads_stop(struct reactor *reactor)
{
    struct state *state = reactor->engine_state;
    close(state->epoll);
    mem_free(state);
    reactor->engine_state = NULL;
}

static int
wait_ms(struct state *state, uint64_t timeout_ns)
{
    /* Rounded up: waking early would only spin. */
    uint64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
    int timeout = timeout_ns == UINT64_MAX ? -1 : (int)MIN(ms, (uint64_t)INT_MAX);
    return epoll_wait(state->epoll, state->events, EVENTS_MAX, timeout);
}

static int
wait_events(struct state *state, uint64_t timeout_ns)
{
    if (timeout_ns == 0 || timeout_ns == UINT64_MAX || state->no_pwait2) {
        return wait_ms(state, timeout_ns);
    }
    struct timespec timeout = { .tv_sec = (time_t)(timeout_ns / NS_PER_S),
        .tv_nsec = (long)(timeout_ns % NS_PER_S) };
    int n = epoll_pwait2(state->epoll, state->events, EVENTS_MAX, &timeout, NULL);
    if (n < 0 && (errno == ENOSYS || errno == EPERM)) {
        state->no_pwait2 = true;
        return wait_ms(state, timeout_ns);
    }
    return n;
}

/* An edge: whoever waits runs; if nobody does, the next wait returns at once. */
static void
descriptor_edge(bool *flag, struct fiber **waiter)
{
    struct fiber *fiber = *waiter;
    if (fiber) {
        *waiter = NULL;
        fiber_wake(fiber, 0);
    } else {
        *flag = true;
    }
}

static void
threads_poll(struct reactor *reactor, uint64_t timeout_ns)
{
    struct state *state = reactor->engine_state;
    if (!list_is_empty(&reactor->ready) && reactor->now_ns - state->looked_ns < LOOK_NS) {
        return;
    }
    state->looked_ns = reactor->now_ns;
    int n = wait_events(state, timeout_ns);
    CHECK(n >= 0 || errno == EINTR);
    for (int i = 0; i < n; i++) {
        struct descriptor *descriptor = state->events[i].data.ptr;
        uint32_t events = state->events[i].events;
        if (!descriptor) {
            continue;
        }
        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) {
            descriptor_edge(&descriptor->readable, &descriptor->reader);
        }
        if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) {
            descriptor_edge(&descriptor->writable, &descriptor->writer);
        }
    }
}

void
wake_by_eventfd(struct reactor *reactor)
{
    uint64_t one = 1;
    ssize_t n = write(reactor->wake_descriptor, &one, sizeof one);
    /* A full counter (after 2^64 wakes) still has its edge. */
    CHECK(n == sizeof one || errno == EAGAIN);
}

static int
threads_watch(struct reactor *reactor, struct descriptor *descriptor)
{
    struct state *state = reactor->engine_state;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data.ptr = descriptor };
    if (epoll_ctl(state->epoll, EPOLL_CTL_ADD, descriptor->number, &event) != 0) {
        return fault(-errno, "reactor: epoll does not take descriptor %d", descriptor->number);
    }
    return 0;
}

static void
threads_unwatch(struct reactor *reactor, struct descriptor *descriptor)
{
    struct state *state = reactor->engine_state;
    struct epoll_event event = { 0 };
    CHECK(!descriptor->reader && !descriptor->writer);
    CHECK(epoll_ctl(state->epoll, EPOLL_CTL_DEL, descriptor->number, &event) == 0);
}

static void
wait_interrupt(struct fiber *fiber, int reason)
{
    struct fiber **place = fiber->wait_object;
    *place = NULL;
    fiber_wake(fiber, reason);
}

static int
threads_wait(struct reactor *reactor, struct descriptor *descriptor, enum direction direction,
        uint64_t deadline_ns)
{
    bool *flag = direction == DIRECTION_READ ? &descriptor->readable : &descriptor->writable;
    struct fiber **waiter = direction == DIRECTION_READ ? &descriptor->reader : &descriptor->writer;
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    if (*flag) {
        *flag = false;
        return 0;
    }
    CHECK(!*waiter);
    *waiter = reactor->current;
    reactor->current->wait_object = waiter;
    return fiber_suspend(wait_interrupt, deadline_ns);
}

int64_t
receive_now(const struct descriptor *descriptor, void *data, size_t size)
{
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    ssize_t n = recv(descriptor->number, data, size, MSG_DONTWAIT);
    if (n >= 0) {
        fiber_give_way();
        return n;
    }
    return errno == EINTR ? -EAGAIN : -errno;
}

static int64_t
threads_receive(struct reactor *reactor, struct descriptor *descriptor, void *data, size_t size,
        uint64_t deadline_ns)
{
    for (;;) {
        int64_t n = receive_now(descriptor, data, size);
        if (n != -EAGAIN) {
            return n;
        }
        int r = threads_wait(reactor, descriptor, DIRECTION_READ, deadline_ns);
        if (r < 0) {
            return r;
        }
    }
}

static ssize_t
disk_call(const struct disk_operation *operation)
{
    struct iovec part = { operation->data, operation->size };
    switch (operation->kind) {
    case DISK_READ:
        return pread(
                operation->descriptor, operation->data, operation->size, (off_t)operation->offset);
    case DISK_WRITE:
        return pwrite(
                operation->descriptor, operation->data, operation->size, (off_t)operation->offset);
    case DISK_WRITE_DURABLE:
        return pwritev2(operation->descriptor, &part, 1, (off_t)operation->offset, RWF_DSYNC);
    case DISK_SYNC:
        return fsync(operation->descriptor);
    case DISK_SYNC_DATA:
        return fdatasync(operation->descriptor);
    }
    UNREACHABLE();
}

/* Sizes are limited by the caller (DISK_CHUNK_MAX), so a count of bytes fits an int. */
static int
disk_job(void *arg)
{
    ssize_t n;
    do {
        n = disk_call(arg);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : (int)n;
}

static int64_t
threads_disk(struct reactor *reactor, const struct disk_operation *operation)
{
    struct disk_operation copy = *operation;
    reactor->stats.io_submitted++;
    return offload_run(disk_job, &copy);
}

const struct engine engine_threads = {
    .kind = IO_THREADS,
    .start = threads_start,
    .stop = threads_stop,
    .poll = threads_poll,
    .wake = wake_by_eventfd,
    .watch = threads_watch,
    .unwatch = threads_unwatch,
    .wait = threads_wait,
    .receive = threads_receive,
    .disk = threads_disk,
};
