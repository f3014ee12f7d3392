/* Counts of connections by address: a table that is swept when it is mostly of addresses that have
 * left. */
#include "net/addresses.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define SWEEP_COUNT_MIN 256u

struct bytes
address_host(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    return bytes_of(peer, colon ? (size_t)(colon - peer) : strlen(peer));
}

void
addresses_init(struct addresses *addresses)
{
    map_init(&addresses->map);
}

/* Removes what nobody uses; returns how many connections the others have. */
static size_t
sweep(struct addresses *addresses)
{
    size_t used = 0;
    MAP_FOREACH_SAFE(node, &addresses->map)
    {
        struct address *address = CONTAINER_OF(node, struct address, node);
        /* Only this reactor makes it more than 0. */
        if (atomic_load(&address->connections) == 0) {
            map_remove(&addresses->map, node);
            mem_free(address);
        } else {
            used++;
        }
    }
    return used;
}

void
addresses_done(struct addresses *addresses)
{
    size_t used = sweep(addresses);
    CHECK(used == 0);
    map_done(&addresses->map);
}

static bool
is_host(const struct map_node *node, const void *key)
{
    const struct bytes *host = key;
    return bytes_equal(bytes_of_string(CONTAINER_OF(node, struct address, node)->host), *host);
}

static struct address *
address_of(struct addresses *addresses, struct bytes host)
{
    uint64_t hash = bytes_hash(host, 0);
    struct map_node *node = map_find(&addresses->map, hash, is_host, &host);
    if (node) {
        return CONTAINER_OF(node, struct address, node);
    }
    struct address *address = mem_alloc(sizeof *address);
    memcpy(address->host, host.data, MIN(host.size, sizeof address->host - 1));
    map_insert(&addresses->map, &address->node, hash);
    return address;
}

struct address *
address_enter(struct addresses *addresses, const char *peer, uint32_t most)
{
    /* Twice what was used at the last look: a sweep costs what the entries before it cost. */
    if (addresses->map.count >= SWEEP_COUNT_MIN && addresses->map.count >= addresses->sweep_at) {
        addresses->sweep_at = 2 * sweep(addresses);
    }
    struct address *address = address_of(addresses, address_host(peer));
    if (atomic_load(&address->connections) >= most) {
        return NULL;
    }
    atomic_fetch_add(&address->connections, 1);
    return address;
}

void
address_leave(struct address *address)
{
    atomic_fetch_sub(&address->connections, 1);
}
