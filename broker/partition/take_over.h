#pragma once
/* Dead brokers' logs in the bucket (wal.type: s3) to committed objects: those of our own former
 * incarnations at start, and those that the controller gives us while we serve (META_TAKE_OVER).
 * Nothing of a log is copied but into the objects that hold the partitions' data then. Entered from
 * parts.c and process.c, on reactor 0.
 *
 * K1 and K2 of meta/state.h are why no two brokers can spoil each other's recovery: a commit that
 * does not begin at the partition's end is refused, and whoever hears that begins again.
 *
 * K3  A share is reported done (META_RECOVERED) only when every log of it is fenced (L2), read to
 *     its fence, and all that it held is committed: in each incarnation that had a partition open.
 *     Crash: the dead broker had left a partition of an incarnation before, whose log nobody read.
 *
 * A log with objects that cannot be read is not reported: its partitions wait, the error says which
 * object it is, and the attempt is repeated. wal.recovery.accept.loss goes on without.
 *
 * Limits: a fiber for each dead broker, which holds at most object_size_max and four objects of a
 * log. */

#include "meta/meta.h"
#include "partition/quarantine.h"
#include "partition/recover.h"
#include "store/store.h"

struct take_over_options {
    struct meta *meta; /* this and the next three: borrowed */
    struct objectstore *objects;
    struct store *store;
    struct quarantine *quarantine; /* take_over_own: gets what is damaged (Q14) */
    uint64_t object_size_max;
    bool accept_loss;
};

/* Before this broker's partitions open (M5): fences and recovers what its former incarnations left
 * in the bucket. *sum: quarantined_partitions > 0: those must not be opened, the former log still
 * has them. */
MUST_CHECK MAY_SUSPEND int take_over_own(
        const struct take_over_options *options, struct recover_result *sum);

struct take_over;
/* Follows the metadata, and recovers what it is told to. */
MUST_CHECK int take_over_start(
        const struct take_over_options *options, struct take_over **ret_take_over);
/* Accepts NULL. What is under way ends; another broker, or a later start, does it again. */
MAY_SUSPEND void take_over_stop(struct take_over *take_over);

struct take_over_stats {
    uint64_t shares;  /* done */
    uint64_t records; /* committed */
    uint64_t failures;
};
void take_over_stats_get(const struct take_over *take_over, struct take_over_stats *ret_stats);
