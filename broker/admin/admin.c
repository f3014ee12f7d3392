/* Start and stop: the socket, the door, the HTTP threads, the reaper of slow connections. */
#include "admin/admin.h"

#include "admin/admin_internal.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "reactor/fiber.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_BACKLOG 64

struct bind_request {
    struct admin *admin;
    const char *host;
    uint16_t port;
};

static int
bind_address(const struct addrinfo *address, int *ret_socket)
{
    int one = 1;
    int zero = 0;
    int s = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) {
        return -errno;
    }
    int r = setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (r == 0 && address->ai_family == AF_INET6) {
        r = setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    }
    if (r == 0) {
        r = bind(s, address->ai_addr, address->ai_addrlen);
    }
    if (r == 0) {
        r = listen(s, LISTEN_BACKLOG);
    }
    if (r < 0) {
        r = -errno;
        close(s);
        return r;
    }
    *ret_socket = s;
    return 0;
}

static int
bound_port(int s, uint16_t *ret_port)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof address;
    if (getsockname(s, (struct sockaddr *)&address, &size) < 0) {
        return -errno;
    }
    if (address.ss_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, &address, sizeof v6);
        *ret_port = ntohs(v6.sin6_port);
    } else {
        struct sockaddr_in v4;
        memcpy(&v4, &address, sizeof v4);
        *ret_port = ntohs(v4.sin_port);
    }
    return 0;
}

/* Blocking: a name may need the resolver. */
static int
bind_call(void *arg)
{
    struct bind_request *request = arg;
    struct addrinfo hints = {
        .ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC
    };
    struct addrinfo *addresses = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", request->port);
    int r = getaddrinfo(*request->host ? request->host : NULL, port, &hints, &addresses);
    if (r != 0) {
        return fault(-EADDRNOTAVAIL, "admin: %s: %s", request->host, gai_strerror(r));
    }
    r = -EADDRNOTAVAIL;
    for (struct addrinfo *address = addresses; address && r < 0; address = address->ai_next) {
        r = bind_address(address, &request->admin->listener);
    }
    freeaddrinfo(addresses);
    if (r < 0) {
        return fault(r, "admin: cannot listen on %s:%u: %s", request->host, request->port,
                strerrordesc_np(-r));
    }
    return bound_port(request->admin->listener, &request->admin->port);
}

/* Sleeps in small steps, so that connections end about when they should. */
static void
reaper_main(void *arg)
{
    struct admin *admin = arg;
    uint64_t step_ns = MIN(admin->connection_ns / 4 + 1, (uint64_t)NS_PER_S);
    while (fiber_sleep_ns(step_ns) == 0) {
        http_reap(admin);
    }
}

static void
admin_free(struct admin *admin)
{
    if (admin->reaper) {
        fiber_cancel(admin->reaper);
        fiber_join(admin->reaper);
    }
    door_close(admin->door);
    if (admin->listener >= 0) {
        close(admin->listener);
    }
    pthread_mutex_destroy(&admin->mutex);
    mem_free(admin);
}

static struct admin *
admin_new(const struct admin_options *options)
{
    struct admin *admin = mem_alloc(sizeof *admin);
    CHECK(options->source_count <= ADMIN_SOURCES_MAX);
    admin->listener = -1;
    admin->connections_max = MAX(options->connections_max, 1u);
    admin->connection_ns =
            (options->connection_ms ? options->connection_ms : ADMIN_CONNECTION_MS) * NS_PER_MS;
    admin->version = options->version;
    for (size_t i = 0; i < options->source_count; i++) {
        admin->sources[i] = options->sources[i];
    }
    admin->source_count = options->source_count;
    admin->ready = options->ready;
    admin->ready_arg = options->ready_arg;
    admin->api = options->api;
    admin->api_arg = options->api_arg;
    pthread_mutex_init(&admin->mutex, NULL);
    list_init(&admin->connections);
    return admin;
}

int
admin_start(const struct admin_options *options, struct admin **ret_admin)
{
    struct admin *admin = admin_new(options);
    struct bind_request request = { admin, options->host, options->port };
    int r = offload_run(bind_call, &request);
    if (r == 0) {
        r = door_open(admin->connections_max, &admin->door);
    }
    if (r == 0) {
        r = fiber_spawn("admin reaper", reaper_main, admin, &admin->reaper);
    }
    if (r == 0) {
        r = offload_run(http_start, admin);
    }
    if (r < 0) {
        admin_free(admin);
        return r;
    }
    *ret_admin = admin;
    return 0;
}

uint16_t
admin_port(const struct admin *admin)
{
    return admin->port;
}

void
admin_stop(struct admin *admin)
{
    if (!admin) {
        return;
    }
    /* The threads end first: they may still be waiting for the door, which must be open for that
     * long. */
    if (offload_run(http_stop, admin) < 0) {
        /* Cancelled: then the loop waits here until the threads have given up, which their
         * deadlines bound. */
        int r = http_stop(admin);
        CHECK(r == 0);
    }
    admin_free(admin);
}
