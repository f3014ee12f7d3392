/* The machine's disk: transfers through the engine, everything rarer on a helper thread. */
#include "base/mem.h"
#include "reactor/disk_driver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Arguments of one blocking call, on the stack of the fiber that waits for it. */
struct job {
    struct file *file;
    const char *path;
    const char *to;
    uint64_t offset;
    uint64_t size;
    uint64_t result;
    struct disk_names *names;
};

static int
open_flags(unsigned flags)
{
    int result = O_CLOEXEC;
    result |= !(flags & FILE_WRITE) ? O_RDONLY : !(flags & FILE_READ) ? O_WRONLY : O_RDWR;
    result |= flags & FILE_CREATE ? O_CREAT : 0;
    result |= flags & FILE_EXCLUSIVE ? O_EXCL : 0;
    result |= flags & FILE_DIRECT ? O_DIRECT : 0;
    result |= flags & FILE_TRUNCATE ? O_TRUNC : 0;
    return result;
}

static int
open_job(void *arg)
{
    struct job *job = arg;
    int descriptor = open(job->file->path, open_flags(job->file->flags), 0640);
    if (descriptor < 0) {
        return fault(-errno, "disk: cannot open %s", job->file->path);
    }
    job->file->descriptor = descriptor;
    return 0;
}

static int
real_open(struct file *file)
{
    struct job job = { .file = file };
    return offload_run(open_job, &job);
}

static int
close_job(void *arg)
{
    struct job *job = arg;
    close(job->file->descriptor);
    return 0;
}

static void
real_close(struct file *file)
{
    struct job job = { .file = file };
    if (offload_always(close_job, &job) < 0) {
        /* No helper thread: better a short stall than a leak. */
        close(file->descriptor);
    }
}

static int64_t
real_operate(
        struct file *file, enum disk_operation_kind kind, void *data, size_t size, uint64_t offset)
{
    struct disk_operation operation = {
        .kind = kind, .descriptor = file->descriptor, .data = data, .size = size, .offset = offset
    };
    int64_t n = reactor_here->engine->disk(reactor_here, &operation);
    return n < 0 ? fault((int)n, "disk: %s", strerrordesc_np((int)-n)) : n;
}

static int
size_job(void *arg)
{
    struct job *job = arg;
    struct stat status;
    if (fstat(job->file->descriptor, &status) != 0) {
        return fault(-errno, "disk: no size of %s", job->file->path);
    }
    job->result = (uint64_t)status.st_size;
    return 0;
}

static int
real_size(struct file *file, uint64_t *ret_size)
{
    struct job job = { .file = file };
    int r = offload_run(size_job, &job);
    if (r >= 0) {
        *ret_size = job.result;
    }
    return r;
}

static int
truncate_job(void *arg)
{
    struct job *job = arg;
    if (job->size > INT64_MAX || ftruncate(job->file->descriptor, (off_t)job->size) != 0) {
        return fault(job->size > INT64_MAX ? -EINVAL : -errno,
                "disk: cannot make %s %llu bytes long", job->file->path,
                (unsigned long long)job->size);
    }
    return 0;
}

static int
real_truncate(struct file *file, uint64_t size)
{
    struct job job = { .file = file, .size = size };
    return offload_run(truncate_job, &job);
}

static int
allocate_job(void *arg)
{
    struct job *job = arg;
    if (job->offset > INT64_MAX || job->size > INT64_MAX - job->offset) {
        return fault(-EINVAL, "disk: %s: range to reserve is out of range", job->file->path);
    }
    if (fallocate(job->file->descriptor, 0, (off_t)job->offset, (off_t)job->size) != 0) {
        return fault(-errno, "disk: cannot reserve %llu bytes of %s", (unsigned long long)job->size,
                job->file->path);
    }
    return 0;
}

static int
real_allocate(struct file *file, uint64_t offset, uint64_t size)
{
    struct job job = { .file = file, .offset = offset, .size = size };
    return offload_run(allocate_job, &job);
}

static int
real_lock(struct file *file)
{
    /* Does not block. */
    if (flock(file->descriptor, LOCK_EX | LOCK_NB) != 0) {
        return fault(
                -errno, "disk: %s is locked by another process or cannot be locked", file->path);
    }
    return 0;
}

static int
rename_job(void *arg)
{
    struct job *job = arg;
    if (rename(job->path, job->to) != 0) {
        return fault(-errno, "disk: cannot rename %s to %s", job->path, job->to);
    }
    return 0;
}

static int
real_rename(const char *from, const char *to)
{
    struct job job = { .path = from, .to = to };
    return offload_run(rename_job, &job);
}

static int
remove_job(void *arg)
{
    struct job *job = arg;
    if (remove(job->path) != 0) {
        return fault(-errno, "disk: cannot remove %s", job->path);
    }
    return 0;
}

static int
real_remove(const char *path)
{
    struct job job = { .path = path };
    return offload_run(remove_job, &job);
}

static int
make_folder_job(void *arg)
{
    struct job *job = arg;
    struct stat status;
    if (mkdir(job->path, 0750) == 0) {
        return 0;
    }
    int error = errno;
    if (error == EEXIST && stat(job->path, &status) == 0 && S_ISDIR(status.st_mode)) {
        return 0;
    }
    return fault(-error, "disk: cannot make the folder %s", job->path);
}

static int
real_make_folder(const char *path)
{
    struct job job = { .path = path };
    return offload_run(make_folder_job, &job);
}

static int
sync_folder_job(void *arg)
{
    struct job *job = arg;
    int descriptor = open(job->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return fault(-errno, "disk: cannot open the folder %s", job->path);
    }
    int r = fsync(descriptor) == 0 ? 0 : fault(-errno, "disk: flush of the folder %s", job->path);
    close(descriptor);
    return r;
}

static int
real_sync_folder(const char *path)
{
    struct job job = { .path = path };
    return offload_run(sync_folder_job, &job);
}

static int
list_job(void *arg)
{
    struct job *job = arg;
    DIR *folder = opendir(job->path);
    if (!folder) {
        return fault(-errno, "disk: cannot list %s", job->path);
    }
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            disk_names_add(job->names, entry->d_name);
        }
        errno = 0;
    }
    int r = errno ? fault(-errno, "disk: cannot list all of %s", job->path) : 0;
    closedir(folder);
    return r;
}

static int
real_list(const char *path, struct disk_names *names)
{
    struct job job = { .path = path, .names = names };
    return offload_run(list_job, &job);
}

static int
free_bytes_job(void *arg)
{
    struct job *job = arg;
    struct statvfs status;
    if (statvfs(job->path, &status) != 0) {
        return fault(-errno, "disk: no free space of %s", job->path);
    }
    job->result = (uint64_t)status.f_bavail * status.f_frsize;
    return 0;
}

static int
real_free_bytes(const char *path, uint64_t *ret_bytes)
{
    struct job job = { .path = path };
    int r = offload_run(free_bytes_job, &job);
    if (r >= 0) {
        *ret_bytes = job.result;
    }
    return r;
}

const struct disk_driver disk_real = {
    .open = real_open,
    .close = real_close,
    .operate = real_operate,
    .size = real_size,
    .truncate = real_truncate,
    .allocate = real_allocate,
    .lock = real_lock,
    .rename = real_rename,
    .remove = real_remove,
    .make_folder = real_make_folder,
    .sync_folder = real_sync_folder,
    .list = real_list,
    .free_bytes = real_free_bytes,
};
