#pragma once
/* TCP: listeners and streams. A stream may be used by one reading and one writing fiber at once. */

#include "reactor/fiber.h"

#include <sys/uio.h>

struct listener;
struct stream;

#define ADDRESS_TEXT_SIZE 64 /* "[v6]:port" with NUL */

/* A connection that was accepted and belongs to no reactor yet. */
struct accepted {
    int descriptor;
    char peer[ADDRESS_TEXT_SIZE];
};

#define HOST_ADDRESSES_MAX 8

/* The addresses of a host, as stream_peer has them, each with port 0. Numeric ones are known at
 * once, names are looked up on a helper thread; what has more than HOST_ADDRESSES_MAX has the first
 * of them. -EADDRNOTAVAIL: unknown name. */
MUST_CHECK MAY_SUSPEND int host_resolve(const char *host,
        char ret_addresses[HOST_ADDRESSES_MAX][ADDRESS_TEXT_SIZE], unsigned *ret_count);

/* `host`: a numeric address, "" for all, or a name (resolved on a helper thread). port 0: any.
 * -EADDRINUSE only after two seconds: a process that was killed a moment ago may still hold it. */
MUST_CHECK MAY_SUSPEND int tcp_listen(
        const char *host, uint16_t port, struct listener **ret_listener);
uint16_t listener_port(const struct listener *listener);
/* -EMFILE and the like are returned after a short pause, so that a loop may simply go on. */
MUST_CHECK MAY_SUSPEND int listener_accept(
        struct listener *listener, struct accepted *ret_accepted);
MAY_SUSPEND void listener_close(struct listener *listener);

/* Makes the connection a stream of this reactor. Takes the descriptor, also on failure. */
MUST_CHECK int stream_adopt(const struct accepted *accepted, struct stream **ret_stream);
MUST_CHECK MAY_SUSPEND int tcp_connect(
        const char *host, uint16_t port, uint64_t deadline_ns, struct stream **ret_stream);
/* Bytes read (at least 1), 0 at the end of the stream, -errno. */
MUST_CHECK MAY_SUSPEND int64_t stream_read(
        struct stream *stream, void *data, size_t size, uint64_t deadline_ns);
/* Writes everything or returns -errno; the stream is then good for nothing but closing. */
MUST_CHECK MAY_SUSPEND int stream_write(
        struct stream *stream, const struct iovec *parts, size_t count, uint64_t deadline_ns);
/* Ends both directions: a fiber that waits in stream_read gets 0 or an error soon. Does not free.
 */
void stream_shutdown(struct stream *stream);
/* The peer will send nothing more or has reset; what it sent before may still be unread. Does not
 * wait. */
bool stream_is_ended_by_peer(struct stream *stream);
/* Frees; no fiber may be using the stream. */
MAY_SUSPEND void stream_close(struct stream *stream);
const char *stream_peer(const struct stream *stream);
/* The local address, for "which listener was that". */
const char *stream_local(const struct stream *stream);
