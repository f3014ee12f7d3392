#pragma once
/* Shared by the files of net/ only. */

#include "base/limits.h"
#include "net/addresses.h"
#include "net/net.h"
#include "net/pace.h"
#include "net/per_ip.h"
#include "reactor/tcp.h"

#include <stdatomic.h>

struct connection {
    struct list link; /* in net.open of its reactor, the one that was silent longest first */
    struct stream *stream;
    bool ending; /* by us (C5) */
};

struct net_listener {
    struct net *net;
    char name[64];
    struct listener *listener;
    struct fiber *fiber; /* accepts */
    uint16_t port;
    struct pace pace;
    _Atomic uint32_t connections;
};

struct net {
    struct net_options options;
    struct net_listener listeners[NET_LISTENERS_MAX];
    size_t listener_count;
    unsigned next_reactor;
    uint64_t accepted;
    uint64_t refused;
    uint64_t delayed;
    uint64_t waited;
    struct fiber *excess;
    struct pace pace; /* of all listeners */
    struct per_ip per_ip;
    struct addresses addresses;
    uint64_t complained_ns; /* when a refusal or a failure was logged last */
    uint64_t silent;        /* how many were not logged since */
    _Atomic uint32_t connections;
    _Atomic uint64_t bad_frames;
    struct list open[REACTORS_MAX]; /* this and the next two: each used by its own reactor only */
    uint32_t staying[REACTORS_MAX]; /* open, and not ending */
    bool stopping[REACTORS_MAX];
};

/* C5; a fiber of reactor 0. */
MAY_SUSPEND void excess_main(void *arg);

/* Serves one connection until it ends; closes and frees the stream. */
MAY_SUSPEND void connection_run(struct net *net, const char *listener, struct stream *stream);
