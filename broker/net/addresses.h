#pragma once
/* How many connections each client address has: max.connections.per.ip. Used on reactor 0 but for
 * address_leave. Limits: an entry per open connection, and as many again that nobody uses. */

#include "base/bytes.h"
#include "base/map.h"
#include "reactor/tcp.h"

#include <stdatomic.h>

struct address {
    struct map_node node;
    _Atomic uint32_t connections;
    char host[ADDRESS_TEXT_SIZE];
};

struct addresses {
    struct map map;
    size_t sweep_at; /* entries */
};

/* "host:port" without the port. */
struct bytes address_host(const char *peer);
void addresses_init(struct addresses *addresses);
/* Nobody may be inside. */
void addresses_done(struct addresses *addresses);
/* One connection more from `peer` ("host:port"), whose place is given back with address_leave.
 * NULL: it has `most` already. */
struct address *address_enter(struct addresses *addresses, const char *peer, uint32_t most);
/* On any reactor. */
void address_leave(struct address *address);
