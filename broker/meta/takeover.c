/* The state's half of a take-over: a dead broker's logs in the bucket, who recovers them, and when
 * its partitions may open elsewhere (K1, K2).
 *
 *   META_BROKER_GONE          META_TAKE_OVER              META_RECOVERED, all shares
 *   ----------------> unrecovered -----> takers at work ------------------------> released
 *                          ^                  |  one of them died: META_TAKE_OVER again
 *                          +---- META_BROKER -+  (the id is back: its new incarnation recovers) */
#include "meta/state_internal.h"

#include <errno.h>

void
takers_set(struct meta_broker *broker, const struct meta_taker *takers, int32_t count)
{
    mem_free(broker->takers);
    broker->takers = count ? mem_dup(takers, (size_t)count * sizeof *takers) : NULL;
    broker->taker_count = count;
}

void
takeover_registered(struct meta_broker *broker, int32_t wal_logs)
{
    bool same_kind = broker->wal_since && (broker->wal_logs > 0) == (wal_logs > 0);
    broker->wal_since = same_kind ? broker->wal_since : broker->epoch;
    broker->wal_logs = wal_logs;
    broker->unrecovered = false;
    takers_set(broker, NULL, 0);
}

void
takeover_died(struct meta_state *state, struct meta_broker *broker)
{
    broker->unrecovered =
            broker->wal_logs > 0 && partitions_open_at(state, broker->id, broker->wal_since);
    if (!broker->unrecovered) {
        takers_set(broker, NULL, 0);
    }
}

bool
meta_partition_wal_is_in_bucket(
        const struct meta_state *state, const struct meta_partition *partition)
{
    const struct meta_broker *owner = broker_find(state, partition->owner);
    return owner && owner->wal_logs > 0 && partition->owner_broker_epoch >= owner->wal_since;
}

int32_t
meta_broker_share(const struct meta_broker *dead, int32_t taker_id, int64_t taker_epoch)
{
    for (int32_t i = 0; i < dead->taker_count; i++) {
        const struct meta_taker *taker = &dead->takers[i];
        if (taker->broker_id == taker_id && taker->broker_epoch == taker_epoch && !taker->done) {
            return i;
        }
    }
    return -1;
}

bool
taker_may_commit(
        const struct meta_state *state, int32_t owner, int32_t taker_id, int64_t taker_epoch)
{
    const struct meta_broker *dead = broker_find(state, owner);
    return dead && dead->unrecovered && meta_broker_share(dead, taker_id, taker_epoch) >= 0;
}

/* K1: the state forgets the former assignment, also its shares that are done. */
struct meta_result
apply_take_over(struct meta_state *state, const struct meta_take_over_record *record)
{
    struct meta_broker *dead = broker_find(state, record->broker_id);
    if (!dead || dead->alive || dead->epoch != record->broker_epoch) {
        return result_error(-ESTALE);
    }
    if (!dead->unrecovered) {
        return result_error(-EALREADY);
    }
    if (record->taker_count <= 0 || record->taker_count > META_TAKERS_MAX) {
        return result_error(-EINVAL);
    }
    for (int32_t i = 0; i < record->taker_count; i++) {
        const struct meta_taker *taker = &record->takers[i];
        if (!broker_is_current(state, taker->broker_id, taker->broker_epoch)) {
            return result_error(-EBUSY);
        }
    }
    takers_set(dead, record->takers, record->taker_count);
    for (int32_t i = 0; i < dead->taker_count; i++) {
        dead->takers[i].done = false;
    }
    return result_error(0);
}

/* K2 */
struct meta_result
apply_recovered(struct meta_state *state, const struct meta_recovered_record *record)
{
    struct meta_broker *dead = broker_find(state, record->broker_id);
    if (!dead || dead->epoch != record->broker_epoch || !dead->unrecovered || record->share < 0 ||
            record->share >= dead->taker_count ||
            !broker_is_current(state, record->taker_id, record->taker_epoch)) {
        return result_error(-ESTALE);
    }
    /* Which logs are a share's follows from how many shares there are. */
    if (record->shares && record->shares != dead->taker_count) {
        return result_error(-ESTALE);
    }
    struct meta_taker *taker = &dead->takers[record->share];
    if (taker->broker_id != record->taker_id || taker->broker_epoch != record->taker_epoch) {
        return result_error(-ESTALE);
    }
    if (taker->done) {
        return result_error(-EEXIST);
    }
    taker->done = true;
    for (int32_t i = 0; i < dead->taker_count; i++) {
        if (!dead->takers[i].done) {
            return result_error(0);
        }
    }
    partitions_release(state, dead->id, dead->wal_since);
    dead->unrecovered = false;
    takers_set(dead, NULL, 0);
    return result_error(0);
}
