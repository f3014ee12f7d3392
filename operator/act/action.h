#pragma once
/* The vocabulary between plan and act: one guarded step each. */

#include "cache/cache.h"

enum action_kind {
    ACTION_APPLY,        /* a child: create, or make our fields what they must be */
    ACTION_SEEK_CHILD,   /* of a kind that isn't watched: whether it is there, looked at once */
    ACTION_CREATE_CLAIM, /* -EEXIST: somebody else's. Of claims see is_ledger */
    ACTION_CREATE_POD,
    ACTION_TRY_POD,      /* whether the API server would take the pod `object` in its place */
    ACTION_DELETE_POD,   /* by uid; the pod's own grace period */
    ACTION_DELETE_CLAIM, /* by uid, and by version where the mark is what allows it */
    ACTION_DELETE_CHILD, /* by uid */
    ACTION_MARK_CLAIM,   /* state and epoch, if the claim is still as it was seen */
    ACTION_GROW_CLAIM,   /* to the size in `text` */
    ACTION_LABEL_POD,    /* role in `text` */
    ACTION_DRAIN,        /* calls of the admin API, at `ip` */
    ACTION_UNDRAIN,
    ACTION_UNREGISTER, /* with the epoch */
    ACTION_FORGET,     /* the same of a broker whose claim is gone. Its failure holds up nothing */
    ACTION_SETTINGS,   /* `object`: the body of POST /v1/config. Its failure holds up nothing */
    ACTION_ADD_FINALIZER,
    ACTION_REMOVE_FINALIZER,
};

struct action {
    struct list node;
    enum action_kind kind;
    int id; /* of the broker; -1 */
    enum child_kind child;
    cJSON *object; /* owned: apply, create */
    char *name;    /* owned, as the texts below; "" */
    char *uid;
    char *version; /* resourceVersion that is expected */
    char *text;
    char *ip; /* of a broker that answers */
    enum claim_state state;
    bool is_ledger; /* the claim is a config map: the log is in the bucket */
    int64_t epoch;  /* -1: none */
    /* What is told when it succeeded; NULL: nothing. */
    const char *event_reason;
    const char *event_action;
    char *event_note;
    bool is_warning;
    /* A4: what a refusal holds up. */
    bool is_base;        /* refused: all that comes after */
    bool needs_children; /* held up when a child was refused */
    bool needs_last;     /* held up unless the action before it was done */
    bool is_done;
    /* Of an action whose failure doesn't end the pass. */
    int failure;        /* negative errno */
    char *failure_text; /* owned, or NULL */
};

struct action *action_new(enum action_kind kind, int id);
void action_free(struct action *action);
const char *action_name(enum action_kind kind);
/* Sets one of the owned texts. */
void action_set(char **field, const char *text);
PRINTF(4, 5)
void action_event(
        struct action *action, const char *reason, const char *verb, const char *format, ...);
