#pragma once
/* Keys that wait for work: a key is in it once, however often it was added.
 *
 * C3  No wake-up is lost: a key that is added while it is worked on comes again afterwards. Crash
 * scenario: a pod dies while its cluster's pass is about to end; nobody looks again until the
 * resync.
 *
 * C4  A key that fails comes again later and later (QUEUE_PAUSE_MS_MIN doubled up to
 * QUEUE_PAUSE_MS_MAX), whatever time its work wished for itself, and a change from outside brings
 * it at once all the same. A conflict (-ESTALE), which ends by itself soon, never waits longer than
 * QUEUE_STALE_MS_MAX. A refusal, which may last, held up only what needs it (A4 of act/act.h): what
 * its work wished for counts, but not before QUEUE_REFUSED_MS. Crash scenarios: a mark is refused
 * by an admission policy, its pass wants to look at once, and the operator sends it twenty times a
 * second for ever; a disruption budget of that name is somebody else's for days, and each step of a
 * drain waits for a minute. */

#include "base/list.h"
#include "base/map.h"

#define QUEUE_PAUSE_MS_MIN 250
#define QUEUE_PAUSE_MS_MAX 60000
#define QUEUE_STALE_MS_MAX 2000
#define QUEUE_REFUSED_MS 5000
#define QUEUE_KEY_SIZE 360

struct queue {
    struct map keys;   /* all that are known */
    struct list ready; /* in order */
    size_t ready_count;
    uint64_t failures; /* in all */
};

void queue_init(struct queue *queue);
void queue_done(struct queue *queue);
/* Now. */
void queue_add(struct queue *queue, const char *text);
/* Not later than in delay_ms; the earliest of several counts. */
void queue_add_after(struct queue *queue, const char *text, int64_t delay_ms, int64_t now_ms);
/* The next key, copied into out; it is being worked on until queue_finish. False: none is ready. */
bool queue_take(struct queue *queue, int64_t now_ms, char out[QUEUE_KEY_SIZE]);
/* Ends the work on the key. Negative error: it comes again after a pause (C4). Else, with again_ms
 * >= 0, it comes again after that at the latest. */
void queue_finish(
        struct queue *queue, const char *text, int error, int64_t again_ms, int64_t now_ms);
/* Until the next key is ready; at most `otherwise`. */
int64_t queue_wait_ms(const struct queue *queue, int64_t now_ms, int64_t otherwise);
/* Forgets all about a key whose object is gone, or of which nothing is to be done, unless it was
 * added meanwhile (C3): a resource that was deleted and made again during the work on it would
 * never be looked at. Not while it is worked on. */
void queue_forget(struct queue *queue, const char *text);
