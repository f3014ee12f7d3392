/* Name resolution. Numeric addresses need no helper thread: that is the common case on the way of a
 * connection. */
#include "reactor/address.h"

#include "reactor/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static struct address
address_v4(struct in_addr ip, uint16_t port)
{
    struct address address = { .size = sizeof(struct sockaddr_in) };
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = ip };
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

static struct address
address_v6(struct in6_addr ip, uint16_t port)
{
    struct address address = { .size = sizeof(struct sockaddr_in6) };
    struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = ip };
    memcpy(&address.storage, &in, sizeof in);
    return address;
}

/* All interfaces first with IPv6, which serves IPv4 too where it exists. */
static bool
resolve_numeric(const char *host, uint16_t port, struct addresses *addresses)
{
    struct in_addr v4 = { .s_addr = INADDR_ANY };
    struct in6_addr v6 = IN6ADDR_ANY_INIT;
    if (host[0] == 0) {
        addresses->all[0] = address_v6(v6, port);
        addresses->all[1] = address_v4(v4, port);
        addresses->count = 2;
        return true;
    }
    addresses->count = 1;
    if (inet_pton(AF_INET, host, &v4) == 1) {
        addresses->all[0] = address_v4(v4, port);
        return true;
    }
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        addresses->all[0] = address_v6(v6, port);
        return true;
    }
    return false;
}

struct lookup {
    const char *host;
    uint16_t port;
    struct addresses *addresses;
};

static int
lookup_job(void *arg)
{
    struct lookup *lookup = arg;
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC, .ai_flags = AI_ADDRCONFIG
    };
    struct addrinfo *found = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", lookup->port);
    int r = getaddrinfo(lookup->host, service, &hints, &found);
    if (r != 0) {
        return fault(-EADDRNOTAVAIL, "tcp: cannot resolve %s: %s", lookup->host, gai_strerror(r));
    }
    struct addresses *addresses = lookup->addresses;
    for (struct addrinfo *i = found; i && addresses->count < ADDRESSES_MAX; i = i->ai_next) {
        struct address *address = &addresses->all[addresses->count++];
        memcpy(&address->storage, i->ai_addr, i->ai_addrlen);
        address->size = i->ai_addrlen;
    }
    freeaddrinfo(found);
    return 0;
}

int
address_resolve(const char *host, uint16_t port, struct addresses *ret_addresses)
{
    ret_addresses->count = 0;
    if (resolve_numeric(host, port, ret_addresses)) {
        return 0;
    }
    ret_addresses->count = 0;
    struct lookup lookup = { host, port, ret_addresses };
    return offload_run(lookup_job, &lookup);
}

void
address_format(const struct address *address, char *out)
{
    char ip[INET6_ADDRSTRLEN] = "";
    uint16_t port = address_port(address);
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &address->storage, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, ip, sizeof ip);
        snprintf(out, ADDRESS_TEXT_SIZE, "%s:%u", ip, port);
    } else if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, &address->storage, sizeof in);
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in.sin6_addr);
        if (mapped) {
            inet_ntop(AF_INET, in.sin6_addr.s6_addr + 12, ip, sizeof ip);
        } else {
            inet_ntop(AF_INET6, &in.sin6_addr, ip, sizeof ip);
        }
        snprintf(out, ADDRESS_TEXT_SIZE, mapped ? "%s:%u" : "[%s]:%u", ip, port);
    } else {
        snprintf(out, ADDRESS_TEXT_SIZE, "unknown");
    }
}

uint16_t
address_port(const struct address *address)
{
    struct sockaddr_in6 v6;
    struct sockaddr_in v4;
    if (address->storage.ss_family == AF_INET6) {
        memcpy(&v6, &address->storage, sizeof v6);
        return ntohs(v6.sin6_port);
    }
    memcpy(&v4, &address->storage, sizeof v4);
    return ntohs(v4.sin_port);
}
