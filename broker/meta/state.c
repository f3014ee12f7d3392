/* The state machine's frame: birth, death, the dispatch of records, and the few facts that are
 * about the log itself. Topics, ranges, objects, intents, brokers and configs have a file each. */
#include "meta/state.h"

#include "base/check.h"
#include "meta/state_internal.h"

#include <errno.h>

struct meta_state *
meta_state_new(void)
{
    struct meta_state *state = mem_alloc(sizeof *state);
    state->controller_id = -1;
    state->next_object_id = 1;
    map_init(&state->brokers_by_id);
    map_init(&state->topics_by_name);
    map_init(&state->topics_by_id);
    map_init(&state->scopes);
    map_init(&state->objects);
    map_init(&state->garbage_by_id);
    list_init(&state->topics);
    list_init(&state->garbage);
    list_init(&state->dead_manifests);
    return state;
}

void
meta_state_free(struct meta_state *state)
{
    if (!state) {
        return;
    }
    topics_done(state);
    brokers_done(state);
    configs_done(state);
    objects_done(state);
    intents_done(state);
    mem_free(state);
}

static struct meta_result
apply_cluster(struct meta_state *state, const struct meta_record *record)
{
    if (!uuid_is_zero(&state->cluster_id)) {
        return result_error(-EEXIST);
    }
    if (uuid_is_zero(&record->cluster.cluster_id)) {
        return result_error(-EINVAL);
    }
    state->cluster_id = record->cluster.cluster_id;
    state->version = record->cluster.version;
    return result_error(0);
}

static struct meta_result
apply_controller(struct meta_state *state, const struct meta_record *record)
{
    if (record->controller.epoch <= state->controller_epoch) {
        return result_error(-ESTALE);
    }
    state->controller_epoch = record->controller.epoch;
    state->controller_writer = record->controller.writer;
    state->controller_id = record->controller.broker_id;
    return result_error(0);
}

static struct meta_result
apply(struct meta_state *state, const struct meta_record *record, uint64_t sequence)
{
    switch (record->type) {
    case META_CLUSTER:
        return apply_cluster(state, record);
    case META_CONTROLLER:
        return apply_controller(state, record);
    case META_BROKER:
        return apply_broker(state, &record->broker, sequence);
    case META_BROKER_GONE:
        return apply_broker_gone(state, record);
    case META_TOPIC:
        return apply_topic(state, &record->topic);
    case META_TOPIC_DELETE:
        return apply_topic_delete(state, record->topic_delete.topic_id);
    case META_PARTITIONS:
        return apply_partitions(state, record);
    case META_CONFIG:
        return apply_config(state, record);
    case META_OPEN:
        return apply_open(state, &record->open);
    case META_PRODUCER_IDS:
        return apply_producer_ids(state, record);
    case META_INTENT:
        return apply_intent(state, record);
    case META_COMMIT:
        return apply_commit(state, &record->commit);
    case META_MERGE:
        return apply_merge(state, &record->merge);
    case META_LOG_START:
        return apply_log_start(state, record);
    case META_GARBAGE_REMOVED:
        return apply_garbage_removed(state, record);
    case META_INTENT_DONE:
        return apply_intent_done(state, record);
    case META_MANIFEST_GARBAGE:
        return apply_manifest_garbage(state, &record->manifest_garbage);
    case META_BROKER_STATE:
        return apply_broker_state(state, record);
    case META_MOVE:
        return apply_move(state, record);
    case META_HANDOVER:
        return apply_handover(state, &record->handover);
    case META_BROKER_REMOVE:
        return apply_broker_remove(state, record);
    case META_BALANCE:
        return apply_balance(state, &record->balance);
    case META_TAKE_OVER:
        return apply_take_over(state, &record->take_over);
    case META_RECOVERED:
        return apply_recovered(state, &record->recovered);
    case META_PROPOSAL:
        return result_error(0);
    }
    UNREACHABLE();
}

struct meta_result
meta_state_apply(struct meta_state *state, const struct meta_record *record, uint64_t sequence)
{
    CHECK(sequence > state->sequence);
    /* First, because whatever the record marks as garbage is marked with it. */
    state->sequence = sequence;
    return apply(state, record, sequence);
}

const struct uuid *
meta_state_cluster_id(const struct meta_state *state)
{
    return &state->cluster_id;
}

uint64_t
meta_state_sequence(const struct meta_state *state)
{
    return state->sequence;
}

int32_t
meta_state_controller(const struct meta_state *state)
{
    return state->controller_id;
}

const struct uuid *
meta_state_controller_writer(const struct meta_state *state)
{
    return &state->controller_writer;
}

int64_t
meta_state_controller_epoch(const struct meta_state *state)
{
    return state->controller_epoch;
}

uint64_t
meta_state_next_object_id(const struct meta_state *state)
{
    return state->next_object_id;
}
