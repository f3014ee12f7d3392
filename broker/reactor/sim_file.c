/* Names, folders and handles of the simulated disk. */
#include "reactor/sim_file.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

static struct sim_host *
host_here(void)
{
    return sim_process_here()->host;
}

/* After a change of names. A process that died in it does not learn that it succeeded. */
static int
name_boundary(enum sim_boundary_kind kind, const char *path, uint64_t size)
{
    struct sim_process *process = sim_process_here();
    sim_boundary_pass(process->host,
            (struct sim_boundary){ .kind = kind, .path = path, .size = size, .process = process });
    if (process->dying) {
        return -ECANCELED;
    }
    int r = fiber_sleep_ns(sim_world_between(sim_here, process->host->weather.latency_min_ns,
            process->host->weather.latency_max_ns));
    /* Cancelled or not: it is done. */
    return r < 0 && process->dying ? r : 0;
}

void
sim_handle_drop(struct sim_handle *handle)
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
            sim_handle_drop(handle);
        }
    }
    return r;
}

static void
sim_file_close(struct file *file)
{
    file->handle->closed = true;
    list_remove(&file->handle->link);
    sim_handle_drop(file->handle);
}

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
