#pragma once
/* FreshetCluster: what its owner wishes. The API server has checked it by the rules of
 * manifests/crds; what is looked at again here is what would crash or mislead us.
 *
 * N1  A wish for listeners that brokers of this version lack leaves the listeners as they were
 * served last, which the status has; without such, there are none, and nothing is done. Never is a
 * part of such a wish taken for the whole. Crash scenario: TLS is asked for, and the new broker of
 * a scale-out serves that port in plain text, or the pod of a dead broker is not made again. */

#include "resource/meta.h"

#define CLUSTER_NAME_SIZE_MAX 40
#define CLUSTER_REPLICAS_MAX 1000
#define CLUSTER_LISTENERS_MAX 16
#define CLUSTER_ZONES_MAX 16

enum listener_type { LISTENER_INTERNAL, LISTENER_LOAD_BALANCER, LISTENER_NODE_PORT };

/* Texts borrow from the cluster's spec, or from what it has served. */
struct listener {
    const char *name;
    int port;
    enum listener_type type;
    const char *host; /* "" */
    int node_port;    /* of the Service for all; broker N has the one N + 1 above. 0: none */
    bool has_tls;
    bool has_authentication;
    const cJSON *annotations;
};

struct cluster {
    struct meta meta;
    char created[24];  /* metadata.creationTimestamp */
    cJSON *spec;       /* owned; what follows borrows from it */
    cJSON *conditions; /* of the status, owned, or NULL */
    cJSON *settings;   /* of the status: set for all brokers while they run; owned, or NULL */
    cJSON *served;     /* of the status: listeners; owned, or NULL */
    bool has_finalizer;
    bool is_paused;
    int replicas;
    const char *version; /* "" : the operator's */
    const char *image;   /* "" : by version */
    const char *pull_policy;
    const char *bucket;
    const char *prefix;
    const char *region;
    const char *endpoint;
    bool path_style;
    const char *credentials_secret; /* "" */
    bool wal_is_volume;             /* else it is in the bucket */
    const char *wal_size;
    const char *wal_class; /* "": the default class */
    const char *wal_access_mode;
    bool keeps_empty_volumes; /* reclaimPolicy Retain */
    const char *not_yet;      /* what the wish has and brokers lack, in words for its owner; "" */
    struct listener listeners[CLUSTER_LISTENERS_MAX]; /* N1 */
    size_t listener_count;
    const char *zone_key; /* "" */
    const char *zones[CLUSTER_ZONES_MAX];
    size_t zone_count;
    int rollout_max_unavailable;
    int rollout_surge;
    int64_t rollout_min_ready_ms;
    int64_t rollout_pod_timeout_ms;
    bool is_rollout_paused;
    int64_t drain_timeout_ms;
    int drain_max_concurrent;
    int64_t node_toleration_s;
    int64_t node_replace_after_ms;
    int64_t grace_s;
    bool has_budget;
    int budget_max_unavailable;
    bool has_policy;
    bool has_monitor;
    bool deletes_volumes;
    bool deletes_objects;
    char *cluster_id;   /* of the status: what a broker told first; owned, "" */
    char *accepts_loss; /* owned: ids of brokers whose log a human gives up, "0,3"; "" */
    cJSON *losses;      /* of the status: ids for which that is used up; owned, or NULL */
};

/* -EBADMSG: what is wrong, with the field's path. */
MUST_CHECK int cluster_parse(const cJSON *object, struct cluster **ret_cluster);
void cluster_free(struct cluster *cluster);
/* Whether a human has said that what the log of that broker had is given up, and it was not yet. */
bool cluster_accepts_loss(const struct cluster *cluster, int id);
/* Whether the annotation names that broker for a loss that is over, and so for nothing more. */
bool cluster_loss_is_spent(const struct cluster *cluster, int id);
/* `after` takes the place of `before`: whom the annotation did not name in between, for that broker
 * a human has said it anew, although no status could tell yet. What the status has only since then
 * was named and spent while nobody looked. */
void cluster_losses_follow(const struct cluster *before, struct cluster *after);
/* The status has these: also where it said so before, and no newer state of the object comes. */
void cluster_losses_note(struct cluster *cluster, const cJSON *losses);
/* Whether the status says so. */
bool cluster_is_ready(const struct cluster *cluster);
/* Whether b, which is another one, has the same place in the same bucket and came before. */
bool cluster_is_rival(const struct cluster *a, const struct cluster *b);
/* Hexadecimal digits that say which bucket and prefix the data of a volume belongs to. The endpoint
 * is only where they are reached: brokers themselves refuse a volume of another cluster. Crash
 * scenario: the store's gateway gets another name; all volumes are somebody else's, and as many
 * brokers again are made. */
#define STORE_HASH_SIZE 17
char *cluster_store_hash(const struct cluster *cluster, char out[STORE_HASH_SIZE]);
/* Whether that is the hash of the cluster's store. */
bool cluster_has_store(const struct cluster *cluster, const char *hash);
