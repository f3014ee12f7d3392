/* crash_wal [--points N] [--seconds N] [--seed N] [--all-bits]: enumerates power cuts and
 * corruption of the WAL on the simulator. Fails on any violation, on a mutant that was not found
 * out, and when fewer than --points were seen. */
#include "crash_enumerator/wal.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "wal/wal_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct arguments {
    uint64_t points;
    uint64_t seconds;
    uint64_t seed;
    bool all_bits;
};

static double
now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct arguments
arguments_parse(int count, char **texts)
{
    struct arguments arguments = { .points = 300000, .seconds = 400, .seed = 1 };
    for (int i = 1; i < count; i++) {
        uint64_t *number = strcmp(texts[i], "--points") == 0    ? &arguments.points
                           : strcmp(texts[i], "--seconds") == 0 ? &arguments.seconds
                           : strcmp(texts[i], "--seed") == 0    ? &arguments.seed
                                                                : NULL;
        if (number && i + 1 < count) {
            *number = strtoull(texts[++i], NULL, 10);
        } else if (strcmp(texts[i], "--all-bits") == 0) {
            arguments.all_bits = true;
        } else {
            fprintf(stderr,
                    "usage: crash_wal [--points N] [--seconds N] [--seed N] [--all-bits]\n");
            exit(2);
        }
    }
    return arguments;
}

/* Power cuts, workload after workload, until there were enough. */
static bool
crashes_run(const struct arguments *arguments, struct verdicts *verdicts)
{
    double began = now_s();
    for (uint64_t seed = arguments->seed; verdicts->points < arguments->points; seed++) {
        if (now_s() - began > (double)arguments->seconds) {
            break;
        }
        /* Every fifth on a file system without O_DIRECT. */
        direct_refuse(seed % 5 == 0);
        struct workload_options options = {
            .seed = seed, .appends = (unsigned)(4 + seed % 12), .close_last = seed % 2 == 0
        };
        struct moments moments;
        int r = workload_run(&options, &moments);
        if (r < 0) {
            printf("VIOLATION: the workload of seed %" PRIu64 " failed: %d\n", seed, r);
            moments_done(&moments);
            verdicts->violations++;
            return false;
        }
        uint64_t before = verdicts->points;
        for (size_t i = 0; i < moments.count; i++) {
            moment_enumerate(verdicts, &moments.all[i], seed * 7919 + i);
        }
        printf("seed %" PRIu64 ": %zu boundaries, %" PRIu64 " points\n", seed, moments.count,
                verdicts->points - before);
        fflush(stdout);
        moments_done(&moments);
        if (verdicts->violations > 0) {
            printf("again: crash_wal --seed %" PRIu64 "\n", seed);
            return false;
        }
    }
    direct_refuse(false);
    printf("power cuts: %" PRIu64 " points in %.1f s, %" PRIu64 " violations\n", verdicts->points,
            now_s() - began, verdicts->violations);
    return verdicts->violations == 0;
}

static void
file_corrupt(struct verdicts *verdicts, const struct moment *moment, const char *path,
        uint64_t from, uint64_t to, bool all_bits)
{
    for (uint64_t offset = from; offset < to; offset++) {
        /* Headers in full: all of the first 104 bytes of a block, where every header of the format
         * lies. */
        bool header = offset % WAL_BLOCK < 104;
        for (unsigned bit = 0; bit < 8; bit++) {
            if (all_bits || (header && bit % 2 == offset % 2) || bit == offset % 8) {
                struct corruption corruption = {
                    .path = path, .offset = offset, .mask = (uint8_t)(1u << bit)
                };
                corrupt_check(verdicts, moment, &corruption);
            }
        }
        if (offset % 512 == 0) {
            struct corruption junk = { .path = path, .offset = offset };
            corrupt_check(verdicts, moment, &junk);
        }
    }
}

/* The nth write, or flush, of a segment fails: nothing that was acknowledged before or after may be
 * lost (W2). */
static bool
faults_run(const struct arguments *arguments)
{
    static const enum sim_disk_fault_kind kinds[] = { SIM_DISK_WRITE_ERROR, SIM_DISK_FLUSH_ERROR,
        SIM_DISK_WRITE_FULL };
    double began = now_s();
    struct verdicts verdicts = { 0 };
    uint64_t failed = 0;
    uint64_t runs = 0;
    for (uint64_t nth = 1; nth <= 100; nth++) {
        for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
            struct workload_options options = {
                .seed = arguments->seed + nth,
                .appends = 5,
                .last_only = true,
                .fault = kinds[k],
                .fault_nth = nth,
                .fault_any_file = nth % 2 == 0,
            };
            struct moments moments;
            failed += workload_run(&options, &moments) < 0;
            runs++;
            for (size_t i = 0; i < moments.count; i++) {
                moment_enumerate(&verdicts, &moments.all[i], nth);
            }
            moments_done(&moments);
        }
    }
    printf("failing disks: %" PRIu64 " runs, %" PRIu64 " of them stopped, %" PRIu64
           " points in %.1f s, %" PRIu64 " violations\n",
            runs, failed, verdicts.points, now_s() - began, verdicts.violations);
    return verdicts.violations == 0 && failed > runs / 4;
}

/* The rare branches that the workload is there for. */
static bool
marks_check(void)
{
    static const char *const marks[] = {
        "wal: segment recycled",
        "wal: record split",
        "wal: full, append waits",
        "wal: torn tail cut",
        "wal: idle evidence",
        "wal: unfinished spare removed",
        "wal: damaged range",
        "wal: broken",
        "wal: found the log again behind damage",
        "wal: direct writes refused",
    };
    bool good = true;
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
        if (mark_count(marks[i]) == 0) {
            printf("never reached: %s\n", marks[i]);
            good = false;
        }
    }
    return good;
}

/* Rot: single bits and sectors of a log that was quiet when the power failed. */
static bool
corruption_run(const struct arguments *arguments)
{
    double began = now_s();
    struct verdicts verdicts = { 0 };
    for (int closed = 0; closed < 2; closed++) {
        struct workload_options options = {
            .seed = arguments->seed + 100,
            .appends = 5,
            .last_only = true,
            .close_last = closed,
        };
        struct moments moments;
        int r = workload_run(&options, &moments);
        if (r < 0 || moments.count != 1) {
            printf("VIOLATION: the workload for corruption failed: %d\n", r);
            moments_done(&moments);
            return false;
        }
        uint64_t step = closed && !arguments->all_bits ? 3 * WAL_BLOCK : WAL_BLOCK;
        for (uint64_t index = 1; index < 40; index++) {
            char path[FILE_PATH_MAX];
            snprintf(path, sizeof path, "wal/0/segment-%016" PRIx64, index);
            if (!moment_has_file(&moments.all[0], path)) {
                continue;
            }
            for (uint64_t at = 0; at < ENUMERATOR_SEGMENT; at += step) {
                file_corrupt(
                        &verdicts, &moments.all[0], path, at, at + WAL_BLOCK, arguments->all_bits);
            }
        }
        file_corrupt(
                &verdicts, &moments.all[0], "wal/0/identity", 0, WAL_BLOCK, arguments->all_bits);
        file_corrupt(
                &verdicts, &moments.all[0], "wal/0/evidence", 0, WAL_BLOCK, arguments->all_bits);
        moments_done(&moments);
    }
    printf("corruption: %" PRIu64 " points in %.1f s: %" PRIu64 " refused, %" PRIu64
           " reported as damaged, %" PRIu64 " did no harm, %" PRIu64 " violations\n",
            verdicts.points, now_s() - began, verdicts.refused, verdicts.damaged, verdicts.unharmed,
            verdicts.violations);
    return verdicts.violations == 0 && verdicts.damaged > 1000 && verdicts.refused > 1000;
}

int
main(int count, char **texts)
{
    struct arguments arguments = arguments_parse(count, texts);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    unsigned missed = mutants_run(arguments.seed);
    if (missed > 0) {
        printf("FAILED: %u mutants were not found out\n", missed);
        return 1;
    }
    struct verdicts verdicts = { 0 };
    bool good = crashes_run(&arguments, &verdicts);
    good = faults_run(&arguments) && good;
    good = corruption_run(&arguments) && good;
    good = marks_check() && good;
    if (verdicts.points < arguments.points) {
        printf("FAILED: only %" PRIu64 " of %" PRIu64 " points\n", verdicts.points,
                arguments.points);
        good = false;
    }
    printf("%s\n", good ? "ok" : "FAILED");
    return good ? 0 : 1;
}
