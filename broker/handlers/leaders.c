/* See leaders.h. */
#include "handlers/leaders.h"

#include "base/log.h"
#include "base/mark.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "reactor/clock.h"
#include "reactor/fiber.h"

#define LOOK_NS (5 * (uint64_t)NS_PER_MS)

bool
leaders_wait(struct request *request)
{
    const struct broker *broker = request->broker;
    uint64_t until_ns = clock_mono_ns() + LEADERS_WAIT_NS;
    int r = 0;
    while (r == 0 && !broker->stopping && !meta_lease_is_valid(broker->meta) &&
            !meta_is_fenced(broker->meta) && clock_mono_ns() < until_ns) {
        MARK("leaders: an answer waits for the lease");
        r = fiber_sleep_ns(LOOK_NS);
    }
    if (r < 0 || meta_is_fenced(broker->meta)) {
        MARK("leaders: no answer from an incarnation that is over");
        request->close = true;
        return false;
    }
    return true;
}

const struct meta_broker *
leaders_find(const struct request *request, const struct meta_partition *partition)
{
    const struct meta *meta = request->broker->meta;
    const struct meta_broker *owner = meta_broker_find(meta_state(meta), partition->owner);
    bool serves = owner && owner->alive && partition->owner_broker_epoch == owner->epoch;
    bool is_us = serves && owner->id == meta_broker_id(meta);
    if (serves && !is_us && meta_broker_is_away(meta, owner)) {
        MARK("leaders: the leader's process has ended");
        return NULL;
    }
    return serves && !(is_us && !meta_lease_is_valid(meta)) ? owner : NULL;
}

int16_t
leaders_error(const struct request *request, const struct meta_partition *partition)
{
    const struct meta_broker *leader = leaders_find(request, partition);
    if (!leader) {
        return KAFKA_LEADER_NOT_AVAILABLE;
    }
    return meta_broker_endpoint(leader, request->listener) ? KAFKA_NONE : KAFKA_LISTENER_NOT_FOUND;
}
