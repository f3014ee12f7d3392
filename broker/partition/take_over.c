/* Recovering logs in the bucket: which, in what order, and by whom. */
#include "partition/take_over.h"

#include "base/fault.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"
#include "reactor/sync.h"
#include "wal/objects.h"

#include <errno.h>

#define RETRY_NS (500 * (uint64_t)NS_PER_MS)
#define RETRY_MAX_NS (10 * (uint64_t)NS_PER_S)
#define INCARNATIONS_MAX 1024

/* One dead broker that we have a share of. */
struct job {
    struct list link;
    struct take_over *owner;
    int32_t dead_id;
    int64_t dead_epoch;
    struct fiber *fiber;
    bool over;
};

struct take_over {
    struct take_over_options options;
    struct list jobs;
    struct wait_queue wanted;
    struct fiber *fiber;
    struct take_over_stats stats;
};

/* --- one log --- */

static struct wal_objects_options
former_log(const struct take_over_options *options, int32_t broker_id, int64_t incarnation,
        uint32_t index)
{
    return (struct wal_objects_options){
        .store = options->objects,
        .log = { .cluster_id = meta_cluster_id(options->meta),
                .broker_id = broker_id,
                .incarnation = (uint64_t)incarnation,
                .index = index },
        .fencer_id = meta_broker_id(options->meta),
        .fencer_epoch = (uint64_t)meta_broker_epoch(options->meta),
    };
}

/* Fences the log and brings what it holds into committed objects. *ret_log_count: of its
 * incarnation. */
MUST_CHECK MAY_SUSPEND static int
log_recover(const struct take_over_options *options, int32_t broker_id, int64_t incarnation,
        uint32_t index, struct recover_result *sum, uint32_t *ret_log_count)
{
    const struct wal_objects_options former = former_log(options, broker_id, incarnation, index);
    struct wal *wal;
    int r = wal_objects_fence(&former, &wal);
    if (r < 0) {
        return r;
    }
    crash_point("take over: log fenced");
    *ret_log_count = wal_objects_log_count(wal);
    const struct recover_options recover = {
        .meta = options->meta,
        .store = options->store,
        .wal = wal,
        .dead = &broker_id,
        .quarantine = options->quarantine,
        .object_size_max = options->object_size_max,
        .accept_loss = options->accept_loss,
    };
    struct recover_result result;
    r = wal_recover(&recover, &result);
    if (r == 0) {
        recover_result_add(sum, &result);
    }
    int closed = wal_close(wal);
    return r < 0 ? r : closed;
}

/* L5: how many logs there are is in log 0; whoever is first fences it. Where it cannot be read the
 * next one knows, and one that never began is behind the last, or all are empty (L6). */
MUST_CHECK MAY_SUSPEND static int
log_count(const struct take_over_options *options, int32_t broker_id, int64_t incarnation,
        uint32_t *ret_count)
{
    uint32_t count = WAL_OBJECT_LOGS_UNKNOWN;
    uint32_t index = 0;
    int r = 0;
    for (; r == 0 && count == WAL_OBJECT_LOGS_UNKNOWN && index < WAL_OBJECT_LOGS_MAX; index++) {
        const struct wal_objects_options former =
                former_log(options, broker_id, incarnation, index);
        struct wal *wal;
        r = wal_objects_fence(&former, &wal);
        if (r == 0) {
            count = wal_objects_log_count(wal);
            r = wal_close(wal);
        }
    }
    if (r == 0) {
        *ret_count = count == 0 ? index - 1 : count == WAL_OBJECT_LOGS_UNKNOWN ? index : count;
    }
    return r;
}

/* The logs of one incarnation that are ours: those whose index is `share` modulo `shares`. */
MUST_CHECK MAY_SUSPEND static int
incarnation_recover(const struct take_over_options *options, int32_t broker_id, int64_t incarnation,
        int32_t share, int32_t shares, struct recover_result *sum)
{
    uint32_t count = 0;
    int r = share == 0 ? log_recover(options, broker_id, incarnation, 0, sum, &count) : 0;
    if (r == 0 && (share != 0 || count == WAL_OBJECT_LOGS_UNKNOWN)) {
        MARK("take over: the number of logs is asked for");
        r = log_count(options, broker_id, incarnation, &count);
    }
    for (uint32_t i = (uint32_t)(share ? share : shares); r == 0 && i < count;
            i += (uint32_t)shares) {
        uint32_t ignored;
        r = log_recover(options, broker_id, incarnation, i, sum, &ignored);
    }
    return r;
}

/* --- which incarnations --- */

struct incarnations {
    int64_t epochs[INCARNATIONS_MAX];
    size_t count;
    bool too_many;
};

static void
incarnations_add(struct incarnations *found, int64_t epoch)
{
    for (size_t i = 0; i < found->count; i++) {
        if (found->epochs[i] == epoch) {
            return;
        }
    }
    if (found->count == INCARNATIONS_MAX) {
        found->too_many = true;
        return;
    }
    found->epochs[found->count++] = epoch;
}

/* K3: those in which a partition of the broker was opened, and whose log may be in the bucket. */
static struct incarnations *
incarnations_of(const struct meta_state *state, const struct meta_broker *broker)
{
    struct incarnations *found = mem_alloc(sizeof *found);
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        for (int32_t i = 0; i < t->partition_count; i++) {
            const struct meta_partition *partition = &t->partitions[i];
            bool on_volume =
                    broker->wal_logs == 0 && partition->owner_broker_epoch >= broker->wal_since;
            if (partition->owner == broker->id && partition->owner_broker_epoch && !on_volume) {
                incarnations_add(found, partition->owner_broker_epoch);
            }
        }
    }
    return found;
}

MUST_CHECK static int
incarnations_check(const struct incarnations *found, int32_t broker_id)
{
    return found->too_many ? fault(-ENOSPC,
                                     "broker %d has partitions of more than %d incarnations that "
                                     "were never recovered",
                                     broker_id, INCARNATIONS_MAX)
                           : 0;
}

int
take_over_own(const struct take_over_options *options, struct recover_result *sum)
{
    int32_t id = meta_broker_id(options->meta);
    uint64_t began = clock_mono_ns();
    const struct meta_state *state = meta_state(options->meta);
    struct incarnations *found = incarnations_of(state, meta_broker_find(state, id));
    int r = incarnations_check(found, id);
    for (size_t i = 0; i < found->count && r == 0; i++) {
        /* One that has our own epoch was opened for us meanwhile: nothing was appended. */
        if (found->epochs[i] != meta_broker_epoch(options->meta)) {
            r = incarnation_recover(options, id, found->epochs[i], 0, 1, sum);
        }
    }
    mem_free(found);
    if (r == 0 && sum->wal.records) {
        LOG_INFO("former logs in the bucket recovered", LOG_INT("records", sum->wal.records),
                LOG_INT("committed", sum->records_committed),
                LOG_INT("skipped", sum->records_skipped),
                LOG_INT("quarantined_partitions", sum->quarantined_partitions),
                LOG_INT("ms", (clock_mono_ns() - began) / NS_PER_MS));
    }
    return r;
}

/* --- what the controller gives us --- */

/* The job's share, or -1 when it is not ours any more. */
static int32_t
job_share(const struct job *job, int32_t *ret_shares)
{
    struct meta *meta = job->owner->options.meta;
    const struct meta_broker *dead = meta_broker_find(meta_state(meta), job->dead_id);
    if (!dead || dead->epoch != job->dead_epoch || !dead->unrecovered) {
        return -1;
    }
    *ret_shares = dead->taker_count;
    return meta_broker_share(dead, meta_broker_id(meta), meta_broker_epoch(meta));
}

MUST_CHECK MAY_SUSPEND static int
job_report(const struct job *job, int32_t share, int32_t shares)
{
    struct meta *meta = job->owner->options.meta;
    const struct meta_record record = { .type = META_RECOVERED,
        .recovered = { job->dead_id, job->dead_epoch, meta_broker_id(meta), meta_broker_epoch(meta),
                share, shares } };
    int r = meta_propose_one(meta, &record, NULL);
    return r == -EEXIST ? 0 : r;
}

MUST_CHECK MAY_SUSPEND static int
job_try(struct job *job, int32_t share, int32_t shares)
{
    struct take_over_options options = job->owner->options;
    const struct meta_state *state = meta_state(options.meta);
    uint64_t began = clock_mono_ns();
    struct recover_result sum = { 0 };
    /* What is damaged is not ours to answer for: it only must not be lost. */
    struct quarantine *damaged = quarantine_new();
    options.quarantine = damaged;
    struct incarnations *found = incarnations_of(state, meta_broker_find(state, job->dead_id));
    int r = incarnations_check(found, job->dead_id);
    for (size_t i = 0; i < found->count && r == 0; i++) {
        r = incarnation_recover(&options, job->dead_id, found->epochs[i], share, shares, &sum);
    }
    mem_free(found);
    quarantine_free(damaged);
    if (r == 0 && sum.quarantined_partitions) {
        r = fault(-EBADMSG,
                "the write-ahead log of broker %d in the bucket has objects that cannot be read: "
                "%llu partitions wait; restore them, or set wal.recovery.accept.loss=true on the "
                "live brokers",
                job->dead_id, (unsigned long long)sum.quarantined_partitions);
    }
    r = r < 0 ? r : job_report(job, share, shares);
    if (r == 0) {
        job->owner->stats.shares++;
        job->owner->stats.records += sum.records_committed;
        LOG_INFO("a dead broker's logs are recovered", LOG_INT("broker", job->dead_id),
                LOG_INT("share", share), LOG_INT("of", shares), LOG_INT("records", sum.wal.records),
                LOG_INT("committed", sum.records_committed), LOG_INT("objects", sum.objects),
                LOG_INT("ms", (clock_mono_ns() - began) / NS_PER_MS));
    }
    return r;
}

static void
job_main(void *arg)
{
    struct job *job = arg;
    uint64_t pause = RETRY_NS / 8;
    int32_t shares;
    int32_t share;
    int r = 0;
    while (r != -ECANCELED && (share = job_share(job, &shares)) >= 0) {
        r = job_try(job, share, shares);
        if (r < 0 && r != -ECANCELED) {
            job->owner->stats.failures++;
            LOG_WARN("a dead broker's logs could not be recovered, will be tried again",
                    LOG_INT("broker", job->dead_id), LOG_FAULT(r));
            r = meta_is_fenced(job->owner->options.meta) ? -ECANCELED : fiber_sleep_ns(pause);
            pause = MIN(2 * pause, RETRY_MAX_NS);
        }
    }
    job->over = true;
    wait_queue_wake_all(&job->owner->wanted);
}

static struct job *
job_find(const struct take_over *t, const struct meta_broker *dead)
{
    LIST_FOREACH (link, &t->jobs) {
        struct job *job = CONTAINER_OF(link, struct job, link);
        if (job->dead_id == dead->id && job->dead_epoch == dead->epoch) {
            return job;
        }
    }
    return NULL;
}

MUST_CHECK static int
job_start(struct take_over *t, const struct meta_broker *dead)
{
    struct job *job = mem_alloc(sizeof *job);
    job->owner = t;
    job->dead_id = dead->id;
    job->dead_epoch = dead->epoch;
    int r = fiber_spawn("take over", job_main, job, &job->fiber);
    if (r < 0) {
        mem_free(job);
        return r;
    }
    list_push_back(&t->jobs, &job->link);
    return 0;
}

MAY_SUSPEND static void
jobs_reap(struct take_over *t)
{
    LIST_FOREACH_SAFE (link, &t->jobs) {
        struct job *job = CONTAINER_OF(link, struct job, link);
        if (job->over) {
            fiber_join(job->fiber);
            list_remove(&job->link);
            mem_free(job);
        }
    }
}

MUST_CHECK static int
jobs_look(struct take_over *t)
{
    struct meta *meta = t->options.meta;
    const struct meta_broker *broker;
    int r = 0;
    for (int32_t id = -1; r == 0 && (broker = meta_broker_next(meta_state(meta), id));
            id = broker->id) {
        if (broker->unrecovered &&
                meta_broker_share(broker, meta_broker_id(meta), meta_broker_epoch(meta)) >= 0 &&
                !job_find(t, broker)) {
            r = job_start(t, broker);
        }
    }
    return r;
}

static void
take_over_main(void *arg)
{
    struct take_over *t = arg;
    int r = 0;
    while (r != -ECANCELED) {
        jobs_reap(t);
        r = jobs_look(t);
        if (r < 0) {
            LOG_WARN("a take-over could not be begun", LOG_FAULT(r));
        }
        r = wait_queue_wait(&t->wanted, r < 0 ? clock_mono_ns() + RETRY_NS : DEADLINE_NONE);
    }
}

/* meta_listener_fn */
static void
take_over_listen(void *arg, const struct meta_record *record, const struct meta_result *result,
        uint64_t sequence)
{
    struct take_over *t = arg;
    (void)sequence;
    if (result->error == 0 && record->type == META_TAKE_OVER) {
        wait_queue_wake_all(&t->wanted);
    }
}

int
take_over_start(const struct take_over_options *options, struct take_over **ret_take_over)
{
    struct take_over *t = mem_alloc(sizeof *t);
    t->options = *options;
    list_init(&t->jobs);
    wait_queue_init(&t->wanted);
    int r = fiber_spawn("take overs", take_over_main, t, &t->fiber);
    if (r < 0) {
        mem_free(t);
        return r;
    }
    meta_listen(options->meta, take_over_listen, t);
    *ret_take_over = t;
    return 0;
}

void
take_over_stop(struct take_over *t)
{
    if (!t) {
        return;
    }
    meta_unlisten(t->options.meta, take_over_listen, t);
    fiber_cancel(t->fiber);
    fiber_join(t->fiber);
    LIST_FOREACH (link, &t->jobs) {
        fiber_cancel(CONTAINER_OF(link, struct job, link)->fiber);
    }
    LIST_FOREACH_SAFE (link, &t->jobs) {
        struct job *job = CONTAINER_OF(link, struct job, link);
        fiber_join(job->fiber);
        list_remove(&job->link);
        mem_free(job);
    }
    mem_free(t);
}

void
take_over_stats_get(const struct take_over *t, struct take_over_stats *ret_stats)
{
    *ret_stats = t->stats;
}
