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
    struct list link; /* in net.open of its reactor */
    struct stream *stream;
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
    struct pace pace; /* of all listeners */
    struct per_ip per_ip;
    struct addresses addresses;
    uint64_t complained_ns; /* when a refusal or a failure was logged last */
    uint64_t silent;        /* how many were not logged since */
    _Atomic uint32_t connections;
    _Atomic uint64_t bad_frames;
    struct list open[REACTORS_MAX]; /* each used by its own reactor only */
    bool stopping[REACTORS_MAX];
};

/* Serves one connection until it ends; closes and frees the stream. */
MAY_SUSPEND void connection_run(struct net *net, const char *listener, struct stream *stream);
