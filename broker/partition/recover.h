#pragma once
/* After a crash: brings what the WAL holds into committed objects, before the partitions are opened
 * again (M5). Entered from main.c, once per WAL folder.
 *
 * Q4  Every acknowledged record of the WAL that is not in a committed object is in one afterwards,
 * at its own offset; what is there already is skipped; a hole between both is an error and loses
 * nothing. The WAL is emptied (wal_start) only after all commits. Crash during recovery: the same
 * recovery runs again and skips what it did. What another broker commits meanwhile ends it with an
 * error: it begins again. */

#include "meta/meta.h"
#include "partition/quarantine.h"
#include "store/store.h"
#include "wal/wal.h"

/* How far one WAL is. */
struct recover_progress {
    uint64_t records; /* read */
    uint64_t bytes;   /* read, of of_bytes; headers and gaps between records are not counted */
    uint64_t of_bytes;
    uint64_t committed; /* records */
    uint64_t objects;
    bool done; /* all of it was read, and what could be was committed */
};
/* Must not wait. `name` is that of the options. */
typedef void (*recover_progress_fn)(const char *name, const struct recover_progress *progress);

struct recover_options {
    struct meta *meta;
    struct store *store;
    struct wal *wal;               /* opened, not replayed */
    const int32_t *dead;           /* whose partitions: a dead broker's that we take over from (K1);
                                      NULL: our own */
    struct quarantine *quarantine; /* gets what is touched by damage (Q14) */
    uint64_t object_size_max;
    bool accept_loss; /* go on where acknowledged records cannot be read; each is logged */
    const char *name; /* of the wal, for progress; borrowed */
    recover_progress_fn progress; /* told at the beginning, every two seconds, and when it is done;
                                     NULL: what takes longer says so in the log */
};

struct recover_result {
    struct wal_recovery wal;
    uint64_t records_committed;
    uint64_t records_skipped; /* in objects already, or of topics that are gone */
    uint64_t objects;
    uint64_t records_held;           /* behind a hole: still in the wal only */
    uint64_t quarantined_partitions; /* > 0: the wal was not started and must be kept (Q15) */
};

/* Adds up what several WALs gave. */
void recover_result_add(struct recover_result *sum, const struct recover_result *result);

/* Replays, uploads, commits and starts the wal. When acknowledged records are damaged or missing
 * and the loss is not accepted, their partitions are put into the quarantine, all others are
 * committed, and the wal is left as it is. */
MUST_CHECK MAY_SUSPEND int wal_recover(
        const struct recover_options *options, struct recover_result *ret_result);
