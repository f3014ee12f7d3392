#pragma once
/* What tcp.c needs from the kernel's sockets and from the simulated network. Private to this room.
 * TLS will be one more kind of stream on top of another. */

#include "reactor/internal.h"
#include "reactor/tcp.h"

struct stream_kind {
    int64_t (*read)(struct stream *stream, void *data, size_t size, uint64_t deadline_ns);
    int (*write)(
            struct stream *stream, const struct iovec *parts, size_t count, uint64_t deadline_ns);
    void (*shutdown)(struct stream *stream);
    bool (*is_ended_by_peer)(struct stream *stream);
    /* Frees the stream. */
    void (*close)(struct stream *stream);
};

struct stream {
    const struct stream_kind *kind;
    char peer[ADDRESS_TEXT_SIZE];
    char local[ADDRESS_TEXT_SIZE];
};

struct listener_kind {
    int (*accept)(struct listener *listener, struct accepted *ret_accepted);
    /* Frees the listener. */
    void (*close)(struct listener *listener);
};

struct listener {
    const struct listener_kind *kind;
    uint16_t port;
};

struct net_driver {
    int (*listen)(const char *host, uint16_t port, struct listener **ret_listener);
    int (*adopt)(const struct accepted *accepted, struct stream **ret_stream);
    int (*connect)(
            const char *host, uint16_t port, uint64_t deadline_ns, struct stream **ret_stream);
};

extern const struct net_driver net_real;
extern const struct net_driver net_sim;
