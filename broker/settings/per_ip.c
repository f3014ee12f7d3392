/* max.connections.per.ip.overrides: HOST:NUMBER with commas between them. */
#include "settings/settings_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Kafka's Utils.validHostPattern. */
static bool
is_host(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (!isalnum((unsigned char)text[i]) && (!text[i] || !strchr("-%._:", text[i]))) {
            return false;
        }
    }
    return size > 0 && size < SETTINGS_HOST_SIZE;
}

int
settings_per_ip_next(const char **place, char ret_host[SETTINGS_HOST_SIZE], uint32_t *ret_count)
{
    const char *start = *place + strspn(*place, ", \t");
    size_t size = strcspn(start, ",");
    *place = start + size;
    if (size == 0) {
        return 0;
    }
    const char *colon = memrchr(start, ':', size);
    if (!colon || !isdigit((unsigned char)colon[1])) {
        return -EINVAL;
    }
    char *end;
    unsigned long count = strtoul(colon + 1, &end, 10);
    size_t host_size = (size_t)(colon - start);
    while (*end == ' ' || *end == '\t') {
        end++;
    }
    while (host_size && (start[host_size - 1] == ' ' || start[host_size - 1] == '\t')) {
        host_size--;
    }
    if (end != start + size || count > INT32_MAX || !is_host(start, host_size)) {
        return -EINVAL;
    }
    bytes_to_string(bytes_of(start, host_size), ret_host, SETTINGS_HOST_SIZE);
    *ret_count = (uint32_t)count;
    return 1;
}

int
check_per_ip_overrides(const char *name, const char *text, char *error)
{
    char host[SETTINGS_HOST_SIZE];
    uint32_t count;
    int more;
    (void)name;
    while ((more = settings_per_ip_next(&text, host, &count)) > 0) {
    }
    if (more < 0) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Value must be HOST:NUMBER with commas between them");
    }
    return more;
}
