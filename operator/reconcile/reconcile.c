/* The column of steps. */
#include "reconcile/reconcile.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "kube/clock.h"
#include "reconcile/reconcile_internal.h"
#include "reconcile/seen.h"

#include <errno.h>
#include <stdio.h>

static struct cluster *
cluster_of(const struct reconciler *reconciler, const char *key)
{
    char namespace[QUEUE_KEY_SIZE];
    const char *slash = strchr(key, '/');
    bytes_to_string(bytes_of(key, (size_t)(slash - key)), namespace, sizeof namespace);
    const struct table_entry *entry =
            table_find(&reconciler->cache->clusters, namespace, slash + 1);
    return entry ? entry->object : NULL;
}

static void
step_plan(struct reconciler *reconciler, const struct cluster *cluster, struct plan *ret_plan)
{
    struct seen seen;
    seen_gather(reconciler->cache, cluster, &seen);
    struct plan_input input = {
        .cluster = cluster,
        .settings = &reconciler->settings,
        .pods = seen.pods,
        .pod_count = seen.pod_count,
        .claims = seen.claims,
        .claim_count = seen.claim_count,
        .children = seen.children,
        .child_count = seen.child_count,
        .roster = seen.roster,
        .rival = seen.rival,
        .now_ms = clock_now_ms(),
    };
    plan_make(&input, ret_plan);
    seen_done(&seen);
}

const char *
reconcile_reason(int error)
{
    switch (error) {
    case -ESTALE:
        return NULL;
    case -EEXIST:
        return "NameConflict";
    case -EINVAL:
        return "Refused";
    case -EDQUOT:
        return "QuotaExceeded";
    case -EACCES:
        return "Forbidden";
    case -ESHUTDOWN:
        return "NamespaceTerminating";
    case -EAGAIN:
        return "BrokerUnreachable";
    case -ENOTEMPTY:
        return "LogNotEmpty";
    default:
        return "ApiServerError";
    }
}

/* What to do, in front of what happened; "". */
static const char *
advice(int error)
{
    switch (error) {
    case -EINVAL:
        return "the API server refuses it; change what it names: ";
    case -EDQUOT:
        return "the quota of the namespace is used up; raise it, or wish for less: ";
    case -ESHUTDOWN:
        return "nothing can be made in a namespace that is being deleted; a resource that waits "
               "for its objects to be removed is let go by deletionPolicy.objects: Retain: ";
    case -EACCES:
        return "the operator lacks a right; give its role what the chart gives: ";
    default:
        return "";
    }
}

/* The same again is in the log once. */
static void
step_tell_error(struct plan *plan, const struct cluster *cluster, const char *key, int error)
{
    const char *reason = error < 0 ? reconcile_reason(error) : NULL;
    if (reason) {
        status_condition(&plan->status, CONDITION_RECONCILED, TRUTH_FALSE, reason, "%s%s",
                advice(error), log_fault_text(error));
    }
    if (error < 0 && (!cluster || !status_is_told(&plan->status, cluster, CONDITION_RECONCILED))) {
        LOG_WARN("a pass was cut off", LOG_STR("cluster", key), LOG_FAULT(error));
    }
}

/* Settings that were refused, not known to be set, or not come to, are not in the status as set. */
static void
step_tell_settings(struct plan *plan, const struct cluster *cluster)
{
    LIST_FOREACH (node, &plan->actions) {
        const struct action *action = CONTAINER_OF(node, struct action, node);
        if (action->kind != ACTION_SETTINGS || action->is_done) {
            continue;
        }
        const char *reason = action->failure == -EINVAL ? "Rejected"
                             : action->failure          ? "BrokerUnreachable"
                                                        : "Waiting";
        cJSON_Delete(plan->status.settings);
        plan->status.settings =
                cluster && cluster->settings ? cJSON_Duplicate(cluster->settings, true) : NULL;
        status_condition(&plan->status, CONDITION_CONFIG_APPLIED, TRUTH_FALSE, reason,
                "broker %d: %s", action->id,
                action->failure ? action->failure_text : "what comes before has failed");
    }
}

/* P9: a broker without a claim whose log isn't proven empty. What is worse is told first. */
static void
step_tell_ghosts(struct plan *plan, const struct cluster *cluster)
{
    char words[LOSS_WORDS_SIZE];
    LIST_FOREACH (node, &plan->actions) {
        const struct action *action = CONTAINER_OF(node, struct action, node);
        if (cluster && action->kind == ACTION_FORGET && action->failure == -ENOTEMPTY &&
                plan->status.conditions[CONDITION_DEGRADED].truth != TRUTH_TRUE) {
            status_condition(&plan->status, CONDITION_DEGRADED, TRUTH_TRUE, "WalLost",
                    "broker %d is registered and its volume claim is gone; what it acknowledged "
                    "and did not upload may be gone with it. %s",
                    action->id, loss_words(cluster, action->id, words));
        }
    }
}

/* An event for each new trouble, once the status tells of it: a pass that cannot tell comes again.
 */
static void
step_events(struct reconciler *reconciler, const struct cluster *cluster, const struct plan *plan,
        const bool is_trouble[CONDITION_COUNT])
{
    for (size_t i = 0; i < CONDITION_COUNT; i++) {
        const struct condition *condition = &plan->status.conditions[i];
        if (is_trouble[i]) {
            events_tell(reconciler->act->events,
                    &(struct event){
                            .regarding = { &KUBE_CLUSTERS, cluster->meta.namespace,
                                    cluster->meta.name, cluster->meta.uid },
                            .is_warning = true,
                            .reason = condition->reason,
                            .action = "Reconcile",
                            .note = condition->message,
                    });
        }
    }
}

/* The cluster may have changed or gone while actions waited: it is looked up again. What changed
 * has its own pass (T3). */
static int
step_status(struct reconciler *reconciler, const char *key, const char *uid, struct plan *plan)
{
    char now[KUBE_TIME_SIZE];
    const struct cluster *cluster = cluster_of(reconciler, key);
    if (!cluster || strcmp(cluster->meta.uid, uid) != 0 ||
            (cluster->meta.is_deleting && !cluster->has_finalizer)) {
        return 0;
    }
    bool is_trouble[CONDITION_COUNT];
    status_sum_up(&plan->status);
    for (size_t i = 0; i < CONDITION_COUNT; i++) {
        is_trouble[i] = status_is_trouble(&plan->status, cluster, (enum condition_type)i);
    }
    CLEANUP(json_freep)
    cJSON *object =
            status_render(&plan->status, cluster, reconciler->settings.version, clock_time(now));
    int r = act_status(
            reconciler->act, &KUBE_CLUSTERS, &reconciler->cache->clusters, &cluster->meta, object);
    if (r == -ENOENT) {
        fault_clear();
        return 0;
    }
    cluster = cluster_of(reconciler, key); /* the write may have replaced it */
    if (r == 0 && cluster) {
        step_events(reconciler, cluster, plan, is_trouble);
    }
    return r;
}

/* P6: a status that is as it was isn't written. Crash scenario: an annotation is taken away and set
 * anew within one pass; the cache has it as not spent, and the status as spent, for ever. */
static void
step_losses(struct cluster *cluster, const char *version, const struct plan *plan)
{
    if (cluster && strcmp(cluster->meta.version, version) == 0) {
        cluster_losses_note(cluster, plan->status.losses);
    }
}

void
reconcile_forget(struct reconciler *reconciler, const char *key)
{
    char namespace[QUEUE_KEY_SIZE];
    const char *slash = strchr(key, '/');
    bytes_to_string(bytes_of(key, (size_t)(slash - key)), namespace, sizeof namespace);
    act_forget(reconciler->act, namespace, slash + 1);
}

/* Our finalizer has gone, and the object with it: a status could only meet another of its name. */
static bool
is_let_go(const struct plan *plan)
{
    LIST_FOREACH (node, &plan->actions) {
        const struct action *action = CONTAINER_OF(node, struct action, node);
        if (action->kind == ACTION_REMOVE_FINALIZER && action->is_done) {
            return true;
        }
    }
    return false;
}

/* Too large for a stack frame; what is in it may not move. */
static void
plan_freep(struct plan **plan)
{
    plan_done(*plan);
    mem_free(*plan);
}

static int
reconcile_cluster(struct reconciler *reconciler, const char *key, const struct cluster *cluster,
        int64_t *ret_again_ms)
{
    CLEANUP(plan_freep) struct plan *plan = mem_alloc(sizeof *plan);
    char uid[64];
    char version[64];
    snprintf(uid, sizeof uid, "%s", cluster->meta.uid);
    snprintf(version, sizeof version, "%s", cluster->meta.version);
    step_plan(reconciler, cluster, plan);
    int r = act_run(reconciler->act, cluster, &plan->actions);
    step_tell_error(plan, cluster_of(reconciler, key), key, r);
    step_tell_settings(plan, cluster_of(reconciler, key));
    step_tell_ghosts(plan, cluster_of(reconciler, key));
    if (r < 0) {
        reconciler->failures++;
    }
    int status_error = is_let_go(plan) ? 0 : step_status(reconciler, key, uid, plan);
    if (status_error == 0) {
        step_losses(cluster_of(reconciler, key), version, plan);
    }
    *ret_again_ms = plan->again_ms < 0 ? RECONCILE_RESYNC_MS
                                       : MIN(plan->again_ms, (int64_t)RECONCILE_RESYNC_MS);
    return r < 0 ? r : status_error;
}

int
reconcile(struct reconciler *reconciler, const char *key, int64_t *ret_again_ms)
{
    *ret_again_ms = -1;
    reconciler->passes++;
    if (strncmp(key, CACHE_KEY_TOPIC, sizeof CACHE_KEY_TOPIC - 1) == 0) {
        return reconcile_topic(reconciler, key + sizeof CACHE_KEY_TOPIC - 1, ret_again_ms);
    }
    if (strncmp(key, CACHE_KEY_USER, sizeof CACHE_KEY_USER - 1) == 0) {
        return reconcile_user(reconciler, key + sizeof CACHE_KEY_USER - 1);
    }
    const struct cluster *cluster = cluster_of(reconciler, key);
    if (!cluster) {
        cache_roster_forget(reconciler->cache, key);
        reconcile_forget(reconciler, key);
        return 0;
    }
    return reconcile_cluster(reconciler, key, cluster, ret_again_ms);
}
