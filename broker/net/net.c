/* The listeners: accept on reactor 0 and deal connections out to the reactors. */
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "net/net_internal.h"
#include "reactor/call.h"
#include "reactor/clock.h"

#include <errno.h>

/* A day of seconds, or windows: their product fits in nanoseconds. */
#define WINDOW_LIMIT(n) ((uint64_t)MIN((n), 86400u))
#define COMPLAINT_INTERVAL_NS ((uint64_t)NS_PER_S)
#define ROOM_LOOK_NS (10 * (uint64_t)NS_PER_MS)

/* Carries an accepted connection to its reactor. */
struct arrival {
    struct net_listener *listener;
    struct address *address;
    struct accepted accepted;
};

static void
arrival_main(void *arg)
{
    struct arrival *arrival = arg;
    struct net_listener *listener = arrival->listener;
    struct net *net = listener->net;
    struct address *address = arrival->address;
    struct stream *stream;
    int r = stream_adopt(&arrival->accepted, &stream);
    mem_free(arrival);
    if (r == 0) {
        connection_run(net, listener->name, stream);
    }
    address_leave(address);
    atomic_fetch_sub(&listener->connections, 1);
    atomic_fetch_sub(&net->connections, 1); /* last: net may be freed now */
}

static int
net_deal(struct net_listener *listener, const struct accepted *accepted, struct address *address)
{
    struct net *net = listener->net;
    struct arrival *arrival = mem_alloc(sizeof *arrival);
    *arrival = (struct arrival){ listener, address, *accepted };
    unsigned target = net->next_reactor++ % reactor_count();
    atomic_fetch_add(&net->connections, 1);
    atomic_fetch_add(&listener->connections, 1);
    int r = reactor_post(target, "connection", arrival_main, arrival);
    if (r < 0) {
        atomic_fetch_sub(&listener->connections, 1);
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

/* Of all listeners, and of one. */
static uint32_t
net_limit(const struct net *net, const char *name)
{
    return net->options.limits ? (uint32_t)settings_int(net->options.limits, name) : UINT32_MAX;
}

static uint32_t
listener_limit(const struct net_listener *listener, const char *name)
{
    const struct settings *limits = listener->net->options.limits;
    return limits ? (uint32_t)settings_listener_int(limits, listener->name, name) : UINT32_MAX;
}

/* C4: -ECANCELED when listening ends meanwhile. */
static int
listener_wait_turn(struct net_listener *listener)
{
    static const char rate[] = "max.connection.creation.rate";
    struct net *net = listener->net;
    if (!net->options.limits) {
        return 0;
    }
    uint64_t size_ns = WINDOW_LIMIT(net_limit(net, "quota.window.size.seconds")) * NS_PER_S;
    uint64_t windows = WINDOW_LIMIT(net_limit(net, "quota.window.num"));
    struct pace_limits limits = { net_limit(net, rate), MAX(windows - 1, (uint64_t)1) * size_ns,
        size_ns };
    uint64_t now_ns = clock_mono_ns();
    uint64_t wait_ns = pace_take(&net->pace, &limits, now_ns);
    limits.rate = listener_limit(listener, rate);
    wait_ns = MAX(wait_ns, pace_take(&listener->pace, &limits, now_ns));
    if (wait_ns == 0) {
        return 0;
    }
    MARK("net: a connection waits for its turn");
    net->delayed++;
    return fiber_sleep_ns(wait_ns);
}

/* Why there is no room; NULL: there is. */
static const char *
listener_full(const struct net_listener *listener)
{
    const struct net *net = listener->net;
    uint32_t most = MIN(net->options.connections_max, net_limit(net, "max.connections"));
    if (atomic_load(&net->connections) >= most) {
        return "max.connections are open";
    }
    if (atomic_load(&listener->connections) >= listener_limit(listener, "max.connections")) {
        MARK("net: a listener has its connections");
        return "max.connections of its listener are open";
    }
    return NULL;
}

/* C3: until one ends, or the limit is raised. -ECANCELED. */
static int
listener_wait_room(struct net_listener *listener, const char *peer)
{
    struct net *net = listener->net;
    const char *full = listener_full(listener);
    uint64_t silent;
    int r = 0;
    if (!full) {
        return 0;
    }
    MARK("net: a connection waits for another to end");
    net->waited++;
    if (net_may_complain(net, &silent)) {
        LOG_WARN("connections wait for others to end", LOG_STR("client", peer),
                LOG_STR("listener", listener->name), LOG_STR("why", full),
                LOG_INT("others", silent));
    }
    while (r == 0 && listener_full(listener)) {
        r = fiber_sleep_ns(ROOM_LOOK_NS);
    }
    return r;
}

static struct address *
listener_enter(const struct net_listener *listener, const char *peer)
{
    struct net *net = listener->net;
    uint32_t most = per_ip_most(&net->per_ip, peer, net_limit(net, "max.connections.per.ip"));
    return address_enter(&net->addresses, peer, most);
}

static int
listener_update(struct net_listener *listener)
{
    struct net *net = listener->net;
    return net->options.limits
                   ? per_ip_update(&net->per_ip, settings_string(net->options.limits,
                                                         "max.connections.per.ip.overrides"))
                   : 0;
}

static void
listener_admit(struct net_listener *listener, const struct accepted *accepted)
{
    struct net *net = listener->net;
    net->accepted++;
    if (listener_wait_turn(listener) < 0 || listener_update(listener) < 0 ||
            listener_wait_room(listener, accepted->peer) < 0) {
        net_refuse(net, accepted, "the broker is stopping");
        return;
    }
    struct address *address = listener_enter(listener, accepted->peer);
    if (!address) {
        MARK("net: an address has its connections");
        net_refuse(net, accepted, "max.connections.per.ip of its address are open");
        return;
    }
    if (net_deal(listener, accepted, address) < 0) {
        address_leave(address);
        net_refuse(net, accepted, "the broker is stopping");
    }
}

static void
listener_main(void *arg)
{
    struct net_listener *listener = arg;
    for (;;) {
        struct accepted accepted;
        uint64_t silent;
        int r = listener_accept(listener->listener, &accepted);
        if (r == -ECANCELED) {
            return;
        }
        if (r == 0) {
            listener_admit(listener, &accepted);
        } else if (net_may_complain(listener->net, &silent)) {
            LOG_WARN("no connection can be accepted", LOG_STR("listener", listener->name),
                    LOG_FAULT(r), LOG_INT("others", silent));
        }
    }
}

/* Binds; nobody is accepted yet. */
static int
listener_open(
        struct net *net, struct net_listener *listener, const struct net_listener_options *options)
{
    listener->net = net;
    bytes_to_string(bytes_of_string(options->name), listener->name, sizeof listener->name);
    int r = tcp_listen(options->host, options->port, &listener->listener);
    if (r < 0) {
        return fault_note(r, "listener %s", listener->name);
    }
    listener->port = listener_port(listener->listener);
    return 0;
}

static int
net_open(struct net *net, const struct net_options *options)
{
    CHECK(options->listener_count > 0 && options->listener_count <= NET_LISTENERS_MAX);
    int r = 0;
    for (size_t i = 0; r == 0 && i < options->listener_count; i++) {
        r = listener_open(net, &net->listeners[i], &options->listeners[i]);
        net->listener_count += r == 0;
    }
    for (size_t i = 0; r == 0 && i < net->listener_count; i++) {
        struct net_listener *listener = &net->listeners[i];
        r = fiber_spawn("accept", listener_main, listener, &listener->fiber);
    }
    return r == 0 && options->limits ? fiber_spawn("excess", excess_main, net, &net->excess) : r;
}

int
net_start(const struct net_options *options, struct net **ret_net)
{
    struct net *net = mem_alloc(sizeof *net);
    net->options = *options;
    net->options.listeners = NULL;
    for (unsigned i = 0; i < REACTORS_MAX; i++) {
        list_init(&net->open[i]);
    }
    addresses_init(&net->addresses);
    int r = net_open(net, options);
    if (r < 0) {
        net_stop(net);
        return r;
    }
    *ret_net = net;
    return 0;
}

uint16_t
net_port(const struct net *net, size_t i)
{
    CHECK(i < net->listener_count);
    return net->listeners[i].port;
}

void
net_stop_listening(struct net *net)
{
    if (net->excess) {
        fiber_cancel(net->excess);
        fiber_join(TAKE_PTR(net->excess));
    }
    for (size_t i = 0; i < net->listener_count; i++) {
        struct net_listener *listener = &net->listeners[i];
        if (listener->fiber) {
            fiber_cancel(listener->fiber);
            fiber_join(TAKE_PTR(listener->fiber));
        }
        listener_close(TAKE_PTR(listener->listener));
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
    per_ip_done(&net->per_ip);
    mem_free(net);
}

void
net_stats_get(const struct net *net, struct net_stats *ret_stats)
{
    *ret_stats = (struct net_stats){
        .connections = atomic_load(&net->connections),
        .accepted = net->accepted,
        .refused = net->refused,
        .delayed = net->delayed,
        .waited = net->waited,
        .bad_frames = atomic_load(&net->bad_frames),
    };
}
