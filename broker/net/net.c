/* The listener: accepts on reactor 0 and deals connections out to the reactors. */
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "net/net_internal.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#include <errno.h>

#define COMPLAINT_INTERVAL_NS ((uint64_t)NS_PER_S)

/* Carries an accepted connection to its reactor. */
struct arrival {
    struct net *net;
    struct address *address;
    struct accepted accepted;
};

static void
arrival_main(void *arg)
{
    struct arrival *arrival = arg;
    struct net *net = arrival->net;
    struct address *address = arrival->address;
    struct stream *stream;
    int r = stream_adopt(&arrival->accepted, &stream);
    mem_free(arrival);
    if (r == 0) {
        connection_run(net, stream);
    }
    address_leave(address);
    atomic_fetch_sub(&net->connections, 1); /* last: net may be freed now */
}

static int
net_deal(struct net *net, const struct accepted *accepted, struct address *address)
{
    struct arrival *arrival = mem_alloc(sizeof *arrival);
    *arrival = (struct arrival){ net, address, *accepted };
    unsigned target = net->next_reactor++ % reactor_count();
    atomic_fetch_add(&net->connections, 1);
    int r = reactor_post(target, "connection", arrival_main, arrival);
    if (r < 0) {
        atomic_fetch_sub(&net->connections, 1);
        mem_free(arrival);
    }
    return r;
}

/* C3: true when it is time for another line; *ret_silent had none since the last. */
static bool
net_may_complain(struct net *net, uint64_t *ret_silent)
{
    uint64_t now_ns = clock_mono_ns();
    if (net->complained_ns && now_ns - net->complained_ns < COMPLAINT_INTERVAL_NS) {
        net->silent++;
        return false;
    }
    net->complained_ns = now_ns;
    *ret_silent = net->silent;
    net->silent = 0;
    return true;
}

/* Closes a connection that there is no room for. */
static void
net_refuse(struct net *net, const struct accepted *accepted, const char *why)
{
    struct stream *stream;
    uint64_t silent;
    net->refused++;
    if (net_may_complain(net, &silent)) {
        LOG_WARN("connection refused", LOG_STR("client", accepted->peer), LOG_STR("why", why),
                LOG_INT("others_refused", silent));
    }
    if (stream_adopt(accepted, &stream) == 0) {
        stream_close(stream);
    }
}

static uint32_t
net_limit(const struct net *net, const char *name)
{
    return net->options.limits ? (uint32_t)settings_int(net->options.limits, name) : UINT32_MAX;
}

static void
net_admit(struct net *net, const struct accepted *accepted)
{
    uint32_t most = MIN(net->options.connections_max, net_limit(net, "max.connections"));
    net->accepted++;
    if (atomic_load(&net->connections) >= most) {
        net_refuse(net, accepted, "max.connections are open");
        return;
    }
    struct address *address = address_enter(
            &net->addresses, accepted->peer, net_limit(net, "max.connections.per.ip"));
    if (!address) {
        MARK("net: an address has its connections");
        net_refuse(net, accepted, "max.connections.per.ip of its address are open");
        return;
    }
    if (net_deal(net, accepted, address) < 0) {
        address_leave(address);
        net_refuse(net, accepted, "the broker is stopping");
    }
}

static void
net_accept_main(void *arg)
{
    struct net *net = arg;
    for (;;) {
        struct accepted accepted;
        uint64_t silent;
        int r = listener_accept(net->listener, &accepted);
        if (r == -ECANCELED) {
            return;
        }
        if (r == 0) {
            net_admit(net, &accepted);
        } else if (net_may_complain(net, &silent)) {
            LOG_WARN("no connection can be accepted", LOG_FAULT(r), LOG_INT("others", silent));
        }
    }
}

int
net_start(const struct net_options *options, struct net **ret_net)
{
    struct net *net = mem_alloc(sizeof *net);
    net->options = *options;
    for (unsigned i = 0; i < REACTORS_MAX; i++) {
        list_init(&net->open[i]);
    }
    addresses_init(&net->addresses);
    int r = tcp_listen(options->host, options->port, &net->listener);
    if (r < 0) {
        mem_free(net);
        return r;
    }
    r = fiber_spawn("accept", net_accept_main, net, &net->accept_fiber);
    if (r < 0) {
        listener_close(net->listener);
        mem_free(net);
        return r;
    }
    net->port = listener_port(net->listener);
    *ret_net = net;
    return 0;
}

uint16_t
net_port(const struct net *net)
{
    return net->port;
}

void
net_stop_listening(struct net *net)
{
    if (net->accept_fiber) {
        fiber_cancel(net->accept_fiber);
        fiber_join(net->accept_fiber);
        net->accept_fiber = NULL;
        listener_close(net->listener);
    }
}

static int
net_shutdown_here(void *arg)
{
    struct net *net = arg;
    net->stopping[reactor_index()] = true;
    LIST_FOREACH (link, &net->open[reactor_index()]) {
        stream_shutdown(CONTAINER_OF(link, struct connection, link)->stream);
    }
    return 0;
}

void
net_stop(struct net *net)
{
    net_stop_listening(net);
    for (unsigned i = 0; i < reactor_count(); i++) {
        int r = reactor_call(i, net_shutdown_here, net);
        (void)r;
    }
    while (atomic_load(&net->connections) > 0) {
        if (fiber_sleep_ns(1000000) == -ECANCELED) {
            return; /* the process gives up: the reactors' end cancels what is left; net is not
                       freed */
        }
    }
    addresses_done(&net->addresses);
    mem_free(net);
}

void
net_stats_get(const struct net *net, struct net_stats *ret_stats)
{
    *ret_stats = (struct net_stats){
        .connections = atomic_load(&net->connections),
        .accepted = net->accepted,
        .refused = net->refused,
        .bad_frames = atomic_load(&net->bad_frames),
    };
}
