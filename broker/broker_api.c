/* Brokers as JSON, and the calls that cordon and drain them: each is one record of the metadata
 * log. */
#include "broker_api.h"

#include "api_json.h"
#include "base/log.h"
#include "base/mem.h"
#include "broker_topics.h"
#include "hand_over.h"
#include "reactor/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct wal_sum {
    struct broker_api *api;
    uint64_t used;
    uint64_t capacity;
    uint64_t end;
    uint64_t lag_bytes; /* acknowledged and in no committed object */
    uint64_t moving;
};

static int
wal_here(void *arg)
{
    struct wal_sum *sum = arg;
    unsigned i = reactor_index();
    struct shard_stats stats;
    sum->used += wal_used(sum->api->wals[i]);
    sum->capacity += wal_capacity(sum->api->wals[i]);
    sum->end += wal_next_sequence(sum->api->wals[i]);
    shard_stats_get(sum->api->broker->shards[i], &stats);
    sum->lag_bytes += stats.upload_lag_bytes;
    sum->moving += stats.moving;
    return 0;
}

static size_t
owned_count(const struct meta_state *state, const struct meta_broker *broker)
{
    size_t count = 0;
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            count += t->partitions[i].owner == broker->id && t->partitions[i].owner_broker_epoch;
        }
    }
    return count;
}

/* `empty`: of the broker that answers, whether its WAL is; else false. */
static const char *
state_name(const struct meta_broker *broker, size_t owned, bool empty)
{
    if (!broker->alive) {
        return "fenced";
    }
    switch (broker->state) {
    case META_BROKER_DRAINING:
        return owned == 0 && empty ? "drained" : "draining";
    case META_BROKER_STOPPING:
        return "stopping";
    case META_BROKER_OPEN:
    case META_BROKER_CORDONED:
    default:
        return "active";
    }
}

/* What only the broker itself knows. */
static void
put_self(struct broker_api *api, struct wal_sum *sum, bool empty, struct strbuf *out)
{
    strbuf_append_string(out, ", \"version\": ");
    api_put_text(out, api->version);
    strbuf_printf(out,
            ", \"wal\": {\"endPosition\": \"%llu\", \"uploadedPosition\": \"%llu\", \"empty\": %s, "
            "\"usedBytes\": %llu, \"capacityBytes\": %llu, \"quarantined\": %zu}, "
            "\"configGeneration\": ",
            (unsigned long long)sum->end,
            (unsigned long long)(sum->lag_bytes ? sum->end - 1 : sum->end),
            empty ? "true" : "false", (unsigned long long)sum->used,
            (unsigned long long)sum->capacity, quarantine_count(api->quarantine));
    api_put_text(out, api->config_generation ? api->config_generation : "");
}

static void
put_broker(struct broker_api *api, const struct meta_broker *broker, struct wal_sum *sum,
        struct strbuf *out)
{
    const struct meta_state *state = meta_state(api->broker->meta);
    char cluster[UUID_TEXT_SIZE];
    size_t owned = owned_count(state, broker);
    bool self = broker->id == meta_broker_id(api->broker->meta);
    /* Who owns nothing acknowledges nothing until a partition comes: none does while it drains. */
    bool empty = self && owned == 0 && sum->lag_bytes == 0 &&
                 broker->state >= META_BROKER_DRAINING && quarantine_count(api->quarantine) == 0;
    strbuf_printf(out,
            "{\"id\": %d, \"epoch\": %lld, \"clusterId\": \"%s\", \"rack\": ", broker->id,
            (long long)broker->epoch, uuid_format(meta_state_cluster_id(state), cluster));
    api_put_text(out, broker->rack ? broker->rack : "");
    strbuf_printf(out,
            ", \"alive\": %s, \"state\": \"%s\", \"cordoned\": %s, \"partitions\": {\"owned\": "
            "%zu, "
            "\"opening\": 0, \"closing\": %llu}",
            broker->alive ? "true" : "false", state_name(broker, owned, empty),
            broker->state != META_BROKER_OPEN ? "true" : "false", owned,
            (unsigned long long)(self ? sum->moving : 0));
    if (self) {
        put_self(api, sum, empty, out);
    }
    strbuf_append_string(out, "}");
}

static int
sum_wals(struct broker_api *api, struct wal_sum *ret_sum)
{
    struct wal_sum sum = { .api = api };
    for (unsigned i = 0; i < reactor_count(); i++) {
        int r = reactor_call(i, wal_here, &sum);
        if (r < 0) {
            return r;
        }
    }
    *ret_sum = sum;
    return 0;
}

static unsigned
answer_broker(struct broker_api *api, int32_t id, unsigned status, struct strbuf *out)
{
    struct wal_sum sum;
    if (sum_wals(api, &sum) < 0) {
        return api_error(out, 503, "STOPPING", "the broker is stopping");
    }
    const struct meta_broker *broker = meta_broker_find(meta_state(api->broker->meta), id);
    if (!broker) {
        return api_error(out, 404, "UNKNOWN_BROKER", "no broker of this id is registered");
    }
    put_broker(api, broker, &sum, out);
    return status;
}

static unsigned
answer_brokers(struct broker_api *api, struct strbuf *out)
{
    struct wal_sum sum;
    char cluster[UUID_TEXT_SIZE];
    if (sum_wals(api, &sum) < 0) {
        return api_error(out, 503, "STOPPING", "the broker is stopping");
    }
    const struct meta_state *state = meta_state(api->broker->meta);
    strbuf_printf(out, "{\"clusterId\": \"%s\", \"controllerId\": %d, \"brokers\": [",
            uuid_format(meta_state_cluster_id(state), cluster), meta_state_controller(state));
    const struct meta_broker *broker;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        strbuf_append_string(out, id < 0 ? "" : ", ");
        put_broker(api, broker, &sum, out);
    }
    strbuf_append_string(out, "]}");
    return 200;
}

static unsigned
change_state(struct broker_api *api, int32_t id, enum meta_broker_state wanted, unsigned status,
        struct strbuf *out)
{
    const struct meta_record record = { .type = META_BROKER_STATE, .broker_state = { id, wanted } };
    struct meta_result result = { 0 };
    int r = meta_propose(api->broker->meta, &record, 1, &result);
    if (r < 0) {
        LOG_WARN(
                "a broker's state is not known to be changed", LOG_INT("broker", id), LOG_FAULT(r));
        return api_error(
                out, 503, "NO_CONTROLLER", "the change is not known to be logged: ask again");
    }
    if (result.error == -ENOENT) {
        return api_error(out, 404, "UNKNOWN_BROKER", "no broker of this id is registered");
    }
    LOG_INFO("a broker's state was changed", LOG_INT("broker", id), LOG_INT("state", wanted));
    return answer_broker(api, id, status, out);
}

/* A cordon does not end a drain. */
static enum meta_broker_state
cordoned_state(const struct broker_api *api, int32_t id)
{
    const struct meta_broker *broker = meta_broker_find(meta_state(api->broker->meta), id);
    return broker && broker->state > META_BROKER_CORDONED ? broker->state : META_BROKER_CORDONED;
}

/* "": -1, any; else "epoch=N". */
static int
read_epoch(const char *query, int64_t *ret_epoch)
{
    static const char name[] = "epoch=";
    if (!*query) {
        *ret_epoch = -1;
        return 0;
    }
    if (strncmp(query, name, sizeof name - 1) != 0) {
        return -EINVAL;
    }
    const char *p = query + sizeof name - 1;
    int64_t epoch = 0;
    for (; *p >= '0' && *p <= '9' && epoch < INT64_MAX / 10 - 1; p++) {
        epoch = epoch * 10 + (*p - '0');
    }
    if (*p || p == query + sizeof name - 1) {
        return -EINVAL;
    }
    *ret_epoch = epoch;
    return 0;
}

static unsigned
unregister_refused(struct broker_api *api, int32_t id, int refusal, struct strbuf *out)
{
    const struct meta_broker *broker = meta_broker_find(meta_state(api->broker->meta), id);
    if (refusal == -ESTALE) {
        return api_error(out, 409, "OTHER_EPOCH",
                "the broker has registered again since that epoch: look at it before it goes");
    }
    if (broker && broker->alive) {
        return api_error(out, 409, "BROKER_ALIVE",
                "the broker is alive, or its lease may still run: drain it, stop it, ask again");
    }
    return api_error(out, 409, "LOG_NOT_EMPTY",
            "partitions may have acknowledged records in the broker's write-ahead log only: bring "
            "its volume back, or run `freshet recover` where it is");
}

static unsigned
answer_unregister(struct broker_api *api, int32_t id, const char *query, struct strbuf *out)
{
    int64_t epoch;
    int refusal;
    if (read_epoch(query, &epoch) < 0) {
        return api_error(out, 400, "BAD_QUERY", "the query is ?epoch=N, or there is none");
    }
    int r = meta_unregister(api->broker->meta, id, epoch, &refusal);
    if (r < 0) {
        LOG_WARN("a broker is not known to be unregistered", LOG_INT("broker", id), LOG_FAULT(r));
        return api_error(
                out, 503, "NO_CONTROLLER", "the change is not known to be logged: ask again");
    }
    if (refusal && refusal != -ENOENT) {
        return unregister_refused(api, id, refusal, out);
    }
    LOG_INFO("a broker is unregistered", LOG_INT("broker", id), LOG_INT("was", refusal == 0));
    strbuf_printf(out, "{\"id\": %d, \"registered\": false}", id);
    return 200;
}

static unsigned
answer_change(struct broker_api *api, const struct admin_request *request, struct strbuf *out)
{
    const char *rest = request->path;
    const char *end = rest;
    int64_t id = 0;
    while (*end >= '0' && *end <= '9' && id <= INT32_MAX) {
        id = id * 10 + (*end++ - '0');
    }
    if (end == rest || id > INT32_MAX || (*end && *end != '/')) {
        return api_error(out, 400, "BAD_ID", "the path is /v1/brokers/{id}/cordon or .../drain");
    }
    bool post = strcmp(request->method, "POST") == 0;
    bool delete = strcmp(request->method, "DELETE") == 0;
    if (strcmp(end, "/cordon") == 0 && post) {
        return change_state(api, (int32_t)id, cordoned_state(api, (int32_t)id), 200, out);
    }
    if (strcmp(end, "/cordon") == 0 && delete) {
        return change_state(api, (int32_t)id, META_BROKER_OPEN, 200, out);
    }
    if (strcmp(end, "/drain") == 0 && post) {
        return change_state(api, (int32_t)id, META_BROKER_DRAINING, 202, out);
    }
    if (!*end && delete) {
        return answer_unregister(api, (int32_t)id, request->query, out);
    }
    return api_error(
            out, 405, "BAD_METHOD", "POST or DELETE cordon, POST drain, or DELETE the broker");
}

/* The request with what is behind `prefix` as its path; false: it begins otherwise. */
static bool
is_below(const struct admin_request *request, const char *prefix, struct admin_request *ret_rest)
{
    size_t size = strlen(prefix);
    if (strncmp(request->path, prefix, size) != 0) {
        return false;
    }
    *ret_rest = *request;
    ret_rest->path += size;
    return true;
}

unsigned
broker_api_answer(void *arg, const struct admin_request *request, struct strbuf *out)
{
    struct broker_api *api = arg;
    struct admin_request rest;
    bool get = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if (strcmp(request->path, "/v1/broker") == 0 && get) {
        return answer_broker(api, meta_broker_id(api->broker->meta), 200, out);
    }
    if (strcmp(request->path, "/v1/balancer") == 0 && get) {
        return balancer_api_answer(api, out);
    }
    if (strcmp(request->path, "/v1/brokers") == 0 && get) {
        return answer_brokers(api, out);
    }
    if (is_below(request, "/v1/brokers/", &rest) && !get) {
        return answer_change(api, &rest, out);
    }
    if (is_below(request, "/v1/topics/", &rest)) {
        return broker_topics_answer(api->broker, &rest, out);
    }
    if (strcmp(request->path, "/v1/config") == 0) {
        return broker_config_answer(api->broker, request, out);
    }
    return api_error(out, 404, "NO_SUCH_PATH", "see docs/admin-api.md");
}
