#pragma once
/* The state that the metadata log describes. Each reactor has a replica and applies the same
 * records in the same order, so reading needs no message and no lock: look, use, and look again
 * after every wait.
 *
 * M6  A commit, merge or log start that carries an older partition epoch or broker epoch than the
 *     state's changes nothing (-ESTALE). Crash: a paused former owner commits a range that the
 *     successor has already replaced. */

#include "base/list.h"
#include "base/map.h"
#include "meta/record.h"

struct meta_broker {
    struct map_node node; /* by id */
    int32_t id;
    int64_t epoch; /* grows with each registration, over all brokers */
    struct uuid incarnation;
    char *host;
    int32_t port;
    char *rack; /* NULL: none */
    char *admin_host;
    int32_t admin_port;
    bool alive; /* false after META_BROKER_GONE */
};

struct meta_partition {
    struct partition_key key;
    int32_t owner;              /* broker id */
    int64_t owner_broker_epoch; /* 0: never opened */
    int32_t epoch;              /* leader epoch, from 0; + 1 at each META_OPEN */
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
int32_t meta_state_controller(const struct meta_state *state);       /* broker id, -1 */
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
/* The value set for that resource; false when none is. */
bool meta_config_get(const struct meta_state *state, enum meta_resource resource, struct bytes name,
        struct bytes key, struct bytes *ret_value);
/* All values of a resource, sorted by key. Returns the number; fills at most `capacity`. */
size_t meta_config_list(const struct meta_state *state, enum meta_resource resource,
        struct bytes name, struct meta_config_entry *entries, size_t capacity);
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
