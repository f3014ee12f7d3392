/* Helper threads for blocking functions. They are started when work waits and nobody is idle, and
 * end with the run. */
#include "base/mem.h"
#include "reactor/internal.h"
#include "reactor/sim_internal.h"

#include <errno.h>
#include <signal.h>

struct offload {
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct list jobs; /* each on the stack of a waiting fiber, so at most one per fiber */
    unsigned queued;
    unsigned idle;
    unsigned threads;
    bool stopping;
    pthread_t all[OFFLOAD_THREADS_MAX];
};

struct job {
    struct list link;
    int (*fn)(void *arg);
    void *arg;
    struct fiber *fiber;
    struct foreign_wait wait;
};

struct offload *
offload_new(void)
{
    struct offload *offload = mem_alloc(sizeof *offload);
    CHECK(pthread_mutex_init(&offload->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&offload->work, NULL) == 0);
    list_init(&offload->jobs);
    return offload;
}

void
offload_free(struct offload *offload)
{
    pthread_mutex_lock(&offload->mutex);
    CHECK(list_is_empty(&offload->jobs));
    offload->stopping = true;
    pthread_cond_broadcast(&offload->work);
    pthread_mutex_unlock(&offload->mutex);
    for (unsigned i = 0; i < offload->threads; i++) {
        pthread_join(offload->all[i], NULL);
    }
    pthread_cond_destroy(&offload->work);
    pthread_mutex_destroy(&offload->mutex);
    mem_free(offload);
}

static void
job_run(struct job *job)
{
    /* The fiber sleeps, so its story and its log context are lent to this thread. */
    struct fault *fault_before = fault_swap(&job->fiber->fault);
    struct log_context *context_before = log_context_swap(&job->fiber->log_context);
    int r = job->fn(job->arg);
    log_context_swap(context_before);
    fault_swap(fault_before);
    foreign_wait_complete(&job->wait, r);
}

static void *
helper_main(void *arg)
{
    struct offload *offload = arg;
    pthread_setname_np(pthread_self(), "offload");
    pthread_mutex_lock(&offload->mutex);
    for (;;) {
        struct list *node = list_pop_front(&offload->jobs);
        if (node) {
            offload->queued--;
            pthread_mutex_unlock(&offload->mutex);
            job_run(CONTAINER_OF(node, struct job, link));
            pthread_mutex_lock(&offload->mutex);
        } else if (offload->stopping) {
            break;
        } else {
            offload->idle++;
            pthread_cond_wait(&offload->work, &offload->mutex);
            offload->idle--;
        }
    }
    pthread_mutex_unlock(&offload->mutex);
    return NULL;
}

/* With the mutex held. Signals are blocked in the caller, and so in the new thread. */
static int
helper_start(struct offload *offload)
{
    int r = pthread_create(&offload->all[offload->threads], NULL, helper_main, offload);
    if (r == 0) {
        offload->threads++;
        return 0;
    }
    /* One thread is enough to go on. */
    return offload->threads > 0 ? 0 : -r;
}

static int
job_submit(struct offload *offload, struct job *job)
{
    int r = 0;
    pthread_mutex_lock(&offload->mutex);
    list_push_back(&offload->jobs, &job->link);
    offload->queued++;
    if (offload->idle >= offload->queued) {
        pthread_cond_signal(&offload->work);
    } else if (offload->threads < OFFLOAD_THREADS_MAX) {
        r = helper_start(offload);
        if (r < 0) {
            list_remove(&job->link);
            offload->queued--;
        }
    }
    pthread_mutex_unlock(&offload->mutex);
    return r;
}

int
offload_run(int (*fn)(void *arg), void *arg)
{
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    if (is_sim()) {
        return sim_offload(fn, arg);
    }
    return offload_always(fn, arg);
}

int
offload_always(int (*fn)(void *arg), void *arg)
{
    struct job job = { .fn = fn, .arg = arg, .fiber = fiber_current() };
    list_init(&job.link);
    foreign_wait_init(&job.wait);
    int r = job_submit(reactor_here->reactors->offload, &job);
    if (r < 0) {
        return fault(r, "reactor: no helper thread can be started");
    }
    return foreign_wait_for(&job.wait);
}
