/* See per_ip.h. */
#include "net/per_ip.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

static void
add(struct per_ip *per_ip, const char *address, uint32_t most)
{
    if (per_ip->count == PER_IP_MAX) {
        return;
    }
    per_ip->entries = mem_realloc(per_ip->entries, (per_ip->count + 1) * sizeof *per_ip->entries);
    struct per_ip_entry *entry = &per_ip->entries[per_ip->count++];
    *entry = (struct per_ip_entry){ .most = most };
    bytes_to_string(address_host(address), entry->address, sizeof entry->address);
}

static int
add_host(struct per_ip *per_ip, const char *host, uint32_t most)
{
    char addresses[HOST_ADDRESSES_MAX][ADDRESS_TEXT_SIZE];
    unsigned count = 0;
    int r = host_resolve(host, addresses, &count);
    if (r == -ECANCELED) {
        return r;
    }
    if (r < 0 || per_ip->count + count > PER_IP_MAX) {
        LOG_WARN("max.connections.per.ip.overrides: a host is passed over", LOG_STR("host", host),
                LOG_STR("why", r < 0 ? fault_text() : "there are too many"));
    }
    for (unsigned i = 0; i < count; i++) {
        add(per_ip, addresses[i], most);
    }
    return 0;
}

int
per_ip_update(struct per_ip *per_ip, const char *text)
{
    if (per_ip->text && strcmp(per_ip->text, text) == 0) {
        return 0;
    }
    char host[SETTINGS_HOST_SIZE];
    uint32_t most;
    /* The setting may change while a name is looked up, and others may look at the old entries. */
    struct per_ip fresh = { .text = mem_strdup(text) };
    const char *place = fresh.text;
    int r;
    while ((r = settings_per_ip_next(&place, host, &most)) > 0) {
        r = add_host(&fresh, host, most);
        if (r < 0) {
            break;
        }
    }
    if (r < 0) {
        per_ip_done(&fresh);
        return r;
    }
    per_ip_done(per_ip);
    *per_ip = fresh;
    return 0;
}

void
per_ip_done(struct per_ip *per_ip)
{
    mem_free(per_ip->text);
    mem_free(per_ip->entries);
    *per_ip = (struct per_ip){ 0 };
}

uint32_t
per_ip_most(const struct per_ip *per_ip, const char *peer, uint32_t otherwise)
{
    struct bytes host = address_host(peer);
    uint32_t most = otherwise;
    for (size_t i = 0; i < per_ip->count; i++) {
        if (bytes_equal(bytes_of_string(per_ip->entries[i].address), host)) {
            most = per_ip->entries[i].most; /* the last one of a host counts */
        }
    }
    return most;
}
