#pragma once
/* Shared by the files of net/ only. */

#include "base/limits.h"
#include "net/addresses.h"
#include "net/net.h"
#include "reactor/tcp.h"

#include <stdatomic.h>

struct connection {
    struct list link; /* in net.open of its reactor */
    struct stream *stream;
};

struct net {
    struct net_options options;
    struct listener *listener;
    struct fiber *accept_fiber;
    uint16_t port;
    unsigned next_reactor;
    uint64_t accepted;
    uint64_t refused;
    struct addresses addresses;
    uint64_t complained_ns; /* when a refusal or a failure was logged last */
    uint64_t silent;        /* how many were not logged since */
    _Atomic uint32_t connections;
    _Atomic uint64_t bad_frames;
    struct list open[REACTORS_MAX]; /* each used by its own reactor only */
    bool stopping[REACTORS_MAX];
};

/* Serves one connection until it ends; closes and frees the stream. */
MAY_SUSPEND void connection_run(struct net *net, struct stream *stream);
