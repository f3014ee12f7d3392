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

/* As Java prints a double: 2.0, 0.5, 1.0E10. */
static void
print_double(double real, char *out, size_t out_size)
{
    int digits = 1;
    double size = fabs(real);
    bool plain = real == 0 || (size >= 1e-3 && size < 1e7);
    do {
        snprintf(out, out_size, plain ? "%.*f" : "%.*E", digits, real);
    } while (strtod(out, NULL) != real && ++digits < 17);
    char *exponent = strchr(out, 'E');
    if (exponent) {
        long power = strtol(exponent + 1, NULL, 10);
        snprintf(exponent, out_size - (size_t)(exponent - out), "E%ld", power);
    }
}

/* Kafka shows the number, not the text that it was read from. */
static int
check_bounds(const struct setting *setting, const struct setting_value *value, char *error)
{
    bool is_double = setting->type == SETTING_DOUBLE;
    bool below =
            is_double ? value->real < (double)setting->minimum : value->number < setting->minimum;
    bool above =
            is_double ? value->real > (double)setting->maximum : value->number > setting->maximum;
    char shown[40];
    if (!setting->bounded || (!below && !above)) {
        return 0;
    }
    if (is_double) {
        print_double(value->real, shown, sizeof shown);
    } else {
        snprintf(shown, sizeof shown, "%" PRId64, value->number);
    }
    snprintf(error, SETTINGS_ERROR_SIZE,
            "Invalid value %s for configuration %s: Value must be %s %" PRId64, shown,
            setting->name, below ? "at least" : "no more than",
            below ? setting->minimum : setting->maximum);
    return -EBADMSG;
}

static int
parse_integer(const struct setting *setting, struct setting_value *value, char *error)
{
    static const struct {
        const char *name;
        int64_t minimum;
        int64_t maximum;
    } kinds[] = {
        [SETTING_SHORT] = { "SHORT", INT16_MIN, INT16_MAX },
        [SETTING_INT] = { "INT", INT32_MIN, INT32_MAX },
        [SETTING_LONG] = { "LONG", INT64_MIN, INT64_MAX },
    };
    char *end;
    errno = 0;
    long long number = strtoll(value->text, &end, 10);
    if (errno || end == value->text || *end || number < kinds[setting->type].minimum ||
            number > kinds[setting->type].maximum) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Not a number of type %s", kinds[setting->type].name);
        return -EINVAL;
    }
    value->number = number;
    return check_bounds(setting, value, error);
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
    return check_bounds(setting, value, error);
}

static int
check_choice(const struct setting *setting, struct bytes item, char *error)
{
    char shown[100];
    if (!setting->choices || is_choice(setting->choices, item)) {
        return 0;
    }
    bytes_to_string(item, shown, sizeof shown);
    snprintf(error, SETTINGS_ERROR_SIZE,
            "Invalid value %s for configuration %s: String must be one of: %s", shown,
            setting->name, setting->choices);
    return -EBADMSG;
}

static bool
is_repeated(const char *list, struct bytes item)
{
    struct bytes other;
    unsigned count = 0;
    while (list_next(&list, &other)) {
        count += bytes_equal(other, item);
    }
    return count > 1;
}

/* The whole list first, as Kafka does: then its elements. */
static int
check_unique(const struct setting *setting, const char *text, char *error)
{
    struct bytes item;
    bool has_empty = false;
    for (const char *place = text; list_next(&place, &item);) {
        if (is_repeated(text, item)) {
            snprintf(error, SETTINGS_ERROR_SIZE,
                    "Configuration '%s' values must not be duplicated.", setting->name);
            return -EBADMSG;
        }
        has_empty |= item.size == 0;
    }
    if (has_empty && !setting->choices) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Configuration '%s' values must not be empty.",
                setting->name);
        return -EBADMSG;
    }
    return 0;
}

static int
check_list(const struct setting *setting, const char *text, char *error)
{
    struct bytes item;
    if (!*text && setting->list == LIST_NOT_EMPTY) {
        const char *choices = setting->choices;
        snprintf(error, SETTINGS_ERROR_SIZE,
                "Configuration '%s' must not be empty. Valid values include: %s%s%s", setting->name,
                choices ? "[" : "any non-empty value", choices ? choices : "", choices ? "]" : "");
        return -EBADMSG;
    }
    if (!*text) {
        return 0;
    }
    int r = setting->list == LIST_FREE ? 0 : check_unique(setting, text, error);
    for (const char *place = text; r == 0 && list_next(&place, &item);) {
        r = check_choice(setting, item, error);
    }
    return r;
}

static int
parse_typed(const struct setting *setting, struct setting_value *value, char *error)
{
    switch (setting->type) {
    case SETTING_BOOL:
        return parse_bool(value, error);
    case SETTING_SHORT:
    case SETTING_INT:
    case SETTING_LONG:
        return parse_integer(setting, value, error);
    case SETTING_DOUBLE:
        return parse_double(setting, value, error);
    case SETTING_STRING:
        return 0;
    case SETTING_ENUM:
        return check_choice(setting, bytes_of_string(value->text), error);
    case SETTING_LIST:
        return check_list(setting, value->text, error);
    }
    UNREACHABLE();
}

static int
take_text(struct bytes text, struct setting_value *value, char *error)
{
    if (text.size > SETTINGS_VALUE_SIZE_MAX) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Value has more than %zu bytes",
                (size_t)SETTINGS_VALUE_SIZE_MAX);
        return -EINVAL;
    }
    if (text.size && memchr(text.data, 0, text.size)) {
        snprintf(error, SETTINGS_ERROR_SIZE, "Value holds a NUL");
        return -EINVAL;
    }
    value->text = mem_alloc(text.size + 1);
    bytes_to_string(text, value->text, text.size + 1);
    return 0;
}

int
setting_parse(const struct setting *setting, struct bytes text, struct setting_value *ret_value,
        char *error)
{
    struct setting_value value = { .set = true };
    char reason[SETTINGS_ERROR_SIZE];
    char shown[100];
    int r = take_text(trim(text), &value, reason);
    if (r == 0) {
        r = parse_typed(setting, &value, reason);
    }
    if (r == 0 && setting->check) {
        r = setting->check(setting->name, value.text, reason);
    }
    if (r == 0) {
        *ret_value = value;
        return 0;
    }
    mem_free(value.text);
    if (r == -EBADMSG) {
        snprintf(error, SETTINGS_ERROR_SIZE, "%s", reason);
    } else {
        bytes_to_string(text, shown, sizeof shown);
        snprintf(error, SETTINGS_ERROR_SIZE, "Invalid value %s for configuration %s: %.220s", shown,
                setting->name, reason);
    }
    return -EINVAL;
}

int
setting_check(const struct setting *setting, struct bytes value, char *error)
{
    struct setting_value parsed;
    int r = setting_parse(setting, value, &parsed, error);
    if (r == 0) {
        mem_free(parsed.text);
    }
    return r;
}
