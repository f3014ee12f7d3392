/* P10: the objects of a cluster that is deleted with deletionPolicy.objects: Delete. */
#include "plan/plan_internal.h"
#include "resource/names.h"

#include <stdio.h>

#define LOOK_AGAIN_MS 1000
#define TELL_MS_MAX 30000

/* The first that was told stays: what is in the bucket is removed by that name only (P10). */
void
cluster_id_make(struct planner *planner)
{
    struct status *status = &planner->plan->status;
    const char *known = planner->in->cluster->cluster_id;
    for (size_t i = 0; i < planner->count && !*known; i++) {
        const struct broker *broker = member_broker(planner, &planner->members[i]);
        known = broker && !planner->members[i].is_foreign ? broker->cluster_id : "";
    }
    snprintf(status->cluster_id, sizeof status->cluster_id, "%.31s", known);
}

bool
cluster_is_purged(const struct planner *planner)
{
    return planner->in->cluster->meta.is_deleting && planner->in->cluster->deletes_objects &&
           !planner->in->rival;
}

static const struct plan_pod *
purge_find(const struct planner *planner)
{
    for (size_t i = 0; i < planner->in->pod_count; i++) {
        const struct plan_pod *pod = &planner->in->pods[i];
        if (pod->pod->id < 0 && strcmp(pod->pod->role, ROLE_PURGE) == 0) {
            return pod;
        }
    }
    return NULL;
}

const struct pod *
purge_pod(const struct planner *planner)
{
    const struct plan_pod *found = purge_find(planner);
    return found ? found->pod : NULL;
}

static void
purge_create(struct planner *planner)
{
    char name[OBJECT_NAME_SIZE];
    struct action *action = plan_action(planner, ACTION_CREATE_POD, -1);
    snprintf(name, sizeof name, "%s-purge", planner->in->cluster->meta.name);
    action_set(&action->name, name);
    action->object = object_purge(planner, name);
    action_event(action, "PurgeStarted", "Delete", "all objects of cluster %s in bucket %s",
            planner->in->cluster->cluster_id, planner->in->cluster->bucket);
    action->is_warning = true;
}

static void
purge_stop(struct planner *planner, const struct pod *pod)
{
    if (!pod->meta.is_deleting) {
        struct action *action = plan_action(planner, ACTION_DELETE_POD, -1);
        action_set(&action->name, pod->meta.name);
        action_set(&action->uid, pod->meta.uid);
    }
}

bool
purge_plan(struct planner *planner)
{
    const struct pod *pod = purge_pod(planner);
    bool is_wished = cluster_is_purged(planner) && *planner->in->cluster->cluster_id;
    if (!is_wished && !pod) {
        return true;
    }
    if (is_wished && pod && pod->phase == POD_SUCCEEDED) {
        return true;
    }
    plan_again(planner, LOOK_AGAIN_MS);
    if (!pod) {
        purge_create(planner);
    } else if (!is_wished || pod->phase == POD_FAILED) {
        purge_stop(planner, pod);
    }
    return false;
}

/* Ready for a moment only, and not heard yet. */
static bool
is_about_to_tell(const struct planner *planner, const struct member *member)
{
    return member->state == MEMBER_READY && !member->is_foreign &&
           !member_broker(planner, member) &&
           planner->in->now_ms - member->pod->since_ms < TELL_MS_MAX;
}

bool
purge_waits_for_id(struct planner *planner)
{
    if (!cluster_is_purged(planner) || *planner->in->cluster->cluster_id) {
        return false;
    }
    bool waits = *planner->plan->status.cluster_id;
    for (size_t i = 0; i < planner->count; i++) {
        waits = waits || is_about_to_tell(planner, &planner->members[i]);
    }
    if (waits) {
        plan_again(planner, LOOK_AGAIN_MS);
    }
    return waits;
}
