#pragma once
/* Socket addresses from names and as text. Private to this room. */

#include "base/attr.h"
#include "reactor/fiber.h"

#include <stdint.h>
#include <sys/socket.h>

#define ADDRESSES_MAX 8

struct address {
    struct sockaddr_storage storage;
    socklen_t size;
};

struct addresses {
    struct address all[ADDRESSES_MAX];
    unsigned count;
};

/* `host`: numeric (in place), "" for all interfaces, or a name (on a helper thread).
 * -EADDRNOTAVAIL: unknown name. */
MUST_CHECK MAY_SUSPEND int address_resolve(
        const char *host, uint16_t port, struct addresses *ret_addresses);
/* "1.2.3.4:5" or "[v6]:5"; out has ADDRESS_TEXT_SIZE bytes. */
void address_format(const struct address *address, char *out);
uint16_t address_port(const struct address *address);
