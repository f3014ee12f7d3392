/* Who recovers whom, decided by the controller: each dead broker whose logs are in the bucket gets
 * takers, as many as it has logs and there are live brokers; when one of them dies, others (K1). */
#include "base/log.h"
#include "base/mem.h"
#include "meta/meta_internal.h"

#include <errno.h>

/* Nobody, or not everybody who has something left to do, is at work. */
static bool
wants_takers(const struct meta_state *state, const struct meta_broker *dead)
{
    if (!dead->unrecovered) {
        return false;
    }
    for (int32_t i = 0; i < dead->taker_count; i++) {
        const struct meta_taker *taker = &dead->takers[i];
        if (!taker->done && !meta_broker_is_current(state, taker->broker_id, taker->broker_epoch)) {
            return true;
        }
    }
    return dead->taker_count == 0;
}

/* Those that stay before those that leave; beginning with another one for each dead broker, so that
 * several that die at once are spread. */
static int32_t
choose(const struct meta_state *state, const struct meta_broker *dead, bool leaving,
        struct meta_taker *takers)
{
    int32_t want = MIN(dead->wal_logs, (int32_t)META_TAKERS_MAX);
    int32_t count = 0;
    const struct meta_broker *broker;
    for (int round = 0; round < 2; round++) {
        for (int32_t id = -1; count < want && (broker = meta_broker_next(state, id));
                id = broker->id) {
            bool now = (broker->id > dead->id) == (round == 0);
            if (now && broker->alive && (broker->state >= META_BROKER_DRAINING) == leaving) {
                takers[count++] = (struct meta_taker){ .broker_id = broker->id,
                    .broker_epoch = broker->epoch };
            }
        }
    }
    return count;
}

static int
assign(struct meta *meta, const struct meta_broker *dead)
{
    const struct meta_state *state = meta->replicas[0]->state;
    struct meta_taker takers[META_TAKERS_MAX];
    int32_t count = choose(state, dead, false, takers);
    count = count ? count : choose(state, dead, true, takers);
    if (count == 0) {
        return 0;
    }
    LOG_INFO("a dead broker's write-ahead log is taken over", LOG_INT("broker", dead->id),
            LOG_INT("logs", dead->wal_logs), LOG_INT("takers", count));
    const struct meta_record record = { .type = META_TAKE_OVER,
        .take_over = { dead->id, dead->epoch, takers, count } };
    int r = meta_propose_one(meta, &record, NULL);
    /* The state has changed meanwhile: another look will come. */
    return r == -EALREADY || r == -EBUSY || (r == -ESTALE && !atomic_load(&meta->fenced)) ? 0 : r;
}

int
assign_pass(struct meta *meta)
{
    const struct meta_broker *broker;
    for (int32_t id = -1; (broker = meta_broker_next(meta->replicas[0]->state, id));) {
        id = broker->id;
        if (wants_takers(meta->replicas[0]->state, broker)) {
            int r = assign(meta, broker);
            if (r) {
                return r;
            }
        }
    }
    return 0;
}
