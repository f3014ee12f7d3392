#pragma once
/* What the whole world knows of one log: which entry settled in which slot, and which entries
 * somebody was told are logged. Every writer and reader reports here; two reports that do not fit
 * are a violation.
 *
 *   one history     a slot has one entry, whoever looks, whenever
 *   exactly once    an entry is in one slot
 *   same state      behind a slot the state is the same, whoever applies or replays it
 *   nothing lost    an acknowledged entry is in the final history
 *   fencing         behind the first entry of an epoch there is none of a lower one */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_SLOTS_MAX ((uint64_t)1 << 24) /* more than any run comes to */

struct ledger_entry {
    uint64_t id; /* 0: nobody has reported it */
    int64_t epoch;
    uint64_t state; /* hash of the state behind the slot; 0: nobody has reported it */
    bool acknowledged;
};

struct ledger {
    struct ledger_entry *slots; /* by sequence */
    uint64_t slot_capacity;
    uint64_t last;     /* slot with an entry */
    uint64_t *slot_of; /* by id; ids count from 1 */
    uint64_t id_capacity;
    char violation[400]; /* "" while all is well; the first one is kept */
};

void ledger_init(struct ledger *ledger);
void ledger_done(struct ledger *ledger);
void ledger_violate(struct ledger *ledger, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* `who` has seen entry `id` of `epoch` in the slot, as part of the history. */
void ledger_saw(
        struct ledger *ledger, const char *who, uint64_t sequence, uint64_t id, int64_t epoch);
/* `who` has a state with this hash (not 0) behind the slot. */
void ledger_saw_state(struct ledger *ledger, const char *who, uint64_t sequence, uint64_t hash);
/* As ledger_saw, and the proposer was told that it is logged. */
void ledger_acknowledged(
        struct ledger *ledger, const char *who, uint64_t sequence, uint64_t id, int64_t epoch);
/* The slot of an entry; 0: nobody has seen it. */
uint64_t ledger_slot(struct ledger *ledger, uint64_t id);
/* The final history: ids[0] is in slot 1. */
void ledger_compare(struct ledger *ledger, const uint64_t *ids, size_t count);
