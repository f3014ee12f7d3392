#pragma once
/* Faults that tests/sim plants in the broker, to prove that its checker sees what they do. Nothing
 * that a configuration can reach plants one; unplanted they cost a load. The rooms' own: those of
 * the metadata log are in meta/mutants.h. */

#include "base/attr.h"

enum mutant {
    MUTANT_NONE,
    MUTANT_ACK_UNFLUSHED,     /* W1: the group is written, and not flushed */
    MUTANT_ACK_FAILED_WRITE,  /* W2: a failed write counts as done */
    MUTANT_TRIM_EARLY,        /* the WAL forgets what is in no object yet */
    MUTANT_RECOVER_NOTHING,   /* W3: a restart passes over what the WAL holds */
    MUTANT_NO_SEQUENCES,      /* P2: repeated batches are appended again */
    MUTANT_READ_SKIPS,        /* a fetch leaves out a record now and then */
    MUTANT_READ_UNFLUSHED,    /* Q1: consumers get what is not durable yet */
    MUTANT_READ_OUT_OF_RANGE, /* a fetch inside of the log is called out of range */
    MUTANT_HIGH_TOO_LOW,      /* a high watermark below what was acknowledged */
    MUTANT_ACK_OTHER_OFFSET,  /* an answer that names the offset of another record */
    MUTANT_REFUSE_APPENDED,   /* Q2: what was appended is called refused */
    MUTANT_INVENT_GAPS,       /* P2: a batch in its place is called out of order */
    MUTANT_FORGET_COMMITS,    /* G2: a coordinator forgets what its log says */
    MUTANT_COMMIT_AHEAD,      /* a committed offset that nobody asked for */
    MUTANT_DELETE_TOO_MUCH,   /* Q8: the log start moves behind what was asked for */
    MUTANT_DELETE_NOTHING,    /* Q8: it does not move, and is said to */
    MUTANT_RETAIN_NOTHING,    /* retention.bytes of nothing */
    MUTANT_KEEP_DELETED,      /* O2: what nobody names any more is not removed */
    MUTANT_NO_BLOCK_CRC,      /* O3: a block's body is not held against its CRC */
    MUTANT_NO_WAL_OBJECT_CRC, /* W3: nor a log in the bucket, or what is recovered of it */
    MUTANT_COUNT,
};

extern enum mutant mutant_planted;
/* As sim_cluster takes them. */
extern const char *const mutant_names[MUTANT_COUNT];

#define MUTANT(m) UNLIKELY(mutant_planted == (m))
