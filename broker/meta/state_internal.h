#pragma once
/* What the files of the state machine share. Private to this room.
 *
 * Every apply_* function looks first and changes afterwards: a record that is refused has changed
 * nothing. */

#include "base/mem.h"
#include "meta/state.h"

/* The values of one resource, sorted by key. */
struct config_scope {
    struct map_node node; /* by resource and name */
    enum meta_resource resource;
    char *name; /* `name_size` bytes */
    size_t name_size;
    struct config_value *values;
    size_t count;
    size_t capacity;
};

struct config_value {
    uint8_t *data; /* key, then value */
    size_t key_size;
    size_t value_size;
};

/* An object that recent ranges name, or that manifests took over from them. */
struct object_entry {
    struct map_node node; /* by id */
    uint64_t id;
    uint32_t references;          /* recent ranges */
    uint32_t manifest_references; /* manifests that took it over as it is */
};

struct garbage_entry {
    struct map_node node; /* by id */
    struct list link;     /* in order of marking */
    uint64_t id;
    uint64_t sequence; /* of the record that marked it */
};

struct meta_state {
    struct uuid cluster_id;
    int32_t version;
    uint64_t sequence;
    int64_t controller_epoch;
    struct uuid controller_writer;
    int32_t controller_id;

    struct map brokers_by_id;
    struct meta_broker **brokers; /* sorted by id */
    size_t broker_count;
    size_t broker_capacity;

    struct map topics_by_name;
    struct map topics_by_id;
    struct list topics;
    size_t topic_count;
    size_t partition_count;

    struct map scopes;
    size_t config_count; /* values of all scopes */

    struct map objects;
    struct map garbage_by_id;
    struct list garbage;
    struct list dead_manifests;
    size_t dead_manifest_count;
    struct meta_intent *intents; /* sorted by first_id */
    size_t intent_count;
    size_t intent_capacity;

    uint64_t next_object_id; /* from 1: 0 is no object */
    int64_t next_producer_id;
};

/* brokers.c */
struct meta_broker *broker_find(const struct meta_state *state, int32_t id);
struct meta_broker *broker_add(struct meta_state *state, int32_t id);
void broker_set_text(char **field, struct bytes text);
bool broker_endpoints_are_valid(const struct meta_endpoint *endpoints, int32_t count);
/* Copies valid ones in the place of what it had. */
void broker_set_endpoints(
        struct meta_broker *broker, const struct meta_endpoint *endpoints, int32_t count);
/* The broker is alive and this is its newest epoch (M6). */
bool broker_is_current(const struct meta_state *state, int32_t id, int64_t epoch);
struct meta_result apply_broker(
        struct meta_state *state, const struct meta_broker_record *record, uint64_t sequence);
struct meta_result apply_broker_gone(struct meta_state *state, const struct meta_record *record);
struct meta_result apply_producer_ids(struct meta_state *state, const struct meta_record *record);
struct meta_result apply_broker_state(struct meta_state *state, const struct meta_record *record);
struct meta_result apply_broker_remove(struct meta_state *state, const struct meta_record *record);
void brokers_done(struct meta_state *state);

/* topics.c */
struct meta_topic *topic_add(
        struct meta_state *state, struct bytes name, struct uuid id, int32_t partition_count);
struct meta_partition *partition_find(const struct meta_state *state, struct partition_key key);
struct meta_result apply_topic(struct meta_state *state, const struct meta_topic_record *record);
struct meta_result apply_topic_delete(struct meta_state *state, struct uuid topic_id);
struct meta_result apply_partitions(struct meta_state *state, const struct meta_record *record);
struct meta_result apply_open(struct meta_state *state, const struct meta_open_record *record);
struct meta_result apply_move(struct meta_state *state, const struct meta_record *record);
struct meta_result apply_balance(
        struct meta_state *state, const struct meta_balance_record *record);
struct meta_result apply_handover(
        struct meta_state *state, const struct meta_handover_record *record);
/* Nothing goes to the broker any more. */
void partitions_withdraw(struct meta_state *state, int32_t broker_id);
/* What the broker had open since `since` is open nowhere: its WAL has nothing of it any more. */
void partitions_release(struct meta_state *state, int32_t broker_id, int64_t since);
bool partitions_open_at(const struct meta_state *state, int32_t broker_id, int64_t since);

/* takeover.c */
struct meta_result apply_take_over(
        struct meta_state *state, const struct meta_take_over_record *record);
struct meta_result apply_recovered(
        struct meta_state *state, const struct meta_recovered_record *record);
/* The broker has registered: its new incarnation recovers what the former ones left. */
void takeover_registered(struct meta_broker *broker, int32_t wal_logs);
/* It died with a WAL that may not be empty. */
void takeover_died(struct meta_state *state, struct meta_broker *broker);
void takers_set(struct meta_broker *broker, const struct meta_taker *takers, int32_t count);
/* K1: that broker may commit for partitions of `owner`. */
bool taker_may_commit(
        const struct meta_state *state, int32_t owner, int32_t taker_id, int64_t taker_epoch);
void topics_done(struct meta_state *state);

/* configs.c */
bool config_resource_is_valid(enum meta_resource resource);
/* Sets (value.data set) or deletes. */
void config_set(struct meta_state *state, enum meta_resource resource, struct bytes name,
        const struct meta_config_entry *entry);
void config_drop_resource(struct meta_state *state, enum meta_resource resource, struct bytes name);
bool config_entry_is_valid(const struct meta_config_entry *entry);
struct meta_result apply_config(struct meta_state *state, const struct meta_record *record);
/* All scopes sorted by resource and name; mem_free the array. */
struct config_scope **config_scopes_sorted(const struct meta_state *state);
void configs_done(struct meta_state *state);

/* ranges.c */
void partition_append_range(struct meta_partition *partition, const struct store_range *range);
/* Drops the first `count` recent ranges and the references that they hold. */
void partition_drop_ranges(
        struct meta_state *state, struct meta_partition *partition, int32_t count);
struct meta_result apply_commit(struct meta_state *state, const struct meta_commit_record *record);
struct meta_result apply_merge(struct meta_state *state, const struct meta_merge_record *record);
struct meta_result apply_log_start(struct meta_state *state, const struct meta_record *record);

/* objects.c */
struct object_entry *object_find(const struct meta_state *state, uint64_t id);
/* Finds or makes. */
struct object_entry *object_get(struct meta_state *state, uint64_t id);
/* A recent range no longer names it: garbage when nothing else does. */
void object_release(struct meta_state *state, uint64_t id);
/* A manifest no longer names it: garbage unless recent ranges or other manifests do (O2). */
void object_release_manifest(struct meta_state *state, uint64_t id);
void garbage_add(struct meta_state *state, uint64_t id, uint64_t sequence);
bool garbage_has(const struct meta_state *state, uint64_t id);
void dead_manifest_add(struct meta_state *state, struct partition_key key, uint64_t manifest_id);
struct meta_result apply_garbage_removed(
        struct meta_state *state, const struct meta_record *record);
struct meta_result apply_manifest_garbage(
        struct meta_state *state, const struct meta_manifest_garbage_record *record);
void objects_done(struct meta_state *state);

/* intents.c */
struct meta_intent *intent_append(struct meta_state *state, uint64_t first_id, int32_t count);
/* The intent that holds the id, or NULL. */
struct meta_intent *intent_find(const struct meta_state *state, uint64_t object_id);
/* The id was committed or named by a manifest; an intent that is used up goes. */
void intent_use(struct meta_state *state, uint64_t object_id);
struct meta_result apply_intent(struct meta_state *state, const struct meta_record *record);
struct meta_result apply_intent_done(struct meta_state *state, const struct meta_record *record);
void intents_done(struct meta_state *state);

static inline struct meta_result
result_error(int error)
{
    return (struct meta_result){ .error = error };
}
