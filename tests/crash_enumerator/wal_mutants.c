/* Planted mutants: the WAL with one promise taken away. The enumerator must find each out, or it
 * proves nothing. The switches stand in the linker (--wrap), not in the product. */
#include "base/fault.h"
#include "base/limits.h"
#include "crash_enumerator/wal.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <stdio.h>

enum mutant {
    MUTANT_NONE,
    MUTANT_WRITE_IS_NOT_FLUSHED,
    MUTANT_SYNC_DOES_NOTHING,
    MUTANT_FOLDER_SYNC_DOES_NOTHING,
    MUTANT_EVIDENCE_IS_NOT_WRITTEN,
    MUTANT_EVIDENCE_IS_NOT_FLUSHED,
    MUTANT_ACK_BEFORE_FLUSH,
    MUTANT_DISK_LOSES_A_WRITE,
    MUTANT_DISK_LOSES_THE_LAST_WRITE,
    MUTANT_DISK_WRITES_ASTRAY,
    MUTANT_DISK_FLIPS_A_BIT,
    MUTANTS,
};

static const char *const names[MUTANTS] = {
    "none",
    "a durable write is not flushed",
    "flushing a file does nothing",
    "flushing a folder does nothing",
    "evidence is not written",
    "evidence is not flushed",
    "acknowledged before the flush",
    "the disk loses a write",
    "the disk loses the last write",
    "the disk writes astray",
    "the disk flips a bit",
};

static enum mutant mutant;
static bool in_evidence;
static bool direct_refused;

int __real_file_write_durable(struct file *file, const void *data, size_t size, uint64_t offset);
int __wrap_file_write_durable(struct file *file, const void *data, size_t size, uint64_t offset);
int __real_file_sync(struct file *file, bool metadata);
int __wrap_file_sync(struct file *file, bool metadata);
int __real_disk_sync_folder(const char *path);
int __wrap_disk_sync_folder(const char *path);
int __real_wal_evidence_write(struct wal *wal, const struct wal_evidence *next);
int __wrap_wal_evidence_write(struct wal *wal, const struct wal_evidence *next);

int __real_file_open(const char *path, unsigned flags, struct file **ret_file);
int __wrap_file_open(const char *path, unsigned flags, struct file **ret_file);

void
direct_refuse(bool refused)
{
    direct_refused = refused;
}

int
__wrap_file_open(const char *path, unsigned flags, struct file **ret_file)
{
    if (direct_refused && (flags & FILE_DIRECT)) {
        return fault(-EINVAL, "no direct writes here");
    }
    return __real_file_open(path, flags, ret_file);
}

int
__wrap_file_write_durable(struct file *file, const void *data, size_t size, uint64_t offset)
{
    if (mutant == MUTANT_WRITE_IS_NOT_FLUSHED ||
            (mutant == MUTANT_EVIDENCE_IS_NOT_FLUSHED && in_evidence)) {
        return file_write(file, data, size, offset);
    }
    return __real_file_write_durable(file, data, size, offset);
}

int
__wrap_file_sync(struct file *file, bool metadata)
{
    return mutant == MUTANT_SYNC_DOES_NOTHING ? 0 : __real_file_sync(file, metadata);
}

int
__wrap_disk_sync_folder(const char *path)
{
    return mutant == MUTANT_FOLDER_SYNC_DOES_NOTHING ? 0 : __real_disk_sync_folder(path);
}

int
__wrap_wal_evidence_write(struct wal *wal, const struct wal_evidence *next)
{
    /* The first entry makes the file; without it there would be no WAL to talk about. */
    if (mutant == MUTANT_EVIDENCE_IS_NOT_WRITTEN && wal->evidence.counter > 0) {
        uint64_t counter = wal->evidence.counter;
        wal->evidence = *next;
        wal->evidence.counter = counter;
        return 0;
    }
    in_evidence = true;
    int r = __real_wal_evidence_write(wal, next);
    in_evidence = false;
    return r;
}

/* One workload with the mutant in it; adds to the verdicts. */
static void
mutant_try(enum mutant which, uint64_t seed, uint64_t fault_nth, struct verdicts *verdicts)
{
    struct workload_options options = { .seed = seed, .appends = 6, .fault_nth = fault_nth };
    struct moments moments;
    mutant = which;
    options.mutant_ack_early = which == MUTANT_ACK_BEFORE_FLUSH;
    options.fault = which == MUTANT_DISK_WRITES_ASTRAY ? SIM_DISK_WRITE_ASTRAY
                    : which == MUTANT_DISK_FLIPS_A_BIT ? SIM_DISK_WRITE_FLIP
                                                       : SIM_DISK_WRITE_LOST;
    int r = workload_run(&options, &moments);
    if (r < 0) {
        printf("the workload itself failed: %d\n", r);
    }
    for (size_t i = 0; i < moments.count && verdicts->violations == 0; i++) {
        moment_enumerate(verdicts, &moments.all[i], i);
    }
    mutant = MUTANT_NONE;
    moments_done(&moments);
}

/* True when it was found out. */
static bool
mutant_run(enum mutant which, uint64_t seed)
{
    struct verdicts verdicts = { .quiet = true };
    if (which < MUTANT_DISK_LOSES_A_WRITE) {
        mutant_try(which, seed, 0, &verdicts);
    }
    /* A fault of the disk may strike where it does no harm (padding, zeros): then at the next
     * write. */
    uint64_t first = which == MUTANT_DISK_LOSES_THE_LAST_WRITE ? 22 : 9;
    for (uint64_t nth = first;
            nth < first + 12 && which >= MUTANT_DISK_LOSES_A_WRITE && verdicts.violations == 0;
            nth++) {
        mutant_try(which, seed, nth, &verdicts);
    }
    printf("mutant: %-34s %s after %llu points\n", names[which],
            verdicts.violations ? "found out" : "NOT FOUND", (unsigned long long)verdicts.points);
    fflush(stdout);
    return verdicts.violations > 0;
}

unsigned
mutants_run(uint64_t seed)
{
    unsigned missed = 0;
    for (enum mutant which = MUTANT_NONE + 1; which < MUTANTS; which++) {
        missed += !mutant_run(which, seed);
    }
    return missed;
}
