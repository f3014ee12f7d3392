#pragma once
/* The state that the metadata log describes. Each reactor has a replica and applies the same
 * records in the same order, so reading needs no message and no lock: look, use, and look again
 * after every wait.
 *
 * M5  (the state's half) A partition that a broker has opened may hold acknowledged batches in that
 *     broker's WAL and nowhere else: only the same broker may open it again (it has recovered its
 *     WAL first), until it was handed over (V2) or the broker stopped clean. Crash: a dead broker's
 *     partition is opened by another at the committed end, and the batches in the WAL are lost.
 *     Nor is it opened twice in one epoch of its broker: that changes nothing. Crash: the broker
 *     and the controller, or two requests for more partitions, open it one behind the other, and
 *     the broker drops what it acknowledged in between together with the first opening.
 *     META_BROKER_REMOVE forgets a broker only when it is gone and no partition may have batches in
 *     its WAL. Crash: forgotten, its id comes back on a fresh volume (C6 has nothing to compare it
 *     with) and opens its partitions short.
 *
 * V1  A wish (META_MOVE) changes nothing but `target`. The owner alone carries it out; a wish for a
 *     target that died is withdrawn or replaced, and the owner goes on where it stopped.
 *
 * V2  One record gives a partition away: owner, broker epoch and leader epoch change together, and
 *     only when everything up to the end that the owner names is committed. Crash before it: the
 *     old owner has the partition, all of it; after it: the new one has. A handover of an epoch
 *     that has ended, or that names another end than the committed one, changes nothing.
 *
 * K1  Only brokers that META_TAKE_OVER names, alive and in the epochs that it names, may commit for
 *     a dead broker's partitions, and only until all shares are done, the assignment is replaced or
 *     the dead broker's id registers again: then the new incarnation recovers. Crash: a taker is
 *     paused, another one ends the recovery, the partition opens elsewhere, and the first goes on.
 *
 * K2  A dead broker's partitions are released when all shares of one assignment are done, and only
 *     those opened since its WAL has been in the bucket without a break: what may be on a volume
 *     waits for that volume. Crash: a broker changes wal.type, dies before it has recovered its
 *     volume, and its partitions are opened elsewhere without what is there. Or: the second of two
 *     takers dies, all is given to the first, and its half, begun before, is taken for all.
 *
 * M6  A commit, merge or log start that carries an older partition epoch or broker epoch than the
 *     state's changes nothing (-ESTALE). Crash: a paused former owner commits a range that the
 *     successor has already replaced. */

#include "base/list.h"
#include "base/map.h"
#include "meta/record.h"

struct meta_broker_endpoint {
    char *listener;
    char *host;
    int32_t port;
};

struct meta_broker {
    struct map_node node; /* by id */
    int32_t id;
    int64_t epoch; /* grows with each registration, over all brokers */
    struct uuid incarnation;
    struct meta_broker_endpoint *endpoints; /* at least one */
    int32_t endpoint_count;
    char *rack; /* NULL: none */
    char *admin_host;
    int32_t admin_port;
    char *internal_host; /* NULL: none */
    int32_t internal_port;
    enum meta_broker_state state;
    bool alive;        /* false after META_BROKER_GONE */
    int32_t wal_logs;  /* of the newest incarnation; 0: its WAL is on a volume */
    int64_t wal_since; /* epoch since which all its incarnations have been of that kind */
    bool unrecovered;  /* dead, and its logs in the bucket may hold what no object has (K1) */
    struct meta_taker *takers; /* who recovers them; NULL: nobody yet */
    int32_t taker_count;
};

struct meta_partition {
    struct partition_key key;
    int32_t owner;              /* broker id */
    int64_t owner_broker_epoch; /* who has it open; 0: nobody, and no WAL has any of it */
    int32_t target;             /* where it shall go (V1); -1: it stays */
    int32_t epoch;              /* leader epoch, from 0; + 1 at each META_OPEN and META_HANDOVER */
    int64_t log_start_offset;
    int64_t end_offset;   /* one past what is in committed objects */
    uint64_t manifest_id; /* 0: none */
    int64_t manifest_end_offset;
    struct store_range *ranges; /* recent ranges, in offset order, from manifest_end_offset on */
    int32_t range_count;
    int32_t range_capacity;
    uint64_t touched; /* sequence of the last commit that named it: at most once per commit */
};

struct meta_topic {
    struct map_node by_name;
    struct map_node by_id;
    struct list link; /* in meta_state.topics, in order of creation */
    struct uuid id;
    char *name;
    bool internal;
    struct meta_partition *partitions;
    int32_t partition_count;
};

struct meta_state;

struct meta_state *meta_state_new(void);
void meta_state_free(struct meta_state *state);
/* Applies one record that is at `sequence` (position in the log: object sequence << 20 | index in
 * it). */
struct meta_result meta_state_apply(
        struct meta_state *state, const struct meta_record *record, uint64_t sequence);
/* The whole state as bytes (meta/snapshot), and back. Equal states give equal bytes. */
MUST_CHECK int meta_state_encode(const struct meta_state *state, struct strbuf *out);
MUST_CHECK int meta_state_decode(struct bytes bytes, struct meta_state **ret_state);

const struct uuid *meta_state_cluster_id(const struct meta_state *state);
/* Sequence of the last record applied. */
uint64_t meta_state_sequence(const struct meta_state *state);
int32_t meta_state_controller(const struct meta_state *state); /* broker id, -1 */
/* Its writer uuid: the holder of the lease in its term. */
const struct uuid *meta_state_controller_writer(const struct meta_state *state);
int64_t meta_state_controller_epoch(const struct meta_state *state); /* 0: none yet */
/* Object ids below it were handed out. */
uint64_t meta_state_next_object_id(const struct meta_state *state);

/* Lookups return NULL when there is none. Valid until the next wait. */
const struct meta_topic *meta_topic_by_name(const struct meta_state *state, struct bytes name);
const struct meta_topic *meta_topic_by_id(const struct meta_state *state, const struct uuid *id);
const struct meta_partition *meta_partition_find(
        const struct meta_state *state, struct partition_key key);
const struct meta_broker *meta_broker_find(const struct meta_state *state, int32_t id);
/* In order of creation; pass NULL for the first. */
const struct meta_topic *meta_topic_next(
        const struct meta_state *state, const struct meta_topic *topic);
size_t meta_topic_count(const struct meta_state *state);
size_t meta_partition_count(const struct meta_state *state);
/* In order of id; -1 for the first. */
const struct meta_broker *meta_broker_next(const struct meta_state *state, int32_t after_id);
/* Where clients that came by that listener find it; NULL: it has no such listener. */
const struct meta_broker_endpoint *meta_broker_endpoint(
        const struct meta_broker *broker, const char *listener);
/* New partitions may go there: alive and neither cordoned nor draining. */
bool meta_broker_takes(const struct meta_broker *broker);
/* Opened by an incarnation of its owner whose WAL is in the bucket, as those since: whoever fences
 * wal/<owner>/<owner_broker_epoch>/ finds all that was acknowledged. */
bool meta_partition_wal_is_in_bucket(
        const struct meta_state *state, const struct meta_partition *partition);
/* The share of the dead broker's logs that this one shall recover and has not; -1: none (K1). */
int32_t meta_broker_share(const struct meta_broker *dead, int32_t taker_id, int64_t taker_epoch);
/* Alive and registered in that epoch. */
bool meta_broker_is_current(const struct meta_state *state, int32_t id, int64_t epoch);
/* A partition is or was open there and was not handed over since: the broker's WAL may hold
 * acknowledged batches that no object has (M5). Looks at all partitions. */
bool meta_broker_has_tail(const struct meta_state *state, int32_t broker_id);
/* The value set for that resource; false when none is. */
bool meta_config_get(const struct meta_state *state, enum meta_resource resource, struct bytes name,
        struct bytes key, struct bytes *ret_value);
/* All values of a resource, sorted by key. Returns the number; fills at most `capacity`. */
size_t meta_config_list(const struct meta_state *state, enum meta_resource resource,
        struct bytes name, struct meta_config_entry *entries, size_t capacity);
/* The names of the resources that have values, in order. Returns the number; fills at most
 * `capacity`. */
size_t meta_config_names(const struct meta_state *state, enum meta_resource resource,
        struct bytes *names, size_t capacity);
/* Of all values of all resources of the kind: another one when any has changed. */
uint32_t meta_config_checksum(const struct meta_state *state, enum meta_resource resource);
/* How many partitions' recent ranges name the object; 0 when none. Manifests' objects are not
 * counted here. */
uint32_t meta_object_references(const struct meta_state *state, uint64_t object_id);
/* How many manifests took the object over as it is (`added` of META_MERGE) from recent ranges. */
uint32_t meta_object_manifest_references(const struct meta_state *state, uint64_t object_id);
/* Marked objects (first phase of O2) in order of marking: returns the number, fills at most
 * `capacity`. */
size_t meta_garbage_list(const struct meta_state *state, uint64_t *ids, size_t capacity);
/* As meta_garbage_list, but only those marked by records up to `sequence`. */
size_t meta_garbage_list_until(
        const struct meta_state *state, uint64_t sequence, uint64_t *ids, size_t capacity);

/* A manifest of a topic that was deleted. Only the manifest names its objects, and the state
 * machine cannot read it: it stays here until somebody has, and has proposed META_MANIFEST_GARBAGE
 * with the ids. */
struct meta_dead_manifest {
    struct list link;
    struct partition_key key;
    uint64_t manifest_id;
};
/* In order of deletion: returns the number, fills at most `capacity`. */
size_t meta_dead_manifest_list(
        const struct meta_state *state, struct meta_dead_manifest *manifests, size_t capacity);

/* A range of object ids handed to one broker's epoch (O1). It goes when each id was used or
 * META_INTENT_DONE says that the rest is gone. */
struct meta_intent {
    uint64_t first_id;
    int32_t count;
    int32_t used_count;
    int32_t broker_id;
    int64_t broker_epoch;
    uint8_t *used; /* a bit for each id: committed, or named by a manifest */
};
/* The first intent whose first_id is greater than `after_id` (0: the first), in order of ids; NULL:
 * none. */
const struct meta_intent *meta_intent_next(const struct meta_state *state, uint64_t after_id);
bool meta_intent_is_used(const struct meta_intent *intent, uint64_t object_id);
/* No broker can commit under it any more: its broker is gone or has registered again. */
bool meta_intent_is_dead(const struct meta_state *state, const struct meta_intent *intent);

/* Told of each applied record with its result; called in order, must not wait. */
typedef void (*meta_listener_fn)(void *arg, const struct meta_record *record,
        const struct meta_result *result, uint64_t sequence);
