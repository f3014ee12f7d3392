#pragma once
/* What every object of Kubernetes has, as far as we need it. Owns its texts. */

#include "kube/json.h"

struct meta {
    char *namespace; /* "" for objects of the whole cluster */
    char *name;
    char *uid;
    char *version;   /* resourceVersion */
    char *owner_uid; /* of the controlling owner, or "" */
    char *cluster;   /* label freshet.dev/cluster, or "" */
    int64_t generation;
    bool is_deleting;
};

/* -EBADMSG: no name or no uid. */
MUST_CHECK int meta_parse(const cJSON *object, struct meta *ret_meta);
void meta_done(struct meta *meta);
/* An owned copy. */
void meta_dup(const struct meta *meta, struct meta *ret_copy);
/* Which of two versions of one object is newer: negative when `a` is older, 0 when they are equal
 * or cannot be compared. Versions are decimal numbers of any length. */
int version_compare(const char *a, const char *b);
