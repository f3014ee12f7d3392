/* Recovering crash images and judging what came back. */
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "crash_enumerator/wal.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define RANDOM_SUBSETS 64
#define DELIVERED_MAX (2 * TRUTH_RECORDS_MAX)

struct delivered {
    struct {
        uint64_t sequence;
        bool damaged;
        bool fits_old; /* the payload is that of the old, or the present, generation's record */
        bool fits_now;
    } all[DELIVERED_MAX];
    size_t count;
};

struct recovery_run {
    const struct truth *truth;
    uint64_t incarnation;
    enum recover_depth depth;
    struct corruption corruption;
    /* Results. */
    int open_result;
    int replay_result;
    int later_result;
    char fault[300];
    struct wal_recovery recovery;
    struct delivered delivered;
    struct generation after; /* what was appended after the recovery */
    struct sim_image *after_image;
    /* Interrupted recoveries. */
    struct moments inner;
    bool replayed;
    bool starting;
    bool started;
};

static bool
payload_fits(const struct generation *generation, uint64_t sequence, struct bytes payload)
{
    uint64_t index = sequence - generation->first_sequence;
    if (sequence < generation->first_sequence || index >= generation->count ||
            generation->records[index].size != payload.size) {
        return false;
    }
    static uint8_t expected[4 * ENUMERATOR_SEGMENT];
    CHECK(payload.size <= sizeof expected && generation->count <= TRUTH_RECORDS_MAX);
    payload_fill(generation->records[index].number, expected, payload.size);
    return bytes_equal(bytes_of(expected, payload.size), payload);
}

static int
deliver(void *arg, uint64_t sequence, struct bytes payload, bool damaged)
{
    struct recovery_run *run = arg;
    struct delivered *delivered = &run->delivered;
    if (delivered->count == DELIVERED_MAX) {
        return -ENOBUFS;
    }
    size_t at = delivered->count++;
    delivered->all[at].sequence = sequence;
    delivered->all[at].damaged = damaged;
    delivered->all[at].fits_old = !damaged && payload_fits(&run->truth->old, sequence, payload);
    delivered->all[at].fits_now = !damaged && payload_fits(&run->truth->now, sequence, payload);
    return 0;
}

/* --- judging --- */

static bool
has_needed(const struct generation *generation)
{
    for (size_t i = 0; i < generation->count; i++) {
        if (generation->records[i].acked && generation->first_sequence + i >= generation->trimmed) {
            return true;
        }
    }
    return false;
}

/* NULL, or why the delivered records are not a possible state of that generation. */
static const char *
generation_judge(const struct generation *generation, const struct delivered *delivered,
        bool is_now, bool damage_allowed)
{
    for (size_t i = 0; i < delivered->count; i++) {
        uint64_t sequence = delivered->all[i].sequence;
        if (!damage_allowed && i > 0 && sequence != delivered->all[i - 1].sequence + 1) {
            return "a hole or a wrong order";
        }
        if (damage_allowed && i > 0 && sequence <= delivered->all[i - 1].sequence) {
            return "a wrong order";
        }
        if (delivered->all[i].damaged) {
            continue;
        }
        if (!(is_now ? delivered->all[i].fits_now : delivered->all[i].fits_old)) {
            return "a record that was never appended, or with other bytes";
        }
    }
    for (size_t i = 0; i < generation->count; i++) {
        uint64_t sequence = generation->first_sequence + i;
        if (!generation->records[i].acked || sequence < generation->trimmed) {
            continue;
        }
        bool found = false;
        for (size_t d = 0; d < delivered->count && !found; d++) {
            uint64_t from = delivered->all[d].sequence;
            uint64_t to = d + 1 < delivered->count ? delivered->all[d + 1].sequence : UINT64_MAX;
            found = delivered->all[d].damaged ? sequence >= from && sequence < to
                                              : sequence == from;
        }
        if (!found) {
            return "an acknowledged record is lost";
        }
    }
    return NULL;
}

static const char *
truth_judge(const struct truth *truth, const struct delivered *delivered, bool damage_allowed)
{
    const char *wrong_now = generation_judge(&truth->now, delivered, true, damage_allowed);
    if (!wrong_now && (truth->starting || truth->now.count > 0 || !has_needed(&truth->old))) {
        return NULL;
    }
    if (truth->started) {
        return wrong_now;
    }
    const char *wrong_old = generation_judge(&truth->old, delivered, false, damage_allowed);
    if (!wrong_old && !has_needed(&truth->now)) {
        return NULL;
    }
    return wrong_old ? wrong_old : wrong_now ? wrong_now : "neither generation";
}

/* --- running --- */

static void
at_inner_boundary(void *arg, struct sim_host *host, const struct sim_boundary *boundary)
{
    (void)boundary;
    struct recovery_run *run = arg;
    struct moments *inner = &run->inner;
    if (inner->count == inner->capacity) {
        inner->capacity = inner->capacity ? 2 * inner->capacity : 32;
        inner->all = mem_realloc(inner->all, inner->capacity * sizeof *inner->all);
    }
    struct moment *moment = &inner->all[inner->count++];
    *moment = (struct moment){
        .image = sim_disk_snapshot(host),
        .truth = *run->truth,
        .incarnation = run->incarnation,
    };
    if (!run->replayed) {
        return;
    }
    /* What one recovery delivered every later one must deliver again, until the start: make that
     * the truth. */
    struct generation *fixed = &moment->truth.old;
    *fixed = (struct generation){ .first_sequence = 1 };
    const struct delivered *delivered = &run->delivered;
    if (delivered->count > 0) {
        bool old = delivered->all[0].fits_old && !delivered->all[0].fits_now;
        const struct generation *from = old ? &run->truth->old : &run->truth->now;
        size_t skip = (size_t)(delivered->all[0].sequence - from->first_sequence);
        fixed->first_sequence = delivered->all[0].sequence;
        fixed->count = MIN(delivered->count, (size_t)TRUTH_RECORDS_MAX);
        for (size_t i = 0; i < fixed->count && skip + i < TRUTH_RECORDS_MAX; i++) {
            fixed->records[i] = from->records[skip + i];
            fixed->records[i].acked = true;
        }
    }
    moment->truth.now = run->after;
    moment->truth.starting = run->starting;
    moment->truth.started = run->started;
}

static void
corrupt(struct recovery_run *run)
{
    const struct corruption *corruption = &run->corruption;
    if (!corruption->path) {
        return;
    }
    struct file *file = NULL;
    int r = file_open(corruption->path, FILE_READ | FILE_WRITE, &file);
    CHECK(r == 0);
    uint8_t bytes[512];
    uint64_t offset = corruption->offset;
    size_t size = corruption->mask ? 1 : sizeof bytes;
    int64_t got = file_read(file, bytes, size, offset);
    CHECK(got == (int64_t)size);
    bytes[0] ^= corruption->mask;
    if (!corruption->mask) {
        payload_fill(offset + 77, bytes, sizeof bytes);
    }
    r = file_write_durable(file, bytes, size, offset);
    CHECK(r == 0);
    file_close(file);
}

/* W1 after the recovery: new records must survive the next power cut. */
static void
go_on(struct recovery_run *run, struct wal *wal)
{
    run->starting = true;
    struct generation *after = &run->after;
    after->first_sequence = wal_next_sequence(wal);
    run->later_result = wal_start(wal);
    if (run->later_result < 0) {
        return;
    }
    run->started = true;
    for (size_t i = 0; i < 2; i++) {
        static uint8_t payload[3000];
        uint64_t number = 1000000 + i;
        uint32_t size = i ? 2999 : 5;
        payload_fill(number, payload, size);
        struct iovec part = { .iov_base = payload, .iov_len = size };
        struct wal_append append;
        run->later_result = wal_append_begin(wal, &part, 1, &append);
        if (run->later_result < 0) {
            return;
        }
        after->records[i].number = number;
        after->records[i].size = size;
        after->count++;
        run->later_result = wal_wait(wal, &append);
        if (run->later_result < 0) {
            return;
        }
        after->records[i].acked = true;
    }
    run->after_image = sim_disk_snapshot(sim_host(sim_current(), "local"));
}

static void
recover_main(void *arg)
{
    struct recovery_run *run = arg;
    corrupt(run);
    struct wal_options options = enumerator_options(run->incarnation);
    struct wal *wal = NULL;
    run->open_result = wal_open(&options, &wal);
    if (run->open_result == 0) {
        run->replay_result = wal_replay(wal, deliver, run, &run->recovery);
    }
    if (run->open_result < 0 || run->replay_result < 0) {
        snprintf(run->fault, sizeof run->fault, "%s", fault_text());
    } else {
        run->replayed = true;
        if (run->depth != RECOVER_ONLY) {
            go_on(run, wal);
            snprintf(
                    run->fault, sizeof run->fault, "%s", run->later_result < 0 ? fault_text() : "");
        }
    }
    if (run->depth == RECOVER_INTERRUPTED) {
        sim_disk_watch(sim_host(sim_current(), "local"), NULL, NULL);
    }
    int r = wal_close(wal);
    (void)r;
}

static void
recovery_simulate(
        struct recovery_run *run, const struct sim_image *image, const struct sim_crash *crash)
{
    struct sim *sim = sim_new(7);
    struct sim_host *host = sim_host(sim, "local");
    sim_disk_load(host, image, crash);
    if (run->depth == RECOVER_INTERRUPTED) {
        sim_disk_watch(host, at_inner_boundary, run);
    }
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    int r = reactors_run(&options, recover_main, run);
    if (r < 0) {
        run->open_result = r;
        snprintf(run->fault, sizeof run->fault, "%s", fault_text());
    }
    sim_free(sim);
}

static void
violation(struct verdicts *verdicts, const struct recovery_run *run, const struct sim_crash *crash,
        const char *what)
{
    verdicts->violations++;
    if (verdicts->quiet || verdicts->violations > 10) {
        return;
    }
    printf("VIOLATION: %s (open %d, replay %d, later %d: %s)\n", what, run->open_result,
            run->replay_result, run->later_result, run->fault);
    printf("  crash: keep %d index %zu seed %" PRIu64 "; incarnation %" PRIu64
           "; corruption %s at %" PRIu64 "\n",
            (int)crash->keep, crash->index, crash->seed, run->incarnation,
            run->corruption.path ? run->corruption.path : "none", run->corruption.offset);
    const struct generation *generations[2] = { &run->truth->old, &run->truth->now };
    for (int g = 0; g < 2; g++) {
        printf("  %s: first %" PRIu64 " count %zu trimmed %" PRIu64 " acked", g ? "now" : "old",
                generations[g]->first_sequence, generations[g]->count, generations[g]->trimmed);
        for (size_t i = 0; i < generations[g]->count; i++) {
            putchar(generations[g]->records[i].acked ? '1' : '0');
        }
        printf("\n");
    }
    printf("  delivered:");
    for (size_t i = 0; i < run->delivered.count; i++) {
        printf(" %" PRIu64 "%s%s%s", run->delivered.all[i].sequence,
                run->delivered.all[i].damaged ? "!" : "", run->delivered.all[i].fits_old ? "o" : "",
                run->delivered.all[i].fits_now ? "n" : "");
    }
    printf("; starting %d started %d; damaged %" PRIu64 "\n", run->truth->starting,
            run->truth->started, run->recovery.damaged_records);
}

static const struct sim_crash keep_none = { .keep = SIM_KEEP_NONE };

/* The second crash: everything that was appended after the recovery must be there, and nothing
 * else. */
static void
after_check(struct verdicts *verdicts, struct recovery_run *run)
{
    struct moment *moment = mem_alloc(sizeof *moment);
    *moment = (struct moment){ .image = run->after_image, .incarnation = run->incarnation };
    moment->truth.now = run->after;
    moment->truth.starting = true;
    moment->truth.started = true;
    recover_check(verdicts, moment, &keep_none, RECOVER_ONLY);
    mem_free(moment);
}

static void
inner_check(struct verdicts *verdicts, struct recovery_run *run)
{
    for (size_t i = 0; i < run->inner.count; i++) {
        const struct moment *moment = &run->inner.all[i];
        size_t units = sim_image_units(moment->image);
        struct sim_crash crashes[4] = {
            { .keep = SIM_KEEP_NONE },
            { .keep = SIM_KEEP_ALL },
            { .keep = SIM_KEEP_RANDOM, .seed = i, .permille = 500 },
            { .keep = SIM_KEEP_FIRST, .index = units / 2 },
        };
        for (size_t c = 0; c < (units ? 4u : 1u); c++) {
            recover_check(verdicts, moment, &crashes[c], RECOVER_ONLY);
        }
    }
}

void
recover_check(struct verdicts *verdicts, const struct moment *moment, const struct sim_crash *crash,
        enum recover_depth depth)
{
    struct recovery_run *run = mem_alloc(sizeof *run);
    run->truth = &moment->truth;
    run->incarnation = moment->incarnation + 1;
    run->depth = depth;
    recovery_simulate(run, moment->image, crash);
    verdicts->points++;
    const char *wrong = NULL;
    if (run->open_result < 0 || run->replay_result < 0 || run->later_result < 0) {
        wrong = "recovery failed after a mere crash";
    } else if (run->recovery.damaged_records > 0) {
        wrong = "damage reported after a mere crash";
    } else {
        wrong = truth_judge(&moment->truth, &run->delivered, false);
    }
    if (wrong) {
        violation(verdicts, run, crash, wrong);
    } else if (run->after_image) {
        after_check(verdicts, run);
    }
    if (!wrong) {
        inner_check(verdicts, run);
    }
    moments_done(&run->inner);
    sim_image_free(run->after_image);
    mem_free(run);
}

void
corrupt_check(
        struct verdicts *verdicts, const struct moment *moment, const struct corruption *corruption)
{
    struct recovery_run *run = mem_alloc(sizeof *run);
    run->truth = &moment->truth;
    run->incarnation = moment->incarnation + 1;
    run->corruption = *corruption;
    struct sim_crash crash = { .keep = SIM_KEEP_ALL };
    recovery_simulate(run, moment->image, &crash);
    verdicts->points++;
    if (run->open_result < 0 || run->replay_result < 0) {
        verdicts->refused++;
    } else {
        const char *wrong = truth_judge(&moment->truth, &run->delivered, true);
        if (wrong) {
            violation(verdicts, run, &crash, wrong);
        } else if (run->recovery.damaged_records > 0) {
            verdicts->damaged++;
        } else {
            verdicts->unharmed++;
        }
    }
    mem_free(run);
}

struct file_probe {
    const char *path;
    bool found;
};

static void
probe_main(void *arg)
{
    struct file_probe *probe = arg;
    struct file *file = NULL;
    probe->found = file_open(probe->path, FILE_READ, &file) == 0;
    file_close(file);
}

bool
moment_has_file(const struct moment *moment, const char *path)
{
    struct file_probe probe = { .path = path };
    struct sim_crash crash = { .keep = SIM_KEEP_ALL };
    struct sim *sim = sim_new(7);
    sim_disk_load(sim_host(sim, "local"), moment->image, &crash);
    struct reactors_options options = { .count = 1, .engine = IO_SIM, .sim = sim };
    int r = reactors_run(&options, probe_main, &probe);
    sim_free(sim);
    return r == 0 && probe.found;
}

void
moment_enumerate(struct verdicts *verdicts, const struct moment *moment, uint64_t seed)
{
    size_t units = sim_image_units(moment->image);
    recover_check(verdicts, moment, &keep_none,
            seed % 16 == 0 ? RECOVER_INTERRUPTED : RECOVER_AND_APPEND);
    if (units == 0) {
        return;
    }
    struct sim_crash crash = { .keep = SIM_KEEP_ALL };
    recover_check(verdicts, moment, &crash, RECOVER_AND_APPEND);
    for (size_t i = 0; i < units; i++) {
        crash = (struct sim_crash){ .keep = SIM_KEEP_ONE, .index = i };
        recover_check(verdicts, moment, &crash, RECOVER_ONLY);
        crash.keep = SIM_KEEP_ALL_BUT;
        recover_check(verdicts, moment, &crash, RECOVER_ONLY);
        crash.keep = SIM_KEEP_FIRST;
        recover_check(verdicts, moment, &crash, RECOVER_ONLY);
    }
    /* With few units the random subsets would all have been seen. */
    size_t random_subsets = units < 3 ? 0 : units < 6 ? (size_t)1 << units : RANDOM_SUBSETS;
    for (size_t i = 0; i < random_subsets; i++) {
        crash = (struct sim_crash){
            .keep = SIM_KEEP_RANDOM,
            .seed = seed * 1000 + i,
            .permille = i % 3 == 0   ? 500
                        : i % 3 == 1 ? 150
                                     : 850,
        };
        recover_check(verdicts, moment, &crash, i == 0 ? RECOVER_AND_APPEND : RECOVER_ONLY);
    }
}
