/* The values: four layers above each row (computed or default, set at start, dynamic for all,
 * dynamic for this broker), the highest that is set wins (C2). Names are found by binary search:
 * getters run for every request. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "settings/settings_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum layer { LAYER_BASE, LAYER_START, LAYER_DYNAMIC_DEFAULT, LAYER_DYNAMIC_BROKER, LAYER_COUNT };

struct slot {
    const struct setting *setting;
    struct setting_value layers[LAYER_COUNT];
};

struct settings {
    size_t count;
    struct slot *slots; /* sorted by name */
};

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

static int
slot_compare(const void *a, const void *b)
{
    const struct slot *slot_a = a;
    const struct slot *slot_b = b;
    return strcmp(slot_a->setting->name, slot_b->setting->name);
}

static enum layer
layer_of(enum setting_origin origin)
{
    switch (origin) {
    case SETTING_FROM_DEFAULT:
    case SETTING_FROM_MACHINE:
        return LAYER_BASE;
    case SETTING_FROM_FILE:
    case SETTING_FROM_ENVIRONMENT:
    case SETTING_FROM_COMMAND_LINE:
        return LAYER_START;
    case SETTING_FROM_DYNAMIC_DEFAULT:
        return LAYER_DYNAMIC_DEFAULT;
    case SETTING_FROM_DYNAMIC_BROKER:
        return LAYER_DYNAMIC_BROKER;
    }
    UNREACHABLE();
}

static void
value_clear(struct setting_value *value)
{
    mem_free(value->text);
    mem_free(value->place);
    *value = (struct setting_value){ 0 };
}

static void
slot_reset(struct slot *slot)
{
    struct setting_value *base = &slot->layers[LAYER_BASE];
    char error[SETTINGS_ERROR_SIZE];
    if (slot->setting->fallback) {
        CHECK(setting_parse(slot->setting, bytes_of_string(slot->setting->fallback), base, error) ==
                0);
    }
    base->set = true;
}

struct settings *
settings_new(void)
{
    struct settings *settings = mem_alloc(sizeof *settings);
    while (setting_at(SETTING_BROKER, settings->count)) {
        settings->count++;
    }
    settings->slots = mem_alloc_array(settings->count, sizeof *settings->slots);
    for (size_t i = 0; i < settings->count; i++) {
        settings->slots[i].setting = setting_at(SETTING_BROKER, i);
        slot_reset(&settings->slots[i]);
    }
    qsort(settings->slots, settings->count, sizeof *settings->slots, slot_compare);
    return settings;
}

struct settings *
settings_clone(const struct settings *settings)
{
    struct settings *clone = mem_alloc(sizeof *clone);
    clone->count = settings->count;
    clone->slots = mem_dup(settings->slots, settings->count * sizeof *settings->slots);
    for (size_t i = 0; i < clone->count; i++) {
        for (size_t layer = 0; layer < LAYER_COUNT; layer++) {
            struct setting_value *value = &clone->slots[i].layers[layer];
            value->text = value->text ? mem_strdup(value->text) : NULL;
            value->place = value->place ? mem_strdup(value->place) : NULL;
        }
    }
    return clone;
}

void
settings_free(struct settings *settings)
{
    if (!settings) {
        return;
    }
    for (size_t i = 0; i < settings->count; i++) {
        for (size_t layer = 0; layer < LAYER_COUNT; layer++) {
            value_clear(&settings->slots[i].layers[layer]);
        }
    }
    mem_free(settings->slots);
    mem_free(settings);
}

void
settings_swap(struct settings *a, struct settings *b)
{
    struct settings kept = *a;
    *a = *b;
    *b = kept;
}

static struct slot *
slot_find(const struct settings *settings, const char *name)
{
    const struct setting key_setting = { .name = name };
    const struct slot key = { .setting = &key_setting };
    return bsearch(&key, settings->slots, settings->count, sizeof *settings->slots, slot_compare);
}

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

/* The highest layer that is set. */
static const struct setting_value *
slot_value(const struct slot *slot)
{
    for (size_t layer = LAYER_COUNT - 1; layer > 0; layer--) {
        if (slot->layers[layer].set) {
            return &slot->layers[layer];
        }
    }
    return &slot->layers[LAYER_BASE];
}

int
settings_put(struct settings *settings, const struct setting *setting, struct bytes text,
        enum setting_origin origin, const char *place)
{
    char error[SETTINGS_ERROR_SIZE];
    struct setting_value value;
    struct slot *slot = slot_find(settings, setting->name);
    CHECK(slot);
    struct setting_value *old = &slot->layers[layer_of(origin)];
    int r = setting_parse(setting, text, &value, error);
    if (r < 0) {
        fault_clear();
        return fault_note(r, "%s", error);
    }
    if (old->set && old->origin > origin) {
        mem_free(value.text);
        return 0; /* C2 */
    }
    value.origin = origin;
    value.place = place ? mem_strdup(place) : NULL;
    value_clear(old);
    *old = value;
    return 0;
}

int
settings_put_computed(struct settings *settings, const char *name, struct bytes value)
{
    struct slot *slot = slot_find(settings, name);
    CHECK(slot);
    int r = settings_put(settings, slot->setting, value, SETTING_FROM_MACHINE, NULL);
    if (r < 0) {
        return r;
    }
    value_clear(&slot->layers[LAYER_START]); /* "0: computed" may have been written out */
    return 0;
}

int
settings_set(
        struct settings *settings, struct bytes key, struct bytes value, enum setting_origin origin)
{
    const struct setting *setting = setting_find(SETTING_BROKER, key);
    if (!setting) {
        char error[SETTINGS_ERROR_SIZE];
        settings_explain_unknown(key, error, sizeof error);
        fault_clear();
        return fault_note(-EINVAL, "%s", error);
    }
    return settings_put(settings, setting, value, origin, NULL);
}

void
settings_unset(struct settings *settings, struct bytes key, enum setting_origin origin)
{
    enum layer layer = layer_of(origin);
    const struct setting *setting = setting_find(SETTING_BROKER, key);
    CHECK(layer >= LAYER_DYNAMIC_DEFAULT);
    if (setting) {
        value_clear(&slot_find(settings, setting->name)->layers[layer]);
    }
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
