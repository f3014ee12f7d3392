#pragma once
/* Shared by the files of this room. */

#include "plan/plan.h"
#include "resource/quantity.h"

#define REVISION_SIZE 17

enum member_state {
    MEMBER_READY,
    MEMBER_STARTING, /* not ready, for less than the time that a pod has */
    MEMBER_STUCK,    /* not ready for longer, or with a reason that doesn't go away */
    MEMBER_LOST,     /* its node is lost */
    MEMBER_ENDING,   /* the pod is being deleted */
    MEMBER_ENDED,    /* the pod has ended and its object is still there */
    MEMBER_MISSING,  /* a claim without a pod */
};

/* One identity. */
struct member {
    int id;
    enum member_state state;
    const struct plan_pod *pod;     /* or NULL */
    const struct plan_claim *claim; /* or NULL */
    enum claim_state ledger;        /* ACTIVE without a claim */
    bool is_foreign;                /* the claim belongs to another bucket */
    bool is_current;                /* the pod has the revision that is wished */
    const char *zone;
};

struct planner {
    const struct plan_input *in;
    struct plan *plan;
    struct member *members; /* by id */
    size_t count;
    char revision[REVISION_SIZE];
    char image[600];
    cJSON *config; /* the config map that pods of this revision use */
    /* Counted over members whose ledger is ACTIVE. */
    int active;
    int lost;
    const char *lost_node; /* of the last of them */
    bool has_lost_nodes;   /* more than one */
    int sure;              /* neither lost nor without a claim */
    int unavailable;
    int wished;    /* brokers: replicas, and during a rollout the surge */
    bool is_short; /* some of them are not there yet */
};

void members_make(struct planner *planner);
const struct member *member_find(const struct planner *planner, int id);
const char *member_state_name(enum member_state state);
/* Whether it doesn't serve, or not for long enough to be counted on. */
bool member_is_unavailable(const struct planner *planner, const struct member *member);
/* P12 */
bool member_never_began(const struct planner *planner, const struct member *member);
/* Marked EMPTY, and its broker has registered since (P1), or, marked as one that never began, may
 * have begun (P12). */
bool member_began_after_all(const struct planner *planner, const struct member *member);
/* Whether its broker's answer is to a question that was asked after that moment. */
bool member_is_told_since(const struct member *member, int64_t since_ms);
/* P4: its node is lost, and it has answered since. */
bool member_is_unheard(const struct planner *planner, const struct member *member);
/* Somebody who serves, and can write a record into the metadata log; or NULL. */
const struct member *member_witness(const struct planner *planner);

/* objects.c, pod.c: what must be. Owned. */
void names_make(struct planner *planner);
cJSON *object_claim(const struct planner *planner, int id, const char *zone);
/* The labels of a broker's pod and claim. */
void identity_labels(cJSON *object, int id, const char *zone);
cJSON *object_purge(const struct planner *planner, const char *name);
cJSON *object_pod(const struct planner *planner, int id, const char *zone);
void children_plan(struct planner *planner);
/* metadata with our labels and, when `is_owned`, the cluster as the controlling owner. */
cJSON *object_new(const struct planner *planner, const struct kube_kind *kind, const char *name,
        bool is_owned);
#define OBJECT_NAME_SIZE 80
char *pod_name(const struct planner *planner, int id, char out[OBJECT_NAME_SIZE]);
char *claim_name(const struct planner *planner, int id, char out[OBJECT_NAME_SIZE]);
/* The Service that leads to one broker by one listener. */
char *listener_service_name(
        const struct cluster *cluster, const char *listener, int id, char out[OBJECT_NAME_SIZE]);
/* store.url of the brokers; the schema's bounds, with each character escaped, stay below that. */
#define STORE_URL_MAX 4096
struct strbuf;
void store_url(const struct cluster *cluster, struct strbuf *out);
/* scale.c: how many and which. */
int brokers_wished(const struct planner *planner);
void scale_plan(struct planner *planner);
/* P4 */
bool lost_are_believed(const struct planner *planner);
/* drain.c: each drain's next step. */
void drains_plan(struct planner *planner);
/* What is left of brokers that were drained. */
void retirements_plan(struct planner *planner);
/* ghosts.c: what is left of brokers whose claims are gone (P9). */
void ghosts_plan(struct planner *planner);
/* Whether somebody told lately who is registered. */
bool roster_is_told(const struct planner *planner);
/* Registered under that id, as far as was told lately; NULL: not, or not known. */
const struct roster_entry *roster_find(const struct planner *planner, int id);
/* loss.c: the next step for a volume that a human gave up (P6); false: there is none. */
bool loss_plan(struct planner *planner, const struct member *member);
/* Which accepted losses are over, into the status. */
void losses_settle(struct planner *planner);
/* purge.c: whether nothing is left to be done for the bucket; else plans the next step (P10). */
bool purge_plan(struct planner *planner);
/* The name is in the status before those who know it go. */
bool purge_waits_for_id(struct planner *planner);
void cluster_id_make(struct planner *planner);
bool cluster_is_purged(const struct planner *planner);
/* The pod that empties the bucket, or NULL. */
const struct pod *purge_pod(const struct planner *planner);
/* rollout.c */
void rollout_plan(struct planner *planner);
/* dynamic.c: what brokers take over while they run. */
void settings_plan(struct planner *planner);
bool setting_is_dynamic(const char *name);
/* summary.c: the status. */
void summary_make(struct planner *planner);

/* What was told longer ago says nothing of now. */
#define ANSWER_MS_MAX 45000

struct action *plan_action(struct planner *planner, enum action_kind kind, int id);
struct action *plan_delete_pod(
        struct planner *planner, const struct member *member, const char *reason, const char *why);
struct action *plan_create_pod(struct planner *planner, int id, const char *zone, const char *why);
struct action *plan_create_claim(struct planner *planner, int id, const char *zone);
void plan_mark(struct planner *planner, const struct member *member, enum claim_state state,
        int64_t epoch);
void plan_again(struct planner *planner, int64_t after_ms);
/* What the broker in the member's pod said, when it said it lately; else NULL. */
const struct broker *member_broker(const struct planner *planner, const struct member *member);
/* It said that it serves without some partitions, whose records its log cannot give back. */
bool member_is_damaged(const struct planner *planner, const struct member *member);
/* Its volume is lost, or going although nobody proved that nothing is in it. */
bool member_volume_is_lost(const struct member *member);
/* Its volume was made for a node that is gone, and no other node takes its pod. */
bool member_is_stranded(const struct member *member);
/* An active broker that said that it drains, or has drained. */
bool member_is_to_be_undrained(const struct planner *planner, const struct member *member);
