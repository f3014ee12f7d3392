/* Reading and building JSON with cJSON. */
#include "kube/json.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>

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

char *
json_print(const cJSON *json)
{
    char *text = cJSON_PrintUnformatted(json);
    CHECK(text);
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
