/* metadata of objects. */
#include "resource/meta.h"

#include "base/fault.h"
#include "base/mem.h"
#include "resource/names.h"

#include <errno.h>

static const char *
controller_uid(const cJSON *object)
{
    const cJSON *owner;
    cJSON_ArrayForEach(owner, json_at(object, "metadata/ownerReferences"))
    {
        if (json_bool(owner, "controller", false)) {
            return json_text(owner, "uid");
        }
    }
    return "";
}

int
meta_parse(const cJSON *object, struct meta *ret_meta)
{
    const char *name = json_text(object, "metadata/name");
    const char *uid = json_text(object, "metadata/uid");
    if (!*name || !*uid) {
        return fault(-EBADMSG, "an object of kind \"%s\" without a name or uid",
                json_text(object, "kind"));
    }
    *ret_meta = (struct meta){
        .namespace = mem_strdup(json_text(object, "metadata/namespace")),
        .name = mem_strdup(name),
        .uid = mem_strdup(uid),
        .version = mem_strdup(json_text(object, "metadata/resourceVersion")),
        .owner_uid = mem_strdup(controller_uid(object)),
        .cluster = mem_strdup(json_member(object, "metadata/labels", LABEL_CLUSTER)),
        .generation = json_int(object, "metadata/generation", 0),
        .is_deleting = *json_text(object, "metadata/deletionTimestamp") != 0,
    };
    return 0;
}

void
meta_done(struct meta *meta)
{
    mem_free(meta->namespace);
    mem_free(meta->name);
    mem_free(meta->uid);
    mem_free(meta->version);
    mem_free(meta->owner_uid);
    mem_free(meta->cluster);
    *meta = (struct meta){ 0 };
}

void
meta_dup(const struct meta *meta, struct meta *ret_copy)
{
    *ret_copy = *meta;
    ret_copy->namespace = mem_strdup(meta->namespace);
    ret_copy->name = mem_strdup(meta->name);
    ret_copy->uid = mem_strdup(meta->uid);
    ret_copy->version = mem_strdup(meta->version);
    ret_copy->owner_uid = mem_strdup(meta->owner_uid);
    ret_copy->cluster = mem_strdup(meta->cluster);
}

int
version_compare(const char *a, const char *b)
{
    size_t a_size = strlen(a);
    size_t b_size = strlen(b);
    if (!a_size || !b_size || strspn(a, "0123456789") != a_size ||
            strspn(b, "0123456789") != b_size) {
        return 0;
    }
    if (a_size != b_size) {
        return a_size < b_size ? -1 : 1;
    }
    return strcmp(a, b);
}
