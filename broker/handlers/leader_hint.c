/* Leaders for clients that came to the wrong broker. */
#include "handlers/leader_hint.h"

#include "handlers/handlers.h"

static void
hints_add(struct leader_hints *hints, int32_t id)
{
    for (size_t i = 0; i < hints->count; i++) {
        if (hints->ids[i] == id) {
            return;
        }
    }
    if (hints->count == hints->capacity) {
        size_t capacity = hints->capacity * 2 + 8;
        int32_t *grown = request_alloc(hints->request, capacity, sizeof *grown);
        if (hints->count) {
            memcpy(grown, hints->ids, hints->count * sizeof *grown);
        }
        hints->ids = grown;
        hints->capacity = capacity;
    }
    hints->ids[hints->count++] = id;
}

bool
leader_hint_find(struct leader_hints *hints, struct partition_key key, int32_t *ret_leader_id,
        int32_t *ret_leader_epoch)
{
    const struct meta *meta = hints->request->broker->meta;
    const struct meta_state *state = meta_state(meta);
    const struct meta_partition *partition = meta_partition_find(state, key);
    if (!partition || partition->owner == meta_broker_id(meta) || !meta_lease_is_valid(meta) ||
            !meta_broker_is_current(state, partition->owner, partition->owner_broker_epoch) ||
            meta_broker_is_away(meta, meta_broker_find(state, partition->owner))) {
        return false;
    }
    hints_add(hints, partition->owner);
    *ret_leader_id = partition->owner;
    *ret_leader_epoch = partition->epoch;
    return true;
}

const struct meta_broker_endpoint *
leader_hint_endpoint(
        const struct leader_hints *hints, size_t i, const struct meta_broker **ret_broker)
{
    const struct request *request = hints->request;
    *ret_broker = meta_broker_find(meta_state(request->broker->meta), hints->ids[i]);
    return *ret_broker ? meta_broker_endpoint(*ret_broker, request->listener) : NULL;
}
