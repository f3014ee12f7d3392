/* The values: four layers above each row (computed or default, set at start, dynamic for all,
 * dynamic for this broker), the highest that is set wins (C2). Names are found by binary search:
 * getters (getters.c) run for every request. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "settings/settings_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The values become the slot's own. */
static void
slot_own(struct slot *slot)
{
    for (size_t layer = 0; layer < LAYER_COUNT; layer++) {
        struct setting_value *value = &slot->layers[layer];
        value->text = value->text ? mem_strdup(value->text) : NULL;
        value->place = value->place ? mem_strdup(value->place) : NULL;
    }
}

static void
slot_clear(struct slot *slot)
{
    for (size_t layer = 0; layer < LAYER_COUNT; layer++) {
        value_clear(&slot->layers[layer]);
    }
}

/* Copies the row and its name. */
static struct override *
override_add(struct settings *settings, const struct setting *row)
{
    CHECK(settings->override_count < SETTINGS_OVERRIDES_MAX);
    struct override *override = mem_alloc(sizeof *override);
    override->row = *row;
    override->row.name = mem_strdup(row->name);
    override->slot.setting = &override->row;
    settings->overrides[settings->override_count++] = override;
    return override;
}

struct settings *
settings_clone(const struct settings *settings)
{
    struct settings *clone = mem_alloc(sizeof *clone);
    clone->count = settings->count;
    clone->slots = mem_dup(settings->slots, settings->count * sizeof *settings->slots);
    for (size_t i = 0; i < clone->count; i++) {
        slot_own(&clone->slots[i]);
    }
    for (size_t i = 0; i < settings->override_count; i++) {
        const struct override *from = settings->overrides[i];
        struct override *override = override_add(clone, &from->row);
        memcpy(override->slot.layers, from->slot.layers, sizeof from->slot.layers);
        slot_own(&override->slot);
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
        slot_clear(&settings->slots[i]);
    }
    for (size_t i = 0; i < settings->override_count; i++) {
        slot_clear(&settings->overrides[i]->slot);
        mem_free((char *)(uintptr_t)settings->overrides[i]->row.name);
        mem_free(settings->overrides[i]);
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

struct slot *
slot_find(const struct settings *settings, const char *name)
{
    const struct setting key_setting = { .name = name };
    const struct slot key = { .setting = &key_setting };
    struct slot *slot =
            bsearch(&key, settings->slots, settings->count, sizeof *settings->slots, slot_compare);
    for (size_t i = 0; !slot && i < settings->override_count; i++) {
        struct override *override = settings->overrides[i];
        slot = strcmp(override->row.name, name) == 0 ? &override->slot : NULL;
    }
    return slot;
}

const struct setting *
settings_override_at(const struct settings *settings, size_t index)
{
    return index < settings->override_count ? &settings->overrides[index]->row : NULL;
}

const struct setting *
settings_row(struct settings *settings, struct bytes key)
{
    char name[SETTINGS_KEY_SIZE_MAX + 1];
    struct bytes listener;
    const struct setting *row = setting_find_of(SETTING_BROKER, key, &listener);
    if (!row || listener.size == 0) {
        return row;
    }
    if (key.size >= sizeof name) {
        return NULL;
    }
    bytes_to_string(key, name, sizeof name);
    const struct slot *slot = slot_find(settings, name);
    if (slot) {
        return slot->setting;
    }
    if (settings->override_count == SETTINGS_OVERRIDES_MAX) {
        return NULL;
    }
    struct setting own = *row;
    own.name = name;
    return &override_add(settings, &own)->row;
}

const struct setting_value *
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
    const struct setting *setting = settings_row(settings, key);
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
    const struct setting *setting = settings_row(settings, key);
    CHECK(layer >= LAYER_DYNAMIC_DEFAULT);
    if (setting) {
        value_clear(&slot_find(settings, setting->name)->layers[layer]);
    }
}
