/* The next step of each drain, and of each drain that was taken back. The order of steps is what
 * P1 stands on; all of them can come twice. */
#include "base/check.h"
#include "plan/plan_internal.h"
#include "resource/names.h"

#include <stdio.h>

#define LOOK_AGAIN_MS 1000

static void
role_label(struct planner *planner, const struct member *member, const char *role)
{
    const struct pod *pod = member->pod->pod;
    if (strcmp(pod->role, role) == 0 || pod->meta.is_deleting) {
        return;
    }
    struct action *action = plan_action(planner, ACTION_LABEL_POD, member->id);
    action_set(&action->name, pod->meta.name);
    action_set(&action->uid, pod->meta.uid);
    action_set(&action->text, role);
}

static void
broker_call(
        struct planner *planner, const struct member *member, enum action_kind kind, const char *ip)
{
    struct action *action = plan_action(planner, kind, member->id);
    action_set(&action->ip, ip);
}

/* Cordon and move, then prove. Without an answer of the broker itself nothing is known and nothing
 * done. */
static void
drain_step(struct planner *planner, const struct member *member)
{
    const struct broker *broker = member_broker(planner, member);
    plan_again(planner, LOOK_AGAIN_MS);
    if (member_never_began(planner, member)) {
        plan_mark(planner, member, CLAIM_EMPTY, -1);
        struct action *action = CONTAINER_OF(planner->plan->actions.prev, struct action, node);
        action_event(action, "DrainCompleted", "Drain", "broker %d: it never began", member->id);
        return;
    }
    if (!member->pod) {
        return; /* repair makes one */
    }
    role_label(planner, member, ROLE_DRAINING);
    if (!broker || member->state != MEMBER_READY) {
        return;
    }
    bool is_drained = broker->state == BROKER_DRAINED && broker->is_wal_empty && broker->epoch >= 0;
    if (is_drained && member_is_told_since(member, member->claim->since_ms)) {
        plan_mark(planner, member, CLAIM_EMPTY, broker->epoch);
        struct action *action = CONTAINER_OF(planner->plan->actions.prev, struct action, node);
        action_event(action, "DrainCompleted", "Drain", "broker %d: its log is empty", member->id);
    } else if (broker->state == BROKER_ACTIVE || broker->state == BROKER_STARTING) {
        broker_call(planner, member, ACTION_DRAIN, member->pod->pod->ip);
    }
}

static void
retire_pod(struct planner *planner, const struct member *member)
{
    if (member->state != MEMBER_ENDING && member->state != MEMBER_ENDED) {
        struct action *action = plan_delete_pod(planner, member, "BrokerRemoved", "it is drained");
        if (member->claim->claim->epoch < 0) { /* P12: a node may have it by now */
            action_set(&action->version, member->pod->pod->meta.version);
        }
    }
    plan_again(planner, LOOK_AGAIN_MS);
}

/* P12: who is registered under the id was so before this claim, which never had a volume: a ghost
 * (P9), of which a human is told when its log isn't proven empty. */
static bool
is_id_of_a_ghost(const struct planner *planner, const struct member *member)
{
    const struct claim *claim = member->claim->claim;
    return claim->epoch < 0 && !claim->has_volume && roster_find(planner, member->id);
}

/* Whether the id was forgotten already cannot be seen; unregistering it again is harmless. */
static void
retire_id(struct planner *planner, const struct member *member)
{
    const struct member *other = member_witness(planner);
    const struct claim *claim = member->claim->claim;
    if (planner->in->cluster->keeps_empty_volumes || claim->meta.is_deleting) {
        return;
    }
    if (!other) {
        plan_again(planner, LOOK_AGAIN_MS);
        return;
    }
    if (!is_id_of_a_ghost(planner, member)) {
        broker_call(planner, member, ACTION_UNREGISTER, other->pod->pod->ip);
        CONTAINER_OF(planner->plan->actions.prev, struct action, node)->epoch = claim->epoch;
    }
    struct action *action = plan_action(planner, ACTION_DELETE_CLAIM, member->id);
    action_set(&action->name, claim->meta.name);
    action_set(&action->uid, claim->meta.uid);
    action_set(&action->version, claim->meta.version);
    action_event(action, "PvcDeleted", "Delete", "broker %d: its empty volume", member->id);
}

/* An active broker that a drain was begun for. A cordon alone may be a human's. It gets clients
 * again when it does not drain any more; while it says nothing, that is not known. */
static void
undrain_step(struct planner *planner, const struct member *member)
{
    if (!member->pod || member->state == MEMBER_ENDING) {
        return;
    }
    if (!member_broker(planner, member) && strcmp(member->pod->pod->role, ROLE_DRAINING) == 0) {
        plan_again(planner, LOOK_AGAIN_MS);
        return;
    }
    if (member_is_to_be_undrained(planner, member)) {
        broker_call(planner, member, ACTION_UNDRAIN, member->pod->pod->ip);
        plan_again(planner, LOOK_AGAIN_MS);
    }
    role_label(planner, member, ROLE_BROKER);
}

/* P4: one that lives where Kubernetes hears nobody. Addresses lead to no pod there, so it is no use
 * to clients. It takes partitions again when its node is back. Another one is told of it: where it
 * hears no other broker itself it could only refuse, and the rest of the pass would wait for it. */
static void
unheard_step(struct planner *planner, const struct member *member)
{
    const struct member *other = member_witness(planner);
    if (other && member_is_unheard(planner, member) &&
            member_broker(planner, member)->state == BROKER_ACTIVE && lost_are_believed(planner)) {
        broker_call(planner, member, ACTION_DRAIN, other->pod->pod->ip);
    }
}

/* As it was seen: what scale_plan has just decided is looked at in the next pass. */
static bool
is_settled(const struct member *member)
{
    return !member->claim || member->claim->claim->state == member->ledger;
}

void
drains_plan(struct planner *planner)
{
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        if (member->is_foreign) {
            continue;
        }
        if (!is_settled(member)) {
            plan_again(planner, 0);
        } else if (member->ledger == CLAIM_DRAINING) {
            drain_step(planner, member);
        } else if (member->ledger == CLAIM_ACTIVE && member->state == MEMBER_LOST) {
            unheard_step(planner, member);
        } else if (member->ledger == CLAIM_ACTIVE) {
            undrain_step(planner, member);
        }
    }
}

/* P1 P12: the mark is taken back, and its log is proven empty as everybody's is. */
static void
drain_properly(struct planner *planner, const struct member *member, int round)
{
    if (round == 0) {
        plan_mark(planner, member, CLAIM_DRAINING, -1);
        struct action *action = CONTAINER_OF(planner->plan->actions.prev, struct action, node);
        action_event(action, "DrainStarted", "Drain",
                "broker %d: it began since its log was proven empty", member->id);
        plan_again(planner, LOOK_AGAIN_MS);
    }
}

void
retirements_plan(struct planner *planner)
{
    /* Pods of all first: an id that cannot be unregistered cuts the pass off. */
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < planner->count; i++) {
            const struct member *member = &planner->members[i];
            if (member->is_foreign || !is_settled(member) || member->ledger != CLAIM_EMPTY) {
                continue;
            }
            CHECK(member->claim); /* where the ledger says CLAIM_EMPTY */
            if (member_began_after_all(planner, member)) {
                drain_properly(planner, member, round);
            } else if (round == 0 && member->pod) {
                retire_pod(planner, member);
            } else if (round == 1 && !member->pod) {
                retire_id(planner, member);
            }
        }
    }
}
