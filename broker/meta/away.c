/* Brokers whose process has ended and that are not declared dead yet: nobody listens where they
 * did. See meta_broker_is_away. */
#include "base/endian.h"
#include "base/log.h"
#include "base/mark.h"
#include "meta/meta_internal.h"
#include "reactor/clock.h"

#include <errno.h>
#include <stdio.h>

#define KNOCK_NS (1 * (uint64_t)NS_PER_S)

bool
meta_broker_is_away(const struct meta *meta, const struct meta_broker *broker)
{
    bool found = false;
    for (size_t i = 0; i < META_AWAY_MAX && !found; i++) {
        found = atomic_load_explicit(&meta->away[i], memory_order_relaxed) == broker->epoch;
    }
    return found;
}

static void
away_change(struct meta *meta, int64_t from, int64_t to)
{
    for (size_t i = 0; i < META_AWAY_MAX; i++) {
        if (atomic_load(&meta->away[i]) == from) {
            atomic_store(&meta->away[i], to);
            meta->away_version++;
            if (meta->server) {
                server_wake(meta);
            }
            return;
        }
    }
}

void
away_add(struct meta *meta, const struct meta_broker *broker)
{
    if (!meta_broker_is_away(meta, broker)) {
        LOG_INFO("a broker's process has ended: clients are not sent there",
                LOG_INT("broker", broker->id));
        away_change(meta, 0, broker->epoch);
    }
}

void
away_drop(struct meta *meta, int64_t broker_epoch)
{
    away_change(meta, broker_epoch, 0);
}

static bool
is_alive_in(const struct meta_state *state, int64_t broker_epoch)
{
    const struct meta_broker *broker;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        if (broker->alive && broker->epoch == broker_epoch) {
            return true;
        }
    }
    return false;
}

void
away_prune(struct meta *meta)
{
    for (size_t i = 0; i < META_AWAY_MAX; i++) {
        int64_t epoch = atomic_load(&meta->away[i]);
        if (epoch && !is_alive_in(meta->replicas[0]->state, epoch)) {
            away_drop(meta, epoch);
        }
    }
}

/* The broker that is meant, alive as far as the log knows, and not connected again; else NULL. */
static const struct meta_broker *
missed(struct meta *meta, int32_t broker_id, int64_t broker_epoch)
{
    const struct meta_broker *broker = meta_broker_find(meta->replicas[0]->state, broker_id);
    const struct member *member = member_find(meta, broker_id);
    bool is_missed = meta->server && broker && broker->epoch == broker_epoch && broker->alive &&
                     broker->internal_host && member && !member->peer;
    return is_missed ? broker : NULL;
}

int
away_connect(struct meta *meta, const struct meta_broker *broker, uint64_t deadline_ns,
        struct stream **ret_stream)
{
    char host[META_HOST_SIZE_MAX + 1];
    int32_t id = broker->id;
    int64_t epoch = broker->epoch;
    uint16_t port = (uint16_t)broker->internal_port;
    snprintf(host, sizeof host, "%s", broker->internal_host);
    int r = tcp_connect(host, port, deadline_ns, ret_stream);
    broker = meta_broker_find(meta->replicas[0]->state, id);
    const struct member *member = member_find(meta, id);
    bool is_back = member && member->peer;
    if (r == -ECONNREFUSED && !is_back && broker && broker->alive && broker->epoch == epoch) {
        MARK("away: nobody listens where a broker did");
        away_add(meta, broker);
    }
    return r;
}

void
away_knock(struct meta *meta, int32_t broker_id, int64_t broker_epoch)
{
    /* A process that ends closes one thing after the other. */
    static const uint64_t pauses_ns[] = { 1 * NS_PER_MS, 50 * NS_PER_MS, 250 * NS_PER_MS };
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(pauses_ns) && r != -ECONNREFUSED; i++) {
        struct stream *stream;
        r = fiber_sleep_ns(pauses_ns[i]);
        const struct meta_broker *broker = missed(meta, broker_id, broker_epoch);
        if (r < 0 || !broker) {
            return;
        }
        r = away_connect(meta, broker, clock_mono_ns() + KNOCK_NS, &stream);
        if (r == 0) {
            stream_close(stream);
        }
    }
}

struct bytes
away_list(const struct meta *meta, uint8_t out[META_AWAY_MAX * sizeof(int64_t)])
{
    size_t size = 0;
    for (size_t i = 0; i < META_AWAY_MAX; i++) {
        int64_t epoch = atomic_load(&meta->away[i]);
        if (epoch) {
            store_be64(out + size, (uint64_t)epoch);
            size += sizeof epoch;
        }
    }
    return bytes_of(out, size);
}

void
away_take(struct meta *meta, struct bytes list)
{
    for (size_t i = 0; i < META_AWAY_MAX; i++) {
        size_t at = i * sizeof(int64_t);
        bool is_there = list.size >= at + sizeof(int64_t);
        atomic_store(&meta->away[i], is_there ? (int64_t)load_be64(list.data + at) : 0);
    }
}
