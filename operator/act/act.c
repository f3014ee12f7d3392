/* One action after the other. */
#include "act/act.h"

#include "act/act_internal.h"
#include "act/quota.h"
#include "act/topics.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "resource/names.h"

#include <errno.h>
#include <stdio.h>

/* metadata of a merge patch that is refused unless the object is as it was seen. */
static cJSON *
guarded_patch(const struct action *action)
{
    cJSON *patch = cJSON_CreateObject();
    cJSON *meta = json_object(patch, "metadata");
    if (*action->uid) {
        json_set(meta, "uid", action->uid);
    }
    if (*action->version) {
        json_set(meta, "resourceVersion", action->version);
    }
    return patch;
}

/* What the claims of that action are. */
static const struct kube_kind *
claim_kind(const struct action *action)
{
    return action->is_ledger ? &KUBE_CONFIG_MAPS : &KUBE_CLAIMS;
}

static struct table *
claim_table(struct act *act, const struct action *action)
{
    return action->is_ledger ? &act->cache->ledgers : &act->cache->claims;
}

static int
claim_patch(struct act *act, const struct act_for *cluster, struct action *action)
{
    CLEANUP(json_freep) cJSON *patch = guarded_patch(action);
    CLEANUP(json_freep) cJSON *answer = NULL;
    if (action->kind == ACTION_GROW_CLAIM) {
        cJSON *requests =
                json_object(json_object(json_object(patch, "spec"), "resources"), "requests");
        json_set(requests, "storage", action->text);
    } else {
        cJSON *annotations = json_object(json_object(patch, "metadata"), "annotations");
        char epoch[24];
        snprintf(epoch, sizeof epoch, "%lld", (long long)action->epoch);
        cJSON_AddItemToObject(annotations, ANNOTATION_STATE,
                action->state == CLAIM_ACTIVE
                        ? cJSON_CreateNull()
                        : cJSON_CreateString(claim_state_name(action->state)));
        cJSON_AddItemToObject(annotations, ANNOTATION_EPOCH,
                action->epoch < 0 ? cJSON_CreateNull() : cJSON_CreateString(epoch));
    }
    int r = kube_merge(
            act->kube, claim_kind(action), cluster->namespace, action->name, patch, &answer);
    if (r == 0) {
        table_upsert(claim_table(act, action), answer);
    }
    return r;
}

static int
pod_label(struct act *act, const struct act_for *cluster, struct action *action)
{
    CLEANUP(json_freep) cJSON *patch = guarded_patch(action);
    CLEANUP(json_freep) cJSON *answer = NULL;
    json_set(json_object(json_object(patch, "metadata"), "labels"), LABEL_ROLE, action->text);
    int r = kube_merge(act->kube, &KUBE_PODS, cluster->namespace, action->name, patch, &answer);
    if (r == 0) {
        table_upsert(&act->cache->pods, answer);
    }
    return r;
}

/* What is there under the name of a pod or claim that was to be made: ours by its labels, and a pod
 * by its owner too. */
static bool
is_of_cluster(const cJSON *object, const struct kube_kind *kind, const struct act_for *cluster)
{
    struct meta meta;
    const char *manager = json_member(object, "metadata/labels", LABEL_MANAGED_BY);
    if (meta_parse(object, &meta) < 0) {
        fault_clear();
        return false;
    }
    bool is_ours = strcmp(manager, MANAGED_BY) == 0 && strcmp(meta.cluster, cluster->name) == 0 &&
                   (kind != &KUBE_PODS || strcmp(meta.owner_uid, cluster->uid) == 0);
    meta_done(&meta);
    return is_ours;
}

/* The name is taken: by what we made ourselves when the answer got lost, and nobody is told of a
 * conflict; by what is just going; or by somebody else's (A2). */
static int
taken(struct act *act, const struct act_for *cluster, const struct action *action,
        const struct kube_kind *kind, struct table *table)
{
    CLEANUP(json_freep) cJSON *there = NULL;
    int r = kube_get(act->kube, kind, cluster->namespace, action->name, &there);
    if (r == -ENOENT || (r == 0 && *json_text(there, "metadata/deletionTimestamp"))) {
        return fault(-ESTALE, "%s %s is just going", kind->kind, action->name);
    }
    if (r < 0) {
        return r;
    }
    if (is_of_cluster(there, kind, cluster)) {
        table_upsert(table, there);
        return fault(-ESTALE, "%s %s is there already", kind->kind, action->name);
    }
    return fault(-EEXIST,
            "%s %s/%s exists and does not belong to this cluster; remove or rename it", kind->kind,
            cluster->namespace, action->name);
}

static int
create(struct act *act, const struct act_for *cluster, struct action *action,
        const struct kube_kind *kind, struct table *table)
{
    CLEANUP(json_freep) cJSON *answer = NULL;
    int r = kube_create(act->kube, kind, cluster->namespace, action->object, &answer);
    if (r == 0) {
        table_upsert(table, answer);
    }
    return r == -EEXIST ? taken(act, cluster, action, kind, table) : r;
}

/* Afterwards the cache shows the object as it is now: going, or gone. */
static int
delete_and_look(struct act *act, const struct act_for *cluster, const struct action *action,
        const struct kube_kind *kind, struct table *table)
{
    struct kube_delete options = { .uid = action->uid, .grace_s = -1 };
    options.resource_version = *action->version ? action->version : NULL;
    int r = kube_delete(act->kube, kind, cluster->namespace, action->name, &options);
    if (r < 0) {
        return r;
    }
    CLEANUP(json_freep) cJSON *left = NULL;
    r = kube_get(act->kube, kind, cluster->namespace, action->name, &left);
    if (r == 0) {
        table_upsert(table, left);
    } else if (r == -ENOENT) {
        fault_clear();
        table_forget(table, cluster->namespace, action->name, action->uid);
        r = 0;
    }
    return r;
}

static int
finalizer(struct act *act, const struct act_for *cluster, const struct action *action)
{
    CLEANUP(json_freep) cJSON *there = NULL;
    CLEANUP(json_freep) cJSON *answer = NULL;
    int r = kube_get(act->kube, &KUBE_CLUSTERS, cluster->namespace, cluster->name, &there);
    if (r < 0) {
        return r;
    }
    if (strcmp(json_text(there, "metadata/uid"), cluster->uid) != 0) {
        return fault(-ESTALE, "the cluster is another one by now");
    }
    cJSON *list = json_array(json_object(there, "metadata"), "finalizers");
    for (int i = cJSON_GetArraySize(list) - 1; i >= 0; i--) {
        const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(list, i));
        if (name && strcmp(name, FINALIZER) == 0) {
            cJSON_DeleteItemFromArray(list, i);
        }
    }
    if (action->kind == ACTION_ADD_FINALIZER) {
        json_push_text(list, FINALIZER);
    }
    r = kube_replace(act->kube, &KUBE_CLUSTERS, cluster->namespace, there, &answer);
    if (r == 0 && action->kind == ACTION_ADD_FINALIZER) {
        table_upsert(&act->cache->clusters, answer);
    }
    return r;
}

/* Whether the end of the pod that is there makes the room that the quota lacks. */
static int
try_quota(struct act *act, const struct act_for *cluster, const struct action *action)
{
    CLEANUP(json_freep) cJSON *there = NULL;
    CLEANUP(mem_freep) char *refusal = mem_strdup(fault_text());
    fault_clear();
    int r = kube_get(act->kube, &KUBE_PODS, cluster->namespace, action->name, &there);
    if (r < 0) {
        return r;
    }
    return quota_has_room_without(refusal, there) ? 0 : fault(-EDQUOT, "%s", refusal);
}

/* A pod that is there is in the way of its name, and of a quota. */
static int
try_pod(struct act *act, const struct act_for *cluster, const struct action *action)
{
    int r = kube_try(act->kube, &KUBE_PODS, cluster->namespace, action->object);
    if (r == -EEXIST) {
        fault_clear();
        return 0;
    }
    return r == -EDQUOT ? try_quota(act, cluster, action) : r;
}

static int
act_one(struct act *act, const struct act_for *cluster, struct action *action)
{
    struct cache *cache = act->cache;
    switch (action->kind) {
    case ACTION_APPLY:
        return act_apply(act, cluster, action);
    case ACTION_SEEK_CHILD:
        return act_seek(act, cluster, action);
    case ACTION_CREATE_CLAIM:
        return create(act, cluster, action, claim_kind(action), claim_table(act, action));
    case ACTION_CREATE_POD:
        return create(act, cluster, action, &KUBE_PODS, &cache->pods);
    case ACTION_TRY_POD:
        return try_pod(act, cluster, action);
    case ACTION_DELETE_POD:
        return delete_and_look(act, cluster, action, &KUBE_PODS, &cache->pods);
    case ACTION_DELETE_CLAIM:
        return delete_and_look(act, cluster, action, claim_kind(action), claim_table(act, action));
    case ACTION_DELETE_CHILD:
        act_applied_drop(act, cluster, action);
        return delete_and_look(
                act, cluster, action, child_kinds[action->child], &cache->children[action->child]);
    case ACTION_MARK_CLAIM:
    case ACTION_GROW_CLAIM:
        return claim_patch(act, cluster, action);
    case ACTION_LABEL_POD:
        return pod_label(act, cluster, action);
    case ACTION_DRAIN:
    case ACTION_UNDRAIN:
    case ACTION_UNREGISTER:
    case ACTION_FORGET:
        return act_broker(act, cluster, action);
    case ACTION_SETTINGS:
        return act_settings(act, action->ip, action->object);
    case ACTION_ADD_FINALIZER:
    case ACTION_REMOVE_FINALIZER:
        return finalizer(act, cluster, action);
    }
    UNREACHABLE();
}

static void
tell(struct act *act, const struct act_for *cluster, const struct action *action)
{
    struct event event = {
        .regarding = { &KUBE_CLUSTERS, cluster->namespace, cluster->name, cluster->uid },
        .is_warning = action->is_warning,
        .reason = action->event_reason,
        .action = action->event_action,
        .note = action->event_note,
    };
    if (action->event_reason) {
        events_tell(act->events, &event);
    }
}

/* A4 */
struct refusals {
    int error; /* the first; 0: none */
    char *text;
    bool is_child_refused;
    bool is_last_done;
};

static bool
is_refusal(int error)
{
    return error == -EEXIST || error == -EINVAL || error == -EACCES || error == -EDQUOT;
}

static void
refusals_add(struct refusals *refusals, const struct action *action, int error)
{
    if (!refusals->error) {
        refusals->error = error;
        refusals->text = mem_strdup(log_fault_text(error));
    }
    bool is_needed = action->kind == ACTION_APPLY && action->child != CHILD_MONITOR;
    refusals->is_child_refused = refusals->is_child_refused || is_needed;
    fault_clear();
}

static bool
is_held_up(const struct refusals *refusals, const struct action *action)
{
    return (action->needs_children && refusals->is_child_refused) ||
           (action->needs_last && !refusals->is_last_done);
}

static void
note_done(struct act *act, const struct act_for *cluster, const struct action *action)
{
    bool is_quiet = action->kind == ACTION_APPLY || action->kind == ACTION_SEEK_CHILD ||
                    action->kind == ACTION_TRY_POD;
    if (!is_quiet) {
        LOG_INFO("done", LOG_STR("cluster", cluster->name),
                LOG_STR("namespace", cluster->namespace),
                LOG_STR("action", action_name(action->kind)), LOG_STR("name", action->name),
                LOG_INT("broker", action->id));
    }
    tell(act, cluster, action);
}

/* Negative: the pass ends here. */
static int
step(struct act *act, const struct act_for *cluster, struct action *action,
        struct refusals *refusals)
{
    if (is_held_up(refusals, action)) {
        refusals->is_last_done = false;
        return 0;
    }
    int r = act_one(act, cluster, action);
    action->is_done = r == 0;
    refusals->is_last_done = r == 0;
    if (r == 0) {
        note_done(act, cluster, action);
        return 0;
    }
    if (action->kind == ACTION_SETTINGS || action->kind == ACTION_FORGET) {
        action->failure = r;
        action->failure_text = mem_strdup(log_fault_text(r));
        return 0;
    }
    r = fault_note(r, "%s %s", action_name(action->kind), action->name);
    if (action->is_base || !is_refusal(r)) {
        return r;
    }
    refusals_add(refusals, action, r);
    return 0;
}

int
act_run(struct act *act, const struct cluster *cluster, struct list *actions)
{
    struct act_for copy;
    struct refusals refusals = { .is_last_done = true };
    snprintf(copy.namespace, sizeof copy.namespace, "%s", cluster->meta.namespace);
    snprintf(copy.name, sizeof copy.name, "%s", cluster->meta.name);
    snprintf(copy.uid, sizeof copy.uid, "%s", cluster->meta.uid);
    int r = 0;
    LIST_FOREACH (node, actions) {
        r = step(act, &copy, CONTAINER_OF(node, struct action, node), &refusals);
        if (r < 0) {
            break;
        }
    }
    if (r == 0 && refusals.error) {
        fault_clear();
        r = fault_note(refusals.error, "%s", refusals.text);
    }
    mem_free(refusals.text);
    return r;
}
