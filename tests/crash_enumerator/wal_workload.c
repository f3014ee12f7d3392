/* The scripted workload: several writers, trims, roll-over and recycling, a stop and a second life.
 */
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "crash_enumerator/wal.h"
#include "reactor/random.h"
#include "reactor/sync.h"

#include <stdio.h>
#include <string.h>

#define WRITERS 3

struct workload {
    const struct workload_options *options;
    struct moments *moments;
    struct truth truth;
    uint64_t incarnation;
    uint64_t number_next;
    struct wal *wal;
    int result;
};

struct wal_options
enumerator_options(uint64_t incarnation)
{
    return (struct wal_options){
        .folder = "wal/0",
        .cluster_id = { { 42 } },
        .broker_id = 1,
        .incarnation = incarnation,
        .capacity = 5 * ENUMERATOR_SEGMENT,
        .segment_size = ENUMERATOR_SEGMENT,
    };
}

void
payload_fill(uint64_t number, uint8_t *out, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = hash_u64(number * 1000003 + i);
        memcpy(out + i, &word, MIN(size - i, sizeof word));
    }
}

void
moments_done(struct moments *moments)
{
    for (size_t i = 0; i < moments->count; i++) {
        sim_image_free(moments->all[i].image);
    }
    mem_free(moments->all);
    *moments = (struct moments){ 0 };
}

static void
moment_take(struct workload *workload, struct sim_host *host)
{
    struct moments *moments = workload->moments;
    if (workload->options->last_only && moments->count == 1) {
        sim_image_free(moments->all[0].image);
        moments->count = 0;
    }
    if (moments->count == moments->capacity) {
        moments->capacity = moments->capacity ? 2 * moments->capacity : 64;
        moments->all = mem_realloc(moments->all, moments->capacity * sizeof *moments->all);
    }
    moments->all[moments->count++] = (struct moment){
        .image = sim_disk_snapshot(host),
        .truth = workload->truth,
        .incarnation = workload->incarnation,
    };
}

static void
at_boundary(void *arg, struct sim_host *host, const struct sim_boundary *boundary)
{
    (void)boundary;
    moment_take(arg, host);
}

static size_t
size_draw(void)
{
    switch (random_below(8)) {
    case 0:
        return (size_t)random_below(20);
    case 1:
        return (size_t)random_below(2 * ENUMERATOR_SEGMENT);
    case 2:
    case 3:
        return (size_t)random_below(9000);
    default:
        return (size_t)random_below(1500);
    }
}

MUST_CHECK static int
append_one(struct workload *workload)
{
    struct generation *now = &workload->truth.now;
    size_t size = size_draw();
    uint8_t *payload = mem_alloc(size + 8);
    uint64_t number = workload->number_next++;
    payload_fill(number, payload, size);
    struct iovec parts[2] = {
        { .iov_base = payload, .iov_len = size / 2 },
        { .iov_base = payload + size / 2, .iov_len = size - size / 2 },
    };
    struct wal_append append;
    int r = wal_append_begin(workload->wal, parts, 2, &append);
    mem_free(payload);
    if (r < 0) {
        return r;
    }
    size_t index = (size_t)(append.sequence - now->first_sequence);
    CHECK(index == now->count && index < TRUTH_RECORDS_MAX);
    now->records[index].number = number;
    now->records[index].size = (uint32_t)size;
    now->records[index].acked = workload->options->mutant_ack_early;
    now->count++;
    r = wal_wait(workload->wal, &append);
    if (r == 0) {
        now->records[index].acked = true;
    }
    return r;
}

/* All that is acknowledged, but for up to `keep` records. */
static void
trim(struct workload *workload, size_t keep)
{
    struct generation *now = &workload->truth.now;
    size_t acked = 0;
    while (acked < now->count && now->records[acked].acked) {
        acked++;
    }
    if (acked <= keep) {
        return;
    }
    uint64_t upto = now->first_sequence + acked - keep;
    now->trimmed = MAX(now->trimmed, upto);
    wal_trim(workload->wal, upto);
}

static int
writer_run(void *arg)
{
    struct workload *workload = arg;
    for (unsigned i = 0; i < workload->options->appends; i++) {
        int r = append_one(workload);
        if (r < 0) {
            return r;
        }
        if (random_below(2) == 0) {
            trim(workload, (size_t)random_below(6));
        }
        /* Sometimes long enough for the evidence to follow. */
        if (random_below(4) == 0) {
            r = fiber_sleep_ns(random_below(6000000));
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

/* So that writers that wait for room (W5) do not wait for ever. */
static void
trimmer_run(void *arg)
{
    struct workload *workload = arg;
    while (fiber_sleep_ns(10000000) == 0) {
        trim(workload, 0);
    }
}

static int
ignore(void *arg, uint64_t sequence, struct bytes payload, bool damaged)
{
    (void)arg;
    (void)sequence;
    (void)payload;
    (void)damaged;
    return 0;
}

MUST_CHECK static int
life_begin(struct workload *workload)
{
    workload->incarnation++;
    struct wal_options options = enumerator_options(workload->incarnation);
    int r = wal_open(&options, &workload->wal);
    if (r < 0) {
        return r;
    }
    struct wal_recovery recovery;
    r = wal_replay(workload->wal, ignore, NULL, &recovery);
    if (r < 0) {
        return r;
    }
    struct truth *truth = &workload->truth;
    truth->old = truth->now;
    truth->now = (struct generation){ 0 };
    truth->starting = true;
    truth->started = false;
    r = wal_start(workload->wal);
    truth->started = r == 0;
    truth->now.first_sequence = wal_next_sequence(workload->wal);
    return r;
}

MUST_CHECK static int
life(struct workload *workload)
{
    int r = life_begin(workload);
    if (r < 0) {
        return r;
    }
    struct fiber *trimmer = NULL;
    r = fiber_spawn("trimmer", trimmer_run, workload, &trimmer);
    if (r < 0) {
        return r;
    }
    struct fiber_group group;
    fiber_group_init(&group);
    for (int i = 0; i < WRITERS; i++) {
        fiber_group_spawn(&group, "writer", writer_run, workload);
    }
    r = fiber_group_wait(&group);
    fiber_cancel(trimmer);
    fiber_join(trimmer);
    return r;
}

static void
workload_main(void *arg)
{
    struct workload *workload = arg;
    workload->result = life(workload);
    int r = wal_close(TAKE_PTR(workload->wal));
    if (workload->result == 0 && r < 0) {
        workload->result = r;
    }
    if (workload->result == 0) {
        workload->result = life(workload);
    }
    if (!workload->options->close_last) {
        /* Long enough for evidence, and then one moment more: the last one must be a quiet one. */
        r = fiber_sleep_ns(20000000);
        moment_take(workload, sim_host(sim_current(), "local"));
        sim_disk_watch(sim_host(sim_current(), "local"), NULL, NULL);
    }
    r = wal_close(TAKE_PTR(workload->wal));
    if (workload->result == 0 && r < 0) {
        workload->result = r;
    }
}

int
workload_run(const struct workload_options *options, struct moments *moments)
{
    *moments = (struct moments){ 0 };
    struct workload workload = { .options = options, .moments = moments, .number_next = 1 };
    struct sim *sim = sim_new(options->seed);
    struct sim_host *host = sim_host(sim, "local");
    sim_disk_watch(host, at_boundary, &workload);
    if (options->fault_nth > 0) {
        sim_disk_inject(host, options->fault, options->fault_any_file ? NULL : "segment-",
                options->fault_nth);
    }
    struct reactors_options run = { .count = 1, .engine = IO_SIM, .sim = sim };
    int r = reactors_run(&run, workload_main, &workload);
    sim_free(sim);
    return r < 0 ? r : workload.result;
}
