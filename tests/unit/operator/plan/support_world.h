#pragma once
/* A small world in words: what is wished and seen, and the plan for it as a text. */

#include "plan/plan.h"

#define WORLD_MAX 48 /* rows: half of them claims */

struct world {
    cJSON *object; /* of the cluster */
    struct cluster *cluster;
    struct plan_settings settings;
    struct pod pods[WORLD_MAX];
    struct claim claims[WORLD_MAX];
    struct broker_view views[WORLD_MAX];
    struct node nodes[WORLD_MAX];
    struct meta children[WORLD_MAX];
    char names[WORLD_MAX][6][32];
    struct plan_pod plan_pods[WORLD_MAX];
    struct plan_claim plan_claims[WORLD_MAX];
    struct plan_child plan_children[WORLD_MAX];
    struct roster_entry registered[WORLD_MAX];
    struct roster roster;
    struct cluster *rival; /* or NULL */
    size_t pod_count;
    size_t claim_count;
    size_t child_count;
    char revision[32]; /* that is wished now */
    struct plan plan;
    char text[4096];
};

/* A cluster `c` with that many replicas and JSON that is merged into its spec; it has its
 * finalizer. */
void world_begin(struct world *world, int replicas, const char *spec);
void world_end(struct world *world);
/* Changes the wish: as world_begin, what was seen stays. */
void world_wish(struct world *world, int replicas, const char *spec);

/* A broker with pod and claim; the words, in any order:
 *   ready starting stuck(with a reason) unschedulable ending ended old(revision) nopod noclaim
 *   accepts (of the pod: started with accepted loss)
 *   draining empty lost foreign deleting gone(its node) (of the claim), drained-role (of the pod)
 *   waiting (for a node)
 *   unbound shared (ReadWriteOnce, of the claim) chosen (it names a volume) unproven (no epoch)
 *   says:active says:draining says:drained says:drained-dirty says:nothing
 *   asked-before (what it says is of before its node was lost, or its claim marked)
 *   ghost ghost-alive (registered, without claim and pod) again (since its claim was marked)
 *   node:ok node:down node:cordoned together(on one node) zone:X
 *   young (ready for a moment only) few (partitions) */
void world_broker(struct world *world, int id, const char *words);

/* The plan at time 1000000, without what is applied: "create-claim 0, create-pod 0, ..." */
const char *world_plan(struct world *world);
/* "Type=Truth/Reason" of a condition of that plan. */
const char *world_condition(struct world *world, enum condition_type type);

#define WORLD_ROW_BROKERS 6
/* A world and what is planned for it. */
struct world_row {
    const char *why;
    int replicas;
    const char *brokers[WORLD_ROW_BROKERS]; /* words, by id from 0; "": none */
    const char *plan;
};

/* Each begun with that spec. */
void world_rows_check(const struct world_row *rows, size_t count, const char *spec);
/* The brokers join a world that has begun; fails the test where another plan is made for it. */
void world_expect(struct world *world, const char *why,
        const char *const brokers[WORLD_ROW_BROKERS], const char *plan);
