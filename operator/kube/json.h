#pragma once
/* Short ways into JSON of the API server. Readers accept NULL and foreign types: what isn't there,
 * or is something else, is "" or the default. Builders stop the process when memory is out: sizes
 * are bounded before a text is parsed. */

#include "base/attr.h"
#include "base/bytes.h"

#include <cjson/cJSON.h>

#define JSON_DEPTH_MAX 64

/* Once, before any other thread runs: cJSON takes memory from base/mem.h. */
void json_setup(void);
/* -EBADMSG with a fault. Depth is bounded by JSON_DEPTH_MAX. */
MUST_CHECK int json_parse(struct bytes text, cJSON **ret_json);
static inline void
json_freep(cJSON **json)
{
    cJSON_Delete(*json);
}

/* Names with '/' between them, "metadata/ownerReferences". NULL when a part is missing. */
const cJSON *json_at(const cJSON *json, const char *path);
/* The text, or "". */
const char *json_text(const cJSON *json, const char *path);
/* A whole number within the bounds of int64_t, or `otherwise`. */
int64_t json_int(const cJSON *json, const char *path, int64_t otherwise);
bool json_bool(const cJSON *json, const char *path, bool otherwise);
/* The member of an object by its whole name, which may contain '/': labels, annotations. "". */
const char *json_member(const cJSON *json, const char *path, const char *name);
#define JSON_SCALAR_SIZE 32
/* A string, or the digits of a whole number; "" for anything else. A number that a double doesn't
 * hold exactly is printed as what it was read as: never as another one that would be taken. */
const char *json_scalar(const cJSON *json, char out[JSON_SCALAR_SIZE]);
/* Owned text without spaces: cJSON_free or mem_free. It is UTF-8 whatever the strings in it are,
 * and what YAML takes otherwise than JSON is escaped, because the API server reads applied objects
 * as YAML: a broker's last words, cut in the middle of a character, must not make a status
 * unreadable. */
char *json_print(const cJSON *json);

/* An object's member `name`, made when it isn't there. */
cJSON *json_object(cJSON *json, const char *name);
cJSON *json_array(cJSON *json, const char *name);
void json_set(cJSON *json, const char *name, const char *text);
void json_set_int(cJSON *json, const char *name, int64_t number);
void json_set_bool(cJSON *json, const char *name, bool value);
/* A new object at the end of the array. */
cJSON *json_push(cJSON *array);
void json_push_text(cJSON *array, const char *text);
/* A 64-bit hash of the printed form: the order of members counts. */
uint64_t json_hash(const cJSON *json);
