#pragma once
/* max.connections.per.ip with its overrides, as addresses: looked up anew when the text changes. On
 * reactor 0. Limits: PER_IP_MAX addresses; what comes behind them is left out, with a warning. */

#include "net/addresses.h"
#include "settings/settings.h"

#define PER_IP_MAX 4096

struct per_ip_entry {
    char address[ADDRESS_TEXT_SIZE]; /* as of stream_peer, without the port */
    uint32_t most;
};

struct per_ip {
    char *text; /* that the entries are of; owned; NULL: none yet */
    struct per_ip_entry *entries;
    size_t count;
};

/* Takes over what the setting says now. Names are waited for; one that cannot be looked up counts
 * as not there, with a warning. -ECANCELED. */
MUST_CHECK MAY_SUSPEND int per_ip_update(struct per_ip *per_ip, const char *text);
void per_ip_done(struct per_ip *per_ip);
/* How many connections the peer may have; `otherwise` when it is no exception. */
uint32_t per_ip_most(const struct per_ip *per_ip, const char *peer, uint32_t otherwise);
