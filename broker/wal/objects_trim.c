/* What is uploaded and committed leaves the bucket (L3): first an object says so, then those
 * before it are removed. A removal that is not known to have happened is done again. */
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/crash_point.h"
#include "wal/objects_internal.h"

#include <errno.h>

#define REMOVE_AT_ONCE 500
#define REMOVE_RETRY_NS (1 * (uint64_t)NS_PER_S)

void
wal_objects_trim(struct wal *wal)
{
    struct wal_objects *objects = wal->objects;
    while (objects->wanted_slot <= objects->settled_slot) {
        const struct objects_slot *slot = objects_slot_at(objects, objects->wanted_slot);
        if (slot->last_sequence >= wal->trim_sequence) {
            break;
        }
        objects->live_bytes -= slot->size;
        objects->wanted_slot++;
    }
    wait_queue_wake_one(&wal->room);
    wait_queue_wake_all(&wal->keeper_queue);
}

/* Removes some of what a settled object calls trimmed. */
MUST_CHECK MAY_SUSPEND static int
remove_some(struct wal *wal)
{
    struct wal_objects *objects = wal->objects;
    size_t count =
            (size_t)MIN(objects->settled_trimmed - objects->first_slot, (uint64_t)REMOVE_AT_ONCE);
    char(*names)[WAL_OBJECT_KEY_SIZE] = mem_alloc_array(count, sizeof *names);
    const char **keys = mem_alloc_array(count, sizeof(const char *));
    for (size_t i = 0; i < count; i++) {
        wal_object_key(&objects->log, objects->first_slot + i, names[i]);
        keys[i] = names[i];
    }
    int r = objectstore_delete_many(
            objects->store, keys, count, clock_mono_ns() + WAL_OBJECTS_REQUEST_NS);
    if (r == 0) {
        crash_point("wal: trimmed objects removed");
        objects->first_slot += count;
        wait_queue_wake_one(&wal->room);
    }
    mem_free(keys);
    mem_free(names);
    return r;
}

/* More than one object would be read for nothing, and no other one will say so soon. */
static bool
note_is_due(const struct wal *wal)
{
    const struct wal_objects *objects = wal->objects;
    return objects->wanted_slot > objects->sealed_trimmed + 1 && !objects->gathering &&
           list_is_empty(&objects->ready) && list_is_empty(&objects->in_flight) && !wal->closing;
}

static void
note_write(struct wal *wal)
{
    struct objects_group *group = objects_group_new_empty(wal);
    if (group) {
        MARK("wal: objects: an empty one says what is trimmed");
        wal->objects->gathering = group;
        wait_queue_wake_one(&wal->work);
    }
}

/* One look: the time of the next. */
MAY_SUSPEND static uint64_t
keeper_look(struct wal *wal)
{
    struct wal_objects *objects = wal->objects;
    if (objects->settled_trimmed > objects->first_slot) {
        int r = remove_some(wal);
        if (r < 0 && r != -ECANCELED) {
            LOG_INFO("trimmed objects of the write-ahead log could not be removed, will be tried "
                     "again",
                    LOG_FAULT(r));
            return clock_mono_ns() + REMOVE_RETRY_NS;
        }
        return r < 0 ? DEADLINE_NONE : 0;
    }
    if (!note_is_due(wal)) {
        return DEADLINE_NONE;
    }
    uint64_t due = wal->last_commit_ns + WAL_OBJECTS_IDLE_NS;
    if (clock_mono_ns() >= due) {
        note_write(wal);
        return DEADLINE_NONE;
    }
    return due;
}

void
objects_keeper_run(void *arg)
{
    struct wal *wal = arg;
    int r = 0;
    while (r != -ECANCELED && !wal->error && !wal->stopping) {
        uint64_t due = keeper_look(wal);
        if (due && !wal->stopping && !wal->error) {
            r = wait_queue_wait(&wal->keeper_queue, due);
        }
    }
}
