/* Finding rows, and the name that somebody most likely meant. */
#include "base/check.h"
#include "settings/settings_internal.h"

#include <stdio.h>
#include <string.h>

#define NEAREST_DISTANCE_MAX 8

const struct setting *
setting_at(enum setting_scope scope, size_t index)
{
    switch (scope) {
    case SETTING_BROKER:
        if (index < settings_broker_row_count) {
            return &settings_broker_rows[index];
        }
        index -= settings_broker_row_count;
        return index < settings_inert_row_count ? &settings_inert_rows[index] : NULL;
    case SETTING_TOPIC:
        return index < settings_topic_row_count ? &settings_topic_rows[index] : NULL;
    case SETTING_GROUP:
        return index < settings_group_row_count ? &settings_group_rows[index] : NULL;
    case SETTING_CLIENT_METRICS:
        return index < settings_client_metrics_row_count ? &settings_client_metrics_rows[index]
                                                         : NULL;
    }
    UNREACHABLE();
}

const struct setting *
setting_find(enum setting_scope scope, struct bytes name)
{
    const struct setting *row;
    for (size_t i = 0; (row = setting_at(scope, i)); i++) {
        if (bytes_equal(bytes_of_string(row->name), name)) {
            return row;
        }
    }
    return NULL;
}

const struct setting *
setting_find_of(enum setting_scope scope, struct bytes key, struct bytes *ret_listener)
{
    const struct bytes prefix = BYTES_LITERAL("listener.name.");
    *ret_listener = BYTES_LITERAL("");
    if (scope != SETTING_BROKER || !bytes_starts_with(key, prefix)) {
        return setting_find(scope, key);
    }
    const uint8_t *name = key.data + prefix.size;
    size_t rest_size = key.size - prefix.size;
    const uint8_t *dot = memchr(name, '.', rest_size);
    if (!dot || dot == name) {
        return NULL;
    }
    size_t name_size = (size_t)(dot - name);
    const struct setting *row = setting_find(scope, bytes_of(dot + 1, rest_size - name_size - 1));
    *ret_listener = bytes_of(name, name_size);
    return row && row->per_listener ? row : NULL;
}

const char *
setting_type_name(enum setting_type type)
{
    static const char *const names[] = { "bool", "short", "int", "long", "double", "string", "enum",
        "list" };
    return names[type];
}

static uint8_t
fold(uint8_t c)
{
    /* "_" and "-" are what people type for "." */
    return c == '_' || c == '-' ? '.' : c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

/* Levenshtein's distance, one row at a time. `a` and `b` are at most SETTINGS_KEY_SIZE_MAX long. */
static unsigned
distance(struct bytes a, struct bytes b)
{
    uint16_t row[SETTINGS_KEY_SIZE_MAX + 1];
    for (size_t j = 0; j <= b.size; j++) {
        row[j] = (uint16_t)j;
    }
    for (size_t i = 0; i < a.size; i++) {
        unsigned diagonal = row[0];
        row[0] = (uint16_t)(i + 1);
        for (size_t j = 0; j < b.size; j++) {
            unsigned replace = diagonal + (fold(a.data[i]) != fold(b.data[j]));
            diagonal = row[j + 1];
            unsigned insert = MIN((unsigned)row[j], diagonal) + 1u;
            row[j + 1] = (uint16_t)MIN(replace, insert);
        }
    }
    return row[b.size];
}

const char *
setting_nearest(enum setting_scope scope, struct bytes name)
{
    const char *best = NULL;
    /* A third of the letters may be wrong: further away is another word. */
    unsigned best_distance =
            MIN((unsigned)NEAREST_DISTANCE_MAX, (unsigned)(name.size / 3) + 1u) + 1u;
    if (name.size > SETTINGS_KEY_SIZE_MAX) {
        return NULL;
    }
    const struct setting *row;
    for (size_t i = 0; (row = setting_at(scope, i)); i++) {
        unsigned d = distance(name, bytes_of_string(row->name));
        if (d < best_distance) {
            best_distance = d;
            best = row->name;
        }
    }
    return best;
}

void
settings_explain_unknown(struct bytes name, char *out, size_t out_size)
{
    char shown[100];
    bytes_to_string(name, shown, sizeof shown);
    const char *reason = settings_refused(name);
    if (reason) {
        snprintf(out, out_size, "%s is refused: %s", shown, reason);
        return;
    }
    const char *nearest = setting_nearest(SETTING_BROKER, name);
    if (!nearest && setting_find(SETTING_TOPIC, name)) {
        nearest = setting_find(SETTING_TOPIC, name)->broker_name;
    }
    if (nearest) {
        snprintf(out, out_size, "unknown setting %s: did you mean %s?", shown, nearest);
    } else {
        snprintf(out, out_size, "unknown setting %s: see docs/configuration.md", shown);
    }
}
