/* A second try when the first is late. Both run on fibers of their own; the first good answer wins,
 * the other try is cancelled, which aborts its request, and joined, so that borrowed bytes are free
 * when the call returns (R1). */
#include "base/fault.h"
#include "base/mark.h"
#include "objectstore/call.h"
#include "reactor/clock.h"
#include "reactor/sync.h"

#include <errno.h>
#include <stdio.h>

struct race;

struct leg {
    struct race *race;
    struct fiber *fiber; /* NULL: not started, or joined */
    bool ended;
    int result;
    struct object_result brought;
    char story[400];
};

struct race {
    const struct object_call *call;
    struct wait_queue queue;
    struct leg legs[2];
};

uint64_t
object_latency_ns_p99(
        const struct objectstore *store, enum object_operation operation, uint64_t samples_min)
{
    const _Atomic uint64_t *buckets = store->counters.latency_ms_buckets[operation];
    uint64_t total = 0;
    for (unsigned i = 0; i < OBJECT_LATENCY_BUCKETS; i++) {
        total += atomic_load_explicit(&buckets[i], memory_order_relaxed);
    }
    if (total == 0 || total < samples_min) {
        return 0;
    }
    uint64_t slower_max = total / 100;
    uint64_t slower = 0;
    for (unsigned i = OBJECT_LATENCY_BUCKETS - 1; i > 0; i--) {
        slower += atomic_load_explicit(&buckets[i], memory_order_relaxed);
        if (slower > slower_max) {
            return (uint64_t)NS_PER_MS << i;
        }
    }
    return NS_PER_MS;
}

static bool
hedge_is_due(const struct object_call *call)
{
    const struct object_hedge *hedge = &call->store->hedge;
    if (call->operation == OBJECT_OP_GET) {
        return hedge->get;
    }
    /* With a second try the tag may be that of either. */
    return call->operation == OBJECT_OP_PUT && hedge->put &&
           call->put->condition == OBJECT_ALWAYS && !call->wants_etag;
}

/* Keeps the share of second tries within percent_max: a store that is slow for all must not get
 * twice the load. */
static bool
take_budget(const struct object_call *call)
{
    struct object_counters *counters = &call->store->counters;
    uint64_t hedges = atomic_load(&counters->hedges[call->operation]);
    uint64_t requests = atomic_load(&counters->requests[call->operation]);
    if ((hedges + 1) * 100 > requests * call->store->hedge.percent_max) {
        MARK("objectstore: no budget for a second try");
        return false;
    }
    atomic_fetch_add(&counters->hedges[call->operation], 1);
    return true;
}

static void
leg_run(void *arg)
{
    struct leg *leg = arg;
    leg->result = object_call_try(leg->race->call, &leg->brought);
    if (leg->result < 0) {
        snprintf(leg->story, sizeof leg->story, "%s", fault_text());
    }
    leg->ended = true;
    wait_queue_wake_all(&leg->race->queue);
}

static bool
leg_won(const struct leg *leg)
{
    /* An answer such as "there is none" wins too. */
    return leg->ended && leg->result != OBJECT_AGAIN && leg->result != OBJECT_UNDECIDED &&
           leg->result != -EIO;
}

static bool
race_is_over(const struct race *race)
{
    bool all_ended = race->legs[0].ended && (race->legs[1].ended || !race->legs[1].fiber);
    return all_ended || leg_won(&race->legs[0]) || leg_won(&race->legs[1]);
}

static void
race_wait(struct race *race, uint64_t hedge_at_ns)
{
    bool hedged = false;
    while (!race_is_over(race)) {
        int r = wait_queue_wait(&race->queue, hedged ? DEADLINE_NONE : hedge_at_ns);
        if (r == -ECANCELED) {
            return;
        }
        if (r == -ETIMEDOUT && !hedged) {
            hedged = true;
            struct leg *second = &race->legs[1];
            if (take_budget(race->call) &&
                    fiber_spawn("object hedge", leg_run, second, &second->fiber) < 0) {
                second->fiber = NULL; /* the first try goes on alone */
            }
        }
    }
}

static void
race_end(struct race *race)
{
    for (unsigned i = 0; i < 2; i++) {
        struct leg *leg = &race->legs[i];
        if (leg->fiber) {
            fiber_cancel(leg->fiber);
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        if (race->legs[i].fiber) {
            fiber_join(race->legs[i].fiber);
        }
    }
}

int
object_call_try_hedged(const struct object_call *call, struct object_result *ret_result)
{
    const struct object_hedge *hedge = &call->store->hedge;
    uint64_t delay_ns = 0;
    if (hedge_is_due(call)) {
        delay_ns = object_latency_ns_p99(call->store, call->operation, hedge->samples_min);
    }
    if (delay_ns == 0) {
        return object_call_try(call, ret_result);
    }
    delay_ns = MAX(delay_ns, hedge->delay_ns_min);
    struct race race = { .call = call };
    race.legs[0].race = &race;
    race.legs[1].race = &race;
    wait_queue_init(&race.queue);
    if (fiber_spawn("object try", leg_run, &race.legs[0], &race.legs[0].fiber) < 0) {
        return object_call_try(call, ret_result);
    }
    race_wait(&race, clock_mono_ns() + delay_ns);
    struct leg *winner =
            leg_won(&race.legs[1]) && !leg_won(&race.legs[0]) ? &race.legs[1] : &race.legs[0];
    struct leg *loser = winner == &race.legs[0] ? &race.legs[1] : &race.legs[0];
    race_end(&race);
    object_result_done(&loser->brought);
    if (winner == &race.legs[1]) {
        MARK("objectstore: the second try won");
    }
    *ret_result = winner->brought;
    return winner->result < 0 ? fault(winner->result, "%s", winner->story) : winner->result;
}
