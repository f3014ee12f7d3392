/* Files of the simulator: fibers wait for operations that take time, fail by order or at random,
 * and go on without the process that began them (S2). */
#include "base/mem.h"
#include "reactor/disk_driver.h"
#include "reactor/sim_disk.h"
#include "reactor/sim_world.h"

#include <errno.h>
#include <string.h>

struct sim_handle {
    struct list link; /* in the process */
    struct sim_host *host;
    struct sim_node *node;
    unsigned flags;
    unsigned in_flight;
    bool closed;
};

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

static struct sim_host *
host_here(void)
{
    return sim_process_here()->host;
}

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

static void
boundary(struct sim_host *host, struct sim_boundary what)
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
    boundary(operation->host, what);
}

/* After a change of names. A process that died in it does not learn that it succeeded. */
static int
name_boundary(enum sim_boundary_kind kind, const char *path, uint64_t size)
{
    struct sim_process *process = sim_process_here();
    boundary(process->host,
            (struct sim_boundary){ .kind = kind, .path = path, .size = size, .process = process });
    if (process->dying) {
        return -ECANCELED;
    }
    int r = fiber_sleep_ns(sim_world_between(sim_here, process->host->weather.latency_min_ns,
            process->host->weather.latency_max_ns));
    /* Cancelled or not: it is done. */
    return r < 0 && process->dying ? r : 0;
}

/* ---- handles ---- */

static void
handle_drop(struct sim_handle *handle)
{
    if (!handle->closed || handle->in_flight > 0) {
        return;
    }
    if (handle->node->locked_by == handle) {
        handle->node->locked_by = NULL;
    }
    sim_node_unref(handle->node);
    list_remove(&handle->link);
    mem_free(handle);
}

/* One slash between parts, none at the end, no "./" in front. */
static const char *
normal_path(const char *path, char out[FILE_PATH_MAX])
{
    size_t size = 0;
    while (path[0] == '.' && path[1] == '/') {
        path += 2;
    }
    for (; *path; path++) {
        if (*path != '/' || size == 0 || out[size - 1] != '/') {
            out[size++] = *path;
        }
    }
    while (size > 1 && out[size - 1] == '/') {
        size--;
    }
    out[size] = 0;
    return out;
}

static bool
is_root(const char *path)
{
    return path[0] == 0 || strcmp(path, "/") == 0 || strcmp(path, ".") == 0;
}

static bool
folder_exists(const struct sim_disk *disk, const char *path)
{
    struct sim_node *node = is_root(path) ? NULL : sim_disk_find(disk, path);
    return is_root(path) || (node && node->folder);
}

static int
check_parent(const struct sim_disk *disk, const char *path)
{
    char parent[FILE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    bytes_to_string(bytes_of(path, slash ? (size_t)(slash - path) : 0), parent, sizeof parent);
    return folder_exists(disk, parent) ? 0 : fault(-ENOENT, "disk: no folder for %s", path);
}

static int
find_or_create(struct file *file, const char *path, struct sim_node **ret_node)
{
    struct sim_disk *disk = host_here()->disk;
    struct sim_node *node = sim_disk_find(disk, path);
    if (node && node->folder) {
        return fault(-EISDIR, "disk: %s is a folder", path);
    }
    if (node && (file->flags & FILE_CREATE) && (file->flags & FILE_EXCLUSIVE)) {
        return fault(-EEXIST, "disk: %s is there already", path);
    }
    if (!node && !(file->flags & FILE_CREATE)) {
        return fault(-ENOENT, "disk: cannot open %s", path);
    }
    *ret_node = node;
    if (!node) {
        int r = check_parent(disk, path);
        if (r < 0) {
            return r;
        }
        *ret_node = sim_disk_create(disk, path, false);
    } else if ((file->flags & FILE_TRUNCATE) && node->now.size > 0) {
        sim_disk_resize(disk, node, 0);
    }
    return 0;
}

static int
sim_file_open(struct file *file)
{
    char path[FILE_PATH_MAX];
    struct sim_process *process = sim_process_here();
    struct sim_node *node = NULL;
    uint64_t changes = process->host->disk->stamp_next;
    int r = find_or_create(file, normal_path(file->path, path), &node);
    if (r < 0) {
        return r;
    }
    struct sim_handle *handle = mem_alloc(sizeof *handle);
    handle->host = process->host;
    handle->node = node;
    handle->flags = file->flags;
    node->refs++;
    file->handle = handle;
    list_push_back(&process->handles, &handle->link);
    if (changes != process->host->disk->stamp_next) {
        r = name_boundary(SIM_NAME_CHANGED, path, 0);
        if (r < 0) {
            handle->closed = true;
            handle_drop(handle);
        }
    }
    return r;
}

static void
sim_file_close(struct file *file)
{
    file->handle->closed = true;
    list_remove(&file->handle->link);
    handle_drop(file->handle);
}

/* ---- operations ---- */

static void
operation_free(struct operation *operation)
{
    list_remove(&operation->link);
    operation->handle->in_flight--;
    handle_drop(operation->handle);
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

static int64_t
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
        handle_drop(handle);
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

/* ---- the rest ---- */

static int
sim_file_size(struct file *file, uint64_t *ret_size)
{
    *ret_size = file->handle->node->now.size;
    return 0;
}

static int
sim_file_truncate(struct file *file, uint64_t size)
{
    struct sim_node *node = file->handle->node;
    if (!(file->flags & FILE_WRITE) || size > INT64_MAX) {
        return fault(-EINVAL, "disk: cannot make %s %llu bytes long", file->path,
                (unsigned long long)size);
    }
    sim_disk_resize(host_here()->disk, node, size);
    return name_boundary(SIM_NAME_CHANGED, node->path, size);
}

static int
sim_file_allocate(struct file *file, uint64_t offset, uint64_t size)
{
    const struct sim_disk *disk = host_here()->disk;
    if (size > disk->capacity ||
            (disk->capacity < 1024 * GIB && sim_disk_used(disk) + size > disk->capacity)) {
        return fault(-ENOSPC, "disk: cannot reserve %llu bytes of %s", (unsigned long long)size,
                file->path);
    }
    return offset + size > file->handle->node->now.size ? sim_file_truncate(file, offset + size)
                                                        : 0;
}

static int
sim_file_lock(struct file *file)
{
    struct sim_node *node = file->handle->node;
    if (node->locked_by && node->locked_by != file->handle) {
        return fault(-EWOULDBLOCK, "disk: %s is locked by another", file->path);
    }
    node->locked_by = file->handle;
    return 0;
}

static int
sim_rename(const char *from, const char *to)
{
    char paths[2][FILE_PATH_MAX];
    struct sim_disk *disk = host_here()->disk;
    struct sim_node *node = sim_disk_find(disk, normal_path(from, paths[0]));
    struct sim_node *there = sim_disk_find(disk, normal_path(to, paths[1]));
    if (!node) {
        return fault(-ENOENT, "disk: cannot rename %s", from);
    }
    if (node->folder || (there && there->folder)) {
        return fault(-EOPNOTSUPP, "sim: renaming folders (%s) is not simulated", from);
    }
    int r = check_parent(disk, paths[1]);
    if (r < 0 || node == there) {
        return r;
    }
    sim_disk_rename_node(disk, paths[0], paths[1]);
    return name_boundary(SIM_NAME_CHANGED, paths[1], 0);
}

static int
sim_remove(const char *path)
{
    char normal[FILE_PATH_MAX];
    struct sim_disk *disk = host_here()->disk;
    struct sim_node *node = sim_disk_find(disk, normal_path(path, normal));
    if (!node) {
        return fault(-ENOENT, "disk: cannot remove %s", path);
    }
    if (node->folder && sim_disk_has_children(disk, normal)) {
        return fault(-ENOTEMPTY, "disk: folder %s is not empty", path);
    }
    sim_disk_unlink(disk, normal);
    return name_boundary(SIM_NAME_CHANGED, normal, 0);
}

static int
sim_make_folder(const char *path)
{
    char normal[FILE_PATH_MAX];
    struct sim_disk *disk = host_here()->disk;
    normal_path(path, normal);
    if (folder_exists(disk, normal)) {
        return 0;
    }
    if (sim_disk_find(disk, normal)) {
        return fault(-EEXIST, "disk: %s is a file", path);
    }
    int r = check_parent(disk, normal);
    if (r < 0) {
        return r;
    }
    sim_disk_create(disk, normal, true);
    return name_boundary(SIM_NAME_CHANGED, normal, 0);
}

static int
sim_sync_folder(const char *path)
{
    char normal[FILE_PATH_MAX];
    struct sim_disk *disk = host_here()->disk;
    if (!folder_exists(disk, normal_path(path, normal))) {
        return fault(-ENOENT, "disk: no folder %s", path);
    }
    sim_disk_flush_folder(disk, normal);
    return name_boundary(SIM_FOLDER_FLUSHED, normal, 0);
}

static int
sim_list(const char *path, struct disk_names *names)
{
    char normal[FILE_PATH_MAX];
    const struct sim_disk *disk = host_here()->disk;
    if (!folder_exists(disk, normal_path(path, normal))) {
        return fault(-ENOENT, "disk: cannot list %s", path);
    }
    size_t skip = is_root(normal) ? strcmp(normal, "/") == 0 : strlen(normal) + 1;
    MAP_FOREACH(node, &disk->names)
    {
        const char *name = CONTAINER_OF(node, struct sim_name, link)->path;
        bool inside = is_root(normal)
                              ? (name[0] == '/') == (skip == 1)
                              : strncmp(name, normal, skip - 1) == 0 && name[skip - 1] == '/';
        if (inside && name[skip] && !strchr(name + skip, '/')) {
            disk_names_add(names, name + skip);
        }
    }
    return 0;
}

static int
sim_free_bytes(const char *path, uint64_t *ret_bytes)
{
    const struct sim_disk *disk = host_here()->disk;
    uint64_t used = sim_disk_used(disk);
    (void)path;
    *ret_bytes = used < disk->capacity ? disk->capacity - used : 0;
    return 0;
}

const struct disk_driver disk_sim = {
    .open = sim_file_open,
    .close = sim_file_close,
    .operate = sim_file_operate,
    .size = sim_file_size,
    .truncate = sim_file_truncate,
    .allocate = sim_file_allocate,
    .lock = sim_file_lock,
    .rename = sim_rename,
    .remove = sim_remove,
    .make_folder = sim_make_folder,
    .sync_folder = sim_sync_folder,
    .list = sim_list,
    .free_bytes = sim_free_bytes,
};
