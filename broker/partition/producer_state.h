#pragma once
/* What a partition remembers of each idempotent producer: its epoch and its last five batches, so
 * that a repeated send is recognised and a gap is refused. The rules are Kafka's (KIP-98, KIP-360).
 *
 * P1  The same batch sent again is answered with the offset of the first time and is not appended
 * again, also after a restart: the state is in the checkpoint of each uploaded object and is
 * completed from the WAL. Crash: the answer of an append is lost, the broker restarts, and the
 * producer's retry would be stored a second time.
 *
 * Limits: PRODUCERS_PER_PARTITION_MAX; the one idle longest goes first. */

#include "base/bytes.h"
#include "base/list.h"
#include "base/map.h"
#include "base/strbuf.h"

#define PRODUCER_BATCHES_KEPT 5
#define PRODUCERS_PER_PARTITION_MAX 100000

struct producer_batch {
    int32_t first_sequence;
    int32_t last_sequence;
    int64_t base_offset;
    int64_t last_offset;
    int64_t timestamp; /* greatest in the batch, ms */
};

struct producer {
    struct map_node node;
    struct list link; /* in order of last use */
    int64_t id;
    int16_t epoch;
    int64_t last_timestamp;
    int64_t silent_since_ms; /* the first pass of expiry after its last batch; 0: none yet */
    int32_t batch_count;
    struct producer_batch batches[PRODUCER_BATCHES_KEPT]; /* oldest first */
};

struct producer_states {
    struct map by_id;
    struct list by_use; /* longest idle first */
    bool changed;       /* since the last checkpoint was taken */
};

/* What the header of a batch says of its producer. */
struct producer_claim {
    int64_t id; /* -1: not idempotent */
    int16_t epoch;
    int32_t first_sequence;
    int32_t last_sequence;
};

enum producer_verdict {
    PRODUCER_APPEND,       /* new: append, then producer_states_record */
    PRODUCER_DUPLICATE,    /* answer with the old batch's offsets */
    PRODUCER_OUT_OF_ORDER, /* a gap, or older than what is remembered */
    PRODUCER_STALE_EPOCH,
};

void producer_states_init(struct producer_states *states);
void producer_states_done(struct producer_states *states);
/* Judges a batch without changing anything. ret_batch: the old one for PRODUCER_DUPLICATE; the one
 * that it does not follow for PRODUCER_OUT_OF_ORDER, NULL where a new epoch does not begin at 0. */
enum producer_verdict producer_states_check(const struct producer_states *states,
        const struct producer_claim *claim, const struct producer_batch **ret_batch);
/* What must follow the batch; the first one of an epoch for NULL. */
int32_t producer_next_sequence(const struct producer_batch *last);
/* Remembers an appended batch. */
void producer_states_record(struct producer_states *states, const struct producer_claim *claim,
        int64_t base_offset, int64_t last_offset, int64_t timestamp);
/* Forgets producers that have sent nothing for expiration_ms, as far as the passes before this one
 * have seen. By our clock, unlike Kafka, which goes by the batches' timestamps: copies of old
 * records would lose their protection against repeats (P1) at once. */
void producer_states_expire(struct producer_states *states, int64_t now_ms, int64_t expiration_ms);
/* Checkpoint (docs/formats/producers.md) of the state as it was at end_offset: batches from there
 * on are left out, because they may not survive a crash and their repetition would then be taken
 * for a duplicate (P1). Clears `changed` unless something was left out. Equal states in equal order
 * of use give equal bytes. */
void producer_states_encode(struct producer_states *states, int64_t end_offset, struct strbuf *out);
/* Replaces the content. -EBADMSG. */
MUST_CHECK int producer_states_decode(struct producer_states *states, struct bytes bytes);
