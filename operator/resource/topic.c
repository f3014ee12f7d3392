/* FreshetTopic, FreshetUser and a broker's TOPIC from JSON. */
#include "resource/topic.h"

#include "base/fault.h"
#include "base/mem.h"
#include "resource/names.h"

#include <errno.h>
#include <stdio.h>

static cJSON *
conditions_of(const cJSON *object)
{
    const cJSON *conditions = json_at(object, "status/conditions");
    return cJSON_IsArray(conditions) ? cJSON_Duplicate(conditions, true) : NULL;
}

static bool
names_finalizer(const cJSON *object)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_at(object, "metadata/finalizers"))
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, FINALIZER_TOPIC) == 0) {
            return true;
        }
    }
    return false;
}

/* What lies in the spec and the metadata. */
static void
texts_borrow(struct topic *topic)
{
    const char *name = json_text(topic->spec, "topicName");
    topic->cluster = json_text(topic->spec, "clusterRef/name");
    topic->name = *name ? name : topic->meta.name;
    topic->config = json_at(topic->spec, "config");
}

static int
spec_parse(const cJSON *object, struct topic *topic)
{
    const cJSON *spec = topic->spec;
    int64_t partitions = json_int(spec, "partitions", 1);
    texts_borrow(topic);
    topic->adopts = json_bool(spec, "adopt", false);
    topic->deletes = strcmp(json_text(spec, "deletionPolicy"), "Delete") == 0;
    topic->is_paused =
            strcmp(json_member(object, "metadata/annotations", ANNOTATION_PAUSED), "true") == 0;
    snprintf(topic->id, sizeof topic->id, "%s", json_text(object, "status/topicId"));
    snprintf(topic->pending, sizeof topic->pending, "%s",
            json_text(object, "status/pendingTopicId"));
    topic->partitions_told = (int)json_int(object, "status/partitions", 0);
    if (!*topic->cluster) {
        return fault(-EBADMSG, "spec.clusterRef.name is missing");
    }
    if (partitions < 1 || partitions > TOPIC_PARTITIONS_MAX) {
        return fault(-EBADMSG, "spec.partitions is not 1 to %d", TOPIC_PARTITIONS_MAX);
    }
    topic->partitions = (int)partitions;
    return 0;
}

int
topic_parse(const cJSON *object, struct topic **ret_topic)
{
    struct topic *topic = mem_alloc(sizeof *topic);
    const cJSON *spec = json_at(object, "spec");
    int r = meta_parse(object, &topic->meta);
    topic->spec = cJSON_IsObject(spec) ? cJSON_Duplicate(spec, true) : cJSON_CreateObject();
    topic->conditions = conditions_of(object);
    topic->created = mem_strdup(json_text(object, "metadata/creationTimestamp"));
    topic->has_finalizer = names_finalizer(object);
    r = r < 0 ? r : spec_parse(object, topic);
    if (r < 0) {
        topic_free(topic);
        return r;
    }
    *ret_topic = topic;
    return 0;
}

void
topic_free(struct topic *topic)
{
    if (topic) {
        meta_done(&topic->meta);
        cJSON_Delete(topic->spec);
        cJSON_Delete(topic->conditions);
        mem_free(topic->created);
        mem_free(topic);
    }
}

struct topic *
topic_dup(const struct topic *topic)
{
    struct topic *copy = mem_dup(topic, sizeof *topic);
    meta_dup(&topic->meta, &copy->meta);
    copy->spec = cJSON_Duplicate(topic->spec, true);
    copy->conditions = topic->conditions ? cJSON_Duplicate(topic->conditions, true) : NULL;
    copy->created = mem_strdup(topic->created);
    texts_borrow(copy);
    return copy;
}

int
topic_told_parse(const cJSON *object, struct topic_told *ret_told)
{
    const char *id = json_text(object, "id");
    int64_t partitions = json_int(object, "partitions", -1);
    const cJSON *config = json_at(object, "config");
    if (!*id || strlen(id) >= UUID_TEXT_SIZE || partitions < 1 || partitions > INT32_MAX) {
        return fault(-EBADMSG, "a topic without an id or partitions");
    }
    *ret_told = (struct topic_told){ .exists = true, .partitions = (int)partitions };
    snprintf(ret_told->id, sizeof ret_told->id, "%s", id);
    ret_told->config =
            cJSON_IsObject(config) ? cJSON_Duplicate(config, true) : cJSON_CreateObject();
    return 0;
}

void
topic_told_done(struct topic_told *told)
{
    cJSON_Delete(told->config);
    *told = (struct topic_told){ 0 };
}

bool
topic_config_is(const struct topic *topic, const struct topic_told *told)
{
    const cJSON *item;
    if (cJSON_GetArraySize(topic->config) != cJSON_GetArraySize(told->config)) {
        return false;
    }
    cJSON_ArrayForEach(item, topic->config)
    {
        const cJSON *there = cJSON_GetObjectItemCaseSensitive(told->config, item->string);
        char number[JSON_SCALAR_SIZE];
        /* Numbers in the resource are what the same digits as text are. */
        if (!cJSON_IsString(there) || strcmp(json_scalar(item, number), there->valuestring) != 0) {
            return false;
        }
    }
    return true;
}

int
user_parse(const cJSON *object, struct user **ret_user)
{
    struct user *user = mem_alloc(sizeof *user);
    int r = meta_parse(object, &user->meta);
    if (r < 0) {
        mem_free(user);
        return r;
    }
    user->conditions = conditions_of(object);
    *ret_user = user;
    return 0;
}

void
user_free(struct user *user)
{
    if (user) {
        meta_done(&user->meta);
        cJSON_Delete(user->conditions);
        mem_free(user);
    }
}
