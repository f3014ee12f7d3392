/* From text to a value: types, bounds, choices. The reasons are worded as Kafka's ConfigDef words
 * them, because clients and their tests show and compare them. */
#include "base/check.h"
#include "base/mem.h"
#include "settings/settings_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool
is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct bytes
trim(struct bytes text)
{
    while (text.size && is_space(text.data[0])) {
        text = bytes_of(text.data + 1, text.size - 1);
    }
    while (text.size && is_space(text.data[text.size - 1])) {
        text.size--;
    }
    return text;
}

/* A part of the list `choices` that begins at *place; false at its end. */
static bool
list_next(const char **place, struct bytes *ret_item)
{
    if (!*place) {
        return false;
    }
    const char *comma = strchr(*place, ',');
    size_t size = comma ? (size_t)(comma - *place) : strlen(*place);
    *ret_item = trim(bytes_of(*place, size));
    *place = comma ? comma + 1 : NULL;
    return true;
}

static bool
is_choice(const char *choices, struct bytes item)
{
    struct bytes choice;
    while (list_next(&choices, &choice)) {
        if (bytes_equal(choice, item)) {
            return true;
        }
    }
    return false;
}

static int
parse_bool(struct setting_value *value, char *error)
{
    if (strcasecmp(value->text, "true") == 0 || strcasecmp(value->text, "false") == 0) {
        value->number = value->text[0] == 't' || value->text[0] == 'T';
        memcpy(value->text, value->number ? "true" : "false", value->number ? 5 : 6);
        return 0;
    }
    snprintf(error, SETTINGS_ERROR_SIZE, "Expected value to be either true or false");
    return -EINVAL;
}

static int
check_bounds(const struct setting *setting, bool below, bool above, char *error)
{
    if (setting->bounded && below) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Value must be at least %" PRId64, setting->minimum);
        return -EINVAL;
    }
    if (setting->bounded && above) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Value must be no more than %" PRId64,
                setting->maximum);
        return -EINVAL;
    }
    return 0;
}

static int
parse_integer(const struct setting *setting, struct setting_value *value, char *error)
{
    bool is_int = setting->type == SETTING_INT;
    char *end;
    errno = 0;
    long long number = strtoll(value->text, &end, 10);
    if (errno || end == value->text || *end || (is_int && number != (int32_t)number)) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Not a number of type %s", is_int ? "INT" : "LONG");
        return -EINVAL;
    }
    value->number = number;
    return check_bounds(setting, number<setting->minimum, number> setting->maximum, error);
}

static int
parse_double(const struct setting *setting, struct setting_value *value, char *error)
{
    char *end;
    double real = strtod(value->text, &end);
    if (end == value->text || *end || !isfinite(real) || strpbrk(value->text, "xX")) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Not a number of type DOUBLE");
        return -EINVAL;
    }
    value->real = real;
    return check_bounds(
            setting, real<(double)setting->minimum, real>(double) setting->maximum, error);
}

static int
check_choices(const struct setting *setting, const char *text, char *error)
{
    const char *place = setting->type == SETTING_LIST ? text : NULL;
    struct bytes item = trim(bytes_of_string(text));
    bool more = setting->type == SETTING_ENUM || (*text && list_next(&place, &item));
    for (; more; more = list_next(&place, &item)) {
        if (!is_choice(setting->choices, item)) {
            snprintf(error, SETTINGS_ERROR_SIZE, "String must be one of: %s", setting->choices);
            return -EINVAL;
        }
    }
    return 0;
}

static int
parse_typed(const struct setting *setting, struct setting_value *value, char *error)
{
    switch (setting->type) {
    case SETTING_BOOL:
        return parse_bool(value, error);
    case SETTING_INT:
    case SETTING_LONG:
        return parse_integer(setting, value, error);
    case SETTING_DOUBLE:
        return parse_double(setting, value, error);
    case SETTING_STRING:
        return 0;
    case SETTING_ENUM:
    case SETTING_LIST:
        return setting->choices ? check_choices(setting, value->text, error) : 0;
    }
    UNREACHABLE();
}

int
setting_parse(const struct setting *setting, struct bytes text, struct setting_value *ret_value,
        char *error)
{
    struct setting_value value = { .set = true };
    text = trim(text);
    if (text.size > SETTINGS_VALUE_SIZE_MAX) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Value has more than %zu bytes",
                (size_t)SETTINGS_VALUE_SIZE_MAX);
        return -EINVAL;
    }
    if (text.size && memchr(text.data, 0, text.size)) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Value holds a NUL");
        return -EINVAL;
    }
    value.text = mem_alloc(text.size + 1);
    bytes_to_string(text, value.text, text.size + 1);
    int r = parse_typed(setting, &value, error);
    if (r == 0 && setting->check) {
        r = setting->check(setting->name, value.text, error);
    }
    if (r < 0) {
        mem_free(value.text);
        return r;
    }
    *ret_value = value;
    return 0;
}

int
setting_check(const struct setting *setting, struct bytes value, char *error)
{
    char reason[SETTINGS_ERROR_SIZE];
    char shown[100];
    struct setting_value parsed;
    int r = setting_parse(setting, value, &parsed, reason);
    if (r == 0) {
        mem_free(parsed.text);
        return 0;
    }
    bytes_to_string(value, shown, sizeof shown);
    snprintf(error, SETTINGS_ERROR_SIZE, "Invalid value %s for configuration %s: %.200s", shown,
            setting->name, reason);
    return r;
}

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

/* Digits, or the literal '*' (Kafka's ThrottledReplicaListValidator). */
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

int
check_throttled_replicas(const char *name, const char *text, char *error)
{
    struct bytes item;
    const char *place = *text && strcmp(text, "*") != 0 ? text : NULL;
    while (list_next(&place, &item)) {
        if (!is_replica(item)) {
            snprintf(error, SETTINGS_ERROR_SIZE,
                    "%s must be the literal '*' or a list of replicas in the following "
                    "format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
                    name);
            return -EINVAL;
        }
    }
    return 0;
}
