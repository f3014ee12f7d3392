/* What the plan means, as counts and conditions. */
#include "base/mem.h"
#include "plan/plan_internal.h"
#include "resource/names.h"

#include <stdio.h>

#define UNSCHEDULABLE_MS 5000
#define PROXIES_MS 2000

/* The first member with that state and ledger, or NULL. */
static const struct member *
first(const struct planner *planner, enum member_state state, enum claim_state ledger)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        if (member->state == state && member->ledger == ledger) {
            return member;
        }
    }
    return NULL;
}

static void
counts_make(struct planner *planner)
{
    struct status *status = &planner->plan->status;
    status->brokers = mem_alloc_array(planner->count, sizeof *status->brokers);
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        const struct broker *broker = member_broker(planner, member);
        bool is_active = member->ledger == CLAIM_ACTIVE;
        status->replicas += is_active && member->pod;
        status->ready += is_active && member->state == MEMBER_READY;
        status->updated += is_active && member->state == MEMBER_READY && member->is_current;
        status->draining += !is_active && member->pod;
        status->brokers[status->broker_count++] = (struct status_broker){
            .id = member->id,
            .zone = mem_strdup(member->zone),
            .node = mem_strdup(member->pod ? member->pod->pod->node : ""),
            .phase = member->ledger == CLAIM_DRAINING ? "Draining"
                     : member->ledger == CLAIM_EMPTY  ? "Drained"
                                                      : member_state_name(member->state),
            .revision = mem_strdup(member->pod ? member->pod->pod->revision : ""),
            .epoch = broker ? broker->epoch : -1,
        };
    }
}

static void
available_make(struct planner *planner)
{
    struct status *status = &planner->plan->status;
    if (planner->in->cluster->replicas == 0) {
        status_condition(status, CONDITION_AVAILABLE, TRUTH_FALSE, "Stopped",
                "replicas is 0; data and volumes are kept");
    } else if (status->ready == 0) {
        status_condition(status, CONDITION_AVAILABLE, TRUTH_FALSE, "NoBrokerReady",
                "none of %zu brokers is ready", planner->count);
    } else {
        status_condition(status, CONDITION_AVAILABLE, TRUTH_TRUE, "Serving", "%d brokers serve",
                status->ready);
    }
}

/* Why a pod is stuck, in words for its owner. */
static void
trouble_tell(struct planner *planner, const struct member *member)
{
    struct status *status = &planner->plan->status;
    const char *wal_class = planner->in->cluster->wal_class;
    const struct pod *pod = member->pod->pod;
    const struct claim *claim = member->claim ? member->claim->claim : NULL;
    /* Claims of classes that wait for a node are unbound whatever keeps the pod from one. */
    if (pod->is_unschedulable && claim && !claim->is_bound && pod->is_volume_missed) {
        status_condition(status, CONDITION_DEGRADED, TRUTH_TRUE, "VolumePending",
                "broker %d: volume claim %s is not bound; is there a storage class \"%s\" that "
                "makes volumes of its access mode? %s",
                member->id, claim->meta.name, *wal_class ? wal_class : "(the default one)",
                pod->message);
        return;
    }
    if (pod->is_unschedulable) {
        status_condition(status, CONDITION_DEGRADED, TRUTH_TRUE, "Unschedulable",
                "broker %d (%s): no node%s%s takes it: %s", member->id, pod->meta.name,
                *member->zone ? " of zone " : "", member->zone, pod->message);
        return;
    }
    bool is_spent = cluster_loss_is_spent(planner->in->cluster, member->id);
    status_condition(status, CONDITION_DEGRADED, TRUTH_TRUE, "BrokerStuck",
            "broker %d (%s): %s%s %s", member->id, pod->meta.name,
            is_spent ? ANNOTATION_ACCEPT_LOSS " is of a loss that is over; " : "",
            *pod->trouble   ? pod->trouble
            : *pod->message ? "it does not become ready:"
                            : "it does not become ready; see its log",
            pod->message);
}

static const struct member *
find_if(const struct planner *planner, bool (*is_it)(const struct member *))
{
    for (size_t i = 0; i < planner->count; i++) {
        if (is_it(&planner->members[i])) {
            return &planner->members[i];
        }
    }
    return NULL;
}

static bool
is_foreign(const struct member *member)
{
    return member->is_foreign;
}

/* Most volumes and nodes take a moment; that is no trouble. */
static const struct member *
unschedulable(struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        bool is_one = member->pod && member->state == MEMBER_STARTING &&
                      member->pod->pod->is_unschedulable;
        int64_t left_ms =
                is_one ? member->pod->since_ms + UNSCHEDULABLE_MS - planner->in->now_ms : 0;
        if (is_one && left_ms <= 0) {
            return member;
        }
        if (is_one) {
            plan_again(planner, left_ms);
        }
    }
    return NULL;
}

static const struct member *
damaged(const struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        if (member_is_damaged(planner, &planner->members[i])) {
            return &planner->members[i];
        }
    }
    return NULL;
}

static void
degraded_make(struct planner *planner)
{
    struct status *status = &planner->plan->status;
    const struct member *member;
    char words[LOSS_WORDS_SIZE];
    const struct pod *purge = purge_pod(planner);
    if (cluster_is_purged(planner) && purge && (*purge->trouble || purge->is_unschedulable)) {
        status_condition(status, CONDITION_DEGRADED, TRUTH_TRUE, "PurgeFailed",
                "the objects in the bucket could not be removed (%s): %s; it is tried again. "
                "deletionPolicy.objects: Retain leaves what is left",
                *purge->trouble ? purge->trouble : "Unschedulable", purge->message);
    } else if ((member = find_if(planner, is_foreign))) {
        status_condition(status, CONDITION_DEGRADED, TRUTH_TRUE, "ForeignVolume",
                "volume claim %s belongs to another bucket or prefix; remove it or use another "
                "name",
                member->claim->claim->meta.name);
    } else if ((member = find_if(planner, member_volume_is_lost))) {
        status_condition(status, CONDITION_DEGRADED, TRUTH_TRUE, "WalLost",
                "the volume of broker %d is lost or being deleted; what was acknowledged and not "
                "uploaded may be gone with it. %s",
                member->id, loss_words(planner->in->cluster, member->id, words));
    } else if ((member = find_if(planner, member_is_stranded))) {
        status_condition(status, CONDITION_DEGRADED, TRUTH_TRUE, "WalLost",
                "the volume of broker %d was made for node %s, which is gone, and no other node "
                "takes its pod. %s. %s",
                member->id, member->claim->claim->node,
                loss_words(planner->in->cluster, member->id, words), member->pod->pod->message);
    } else if ((member = damaged(planner))) {
        status_condition(status, CONDITION_DEGRADED, TRUTH_TRUE, "WalDamaged",
                "the log of broker %d cannot give back acknowledged records of %lld partitions, "
                "which answer KAFKA_STORAGE_ERROR; the others are served. Restore the volume. %s",
                member->id, (long long)member_broker(planner, member)->quarantined,
                loss_words(planner->in->cluster, member->id, words));
    } else if ((member = first(planner, MEMBER_STUCK, CLAIM_ACTIVE))) {
        trouble_tell(planner, member);
    } else if ((member = unschedulable(planner))) {
        trouble_tell(planner, member);
    } else if ((member = first(planner, MEMBER_LOST, CLAIM_ACTIVE))) {
        status_condition(status, CONDITION_DEGRADED, TRUTH_TRUE, "NodeLost",
                "node %s with broker %d is lost; %s", member->pod->pod->node, member->id,
                member_is_unheard(planner, member)
                        ? "the broker lives, clients don't reach it, and others take its partitions"
                : planner->in->cluster->wal_is_volume ? "what is in its log waits for the volume"
                                                      : "others take its partitions");
    } else {
        status_condition(status, CONDITION_DEGRADED, TRUTH_FALSE, "AsExpected", "nothing is wrong");
    }
}

static bool
is_stuck_update(const struct member *member)
{
    return member->ledger == CLAIM_ACTIVE && member->is_current && member->state == MEMBER_STUCK;
}

/* A drain was taken back, and its broker may still refuse partitions or get no clients. Brokers
 * that are not ready are told of as such. */
static const struct member *
coming_back(const struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        bool is_counted = member->ledger == CLAIM_ACTIVE && member->state == MEMBER_READY;
        bool was_marked = member->claim && member->claim->claim->state != CLAIM_ACTIVE;
        if (is_counted && !member->is_foreign &&
                (was_marked || strcmp(member->pod->pod->role, ROLE_DRAINING) == 0 ||
                        member_is_to_be_undrained(planner, member))) {
            return member;
        }
    }
    return NULL;
}

/* A broker that became ready so lately that proxies may refuse its clients still: who waits for the
 * cluster and then connects is to be served. What was said to be ready stays so: an operator that
 * has just begun sees every broker for the first time. */
static const struct member *
ready_just_now(struct planner *planner)
{
    for (size_t i = 0; i < planner->count && !status_was_ready(planner->in->cluster); i++) {
        const struct member *member = &planner->members[i];
        bool is_one = member->ledger == CLAIM_ACTIVE && member->state == MEMBER_READY;
        int64_t left_ms = is_one ? member->pod->since_ms + PROXIES_MS - planner->in->now_ms : 0;
        if (left_ms > 0) {
            plan_again(planner, left_ms);
            return member;
        }
    }
    return NULL;
}

static void
progressing_make(struct planner *planner)
{
    struct status *status = &planner->plan->status;
    const struct cluster *cluster = planner->in->cluster;
    const struct member *stuck = find_if(planner, is_stuck_update);
    const struct member *back;
    const struct member *late;
    if (cluster->meta.is_deleting) {
        status_condition(status, CONDITION_PROGRESSING, TRUTH_TRUE, "Deleting", "%d pods are left",
                status->replicas + status->draining);
    } else if (stuck && status->updated < cluster->replicas) {
        status_condition(status, CONDITION_PROGRESSING, TRUTH_FALSE, "RolloutStuck",
                "broker %d does not start with revision %s; the others are left as they are",
                stuck->id, planner->revision);
    } else if (status->draining > 0 || first(planner, MEMBER_MISSING, CLAIM_DRAINING)) {
        status_condition(status, CONDITION_PROGRESSING, TRUTH_TRUE, "Draining",
                "%d brokers are being drained", status->draining);
    } else if (planner->active < cluster->replicas) {
        status_condition(status, CONDITION_PROGRESSING, TRUTH_TRUE, "ScalingOut",
                "%d of %d brokers", planner->active, cluster->replicas);
    } else if (planner->sure > planner->wished && cluster->replicas > 0) {
        status_condition(status, CONDITION_PROGRESSING, TRUTH_TRUE, "Draining",
                "%d brokers are to go", planner->sure - planner->wished);
    } else if ((back = coming_back(planner)) && cluster->replicas > 0) {
        status_condition(status, CONDITION_PROGRESSING, TRUTH_TRUE, "Undraining",
                "broker %d takes partitions and clients again", back->id);
    } else if (status->updated < status->ready) {
        status_condition(status, CONDITION_PROGRESSING, TRUTH_TRUE, "RollingUpdate",
                "%d of %d brokers have revision %s", status->updated, cluster->replicas,
                planner->revision);
    } else if (status->ready < cluster->replicas) {
        status_condition(status, CONDITION_PROGRESSING, TRUTH_TRUE, "Starting",
                "%d of %d brokers are ready", status->ready, cluster->replicas);
    } else if ((late = ready_just_now(planner))) {
        status_condition(status, CONDITION_PROGRESSING, TRUTH_TRUE, "Starting",
                "broker %d is ready, and clients are about to be led to it", late->id);
    } else {
        status_condition(status, CONDITION_PROGRESSING, TRUTH_FALSE, "Idle", "as wished");
    }
}

/* Why a drain doesn't end, as far as it can be known. */
static void
blocked_make(struct planner *planner)
{
    struct status *status = &planner->plan->status;
    int64_t limit_ms = planner->in->cluster->drain_timeout_ms;
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        /* A drain that this plan begins has not waited: since_ms is of the state before it. */
        if (member->ledger != CLAIM_DRAINING || member->claim->claim->state != CLAIM_DRAINING ||
                planner->in->now_ms - member->claim->since_ms < limit_ms) {
            continue;
        }
        const struct broker *broker = member_broker(planner, member);
        const struct broker_view *view = member->pod ? member->pod->view : NULL;
        const char *state = broker                   ? broker_state_name(broker->state)
                            : view && *view->problem ? view->problem
                                                     : member_state_name(member->state);
        status_condition(status, CONDITION_SCALE_IN_BLOCKED, TRUTH_TRUE, "DrainTimedOut",
                "broker %d is not drained after %lld s (%s); it stays until it is", member->id,
                (long long)(limit_ms / 1000), state);
        return;
    }
    status_condition(status, CONDITION_SCALE_IN_BLOCKED, TRUTH_FALSE, "NotBlocked", "%s", "");
}

/* Before anything was done; what fails then is told in its place. */
static void
reconciled_make(struct planner *planner)
{
    struct status *status = &planner->plan->status;
    const struct cluster *cluster = planner->in->cluster;
    const struct cluster *rival = planner->in->rival;
    if (rival) {
        status_condition(status, CONDITION_RECONCILED, TRUTH_FALSE, "StoreInUse",
                "FreshetCluster %s/%s has bucket \"%s\" with prefix \"%s\" already, and two "
                "clusters cannot share it: nothing is done. Make this one anew with a prefix of "
                "its own, or delete the other one",
                rival->meta.namespace, rival->meta.name, cluster->bucket, cluster->prefix);
    } else if (*cluster->not_yet) {
        status_condition(status, CONDITION_RECONCILED, TRUTH_FALSE, "NotYet",
                "%s; until it is "
                "taken back %s",
                cluster->not_yet,
                cluster->listener_count ? "listeners stay as they were; all else goes on"
                                        : "nothing is done");
    } else {
        status_condition(status, CONDITION_RECONCILED, TRUTH_TRUE, "Synced", "%s", "");
    }
}

void
summary_make(struct planner *planner)
{
    struct status *status = &planner->plan->status;
    const struct cluster *cluster = planner->in->cluster;
    status->generation = cluster->meta.generation;
    status->wished = cluster->replicas;
    snprintf(status->revision, sizeof status->revision, "%s", planner->revision);
    snprintf(status->version_target, sizeof status->version_target, "%.63s",
            *cluster->version ? cluster->version : planner->in->settings->version);
    counts_make(planner);
    available_make(planner);
    degraded_make(planner);
    progressing_make(planner);
    blocked_make(planner);
    if (cluster->is_paused) {
        status_condition(status, CONDITION_PAUSED, TRUTH_TRUE, "Annotated",
                "annotation " ANNOTATION_PAUSED " is true: nothing is done");
    } else {
        status_condition(status, CONDITION_PAUSED, TRUTH_FALSE, "NotPaused", "%s", "");
    }
    reconciled_make(planner);
}
