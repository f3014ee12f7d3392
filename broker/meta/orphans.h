#pragma once
/* What dead epochs wrote and never committed: found by their intents (O1), removed by the
 * controller (O2). Entered from garbage.c, on reactor 0.
 *
 * No commit, merge or manifest can name an unused id of a dead epoch any more (M6), so whatever
 * lies under it is nobody's, and removing it again and again harms nothing. The question is only
 * when the ids may be forgotten, after which nobody but `freshet audit` finds what lies there.
 *
 * G1  The ids of a dead epoch are forgotten only after removals once, twice, four and eight times
 *     the delay after it was seen dead; each of them is known to have happened. Crash: a broker
 *     stands still (SIGSTOP, a stalled machine, a network that loses its packets) in the middle of
 *     an upload and is declared dead; its orphans are removed and forgotten; then its write lands,
 *     because the store was late or the broker has not yet heard of its end, and stays for ever.
 *
 * G2  What dead epochs have left never stands in the way of the living: when more than
 *     dead_intents_max intents are dead, the eldest are forgotten with the next removal. Crash:
 *     brokers that end and start again every few seconds fill the table of intents
 *     (META_INTENTS_MAX), no broker gets object ids, and no upload goes on. An object that stays
 *     costs only its storage.
 *
 * G3  Uploads are written, and tried again, only under a valid lease (M4): see round_write in
 *     partition/upload.c. So a write lands after the end of a lease by no more than the deadline of
 *     one request, unless the broker stands still between the look at its lease and the first byte.
 *     Crash: a broker that was cut off from everybody for hours repeats its upload as soon as the
 *     store answers again, long after its ids were forgotten.
 *
 * Times are of our own clock since we saw the death; a new controller begins to count again. */

#include "meta/meta.h"

struct dead_intent {
    uint64_t first_id;
    uint64_t seen_ns;
    unsigned removals; /* how many there were */
};

struct orphans {
    struct dead_intent *dead; /* sorted by first_id */
    size_t count;
    size_t kept; /* of them, in this pass: not forgotten */
};

/* Looks at all intents, removes what is due, forgets the ids that nothing can land under any more.
 * Errors of meta_propose and of the store. */
MUST_CHECK MAY_SUSPEND int orphans_pass(struct orphans *orphans, struct meta *meta);
void orphans_done(struct orphans *orphans);
