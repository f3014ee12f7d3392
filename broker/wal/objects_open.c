/* Birth and end of a WAL in the bucket. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "wal/objects_internal.h"

#include <errno.h>
#include <stdio.h>

struct wal *
objects_new(const struct wal_objects_options *options)
{
    struct wal *wal = mem_alloc(sizeof *wal);
    struct wal_objects *objects = mem_alloc(sizeof *objects);
    char prefix[WAL_OBJECT_KEY_SIZE];
    wal_init(wal);
    wal->objects = objects;
    wal->incarnation = options->log.incarnation;
    wal_object_prefix(&options->log, prefix);
    snprintf(wal->folder, sizeof wal->folder, "%s", prefix);
    objects->store = options->store;
    objects->log = options->log;
    objects->log_count = options->log_count;
    objects->capacity = options->capacity;
    objects->interval_ns = options->interval_ns;
    objects->fencer_id = options->fencer_id;
    objects->fencer_epoch = options->fencer_epoch;
    list_init(&objects->ready);
    list_init(&objects->in_flight);
    objects->next_slot = 1;
    objects->first_slot = 1;
    objects->wanted_slot = 1;
    objects->trimmed = 1;
    return wal;
}

static void
objects_free(struct wal *wal)
{
    CHECK(list_is_empty(&wal->objects->in_flight) && list_is_empty(&wal->objects->ready));
    mem_free(wal->objects->slots);
    mem_free(wal->objects);
    mem_free(wal);
}

/* L5: the object that says that this log is there. */
MUST_CHECK MAY_SUSPEND static int
objects_begin(struct wal *wal)
{
    struct objects_group *group = objects_group_new_empty(wal);
    if (!group) {
        return fault(-ENOMEM, "wal: no memory");
    }
    objects_seal(wal, group);
    int r = objects_settle(wal, group);
    list_remove(&group->link);
    if (r < 0) {
        objects_group_free(group);
        return r == -ESTALE ? fault_note(-EEXIST, "wal: %s was fenced before it began", wal->folder)
                            : r;
    }
    objects_settled(wal, group);
    return 0;
}

MUST_CHECK static int
fibers_start(struct wal *wal)
{
    struct wal_objects *objects = wal->objects;
    int r = fiber_spawn("wal keeper", objects_keeper_run, wal, &wal->keeper);
    while (r == 0 && objects->sender_count < WAL_OBJECTS_IN_FLIGHT) {
        r = fiber_spawn(
                "wal sender", objects_sender_run, wal, &objects->senders[objects->sender_count]);
        objects->sender_count += r == 0;
    }
    return r;
}

int
wal_objects_create(const struct wal_objects_options *options, struct wal **ret_wal)
{
    if (options->log.incarnation == 0 || options->log_count == 0 ||
            options->log_count > WAL_OBJECT_LOGS_MAX || options->log.index >= options->log_count) {
        return fault(-EINVAL, "wal: log %u of %u", options->log.index, options->log_count);
    }
    struct wal *wal = objects_new(options);
    wal->next_sequence = 1;
    wal->trim_sequence = 1;
    wal->record_size_max = MIN(options->capacity, (uint64_t)WAL_RECORD_SIZE_MAX);
    int r = objects_begin(wal);
    if (r == 0) {
        wal->phase = WAL_STARTED;
        r = fibers_start(wal);
    }
    if (r < 0) {
        if (wal->phase == WAL_STARTED) {
            objects_break(wal, r);
        }
        (void)!wal_objects_close(wal);
        return r;
    }
    *ret_wal = wal;
    return 0;
}

int
wal_objects_close(struct wal *wal)
{
    struct wal_objects *objects = wal->objects;
    wal->closing = true;
    wait_queue_wake_all(&wal->work);
    wait_queue_wake_all(&wal->room);
    for (unsigned i = 0; i < objects->sender_count; i++) {
        fiber_join(objects->senders[i]);
    }
    wal->stopping = true;
    wait_queue_wake_all(&wal->keeper_queue);
    if (wal->keeper) {
        fiber_join(wal->keeper);
    }
    int r = wal->error ? wal_broken_fault(wal) : 0;
    objects_free(wal);
    return r;
}

uint32_t
wal_objects_log_count(const struct wal *wal)
{
    return wal->objects->log_count;
}
