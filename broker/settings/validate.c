/* What only shows when two settings are put side by side. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "settings/settings_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

PRINTF(2, 3) static int refuse(int error, const char *format, ...)
{
    char text[SETTINGS_ERROR_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fault_clear();
    return fault_note(error, "%s", text);
}

/* low <= high. */
static int
in_order(const struct settings *settings, const char *low, const char *high)
{
    int64_t a = settings_long(settings, low);
    int64_t b = settings_long(settings, high);
    if (a <= b) {
        return 0;
    }
    return refuse(-EINVAL, "%s (%" PRId64 ") is greater than %s (%" PRId64 ")", low, a, high, b);
}

static int
validate_orders(const struct settings *settings)
{
    static const char *const orders[][2] = {
        { "group.min.session.timeout.ms", "group.max.session.timeout.ms" },
        { "message.max.bytes", "socket.request.max.bytes" },
        { "log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        int r = in_order(settings, orders[i][0], orders[i][1]);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static const struct settings_listener *
find_listener(const struct settings_listener *listeners, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(listeners[i].name, name) == 0) {
            return &listeners[i];
        }
    }
    return NULL;
}

static bool
is_meta_address(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

struct listeners {
    struct settings_listener items[SETTINGS_LISTENERS_MAX];
    size_t count;
};

static int
validate_advertised(const struct listeners *listeners, const struct listeners *advertised)
{
    for (size_t i = 0; i < advertised->count; i++) {
        const struct settings_listener *item = &advertised->items[i];
        if (!find_listener(listeners->items, listeners->count, item->name)) {
            return refuse(-EINVAL, "advertised.listeners has %s, which listeners does not have",
                    item->name);
        }
        if (is_meta_address(item->host) || !item->host[0]) {
            return refuse(-EINVAL,
                    "clients cannot connect to %s://%s:%u: set advertised.listeners to an address "
                    "that they can reach",
                    item->name, item->host, item->port);
        }
    }
    return 0;
}

enum family { FAMILY_NAME, FAMILY_IPV4, FAMILY_IPV6 };

/* Only an address in brackets has colons (settings_endpoint). */
static enum family
family_of(const char *host)
{
    bool numeric = *host && strspn(host, "0123456789.") == strlen(host);
    return strchr(host, ':') ? FAMILY_IPV6 : numeric ? FAMILY_IPV4 : FAMILY_NAME;
}

/* As Kafka: one port twice only as one IPv4 address and one IPv6 address. */
static int
validate_ports(const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        const struct settings_listener *one = &listeners->items[i];
        size_t others = 0;
        for (size_t k = 0; k < listeners->count; k++) {
            const struct settings_listener *other = &listeners->items[k];
            if (k == i || one->port == 0 || other->port != one->port) {
                continue;
            }
            if (++others > 1 || (int)family_of(one->host) + (int)family_of(other->host) !=
                                        (int)FAMILY_IPV4 + (int)FAMILY_IPV6) {
                return refuse(-EINVAL,
                        "Each listener must have a different port unless exactly one listener has "
                        "an IPv4 address and the other IPv6 address, port: %u",
                        one->port);
            }
        }
    }
    return 0;
}

/* C1: of listeners that are there. */
static int
validate_overrides(const struct settings *settings, const struct listeners *listeners)
{
    const struct setting *row;
    for (size_t i = 0; (row = settings_override_at(settings, i)); i++) {
        struct bytes name;
        bool known = false;
        const struct setting *base =
                setting_find_of(SETTING_BROKER, bytes_of_string(row->name), &name);
        for (size_t k = 0; base && k < listeners->count; k++) {
            known |= strlen(listeners->items[k].name) == name.size &&
                     strncasecmp(listeners->items[k].name, (const char *)name.data, name.size) == 0;
        }
        if (!known) {
            return refuse(-EINVAL, "%.200s: listeners has no %.*s", row->name, (int)name.size,
                    (const char *)name.data);
        }
    }
    return 0;
}

static int
validate_per_ip(const struct settings *settings)
{
    if (settings_int(settings, "max.connections.per.ip") == 0 &&
            !settings_string(settings, "max.connections.per.ip.overrides")[0]) {
        return refuse(-EINVAL, "max.connections.per.ip can be set to zero only if "
                               "max.connections.per.ip.overrides property is set.");
    }
    return 0;
}

static int
validate_listeners(const struct settings *settings)
{
    CLEANUP(mem_freep) struct listeners *listeners = mem_alloc(sizeof *listeners);
    CLEANUP(mem_freep) struct listeners *advertised = mem_alloc(sizeof *advertised);
    int r = settings_listeners(settings, "listeners", listeners->items, &listeners->count);
    if (r < 0) {
        return r;
    }
    r = settings_listeners(settings, "advertised.listeners", advertised->items, &advertised->count);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < listeners->count; i++) {
        const struct settings_listener *item = &listeners->items[i];
        if (strcmp(item->protocol, "PLAINTEXT") != 0) {
            return refuse(-ENOTSUP, "listener %s: %s is not there yet, only PLAINTEXT", item->name,
                    item->protocol);
        }
    }
    r = validate_ports(listeners);
    if (r == 0) {
        r = validate_overrides(settings, listeners);
    }
    return r < 0 ? r : validate_advertised(listeners, advertised);
}

static int
validate_caches(const struct settings *settings)
{
    int64_t reactors = MAX(settings_long(settings, "reactors"), (int64_t)1);
    int64_t capacity = settings_long(settings, "wal.capacity.bytes");
    int64_t smallest = 2 * (int64_t)WAL_SEGMENT_SIZE * reactors;
    if (capacity < smallest) {
        return refuse(-EINVAL,
                "wal.capacity.bytes (%" PRId64 ") is less than the %" PRId64 " that %" PRId64
                " reactors need: lower reactors or raise wal.capacity.bytes",
                capacity, smallest, reactors);
    }
    int64_t cache = settings_long(settings, "log.cache.bytes");
    int64_t upload = settings_long(settings, "upload.bytes");
    /* The cache pins what is not uploaded: one upload under way and the next one that gathers must
     * fit. */
    if (cache != 0 && cache / reactors < upload) {
        return refuse(-EINVAL,
                "log.cache.bytes (%" PRId64 ") over %" PRId64
                " reactors is less than upload.bytes (%" PRId64 ")",
                cache, reactors, upload);
    }
    return 0;
}

int
settings_validate(const struct settings *settings)
{
    int r = validate_orders(settings);
    if (r < 0) {
        return r;
    }
    r = validate_listeners(settings);
    if (r == 0) {
        r = validate_per_ip(settings);
    }
    return r < 0 ? r : validate_caches(settings);
}
