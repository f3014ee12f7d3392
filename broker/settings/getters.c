/* What the values are: getters, and the units that stand in for each other. */
#include "base/check.h"
#include "settings/settings_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* A value in another unit that stands in when `name` is null. */
struct synonym {
    const char *name;
    const char *other;
    int64_t factor;
};

static const struct synonym synonyms[] = {
    { "log.retention.ms", "log.retention.minutes", 60000 },
    { "log.retention.minutes", "log.retention.hours", 60 },
    { "log.roll.ms", "log.roll.hours", 3600000 },
    { "log.roll.jitter.ms", "log.roll.jitter.hours", 3600000 },
    { "log.flush.interval.ms", "log.flush.scheduler.interval.ms", 1 },
};

const char *
settings_synonym(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(synonyms); i++) {
        if (strcmp(synonyms[i].name, name) == 0) {
            return synonyms[i].other;
        }
    }
    return NULL;
}

/* The value that counts and what to multiply it with: a null one may have a synonym in another
 * unit. */
static const struct setting_value *
value_find(const struct settings *settings, const char *name, int64_t *ret_factor)
{
    const struct slot *slot = slot_find(settings, name);
    CHECK(slot);
    const struct setting_value *value = slot_value(slot);
    int64_t factor = 1;
    for (size_t i = 0; i < ARRAY_SIZE(synonyms); i++) {
        if (!value->text && strcmp(synonyms[i].name, slot->setting->name) == 0) {
            slot = slot_find(settings, synonyms[i].other);
            value = slot_value(slot);
            factor *= synonyms[i].factor;
        }
    }
    *ret_factor = factor;
    return value;
}

static const struct setting_value *
value_get(const struct settings *settings, const char *name, enum setting_type type)
{
    const struct slot *slot = slot_find(settings, name);
    CHECK(slot && slot->setting->type == type);
    const struct setting_value *value = slot_value(slot);
    CHECK(value->text);
    return value;
}

bool
settings_is_null(const struct settings *settings, const char *name)
{
    int64_t factor;
    return !value_find(settings, name, &factor)->text;
}

bool
settings_bool(const struct settings *settings, const char *name)
{
    return value_get(settings, name, SETTING_BOOL)->number != 0;
}

int32_t
settings_int(const struct settings *settings, const char *name)
{
    return (int32_t)value_get(settings, name, SETTING_INT)->number;
}

int32_t
settings_listener_int(const struct settings *settings, const char *listener, const char *name)
{
    char key[SETTINGS_KEY_SIZE_MAX + 1];
    snprintf(key, sizeof key, "listener.name.%s.%s", listener, name);
    for (char *p = key; *p; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    const struct slot *slot = settings->override_count ? slot_find(settings, key) : NULL;
    const struct setting_value *value = slot ? slot_value(slot) : NULL;
    return value && value->text ? (int32_t)value->number : settings_int(settings, name);
}

int64_t
settings_long(const struct settings *settings, const char *name)
{
    int64_t factor;
    int64_t product;
    const struct slot *slot = slot_find(settings, name);
    CHECK(slot && (slot->setting->type == SETTING_LONG || slot->setting->type == SETTING_INT));
    const struct setting_value *value = value_find(settings, name, &factor);
    CHECK(value->text);
    /* -1 hours is "for ever", not an hour before now. */
    if (value->number < 0) {
        return value->number;
    }
    return __builtin_mul_overflow(value->number, factor, &product) ? INT64_MAX : product;
}

double
settings_double(const struct settings *settings, const char *name)
{
    return value_get(settings, name, SETTING_DOUBLE)->real;
}

const char *
settings_string(const struct settings *settings, const char *name)
{
    const struct slot *slot = slot_find(settings, name);
    CHECK(slot && slot->setting->type >= SETTING_STRING);
    return slot_value(slot)->text;
}

const char *
settings_text(const struct settings *settings, const struct setting *setting)
{
    const struct slot *slot = slot_find(settings, setting->name);
    CHECK(slot && slot->setting == setting);
    return slot_value(slot)->text;
}

enum setting_origin
settings_origin(const struct settings *settings, const struct setting *setting)
{
    const struct slot *slot = slot_find(settings, setting->name);
    CHECK(slot && slot->setting == setting);
    return slot_value(slot)->origin;
}

const char *
settings_origin_text(const struct settings *settings, const struct setting *setting)
{
    static const char *const names[] = { "default", "computed", "file", "environment",
        "command line", "dynamic default", "dynamic" };
    const struct slot *slot = slot_find(settings, setting->name);
    CHECK(slot && slot->setting == setting);
    const struct setting_value *value = slot_value(slot);
    return value->place ? value->place : names[value->origin];
}
