/* Tries, repetitions and their counters. */
#include "objectstore/call.h"

#include "base/fault.h"
#include "base/mark.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>

const char *
object_operation_name(enum object_operation operation)
{
    static const char *const names[OBJECT_OP_COUNT] = { "get", "head", "put", "delete", "list" };
    return operation < OBJECT_OP_COUNT ? names[operation] : "?";
}

void
object_result_done(struct object_result *result)
{
    result->buf = buf_unref(result->buf);
    object_list_done(&result->list);
}

static void
count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void
count_try(
        const struct object_call *call, const struct object_result *result, int r, uint64_t took_ns)
{
    struct object_counters *counters = &call->store->counters;
    enum object_operation operation = call->operation;
    count(&counters->requests[operation], 1);
    /* "There is none" and "there is one already" are answers, not errors. */
    if (r < 0 && r != -ENOENT && r != -EEXIST && r != -ERANGE && r != -ECANCELED) {
        count(&counters->errors[operation], 1);
    }
    if (r == OBJECT_UNDECIDED) {
        count(&counters->undecided, 1);
    }
    if (r == 0 && operation == OBJECT_OP_GET) {
        count(&counters->bytes_in, result->buf->size);
    }
    if (r == 0 && operation == OBJECT_OP_PUT) {
        count(&counters->bytes_out, object_put_size(call->put));
    }
    uint64_t took_us = took_ns / NS_PER_US;
    unsigned bucket = 0;
    while (bucket + 1 < OBJECT_LATENCY_BUCKETS && took_us > (uint64_t)1000 << bucket) {
        bucket++;
    }
    count(&counters->latency_us_sum[operation], took_us);
    count(&counters->latency_ms_buckets[operation][bucket], 1);
}

static int
dispatch(const struct object_call *call, struct object_result *result)
{
    struct objectstore *store = call->store;
    const struct objectstore_ops *ops = store->ops;
    switch (call->operation) {
    case OBJECT_OP_GET:
        return ops->get(
                store, call->key, call->range, call->deadline_ns, &result->buf, &result->info);
    case OBJECT_OP_HEAD:
        return ops->head(store, call->key, call->deadline_ns, &result->info);
    case OBJECT_OP_PUT:
        return ops->put(store, call->put, &result->etag);
    case OBJECT_OP_DELETE:
        if (call->keys) {
            return ops->delete_many(store, call->keys, call->key_count, call->deadline_ns);
        }
        return ops->delete(store, call->key, call->deadline_ns);
    case OBJECT_OP_LIST:
        return ops->list(
                store, call->key, call->start_after, call->max, call->deadline_ns, &result->list);
    case OBJECT_OP_COUNT:
        break;
    }
    return fault(-EINVAL, "object store: no such operation");
}

int
object_call_try(const struct object_call *call, struct object_result *ret_result)
{
    uint64_t started_ns = clock_mono_ns();
    int r = dispatch(call, ret_result);
    count_try(call, ret_result, r, clock_mono_ns() - started_ns);
    return r;
}

uint64_t
object_backoff_next_ns(struct object_backoff *backoff, struct objectstore *store)
{
    uint64_t previous_ns = backoff->pause_ns ? backoff->pause_ns : OBJECT_PAUSE_NS_MIN;
    uint64_t spread_ns = 3 * previous_ns - OBJECT_PAUSE_NS_MIN;
    uint64_t pause_ns = OBJECT_PAUSE_NS_MIN + random_below(spread_ns + 1);
    backoff->pause_ns = MIN(pause_ns, (uint64_t)OBJECT_PAUSE_NS_MAX);
    uint64_t patience_ns = atomic_exchange(&store->patience_ns, 0);
    if (patience_ns > backoff->pause_ns) {
        MARK("objectstore: waited as long as the server asked");
        return MIN(patience_ns, (uint64_t)OBJECT_PATIENCE_NS_MAX);
    }
    return backoff->pause_ns;
}

/* True when the call may be made again after `r`. */
static bool
may_repeat(const struct object_call *call, int r, unsigned *nonsense)
{
    if (call->operation == OBJECT_OP_PUT && call->put->condition != OBJECT_ALWAYS) {
        return false; /* S5 */
    }
    if (r == -EIO && call->operation != OBJECT_OP_PUT && call->operation != OBJECT_OP_DELETE) {
        *nonsense += 1;
        return *nonsense < OBJECT_NONSENSE_TRIES;
    }
    return r == OBJECT_AGAIN || r == OBJECT_UNDECIDED;
}

/* A conditional write whose outcome is unknown has one name only. */
static int
settle(const struct object_call *call, int r)
{
    bool conditional = call->operation == OBJECT_OP_PUT && call->put->condition != OBJECT_ALWAYS;
    return conditional && (r == OBJECT_AGAIN || r == -ETIMEDOUT) ? OBJECT_UNDECIDED : r;
}

int
object_call_run(const struct object_call *call, struct object_result *ret_result)
{
    struct object_backoff backoff = { 0 };
    unsigned nonsense = 0;
    const char *name = object_operation_name(call->operation);
    for (unsigned tries = 1;; tries++) {
        if (fiber_is_cancelled()) {
            return fault(-ECANCELED, "object store: %s %s was cancelled", name, call->key);
        }
        *ret_result = (struct object_result){ 0 };
        int r = object_call_try_hedged(call, ret_result);
        if (r == 0 || !may_repeat(call, r, &nonsense)) {
            return settle(call, r);
        }
        uint64_t pause_ns = object_backoff_next_ns(&backoff, call->store);
        uint64_t now_ns = clock_mono_ns();
        if (now_ns >= call->deadline_ns || pause_ns >= call->deadline_ns - now_ns) {
            return fault_note(-ETIMEDOUT, "object store: %s %s did not succeed in time (%u tries)",
                    name, call->key, tries);
        }
        count(&call->store->counters.retries[call->operation], 1);
        r = fiber_sleep_ns(pause_ns);
        if (r < 0) {
            return fault_note(
                    r, "object store: %s %s was cancelled between tries", name, call->key);
        }
    }
}
