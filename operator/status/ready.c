/* One condition as a status. */
#include "status/ready.h"

static const cJSON *
ready_before(const struct ready *ready)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, ready->before)
    {
        if (strcmp(json_text(item, "type"), "Ready") == 0) {
            return item;
        }
    }
    return NULL;
}

bool
ready_is_trouble(const struct ready *ready)
{
    return ready->truth == TRUTH_FALSE &&
           strcmp(json_text(ready_before(ready), "reason"), ready->reason) != 0;
}

cJSON *
ready_render(const struct ready *ready, const char *now)
{
    static const char *const truths[] = { "Unknown", "True", "False" };
    const cJSON *before = ready_before(ready);
    const char *since = json_text(before, "lastTransitionTime");
    bool is_same = strcmp(json_text(before, "status"), truths[ready->truth]) == 0;
    cJSON *object = cJSON_CreateObject();
    json_set(object, "apiVersion", ready->kind->version);
    json_set(object, "kind", ready->kind->kind);
    json_set(json_object(object, "metadata"), "name", ready->meta->name);
    json_set(json_object(object, "metadata"), "uid", ready->meta->uid); /* T4 */
    cJSON *json = json_object(object, "status");
    json_set_int(json, "observedGeneration", ready->meta->generation);
    cJSON *item = json_push(json_array(json, "conditions"));
    json_set(item, "type", "Ready");
    json_set(item, "status", truths[ready->truth]);
    json_set_int(item, "observedGeneration", ready->meta->generation);
    json_set(item, "lastTransitionTime", is_same && *since ? since : now);
    json_set(item, "reason", ready->reason);
    json_set(item, "message", ready->message);
    return object;
}
