/* A YAML document into settings. libyaml gives events; a stack of key lengths joins nested maps by
 * dots. Anchors, aliases, tags and second documents are refused: no configuration needs them, and
 * aliases make small files huge. */
#include "base/fault.h"
#include "base/mem.h"
#include "settings/settings_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

/* One open map: where its keys begin in `key`, and whether the next scalar is a key. */
struct level {
    size_t prefix_size;
    bool wants_key;
};

struct loader {
    const char *name;
    struct settings *settings;
    struct level levels[SETTINGS_YAML_DEPTH_MAX];
    size_t depth;
    char key[SETTINGS_KEY_SIZE_MAX + 1]; /* of the value that comes next */
    size_t key_size;
    yaml_mark_t key_mark;
    bool in_list;
    yaml_mark_t list_mark;
    struct strbuf list; /* items so far, with commas */
    size_t list_count;
    size_t values;
    bool document_seen;
};

PRINTF(3, 4)
static int
refuse(const struct loader *loader, yaml_mark_t mark, const char *format, ...)
{
    char text[SETTINGS_ERROR_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fault_clear();
    return fault_note(
            -EINVAL, "%.60s:%zu:%zu: %s", loader->name, mark.line + 1, mark.column + 1, text);
}

static int
take_value(struct loader *loader, struct bytes value, yaml_mark_t mark)
{
    struct bytes key = bytes_of(loader->key, loader->key_size);
    const struct setting *setting = settings_row(loader->settings, key);
    char place[80];
    if (!setting) {
        char error[SETTINGS_ERROR_SIZE];
        settings_explain_unknown(key, error, sizeof error);
        return refuse(loader, loader->key_mark, "%s", error);
    }
    if (++loader->values > SETTINGS_YAML_KEYS_MAX) {
        return refuse(loader, mark, "more than %d values", SETTINGS_YAML_KEYS_MAX);
    }
    if (loader->in_list && setting->type != SETTING_LIST) {
        return refuse(loader, mark, "%s is one %s, not a list", setting->name,
                setting_type_name(setting->type));
    }
    snprintf(place, sizeof place, "%.60s:%zu", loader->name, loader->key_mark.line + 1);
    if (settings_origin(loader->settings, setting) == SETTING_FROM_FILE) {
        return refuse(loader, loader->key_mark, "%s is set twice, first at %s", setting->name,
                settings_origin_text(loader->settings, setting));
    }
    int r = settings_put(loader->settings, setting, value, SETTING_FROM_FILE, place);
    if (r < 0) {
        char text[SETTINGS_ERROR_SIZE];
        snprintf(text, sizeof text, "%.380s", fault_text());
        return refuse(loader, mark, "%s", text);
    }
    return 0;
}

static int
take_key(struct loader *loader, struct bytes text, yaml_mark_t mark)
{
    struct level *level = &loader->levels[loader->depth - 1];
    size_t size = level->prefix_size;
    if (size + 1 + text.size > SETTINGS_KEY_SIZE_MAX) {
        return refuse(loader, mark, "a key of more than %d bytes", SETTINGS_KEY_SIZE_MAX);
    }
    if (text.size == 0 || memchr(text.data, 0, text.size)) {
        return refuse(loader, mark, "an empty key, or one with a NUL");
    }
    if (size) {
        loader->key[size++] = '.';
    }
    memcpy(loader->key + size, text.data, text.size);
    loader->key_size = size + text.size;
    loader->key[loader->key_size] = 0;
    loader->key_mark = mark;
    level->wants_key = false;
    return 0;
}

/* "key:" and "key: ~" leave the default. */
static bool
is_null(const yaml_event_t *event, struct bytes text)
{
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return plain && (text.size == 0 || bytes_equal(text, BYTES_LITERAL("~")) ||
                            bytes_equal(text, BYTES_LITERAL("null")));
}

static int
on_scalar(struct loader *loader, const yaml_event_t *event)
{
    struct bytes text = bytes_of(event->data.scalar.value, event->data.scalar.length);
    yaml_mark_t mark = event->start_mark;
    if (loader->depth == 0) {
        return is_null(event, text) ? 0 : refuse(loader, mark, "expected key: value");
    }
    if (loader->in_list) {
        if (text.size && memchr(text.data, ',', text.size)) {
            return refuse(loader, mark, "an item of a list holds a comma");
        }
        if (loader->list_count++) {
            strbuf_append_char(&loader->list, ',');
        }
        strbuf_append(&loader->list, text);
        return loader->list.error ? refuse(loader, mark, "the list is too long") : 0;
    }
    struct level *level = &loader->levels[loader->depth - 1];
    if (level->wants_key) {
        return take_key(loader, text, mark);
    }
    level->wants_key = true;
    if (is_null(event, text)) {
        const struct setting *setting =
                setting_find(SETTING_BROKER, bytes_of(loader->key, loader->key_size));
        if (!setting || setting->fallback) {
            return refuse(loader, mark, "%.100s has no value", loader->key);
        }
        return 0;
    }
    return take_value(loader, text, mark);
}

static int
on_map_start(struct loader *loader, const yaml_event_t *event)
{
    size_t prefix_size = 0;
    if (loader->in_list) {
        return refuse(loader, event->start_mark, "a map inside a list");
    }
    if (loader->depth == SETTINGS_YAML_DEPTH_MAX) {
        return refuse(loader, event->start_mark, "more than %d maps in each other",
                SETTINGS_YAML_DEPTH_MAX);
    }
    if (loader->depth > 0) {
        if (loader->levels[loader->depth - 1].wants_key) {
            return refuse(loader, event->start_mark, "a map as a key");
        }
        prefix_size = loader->key_size;
    }
    loader->levels[loader->depth++] = (struct level){ prefix_size, true };
    return 0;
}

static int
on_map_end(struct loader *loader)
{
    loader->depth--;
    if (loader->depth > 0) {
        loader->levels[loader->depth - 1].wants_key = true;
    }
    return 0;
}

static int
on_list_start(struct loader *loader, const yaml_event_t *event)
{
    if (loader->depth == 0 || loader->in_list || loader->levels[loader->depth - 1].wants_key) {
        return refuse(loader, event->start_mark, "a list where none can be");
    }
    loader->in_list = true;
    loader->list_mark = event->start_mark;
    loader->list_count = 0;
    strbuf_clear(&loader->list);
    return 0;
}

static int
on_list_end(struct loader *loader)
{
    int r = take_value(loader, strbuf_bytes(&loader->list), loader->list_mark);
    loader->in_list = false;
    loader->levels[loader->depth - 1].wants_key = true;
    return r;
}

static bool
has_tag_or_anchor(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor || event->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor || event->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor || event->data.mapping_start.tag;
    case YAML_ALIAS_EVENT:
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        break;
    }
    return false;
}

static int
on_event(struct loader *loader, const yaml_event_t *event)
{
    if (has_tag_or_anchor(event)) {
        return refuse(loader, event->start_mark, "anchors, aliases and tags are not taken");
    }
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (loader->document_seen) {
            return refuse(loader, event->start_mark, "a second document");
        }
        loader->document_seen = true;
        return 0;
    case YAML_SCALAR_EVENT:
        return on_scalar(loader, event);
    case YAML_MAPPING_START_EVENT:
        return on_map_start(loader, event);
    case YAML_MAPPING_END_EVENT:
        return on_map_end(loader);
    case YAML_SEQUENCE_START_EVENT:
        return on_list_start(loader, event);
    case YAML_SEQUENCE_END_EVENT:
        return on_list_end(loader);
    case YAML_NO_EVENT:
    case YAML_ALIAS_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    return 0;
}

static int
load_events(struct loader *loader, yaml_parser_t *parser)
{
    bool ended = false;
    int r = 0;
    while (!ended && r == 0) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event)) {
            return refuse(loader, parser->problem_mark, "not YAML: %s",
                    parser->problem ? parser->problem : "?");
        }
        r = on_event(loader, &event);
        ended = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    return r;
}

int
settings_load_yaml(struct settings *settings, const char *name, struct bytes text)
{
    yaml_parser_t parser;
    if (text.size > SETTINGS_YAML_SIZE_MAX) {
        fault_clear();
        return fault_note(-EINVAL, "%.60s: more than %zu bytes", name, SETTINGS_YAML_SIZE_MAX);
    }
    if (!yaml_parser_initialize(&parser)) {
        return fault(-ENOMEM, "%.60s: no memory for the parser", name);
    }
    struct loader *loader = mem_alloc(sizeof *loader);
    loader->name = name;
    loader->settings = settings_clone(settings);
    strbuf_init(&loader->list, SETTINGS_VALUE_SIZE_MAX);
    yaml_parser_set_input_string(&parser, text.size ? text.data : (const uint8_t *)"", text.size);
    int r = load_events(loader, &parser);
    yaml_parser_delete(&parser);
    strbuf_done(&loader->list);
    if (r == 0) {
        settings_swap(settings, loader->settings);
    }
    settings_free(loader->settings);
    mem_free(loader);
    return r;
}
