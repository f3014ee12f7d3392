/* Identities: claims and pods put together, and what each is like. */
#include "base/mem.h"
#include "plan/plan_internal.h"
#include "resource/names.h"

#include <stdlib.h>

#define TOLD_LATER_MS 5000 /* a question may take as long, and its answer is of before */

static const char *const names[] = { "Ready", "Starting", "Stuck", "NodeLost", "Ending", "Ended",
    "Missing" };

const char *
member_state_name(enum member_state state)
{
    return names[state];
}

static struct member *
member_of(struct planner *planner, int id)
{
    for (size_t i = 0; i < planner->count; i++) {
        if (planner->members[i].id == id) {
            return &planner->members[i];
        }
    }
    struct member *member = &planner->members[planner->count++];
    *member = (struct member){ .id = id, .zone = "", .state = MEMBER_MISSING };
    return member;
}

const struct member *
member_find(const struct planner *planner, int id)
{
    for (size_t i = 0; i < planner->count; i++) {
        if (planner->members[i].id == id) {
            return &planner->members[i];
        }
    }
    return NULL;
}

static bool
node_is_lost(const struct planner *planner, const struct plan_pod *pod)
{
    int64_t limit_ms = planner->in->cluster->node_replace_after_ms;
    return pod->node && !pod->node->is_ready && !pod->pod->is_ready &&
           planner->in->now_ms - pod->node_since_ms >= limit_ms;
}

static enum member_state
state_of(const struct planner *planner, const struct plan_pod *seen)
{
    const struct pod *pod = seen->pod;
    int64_t age_ms = planner->in->now_ms - seen->since_ms;
    if (node_is_lost(planner, seen)) {
        return MEMBER_LOST;
    }
    if (pod->meta.is_deleting) {
        return MEMBER_ENDING;
    }
    if (pod->phase == POD_SUCCEEDED || pod->phase == POD_FAILED) {
        return MEMBER_ENDED;
    }
    if (pod->is_ready) {
        return MEMBER_READY;
    }
    bool is_late = age_ms >= planner->in->cluster->rollout_pod_timeout_ms;
    return *pod->trouble || is_late ? MEMBER_STUCK : MEMBER_STARTING;
}

/* P6: no broker goes on accepting losses once that is taken back, and one that serves without some
 * partitions is made anew to go on without their records. */
static bool
is_to_change_its_mind(const struct planner *planner, const struct member *member)
{
    bool is_wished = cluster_accepts_loss(planner->in->cluster, member->id);
    return member->pod->pod->accepts_loss ? !is_wished
                                          : is_wished && member_is_damaged(planner, member);
}

static void
pods_take(struct planner *planner)
{
    for (size_t i = 0; i < planner->in->pod_count; i++) {
        const struct plan_pod *pod = &planner->in->pods[i];
        if (pod->pod->id < 0) {
            continue;
        }
        struct member *member = member_of(planner, pod->pod->id);
        member->pod = pod;
        member->state = state_of(planner, pod);
        member->is_current = strcmp(pod->pod->revision, planner->revision) == 0 &&
                             !is_to_change_its_mind(planner, member);
        member->zone = pod->pod->zone;
    }
}

static void
claims_take(struct planner *planner)
{
    for (size_t i = 0; i < planner->in->claim_count; i++) {
        const struct plan_claim *claim = &planner->in->claims[i];
        if (claim->claim->id < 0) {
            continue;
        }
        struct member *member = member_of(planner, claim->claim->id);
        member->claim = claim;
        member->ledger = claim->claim->state;
        member->is_foreign = !cluster_has_store(planner->in->cluster, claim->claim->store);
        member->zone = claim->claim->zone;
    }
}

static int
by_id(const void *a, const void *b)
{
    return ((const struct member *)a)->id - ((const struct member *)b)->id;
}

bool
member_is_unavailable(const struct planner *planner, const struct member *member)
{
    int64_t ready_ms = planner->in->cluster->rollout_min_ready_ms;
    return member->state != MEMBER_READY || planner->in->now_ms - member->pod->since_ms < ready_ms;
}

static void
lost_count(struct planner *planner, const struct member *member)
{
    if (member->state != MEMBER_LOST) {
        return;
    }
    const char *node = member->pod->pod->node;
    planner->has_lost_nodes =
            planner->has_lost_nodes || (planner->lost > 0 && strcmp(planner->lost_node, node) != 0);
    planner->lost_node = node;
    planner->lost++;
}

void
members_make(struct planner *planner)
{
    size_t max = planner->in->pod_count + planner->in->claim_count;
    planner->members = mem_alloc_array(max, sizeof *planner->members);
    pods_take(planner);
    claims_take(planner);
    qsort(planner->members, planner->count, sizeof *planner->members, by_id);
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        if (member->ledger == CLAIM_ACTIVE && !member->is_foreign) {
            planner->active++;
            lost_count(planner, member);
            planner->sure += member->state != MEMBER_LOST && member->claim;
            planner->unavailable += member_is_unavailable(planner, member);
        }
    }
}

const struct broker *
member_broker(const struct planner *planner, const struct member *member)
{
    const struct broker_view *view = member->pod ? member->pod->view : NULL;
    bool is_fresh = view && view->is_known && planner->in->now_ms - view->told_ms <= ANSWER_MS_MAX;
    return is_fresh && view->broker.id == member->id ? &view->broker : NULL;
}

bool
member_is_damaged(const struct planner *planner, const struct member *member)
{
    const struct broker *broker = member_broker(planner, member);
    return broker && broker->quarantined > 0;
}

bool
member_is_told_since(const struct member *member, int64_t since_ms)
{
    return member->pod && member->pod->view && member->pod->view->of_ms > since_ms;
}

bool
member_is_unheard(const struct planner *planner, const struct member *member)
{
    return member->state == MEMBER_LOST && member_broker(planner, member) &&
           member_is_told_since(member, member->pod->node_since_ms);
}

bool
member_volume_is_lost(const struct member *member)
{
    const struct claim *claim = member->claim ? member->claim->claim : NULL;
    return claim && member->ledger != CLAIM_EMPTY && (claim->is_lost || claim->meta.is_deleting);
}

bool
member_is_stranded(const struct member *member)
{
    return member->claim && member->claim->node_is_gone && member->ledger != CLAIM_EMPTY &&
           member->pod && member->pod->pod->is_unschedulable && member->pod->pod->is_volume_tied;
}

bool
member_is_to_be_undrained(const struct planner *planner, const struct member *member)
{
    const struct broker *broker = member_broker(planner, member);
    return broker && (broker->state == BROKER_DRAINING || broker->state == BROKER_DRAINED);
}

bool
member_never_began(const struct planner *planner, const struct member *member)
{
    const struct claim *claim = member->claim ? member->claim->claim : NULL;
    bool is_waiting = member->pod && !*member->pod->pod->node;
    if (!claim || member->is_foreign || claim->is_lost || (member->pod && !is_waiting)) {
        return false;
    }
    if (roster_find(planner, member->id) &&
            cluster_accepts_loss(planner->in->cluster, member->id)) {
        return false; /* P9: it is made anew to begin, and to bring its id to an end */
    }
    /* Told since the pod waits: what ran under its id before may have registered until then. */
    bool is_told = is_waiting && roster_is_told(planner) &&
                   planner->in->roster->told_ms >= member->pod->since_ms + TOLD_LATER_MS;
    return !claim->has_volume || (is_told && !roster_find(planner, member->id));
}

bool
member_began_after_all(const struct planner *planner, const struct member *member)
{
    const struct claim *claim = member->claim ? member->claim->claim : NULL;
    if (!claim || member->ledger != CLAIM_EMPTY) {
        return false;
    }
    if (claim->epoch >= 0) {
        const struct roster_entry *entry = roster_find(planner, member->id);
        return entry && entry->epoch > claim->epoch;
    }
    bool has_node = member->pod && *member->pod->pod->node;
    return has_node || (claim->has_volume && roster_find(planner, member->id));
}

const struct member *
member_witness(const struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        if (member->ledger == CLAIM_ACTIVE && member->state == MEMBER_READY &&
                !member->is_foreign && *member->pod->pod->ip) {
            return member;
        }
    }
    return NULL;
}
