/* C5: what is over max.connections, which was lowered, is closed; as in Kafka those of each reactor
 * that were silent longest go first. */
#include "base/log.h"
#include "base/mark.h"
#include "net/net_internal.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#define EXCESS_LOOK_NS (200 * (uint64_t)NS_PER_MS)

struct excess {
    struct net *net;
    uint32_t count; /* found on a reactor, or to be closed there */
};

static int
count_here(void *arg)
{
    struct excess *excess = arg;
    excess->count = excess->net->staying[reactor_index()];
    return 0;
}

static int
close_here(void *arg)
{
    struct excess *excess = arg;
    struct net *net = excess->net;
    LIST_FOREACH (link, &net->open[reactor_index()]) {
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        if (excess->count == 0) {
            break;
        }
        if (!connection->ending) {
            MARK("net: a connection too many is closed");
            connection->ending = true;
            net->staying[reactor_index()]--;
            excess->count--;
            stream_shutdown(connection->stream);
        }
    }
    return 0;
}

/* Connections on their way to a reactor are not among them: the next look has them. */
MUST_CHECK MAY_SUSPEND static int
excess_close(struct net *net, uint32_t most)
{
    uint32_t counts[REACTORS_MAX] = { 0 };
    uint32_t open = 0;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < reactor_count(); i++) {
        struct excess excess = { net, 0 };
        r = reactor_call(i, count_here, &excess);
        counts[i] = excess.count;
        open += excess.count;
    }
    if (r < 0 || open <= most) {
        return r;
    }
    uint32_t over = open - most;
    LOG_INFO("connections over max.connections are closed", LOG_INT("open", open),
            LOG_INT("max", most));
    for (unsigned i = 0; r == 0 && i < reactor_count(); i++) {
        /* As many of each as it has of those that are left. */
        uint32_t share = (uint32_t)(((uint64_t)over * counts[i] + open - 1) / MAX(open, 1u));
        struct excess excess = { net, MIN(share, over) };
        r = excess.count ? reactor_call(i, close_here, &excess) : 0;
        open -= counts[i];
        over -= MIN(share, over);
    }
    return r;
}

void
excess_main(void *arg)
{
    struct net *net = arg;
    while (fiber_sleep_ns(EXCESS_LOOK_NS) == 0) {
        uint32_t most = (uint32_t)settings_int(net->options.limits, "max.connections");
        if (atomic_load(&net->connections) > most && excess_close(net, most) < 0) {
            return;
        }
    }
}
