/* The senders of a WAL in the bucket: each takes the next object, gives it a slot, and writes it
 * until the slot is settled; acknowledgements are in the order of slots (L1).
 *
 *   create -> 0        ours
 *          -> -EEXIST  read back: our nonce: ours; a fence or somebody else's: broken for good (L2)
 *          -> other    undecided: the same bytes again: they may have landed, or may yet */
#include "base/check.h"
#include "base/crc.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/crash_point.h"
#include "reactor/random.h"
#include "wal/objects_internal.h"

#include <errno.h>
#include <stdio.h>

#define BACK_OFF_NS (20 * (uint64_t)NS_PER_MS)
#define BACK_OFF_MAX_NS (1 * (uint64_t)NS_PER_S)
#define BACK_OFF_SAY 16 /* tries before people are told, and again each so many */
#define DAMAGED_READS_MAX 4

int
objects_back_off(unsigned *tries, const char *key, int error)
{
    uint64_t wait_ns = MIN(BACK_OFF_NS << MIN(*tries, 6u), BACK_OFF_MAX_NS);
    (*tries)++;
    if (*tries % BACK_OFF_SAY == 0) {
        LOG_INFO("the write-ahead log waits for the object store", LOG_STR("for", key),
                LOG_INT("tries", *tries), LOG_FAULT(error));
    }
    return fiber_sleep_ns(wait_ns / 2 + random_below(wait_ns));
}

static void
slots_grow(struct wal_objects *objects)
{
    size_t capacity = objects->slot_capacity ? 2 * objects->slot_capacity : 64;
    struct objects_slot *grown = mem_alloc_array(capacity, sizeof *grown);
    for (uint64_t slot = objects->first_slot; slot < objects->next_slot; slot++) {
        grown[slot & (capacity - 1)] = *objects_slot_at(objects, slot);
    }
    mem_free(objects->slots);
    objects->slots = grown;
    objects->slot_capacity = capacity;
}

void
objects_seal(struct wal *wal, struct objects_group *group)
{
    struct wal_objects *objects = wal->objects;
    if (objects->next_slot - objects->first_slot == objects->slot_capacity) {
        slots_grow(objects);
    }
    uint64_t slot = objects->next_slot++;
    struct wal_object_header *header = &group->header;
    header->log = objects->log;
    header->kind = WAL_OBJECT_RECORDS;
    header->log_count = objects->log_count;
    header->slot = slot;
    header->nonce = random_uuid();
    header->previous_nonce = objects->last_nonce;
    header->previous_crc = objects->last_crc;
    header->record_count = (uint32_t)group->records;
    header->trimmed = MIN(objects->wanted_slot, slot);
    header->acknowledged = objects->settled_slot;
    struct bytes body = bytes_of(group->data + WAL_OBJECT_HEADER, group->used - WAL_OBJECT_HEADER);
    header->body_size = (uint32_t)body.size;
    header->body_crc = crc32c(body);
    wal_object_header_encode(header, group->data);
    wal_object_key(&objects->log, slot, group->key);
    objects->last_nonce = header->nonce;
    objects->last_crc = header->header_crc;
    objects->sealed_trimmed = header->trimmed;
    objects->last_seal_ns = clock_mono_ns();
    *objects_slot_at(objects, slot) =
            (struct objects_slot){ group->last_sequence, header->trimmed, body.size };
    list_push_back(&objects->in_flight, &group->link);
}

/* What sits in the slot: 0 ours; -EINPROGRESS: not known yet. */
MUST_CHECK MAY_SUSPEND static int
slot_read_back(struct wal *wal, struct objects_group *group, unsigned *damaged)
{
    struct wal_object_header header;
    int r = objects_get_header(wal->objects, group->header.slot, &header);
    if (r == -EBADMSG && (*damaged)++ < DAMAGED_READS_MAX) {
        return -EINPROGRESS; /* perhaps on its way */
    }
    if (r == -ENOENT) {
        /* There was one a moment ago: only whoever has recovered this log removes what we did not.
         */
        MARK("wal: objects: the log was removed");
        return fault(-ESTALE, "wal: %s was taken by another broker and removed", group->key);
    }
    if (r < 0) {
        return r == -EBADMSG || r == -EMEDIUMTYPE || r == -ECANCELED || r == -EPROTONOSUPPORT
                       ? r
                       : -EINPROGRESS;
    }
    if (uuid_equal(&header.nonce, &group->header.nonce)) {
        MARK("wal: objects: our own object behind 412");
        return 0;
    }
    if (header.kind == WAL_OBJECT_FENCE) {
        MARK("wal: objects: fenced");
        return fault(
                -ESTALE, "wal: %s is a fence: another broker has recovered this log", group->key);
    }
    return fault(-EEXIST, "wal: %s is the object of another writer", group->key);
}

int
objects_settle(struct wal *wal, struct objects_group *group)
{
    unsigned tries = 0;
    unsigned damaged = 0;
    const struct iovec part = { group->data, group->used };
    for (;;) {
        const struct object_put put = { .key = group->key,
            .parts = &part,
            .part_count = 1,
            .condition = OBJECT_CREATE,
            .deadline_ns = clock_mono_ns() + WAL_OBJECTS_REQUEST_NS };
        int r = objectstore_put(wal->objects->store, &put, NULL);
        if (r == -EEXIST) {
            r = slot_read_back(wal, group, &damaged);
            if (r != -EINPROGRESS) {
                return r;
            }
        }
        if (r == 0 || r == -ECANCELED) {
            return r;
        }
        MARK("wal: objects: undecided");
        r = objects_back_off(&tries, group->key, r);
        if (r < 0 || wal->error) {
            return r < 0 ? r : wal_broken_fault(wal);
        }
    }
}

static void
group_fail(struct wal *wal, struct objects_group *group)
{
    struct list *node;
    while ((node = list_pop_front(&group->appends)) != NULL) {
        wal_append_finish(wal, CONTAINER_OF(node, struct wal_append, link), -EIO);
    }
}

void
objects_break(struct wal *wal, int error)
{
    struct wal_objects *objects = wal->objects;
    struct list *node;
    if (wal->error) {
        return;
    }
    MARK("wal: objects: broken");
    wal->error = -EIO;
    snprintf(wal->error_text, sizeof wal->error_text, "errno %d: %s", -error, fault_text());
    /* Those that are not settled are in the hands of their senders. */
    LIST_FOREACH_SAFE (link, &objects->in_flight) {
        struct objects_group *group = CONTAINER_OF(link, struct objects_group, link);
        group_fail(wal, group);
        if (group->settled) {
            list_remove(&group->link);
            objects_group_free(group);
        }
    }
    while ((node = list_pop_front(&objects->ready)) != NULL) {
        struct objects_group *group = CONTAINER_OF(node, struct objects_group, link);
        group_fail(wal, group);
        objects_group_free(group);
    }
    if (objects->gathering) {
        group_fail(wal, objects->gathering);
        objects_group_free(TAKE_PTR(objects->gathering));
    }
    wait_queue_wake_all(&wal->room);
    wait_queue_wake_all(&wal->work);
    wait_queue_wake_all(&wal->keeper_queue);
}

void
objects_settled(struct wal *wal, struct objects_group *group)
{
    struct wal_objects *objects = wal->objects;
    struct list *node;
    uint64_t now_ns = clock_mono_ns();
    CHECK(group->header.slot == objects->settled_slot + 1);
    objects->settled_slot = group->header.slot;
    objects->settled_trimmed = group->header.trimmed;
    wal->durable_sequence = group->last_sequence;
    wal->queued_bytes -= group->used - WAL_OBJECT_HEADER;
    wal->last_commit_ns = now_ns;
    wal->stats.records += group->records;
    wal->stats.bytes += group->payload;
    wal->stats.groups++;
    wal->stats.group_bytes += group->used;
    while ((node = list_pop_front(&group->appends)) != NULL) {
        struct wal_append *append = CONTAINER_OF(node, struct wal_append, link);
        wal_latency_count(wal, append->begun_ns, now_ns);
        wal_append_finish(wal, append, 0);
    }
    objects_group_free(group);
    wait_queue_wake_one(&wal->room);
    wait_queue_wake_one(&wal->work);
    wait_queue_wake_all(&wal->keeper_queue);
}

/* L1: in order; an object that was settled early waits for those before it. */
static void
settled_in_order(struct wal *wal)
{
    struct objects_group *group;
    while ((group = LIST_FIRST(&wal->objects->in_flight, struct objects_group, link)) != NULL &&
            group->settled) {
        list_remove(&group->link);
        objects_settled(wal, group);
    }
}

/* The next object that is due, sealed; NULL: none before *ret_due_ns. */
static struct objects_group *
group_take(struct wal *wal, uint64_t *ret_due_ns)
{
    struct wal_objects *objects = wal->objects;
    if (objects->next_slot - 1 - objects->settled_slot >= WAL_OBJECTS_IN_FLIGHT) {
        /* A fence that is so far ahead meets nobody (objects_fence.c). */
        MARK("wal: objects: the window is full");
        return NULL;
    }
    struct list *node = list_pop_front(&objects->ready);
    struct objects_group *group = node ? CONTAINER_OF(node, struct objects_group, link) : NULL;
    if (!group && objects->gathering) {
        *ret_due_ns = objects->last_seal_ns + objects->interval_ns;
        if (!wal->closing && clock_mono_ns() < *ret_due_ns) {
            return NULL;
        }
        group = TAKE_PTR(objects->gathering);
    }
    if (group) {
        objects_seal(wal, group);
    }
    return group;
}

static bool
nothing_to_write(const struct wal_objects *objects)
{
    return !objects->gathering && list_is_empty(&objects->ready);
}

static void
sender_write(struct wal *wal, struct objects_group *group)
{
    int r = objects_settle(wal, group);
    if (r == 0) {
        crash_point("wal: object settled");
    }
    if (r < 0 && !wal->error) {
        fault_note(r, "wal: object %s", group->key);
        objects_break(wal, r);
    }
    if (wal->error) {
        /* Its appends have failed with all others. */
        list_remove(&group->link);
        objects_group_free(group);
        return;
    }
    group->settled = true;
    settled_in_order(wal);
}

void
objects_sender_run(void *arg)
{
    struct wal *wal = arg;
    while (!wal->error) {
        uint64_t due_ns = DEADLINE_NONE;
        struct objects_group *group = group_take(wal, &due_ns);
        if (group) {
            sender_write(wal, group);
            continue;
        }
        if (wal->closing && nothing_to_write(wal->objects)) {
            wait_queue_wake_all(&wal->work);
            break;
        }
        int r = wait_queue_wait(&wal->work, due_ns);
        if (r == -ECANCELED) {
            objects_break(wal, fault(r, "wal: the reactor is stopping"));
        }
    }
}
