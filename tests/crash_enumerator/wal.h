#pragma once
/* The crash enumerator of the WAL: a workload runs on the simulator's disk; at every boundary of
 * the disk, for many subsets of the sectors that were not flushed, the disk is made what a power
 * cut would leave, recovered, and compared with the truth: what was begun, acknowledged and trimmed
 * at that moment. */

#include "base/bytes.h"
#include "reactor/sim.h"
#include "wal/wal.h"

#define TRUTH_RECORDS_MAX 96
#define ENUMERATOR_SEGMENT ((uint64_t)16 * 1024)

/* One life of a log: what was appended between a start and the next. */
struct generation {
    uint64_t first_sequence;
    size_t count;
    uint64_t trimmed; /* greatest value given to wal_trim */
    struct {
        uint64_t number; /* tells the payload; unique over all generations */
        uint32_t size;
        bool acked;
    } records[TRUTH_RECORDS_MAX];
};

/* What is true at one moment. */
struct truth {
    struct generation old; /* of the incarnation before */
    struct generation now;
    bool starting; /* wal_start was called: `old` may be gone */
    bool started;  /* ... and returned: `old` must be gone */
};

/* A moment at which the power may fail. */
struct moment {
    struct sim_image *image;
    struct truth truth;
    uint64_t incarnation; /* greatest so far */
};

struct moments {
    struct moment *all;
    size_t count;
    size_t capacity;
};

struct workload_options {
    uint64_t seed;
    unsigned appends;      /* of each writer, in each of the two lives */
    bool mutant_ack_early; /* says "acknowledged" before the wait */
    bool last_only;        /* keep the last moment only: for corruption */
    bool close_last;
    enum sim_disk_fault_kind fault; /* one disk fault, when fault_nth > 0 */
    uint64_t fault_nth;
    bool fault_any_file; /* else of segments only */
};
/* Runs it and collects the moments, owned by the caller. 0, or the error of the workload itself. */
int workload_run(const struct workload_options *options, struct moments *moments);
void moments_done(struct moments *moments);
void payload_fill(uint64_t number, uint8_t *out, size_t size);
/* wal_options of all programs here. */
struct wal_options enumerator_options(uint64_t incarnation);

/* A change made to a file before recovery: xor for one byte, or a sector of junk. */
struct corruption {
    const char *path; /* NULL: none */
    uint64_t offset;
    uint8_t mask; /* 0: 512 bytes of junk at offset */
};

enum recover_depth {
    RECOVER_ONLY,
    RECOVER_AND_APPEND,  /* start, append, crash, recover again */
    RECOVER_INTERRUPTED, /* crash at every boundary of the recovery too */
};

struct verdicts {
    uint64_t points;
    uint64_t violations;
    uint64_t refused; /* corruption: open or replay said no */
    uint64_t damaged; /* corruption: reported to the replay function */
    uint64_t unharmed;
    bool quiet; /* for mutants: count violations, do not print them */
};

/* Recovers one crash image and compares. */
void recover_check(struct verdicts *verdicts, const struct moment *moment,
        const struct sim_crash *crash, enum recover_depth depth);
bool moment_has_file(const struct moment *moment, const char *path);
/* Recovers a corrupted image: nothing acknowledged may be missing silently, nothing wrong
 * delivered. */
void corrupt_check(struct verdicts *verdicts, const struct moment *moment,
        const struct corruption *corruption);
/* All bounded subsets of the moment's unflushed units. */
void moment_enumerate(struct verdicts *verdicts, const struct moment *moment, uint64_t seed);

/* From now on files cannot be opened for direct writing, as on some file systems. */
void direct_refuse(bool refused);
/* Each must be found out; returns the number that were not. */
unsigned mutants_run(uint64_t seed);
