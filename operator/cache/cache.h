#pragma once
/* All that the operator has seen: the tables of each kind, what brokers said of themselves, and
 * the queue of what something changed for. One thread. */

#include "cache/queue.h"
#include "cache/table.h"
#include "kube/client.h"
#include "resource/broker.h"
#include "resource/cluster.h"
#include "resource/pod.h"
#include "resource/topic.h"

/* Flags of pods and nodes, whose changes are stamped (table_entry.flags_ms). */
#define POD_FLAG_READY 1u
#define POD_FLAG_DELETING 2u
#define NODE_FLAG_READY 1u
/* Flags of claims: their state. */

/* An object that the operator applies: only who owns it and its version are kept. */
struct child {
    struct meta meta;
};

enum child_kind {
    CHILD_SERVICE,
    CHILD_CONFIG_MAP,
    CHILD_BUDGET,
    CHILD_POLICY,
    CHILD_MONITOR, /* of a kind that may not be installed: not watched, not waited for */
    CHILD_KIND_COUNT
};
#define CHILD_WATCHED_COUNT CHILD_MONITOR
extern const struct kube_kind *const child_kinds[CHILD_KIND_COUNT];

/* What the broker in a pod said last. */
struct broker_view {
    struct map_node node;
    char *pod_uid;
    char *cluster; /* key of the cluster */
    struct broker broker;
    bool is_known;   /* an answer came at all */
    int64_t told_ms; /* when the last one came */
    int64_t asked_ms;
    int64_t of_ms;     /* when what came was asked for: what it says was so later than that */
    bool is_seen;      /* for the sweep of watch/brokers.c */
    char problem[160]; /* of the last try that brought none; "" */
};

/* A broker as the metadata log has it: also one whose pod and claim are gone. */
struct roster_entry {
    int id;
    int64_t epoch;
    bool is_alive;
};

#define ROSTER_MAX 1000

/* All registered brokers of one cluster, as one of them told last. */
struct roster {
    struct map_node node;
    char *cluster; /* key */
    struct roster_entry *entries;
    size_t count;
    int64_t told_ms; /* 0: never */
    int64_t asked_ms;
};

struct cache {
    struct table clusters;
    struct table pods;
    struct table claims;
    struct table ledgers; /* as claims, of brokers whose log is in the bucket */
    struct table nodes;
    struct table topics;
    struct table users;
    struct table children[CHILD_KIND_COUNT];
    struct map views;   /* of brokers, by the pod's uid */
    struct map rosters; /* by the cluster's key */
    struct queue queue;
    bool has_nodes; /* nodes may be watched: it takes a cluster role */
};

void cache_init(struct cache *cache);
void cache_done(struct cache *cache);
/* Whether each watched list was complete once: before that nobody may act. */
bool cache_is_synced(const struct cache *cache);
/* "namespace/name" into out, for the queue. */
char *cache_key(char out[QUEUE_KEY_SIZE], const char *namespace, const char *name);
/* Before "namespace/name" of what is no cluster. */
#define CACHE_KEY_TOPIC "topic:"
#define CACHE_KEY_USER "user:"

/* The cluster that owns that pod, by uid; or NULL: it is of one that is gone. */
const struct cluster *cache_cluster_of(const struct cache *cache, const struct meta *pod);
/* The claim, or what stands for it, of that pod; or NULL. */
const struct claim *cache_claim_of(const struct cache *cache, const struct meta *pod);
/* NULL: not there, or it is another pod's now. */
struct broker_view *cache_view(const struct cache *cache, const char *pod_uid);
/* Made when there is none. */
struct broker_view *cache_view_make(
        struct cache *cache, const char *pod_uid, const char *cluster_key);
void cache_view_forget(struct cache *cache, const char *pod_uid);

/* NULL: nothing was told yet. */
struct roster *cache_roster(const struct cache *cache, const char *cluster_key);
struct roster *cache_roster_make(struct cache *cache, const char *cluster_key);
/* Takes what was told, a copy; the cluster is queued when it is news. */
void cache_roster_tell(struct cache *cache, struct roster *roster,
        const struct roster_entry *entries, size_t count, int64_t now_ms);
/* That broker is unregistered: what was told before says nothing of it any more. */
void cache_roster_drop(struct cache *cache, const char *cluster_key, int id);
/* Of a cluster that is gone. */
void cache_roster_forget(struct cache *cache, const char *cluster_key);
