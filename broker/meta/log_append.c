/* Writing one slot of the object log until it is settled.
 *
 *   create -> 0        ours, unless the floor has passed the slot (M3)
 *
 *          -> -EEXIST  read back: our nonce: ours; a higher epoch: fenced; else go on reading
 *
 *          -> other    undecided: the same bytes again (M1): they may have landed, or may yet */
#include "base/fault.h"
#include "base/limits.h"
#include "base/mark.h"
#include "meta/log_internal.h"
#include "meta/mutants.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"
#include "reactor/random.h"

#include <errno.h>

#define DAMAGED_READS_MAX 4

struct slot {
    struct objlog *log;
    char key[OBJECT_KEY_SIZE_MAX + 1];
    uint64_t sequence;
    struct uuid nonce;
    struct buf *object;
    unsigned tries;
    unsigned damaged; /* answers that could not be right */
};

/* True while what was read may have changed on its way. */
static bool
slot_reads_again(struct slot *slot, int r)
{
    /* A changed version reads as that of a newer Freshet. */
    if ((r != -EBADMSG && r != -EMEDIUMTYPE) || slot->damaged >= DAMAGED_READS_MAX) {
        return false;
    }
    MARK("objlog: a damaged answer is read again");
    slot->damaged++;
    return true;
}

/* M3: a slot at or below the floor was settled long ago, and its object removed: whatever we
 * created there is not part of the history. Waits until the floor can be read. */
static int
slot_check_floor(struct slot *slot)
{
    struct objlog *log = slot->log;
    for (;;) {
        uint64_t floor;
        int r = objlog_get_floor(log, &floor);
        if (r == 0 && floor >= slot->sequence) {
            MARK("objlog: slot below the floor");
            return fault(-ESTALE, "meta: %s lies below the floor %llu: we slept through history",
                    slot->key, (unsigned long long)floor);
        }
        bool final = r == 0 || r == -ECANCELED || r == -EBADMSG || r == -EMEDIUMTYPE;
        if (final && !slot_reads_again(slot, r)) {
            return r;
        }
        r = objlog_back_off(&slot->tries, "the floor", r);
        if (r) {
            return r;
        }
    }
}

/* What sits in the slot: 0 ours; -ESTALE, -EAGAIN somebody else's; -EINPROGRESS nothing is known
 * yet. */
static int
slot_read_back(struct slot *slot)
{
    struct objlog *log = slot->log;
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    log->stats.read_backs++;
    int r = objlog_get(log, slot->key,
            OBJLOG_HEADER_SIZE + OBJLOG_PAYLOAD_SIZE_MAX + OBJLOG_TRAILER_SIZE, &object, NULL);
    if (r == -ECANCELED || r == -EBADMSG) {
        return r;
    }
    if (r == -ENOENT) {
        /* There was one a moment ago: removed by garbage collection, which moves the floor first.
         */
        r = slot_check_floor(slot);
        return r ? r : -EINPROGRESS;
    }
    if (r) {
        return -EINPROGRESS;
    }
    struct objlog_header header;
    struct bytes payload;
    r = objlog_object_decode(buf_bytes(object), slot->key, &header, &payload);
    if (r) {
        return slot_reads_again(slot, r) ? -EINPROGRESS : r;
    }
    if (uuid_equal(&header.writer, &log->writer) && uuid_equal(&header.nonce, &slot->nonce)) {
        MARK("objlog: our own object behind 412");
        return 0;
    }
    if (header.epoch > log->epoch && !(log->mutants & META_MUTANT_IGNORE_EPOCH)) {
        MARK("objlog: fenced by a higher epoch");
        return fault(-ESTALE, "meta: %s is of epoch %lld: our epoch %lld is over", slot->key,
                (long long)header.epoch, (long long)log->epoch);
    }
    MARK("objlog: slot taken by another writer");
    return -EAGAIN;
}

/* One try. 0, -ESTALE, -EAGAIN, -EBADMSG, -EMEDIUMTYPE, -ECANCELED are final; -EINPROGRESS: try
 * again. */
static int
slot_try(struct slot *slot)
{
    struct objlog *log = slot->log;
    const struct iovec part = { slot->object->data, slot->object->size };
    const struct object_put put = { .key = slot->key,
        .parts = &part,
        .part_count = 1,
        .condition = OBJECT_CREATE,
        .deadline_ns = clock_mono_ns() + OBJLOG_REQUEST_NS };
    int r = objectstore_put(log->objects, &put, NULL);
    if (r == 0 || r == -ECANCELED) {
        return r;
    }
    if (r == -EEXIST) {
        return log->mutants & META_MUTANT_TRUST_412 ? -EAGAIN : slot_read_back(slot);
    }
    log->stats.undecided++;
    MARK("objlog: undecided");
    return log->mutants & META_MUTANT_GIVE_UP ? -EAGAIN : -EINPROGRESS;
}

static int
slot_settle(struct slot *slot)
{
    for (;;) {
        int r = slot_try(slot);
        if (r == 0) {
            crash_point("meta: log object written");
            return slot->log->mutants & META_MUTANT_SKIP_FLOOR ? 0 : slot_check_floor(slot);
        }
        if (r != -EINPROGRESS) {
            return r;
        }
        r = objlog_back_off(&slot->tries, slot->key, r);
        if (r) {
            return r;
        }
    }
}

static int
append_check(const struct objlog *log)
{
    if (log->poisoned) {
        return fault(-ECANCELED, "meta: this writer left slot %llu undecided",
                (unsigned long long)log->next);
    }
    if (log->epoch <= 0) {
        return fault(-EINVAL, "meta: this log is open for reading only");
    }
    if (log->last_epoch > log->epoch && !(log->mutants & META_MUTANT_IGNORE_EPOCH)) {
        return fault(-ESTALE, "meta: the log has reached epoch %lld: our epoch %lld is over",
                (long long)log->last_epoch, (long long)log->epoch);
    }
    return 0;
}

struct buf *
objlog_take_written(struct objlog *log)
{
    return TAKE_PTR(log->written);
}

int
objlog_append(struct objlog *log, const struct iovec *payload, size_t part_count)
{
    int r = append_check(log);
    if (r) {
        return r;
    }
    struct slot slot = { .log = log, .sequence = log->next, .nonce = random_uuid() };
    struct objlog_header header = { .log_id = log->log_id,
        .sequence = log->next,
        .epoch = log->epoch,
        .writer = log->writer,
        .nonce = slot.nonce };
    memcpy(header.previous_hash, log->previous_hash, OBJLOG_HASH_SIZE);
    objlog_key(log, "log", log->next, slot.key);
    r = objlog_object_encode(&header, payload, part_count, &slot.object);
    if (r) {
        return r;
    }
    r = slot_settle(&slot);
    if (r == 0) {
        objlog_object_hash(buf_bytes(slot.object), log->previous_hash);
        log->hash_known = true;
        log->last_epoch = log->epoch;
        log->next++;
        log->stats.objects++;
        buf_unref(log->written);
        log->written = buf_ref(slot.object);
    } else if (r == -ECANCELED) {
        log->poisoned = true;
    }
    buf_unref(slot.object);
    return r;
}
