/* How many brokers, and which: more by taking back drains, reusing empty volumes and new ids;
 * fewer by choosing who goes. */
#include "plan/plan_internal.h"

#include <stdio.h>

/* A cordoned node is going to be emptied by its owner anyway. */
static bool
is_on_cordoned_node(const struct member *member)
{
    return member->pod && member->pod->node && member->pod->node->is_cordoned;
}

static int
count_in_zone(const struct planner *planner, const char *zone)
{
    int count = 0;
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        count += member->ledger == CLAIM_ACTIVE && member->state != MEMBER_LOST &&
                 strcmp(member->zone, zone) == 0;
    }
    return count;
}

/* The zone with the fewest brokers, `more` new ones in each counted; "" without zones. */
static const char *
zone_for_new(const struct planner *planner, const int more[CLUSTER_ZONES_MAX], size_t *ret_index)
{
    const struct cluster *cluster = planner->in->cluster;
    const char *best = "";
    int best_count = 0;
    for (size_t i = 0; i < cluster->zone_count; i++) {
        int count = count_in_zone(planner, cluster->zones[i]) + more[i];
        if (!*best || count < best_count) {
            best = cluster->zones[i];
            best_count = count;
            *ret_index = i;
        }
    }
    return best;
}

/* Who goes rather: who doesn't serve, whose node is cordoned, whose zone has most, who has least
 * to move, who came last. */
static bool
goes_before(const struct planner *planner, const struct member *a, const struct member *b)
{
    const struct broker *broker_a = member_broker(planner, a);
    const struct broker *broker_b = member_broker(planner, b);
    int64_t partitions_a = broker_a && broker_a->partitions >= 0 ? broker_a->partitions : 0;
    int64_t partitions_b = broker_b && broker_b->partitions >= 0 ? broker_b->partitions : 0;
    int zone_a = count_in_zone(planner, a->zone);
    int zone_b = count_in_zone(planner, b->zone);
    if ((a->state == MEMBER_READY) != (b->state == MEMBER_READY)) {
        return a->state != MEMBER_READY;
    }
    if (is_on_cordoned_node(a) != is_on_cordoned_node(b)) {
        return is_on_cordoned_node(a);
    }
    if (zone_a != zone_b) {
        return zone_a > zone_b;
    }
    return partitions_a != partitions_b ? partitions_a < partitions_b : a->id > b->id;
}

static struct member *
victim(struct planner *planner)
{
    struct member *best = NULL;
    for (size_t i = 0; i < planner->count; i++) {
        struct member *member = &planner->members[i];
        bool may_go = member->ledger == CLAIM_ACTIVE && member->claim && !member->is_foreign &&
                      member->state != MEMBER_LOST;
        if (may_go && (!best || goes_before(planner, member, best))) {
            best = member;
        }
    }
    return best;
}

/* A drain that cannot go on (its broker is away) must not hold up the others. */
static int
drains_under_way(const struct planner *planner)
{
    int count = 0;
    for (size_t i = 0; i < planner->count; i++) {
        const struct member *member = &planner->members[i];
        count += member->ledger == CLAIM_DRAINING && member->state == MEMBER_READY;
    }
    return count;
}

static void
scale_in(struct planner *planner, int surplus)
{
    int room = planner->in->cluster->drain_max_concurrent - drains_under_way(planner);
    for (; surplus > 0 && room > 0; surplus--, room--) {
        struct member *member = victim(planner);
        if (!member) {
            return;
        }
        plan_mark(planner, member, CLAIM_DRAINING, -1);
        struct action *action = CONTAINER_OF(planner->plan->actions.prev, struct action, node);
        action_event(action, "DrainStarted", "Drain", "broker %d: %d brokers are wished for",
                member->id, planner->wished);
        member->ledger = CLAIM_DRAINING;
        planner->active--;
        planner->sure--;
    }
}

/* Takes back what is on its way out: those that have not come far first. */
static void
take_back(struct planner *planner, enum claim_state ledger, int *missing)
{
    for (size_t i = 0; i < planner->count && *missing > 0; i++) {
        struct member *member = &planner->members[i];
        if (member->ledger != ledger || member->is_foreign || !member->claim ||
                member->state == MEMBER_LOST || member->claim->claim->meta.is_deleting) {
            continue;
        }
        plan_mark(planner, member, CLAIM_ACTIVE, -1);
        struct action *action = CONTAINER_OF(planner->plan->actions.prev, struct action, node);
        action_event(action, "DrainCancelled", "Undrain", "broker %d: %d brokers are wished for",
                member->id, planner->wished);
        if (member->state == MEMBER_MISSING) {
            plan_create_pod(planner, member->id, member->zone, "it is wished for again")
                    ->needs_last = true;
        }
        member->ledger = CLAIM_ACTIVE;
        planner->active++;
        planner->sure++;
        planner->unavailable += member_is_unavailable(planner, member);
        (*missing)--;
    }
}

/* P9: an id that is registered is not free, whoever it belongs to. */
static int
unused_id(const struct planner *planner, int from)
{
    while (member_find(planner, from) || roster_find(planner, from)) {
        from++;
    }
    return from;
}

/* How many new ones may come now. Who is stuck counts where more are wished for than there ever
 * were, which may be a mistake; not where lost ones are replaced, which P4 bounds. */
static int
room_for_new(const struct planner *planner)
{
    bool is_growth = planner->active < planner->wished;
    int coming = 0;
    for (size_t i = 0; i < planner->count; i++) {
        enum member_state state = planner->members[i].state;
        coming += state == MEMBER_STARTING || (is_growth && state == MEMBER_STUCK);
    }
    return PLAN_NEW_BROKERS_MAX - coming;
}

static void
scale_out(struct planner *planner, int missing)
{
    int more[CLUSTER_ZONES_MAX] = { 0 };
    int id = -1;
    take_back(planner, CLAIM_DRAINING, &missing);
    take_back(planner, CLAIM_EMPTY, &missing);
    int room = room_for_new(planner);
    for (int made = 0; made < missing && made < room; made++) {
        size_t index = 0;
        const char *zone = zone_for_new(planner, more, &index);
        more[index]++;
        id = unused_id(planner, id + 1);
        plan_create_claim(planner, id, zone)->needs_children = true;
        plan_create_pod(planner, id, zone, "a new broker")->needs_last = true;
    }
}

/* P4: brokers on lost nodes don't count, unless most of them seem lost, and not just with one node
 * beside which others serve. */
bool
lost_are_believed(const struct planner *planner)
{
    bool is_one_node = !planner->has_lost_nodes && member_witness(planner);
    return is_one_node || planner->lost * 2 <= planner->in->cluster->replicas;
}

static int
serving_wishes(const struct planner *planner)
{
    return planner->active - (lost_are_believed(planner) ? planner->lost : 0);
}

static bool
is_of_an_old_revision(const struct member *member)
{
    return member->pod && !member->is_current && member->state != MEMBER_ENDED &&
           member->state != MEMBER_LOST;
}

/* One that will be ready in a moment, or is told to be stuck. */
static bool
is_coming(const struct planner *planner, const struct member *member)
{
    int64_t young_ms = planner->in->cluster->rollout_min_ready_ms;
    bool is_young =
            member->state == MEMBER_READY && planner->in->now_ms - member->pod->since_ms < young_ms;
    return is_young || member->state == MEMBER_STARTING || member->state == MEMBER_ENDING ||
           member->state == MEMBER_ENDED || member->state == MEMBER_MISSING;
}

/* P2: the surge comes with the first broker of an old revision, and stays until the last one that
 * was replaced is back; nobody is drained because he is just being replaced. */
int
brokers_wished(const struct planner *planner)
{
    const struct cluster *cluster = planner->in->cluster;
    int most = cluster->replicas + cluster->rollout_surge;
    bool is_held = false;
    for (size_t i = 0; i < planner->count && !cluster->is_rollout_paused; i++) {
        const struct member *member = &planner->members[i];
        if (member->ledger != CLAIM_ACTIVE || member->is_foreign) {
            continue;
        }
        if (is_of_an_old_revision(member)) {
            return most;
        }
        is_held = is_held || is_coming(planner, member);
    }
    int serving = serving_wishes(planner);
    return is_held && serving > cluster->replicas ? MIN(serving, most) : cluster->replicas;
}

void
scale_plan(struct planner *planner)
{
    int missing = planner->wished - serving_wishes(planner);
    int surplus = planner->sure - planner->wished;
    planner->is_short = missing > 0;
    if (missing > 0) {
        scale_out(planner, missing);
    } else if (surplus > 0) {
        scale_in(planner, surplus);
    }
}
