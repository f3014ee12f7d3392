/* The election's thread. */
#include "leader.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/clock.h"
#include "kube/election.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct leader {
    pthread_t thread;
    struct health *health;
    struct http *wake;
    struct http *http;
    struct kube kube;
    struct election election;
    char identity[ELECTION_IDENTITY_SIZE];
    char namespace[64];
    int64_t retry_ms;
    sigset_t signals;
    _Atomic bool is_leading;
    _Atomic bool must_end;
    _Atomic bool work_has_ended;
};

/* Waits; a signal ends the wait and is noted. */
static void
wait_for_signal(struct leader *leader, int64_t wait_ms)
{
    struct timespec timeout = { wait_ms / 1000, (long)(wait_ms % 1000) * 1000000 };
    int number = sigtimedwait(&leader->signals, NULL, &timeout);
    if (number > 0 && !atomic_exchange(&leader->must_end, true)) {
        LOG_INFO("a signal: ending", LOG_INT("signal", number));
        atomic_store(&leader->health->is_ending, true);
        http_wake(leader->wake);
    }
}

static void
note(struct leader *leader, int r)
{
    bool is_leading = election_is_leader(&leader->election);
    bool was_leading = atomic_exchange(&leader->is_leading, is_leading);
    atomic_store(&leader->health->is_leader, is_leading);
    if (r < 0) {
        LOG_WARN("the lease was not renewed", LOG_FAULT(r));
    }
    if (is_leading && !was_leading) {
        LOG_INFO("leading", LOG_STR("identity", leader->identity));
        http_wake(leader->wake);
    }
    if (was_leading && !is_leading) {
        LOG_ERROR("no longer leading: ending at once", LOG_STR("identity", leader->identity));
        _exit(1); /* L1 */
    }
}

static void *
leader_main(void *arg)
{
    struct leader *leader = arg;
    int64_t next_ms = 0;
    while (!atomic_load(&leader->work_has_ended)) {
        int64_t now_ms = clock_now_ms();
        if (now_ms >= next_ms) {
            note(leader, election_step(&leader->election));
            /* Jitter, so that candidates don't meet. */
            next_ms = now_ms + leader->retry_ms + clock_dice((uint32_t)(leader->retry_ms / 5) + 1);
        }
        int64_t left_ms = MAX(next_ms - clock_now_ms(), (int64_t)0);
        wait_for_signal(leader, MIN(left_ms, (int64_t)50));
    }
    if (election_release(&leader->election) < 0) {
        LOG_WARN("the lease was not given back", LOG_STR("error", fault_text()));
    }
    return NULL;
}

static int
client_make(struct leader *leader, const struct options *options)
{
    struct credentials *credentials = NULL;
    int r = credentials_open(options->kubeconfig, &credentials);
    if (r < 0) {
        return r;
    }
    leader->http = http_new();
    kube_init(&leader->kube, leader->http, credentials);
    leader->kube.is_unlimited = true;
    leader->kube.timeout_ms = options->renew_ms / 4;
    snprintf(leader->namespace, sizeof leader->namespace, "%.63s",
            options->lease_namespace ? options->lease_namespace : credentials->namespace);
    return 0;
}

static void
identity_make(struct leader *leader, const struct options *options)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    if (options->identity) {
        snprintf(leader->identity, sizeof leader->identity, "%.100s", options->identity);
    } else {
        snprintf(
                leader->identity, sizeof leader->identity, "%s_%08x", host, clock_dice(UINT32_MAX));
    }
}

int
leader_start(const struct options *options, struct health *health, struct http *wake,
        struct leader **ret_leader)
{
    struct leader *leader = mem_alloc(sizeof *leader);
    leader->health = health;
    leader->wake = wake;
    leader->retry_ms = options->retry_ms;
    sigemptyset(&leader->signals);
    sigaddset(&leader->signals, SIGTERM);
    sigaddset(&leader->signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &leader->signals, NULL);
    int r = client_make(leader, options);
    if (r < 0) {
        mem_free(leader);
        return r;
    }
    identity_make(leader, options);
    struct election_options election = {
        .namespace = leader->namespace,
        .name = options->lease_name,
        .identity = leader->identity,
        .lease_ms = options->lease_ms,
        .renew_ms = options->renew_ms,
        .retry_ms = options->retry_ms,
    };
    election_init(&leader->election, &leader->kube, &election);
    r = pthread_create(&leader->thread, NULL, leader_main, leader);
    if (r != 0) {
        return fault(-r, "no thread for the election");
    }
    *ret_leader = leader;
    return 0;
}

bool
leader_is_leading(const struct leader *leader)
{
    return atomic_load(&leader->is_leading);
}

bool
leader_must_end(const struct leader *leader)
{
    return atomic_load(&leader->must_end);
}

void
leader_stop(struct leader *leader)
{
    atomic_store(&leader->work_has_ended, true);
    pthread_join(leader->thread, NULL);
    election_done(&leader->election);
    kube_done(&leader->kube);
    http_free(leader->http);
    mem_free(leader);
}
