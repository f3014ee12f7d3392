/* A queue under a mutex that is held for moments only, and a fiber that sleeps in a foreign_wait
 * until it has an entry. */
#include "admin/door.h"

#include "base/check.h"
#include "base/list.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct door {
    pthread_mutex_t mutex; /* of everything down to `closed` */
    struct list queue;
    unsigned calls; /* waiting or running, also those that were given up */
    unsigned calls_max;
    bool asleep; /* the fiber waits in `wake` */
    bool closed;
    struct foreign_wait wake;
    struct fiber *fiber;
    struct fiber_group group; /* fibers that serve */
};

struct door_call {
    struct list link;
    struct door *door;
    int (*fn)(void *arg);
    void *arg;
    void (*free_arg)(void *arg);
    pthread_cond_t ended;
    int result;
    bool done;
    bool abandoned; /* the thread has given up: the reactor's side frees (A1) */
};

static void
call_free(struct door_call *call)
{
    pthread_cond_destroy(&call->ended);
    mem_free(call);
}

static void
call_finish(struct door_call *call, int result)
{
    struct door *door = call->door;
    pthread_mutex_lock(&door->mutex);
    bool abandoned = call->abandoned;
    door->calls--;
    call->result = result;
    call->done = true;
    pthread_cond_signal(&call->ended);
    pthread_mutex_unlock(&door->mutex);
    /* Not abandoned: the thread may have freed the call already. */
    if (abandoned) {
        MARK("admin: abandoned call freed");
        call->free_arg(call->arg);
        call_free(call);
    }
}

static bool
call_is_abandoned(struct door_call *call)
{
    pthread_mutex_lock(&call->door->mutex);
    bool abandoned = call->abandoned;
    pthread_mutex_unlock(&call->door->mutex);
    return abandoned;
}

static int
serve_main(void *arg)
{
    struct door_call *call = arg;
    call_finish(call, call_is_abandoned(call) ? -ETIMEDOUT : call->fn(call->arg));
    return 0;
}

/* The next call, or NULL once the door is closed. */
static struct door_call *
next_call(struct door *door)
{
    for (;;) {
        pthread_mutex_lock(&door->mutex);
        struct list *node = list_pop_front(&door->queue);
        bool closed = door->closed;
        if (!node && !closed) {
            foreign_wait_init(&door->wake);
            door->asleep = true;
        }
        pthread_mutex_unlock(&door->mutex);
        if (node) {
            return CONTAINER_OF(node, struct door_call, link);
        }
        if (closed) {
            return NULL;
        }
        int r = foreign_wait_for(&door->wake);
        CHECK(r == 0);
    }
}

static void
door_main(void *arg)
{
    struct door *door = arg;
    struct door_call *call;
    while ((call = next_call(door))) {
        fiber_group_spawn(&door->group, "admin call", serve_main, call);
    }
    int r = fiber_group_wait(&door->group);
    CHECK(r == 0);
}

int
door_open(unsigned calls_max, struct door **ret_door)
{
    struct door *door = mem_alloc(sizeof *door);
    pthread_mutex_init(&door->mutex, NULL);
    list_init(&door->queue);
    fiber_group_init(&door->group);
    door->calls_max = calls_max;
    int r = fiber_spawn("admin door", door_main, door, &door->fiber);
    if (r < 0) {
        pthread_mutex_destroy(&door->mutex);
        mem_free(door);
        return r;
    }
    *ret_door = door;
    return 0;
}

/* True when the fiber must be woken; the caller does it after the mutex is free. */
static bool
take_wake(struct door *door)
{
    bool asleep = door->asleep;
    door->asleep = false;
    return asleep;
}

void
door_close(struct door *door)
{
    if (!door) {
        return;
    }
    pthread_mutex_lock(&door->mutex);
    door->closed = true;
    bool wake = take_wake(door);
    pthread_mutex_unlock(&door->mutex);
    if (wake) {
        foreign_wait_complete(&door->wake, 0);
    }
    fiber_join(door->fiber);
    CHECK(list_is_empty(&door->queue));
    pthread_mutex_destroy(&door->mutex);
    mem_free(door);
}

static void
deadline_after(uint64_t timeout_ms, struct timespec *ret_deadline)
{
    uint64_t ns = clock_mono_ns() + timeout_ms * NS_PER_MS;
    ret_deadline->tv_sec = (time_t)(ns / NS_PER_S);
    ret_deadline->tv_nsec = (long)(ns % NS_PER_S);
}

static struct door_call *
call_new(struct door *door, int (*fn)(void *arg), void *arg, void (*free_arg)(void *arg))
{
    pthread_condattr_t attributes;
    struct door_call *call = mem_alloc(sizeof *call);
    *call = (struct door_call){ .door = door, .fn = fn, .arg = arg, .free_arg = free_arg };
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&call->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    return call;
}

/* Waits until the call has ended or the deadline passed; holds the mutex before and after. */
static int
wait_for_end(struct door_call *call, const struct timespec *deadline)
{
    int r = 0;
    while (!call->done && r == 0) {
        r = pthread_cond_timedwait(&call->ended, &call->door->mutex, deadline);
    }
    if (call->done) {
        return call->result;
    }
    call->abandoned = true;
    return -ETIMEDOUT;
}

int
door_call(struct door *door, int (*fn)(void *arg), void *arg, void (*free_arg)(void *arg),
        uint64_t timeout_ms)
{
    struct timespec deadline;
    deadline_after(timeout_ms, &deadline);
    struct door_call *call = call_new(door, fn, arg, free_arg);
    pthread_mutex_lock(&door->mutex);
    if (door->closed || door->calls == door->calls_max) {
        int r = door->closed ? -ESHUTDOWN : -EBUSY;
        pthread_mutex_unlock(&door->mutex);
        call_free(call);
        return r;
    }
    door->calls++;
    list_push_back(&door->queue, &call->link);
    bool wake = take_wake(door);
    pthread_mutex_unlock(&door->mutex);
    if (wake) {
        foreign_wait_complete(&door->wake, 0);
    }
    pthread_mutex_lock(&door->mutex);
    int r = wait_for_end(call, &deadline);
    bool abandoned = call->abandoned;
    pthread_mutex_unlock(&door->mutex);
    if (!abandoned) {
        call_free(call);
    }
    return r;
}
