/* A new revision, one broker after the other within the budget (P2). A pod is deleted; SIGTERM
 * makes its broker hand over its partitions before it ends, and the repair of the next pass makes
 * the pod anew. */
#include "plan/plan_internal.h"

static bool
is_stale(const struct member *member)
{
    return member->pod && member->ledger != CLAIM_EMPTY && !member->is_current &&
           !member->is_foreign && member->state != MEMBER_ENDING && member->state != MEMBER_ENDED &&
           member->state != MEMBER_LOST;
}

static bool
new_revision_is_stuck(const struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        if (member->ledger == CLAIM_ACTIVE && member->is_current && member->state == MEMBER_STUCK) {
            return true;
        }
    }
    return false;
}

/* A stuck pod of an old revision serves nobody: replacing it costs nothing and ends a bad rollout.
 * One that drains, too: it cannot be drained before it starts. Neither does one that no
 * node has. */
static void
replace_stuck(struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        bool is_waiting =
                is_stale(member) && member->state == MEMBER_STARTING && !*member->pod->pod->node;
        if (is_waiting || (is_stale(member) && member->state == MEMBER_STUCK)) {
            plan_delete_pod(planner, member, "BrokerRestarted", "it was stuck, and is out of date");
        }
    }
}

/* A4: nobody who serves ends for a pod that would be refused. */
static void
replace(struct planner *planner, const struct member *member)
{
    char name[OBJECT_NAME_SIZE];
    struct action *try = plan_action(planner, ACTION_TRY_POD, member->id);
    action_set(&try->name, pod_name(planner, member->id, name));
    try->object = object_pod(planner, member->id, member->zone);
    try->needs_children = true;
    plan_delete_pod(planner, member, "BrokerRestarted", "a new revision")->needs_last = true;
}

/* How many may not serve, our own doing or not, before the next one would be too many. One that has
 * been replaced for its lost node is nobody's lack. */
static int
unavailable_now(const struct planner *planner)
{
    int more = planner->active - planner->in->cluster->replicas;
    return planner->unavailable - MIN(MAX(more, 0), planner->lost);
}

void
rollout_plan(struct planner *planner)
{
    const struct cluster *cluster = planner->in->cluster;
    if (cluster->is_rollout_paused) {
        return;
    }
    replace_stuck(planner);
    if (new_revision_is_stuck(planner)) {
        return;
    }
    if (cluster->rollout_surge > 0 && planner->is_short) {
        return; /* more first */
    }
    int room = cluster->rollout_max_unavailable - unavailable_now(planner);
    for (size_t i = planner->count; i-- > 0 && room > 0;) {
        const struct member *member = &planner->members[i];
        if (is_stale(member) && member->ledger == CLAIM_ACTIVE && member->state == MEMBER_READY) {
            replace(planner, member);
            room--;
        }
    }
    if (planner->unavailable > 0) {
        plan_again(planner, MAX(cluster->rollout_min_ready_ms, (int64_t)1000));
    }
}
