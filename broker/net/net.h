#pragma once
/* Kafka listeners, connections and frames. Entered from main.c; gives frames to session/, with the
 * name of the listener that they came in by.
 *
 * A frame is a big-endian int32 length and that many bytes (Kafka protocol guide, "Preliminaries").
 *
 * C1  A length below the smallest header or above `frame_size_max` closes the connection before
 *     anything is allocated for it; a length that can be waits for room in broker->memory first.
 *     Scenario: garbage reads as "1.2 GB follow"; or hundreds announce 100 MiB each.
 * C2  Whoever has begun a frame must end it within `frame_grace_ns` and the time that its size
 *     takes at FRAME_BYTES_PER_SECOND_MIN. Scenario: clients that send a byte a minute hold all the
 *     memory for requests, and nobody else is served.
 * C3  A flood of connections costs one log line a second. Those over max.connections, of all
 *     listeners or of theirs, wait until one ends, as in Kafka: the first is accepted and holds the
 *     place in line, the others are in the kernel. Those over max.connections.per.ip are closed as
 *     soon as they are accepted; without a descriptor they wait in the kernel. Those that are open
 *     go on. Scenario: a client that reconnects in a loop.
 * C4  Connections that come faster than max.connection.creation.rate, of all listeners or of
 *     theirs, are not refused: each waits for its turn, at most a quota window, and those behind it
 *     wait in the kernel. Another listener goes on meanwhile. Scenario: ten thousand clients come
 *     back at once after a restart, and the broker does nothing but shake hands.
 * C5  When max.connections of all listeners is lowered below what is open, what is over is closed
 *     soon, and those that were silent longest first. What a listener has over its own limit stays.
 *     Traffic between brokers comes by another port and is never counted. Scenario: a person lowers
 *     the limit because memory is short, and a thousand idle connections stay for ten minutes.
 * Limits: CONNECTIONS_MAX over all reactors, frame_size_max, idle_timeout_ns, broker->memory. */

#include "handlers/broker.h"

struct net;

#define NET_LISTENERS_MAX 16

struct net_listener_options {
    const char *name;
    const char *host;
    uint16_t port; /* 0: any */
};

struct net_options {
    struct broker *broker;
    const struct net_listener_options
            *listeners; /* 1 to NET_LISTENERS_MAX; borrowed for the call */
    size_t listener_count;
    uint32_t frame_size_max;
    uint64_t idle_timeout_ns; /* connections.max.idle.ms */
    uint64_t frame_grace_ns;
    uint32_t connections_max;
    /* max.connections, max.connection.creation.rate (both also of single listeners) and
     * max.connections.per.ip with its overrides, looked at for each new connection, on reactor 0.
     * NULL: only connections_max. Borrowed. */
    const struct settings *limits;
};

/* Listens on reactor 0, all or none, and deals the connections out to all reactors in turn. */
MUST_CHECK MAY_SUSPEND int net_start(const struct net_options *options, struct net **ret_net);
/* Of the i-th listener. */
uint16_t net_port(const struct net *net, size_t i);
/* No new connections. */
MAY_SUSPEND void net_stop_listening(struct net *net);
/* Closes all connections, waits for their handlers, frees. On reactor 0. */
MAY_SUSPEND void net_stop(struct net *net);

struct net_stats {
    uint64_t connections; /* open now */
    uint64_t accepted;
    uint64_t refused; /* over the limit of their address, or while the broker stops */
    uint64_t delayed; /* waited for their turn (C4) */
    uint64_t waited;  /* for another one to end (C3) */
    uint64_t bad_frames;
};
void net_stats_get(const struct net *net, struct net_stats *ret_stats);
