/* Reading a fenced log in place: a window of objects at a time, in order, held against the chain of
 * nonces. What cannot be read is reported, never skipped silently (W3). */
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "wal/objects_internal.h"

#include <errno.h>

#define WINDOW 4
#define TRIES_MAX 5 /* at what is missing or damaged */

struct replay {
    struct wal *wal;
    wal_replay_fn fn;
    void *arg;
    struct wal_recovery result;
    uint64_t next; /* sequence expected; 0: the first object says */
    bool chained;  /* nonce and CRC are those of the object before */
    struct uuid nonce;
    uint32_t crc;
    bool damaged; /* objects before this one could not be read */
    bool gap;     /* slots before it were trimmed, or never settled (L6) */
};

struct window_get {
    struct wal_objects *objects;
    uint64_t slot;
    struct buf *object; /* NULL: missing */
};

static int
window_get_one(void *arg)
{
    struct window_get *get = arg;
    char key[WAL_OBJECT_KEY_SIZE];
    unsigned tries = 0;
    wal_object_key(&get->objects->log, get->slot, key);
    for (;;) {
        int r = objectstore_get(get->objects->store, key,
                (struct object_range){ 0, WAL_OBJECT_SIZE_MAX },
                clock_mono_ns() + WAL_OBJECTS_REQUEST_NS, &get->object, NULL);
        if (r == 0 || r == -ECANCELED) {
            return r;
        }
        if (r == -ENOENT && tries >= TRIES_MAX) {
            return 0;
        }
        r = objects_back_off(&tries, key, r);
        if (r < 0) {
            return r;
        }
    }
}

/* 1: a fence before the end (L6). -EBADMSG: it is not what must be in that slot. */
MUST_CHECK static int
object_check(const struct replay *replay, uint64_t slot, const char *key, struct bytes object,
        struct wal_object_header *ret_header, struct bytes *ret_body)
{
    struct wal_object_header header;
    int r = wal_object_header_decode(object, key, &header);
    r = r < 0 ? r : objects_header_check(replay->wal->objects, slot, key, &header);
    r = r < 0 ? r : wal_object_body(object, &header, key, ret_body);
    if (r < 0) {
        return r;
    }
    if (header.kind == WAL_OBJECT_FENCE) {
        return 1;
    }
    bool follows = !replay->chained || (uuid_equal(&header.previous_nonce, &replay->nonce) &&
                                               header.previous_crc == replay->crc);
    if (!follows || (replay->next && header.first_sequence < replay->next)) {
        return fault(-EBADMSG, "wal: %s does not follow the object before it", key);
    }
    *ret_header = header;
    return 0;
}

/* W3: nothing is known of whose records they were. */
MUST_CHECK MAY_SUSPEND static int
damage_report(struct replay *replay, uint64_t end)
{
    struct wal_damage *damage = &replay->wal->damage;
    uint64_t first = replay->next ? replay->next : MIN((uint64_t)1, end - 1);
    MARK("wal: objects: damaged range");
    *damage = (struct wal_damage){ .first_sequence = first, .end_sequence = end };
    replay->damaged = false;
    replay->next = end;
    replay->result.damaged_records += end - first;
    return replay->fn(replay->arg, first, BYTES_NULL, true);
}

MUST_CHECK MAY_SUSPEND static int
records_deliver(struct replay *replay, const struct wal_object_header *header, struct bytes body)
{
    size_t at = 0;
    uint64_t sequence = header->first_sequence;
    int r = 0;
    for (uint32_t i = 0; i < header->record_count && r >= 0; i++, sequence++) {
        struct wal_object_record record;
        r = wal_object_record_next(body, &at, &record);
        if (r == 0) {
            replay->result.records++;
            replay->result.bytes += record.payload.size;
            replay->result.last_sequence = sequence;
            r = replay->fn(replay->arg, sequence, record.payload, false);
        }
    }
    replay->next = sequence;
    return r < 0 ? r : 0;
}

/* L6: its body is whole, and its records are those behind the object before. 1: it proves
 * nothing. */
MUST_CHECK MAY_SUSPEND static int
proven_deliver(struct replay *replay, uint64_t slot, const char *key, struct bytes object)
{
    struct wal_object_header header;
    struct bytes body;
    bool placed = replay->next > 0 && !replay->gap; /* else the next object says its place */
    if (replay->damaged || wal_object_header_decode(object, key, &header) != -EBADMSG ||
            wal_object_prove(object, &replay->wal->objects->log, slot, &header, &body) < 0) {
        return 1;
    }
    MARK("wal: objects: a body is proven without its header");
    LOG_WARN(
            "the header of an object of a former write-ahead log is damaged, its records are whole",
            LOG_STR("key", key), LOG_INT("records", header.record_count));
    header.first_sequence = placed ? replay->next : header.first_sequence;
    replay->chained = false;
    int r = records_deliver(replay, &header, body);
    replay->next = placed ? replay->next : 0;
    return r;
}

MUST_CHECK MAY_SUSPEND static int
object_deliver(struct replay *replay, uint64_t slot, struct buf *object)
{
    char key[WAL_OBJECT_KEY_SIZE];
    struct wal_object_header header;
    struct bytes body;
    wal_object_key(&replay->wal->objects->log, slot, key);
    int r = object ? object_check(replay, slot, key, buf_bytes(object), &header, &body)
                   : fault(-EBADMSG, "wal: %s is missing", key);
    if (r == -EMEDIUMTYPE || r == -EPROTONOSUPPORT) {
        return r;
    }
    const struct wal_objects *objects = replay->wal->objects;
    if (r == 1 || (!object && objects->unread && slot <= objects->known)) {
        replay->gap = true;
        replay->chained = false;
        return 0;
    }
    if (r < 0) {
        r = object ? proven_deliver(replay, slot, key, buf_bytes(object)) : 1;
        if (r != 1) {
            return r;
        }
        MARK("wal: objects: an object cannot be read");
        replay->damaged = true;
        replay->chained = false;
        return 0;
    }
    if (replay->damaged || (replay->next && header.first_sequence > replay->next && !replay->gap)) {
        r = damage_report(replay, header.first_sequence);
    }
    replay->gap = false;
    replay->nonce = header.nonce;
    replay->crc = header.header_crc;
    replay->chained = true;
    return r < 0 ? r : records_deliver(replay, &header, body);
}

/* A damaged answer may be the transport's: the object is read again before anything is said. */
MUST_CHECK MAY_SUSPEND static int
object_take(struct replay *replay, struct window_get *get)
{
    char key[WAL_OBJECT_KEY_SIZE];
    wal_object_key(&replay->wal->objects->log, get->slot, key);
    for (int i = 0; get->object && i < TRIES_MAX; i++) {
        struct wal_object_header header;
        struct bytes body;
        if (object_check(replay, get->slot, key, buf_bytes(get->object), &header, &body) !=
                -EBADMSG) {
            break;
        }
        get->object = buf_unref(get->object);
        int r = window_get_one(get);
        if (r < 0) {
            return r;
        }
    }
    return object_deliver(replay, get->slot, get->object);
}

MUST_CHECK MAY_SUSPEND static int
window_replay(struct replay *replay, uint64_t slot, size_t count)
{
    struct window_get gets[WINDOW];
    struct fiber_group group;
    fiber_group_init(&group);
    for (size_t i = 0; i < count; i++) {
        gets[i] = (struct window_get){ replay->wal->objects, slot + i, NULL };
        fiber_group_spawn(&group, "wal read", window_get_one, &gets[i]);
    }
    int r = fiber_group_wait(&group);
    for (size_t i = 0; i < count; i++) {
        if (r == 0) {
            r = object_take(replay, &gets[i]);
        }
        buf_unref(gets[i].object);
    }
    return r;
}

int
wal_objects_replay(struct wal *wal, wal_replay_fn fn, void *arg, struct wal_recovery *ret_recovery)
{
    struct wal_objects *objects = wal->objects;
    struct replay replay = { .wal = wal, .fn = fn, .arg = arg };
    int r = 0;
    for (uint64_t slot = objects->trimmed; slot < objects->end_slot && r == 0;) {
        size_t count = (size_t)MIN(objects->end_slot - slot, (uint64_t)WINDOW);
        r = window_replay(&replay, slot, count);
        slot += count;
    }
    if (r == 0 && replay.damaged) {
        /* How many records they were is not known. */
        r = damage_report(&replay, MAX(replay.next, (uint64_t)1) + 1);
    }
    if (r < 0) {
        return r;
    }
    wal->phase = WAL_REPLAYED;
    *ret_recovery = replay.result;
    return 0;
}
