/* Fencing a former log (L2): finds the first slot that is not the writer's and creates a fence in
 * it.
 *
 *   list -> the newest object of the writer says from where on slots are wanted (L3)
 *        -> the first empty slot from there on: create a fence
 *             0, or a fence is there   the log ends here
 *             the writer's object      it was quicker: the next slot; a writer that lives is
 *                                      stopped by a fence some slots ahead first
 *   the newest cannot be read (L6): a fence in all that is empty up to it, and behind it */
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/random.h"
#include "wal/objects_internal.h"

#include <errno.h>
#include <string.h>

#define LIST_MAX 1000
#define FENCE_AHEAD ((uint64_t)2 * WAL_OBJECTS_IN_FLIGHT) /* no writer has begun that slot yet */
#define DAMAGED_READS_MAX 4
#define FENCE_EMPTY_MAX 1024 /* more than one removal leaves behind that fails half-way */

/* The slots of the log that a listing showed, ascending. */
struct found {
    uint64_t *slots;
    size_t count;
    size_t capacity;
};

int
objects_header_check(const struct wal_objects *objects, uint64_t slot, const char *key,
        const struct wal_object_header *header)
{
    const struct wal_object_log *log = &objects->log;
    if (!uuid_equal(&header->log.cluster_id, &log->cluster_id)) {
        return fault(-EMEDIUMTYPE, "wal: %s belongs to another cluster", key);
    }
    if (header->slot != slot || header->log.broker_id != log->broker_id ||
            header->log.incarnation != log->incarnation || header->log.index != log->index) {
        return fault(-EBADMSG, "wal: %s says that it is slot %llu of another place", key,
                (unsigned long long)header->slot);
    }
    return 0;
}

int
objects_get_header(struct wal_objects *objects, uint64_t slot, struct wal_object_header *ret_header)
{
    char key[WAL_OBJECT_KEY_SIZE];
    CLEANUP(buf_unrefp) struct buf *bytes = NULL;
    struct wal_object_header header;
    wal_object_key(&objects->log, slot, key);
    int r = objectstore_get(objects->store, key, (struct object_range){ 0, WAL_OBJECT_HEADER },
            clock_mono_ns() + WAL_OBJECTS_REQUEST_NS, &bytes, NULL);
    if (r == 0) {
        r = wal_object_header_decode(buf_bytes(bytes), key, &header);
    }
    if (r == 0) {
        r = objects_header_check(objects, slot, key, &header);
    }
    if (r == 0) {
        *ret_header = header;
    }
    return r;
}

/* As objects_get_header, until the store answers. What is damaged may have been so on its way. */
MUST_CHECK MAY_SUSPEND static int
header_wait(struct wal_objects *objects, uint64_t slot, struct wal_object_header *ret_header)
{
    unsigned tries = 0;
    unsigned damaged = 0;
    for (;;) {
        int r = objects_get_header(objects, slot, ret_header);
        bool again = r == -EBADMSG && damaged++ < DAMAGED_READS_MAX;
        if (r == 0 || r == -ENOENT || r == -ECANCELED || r == -EMEDIUMTYPE ||
                r == -EPROTONOSUPPORT || (r == -EBADMSG && !again)) {
            return r;
        }
        r = objects_back_off(&tries, "a former log's objects", r);
        if (r < 0) {
            return r;
        }
    }
}

static void
found_add(struct found *found, const struct object_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct wal_object_log log;
        uint64_t slot;
        if (wal_object_key_parse(list->entries[i].key, &log, &slot) < 0) {
            continue;
        }
        if (found->count == found->capacity) {
            found->capacity = found->capacity ? 2 * found->capacity : 64;
            found->slots = mem_realloc(found->slots, found->capacity * sizeof *found->slots);
        }
        found->slots[found->count++] = slot;
    }
}

/* One listing of all slots. */
MUST_CHECK MAY_SUSPEND static int
list_once(struct wal_objects *objects, struct found *found)
{
    char prefix[WAL_OBJECT_KEY_SIZE];
    char after[WAL_OBJECT_KEY_SIZE];
    wal_object_prefix(&objects->log, prefix);
    memcpy(after, prefix, sizeof after);
    found->count = 0;
    for (bool more = true; more;) {
        struct object_list list;
        int r = objectstore_list(objects->store, prefix, found->count ? after : NULL, LIST_MAX,
                clock_mono_ns() + WAL_OBJECTS_REQUEST_NS, &list);
        if (r < 0) {
            return r;
        }
        found_add(found, &list);
        more = list.more && found->count > 0;
        object_list_done(&list);
        if (more) {
            wal_object_key(&objects->log, found->slots[found->count - 1], after);
        }
    }
    return 0;
}

MUST_CHECK MAY_SUSPEND static int
list_wait(struct wal_objects *objects, struct found *found)
{
    unsigned tries = 0;
    for (;;) {
        int r = list_once(objects, found);
        if (r == 0 || r == -ECANCELED) {
            return r;
        }
        r = objects_back_off(&tries, "a former log's list", r);
        if (r < 0) {
            return r;
        }
    }
}

/* L6 */
static void
unread_note(struct wal_objects *objects, const struct found *found, uint64_t slot)
{
    if (objects->unread == 0) {
        MARK("wal: objects: a fence passes over an object that cannot be read");
        LOG_WARN("an object of a former write-ahead log cannot be read: it is taken for the "
                 "writer's",
                LOG_INT("slot", slot), LOG_FAULT(-EBADMSG));
        objects->unread = slot;
        objects->log_count = WAL_OBJECT_LOGS_UNKNOWN;
        objects->trimmed = found->slots[0];
    }
}

/* From the writer's newest object that can be read: where the log begins, and how many logs there
 * are. -EAGAIN: it was removed meanwhile, the writer lives. */
MUST_CHECK MAY_SUSPEND static int
newest_read(struct wal_objects *objects, const struct found *found)
{
    objects->trimmed = 1;
    objects->known = 0;
    objects->unread = 0;
    objects->log_count = 0;
    for (size_t i = found->count; i > 0; i--) {
        struct wal_object_header header;
        uint64_t slot = found->slots[i - 1];
        int r = header_wait(objects, slot, &header);
        if (r == -EBADMSG) {
            unread_note(objects, found, slot);
            continue;
        }
        if (r < 0) {
            return r == -ENOENT ? -EAGAIN : r;
        }
        if (header.kind == WAL_OBJECT_RECORDS) {
            objects->trimmed = MAX(header.trimmed, objects->trimmed);
            objects->known = header.acknowledged;
            objects->log_count = header.log_count;
            break;
        }
    }
    return 0;
}

struct fence {
    uint8_t bytes[WAL_OBJECT_HEADER + WAL_OBJECT_FENCE_BODY];
    char key[WAL_OBJECT_KEY_SIZE];
    struct uuid nonce;
};

static void
fence_encode(const struct wal_objects *objects, uint64_t slot, struct fence *fence)
{
    uint8_t *body = fence->bytes + WAL_OBJECT_HEADER;
    store_be32(body, (uint32_t)objects->fencer_id);
    store_be64(body + 4, objects->fencer_epoch);
    fence->nonce = random_uuid();
    struct wal_object_header header = { .log = objects->log,
        .kind = WAL_OBJECT_FENCE,
        .slot = slot,
        .nonce = fence->nonce,
        .trimmed = MIN(objects->trimmed, slot),
        .body_size = WAL_OBJECT_FENCE_BODY,
        .body_crc = crc32c(bytes_of(body, WAL_OBJECT_FENCE_BODY)) };
    wal_object_header_encode(&header, fence->bytes);
    wal_object_key(&objects->log, slot, fence->key);
}

/* 0: a fence is in the slot, ours or another one's; 1: the writer's object is; -EAGAIN: what was
 * there is gone. Waits while the store is away. */
MUST_CHECK MAY_SUSPEND static int
fence_slot(struct wal_objects *objects, uint64_t slot)
{
    struct fence fence;
    unsigned tries = 0;
    fence_encode(objects, slot, &fence);
    const struct iovec part = { fence.bytes, sizeof fence.bytes };
    for (;;) {
        const struct object_put put = { .key = fence.key,
            .parts = &part,
            .part_count = 1,
            .condition = OBJECT_CREATE,
            .deadline_ns = clock_mono_ns() + WAL_OBJECTS_REQUEST_NS };
        int r = objectstore_put(objects->store, &put, NULL);
        if (r == -EEXIST) {
            struct wal_object_header header;
            r = header_wait(objects, slot, &header);
            if (r == -EBADMSG) {
                return 1; /* L6 */
            }
            return r == -ENOENT ? -EAGAIN : r < 0 ? r : header.kind == WAL_OBJECT_RECORDS;
        }
        if (r == 0 || r == -ECANCELED) {
            return r;
        }
        MARK("wal: objects: a fence is undecided");
        r = objects_back_off(&tries, fence.key, r);
        if (r < 0) {
            return r;
        }
    }
}

/* The first slot from `trimmed` on that the listing did not show. */
static uint64_t
first_empty(const struct wal_objects *objects, const struct found *found)
{
    uint64_t slot = objects->trimmed;
    for (size_t i = 0; i < found->count && found->slots[i] <= slot; i++) {
        slot += found->slots[i] == slot;
    }
    return slot;
}

/* The first slot with a fence, from the first that is not known to be the writer's. -EAGAIN: the
 * writer lives; it was stopped some slots ahead, or will be at the next look, further ahead. */
MUST_CHECK MAY_SUSPEND static int
fence_from(struct wal_objects *objects, uint64_t slot)
{
    for (;;) {
        int r = fence_slot(objects, slot);
        if (r <= 0) {
            objects->end_slot = slot;
            return r;
        }
        MARK("wal: objects: the writer was quicker than the fence");
        if (!objects->stopped) {
            objects->ahead = MAX(2 * objects->ahead, FENCE_AHEAD);
            r = fence_slot(objects, slot + objects->ahead);
            objects->stopped = r == 0;
            return r < 0 ? r : -EAGAIN;
        }
        slot++;
    }
}

/* The first slot that is empty, or has a fence of an earlier attempt. What the writer calls settled
 * was its own. */
MUST_CHECK MAY_SUSPEND static int
fence_place(struct wal_objects *objects, const struct found *found, uint64_t *ret_slot)
{
    uint64_t place = first_empty(objects, found);
    uint64_t settled = objects->trimmed - 1;
    for (uint64_t slot = place - 1; slot > settled; slot--) {
        struct wal_object_header header;
        int r = header_wait(objects, slot, &header);
        if (r == -EBADMSG) {
            continue; /* L6 */
        }
        if (r < 0) {
            return r == -ENOENT ? -EAGAIN : r;
        }
        if (header.kind == WAL_OBJECT_FENCE) {
            MARK("wal: objects: a fence of an earlier attempt");
            place = slot;
        } else {
            settled = MAX(settled, header.acknowledged);
        }
    }
    *ret_slot = place;
    return 0;
}

/* L6: all that is empty up to the highest slot that cannot be read. */
MUST_CHECK MAY_SUSPEND static int
fence_empty(struct wal_objects *objects, const struct found *found)
{
    char prefix[WAL_OBJECT_KEY_SIZE];
    unsigned count = 0;
    size_t at = 0;
    wal_object_prefix(&objects->log, prefix);
    for (uint64_t slot = MAX(objects->trimmed, objects->known + 1); slot < objects->unread;
            slot++) {
        while (at < found->count && found->slots[at] < slot) {
            at++;
        }
        if (at < found->count && found->slots[at] == slot) {
            continue;
        }
        MARK("wal: objects: a fence in a slot that may have been trimmed");
        if (count++ == FENCE_EMPTY_MAX) {
            return fault(-EBADMSG, "wal: objects of %s cannot be read, and too many are missing",
                    prefix);
        }
        int r = fence_slot(objects, slot);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* What the writer has called trimmed up to the fence may be gone: it went on while we looked. Where
 * that cannot be read the lowest object says it. */
MUST_CHECK MAY_SUSPEND static int
trimmed_read(struct wal_objects *objects, struct found *found)
{
    struct wal_object_header header;
    if (objects->end_slot <= objects->trimmed) {
        return 0;
    }
    int r = header_wait(objects, objects->end_slot - 1, &header);
    if (r == -EBADMSG) {
        r = list_wait(objects, found);
        if (r == 0 && found->count) {
            objects->trimmed = MAX(objects->trimmed, found->slots[0]);
        }
        return r;
    }
    if (r < 0) {
        return r == -ENOENT ? -EAGAIN : r;
    }
    objects->trimmed = MAX(objects->trimmed, header.trimmed);
    return 0;
}

MUST_CHECK MAY_SUSPEND static int
fence_once(struct wal_objects *objects, struct found *found)
{
    uint64_t slot;
    int r = list_wait(objects, found);
    if (r == 0) {
        r = newest_read(objects, found);
    }
    if (r == 0 && objects->unread) {
        slot = objects->unread + 1;
        r = fence_empty(objects, found);
    } else if (r == 0) {
        r = fence_place(objects, found, &slot);
    }
    if (r == 0) {
        r = fence_from(objects, slot);
    }
    return r < 0 ? r : trimmed_read(objects, found);
}

int
wal_objects_fence(const struct wal_objects_options *options, struct wal **ret_wal)
{
    struct wal *wal = objects_new(options);
    struct found found = { 0 };
    int r;
    wal->objects->former = true;
    do {
        r = fence_once(wal->objects, &found);
    } while (r == -EAGAIN);
    mem_free(found.slots);
    if (r < 0) {
        (void)!wal_objects_close(wal);
        return r;
    }
    *ret_wal = wal;
    return 0;
}
