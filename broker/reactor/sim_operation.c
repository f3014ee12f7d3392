/* Transfers and flushes of the simulated disk: they take time, fail by order or at random, and go
 * on without the process that began them (S2). */
#include "base/mem.h"
#include "reactor/sim_file.h"

#include <errno.h>
#include <string.h>

struct operation {
    struct sim_event event;
    struct list link; /* in the host */
    struct sim_host *host;
    struct sim_process *process;
    struct sim_handle *handle;
    struct fiber *fiber; /* NULL: nobody waits any more */
    enum disk_operation_kind kind;
    void *data; /* of a read */
    size_t size;
    uint64_t offset;
    struct change *change; /* of a write */
    uint64_t stamp;        /* of a flush */
    int result;
    bool flip;
    bool fails; /* a flush */
};

/* ---- faults ---- */

void
sim_disk_inject(
        struct sim_host *host, enum sim_disk_fault_kind kind, const char *path_part, uint64_t nth)
{
    CHECK(nth > 0);
    for (size_t i = 0; i < SIM_FAULTS_MAX; i++) {
        if (host->faults[i].left == 0) {
            host->faults[i] = (struct sim_fault_order){ kind, path_part, nth };
            return;
        }
    }
    UNREACHABLE();
}

void
sim_disk_forgive(struct sim_host *host)
{
    memset(host->faults, 0, sizeof host->faults);
}

void
sim_disk_set_weather(struct sim_host *host, const struct sim_disk_weather *weather)
{
    host->weather = *weather;
}

static bool
strikes(struct sim_host *host, enum sim_disk_fault_kind kind, const char *path)
{
    bool strike = sim_world_chance(host->sim, host->weather.ppm[kind]);
    for (size_t i = 0; i < SIM_FAULTS_MAX; i++) {
        struct sim_fault_order *order = &host->faults[i];
        if (order->left > 0 && order->kind == kind &&
                (!order->path_part || strstr(path, order->path_part))) {
            strike = --order->left == 0 || strike;
        }
    }
    return strike;
}

/* ---- boundaries ---- */

void
sim_disk_watch(struct sim_host *host, sim_boundary_fn fn, void *arg)
{
    host->watch = fn;
    host->watch_arg = arg;
}

uint64_t
sim_disk_boundaries(const struct sim_host *host)
{
    return host->boundaries;
}

void
sim_boundary_pass(struct sim_host *host, struct sim_boundary what)
{
    what.number = ++host->boundaries;
    sim_note(host->sim, 16 + what.kind, what.offset, what.size << 8 ^ (uint64_t)what.result);
    if (host->watch) {
        host->watch(host->watch_arg, host, &what);
    }
}

static void
operation_boundary(struct operation *operation, bool done)
{
    struct sim_boundary what = { .path = operation->handle->node->path,
        .offset = operation->offset,
        .size = operation->size,
        .result = done ? MIN(operation->result, 0) : 0,
        .process = operation->process };
    if (operation->kind == DISK_READ) {
        return;
    }
    if (operation->kind == DISK_SYNC || operation->kind == DISK_SYNC_DATA) {
        what.kind = done ? SIM_FLUSH_DONE : SIM_FLUSH_SUBMITTED;
    } else {
        what.kind = done ? SIM_WRITE_DONE : SIM_WRITE_SUBMITTED;
    }
    sim_boundary_pass(operation->host, what);
}

/* ---- operations ---- */

static void
operation_free(struct operation *operation)
{
    list_remove(&operation->link);
    operation->handle->in_flight--;
    sim_handle_drop(operation->handle);
    mem_free(operation);
}

static void
flip_bit(struct sim *sim, uint8_t *data, size_t size)
{
    if (size > 0) {
        uint64_t bit = sim_world_random(sim) % (size * 8);
        data[bit / 8] = (uint8_t)(data[bit / 8] ^ 1u << bit % 8);
    }
}

static void
finish_read(struct operation *operation)
{
    const struct sim_content *now = &operation->handle->node->now;
    uint64_t left = operation->offset < now->size ? now->size - operation->offset : 0;
    size_t size = (size_t)MIN((uint64_t)operation->size, left);
    if (operation->result < 0 || !operation->fiber) {
        return;
    }
    sim_content_read(now, operation->data, size, operation->offset);
    if (operation->flip) {
        flip_bit(operation->host->sim, operation->data, size);
    }
    operation->result = (int)size;
}

static bool
lose_some(void *arg)
{
    return sim_world_random(arg) % 2 == 0;
}

static void
finish_flush(struct operation *operation)
{
    struct sim_disk *disk = operation->host->disk;
    struct sim_node *node = operation->handle->node;
    if (operation->fails) {
        sim_disk_flush_failed(disk, node, operation->stamp, lose_some, operation->host->sim);
    } else {
        sim_disk_flush(disk, node, operation->stamp);
    }
}

static void
finish_write(struct operation *operation)
{
    struct sim_disk *disk = operation->host->disk;
    if (!operation->change) {
        return;
    }
    sim_change_done(disk, operation->change);
    if (operation->kind == DISK_WRITE_DURABLE && operation->result >= 0) {
        sim_disk_flush_change(disk, operation->change);
    }
    operation->change = NULL;
}

static void
operation_finish(struct sim *sim, struct sim_event *event)
{
    struct operation *operation = CONTAINER_OF(event, struct operation, event);
    (void)sim;
    switch (operation->kind) {
    case DISK_READ:
        finish_read(operation);
        break;
    case DISK_WRITE:
    case DISK_WRITE_DURABLE:
        finish_write(operation);
        break;
    case DISK_SYNC:
    case DISK_SYNC_DATA:
        finish_flush(operation);
        break;
    }
    operation_boundary(operation, true);
    /* The watcher may have killed the process, which takes the fiber away. */
    if (operation->fiber) {
        fiber_wake(operation->fiber, operation->result);
    }
    operation_free(operation);
}

static void
begin_read(struct operation *operation)
{
    struct sim_host *host = operation->host;
    const char *path = operation->handle->node->path;
    if (!(operation->handle->flags & FILE_READ)) {
        operation->result = -EBADF;
    } else if (strikes(host, SIM_DISK_READ_ERROR, path)) {
        operation->result = -EIO;
    } else if (strikes(host, SIM_DISK_READ_SHORT, path) && operation->size > FILE_ALIGNMENT) {
        /* Where a direct read may go on. */
        operation->size = FILE_ALIGNMENT * (size_t)sim_world_between(host->sim, 1,
                                                   (operation->size - 1) / FILE_ALIGNMENT);
    } else {
        operation->flip = strikes(host, SIM_DISK_READ_FLIP, path);
    }
}

static bool
is_full(struct operation *operation)
{
    const struct sim_disk *disk = operation->host->disk;
    /* Counting all files is slow, so only small disks are counted. */
    return disk->capacity < 1024 * GIB && sim_disk_used(disk) + operation->size > disk->capacity;
}

static void
put_write(struct operation *operation, const void *data, uint64_t offset, const bool *keep)
{
    operation->change = sim_disk_write(
            operation->host->disk, operation->handle->node, data, operation->size, offset, keep);
}

/* Some of the sectors reach the disk, or none. */
static void
put_some(struct operation *operation, const void *data, bool none)
{
    size_t count = operation->size / SIM_SECTOR_SIZE + 2;
    bool *keep = mem_alloc_array(count, sizeof *keep);
    for (size_t i = 0; i < count && !none; i++) {
        keep[i] = sim_world_random(operation->host->sim) % 2 == 0;
    }
    put_write(operation, data, operation->offset, keep);
    mem_free(keep);
}

static void
put_flipped(struct operation *operation, const void *data)
{
    uint8_t *copy = mem_dup(data, operation->size);
    flip_bit(operation->host->sim, copy, operation->size);
    put_write(operation, copy, operation->offset, NULL);
    mem_free(copy);
}

static void
begin_write(struct operation *operation, const void *data)
{
    struct sim_host *host = operation->host;
    const char *path = operation->handle->node->path;
    operation->result = (int)operation->size;
    if (!(operation->handle->flags & FILE_WRITE)) {
        operation->result = -EBADF;
    } else if (strikes(host, SIM_DISK_WRITE_FULL, path) || is_full(operation)) {
        operation->result = -ENOSPC;
    } else if (strikes(host, SIM_DISK_WRITE_ERROR, path)) {
        put_some(operation, data, false);
        operation->result = -EIO;
    } else if (strikes(host, SIM_DISK_WRITE_LOST, path)) {
        put_some(operation, data, true);
    } else if (strikes(host, SIM_DISK_WRITE_ASTRAY, path)) {
        uint64_t pages = operation->handle->node->now.size / FILE_ALIGNMENT + 1;
        put_write(operation, data, sim_world_random(host->sim) % pages * FILE_ALIGNMENT, NULL);
    } else if (strikes(host, SIM_DISK_WRITE_FLIP, path)) {
        put_flipped(operation, data);
    } else {
        put_write(operation, data, operation->offset, NULL);
    }
}

static void
begin_flush(struct operation *operation)
{
    operation->stamp = operation->host->disk->stamp_next++;
    operation->fails =
            strikes(operation->host, SIM_DISK_FLUSH_ERROR, operation->handle->node->path);
    operation->result = operation->fails ? -EIO : 0;
}

static uint64_t
operation_time(struct operation *operation)
{
    struct sim_host *host = operation->host;
    const struct sim_disk_weather *weather = &host->weather;
    uint64_t time_ns =
            sim_world_between(host->sim, weather->latency_min_ns, weather->latency_max_ns) +
            operation->size;
    return strikes(host, SIM_DISK_STALL, operation->handle->node->path)
                   ? time_ns + weather->stall_ns
                   : time_ns;
}

static struct operation *
operation_new(
        struct file *file, enum disk_operation_kind kind, void *data, size_t size, uint64_t offset)
{
    struct operation *operation = mem_alloc(sizeof *operation);
    operation->event.fn = operation_finish;
    operation->process = sim_process_here();
    operation->host = operation->process->host;
    operation->handle = file->handle;
    operation->fiber = fiber_current();
    operation->kind = kind;
    operation->data = data;
    operation->size = size;
    operation->offset = offset;
    file->handle->in_flight++;
    list_push_back(&operation->host->in_flight, &operation->link);
    return operation;
}

int64_t
sim_file_operate(
        struct file *file, enum disk_operation_kind kind, void *data, size_t size, uint64_t offset)
{
    struct operation *operation = operation_new(file, kind, data, size, offset);
    struct sim *sim = operation->host->sim;
    if (kind == DISK_READ) {
        begin_read(operation);
    } else if (kind == DISK_SYNC || kind == DISK_SYNC_DATA) {
        begin_flush(operation);
    } else {
        begin_write(operation, data);
    }
    sim_event_at(sim, &operation->event, sim->now_ns + operation_time(operation));
    operation_boundary(operation, false);
    if (!operation->fiber) {
        return fault(-ECANCELED, "sim: killed");
    }
    int r = fiber_suspend(NULL, DEADLINE_NONE);
    return r < 0 ? fault(r, "disk: %s", strerrordesc_np(-r)) : r;
}

void
sim_file_detach(struct sim_process *process)
{
    LIST_FOREACH (link, &process->host->in_flight) {
        struct operation *operation = CONTAINER_OF(link, struct operation, link);
        struct fiber *fiber = operation->fiber;
        if (operation->process == process && fiber) {
            operation->fiber = NULL;
            operation->data = NULL;
            if (fiber->state == FIBER_SUSPENDED) {
                fiber_wake(fiber, -ECANCELED);
            }
        }
    }
}

void
sim_file_process_over(struct sim_process *process)
{
    struct list *node;
    while ((node = list_pop_front(&process->handles))) {
        struct sim_handle *handle = CONTAINER_OF(node, struct sim_handle, link);
        handle->closed = true;
        sim_handle_drop(handle);
    }
}

void
sim_file_void(struct sim_host *host)
{
    LIST_FOREACH_SAFE (link, &host->in_flight) {
        struct operation *operation = CONTAINER_OF(link, struct operation, link);
        timer_disarm(&host->sim->events, &operation->event.timer);
        operation_free(operation);
    }
}
