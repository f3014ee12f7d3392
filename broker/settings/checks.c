/* Checks of single settings that are not bounds or choices. */
#include "base/attr.h"
#include "settings/settings_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int
check_gzip_level(const char *name, const char *text, char *error)
{
    (void)name;
    long level = strtol(text, NULL, 10);
    if (level == -1 || (level >= 1 && level <= 9)) {
        return 0;
    }
    snprintf(error, SETTINGS_ERROR_SIZE, "Value must be between 1 and 9 or equal to -1");
    return -EINVAL;
}

/* Takes the next element off a list with commas, spaces trimmed; false at its end. */
static bool
element_next(const char **place, struct bytes *ret_element)
{
    const char *start = *place;
    if (!start) {
        return false;
    }
    size_t size = strcspn(start, ",");
    *place = start[size] ? start + size + 1 : NULL;
    while (size && isspace((unsigned char)*start)) {
        start++;
        size--;
    }
    while (size && isspace((unsigned char)start[size - 1])) {
        size--;
    }
    *ret_element = bytes_of(start, size);
    return true;
}

/* Kafka's ThrottledReplicaListValidator, which lets empty elements pass. */
static bool
is_replica(struct bytes item)
{
    const uint8_t *colon = item.size ? memchr(item.data, ':', item.size) : NULL;
    if (!colon || colon == item.data || colon == item.data + item.size - 1) {
        return false;
    }
    for (const uint8_t *p = item.data; p < item.data + item.size; p++) {
        if (p != colon && (*p < '0' || *p > '9')) {
            return false;
        }
    }
    return true;
}

/* "[a, b]" */
static void
print_list(const char *list, char *out, size_t out_size)
{
    struct bytes item;
    size_t size = 0;
    const char *separator = "";
    while (element_next(&list, &item) && size < out_size) {
        size += (size_t)snprintf(out + size, out_size - size, "%s%.*s", separator,
                (int)MIN(item.size, out_size), (const char *)item.data);
        separator = ", ";
    }
}

int
check_throttled_replicas(const char *name, const char *text, char *error)
{
    struct bytes item;
    char shown[100] = "";
    const char *place = *text && strcmp(text, "*") != 0 ? text : NULL;
    while (element_next(&place, &item)) {
        if (item.size && !is_replica(item)) {
            print_list(text, shown, sizeof shown);
            snprintf(error, SETTINGS_ERROR_SIZE,
                    "Invalid value [%s] for configuration %s: %s must be the literal '*' or a list "
                    "of replicas in the following format: "
                    "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
                    shown, name, name);
            return -EBADMSG;
        }
    }
    return 0;
}

int
check_not_empty(const char *name, const char *text, char *error)
{
    (void)name;
    if (*text) {
        return 0;
    }
    snprintf(error, SETTINGS_ERROR_SIZE, "String must be non-empty");
    return -EINVAL;
}

int
check_migration_policy(const char *name, const char *text, char *error)
{
    static const char *const policies[] = { "DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL" };
    (void)name;
    for (size_t i = 0; i < ARRAY_SIZE(policies); i++) {
        if (strcasecmp(policies[i], text) == 0) {
            return 0;
        }
    }
    snprintf(error, SETTINGS_ERROR_SIZE,
            "String must be one of (case insensitive): DISABLED, DOWNGRADE, UPGRADE, "
            "BIDIRECTIONAL");
    return -EINVAL;
}

/* host:port; the host may be in brackets. */
static bool
is_host_and_port(struct bytes item)
{
    char text[300];
    bytes_to_string(item, text, sizeof text);
    char *colon = strrchr(text, ':');
    if (item.size >= sizeof text || !colon || colon == text) {
        return false;
    }
    size_t digits = strspn(colon + 1, "0123456789");
    return digits > 0 && digits < 6 && colon[1 + digits] == 0;
}

/* id@host:port */
static bool
is_voter(struct bytes item)
{
    size_t digits = 0;
    while (digits < item.size && item.data[digits] >= '0' && item.data[digits] <= '9') {
        digits++;
    }
    return digits > 0 && digits < item.size && item.data[digits] == '@' &&
           is_host_and_port(bytes_of(item.data + digits + 1, item.size - digits - 1));
}

int
check_voters(const char *name, const char *text, char *error)
{
    struct bytes item;
    const char *place = *text ? text : NULL;
    while (element_next(&place, &item)) {
        if (!is_voter(item)) {
            snprintf(error, SETTINGS_ERROR_SIZE,
                    "Invalid configuration value for %s. Each entry should be in the form "
                    "`{id}@{host}:{port}`.",
                    name);
            return -EBADMSG;
        }
    }
    return 0;
}

int
check_bootstrap_servers(const char *name, const char *text, char *error)
{
    struct bytes item;
    const char *place = *text ? text : NULL;
    while (element_next(&place, &item)) {
        if (!is_host_and_port(item)) {
            snprintf(error, SETTINGS_ERROR_SIZE,
                    "Failed to parse host name from %.*s for the configuration %s. Each entry "
                    "should be in the form \"{host}:{port}\"",
                    (int)MIN(item.size, (size_t)100), (const char *)item.data, name);
            return -EBADMSG;
        }
    }
    return 0;
}

/* A number of the unit at *place, which moves on; at most one fraction, of seconds. */
static bool
skip_amount(const char **place, char unit)
{
    const char *p = *place + (**place == '-' || **place == '+');
    size_t digits = strspn(p, "0123456789");
    if (digits && unit == 'S' && p[digits] == '.') {
        digits += 1 + strspn(p + digits + 1, "0123456789");
    }
    if (digits && toupper((unsigned char)p[digits]) == unit) {
        *place = p + digits + 1;
        return true;
    }
    return false;
}

/* ISO 8601 as java.time.Duration reads it: P1DT2H3M4.5S. */
static bool
is_duration(const char *text)
{
    if (toupper((unsigned char)*text) != 'P') {
        return false;
    }
    text++;
    bool any = skip_amount(&text, 'D');
    if (toupper((unsigned char)*text) == 'T') {
        text++;
        bool hours = skip_amount(&text, 'H');
        bool minutes = skip_amount(&text, 'M');
        bool seconds = skip_amount(&text, 'S');
        any = hours || minutes || seconds;
    }
    return any && !*text;
}

int
check_offset_reset(const char *name, const char *text, char *error)
{
    static const char by_duration[] = "by_duration:";
    if (strcmp(text, "earliest") == 0 || strcmp(text, "latest") == 0 ||
            (strncmp(text, by_duration, sizeof by_duration - 1) == 0 &&
                    is_duration(text + sizeof by_duration - 1))) {
        return 0;
    }
    snprintf(error, SETTINGS_ERROR_SIZE,
            "Invalid value `%.60s` for configuration %s. The value must be either 'earliest', "
            "'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
            text, name);
    return -EINVAL;
}
