/* The floor, the removal of what lies below it (M3), and snapshots. */
#include "base/check.h"
#include "base/fault.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "meta/log_internal.h"
#include "meta/mutants.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <stdio.h>

#define SNAPSHOT_NS (120 * (uint64_t)NS_PER_S)
#define FLOOR_TRIES 16

static char *
floor_key(const struct objlog *log, char out[OBJECT_KEY_SIZE_MAX + 1])
{
    snprintf(out, OBJECT_KEY_SIZE_MAX + 1, "%s/floor", log->prefix);
    return out;
}

/* *ret_floor is zero when there is none. */
static int
floor_read(struct objlog *log, struct objlog_floor *ret_floor, struct object_etag *ret_etag)
{
    char key[OBJECT_KEY_SIZE_MAX + 1];
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    struct object_info info;
    int r = objlog_get(log, floor_key(log, key), OBJLOG_FLOOR_SIZE, &object, &info);
    if (r == -ENOENT) {
        *ret_floor = (struct objlog_floor){ 0 };
        return 0;
    }
    if (r) {
        return r;
    }
    struct objlog_floor floor;
    r = objlog_floor_decode(buf_bytes(object), key, &floor);
    if (r) {
        return r;
    }
    if (!uuid_is_zero(&log->log_id) && !uuid_equal(&log->log_id, &floor.log_id)) {
        return fault(-EMEDIUMTYPE, "meta: %s belongs to another cluster", key);
    }
    *ret_floor = floor;
    *ret_etag = info.etag;
    return 0;
}

int
objlog_get_floor(struct objlog *log, uint64_t *ret_sequence)
{
    struct objlog_floor floor;
    struct object_etag etag;
    int r = floor_read(log, &floor, &etag);
    if (r == 0) {
        *ret_sequence = floor.sequence;
    }
    return r;
}

/* One conditional write; whatever its outcome, the next look at the object tells. */
static int
floor_write(struct objlog *log, uint64_t sequence, bool exists, const struct object_etag *etag)
{
    char key[OBJECT_KEY_SIZE_MAX + 1];
    uint8_t bytes[OBJLOG_FLOOR_SIZE];
    const struct objlog_floor floor = { log->log_id, sequence, random_uuid() };
    objlog_floor_encode(&floor, bytes);
    const struct iovec part = { bytes, sizeof bytes };
    struct object_put put = { .key = floor_key(log, key),
        .parts = &part,
        .part_count = 1,
        .condition = exists ? OBJECT_REPLACE : OBJECT_CREATE,
        .deadline_ns = clock_mono_ns() + OBJLOG_REQUEST_NS };
    if (exists) {
        put.etag = *etag;
    }
    return objectstore_put(log->objects, &put, NULL);
}

/* Moves the floor to at least `sequence`. A write that lands late can only replace the floor whose
 * etag it names, and each etag is of a lower floor than what it writes: the floor never falls. */
static int
floor_raise(struct objlog *log, uint64_t sequence)
{
    unsigned tries = 0;
    while (tries < FLOOR_TRIES) {
        struct objlog_floor floor;
        struct object_etag etag = { { 0 } };
        int r = floor_read(log, &floor, &etag);
        if (r == 0 && floor.sequence >= sequence) {
            return 0;
        }
        if (r == 0) {
            r = floor_write(log, sequence, floor.sequence > 0, &etag);
        }
        if (r == -ECANCELED || r == -EBADMSG || r == -EMEDIUMTYPE) {
            return r;
        }
        if (r) {
            MARK("objlog: floor written again");
            r = objlog_back_off(&tries, "the floor", r);
            if (r) {
                return r;
            }
        }
    }
    return fault(-EIO, "meta: the floor could not be moved to %llu", (unsigned long long)sequence);
}

static int
remove_keys(struct objlog *log, const struct object_list *list, size_t count)
{
    const char **keys = mem_alloc_array(count + 1, sizeof(const char *));
    for (size_t i = 0; i < count; i++) {
        keys[i] = list->entries[i].key;
    }
    int r = objectstore_delete_many(log->objects, keys, count, clock_mono_ns() + OBJLOG_REQUEST_NS);
    mem_free(keys);
    return r;
}

/* Removes what `kind` has with sequences below `bound`. Always from the start of the listing: a
 * stalled writer may have put an object far below the floor. */
static int
remove_below(struct objlog *log, const char *kind, uint64_t bound)
{
    char prefix[OBJECT_KEY_SIZE_MAX + 1];
    snprintf(prefix, sizeof prefix, "%s/%s/", log->prefix, kind);
    for (;;) {
        struct object_list list;
        int r = objectstore_list(
                log->objects, prefix, NULL, 1000, clock_mono_ns() + OBJLOG_REQUEST_NS, &list);
        if (r) {
            return r;
        }
        size_t count = 0;
        uint64_t sequence;
        while (count < list.count && objlog_key_sequence(list.entries[count].key, &sequence) == 0 &&
                sequence < bound) {
            count++;
        }
        bool more = list.more && count == list.count;
        r = count ? remove_keys(log, &list, count) : 0;
        object_list_done(&list);
        if (r || !more) {
            return r;
        }
    }
}

int
objlog_set_floor(struct objlog *log, uint64_t sequence)
{
    CHECK(sequence > 0 && sequence < log->next);
    int r = 0;
    if (!(log->mutants & META_MUTANT_FLOOR_LAST)) {
        r = floor_raise(log, sequence);
    }
    if (r) {
        return r;
    }
    r = remove_below(log, "log", sequence + 1);
    if (r) {
        return r;
    }
    r = remove_below(log, "snapshot", sequence);
    if (r == 0 && log->mutants & META_MUTANT_FLOOR_LAST) {
        r = floor_raise(log, sequence);
    }
    return r;
}

int
objlog_write_snapshot(struct objlog *log, uint64_t sequence, struct bytes state)
{
    CHECK(sequence + 1 == log->next && log->hash_known);
    if (state.size > META_SNAPSHOT_SIZE_MAX) {
        return fault(-EMSGSIZE, "meta: a snapshot of %zu bytes; at most %zu", state.size,
                META_SNAPSHOT_SIZE_MAX);
    }
    struct objlog_snapshot snapshot = {
        .log_id = log->log_id, .sequence = sequence, .epoch = log->last_epoch
    };
    memcpy(snapshot.previous_hash, log->previous_hash, OBJLOG_HASH_SIZE);
    uint8_t header[OBJLOG_SNAPSHOT_HEADER_SIZE];
    uint8_t trailer[OBJLOG_TRAILER_SIZE];
    objlog_snapshot_encode(&snapshot, state, header, trailer);
    union {
        const void *in;
        void *out;
    } borrowed = { .in = state.data };
    const struct iovec parts[] = { { header, sizeof header }, { borrowed.out, state.size },
        { trailer, sizeof trailer } };
    char key[OBJECT_KEY_SIZE_MAX + 1];
    const struct object_put put = { .key = objlog_key(log, "snapshot", sequence, key),
        .parts = parts,
        .part_count = ARRAY_SIZE(parts),
        .condition = OBJECT_ALWAYS,
        .deadline_ns = clock_mono_ns() + SNAPSHOT_NS };
    return objectstore_put(log->objects, &put, NULL);
}

static int
snapshot_read(struct objlog *log, const char *key, uint64_t sequence,
        struct objlog_position *ret_position, struct buf **ret_state)
{
    CLEANUP(buf_unrefp) struct buf *object = NULL;
    int r = objlog_get(log, key,
            OBJLOG_SNAPSHOT_HEADER_SIZE + META_SNAPSHOT_SIZE_MAX + OBJLOG_TRAILER_SIZE, &object,
            NULL);
    if (r) {
        return r;
    }
    struct objlog_snapshot snapshot;
    struct bytes state;
    r = objlog_snapshot_decode(buf_bytes(object), key, &snapshot, &state);
    if (r) {
        return r;
    }
    if (snapshot.sequence != sequence) {
        return fault(-EBADMSG, "meta: %s says that it is snapshot %llu", key,
                (unsigned long long)snapshot.sequence);
    }
    if (!uuid_is_zero(&log->log_id) && !uuid_equal(&log->log_id, &snapshot.log_id)) {
        return fault(-EMEDIUMTYPE, "meta: %s belongs to another cluster", key);
    }
    *ret_state = buf_of_bytes(state);
    *ret_position = (struct objlog_position){
        .next_sequence = sequence + 1, .last_epoch = snapshot.epoch, .hash_known = true
    };
    memcpy(ret_position->previous_hash, snapshot.previous_hash, OBJLOG_HASH_SIZE);
    return 0;
}

/* All snapshots' keys; there are two or three. */
static int
snapshot_list(struct objlog *log, struct object_list *ret_list)
{
    char prefix[OBJECT_KEY_SIZE_MAX + 1];
    snprintf(prefix, sizeof prefix, "%s/snapshot/", log->prefix);
    return objectstore_list(
            log->objects, prefix, NULL, 1000, clock_mono_ns() + OBJLOG_REQUEST_NS, ret_list);
}

/* No snapshot can be read: then the log must still have all that they said. */
static int
whole_log_instead(struct objlog *log, int r)
{
    struct fault why = { 0 };
    struct fault *own = fault_swap(&why);
    uint64_t floor;
    int found = objlog_get_floor(log, &floor);
    fault_swap(own);
    if (found || floor > 0) {
        return r;
    }
    MARK("objlog: the whole log in the place of its snapshots");
    return -ENOENT;
}

int
objlog_read_snapshot(struct objlog *log, uint64_t at_most, struct objlog_position *ret_position,
        struct buf **ret_state)
{
    struct object_list list;
    int r = snapshot_list(log, &list);
    if (r) {
        return r;
    }
    r = -ENOENT;
    for (size_t i = list.count; i > 0; i--) {
        const char *key = list.entries[i - 1].key;
        uint64_t sequence;
        if (objlog_key_sequence(key, &sequence) || sequence > at_most) {
            continue;
        }
        r = snapshot_read(log, key, sequence, ret_position, ret_state);
        if (r != -EBADMSG && r != -ENOENT) {
            break;
        }
        MARK("objlog: a snapshot could not be read");
        LOG_WARN("a snapshot of the metadata is passed over", LOG_FAULT(r));
    }
    object_list_done(&list);
    return r == -EBADMSG ? whole_log_instead(log, r) : r;
}
