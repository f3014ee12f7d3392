/* Taking a place in line of a WAL in the bucket: an append is copied into the object that gathers.
 * */
#include "base/check.h"
#include "base/crc.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "wal/objects_internal.h"

#include <errno.h>
#include <string.h>

/* W5 and the limits on what is under way. */
bool
wal_objects_fit(const struct wal *wal, uint64_t total)
{
    const struct wal_objects *objects = wal->objects;
    if (objects->live_bytes > 0 && objects->live_bytes + total > objects->capacity) {
        MARK("wal: objects: full, append waits");
        return false;
    }
    if (wal->pending >= WAL_WAITERS_MAX ||
            objects->next_slot - objects->first_slot >= WAL_OBJECTS_MAX) {
        return false;
    }
    if (wal->queued_bytes > 0 && wal->queued_bytes + total > WAL_QUEUE_SIZE_MAX) {
        return false;
    }
    return true;
}

struct objects_group *
objects_group_new(size_t capacity)
{
    struct objects_group *group = mem_alloc(sizeof *group);
    group->data = mem_try_alloc(capacity);
    if (!group->data) {
        mem_free(group);
        return NULL;
    }
    group->capacity = capacity;
    group->used = WAL_OBJECT_HEADER;
    list_init(&group->link);
    list_init(&group->appends);
    return group;
}

struct objects_group *
objects_group_new_empty(const struct wal *wal)
{
    struct objects_group *group = objects_group_new(WAL_OBJECT_HEADER);
    if (group) {
        /* As of now: records that take their place before it is sealed come behind it. */
        group->header.first_sequence = wal->next_sequence;
        group->last_sequence = wal->next_sequence - 1;
    }
    return group;
}

void
objects_group_free(struct objects_group *group)
{
    mem_free(group->data);
    mem_free(group);
}

/* The group that the record goes into; opens one. */
MUST_CHECK static int
group_for(struct wal *wal, size_t need)
{
    struct wal_objects *objects = wal->objects;
    struct objects_group *group = objects->gathering;
    if (group && group->capacity - group->used >= need) {
        return 0;
    }
    size_t capacity = MAX(WAL_OBJECT_HEADER + need, (size_t)WAL_OBJECT_GATHER_SIZE);
    struct objects_group *next = objects_group_new(capacity);
    if (!next) {
        return fault(-ENOMEM, "wal: no memory for an object of %zu bytes", capacity);
    }
    if (group) {
        list_push_back(&objects->ready, &group->link);
        wait_queue_wake_one(&wal->work);
    }
    objects->gathering = next;
    wait_queue_wake_one(&wal->work);
    return 0;
}

static void
record_copy(struct objects_group *group, const struct iovec *parts, size_t part_count,
        uint32_t total, const struct wal_known *known)
{
    uint8_t *header = group->data + group->used;
    uint8_t *body = header + WAL_OBJECT_RECORD_HEADER;
    size_t at = 0;
    for (size_t i = 0; i < part_count; i++) {
        if (parts[i].iov_len) {
            memcpy(body + at, parts[i].iov_base, parts[i].iov_len);
            at += parts[i].iov_len;
        }
    }
    CHECK(at == total);
    uint32_t crc = known->has_crc ? known->crc : crc32c(bytes_of(body, total));
    wal_object_record_encode(total, known->tag, crc, header);
    group->used += WAL_OBJECT_RECORD_HEADER + total;
}

int
wal_objects_put(struct wal *wal, const struct iovec *parts, size_t part_count, uint64_t total,
        struct wal_append *append, const struct wal_known *known)
{
    struct wal_objects *objects = wal->objects;
    size_t need = WAL_OBJECT_RECORD_HEADER + (size_t)total;
    int r = group_for(wal, need);
    if (r < 0) {
        return r;
    }
    struct objects_group *group = objects->gathering;
    record_copy(group, parts, part_count, (uint32_t)total, known);
    *append = (struct wal_append){ .sequence = wal->next_sequence++,
        .begun_ns = clock_mono_coarse_ns() };
    list_init(&append->link);
    wait_queue_init(&append->waiter);
    list_push_back(&group->appends, &append->link);
    if (group->records++ == 0) {
        group->header.first_sequence = append->sequence;
    }
    group->last_sequence = append->sequence;
    group->payload += total;
    objects->live_bytes += need;
    wal->queued_bytes += need;
    wal->pending++;
    return 0;
}
