#pragma once
/* Kafka listeners, connections and frames. Entered from main.c; gives frames to session/.
 *
 * A frame is a big-endian int32 length and that many bytes (Kafka protocol guide, "Preliminaries").
 * A length below the smallest header or above `frame_size_max` closes the connection before
 * anything is allocated for it. Limits: CONNECTIONS_MAX over all reactors, frame_size_max,
 * idle_timeout_ns. */

#include "handlers/broker.h"

struct net;

struct net_options {
    struct broker *broker;
    const char *host;
    uint16_t port; /* 0: any */
    uint32_t frame_size_max;
    uint64_t idle_timeout_ns; /* connections.max.idle.ms */
    uint32_t connections_max;
};

/* Listens on reactor 0 and deals the connections out to all reactors in turn. */
MUST_CHECK MAY_SUSPEND int net_start(const struct net_options *options, struct net **ret_net);
uint16_t net_port(const struct net *net);
/* No new connections. */
MAY_SUSPEND void net_stop_listening(struct net *net);
/* Closes all connections, waits for their handlers, frees. On reactor 0. */
MAY_SUSPEND void net_stop(struct net *net);

struct net_stats {
    uint64_t connections; /* open now */
    uint64_t accepted;
    uint64_t refused; /* over the limit */
    uint64_t bad_frames;
};
void net_stats_get(const struct net *net, struct net_stats *ret_stats);
