#pragma once
/* Pods, volume claims and nodes, as far as the plan looks at them. */

#include "resource/meta.h"

enum pod_phase { POD_PENDING, POD_RUNNING, POD_SUCCEEDED, POD_FAILED, POD_UNKNOWN };

struct pod {
    struct meta meta;
    int id;         /* -1: no broker's */
    char *revision; /* texts are never NULL */
    char *role;
    char *zone;
    char *node; /* "": not bound yet */
    char *ip;   /* "" */
    enum pod_phase phase;
    bool is_ready;
    bool accepts_loss; /* started with wal.recovery.accept.loss */
    bool is_unschedulable;
    bool is_volume_tied; /* and by what the scheduler says: see scheduler.h */
    bool is_volume_missed;
    /* Why a container waits, when it is a reason that doesn't go away by itself; "". */
    char *trouble;
    char *message; /* of that, or of the scheduler; cut */
    int restarts;
};

enum claim_state { CLAIM_ACTIVE, CLAIM_DRAINING, CLAIM_EMPTY };

struct claim {
    struct meta meta;
    int id;
    char *zone;
    char *store; /* hash of bucket and prefix */
    char *size;  /* as requested */
    char *node;  /* that the volume was made for; "": any, or not made yet */
    enum claim_state state;
    int64_t epoch;     /* of the proof, with CLAIM_EMPTY; -1 */
    bool is_exclusive; /* ReadWriteOncePod */
    bool is_bound;
    bool has_volume; /* bound, or it names the volume that it is going to be bound to */
    bool is_lost;
};

struct node {
    struct meta meta;
    char *zone;
    bool is_ready;
    bool is_cordoned;
};

MUST_CHECK int pod_parse(const cJSON *object, struct pod **ret_pod);
void pod_free(struct pod *pod);
MUST_CHECK int claim_parse(const cJSON *object, struct claim **ret_claim);
void claim_free(struct claim *claim);
/* As claim_parse, of the config map that stands for the claim of a broker without a volume. */
MUST_CHECK int ledger_parse(const cJSON *object, struct claim **ret_claim);
MUST_CHECK int node_parse(const cJSON *object, struct node **ret_node);
void node_free(struct node *node);

const char *claim_state_name(enum claim_state state);
/* A number of decimal digits up to `max`, or -1. */
int64_t number_parse(const char *text, int64_t max);
