/* The column of the plan. */
#include "plan/plan.h"

#include "base/mem.h"
#include "plan/plan_internal.h"
#include "resource/names.h"

#include <stdio.h>

#define RIVAL_AGAIN_MS 5000

struct action *
plan_action(struct planner *planner, enum action_kind kind, int id)
{
    struct action *action = action_new(kind, id);
    action->is_ledger = !planner->in->cluster->wal_is_volume;
    list_push_back(&planner->plan->actions, &action->node);
    return action;
}

void
plan_again(struct planner *planner, int64_t after_ms)
{
    int64_t *again_ms = &planner->plan->again_ms;
    *again_ms = *again_ms < 0 ? after_ms : MIN(*again_ms, after_ms);
}

struct action *
plan_delete_pod(
        struct planner *planner, const struct member *member, const char *reason, const char *why)
{
    struct action *action = plan_action(planner, ACTION_DELETE_POD, member->id);
    action_set(&action->name, member->pod->pod->meta.name);
    action_set(&action->uid, member->pod->pod->meta.uid);
    action_event(action, reason, "Delete", "broker %d: %s", member->id, why);
    return action;
}

struct action *
plan_create_pod(struct planner *planner, int id, const char *zone, const char *why)
{
    char name[OBJECT_NAME_SIZE];
    struct action *action = plan_action(planner, ACTION_CREATE_POD, id);
    action_set(&action->name, pod_name(planner, id, name));
    action->object = object_pod(planner, id, zone);
    action_event(action, "BrokerCreated", "Create", "broker %d: %s", id, why);
    return action;
}

struct action *
plan_create_claim(struct planner *planner, int id, const char *zone)
{
    char name[OBJECT_NAME_SIZE];
    struct action *action = plan_action(planner, ACTION_CREATE_CLAIM, id);
    action_set(&action->name, claim_name(planner, id, name));
    action->object = object_claim(planner, id, zone);
    return action;
}

void
plan_mark(
        struct planner *planner, const struct member *member, enum claim_state state, int64_t epoch)
{
    const struct meta *meta = &member->claim->claim->meta;
    struct action *action = plan_action(planner, ACTION_MARK_CLAIM, member->id);
    action_set(&action->name, meta->name);
    action_set(&action->uid, meta->uid);
    action_set(&action->version, meta->version);
    action->state = state;
    action->epoch = epoch;
}

#define CLAIM_MISSED_MS 30000 /* a claim is seen a moment after its pod */

/* A pod whose claim somebody removed before any node took it: it never starts, and hides from
 * ghosts_plan (P9) that the broker has no volume any more. */
static bool
waits_for_nothing(const struct planner *planner, const struct member *member)
{
    return planner->in->cluster->wal_is_volume && member->pod && !member->claim &&
           !*member->pod->pod->node && !member->pod->pod->meta.is_deleting &&
           planner->in->now_ms - member->pod->since_ms >= CLAIM_MISSED_MS;
}

static bool
claim_is_as_wished(const struct cluster *cluster, const struct claim *claim)
{
    bool is_exclusive = strcmp(cluster->wal_access_mode, "ReadWriteOncePod") == 0;
    bool has_zone = !*claim->zone && cluster->zone_count == 0;
    for (size_t i = 0; i < cluster->zone_count; i++) {
        has_zone = has_zone || strcmp(cluster->zones[i], claim->zone) == 0;
    }
    return claim->is_exclusive == is_exclusive && has_zone &&
           quantity_bytes(claim->size) >= quantity_bytes(cluster->wal_size);
}

/* P12: a claim that was never bound and isn't as wished now; false: nothing. */
static bool
remake_plan(struct planner *planner, const struct member *member)
{
    const struct cluster *cluster = planner->in->cluster;
    const struct claim *claim = member->claim ? member->claim->claim : NULL;
    bool is_waiting = member->pod && !*member->pod->pod->node && member->state != MEMBER_ENDING;
    bool is_other = claim && !claim->has_volume && !claim_is_as_wished(cluster, claim);
    if (!is_other || claim->meta.is_deleting || !member_never_began(planner, member)) {
        return false;
    }
    if (is_waiting) {
        struct action *action = plan_delete_pod(planner, member, "BrokerRestarted",
                "its volume claim is made anew, as it is wished now");
        action_set(&action->version, member->pod->pod->meta.version); /* a node may have it */
    } else if (!member->pod) {
        struct action *action = plan_action(planner, ACTION_DELETE_CLAIM, member->id);
        action_set(&action->name, claim->meta.name);
        action_set(&action->uid, claim->meta.uid);
        action_set(&action->version, claim->meta.version);
        action_event(action, "PvcDeleted", "Delete", "broker %d: never bound", member->id);
    }
    return true;
}

/* Pods that ended, and claims without a pod (P3). */
static void
repair_plan(struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        bool is_going = member->ledger == CLAIM_DRAINING && member_never_began(planner, member);
        bool needs_pod =
                member->state == MEMBER_MISSING && member->ledger != CLAIM_EMPTY && !is_going;
        if (member->is_foreign || loss_plan(planner, member) || remake_plan(planner, member)) {
            continue;
        }
        if (member->pod && !member->claim && !planner->in->cluster->wal_is_volume &&
                !member->pod->pod->meta.is_deleting) {
            plan_create_claim(planner, member->id, member->zone); /* somebody removed it */
        }
        if (waits_for_nothing(planner, member)) {
            plan_delete_pod(planner, member, "BrokerRemoved", "its volume claim is gone");
        } else if (member->state == MEMBER_ENDED) {
            plan_delete_pod(planner, member, "BrokerRestarted", "its pod has ended");
        } else if (needs_pod && !member->claim->claim->meta.is_deleting &&
                   !member->claim->claim->is_lost) {
            plan_create_pod(planner, member->id, member->zone, "it had no pod");
        }
    }
}

/* The wish is zero: pods end by SIGTERM, which uploads what is in their logs; volumes stay as they
 * are. */
static void
hibernate_plan(struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        if (member->pod && member->state != MEMBER_ENDING && member->state != MEMBER_LOST) {
            plan_delete_pod(planner, member, "BrokerStopped", "replicas is 0");
        }
    }
}

static void
claims_delete(struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct plan_claim *claim = planner->members[i].claim;
        if (claim && !claim->claim->meta.is_deleting && !planner->members[i].is_foreign) {
            struct action *action = plan_action(planner, ACTION_DELETE_CLAIM, claim->claim->id);
            action_set(&action->name, claim->claim->meta.name);
            action_set(&action->uid, claim->claim->meta.uid);
            action->is_base = true; /* A4: our finalizer goes after all of them */
        }
    }
}

/* The resource is being deleted: pods, then volumes if that is wished, then our finalizer. */
static void
teardown_plan(struct planner *planner)
{
    const struct cluster *cluster = planner->in->cluster;
    if (!cluster->has_finalizer) {
        return;
    }
    if (purge_waits_for_id(planner)) {
        return;
    }
    hibernate_plan(planner);
    for (size_t i = 0; i < planner->count; i++) {
        if (planner->members[i].pod) {
            return;
        }
    }
    if (!purge_plan(planner)) {
        return;
    }
    /* Without volumes nothing is lost with the ledger. */
    if (cluster->deletes_volumes || !cluster->wal_is_volume) {
        claims_delete(planner);
    }
    struct action *action = plan_action(planner, ACTION_REMOVE_FINALIZER, -1);
    if (cluster->deletes_objects && !*cluster->cluster_id) {
        action_event(action, "ObjectsRetained", "Delete",
                "no broker ever told the id of the cluster: whose the objects in the bucket are "
                "cannot be proven, and they stay");
        action->is_warning = true;
    }
}

/* Volumes grow before anything else; a class that cannot grow them says so in the action's error.
 * */
static void
volumes_grow(struct planner *planner)
{
    int64_t size = quantity_bytes(planner->in->cluster->wal_size);
    if (!planner->in->cluster->wal_is_volume) {
        return;
    }
    for (size_t i = 0; i < planner->count; i++) {
        const struct plan_claim *claim = planner->members[i].claim;
        if (claim && claim->claim->is_bound && !planner->members[i].is_foreign &&
                quantity_bytes(claim->claim->size) < size) {
            struct action *action = plan_action(planner, ACTION_GROW_CLAIM, claim->claim->id);
            action_set(&action->name, claim->claim->meta.name);
            action_set(&action->uid, claim->claim->meta.uid);
            action_set(&action->text, planner->in->cluster->wal_size);
        }
    }
}

static void
cluster_plan(struct planner *planner)
{
    const struct cluster *cluster = planner->in->cluster;
    if (cluster->is_paused) {
        return;
    }
    if (cluster->meta.is_deleting) {
        teardown_plan(planner);
        return;
    }
    if (planner->in->rival) {
        plan_again(planner, RIVAL_AGAIN_MS);
        return; /* P13 */
    }
    if (cluster->listener_count == 0) {
        return; /* N1 */
    }
    if (!cluster->has_finalizer) {
        plan_action(planner, ACTION_ADD_FINALIZER, -1);
    }
    children_plan(planner);
    if (cluster->replicas == 0) {
        hibernate_plan(planner);
        return;
    }
    repair_plan(planner);
    planner->wished = brokers_wished(planner);
    scale_plan(planner);
    drains_plan(planner);
    rollout_plan(planner);
    volumes_grow(planner);
    settings_plan(planner);
    ghosts_plan(planner);
    retirements_plan(
            planner); /* last: a broker that cannot be unregistered holds up nothing else */
}

void
plan_make(const struct plan_input *input, struct plan *ret_plan)
{
    struct planner planner = { .in = input, .plan = ret_plan, .wished = input->cluster->replicas };
    *ret_plan = (struct plan){ .again_ms = -1 };
    list_init(&ret_plan->actions);
    /* What was set stays known, whatever keeps the plan from coming so far. */
    const cJSON *settings = input->cluster->settings;
    ret_plan->status.settings = settings ? cJSON_Duplicate(settings, true) : NULL;
    names_make(&planner);
    members_make(&planner);
    losses_settle(&planner);
    cluster_id_make(&planner);
    cluster_plan(&planner);
    summary_make(&planner);
    cJSON_Delete(planner.config);
    mem_free(planner.members);
}

void
plan_done(struct plan *plan)
{
    LIST_FOREACH_SAFE (node, &plan->actions) {
        action_free(CONTAINER_OF(node, struct action, node));
    }
    status_done(&plan->status);
}
