#pragma once
/* Connections of the simulated network, and what sim_net.c and sim_tcp.c need of each other.
 * Private to them. */

#include "reactor/net_driver.h"
#include "reactor/sim_world.h"

#define SEGMENT_MAX 65536u
#define RETRY_NS (200 * NS_PER_MS)

enum segment_kind { SEGMENT_DATA, SEGMENT_END, SEGMENT_RESET };

struct segment {
    struct list link;
    enum segment_kind kind;
    uint64_t due_ns;
    size_t size;
    size_t used; /* bytes that were read */
    uint8_t data[];
};

/* One end of a connection. What it sends waits in `outgoing`; what came and was not read in
 * `received`. */
struct endpoint {
    struct list link;    /* in the world */
    struct list backlog; /* in a listener */
    struct sim *sim;
    struct sim_host *host;
    struct sim_process *process;
    struct endpoint *peer; /* NULL: gone */
    uint64_t id;
    struct list outgoing;
    struct list received;
    size_t unread;
    size_t in_flight; /* sent and not read by the peer */
    struct sim_event pump;
    bool pump_armed;
    uint64_t blocked_since_ns;
    int error;   /* the connection is broken */
    bool ended;  /* the peer sends no more */
    bool shut;   /* shut down on this side */
    bool closed; /* no stream has it any more */
    bool gone;   /* its host lost power: it answers nothing */
    struct fiber *reader;
    struct fiber *writer;
    char text[ADDRESS_TEXT_SIZE];
};

struct sim_listener {
    struct listener listener;
    struct list link;
    struct sim_host *host;
    struct sim_process *process;
    struct list backlog;
    unsigned backlog_count;
    struct fiber *acceptor;
};

struct endpoint *endpoint_new(struct sim_host *host, struct sim_process *process, uint16_t port);
/* What a kernel does when the last descriptor of a connection is closed. May free it. */
void endpoint_close(struct endpoint *end);
/* Puts a segment on its way; the caller fills in its data. */
struct segment *segment_new(struct endpoint *end, enum segment_kind kind, size_t size);
bool sim_net_is_cut(const struct sim_host *from, const struct sim_host *to);
uint64_t sim_net_latency_ns(struct sim *sim);
/* Wakes the fiber that waits at the place, if one does. */
void sim_net_wake(struct fiber **place, int result);
