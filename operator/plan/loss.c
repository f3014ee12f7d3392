/* P6: volumes that are given up by an annotation. */
#include "plan/plan_internal.h"
#include "resource/names.h"

#include <stdio.h>

const char *
loss_words(const struct cluster *cluster, int id, char out[LOSS_WORDS_SIZE])
{
    snprintf(out, LOSS_WORDS_SIZE,
            cluster_loss_is_spent(cluster, id) ? "The annotation " ANNOTATION_ACCEPT_LOSS
                                                 " names %d for a loss that is over: "
                                                 "take it away, and set it anew to give up this one"
                                               : "If it will not come back, give it up by the "
                                                 "annotation " ANNOTATION_ACCEPT_LOSS ": \"%d\"",
            id);
    return out;
}

static void
loss_claim(struct planner *planner, int id, const struct meta *meta)
{
    struct action *action = plan_action(planner, ACTION_DELETE_CLAIM, id);
    action_set(&action->name, meta->name);
    action_set(&action->uid, meta->uid);
    action_set(&action->version, meta->version);
    action_event(action, "WalLossAccepted", "Delete", "broker %d: its lost volume", id);
    action->is_warning = true;
}

/* P6: what a human gave up for that broker, step by step; false: nothing. A broker that still runs
 * ends by SIGTERM, which uploads what it can. Where no node takes the pod, pod and claim go in one
 * step: without the pod nobody would know. */
bool
loss_plan(struct planner *planner, const struct member *member)
{
    const struct claim *claim = member->claim ? member->claim->claim : NULL;
    bool is_going = claim && claim->meta.is_deleting;
    bool is_lost = member_volume_is_lost(member);
    bool is_refused = member->state == MEMBER_STUCK && !member->pod->pod->accepts_loss;
    bool is_stranded = member_is_stranded(member);
    if (!cluster_accepts_loss(planner->in->cluster, member->id) ||
            !(is_lost || is_refused || is_stranded)) {
        return false;
    }
    if (member->pod && member->state != MEMBER_ENDING && member->state != MEMBER_LOST) {
        plan_delete_pod(planner, member, "WalLossAccepted", "its log is given up")->is_warning =
                true;
    }
    if (claim && (is_stranded || (is_lost && !member->pod)) && !is_going) {
        loss_claim(planner, member->id, &claim->meta);
    }
    return true;
}

/* Whether what was given up for it is over: it serves, on a volume that nothing is wrong with, and
 * said that it does so with all partitions. */
static bool
is_over(const struct planner *planner, const struct member *member)
{
    return cluster_accepts_loss(planner->in->cluster, member->id) &&
           member->state == MEMBER_READY && member->claim && !member->is_foreign &&
           !member_volume_is_lost(member) && member_broker(planner, member) &&
           !member_is_damaged(planner, member);
}

/* P6: an acceptance is for one loss; what is left of the annotation accepts no other one. Whoever
 * is not named any more can be named anew. */
void
losses_settle(struct planner *planner)
{
    const struct cluster *cluster = planner->in->cluster;
    cJSON *losses = cJSON_CreateArray();
    const cJSON *item;
    cJSON_ArrayForEach(item, cluster->losses)
    {
        if (cluster_loss_is_spent(cluster, item->valueint)) {
            cJSON_AddItemToArray(losses, cJSON_CreateNumber(item->valueint));
        }
    }
    for (size_t i = 0; i < planner->count; i++) {
        if (is_over(planner, &planner->members[i])) {
            cJSON_AddItemToArray(losses, cJSON_CreateNumber(planner->members[i].id));
            plan_again(planner, 0); /* its pod goes on accepting losses until it is made anew */
        }
    }
    planner->plan->status.losses = losses;
}
