#pragma once
/* Shared by the files of this room. */

#include "act/act.h"

/* What is needed of the cluster, copied: the cache may change while an action waits. */
struct act_for {
    char namespace[64];
    char name[64];
    char uid[64];
};

MUST_CHECK int act_apply(struct act *act, const struct act_for *cluster, struct action *action);
/* A child of ours that is there is in the cache afterwards. */
MUST_CHECK int act_seek(struct act *act, const struct act_for *cluster, struct action *action);
/* That child is deleted: nothing was applied to it. */
void act_applied_drop(struct act *act, const struct act_for *cluster, const struct action *action);
/* -ENOTEMPTY: unregistering was refused, its log may hold what nobody else has. */
MUST_CHECK int act_broker(
        struct act *act, const struct act_for *cluster, const struct action *action);
