/* See fetch_rack.h. */
#include "handlers/fetch_rack.h"

#include "handlers/broker.h"

#include <string.h>

static bool
is_in_rack(const struct meta_broker *broker, struct bytes rack)
{
    return broker && broker->rack && bytes_equal(bytes_of_string(broker->rack), rack);
}

bool
fetch_racks_are_on(const struct broker *broker)
{
    const char *selector = settings_string(broker->settings, "replica.selector.class");
    return selector && *selector;
}

struct bytes
fetch_rack_of(const struct request *request, const struct fetch_request *message)
{
    int32_t replica =
            request->version >= 15 ? message->replica_state.replica_id : message->replica_id;
    bool wanted = request->version >= 11 && replica < 0 && message->rack_id.size > 0;
    return wanted && fetch_racks_are_on(request->broker) ? message->rack_id : BYTES_NULL;
}

static bool
serves(const struct meta_broker *broker, const char *listener)
{
    return broker->alive && broker->rack && broker->state < META_BROKER_DRAINING &&
           meta_broker_endpoint(broker, listener);
}

/* A partition's consumers go to the same broker of a rack, so that its cache serves them all. */
static uint64_t
turn_of(struct partition_key key)
{
    return uuid_hash(&key.topic_id) + (uint64_t)key.index;
}

/* The n-th live broker of the rack, counted round; -1: there is none. */
static int32_t
choose(const struct meta_state *state, struct bytes rack, const char *listener, uint64_t n)
{
    const struct meta_broker *broker;
    uint64_t count = 0;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        count += serves(broker, listener) && is_in_rack(broker, rack);
    }
    n = count ? n % count : 0;
    for (int32_t id = -1; count && (broker = meta_broker_next(state, id)); id = broker->id) {
        if (serves(broker, listener) && is_in_rack(broker, rack) && n-- == 0) {
            return broker->id;
        }
    }
    return -1;
}

int32_t
fetch_rack_prefers(const struct broker *broker, struct bytes rack, const char *listener,
        struct partition_key key, int64_t offset)
{
    const struct meta_state *state = meta_state(broker->meta);
    const struct meta_partition *partition = rack.data ? meta_partition_find(state, key) : NULL;
    if (!partition || partition->owner != meta_broker_id(broker->meta) ||
            offset < partition->log_start_offset || offset >= partition->end_offset ||
            is_in_rack(meta_broker_find(state, partition->owner), rack)) {
        return -1;
    }
    return choose(state, rack, listener, turn_of(key));
}

bool
fetch_rack_is_served(const struct broker *broker, struct bytes rack, struct partition_key key)
{
    const struct meta_state *state = meta_state(broker->meta);
    const struct meta_partition *partition = rack.data ? meta_partition_find(state, key) : NULL;
    return partition && partition->owner != meta_broker_id(broker->meta) &&
           is_in_rack(meta_broker_find(state, meta_broker_id(broker->meta)), rack) &&
           !is_in_rack(meta_broker_find(state, partition->owner), rack);
}

static void
racks_add(struct request *request, struct fetch_racks *racks, const struct meta_broker *broker,
        size_t broker_count)
{
    size_t i = 0;
    while (i < racks->count && strcmp(racks->racks[i].name, broker->rack) != 0) {
        i++;
    }
    if (i == FETCH_RACKS_MAX) {
        return;
    }
    if (i == racks->count) {
        racks->count++;
        racks->racks[i].name = broker->rack;
        racks->racks[i].count = 0;
        racks->racks[i].ids = request_alloc(request, broker_count, sizeof(int32_t));
    }
    racks->racks[i].ids[racks->racks[i].count++] = broker->id;
}

void
fetch_racks_list(struct request *request, struct fetch_racks *ret_racks)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    const struct meta_broker *broker;
    size_t count = 0;
    ret_racks->count = 0;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        count++;
    }
    for (int32_t id = -1;
            fetch_racks_are_on(request->broker) && (broker = meta_broker_next(state, id));
            id = broker->id) {
        if (serves(broker, request->listener)) {
            racks_add(request, ret_racks, broker, count);
        }
    }
}

size_t
fetch_racks_replicas(const struct fetch_racks *racks, const struct meta_state *state,
        const struct meta_partition *partition, int32_t *ids)
{
    size_t count = 0;
    ids[count++] = partition->owner;
    const struct meta_broker *owner =
            racks->count ? meta_broker_find(state, partition->owner) : NULL;
    for (size_t i = 0; i < racks->count; i++) {
        if (!owner || !owner->rack || strcmp(owner->rack, racks->racks[i].name) != 0) {
            ids[count++] = racks->racks[i].ids[turn_of(partition->key) % racks->racks[i].count];
        }
    }
    return count;
}
