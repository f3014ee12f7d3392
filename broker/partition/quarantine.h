#pragma once
/* The partitions of which acknowledged records cannot be read, until somebody accepts the loss.
 *
 * Entered from recover.c, which finds them, and shard.c, which asks; made by main.c before the
 * first WAL is opened, not changed once the shards are open.
 *
 * Scenario: a sector of the WAL's volume rots and the broker dies before the batch in it, which was
 * acknowledged, is uploaded. Refusing the start takes every other partition away with the one.
 * Going on without the batch gives its offsets to other records: consumers that have read it skip
 * as many, and nobody is told.
 *
 * Q14  A partition of which a damaged record of the WAL may be, and that no later record proves
 *      whole, is quarantined: it answers KAFKA_STORAGE_ERROR to appends, reads and look-ups, with
 *      its end offset where the damage begins. All others are recovered and serve. Whose the record
 *      was is said by tags in the frames' headers (docs/formats/wal.md); when they are gone too,
 *      every partition that the WAL does not prove whole is quarantined.
 * Q15  Nothing is deleted: the WAL folder N is kept as N.damaged-<broker epoch>, and every start
 *      looks at it again, so that a repaired volume heals the partition by itself. Only
 *      wal.recovery.accept.loss=true goes on without what cannot be read: each loss is logged, and
 *      the folder is kept as N.accepted-<broker epoch>. */

#include "store/range.h"

#include <stdbool.h>
#include <stddef.h>

struct quarantine;

struct quarantine *quarantine_new(void);
void quarantine_free(struct quarantine *quarantine);
/* Twice does no harm. */
void quarantine_add(struct quarantine *quarantine, struct partition_key key);
/* NULL has none. */
bool quarantine_has(const struct quarantine *quarantine, struct partition_key key);
size_t quarantine_count(const struct quarantine *quarantine);
