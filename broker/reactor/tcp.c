/* The public face of streams and listeners. */
#include "reactor/tcp.h"

#include "reactor/address.h"
#include "reactor/net_driver.h"

#include <errno.h>

static const struct net_driver *
driver(void)
{
    CHECK(reactor_here);
    return is_sim() ? &net_sim : &net_real;
}

int
host_resolve(const char *host, char ret_addresses[HOST_ADDRESSES_MAX][ADDRESS_TEXT_SIZE],
        unsigned *ret_count)
{
    struct addresses addresses;
    int r = fiber_wait_begin();
    r = r < 0 ? r : address_resolve(host, 0, &addresses);
    if (r < 0) {
        return r;
    }
    *ret_count = 0;
    for (unsigned i = 0; i < MIN(addresses.count, HOST_ADDRESSES_MAX); i++) {
        address_format(&addresses.all[i], ret_addresses[(*ret_count)++]);
    }
    return 0;
}

int
tcp_listen(const char *host, uint16_t port, struct listener **ret_listener)
{
    int r = fiber_wait_begin();
    return r < 0 ? r : driver()->listen(host, port, ret_listener);
}

uint16_t
listener_port(const struct listener *listener)
{
    return listener->port;
}

int
listener_accept(struct listener *listener, struct accepted *ret_accepted)
{
    int r = fiber_wait_begin();
    return r < 0 ? r : listener->kind->accept(listener, ret_accepted);
}

void
listener_close(struct listener *listener)
{
    if (listener) {
        listener->kind->close(listener);
    }
}

int
stream_adopt(const struct accepted *accepted, struct stream **ret_stream)
{
    return driver()->adopt(accepted, ret_stream);
}

int
tcp_connect(const char *host, uint16_t port, uint64_t deadline_ns, struct stream **ret_stream)
{
    int r = fiber_wait_begin();
    return r < 0 ? r : driver()->connect(host, port, deadline_ns, ret_stream);
}

int64_t
stream_read(struct stream *stream, void *data, size_t size, uint64_t deadline_ns)
{
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    if (size == 0) {
        /* 0 would read as the end of the stream. */
        return fault(-EINVAL, "tcp: read of no bytes from %s", stream->peer);
    }
    return stream->kind->read(stream, data, size, deadline_ns);
}

int
stream_write(struct stream *stream, const struct iovec *parts, size_t count, uint64_t deadline_ns)
{
    int r = fiber_wait_begin();
    return r < 0 ? r : stream->kind->write(stream, parts, count, deadline_ns);
}

void
stream_shutdown(struct stream *stream)
{
    stream->kind->shutdown(stream);
}

bool
stream_is_ended_by_peer(struct stream *stream)
{
    return stream->kind->is_ended_by_peer(stream);
}

void
stream_close(struct stream *stream)
{
    if (stream) {
        stream->kind->close(stream);
    }
}

const char *
stream_peer(const struct stream *stream)
{
    return stream->peer;
}

const char *
stream_local(const struct stream *stream)
{
    return stream->local;
}
