/* Reading and building JSON with cJSON. */
#include "kube/json.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include <errno.h>
#include <stdio.h>

void
json_setup(void)
{
    cJSON_Hooks hooks = { .malloc_fn = mem_alloc, .free_fn = mem_free };
    cJSON_InitHooks(&hooks);
}

/* cJSON's own bound of 1000 levels is meant for bigger stacks of calls than ours. */
static bool
depth_is_fine(struct bytes text)
{
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                return false;
            }
        } else if ((c == '}' || c == ']') && depth) {
            depth--;
        }
    }
    return true;
}

int
json_parse(struct bytes text, cJSON **ret_json)
{
    if (!depth_is_fine(text)) {
        return fault(-EBADMSG, "json: more than %d levels", JSON_DEPTH_MAX);
    }
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts((const char *)text.data, text.size, &end, false);
    if (!json) {
        size_t at = end ? (size_t)(end - (const char *)text.data) : 0;
        return fault(-EBADMSG, "json: cannot be read at byte %zu of %zu", at, text.size);
    }
    *ret_json = json;
    return 0;
}

const cJSON *
json_at(const cJSON *json, const char *path)
{
    char name[64];
    while (json && *path) {
        size_t size = strcspn(path, "/");
        CHECK(size < sizeof name);
        bytes_to_string(bytes_of(path, size), name, sizeof name);
        json = cJSON_GetObjectItemCaseSensitive(json, name);
        path += size;
        path += *path == '/';
    }
    return json;
}

const char *
json_text(const cJSON *json, const char *path)
{
    const char *text = cJSON_GetStringValue(json_at(json, path));
    return text ? text : "";
}

int64_t
json_int(const cJSON *json, const char *path, int64_t otherwise)
{
    const cJSON *item = json_at(json, path);
    bool fits = cJSON_IsNumber(item) && item->valuedouble > -9e18 && item->valuedouble < 9e18;
    return fits ? (int64_t)item->valuedouble : otherwise;
}

const char *
json_scalar(const cJSON *json, char out[JSON_SCALAR_SIZE])
{
    *out = 0;
    if (cJSON_IsString(json)) {
        return json->valuestring;
    }
    if (cJSON_IsNumber(json)) {
        snprintf(out, JSON_SCALAR_SIZE, "%.0f", json->valuedouble);
    }
    return out;
}

bool
json_bool(const cJSON *json, const char *path, bool otherwise)
{
    const cJSON *item = json_at(json, path);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : otherwise;
}

const char *
json_member(const cJSON *json, const char *path, const char *name)
{
    const cJSON *object = json_at(json, path);
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

/* The character that `text` begins with: its size in bytes, 1 and U+FFFD for what is no UTF-8. */
static size_t
character_of(const uint8_t *text, uint32_t *ret_code)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t size = *text < 0x80 ? 1 : *text >= 0xf0 ? 4 : *text >= 0xe0 ? 3 : *text >= 0xc2 ? 2 : 0;
    uint32_t code = size == 1 ? *text : *text & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((text[i] & 0xc0) != 0x80) { /* the end of the text, too */
            size = 0;
            break;
        }
        code = code << 6 | (text[i] & 0x3f);
    }
    bool is_one = size && *text < 0xf5 && code >= least[size] && code <= 0x10ffff &&
                  (code < 0xd800 || code > 0xdfff);
    *ret_code = is_one ? code : 0xfffd;
    return is_one ? size : 1;
}

/* Characters that YAML refuses or takes for the end of a line. */
static bool
needs_escape(uint32_t code)
{
    return (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 || code == 0xfeff ||
           code == 0xfffe || code == 0xffff;
}

/* Only strings have other characters than ASCII in them. */
static void
escape(const uint8_t *text, struct strbuf *out)
{
    while (*text) {
        uint32_t code;
        size_t size = character_of(text, &code);
        if (needs_escape(code) || (code == 0xfffd && size == 1)) {
            strbuf_printf(out, "\\u%04x", code);
        } else {
            strbuf_append(out, bytes_of(text, size));
        }
        text += size;
    }
}

static bool
is_plain(const char *text)
{
    while (*text >= ' ' && *text < 0x7f) {
        text++;
    }
    return !*text;
}

char *
json_print(const cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    CHECK(text);
    if (is_plain(text)) {
        return text;
    }
    struct strbuf out;
    strbuf_init(&out, strlen(text) * 6 + 1);
    escape((const uint8_t *)text, &out);
    mem_free(text);
    text = mem_strdup(strbuf_cstring(&out));
    strbuf_done(&out);
    return text;
}

static cJSON *
member(cJSON *json, const char *name, cJSON *(*make)(void))
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    if (!item) {
        item = make();
        CHECK(cJSON_AddItemToObject(json, name, item));
    }
    return item;
}

cJSON *
json_object(cJSON *json, const char *name)
{
    return member(json, name, cJSON_CreateObject);
}

cJSON *
json_array(cJSON *json, const char *name)
{
    return member(json, name, cJSON_CreateArray);
}

static void
set(cJSON *json, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(json, name);
    CHECK(cJSON_AddItemToObject(json, name, value));
}

void
json_set(cJSON *json, const char *name, const char *text)
{
    set(json, name, cJSON_CreateString(text));
}

void
json_set_int(cJSON *json, const char *name, int64_t number)
{
    set(json, name, cJSON_CreateNumber((double)number));
}

void
json_set_bool(cJSON *json, const char *name, bool value)
{
    set(json, name, cJSON_CreateBool(value));
}

cJSON *
json_push(cJSON *array)
{
    cJSON *item = cJSON_CreateObject();
    CHECK(cJSON_AddItemToArray(array, item));
    return item;
}

void
json_push_text(cJSON *array, const char *text)
{
    CHECK(cJSON_AddItemToArray(array, cJSON_CreateString(text)));
}

uint64_t
json_hash(const cJSON *json)
{
    CLEANUP(mem_freep) char *text = json_print(json);
    return bytes_hash(bytes_of_string(text), 0);
}
