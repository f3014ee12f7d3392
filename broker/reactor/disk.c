/* Checks, cutting of long transfers, and the whole-file helper; the work is done by a driver. */
#include "reactor/disk.h"

#include "base/buf.h"
#include "base/mem.h"
#include "reactor/disk_driver.h"

#include <errno.h>
#include <stdlib.h>

static const struct disk_driver *
driver(void)
{
    CHECK(reactor_here);
    return is_sim() ? &disk_sim : &disk_real;
}

static int
check_path(const char *path)
{
    if (path[0] == 0 || strlen(path) >= FILE_PATH_MAX) {
        return fault(-ENAMETOOLONG, "disk: path of %zu bytes; 1 to %d are possible", strlen(path),
                FILE_PATH_MAX - 1);
    }
    return 0;
}

/* First lines of every call that names a path. */
static int
begin_path(const char *path)
{
    int r = fiber_wait_begin();
    return r < 0 ? r : check_path(path);
}

int
file_open(const char *path, unsigned flags, struct file **ret_file)
{
    int r = begin_path(path);
    if (r < 0) {
        return r;
    }
    if (!(flags & (FILE_READ | FILE_WRITE))) {
        return fault(-EINVAL, "disk: %s opened neither for reading nor for writing", path);
    }
    struct file *file = mem_alloc(sizeof *file);
    file->path = mem_strdup(path);
    file->flags = flags;
    file->descriptor = -1;
    r = driver()->open(file);
    if (r < 0) {
        mem_free(file->path);
        mem_free(file);
        return r;
    }
    *ret_file = file;
    return 0;
}

void
file_close(struct file *file)
{
    if (!file) {
        return;
    }
    driver()->close(file);
    mem_free(file->path);
    mem_free(file);
}

static int
check_transfer(const struct file *file, const void *data, size_t size, uint64_t offset)
{
    if (offset > INT64_MAX || size > INT64_MAX - offset) {
        return fault(-EINVAL, "disk: %s: offset %llu and size %zu are out of range", file->path,
                (unsigned long long)offset, size);
    }
    if ((file->flags & FILE_DIRECT) && (((uintptr_t)data | size | offset) % FILE_ALIGNMENT) != 0) {
        return fault(-EINVAL, "disk: %s: direct transfer of %zu bytes at %llu is not aligned",
                file->path, size, (unsigned long long)offset);
    }
    return 0;
}

/* The driver's operation, or what a test wants in its place. */
static int64_t
operate(struct file *file, enum disk_operation_kind kind, void *data, size_t size, uint64_t offset)
{
    struct disk_fault wanted = disk_fault_of(kind, file->path);
    if (LIKELY(wanted.kind == DISK_FAULT_NONE)) {
        return driver()->operate(file, kind, data, size, offset);
    }
    if (wanted.kind == DISK_FAULT_EIO || wanted.kind == DISK_FAULT_ENOSPC) {
        return fault(wanted.kind == DISK_FAULT_EIO ? -EIO : -ENOSPC, "disk: a test wants this");
    }
    if (wanted.kind == DISK_FAULT_SLOW) {
        int r = fiber_sleep_ns(wanted.delay_ns);
        return r < 0 ? r : driver()->operate(file, kind, data, size, offset);
    }
    if (wanted.kind == DISK_FAULT_TORN) {
        size = size / 2 / FILE_ALIGNMENT * FILE_ALIGNMENT;
    }
    int64_t n = size || wanted.kind == DISK_FAULT_LOST
                        ? driver()->operate(file, kind, data, size, offset)
                        : 0;
    return n < 0 ? n : fault(-EIO, "disk: a test wants this");
}

/* Bytes done: fewer than size only when the driver returned 0 (end of the file). */
static int64_t
transfer(struct file *file, enum disk_operation_kind kind, void *data, size_t size, uint64_t offset)
{
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    r = check_transfer(file, data, size, offset);
    if (r < 0) {
        return r;
    }
    size_t done = 0;
    while (done < size) {
        size_t part = MIN(size - done, (size_t)DISK_CHUNK_MAX);
        int64_t n = operate(file, kind, (char *)data + done, part, offset + done);
        if (n < 0) {
            return n;
        }
        done += (size_t)n;
        /* A short direct read leaves an end that no direct read may start at: it was the end of the
         * file. */
        if (n == 0 || ((file->flags & FILE_DIRECT) && (size_t)n % FILE_ALIGNMENT != 0)) {
            break;
        }
    }
    return (int64_t)done;
}

int64_t
file_read(struct file *file, void *data, size_t size, uint64_t offset)
{
    int64_t n = transfer(file, DISK_READ, data, size, offset);
    return n < 0 ? fault_note((int)n, "disk: read of %zu bytes of %s at %llu", size, file->path,
                           (unsigned long long)offset)
                 : n;
}

static int
write_whole(struct file *file, enum disk_operation_kind kind, const void *data, size_t size,
        uint64_t offset)
{
    int64_t n = transfer(file, kind, (void *)(uintptr_t)data, size, offset);
    if (n < 0) {
        return fault_note((int)n, "disk: write of %zu bytes to %s at %llu", size, file->path,
                (unsigned long long)offset);
    }
    if ((size_t)n != size) {
        return fault(-EIO, "disk: only %lld of %zu bytes went to %s at %llu", (long long)n, size,
                file->path, (unsigned long long)offset);
    }
    return 0;
}

int
file_write(struct file *file, const void *data, size_t size, uint64_t offset)
{
    return write_whole(file, DISK_WRITE, data, size, offset);
}

int
file_write_durable(struct file *file, const void *data, size_t size, uint64_t offset)
{
    return write_whole(file, DISK_WRITE_DURABLE, data, size, offset);
}

int
file_sync(struct file *file, bool metadata)
{
    int r = fiber_wait_begin();
    if (r < 0) {
        return r;
    }
    int64_t n = operate(file, metadata ? DISK_SYNC : DISK_SYNC_DATA, NULL, 0, 0);
    return n < 0 ? fault_note((int)n, "disk: flush of %s", file->path) : 0;
}

int
file_size(struct file *file, uint64_t *ret_size)
{
    int r = fiber_wait_begin();
    return r < 0 ? r : driver()->size(file, ret_size);
}

int
file_truncate(struct file *file, uint64_t size)
{
    int r = fiber_wait_begin();
    return r < 0 ? r : driver()->truncate(file, size);
}

int
file_allocate(struct file *file, uint64_t offset, uint64_t size)
{
    int r = fiber_wait_begin();
    return r < 0 ? r : driver()->allocate(file, offset, size);
}

int
file_lock(struct file *file)
{
    int r = fiber_wait_begin();
    return r < 0 ? r : driver()->lock(file);
}

int
disk_rename(const char *from, const char *to)
{
    int r = begin_path(from);
    if (r < 0) {
        return r;
    }
    r = check_path(to);
    return r < 0 ? r : driver()->rename(from, to);
}

int
disk_remove(const char *path)
{
    int r = begin_path(path);
    return r < 0 ? r : driver()->remove(path);
}

int
disk_make_folder(const char *path)
{
    char part[FILE_PATH_MAX];
    int r = begin_path(path);
    if (r < 0) {
        return r;
    }
    size_t size = strlen(path);
    memcpy(part, path, size + 1);
    for (size_t i = 1; i <= size; i++) {
        if (part[i] != '/' && part[i] != 0) {
            continue;
        }
        part[i] = 0;
        r = driver()->make_folder(part);
        if (r < 0) {
            return r;
        }
        part[i] = path[i];
    }
    return 0;
}

int
disk_sync_folder(const char *path)
{
    int r = begin_path(path);
    return r < 0 ? r : driver()->sync_folder(path);
}

void
disk_names_add(struct disk_names *names, const char *name)
{
    if (names->count % 64 == 0) {
        names->names = mem_realloc(names->names, (names->count + 64) * sizeof(char *));
    }
    names->names[names->count++] = mem_strdup(name);
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
disk_list(const char *path, struct disk_names *ret_names)
{
    struct disk_names names = { 0 };
    int r = begin_path(path);
    if (r < 0) {
        return r;
    }
    r = driver()->list(path, &names);
    if (r < 0) {
        disk_names_free(&names);
        return r;
    }
    if (names.count > 0) {
        qsort(names.names, names.count, sizeof(char *), compare_names);
    }
    *ret_names = names;
    return 0;
}

void
disk_names_free(struct disk_names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        mem_free(names->names[i]);
    }
    mem_free(names->names);
    *names = (struct disk_names){ 0 };
}

int
disk_free_bytes(const char *path, uint64_t *ret_bytes)
{
    int r = begin_path(path);
    return r < 0 ? r : driver()->free_bytes(path, ret_bytes);
}

static int
read_whole(struct file *file, size_t size_max, struct buf **ret_buf)
{
    uint64_t size;
    int r = file_size(file, &size);
    if (r < 0) {
        return r;
    }
    if (size > size_max) {
        return fault(-EFBIG, "disk: %s has %llu bytes; at most %zu are expected", file->path,
                (unsigned long long)size, size_max);
    }
    CLEANUP(buf_unrefp) struct buf *buf = buf_try_new((size_t)size);
    if (!buf) {
        return fault(-ENOMEM, "disk: no memory for %s", file->path);
    }
    int64_t n = file_read(file, buf->data, (size_t)size, 0);
    if (n < 0) {
        return (int)n;
    }
    buf->size = (size_t)n;
    *ret_buf = TAKE_PTR(buf);
    return 0;
}

int
disk_read_file(const char *path, size_t size_max, struct buf **ret_buf)
{
    struct file *file;
    int r = file_open(path, FILE_READ, &file);
    if (r < 0) {
        return r;
    }
    r = read_whole(file, size_max, ret_buf);
    file_close(file);
    return r;
}
