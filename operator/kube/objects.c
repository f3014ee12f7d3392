/* The verbs: get, create, apply, replace, merge, delete. */
#include "base/check.h"
#include "base/fault.h"
#include "base/strbuf.h"
#include "kube/client.h"

#include <errno.h>

#define PATH_MAX_SIZE 4096

struct place {
    const struct kube_kind *kind;
    const char *namespace;
    const char *name;
    const char *sub;
};

static int
call_at(struct kube *kube, const struct place *place, struct kube_call *call, const char *query,
        cJSON **ret_json)
{
    struct strbuf path;
    strbuf_init(&path, PATH_MAX_SIZE);
    kube_path(&path, place->kind, place->namespace, place->name, place->sub);
    strbuf_append_string(&path, query);
    call->path = strbuf_cstring(&path);
    int r = path.error ? fault(-EINVAL, "kube: a path that is too long")
                       : kube_call(kube, call, ret_json);
    strbuf_done(&path);
    return r;
}

int
kube_get(struct kube *kube, const struct kube_kind *kind, const char *namespace, const char *name,
        cJSON **ret_json)
{
    struct kube_call call = { .method = "GET" };
    return call_at(kube, &(struct place){ kind, namespace, name, NULL }, &call, "", ret_json);
}

int
kube_create(struct kube *kube, const struct kube_kind *kind, const char *namespace,
        const cJSON *object, cJSON **ret_json)
{
    struct kube_call call = { "POST", NULL, "application/json", object };
    return call_at(kube, &(struct place){ kind, namespace, NULL, NULL }, &call,
            "?fieldManager=" KUBE_FIELD_MANAGER "&fieldValidation=Strict", ret_json);
}

int
kube_try(
        struct kube *kube, const struct kube_kind *kind, const char *namespace, const cJSON *object)
{
    struct kube_call call = { "POST", NULL, "application/json", object };
    return call_at(kube, &(struct place){ kind, namespace, NULL, NULL }, &call,
            "?dryRun=All&fieldManager=" KUBE_FIELD_MANAGER "&fieldValidation=Strict", NULL);
}

int
kube_apply(struct kube *kube, const struct kube_kind *kind, const char *namespace, const char *sub,
        const cJSON *object, cJSON **ret_json)
{
    const char *name = json_text(object, "metadata/name");
    CHECK(*name);
    struct kube_call call = { "PATCH", NULL, "application/apply-patch+yaml", object };
    return call_at(kube, &(struct place){ kind, namespace, name, sub }, &call,
            "?fieldManager=" KUBE_FIELD_MANAGER "&force=true&fieldValidation=Strict", ret_json);
}

int
kube_replace(struct kube *kube, const struct kube_kind *kind, const char *namespace,
        const cJSON *object, cJSON **ret_json)
{
    const char *name = json_text(object, "metadata/name");
    CHECK(*name && *json_text(object, "metadata/resourceVersion"));
    struct kube_call call = { "PUT", NULL, "application/json", object };
    return call_at(kube, &(struct place){ kind, namespace, name, NULL }, &call,
            "?fieldManager=" KUBE_FIELD_MANAGER, ret_json);
}

int
kube_merge(struct kube *kube, const struct kube_kind *kind, const char *namespace, const char *name,
        const cJSON *patch, cJSON **ret_json)
{
    struct kube_call call = { "PATCH", NULL, "application/merge-patch+json", patch };
    return call_at(kube, &(struct place){ kind, namespace, name, NULL }, &call,
            "?fieldManager=" KUBE_FIELD_MANAGER "&fieldValidation=Strict", ret_json);
}

int
kube_delete(struct kube *kube, const struct kube_kind *kind, const char *namespace,
        const char *name, const struct kube_delete *options)
{
    CHECK(*options->uid);
    CLEANUP(json_freep) cJSON *body = cJSON_CreateObject();
    json_set(body, "kind", "DeleteOptions");
    json_set(body, "apiVersion", "v1");
    json_set(body, "propagationPolicy", "Background");
    json_set(json_object(body, "preconditions"), "uid", options->uid);
    if (options->resource_version) {
        json_set(json_object(body, "preconditions"), "resourceVersion", options->resource_version);
    }
    if (options->grace_s >= 0) {
        json_set_int(body, "gracePeriodSeconds", options->grace_s);
    }
    struct kube_call call = { "DELETE", NULL, "application/json", body };
    int r = call_at(kube, &(struct place){ kind, namespace, name, NULL }, &call, "", NULL);
    if (r == -ENOENT || (r == -ESTALE && !options->resource_version)) {
        fault_clear();
        return 0;
    }
    return r;
}
