#pragma once
/* The WAL folders of data.dir at start, in the order of the functions below: those that an earlier
 * start put aside as damaged, our reactors' own, those of reactors that we no longer have. Entered
 * from parts.c, before the partitions are opened (M5). Q14 and Q15 are in partition/quarantine.h;
 * the names are wal/N, wal/N.damaged-EPOCH and wal/N.accepted-EPOCH. */

#include "meta/meta.h"
#include "partition/quarantine.h"
#include "partition/recover.h"
#include "settings/settings.h"
#include "store/store.h"
#include "wal/wal.h"

#define RECOVER_OBJECT_SIZE (128 * MIB)

/* All borrowed; `store` is that of the reactor that we are on. */
struct recover_wals {
    const char *data_dir;
    const struct settings *settings;
    struct meta *meta;
    struct store *store;
    struct quarantine *quarantine;
    struct recover_result *sum;   /* of all WALs; NULL: not wanted */
    recover_progress_fn progress; /* told of each folder; NULL: not wanted */
    bool in_bucket;               /* wal.type: s3: no folder is ours any more */
};

/* Looks again at what was put aside: what is whole now, or accepted, is committed. */
MUST_CHECK MAY_SUSPEND int recover_kept_wals(const struct recover_wals *recovery);
/* Brings the WAL of one reactor into objects and opens it; a damaged one is put aside and a new one
 * made. */
MUST_CHECK MAY_SUSPEND int recover_wal_of(
        const struct recover_wals *recovery, unsigned index, struct wal **ret_wal);
/* WAL folders that this start does not use: recovered and left empty. */
MUST_CHECK MAY_SUSPEND int recover_other_wals(const struct recover_wals *recovery);
