/* See quota.h. */
#include "act/quota.h"

#include "base/attr.h"
#include "base/bytes.h"
#include "resource/quantity.h"

#include <string.h>

#define NAME_SIZE 128

/* "NAME=VALUE,NAME=VALUE" */
struct list_text {
    const char *text;
    size_t size;
};

static struct list_text
section(const char *refusal, const char *begin, const char *end)
{
    const char *text = strstr(refusal, begin);
    text = text ? text + strlen(begin) : "";
    const char *behind = end ? strstr(text, end) : NULL;
    return (struct list_text){ text, behind ? (size_t)(behind - text) : strcspn(text, " \n") };
}

/* Takes the first item; false: there is none. Its value is -1 where it cannot be read. */
static bool
item_take(struct list_text *list, char name[NAME_SIZE], int64_t *ret_milli)
{
    char value[64];
    const char *comma = memchr(list->text, ',', list->size);
    size_t size = comma ? (size_t)(comma - list->text) : list->size;
    const char *equals = memchr(list->text, '=', size);
    if (!equals) {
        return false;
    }
    size_t name_size = (size_t)(equals - list->text);
    bytes_to_string(bytes_of(list->text, name_size), name, NAME_SIZE);
    bytes_to_string(bytes_of(equals + 1, size - name_size - 1), value, sizeof value);
    *ret_milli = quantity_milli(value);
    list->text += size + (comma != NULL);
    list->size -= size + (comma != NULL);
    return true;
}

static int64_t
value_of(struct list_text list, const char *name)
{
    char other[NAME_SIZE];
    int64_t milli;
    while (item_take(&list, other, &milli)) {
        if (strcmp(other, name) == 0) {
            return milli;
        }
    }
    return -1;
}

/* What the pod takes of that resource of a quota. */
static int64_t
taken_by(const cJSON *pod, const char *resource)
{
    int64_t sum = 0;
    const char *kind =
            strncmp(resource, "limits.", 7) == 0 ? "resources/limits" : "resources/requests";
    const char *dot = strchr(resource, '.');
    const char *name = dot ? dot + 1 : resource;
    if (strcmp(resource, "pods") == 0 || strcmp(resource, "count/pods") == 0) {
        return 1000;
    }
    const cJSON *container;
    cJSON_ArrayForEach(container, json_at(pod, "spec/containers"))
    {
        char number[JSON_SCALAR_SIZE];
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(json_at(container, kind), name);
        int64_t milli = item ? quantity_milli(json_scalar(item, number)) : 0;
        sum += milli > 0 ? milli : 0;
    }
    return sum;
}

bool
quota_has_room_without(const char *refusal, const cJSON *pod)
{
    struct list_text requested = section(refusal, "requested: ", ", used: ");
    struct list_text used = section(refusal, ", used: ", ", limited: ");
    struct list_text limited = section(refusal, ", limited: ", NULL);
    char name[NAME_SIZE];
    int64_t wish;
    bool is_any = false;
    while (item_take(&requested, name, &wish)) {
        int64_t now = value_of(used, name);
        int64_t most = value_of(limited, name);
        if (wish < 0 || now < 0 || most < 0 || now - taken_by(pod, name) + wish > most) {
            return false;
        }
        is_any = true;
    }
    return is_any;
}
