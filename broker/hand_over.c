/* Drain at the end: the wish is the broker's state in the metadata; the controller's placement and
 * the shards' handover do the rest. */
#include "hand_over.h"

#include "base/log.h"
#include "reactor/clock.h"

#include <errno.h>

#define HAND_OVER_NS (25ull * NS_PER_S)
#define LOOK_NS (5ull * NS_PER_MS)

size_t
hand_over_count(const struct meta *meta, const struct quarantine *quarantine)
{
    const struct meta_state *state = meta_state(meta);
    int32_t id = meta_broker_id(meta);
    size_t count = 0;
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            const struct meta_partition *partition = &t->partitions[i];
            count += partition->owner == id && partition->owner_broker_epoch &&
                     !quarantine_has(quarantine, partition->key);
        }
    }
    return count;
}

static bool
somebody_takes(const struct meta *meta)
{
    const struct meta_state *state = meta_state(meta);
    const struct meta_broker *broker;
    for (int32_t id = -1; (broker = meta_broker_next(state, id)); id = broker->id) {
        if (broker->id != meta_broker_id(meta) && meta_broker_takes(broker)) {
            return true;
        }
    }
    return false;
}

static int
say_stopping(struct meta *meta)
{
    const struct meta_broker *self = meta_broker_find(meta_state(meta), meta_broker_id(meta));
    if (self->state >= META_BROKER_DRAINING) {
        return 0;
    }
    const struct meta_record record = { .type = META_BROKER_STATE,
        .broker_state = { meta_broker_id(meta), META_BROKER_STOPPING } };
    return meta_propose_one(meta, &record, NULL);
}

int
hand_over_all(struct meta *meta, const struct quarantine *quarantine, bool lingers)
{
    size_t before = hand_over_count(meta, quarantine);
    if ((before == 0 && !lingers) || !somebody_takes(meta)) {
        return 0;
    }
    uint64_t began = clock_mono_ns();
    int r = say_stopping(meta);
    if (r < 0 || before == 0) {
        return r;
    }
    size_t left = before;
    while (r == 0 && left && somebody_takes(meta) && clock_mono_ns() - began < HAND_OVER_NS) {
        r = fiber_sleep_ns(LOOK_NS);
        left = hand_over_count(meta, quarantine);
    }
    LOG_INFO("partitions handed over", LOG_INT("partitions", before - left), LOG_INT("left", left),
            LOG_INT("ms", (clock_mono_ns() - began) / NS_PER_MS));
    return r;
}
