/* Brokers and their epochs, and the blocks of producer ids that they ask for. */
#include "base/check.h"
#include "meta/state_internal.h"

#include <errno.h>

static bool
broker_equal(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct meta_broker, node)->id == *(const int32_t *)key;
}

struct meta_broker *
broker_find(const struct meta_state *state, int32_t id)
{
    struct map_node *node =
            map_find(&state->brokers_by_id, hash_u64((uint32_t)id), broker_equal, &id);
    return node ? CONTAINER_OF(node, struct meta_broker, node) : NULL;
}

const struct meta_broker *
meta_broker_find(const struct meta_state *state, int32_t id)
{
    return broker_find(state, id);
}

/* Index of the first broker with an id greater than `id`. */
static size_t
broker_upper(const struct meta_state *state, int32_t id)
{
    size_t low = 0;
    size_t high = state->broker_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (state->brokers[middle]->id > id) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

const struct meta_broker *
meta_broker_next(const struct meta_state *state, int32_t after_id)
{
    size_t i = broker_upper(state, after_id);
    return i < state->broker_count ? state->brokers[i] : NULL;
}

struct meta_broker *
broker_add(struct meta_state *state, int32_t id)
{
    CHECK(!broker_find(state, id));
    struct meta_broker *broker = mem_alloc(sizeof *broker);
    broker->id = id;
    map_insert(&state->brokers_by_id, &broker->node, hash_u64((uint32_t)id));
    if (state->broker_count == state->broker_capacity) {
        state->broker_capacity = state->broker_capacity * 2 + 8;
        state->brokers =
                mem_realloc(state->brokers, state->broker_capacity * sizeof(struct meta_broker *));
    }
    size_t place = broker_upper(state, id);
    memmove(state->brokers + place + 1, state->brokers + place,
            (state->broker_count - place) * sizeof(struct meta_broker *));
    state->brokers[place] = broker;
    state->broker_count++;
    return broker;
}

void
broker_set_text(char **field, struct bytes text)
{
    mem_free(*field);
    *field = NULL;
    if (text.data) {
        *field = mem_alloc(text.size + 1);
        memcpy(*field, text.data, text.size);
    }
}

bool
broker_is_current(const struct meta_state *state, int32_t id, int64_t epoch)
{
    const struct meta_broker *broker = broker_find(state, id);
    return broker && broker->alive && broker->epoch == epoch;
}

bool
meta_broker_is_current(const struct meta_state *state, int32_t id, int64_t epoch)
{
    return broker_is_current(state, id, epoch);
}

bool
meta_broker_takes(const struct meta_broker *broker)
{
    return broker->alive && broker->state == META_BROKER_OPEN;
}

const struct meta_broker_endpoint *
meta_broker_endpoint(const struct meta_broker *broker, const char *listener)
{
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        if (strcmp(broker->endpoints[i].listener, listener) == 0) {
            return &broker->endpoints[i];
        }
    }
    return NULL;
}

static void
endpoints_free(struct meta_broker *broker)
{
    for (int32_t i = 0; i < broker->endpoint_count; i++) {
        mem_free(broker->endpoints[i].listener);
        mem_free(broker->endpoints[i].host);
    }
    mem_free(broker->endpoints);
    broker->endpoints = NULL;
    broker->endpoint_count = 0;
}

void
broker_set_endpoints(
        struct meta_broker *broker, const struct meta_endpoint *endpoints, int32_t count)
{
    endpoints_free(broker);
    broker->endpoints = mem_alloc_array((size_t)count, sizeof *broker->endpoints);
    broker->endpoint_count = count;
    for (int32_t i = 0; i < count; i++) {
        broker_set_text(&broker->endpoints[i].listener, endpoints[i].listener);
        broker_set_text(&broker->endpoints[i].host, endpoints[i].host);
        broker->endpoints[i].port = endpoints[i].port;
    }
}

/* Host names become C strings: a NUL inside would name another host. */
static bool
broker_text_is_valid(struct bytes text)
{
    return text.size <= META_HOST_SIZE_MAX && (text.size == 0 || !memchr(text.data, 0, text.size));
}

bool
broker_endpoints_are_valid(const struct meta_endpoint *endpoints, int32_t count)
{
    if (count <= 0 || count > META_ENDPOINTS_MAX) {
        return false;
    }
    for (int32_t i = 0; i < count; i++) {
        struct bytes listener = endpoints[i].listener;
        if (listener.size == 0 || listener.size > META_LISTENER_SIZE_MAX ||
                !broker_text_is_valid(listener) || !endpoints[i].host.data ||
                !broker_text_is_valid(endpoints[i].host)) {
            return false;
        }
        for (int32_t k = 0; k < i; k++) {
            if (bytes_equal(endpoints[k].listener, listener)) {
                return false;
            }
        }
    }
    return true;
}

struct meta_result
apply_broker(struct meta_state *state, const struct meta_broker_record *record, uint64_t sequence)
{
    if (record->broker_id < 0 ||
            !broker_endpoints_are_valid(record->endpoints, record->endpoint_count) ||
            !broker_text_is_valid(record->rack) || !broker_text_is_valid(record->admin_host) ||
            !broker_text_is_valid(record->internal_host) || record->wal_logs < 0) {
        return result_error(-EINVAL);
    }
    struct meta_broker *broker = broker_find(state, record->broker_id);
    if (!broker && state->broker_count >= META_BROKERS_MAX) {
        return result_error(-ENOSPC);
    }
    if (!broker) {
        broker = broker_add(state, record->broker_id);
    } else if (broker->alive && uuid_equal(&broker->incarnation, &record->incarnation)) {
        return (struct meta_result){ .error = -EEXIST, .epoch = broker->epoch };
    }
    /* The position in the log grows over all brokers and can never be handed out twice. */
    broker->epoch = (int64_t)sequence;
    broker->incarnation = record->incarnation;
    broker_set_endpoints(broker, record->endpoints, record->endpoint_count);
    broker_set_text(&broker->rack, record->rack);
    broker_set_text(&broker->admin_host, record->admin_host);
    broker->admin_port = record->admin_port;
    broker_set_text(&broker->internal_host, record->internal_host);
    broker->internal_port = record->internal_port;
    if (broker->state == META_BROKER_STOPPING) {
        broker->state = META_BROKER_OPEN;
    }
    broker->alive = true;
    takeover_registered(broker, record->wal_logs);
    return (struct meta_result){ .epoch = broker->epoch };
}

struct meta_result
apply_broker_gone(struct meta_state *state, const struct meta_record *record)
{
    struct meta_broker *broker = broker_find(state, record->broker_gone.broker_id);
    if (!broker) {
        return result_error(-ENOENT);
    }
    if (broker->epoch != record->broker_gone.broker_epoch) {
        return result_error(-ESTALE);
    }
    broker->alive = false;
    if (record->broker_gone.clean) {
        partitions_release(state, broker->id, 0);
    }
    takeover_died(state, broker);
    return result_error(0);
}

struct meta_result
apply_broker_state(struct meta_state *state, const struct meta_record *record)
{
    struct meta_broker *broker = broker_find(state, record->broker_state.broker_id);
    if (!broker) {
        return result_error(-ENOENT);
    }
    if (record->broker_state.state > META_BROKER_STATE_MAX) {
        return result_error(-EINVAL);
    }
    broker->state = record->broker_state.state;
    return result_error(0);
}

static void
broker_free(struct meta_broker *broker)
{
    endpoints_free(broker);
    mem_free(broker->rack);
    mem_free(broker->admin_host);
    mem_free(broker->internal_host);
    mem_free(broker->takers);
    mem_free(broker);
}

/* M5 */
struct meta_result
apply_broker_remove(struct meta_state *state, const struct meta_record *record)
{
    struct meta_broker *broker = broker_find(state, record->broker_remove.broker_id);
    if (!broker) {
        return result_error(-ENOENT);
    }
    if (broker->epoch != record->broker_remove.broker_epoch) {
        return result_error(-ESTALE);
    }
    if (broker->alive || meta_broker_has_tail(state, broker->id)) {
        return result_error(-EBUSY);
    }
    partitions_withdraw(state, broker->id);
    size_t behind = broker_upper(state, broker->id);
    memmove(state->brokers + behind - 1, state->brokers + behind,
            (state->broker_count - behind) * sizeof(struct meta_broker *));
    state->broker_count--;
    map_remove(&state->brokers_by_id, &broker->node);
    broker_free(broker);
    return result_error(0);
}

struct meta_result
apply_producer_ids(struct meta_state *state, const struct meta_record *record)
{
    int32_t count = record->producer_ids.count;
    if (count <= 0) {
        return result_error(-EINVAL);
    }
    if (!broker_is_current(
                state, record->producer_ids.broker_id, record->producer_ids.broker_epoch)) {
        return result_error(-ESTALE);
    }
    if (state->next_producer_id > INT64_MAX - count) {
        return result_error(-ENOSPC);
    }
    uint64_t first = (uint64_t)state->next_producer_id;
    state->next_producer_id += count;
    return (struct meta_result){ .first_id = first };
}

void
brokers_done(struct meta_state *state)
{
    for (size_t i = 0; i < state->broker_count; i++) {
        broker_free(state->brokers[i]);
    }
    mem_free(state->brokers);
    map_done(&state->brokers_by_id);
}
