/* Reading, writing and removing one object of a file:// store. Blocking; on helper threads. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/mark.h"
#include "objectstore/file_internal.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLISH_TRIES 100

void
folder_info(const struct stat *status, struct object_info *ret_info)
{
    *ret_info = (struct object_info){ 0 };
    ret_info->size = (uint64_t)status->st_size;
    ret_info->modified_ms =
            (int64_t)status->st_mtim.tv_sec * 1000 + status->st_mtim.tv_nsec / 1000000;
    snprintf(ret_info->etag.text, sizeof ret_info->etag.text,
            "\"%" PRIx64 "-%" PRIx64 ".%09lu-%" PRIx64 "\"", (uint64_t)status->st_ino,
            (uint64_t)status->st_mtim.tv_sec, (unsigned long)status->st_mtim.tv_nsec,
            (uint64_t)status->st_size);
}

static int
read_open(int descriptor, const char *path, const char *key, struct object_range range,
        struct buf **ret_buf, struct object_info *ret_info)
{
    struct stat status;
    if (fstat(descriptor, &status) < 0) {
        return folder_fault(errno, "look at", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return fault(-ENOENT, "file store: there is no %s", path);
    }
    folder_info(&status, ret_info);
    if (!ret_buf) {
        return 0;
    }
    uint64_t offset = 0;
    uint64_t size = 0;
    int r = object_range_clip(key, range, ret_info->size, &offset, &size);
    if (r < 0) {
        return r;
    }
    if (size > OBJECT_SIZE_MAX) {
        return fault(-EFBIG, "file store: %s has %" PRIu64 " bytes, more than %zu", path, size,
                OBJECT_SIZE_MAX);
    }
    return folder_read_part(descriptor, path, offset, size, ret_buf);
}

int
folder_read(struct folder *folder, const char *key, struct object_range range, struct buf **ret_buf,
        struct object_info *ret_info)
{
    char path[FOLDER_PATH_SIZE];
    int r = folder_path(folder, key, path);
    if (r < 0) {
        return r;
    }
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) {
        return folder_fault(errno == ENOTDIR ? ENOENT : errno, "read", path);
    }
    r = read_open(descriptor, path, key, range, ret_buf, ret_info);
    close(descriptor);
    return r;
}

/* Fills and flushes the new file; afterwards it only needs its name (F1). */
static int
finish_temporary(struct folder *folder, int descriptor, const char *path,
        const struct object_put *put, struct object_etag *ret_etag)
{
    int r = folder_write_parts(folder, descriptor, path, put);
    if (r < 0) {
        return r;
    }
    /* F4 */
    struct timespec times[2] = { { clock_wall_ms() / 1000, (long)random_below(1000000000) } };
    times[1] = times[0];
    if (futimens(descriptor, times) < 0) {
        return folder_fault(errno, "set the time of", path);
    }
    if (folder->sync && fsync(descriptor) < 0) {
        return folder_fault(errno, "flush", path);
    }
    struct stat status;
    if (fstat(descriptor, &status) < 0) {
        return folder_fault(errno, "look at", path);
    }
    struct object_info info;
    folder_info(&status, &info);
    *ret_etag = info.etag;
    return 0;
}

static int
write_temporary(struct folder *folder, const struct object_put *put, char path[FOLDER_PATH_SIZE],
        struct object_etag *ret_etag)
{
    uint64_t number = atomic_fetch_add(&folder->next_temporary, 1);
    int n = snprintf(path, FOLDER_PATH_SIZE, "%s/%" PRIu64, folder->temporary, number);
    if (n >= FOLDER_PATH_SIZE) {
        return fault(-EINVAL, "file store: path too long: %.64s...", folder->temporary);
    }
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor < 0) {
        int error = errno;
        path[0] = 0;
        /* Not -ENOENT, which would say something about the object. */
        return folder_fault(error == ENOENT ? EIO : error, "make a file in", folder->temporary);
    }
    int r = finish_temporary(folder, descriptor, path, put, ret_etag);
    close(descriptor);
    return r;
}

static int
make_folders(struct folder *folder, char path[FOLDER_PATH_SIZE])
{
    for (char *slash = strchr(path + strlen(folder->root) + 1, '/'); slash;
            slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int error = mkdir(path, 0755) < 0 ? errno : 0;
        int r = error && error != EEXIST ? folder_fault(error, "make folder", path) : 0;
        *slash = '/';
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Gives the finished file its name. -EEXIST for creates. */
static int
name_temporary(
        struct folder *folder, const char *temporary, char path[FOLDER_PATH_SIZE], bool create)
{
    for (unsigned tries = 0; tries < PUBLISH_TRIES; tries++) {
        int r = make_folders(folder, path);
        if (r == -ENOENT) {
            continue; /* a folder above was just removed because it was empty */
        }
        if (r < 0) {
            return r;
        }
        if ((create ? link(temporary, path) : rename(temporary, path)) == 0) {
            return 0;
        }
        int error = errno;
        struct stat status;
        if (error == EEXIST && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
            error = EISDIR;
        }
        if (error == EEXIST) {
            return fault(-EEXIST, "file store: there is %s already", path);
        }
        if (error != ENOENT) {
            return folder_fault(error, "name", path);
        }
        /* Somebody who removed the last object of a folder removed the folder too, just now. */
        MARK("file store: a folder vanished under a write");
    }
    return fault(OBJECT_AGAIN, "file store: the folder of %s vanishes again and again", path);
}

/* Whether the condition holds now. */
static int
check_condition(struct folder *folder, const struct object_put *put)
{
    if (put->condition == OBJECT_ALWAYS) {
        return 0;
    }
    struct object_info info;
    int r = folder_read(folder, put->key, OBJECT_WHOLE, NULL, &info);
    if (put->condition == OBJECT_CREATE) {
        if (r == 0) {
            return fault(-EEXIST, "file store: there is %s already", put->key);
        }
        return r == -ENOENT ? 0 : r;
    }
    if (r < 0) {
        return r;
    }
    if (strcmp(info.etag.text, put->etag.text) != 0) {
        return fault(-EEXIST, "file store: %s has another etag", put->key);
    }
    return 0;
}

/* The name may be there, the flush failed: nobody knows what a power loss would leave. */
static int
sync_named(struct folder *folder, const struct object_put *put)
{
    int r = folder_sync(folder, put->key);
    return r < 0 && put->condition != OBJECT_ALWAYS
                   ? fault_note(OBJECT_UNDECIDED, "file store: %s", put->key)
                   : r;
}

static int
publish(struct folder *folder, const struct object_put *put, const char *temporary)
{
    char path[FOLDER_PATH_SIZE];
    int r = folder_path(folder, put->key, path);
    if (r < 0) {
        return r;
    }
    if (put->condition == OBJECT_CREATE) {
        r = name_temporary(folder, temporary, path, true);
        return r == 0 ? sync_named(folder, put) : r;
    }
    int lock = -1;
    r = folder_lock(folder, put->key, put->deadline_ns, &lock);
    if (r < 0) {
        return r;
    }
    r = check_condition(folder, put); /* F3 */
    if (r == 0) {
        r = name_temporary(folder, temporary, path, false);
    }
    if (r == 0) {
        r = sync_named(folder, put);
    }
    folder_unlock(lock);
    return r;
}

int
folder_write(struct folder *folder, const struct object_put *put, struct object_etag *ret_etag)
{
    char temporary[FOLDER_PATH_SIZE] = "";
    struct object_etag etag = { "" };
    int r = folder_prepare(folder);
    if (r < 0) {
        return r;
    }
    r = check_condition(folder, put); /* spares writing what will be refused */
    if (r == 0) {
        r = write_temporary(folder, put, temporary, &etag);
        if (r == 0) {
            r = publish(folder, put, temporary);
        }
    }
    if (temporary[0]) {
        unlink(temporary);
    }
    if (r == -EEXIST) {
        int synced = folder_sync(folder, put->key); /* F2 */
        return synced < 0 ? fault_note(OBJECT_UNDECIDED, "file store: %s", put->key) : r;
    }
    if (r == OBJECT_AGAIN && put->condition != OBJECT_ALWAYS) {
        return OBJECT_UNDECIDED;
    }
    if (r == 0) {
        *ret_etag = etag;
    }
    return r;
}

/* Removes the folders above that became empty, so that an object may later have the name of one of
 * them. */
static void
remove_empty_folders(struct folder *folder, char *path)
{
    size_t root_size = strlen(folder->root);
    for (char *slash = strrchr(path, '/'); slash && (size_t)(slash - path) > root_size;
            slash = strrchr(path, '/')) {
        *slash = 0;
        if (rmdir(path) < 0) {
            return;
        }
    }
}

int
folder_remove(struct folder *folder, const char *key, uint64_t deadline_ns)
{
    char path[FOLDER_PATH_SIZE];
    int lock = -1;
    int r = folder_prepare(folder);
    if (r == 0) {
        r = folder_path(folder, key, path);
    }
    if (r == 0) {
        r = folder_lock(folder, key, deadline_ns, &lock);
    }
    if (r < 0) {
        return r;
    }
    int error = unlink(path) < 0 ? errno : 0;
    if (error && error != ENOENT && error != ENOTDIR && error != EISDIR) {
        r = folder_fault(error, "remove", path);
    } else {
        remove_empty_folders(folder, path);
        r = folder_sync(folder, key);
    }
    folder_unlock(lock);
    return r;
}
