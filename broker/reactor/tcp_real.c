/* TCP by the kernel's sockets: nonblocking calls first, the engine only when they would have to
 * wait.
 *
 * Streams are blocking descriptors used with MSG_DONTWAIT: on an O_NONBLOCK descriptor io_uring's
 * recv does not wait but says EAGAIN. */
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/address.h"
#include "reactor/clock.h"
#include "reactor/net_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024
/* Parts given to one sendmsg. */
#define PARTS_MAX 64u
/* The pause after an accept that failed for want of descriptors or memory: others must close first.
 */
#define ACCEPT_PAUSE_NS (50 * NS_PER_MS)
/* How long an address may still be a dead process's, and how often we look. */
#define IN_USE_NS (2 * (uint64_t)NS_PER_S)
#define IN_USE_PAUSE_NS (50 * NS_PER_MS)

struct real_stream {
    struct stream stream;
    struct descriptor descriptor;
};

struct real_listener {
    struct listener listener;
    struct descriptor descriptor;
    char text[ADDRESS_TEXT_SIZE];
};

static const struct stream_kind real_stream_kind;

static int
set_option(int number, int level, int option, int value)
{
    return setsockopt(number, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

static void
local_text(int number, char *out)
{
    struct address address = { .size = sizeof address.storage };
    if (getsockname(number, (struct sockaddr *)&address.storage, &address.size) == 0) {
        address_format(&address, out);
    }
}

/* Takes the descriptor, also on failure. */
static int
stream_of(int number, const char *peer, struct stream **ret_stream)
{
    struct real_stream *stream = mem_alloc(sizeof *stream);
    stream->stream.kind = &real_stream_kind;
    stream->descriptor.number = number;
    bytes_to_string(bytes_of_string(peer), stream->stream.peer, sizeof stream->stream.peer);
    local_text(number, stream->stream.local);
    int r = set_option(number, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r < 0) {
        fault_set(r, __FILE__, __LINE__, "tcp: no TCP_NODELAY for %s", peer);
    } else {
        r = reactor_here->engine->watch(reactor_here, &stream->descriptor);
    }
    if (r < 0) {
        close(number);
        mem_free(stream);
        return r;
    }
    *ret_stream = &stream->stream;
    return 0;
}

static int
real_adopt(const struct accepted *accepted, struct stream **ret_stream)
{
    return stream_of(accepted->descriptor, accepted->peer, ret_stream);
}

static struct real_stream *
real_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct real_stream, stream);
}

static int64_t
real_read(struct stream *stream, void *data, size_t size, uint64_t deadline_ns)
{
    struct real_stream *real = real_of(stream);
    int64_t n =
            reactor_here->engine->receive(reactor_here, &real->descriptor, data, size, deadline_ns);
    return n < 0 ? fault((int)n, "tcp: read from %s: %s", stream->peer, strerrordesc_np((int)-n))
                 : n;
}

/* The next parts to send, from `skip` bytes into parts[0]; bytes in them. */
static size_t
window_fill(struct iovec *window, size_t *ret_count, const struct iovec *parts, size_t count,
        size_t skip)
{
    size_t n = MIN(count, (size_t)PARTS_MAX);
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        size_t offset = i == 0 ? skip : 0;
        window[i].iov_base = (char *)parts[i].iov_base + offset;
        window[i].iov_len = parts[i].iov_len - offset;
        total += window[i].iov_len;
    }
    *ret_count = n;
    return total;
}

/* What the socket takes now, or -errno. */
static int64_t
send_some(struct real_stream *real, const struct iovec *parts, size_t count, size_t skip,
        uint64_t deadline_ns)
{
    struct iovec window[PARTS_MAX];
    struct msghdr message = { .msg_iov = window };
    window_fill(window, &message.msg_iovlen, parts, count, skip);
    for (;;) {
        ssize_t n = sendmsg(real->descriptor.number, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0) {
            fiber_give_way();
            return n;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno != EAGAIN) {
            return -errno;
        }
        int r = reactor_here->engine->wait(
                reactor_here, &real->descriptor, DIRECTION_WRITE, deadline_ns);
        if (r < 0) {
            return r;
        }
    }
}

static int
real_write(struct stream *stream, const struct iovec *parts, size_t count, uint64_t deadline_ns)
{
    size_t skip = 0;
    for (;;) {
        while (count > 0 && parts->iov_len == skip) {
            parts++;
            count--;
            skip = 0;
        }
        if (count == 0) {
            return 0;
        }
        int64_t n = send_some(real_of(stream), parts, count, skip, deadline_ns);
        if (n < 0) {
            return fault((int)n, "tcp: write to %s: %s", stream->peer, strerrordesc_np((int)-n));
        }
        skip += (size_t)n;
        while (count > 0 && skip >= parts->iov_len) {
            skip -= parts->iov_len;
            parts++;
            count--;
        }
    }
}

static void
real_shutdown(struct stream *stream)
{
    shutdown(real_of(stream)->descriptor.number, SHUT_RDWR);
}

static bool
real_is_ended_by_peer(struct stream *stream)
{
    struct pollfd look = { .fd = real_of(stream)->descriptor.number, .events = POLLRDHUP };
    return poll(&look, 1, 0) == 1;
}

static void
real_close(struct stream *stream)
{
    struct real_stream *real = real_of(stream);
    reactor_here->engine->unwatch(reactor_here, &real->descriptor);
    close(real->descriptor.number);
    mem_free(real);
}

static const struct stream_kind real_stream_kind = {
    .read = real_read,
    .write = real_write,
    .shutdown = real_shutdown,
    .is_ended_by_peer = real_is_ended_by_peer,
    .close = real_close,
};

/* Waits for the end of a nonblocking connect. */
static int
connect_finish(int number, uint64_t deadline_ns)
{
    struct descriptor descriptor = { .number = number };
    struct engine const *engine = reactor_here->engine;
    int r = engine->watch(reactor_here, &descriptor);
    if (r < 0) {
        return r;
    }
    r = engine->wait(reactor_here, &descriptor, DIRECTION_WRITE, deadline_ns);
    engine->unwatch(reactor_here, &descriptor);
    int error = 0;
    socklen_t size = sizeof error;
    if (r == 0 && getsockopt(number, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        r = -errno;
    }
    return r < 0 ? r : -error;
}

static int
connect_one(const struct address *address, uint64_t deadline_ns, int *ret_number)
{
    int number = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (number < 0) {
        return -errno;
    }
    int r = connect(number, (const struct sockaddr *)&address->storage, address->size) == 0
                    ? 0
                    : -errno;
    if (r == -EINPROGRESS || r == -EINTR) {
        r = connect_finish(number, deadline_ns);
    }
    if (r == 0 && fcntl(number, F_SETFL, 0) != 0) {
        r = -errno;
    }
    if (r < 0) {
        close(number);
        return r;
    }
    *ret_number = number;
    return 0;
}

static int
real_connect(const char *host, uint16_t port, uint64_t deadline_ns, struct stream **ret_stream)
{
    struct addresses addresses;
    int number = -1;
    int r = address_resolve(host, port, &addresses);
    if (r < 0) {
        return r;
    }
    r = -EADDRNOTAVAIL;
    unsigned i;
    for (i = 0; i < addresses.count; i++) {
        r = connect_one(&addresses.all[i], deadline_ns, &number);
        if (r == 0 || r == -ECANCELED || r == -ETIMEDOUT) {
            break;
        }
    }
    if (r != 0) {
        return fault(r, "tcp: no connection to %s port %u: %s", host, port, strerrordesc_np(-r));
    }
    char peer[ADDRESS_TEXT_SIZE];
    address_format(&addresses.all[i], peer);
    return stream_of(number, peer, ret_stream);
}

static bool
is_want_of_resources(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* An accept may fail because of the connection, which is no reason to tell the caller. */
static bool
is_peers_fault(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN ||
           error == EHOSTDOWN || error == EHOSTUNREACH || error == ENETUNREACH ||
           error == ENOPROTOOPT || error == ENONET || error == EPERM || error == EOPNOTSUPP;
}

static int
accept_failed(struct real_listener *real, int error)
{
    if (error == EAGAIN) {
        return reactor_here->engine->wait(
                reactor_here, &real->descriptor, DIRECTION_READ, DEADLINE_NONE);
    }
    if (is_peers_fault(error)) {
        fiber_give_way();
        return 0;
    }
    if (is_want_of_resources(error)) {
        int r = fiber_sleep_ns(ACCEPT_PAUSE_NS);
        if (r < 0) {
            return r;
        }
    }
    return fault(-error, "tcp: accept on %s: %s", real->text, strerrordesc_np(error));
}

static int
real_accept(struct listener *listener, struct accepted *ret_accepted)
{
    struct real_listener *real = CONTAINER_OF(listener, struct real_listener, listener);
    for (;;) {
        struct address address = { .size = sizeof address.storage };
        int number = accept4(real->descriptor.number, (struct sockaddr *)&address.storage,
                &address.size, SOCK_CLOEXEC);
        if (number >= 0) {
            fiber_give_way();
            ret_accepted->descriptor = number;
            address_format(&address, ret_accepted->peer);
            return 0;
        }
        int r = accept_failed(real, errno);
        if (r < 0) {
            return r;
        }
    }
}

static void
real_listener_close(struct listener *listener)
{
    struct real_listener *real = CONTAINER_OF(listener, struct real_listener, listener);
    reactor_here->engine->unwatch(reactor_here, &real->descriptor);
    close(real->descriptor.number);
    mem_free(real);
}

static const struct listener_kind real_listener_kind = {
    .accept = real_accept,
    .close = real_listener_close,
};

/* A bound and listening socket, or -errno. */
static int
listen_one(const struct address *address)
{
    int number = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (number < 0) {
        return -errno;
    }
    int r = set_option(number, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0 && address->storage.ss_family == AF_INET6) {
        r = set_option(number, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    }
    if (r == 0 && (bind(number, (const struct sockaddr *)&address->storage, address->size) != 0 ||
                          listen(number, BACKLOG) != 0)) {
        r = -errno;
    }
    if (r < 0) {
        close(number);
        return r;
    }
    return number;
}

static int
listener_of(int number, struct listener **ret_listener)
{
    struct real_listener *real = mem_alloc(sizeof *real);
    struct address address = { .size = sizeof address.storage };
    real->listener.kind = &real_listener_kind;
    real->descriptor.number = number;
    local_text(number, real->text);
    int r = reactor_here->engine->watch(reactor_here, &real->descriptor);
    if (r < 0) {
        close(number);
        mem_free(real);
        return r;
    }
    if (getsockname(number, (struct sockaddr *)&address.storage, &address.size) == 0) {
        real->listener.port = address_port(&address);
    }
    *ret_listener = &real->listener;
    return 0;
}

static int
listen_first(const struct addresses *addresses)
{
    int number = -EADDRNOTAVAIL;
    for (unsigned i = 0; i < addresses->count; i++) {
        number = listen_one(&addresses->all[i]);
        if (number != -EAFNOSUPPORT && number != -EADDRNOTAVAIL) {
            break;
        }
    }
    return number;
}

/* The kernel takes a killed process's ring down behind its end, and its listeners with it: who is
 * started again at once still meets them. */
static int
listen_patiently(const struct addresses *addresses)
{
    uint64_t until_ns = clock_mono_ns() + IN_USE_NS;
    int number = listen_first(addresses);
    while (number == -EADDRINUSE && clock_mono_ns() < until_ns) {
        MARK("tcp: waits for an address that is in use");
        int r = fiber_sleep_ns(IN_USE_PAUSE_NS);
        if (r < 0) {
            return r;
        }
        number = listen_first(addresses);
    }
    return number;
}

static int
real_listen(const char *host, uint16_t port, struct listener **ret_listener)
{
    struct addresses addresses;
    int r = address_resolve(host, port, &addresses);
    if (r < 0) {
        return r;
    }
    int number = listen_patiently(&addresses);
    if (number < 0) {
        return fault(number, "tcp: cannot listen on \"%s\" port %u: %s", host, port,
                strerrordesc_np(-number));
    }
    return listener_of(number, ret_listener);
}

const struct net_driver net_real = {
    .listen = real_listen,
    .adopt = real_adopt,
    .connect = real_connect,
};
