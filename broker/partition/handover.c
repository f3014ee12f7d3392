/* Giving partitions away (V1 to V3): from the wish in the metadata to the record that moves them.
 *
 *            META_MOVE                 all of it is committed        META_HANDOVER
 *   serving ----------> stopped ---------------------------> handing ------------> closed
 *      ^      no appends   |  ^                                 |
 *      +-------------------+  +---------------------------------+
 *        wish withdrawn            refused: the target is gone
 *
 * While it is handing, a wish that is withdrawn opens nothing again (V3): the record may be on its
 * way, and would give away what was appended meanwhile. */
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "partition/shard_internal.h"
#include "reactor/clock.h"

#include <errno.h>

#define HANDOVER_BATCH 16384u
#define HANDOVER_PAUSE_NS (2ull * NS_PER_MS)
#define HANDOVER_RETRY_NS (100ull * NS_PER_MS)
/* An append waits so long for the new owner before it is sent away without knowing it. */
#define HANDOVER_APPEND_NS (5ull * NS_PER_S)

void
handover_follow(struct shard *shard, struct partition *partition)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    bool wished = description && description->target >= 0 && !partition->quarantined;
    if (wished && !partition->moving) {
        partition->moving = true;
        list_push_back(&shard->moves, &partition->move);
        wait_queue_wake_all(&shard->moves_wanted);
    } else if (!wished && partition->moving && !partition->handing) {
        MARK("handover: the wish was withdrawn");
        partition->moving = false;
        list_remove(&partition->move);
        wait_queue_wake_all(&partition->durable);
    }
}

int
handover_wait(struct partition *partition)
{
    uint64_t deadline_ns = clock_mono_ns() + HANDOVER_APPEND_NS;
    int r = 0;
    while (r == 0 && partition->moving && !partition->closed) {
        r = wait_queue_wait(&partition->durable, deadline_ns);
    }
    return r == -ETIMEDOUT ? 0 : r;
}

static bool
is_ready(const struct partition *partition)
{
    return !partition->handing && partition->tail.uploaded_offset == partition->tail.end_offset;
}

/* A record for each partition that has nothing left in the WAL only; each is held and handing. */
static size_t
moves_gather(struct shard *shard, struct partition **partitions, struct meta_record *records)
{
    struct meta *meta = shard->options.meta;
    size_t count = 0;
    LIST_FOREACH (link, &shard->moves) {
        struct partition *partition = CONTAINER_OF(link, struct partition, move);
        if (count == HANDOVER_BATCH || !is_ready(partition)) {
            continue;
        }
        partition_hold(partition);
        partition->handing = true;
        partitions[count] = partition;
        records[count++] = (struct meta_record){ .type = META_HANDOVER,
            .handover = { partition->key, meta_broker_id(meta), meta_broker_epoch(meta),
                    partition->epoch, partition->tail.end_offset } };
    }
    return count;
}

/* The result is known: what is still here goes on, or tries again. */
static bool
moves_settle(struct shard *shard, struct partition **partitions, size_t count)
{
    bool refused = false;
    for (size_t i = 0; i < count; i++) {
        struct partition *partition = partitions[i];
        partition->handing = false;
        if (!partition->closed) {
            handover_follow(shard, partition);
            refused = refused || partition->moving;
        } else {
            shard->stats.handed_over++;
        }
        partition_release(partition);
    }
    return refused;
}

static int
moves_propose(struct shard *shard)
{
    struct partition **partitions = mem_alloc_array(HANDOVER_BATCH, sizeof(struct partition *));
    struct meta_record *records = mem_alloc_array(HANDOVER_BATCH, sizeof *records);
    struct meta_result *results = mem_alloc_array(HANDOVER_BATCH, sizeof *results);
    size_t count = moves_gather(shard, partitions, records);
    int r = count ? meta_propose(shard->options.meta, records, count, results) : 0;
    /* Closed by now, when given away: this reactor has applied the records. An outcome that is not
     * known ends the process. */
    bool refused = r == 0 && moves_settle(shard, partitions, count);
    for (size_t i = 0; r < 0 && i < count; i++) {
        partition_release(partitions[i]);
    }
    mem_free(partitions);
    mem_free(records);
    mem_free(results);
    if (r == 0 && (refused || count == 0)) {
        r = fiber_sleep_ns(refused ? HANDOVER_RETRY_NS : HANDOVER_PAUSE_NS);
    }
    return r;
}

/* One round: what is in line gets durable and uploaded, then goes. */
static int
moves_round(struct shard *shard)
{
    /* Whoever has the lock has seen no wish; after it everybody does. */
    int r = mutex_lock(&shard->append_lock);
    if (r < 0) {
        return r;
    }
    mutex_unlock(&shard->append_lock);
    r = shard_flush(shard);
    return r < 0 ? r : moves_propose(shard);
}

void
shard_handover_main(void *arg)
{
    struct shard *shard = arg;
    int r = 0;
    while (r == 0 && !shard->giving_up) {
        r = list_is_empty(&shard->moves) ? wait_queue_wait(&shard->moves_wanted, DEADLINE_NONE)
                                         : moves_round(shard);
    }
    if (r < 0 && r != -ECANCELED && !shard->giving_up) {
        LOG_ERROR("partitions are given away no more", LOG_FAULT(r));
    }
}
