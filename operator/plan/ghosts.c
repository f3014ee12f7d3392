/* P9: brokers that are registered, and have neither claim nor pod. */
#include "plan/plan_internal.h"

bool
roster_is_told(const struct planner *planner)
{
    const struct roster *roster = planner->in->roster;
    return roster && roster->told_ms && planner->in->now_ms - roster->told_ms <= ANSWER_MS_MAX;
}

const struct roster_entry *
roster_find(const struct planner *planner, int id)
{
    const struct roster *roster = planner->in->roster;
    for (size_t i = 0; roster_is_told(planner) && i < roster->count; i++) {
        if (roster->entries[i].id == id) {
            return &roster->entries[i];
        }
    }
    return NULL;
}

static void
ghost_plan(struct planner *planner, const struct roster_entry *ghost, const struct member *witness)
{
    if (cluster_accepts_loss(planner->in->cluster, ghost->id)) {
        plan_create_claim(planner, ghost->id, "");
        plan_create_pod(planner, ghost->id, "", "its lost log is given up")->needs_last = true;
        return;
    }
    struct action *action = plan_action(planner, ACTION_FORGET, ghost->id);
    action_set(&action->ip, witness->pod->pod->ip);
    action->epoch = ghost->epoch;
    action_event(action, "BrokerUnregistered", "Unregister",
            "broker %d: its volume claim is gone, its log was empty", ghost->id);
}

void
ghosts_plan(struct planner *planner)
{
    const struct roster *roster = planner->in->roster;
    const struct member *witness = member_witness(planner);
    for (size_t i = 0; witness && roster_is_told(planner) && i < roster->count; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        if (!entry->is_alive && !member_find(planner, entry->id)) {
            ghost_plan(planner, entry, witness);
        }
    }
}
