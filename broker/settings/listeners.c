/* Addresses: NAME://host:port, and the protocol of each name. */
#include "base/fault.h"
#include "base/mem.h"
#include "settings/settings_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "host:port", "[v6]:port" or ":port". */
int
settings_endpoint(const char *text, char ret_host[256], uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon[1] < '0' || colon[1] > '9') {
        return -EINVAL;
    }
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end || port > UINT16_MAX || end - colon > 6) {
        return -EINVAL;
    }
    struct bytes host = bytes_of(text, (size_t)(colon - text));
    bool bracketed = host.size >= 2 && host.data[0] == '[' && host.data[host.size - 1] == ']';
    if (bracketed) {
        host = bytes_of(host.data + 1, host.size - 2);
    } else if (memchr(host.data, ':', host.size)) {
        return -EINVAL; /* a v6 address without brackets: whose colon is it? */
    }
    if (host.size > 255) {
        return -EINVAL;
    }
    for (size_t i = 0; i < host.size; i++) {
        if (host.data[i] <= ' ' || host.data[i] >= 0x7f || strchr("/[]@,", host.data[i])) {
            return -EINVAL;
        }
    }
    bytes_to_string(host, ret_host, 256);
    *ret_port = (uint16_t)port;
    return 0;
}

int
check_endpoint(const char *name, const char *text, char *error)
{
    char host[256];
    uint16_t port;
    (void)name;
    if (!*text || settings_endpoint(text, host, &port) == 0) {
        return 0;
    }
    snprintf(error, SETTINGS_ERROR_SIZE, "Value must be host:port");
    return -EINVAL;
}

/* Copies the next item of a list with commas, without spaces around it; false at the end. -1: too
 * long. */
static int
item_next(const char **place, char *out, size_t out_size)
{
    const char *p = *place + strspn(*place, " ,\t");
    size_t size = strcspn(p, ",");
    *place = p + size;
    while (size && (p[size - 1] == ' ' || p[size - 1] == '\t')) {
        size--;
    }
    if (size >= out_size) {
        return -1;
    }
    bytes_to_string(bytes_of(p, size), out, out_size);
    return size > 0;
}

static int
parse_listener(const char *text, struct settings_listener *ret_listener)
{
    struct settings_listener listener = { 0 };
    const char *mark = strstr(text, "://");
    if (!mark || mark == text || (size_t)(mark - text) >= sizeof listener.name) {
        return -EINVAL;
    }
    for (size_t i = 0; text + i < mark; i++) {
        char c = text[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.') {
            return -EINVAL;
        }
        listener.name[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    int r = settings_endpoint(mark + 3, listener.host, &listener.port);
    if (r < 0) {
        return r;
    }
    *ret_listener = listener;
    return 0;
}

/* Without protocols. -EINVAL with the reason in `error`. */
static int
parse_listeners(
        const char *text, struct settings_listener *ret_listeners, size_t *ret_count, char *error)
{
    char item[384];
    size_t count = 0;
    int more;
    while ((more = item_next(&text, item, sizeof item)) > 0) {
        if (count == SETTINGS_LISTENERS_MAX) {
            snprintf(error, SETTINGS_ERROR_SIZE, "More than %d listeners", SETTINGS_LISTENERS_MAX);
            return -EINVAL;
        }
        int r = parse_listener(item, &ret_listeners[count]);
        if (r < 0) {
            snprintf(error, SETTINGS_ERROR_SIZE, "%.100s is not NAME://host:port", item);
            return r;
        }
        for (size_t i = 0; i < count; i++) {
            if (strcmp(ret_listeners[i].name, ret_listeners[count].name) == 0) {
                snprintf(error, SETTINGS_ERROR_SIZE, "Each listener must have a different name");
                return -EINVAL;
            }
        }
        count++;
    }
    if (more < 0) {
        snprintf(
                error, SETTINGS_ERROR_SIZE, "A listener is longer than %zu bytes", sizeof item - 1);
        return -EINVAL;
    }
    *ret_count = count;
    return 0;
}

int
check_listeners(const char *name, const char *text, char *error)
{
    size_t count;
    CLEANUP(mem_freep)
    struct settings_listener *listeners =
            mem_alloc_array(SETTINGS_LISTENERS_MAX, sizeof *listeners);
    int r = parse_listeners(text, listeners, &count, error);
    if (r == 0 && count == 0) {
        snprintf(error, SETTINGS_ERROR_SIZE, "%s must name at least one listener", name);
        return -EINVAL;
    }
    return r;
}

/* Looks NAME up in "NAME:PROTOCOL,...". */
static int
find_protocol(const char *map, struct settings_listener *listener)
{
    char item[128];
    size_t name_size = strlen(listener->name);
    while (item_next(&map, item, sizeof item) > 0) {
        if (strncasecmp(item, listener->name, name_size) != 0 || item[name_size] != ':') {
            continue;
        }
        static const char *const protocols[] = { "PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL" };
        for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
            if (strcmp(item + name_size + 1, protocols[i]) == 0) {
                snprintf(listener->protocol, sizeof listener->protocol, "%s", protocols[i]);
                return 0;
            }
        }
    }
    fault_clear();
    return fault_note(-EINVAL,
            "No security protocol defined for listener %s in listener.security.protocol.map",
            listener->name);
}

int
settings_listeners(const struct settings *settings, const char *name,
        struct settings_listener ret_listeners[SETTINGS_LISTENERS_MAX], size_t *ret_count)
{
    char error[SETTINGS_ERROR_SIZE];
    size_t count;
    const char *map = settings_string(settings, "listener.security.protocol.map");
    const char *text = settings_string(settings, name);
    if (!text) {
        text = settings_string(settings, "listeners");
    }
    int r = parse_listeners(text, ret_listeners, &count, error);
    if (r < 0) {
        fault_clear();
        return fault_note(r, "%s: %.300s", name, error);
    }
    for (size_t i = 0; i < count; i++) {
        r = find_protocol(map, &ret_listeners[i]);
        if (r < 0) {
            return r;
        }
    }
    *ret_count = count;
    return 0;
}
