/* libyaml's events into cJSON, without recursion. */
#include "kube/yaml.h"

#include "base/check.h"
#include "base/fault.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

struct builder {
    cJSON *stack[JSON_DEPTH_MAX];
    size_t depth;
    cJSON *root;
    char key[256]; /* of the mapping on top, when has_key */
    bool has_key;
};

static int
builder_add(struct builder *builder, cJSON *item)
{
    cJSON *top = builder->depth ? builder->stack[builder->depth - 1] : NULL;
    if (!top) {
        builder->root = item;
    } else if (cJSON_IsArray(top)) {
        CHECK(cJSON_AddItemToArray(top, item));
    } else {
        cJSON_DeleteItemFromObjectCaseSensitive(top, builder->key);
        CHECK(cJSON_AddItemToObject(top, builder->key, item));
        builder->has_key = false;
    }
    return 0;
}

static bool
is_number(const char *text, size_t size)
{
    size_t digits = strspn(text + (*text == '-'), "0123456789");
    return digits > 0 && digits < 16 && digits + (*text == '-') == size;
}

static cJSON *
scalar(const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t size = event->data.scalar.length;
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return cJSON_CreateString(text);
    }
    if (size == 0 || strcmp(text, "null") == 0 || strcmp(text, "~") == 0) {
        return cJSON_CreateNull();
    }
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return cJSON_CreateBool(*text == 't');
    }
    if (is_number(text, size)) {
        long long number = 0;
        for (const char *c = text + (*text == '-'); *c; c++) {
            number = number * 10 + (*c - '0');
        }
        return cJSON_CreateNumber((double)(*text == '-' ? -number : number));
    }
    return cJSON_CreateString(text);
}

static int
builder_scalar(struct builder *builder, const yaml_event_t *event)
{
    cJSON *top = builder->depth ? builder->stack[builder->depth - 1] : NULL;
    const char *text = (const char *)event->data.scalar.value;
    if (top && cJSON_IsObject(top) && !builder->has_key) {
        if (event->data.scalar.length >= sizeof builder->key) {
            return fault(-EBADMSG, "yaml: line %zu: a key of more than %zu bytes",
                    event->start_mark.line + 1, sizeof builder->key - 1);
        }
        snprintf(builder->key, sizeof builder->key, "%s", text);
        builder->has_key = true;
        return 0;
    }
    return builder_add(builder, scalar(event));
}

static int
builder_open(struct builder *builder, const yaml_event_t *event, cJSON *item)
{
    cJSON *top = builder->depth ? builder->stack[builder->depth - 1] : NULL;
    if (builder->depth == JSON_DEPTH_MAX || (top && cJSON_IsObject(top) && !builder->has_key)) {
        cJSON_Delete(item);
        return fault(-EBADMSG, "yaml: line %zu: too deep, or a key that is no text",
                event->start_mark.line + 1);
    }
    builder_add(builder, item);
    builder->stack[builder->depth++] = item;
    return 0;
}

static int
builder_take(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return builder_scalar(builder, event);
    case YAML_MAPPING_START_EVENT:
        return builder_open(builder, event, cJSON_CreateObject());
    case YAML_SEQUENCE_START_EVENT:
        return builder_open(builder, event, cJSON_CreateArray());
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        builder->depth--;
        return 0;
    case YAML_ALIAS_EVENT:
        return fault(-EBADMSG, "yaml: line %zu: aliases are not taken", event->start_mark.line + 1);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return 0;
}

int
yaml_parse(struct bytes text, cJSON **ret_json)
{
    if (text.size > YAML_SIZE_MAX) {
        return fault(-EBADMSG, "yaml: more than %zu bytes", YAML_SIZE_MAX);
    }
    yaml_parser_t parser;
    CHECK(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, text.data, text.size);
    struct builder builder = { .depth = 0 };
    bool is_end = false;
    int r = 0;
    while (r == 0 && !is_end) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            r = fault(-EBADMSG, "yaml: line %zu column %zu: %s", parser.problem_mark.line + 1,
                    parser.problem_mark.column + 1, parser.problem ? parser.problem : "unreadable");
            break;
        }
        r = builder_take(&builder, &event);
        is_end = event.type == YAML_DOCUMENT_END_EVENT || event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (r == 0 && !builder.root) {
        r = fault(-EBADMSG, "yaml: an empty document");
    }
    if (r < 0) {
        cJSON_Delete(builder.root);
        return r;
    }
    *ret_json = builder.root;
    return 0;
}
