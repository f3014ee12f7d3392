/* The fixed parts of a file:// store's folder: temporary files, locks, flushes. Blocking; on helper
 * threads. */
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/file_internal.h"
#include "reactor/clock.h"
#include "reactor/random.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CLAIM_TRIES 16
#define FOLDER_MODE 0755

void
folder_init(struct folder *folder, const char *root, bool sync)
{
    *folder = (struct folder){ .root = mem_strdup(root), .sync = sync, .lock_descriptor = -1 };
    pthread_mutex_init(&folder->mutex, NULL);
}

int
folder_path(const struct folder *folder, const char *tail, char out[FOLDER_PATH_SIZE])
{
    int n = snprintf(out, FOLDER_PATH_SIZE, "%s/%s", folder->root, tail);
    if (n < 0 || n >= FOLDER_PATH_SIZE) {
        return fault(-EINVAL, "file store: the path of %.64s... is longer than %d bytes", tail,
                FOLDER_PATH_SIZE);
    }
    return 0;
}

int
folder_fault(int error, const char *what, const char *path)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return fault(-ENOSPC, "file store: cannot %s %s: the disk is full", what, path);
    case EACCES:
    case EPERM:
    case EROFS:
        return fault(-EACCES, "file store: cannot %s %s: %s", what, path, strerrordesc_np(error));
    case ENOENT:
        return fault(-ENOENT, "file store: cannot %s %s: it is not there", what, path);
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
        return fault(-EINVAL, "file store: cannot %s %s: %s", what, path, strerrordesc_np(error));
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return fault(
                OBJECT_AGAIN, "file store: cannot %s %s: %s", what, path, strerrordesc_np(error));
    default:
        return fault(-EIO, "file store: cannot %s %s: %s", what, path, strerrordesc_np(error));
    }
}

static int
make_folder(const char *path)
{
    if (mkdir(path, FOLDER_MODE) < 0 && errno != EEXIST) {
        return folder_fault(errno, "make folder", path);
    }
    return 0;
}

static int
make_root(const char *root)
{
    char path[FOLDER_PATH_SIZE];
    snprintf(path, sizeof path, "%s", root);
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int r = make_folder(path);
        if (r < 0) {
            return r;
        }
        *slash = '/';
    }
    return make_folder(path);
}

static void
remove_folder_of_files(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory) {
        return;
    }
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        if (entry->d_name[0] != '.') {
            /* dirfd of an open folder does not fail. NOLINTNEXTLINE(*-unix.StdCLibraryFunctions) */
            unlinkat(dirfd(directory), entry->d_name, 0);
        }
    }
    closedir(directory);
    rmdir(path);
}

/* `name` is ID.lock in ~tmp. When nobody holds it, its owner is dead and its files are of no use.
 */
static void
clean_after(const char *temporaries, const char *name)
{
    char path[FOLDER_PATH_SIZE + NAME_MAX + 1];
    snprintf(path, sizeof path, "%s/%s", temporaries, name);
    int descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (descriptor < 0) {
        return;
    }
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
        MARK("file store: cleaned up after a dead process");
        char files[FOLDER_PATH_SIZE + NAME_MAX + 1];
        snprintf(files, sizeof files, "%s/%.*s.d", temporaries,
                (int)(strlen(name) - strlen(".lock")), name);
        remove_folder_of_files(files);
        unlink(path);
    }
    close(descriptor);
}

static void
clean_temporaries(const char *temporaries)
{
    DIR *directory = opendir(temporaries);
    if (!directory) {
        return;
    }
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        size_t size = strlen(entry->d_name);
        if (size > 5 && strcmp(entry->d_name + size - 5, ".lock") == 0) {
            clean_after(temporaries, entry->d_name);
        }
    }
    closedir(directory);
}

/* The root with a tail, owned. */
static char *
path_new(const struct folder *folder, const char *tail)
{
    size_t size = strlen(folder->root) + strlen(tail) + 2;
    char *path = mem_alloc(size);
    snprintf(path, size, "%s/%s", folder->root, tail);
    return path;
}

static int
claim_paths(struct folder *folder, const char *lock_path, const char *files_path)
{
    int descriptor = open(lock_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor < 0) {
        /* The same name from another process is as good as a lost race: another name is tried. */
        return errno == EEXIST ? OBJECT_AGAIN : folder_fault(errno, "make", lock_path);
    }
    struct stat status;
    /* Between making and locking it a cleaner may have taken it for a dead one's. */
    if (flock(descriptor, LOCK_EX | LOCK_NB) < 0 || fstat(descriptor, &status) < 0 ||
            status.st_nlink == 0) {
        close(descriptor);
        return fault(OBJECT_AGAIN, "file store: %s was cleaned away", lock_path);
    }
    int r = make_folder(files_path);
    if (r < 0) {
        unlink(lock_path);
        close(descriptor);
        return r;
    }
    folder->lock_descriptor = descriptor;
    return 0;
}

/* 0, or OBJECT_AGAIN when a cleaner was faster. Sets the folder's temporary paths. */
static int
claim(struct folder *folder)
{
    char tail[64];
    uint64_t id = random_u64();
    snprintf(tail, sizeof tail, "~tmp/%016" PRIx64 ".lock", id);
    char *lock_path = path_new(folder, tail);
    snprintf(tail, sizeof tail, "~tmp/%016" PRIx64 ".d", id);
    char *files_path = path_new(folder, tail);
    int r = claim_paths(folder, lock_path, files_path);
    if (r < 0) {
        mem_free(lock_path);
        mem_free(files_path);
        return r;
    }
    folder->temporary = files_path;
    folder->temporary_lock = lock_path;
    return 0;
}

static int
make_own_folders(const struct folder *folder, const char *temporaries, const char *locks)
{
    int r = make_root(folder->root);
    if (r == 0) {
        r = make_folder(temporaries);
    }
    return r == 0 ? make_folder(locks) : r;
}

static int
prepare(struct folder *folder)
{
    CLEANUP(mem_freep) char *temporaries = path_new(folder, "~tmp");
    CLEANUP(mem_freep) char *locks = path_new(folder, "~lock");
    int r = make_own_folders(folder, temporaries, locks);
    if (r < 0) {
        return r;
    }
    clean_temporaries(temporaries);
    r = OBJECT_AGAIN;
    for (unsigned i = 0; r == OBJECT_AGAIN && i < CLAIM_TRIES; i++) {
        r = claim(folder);
    }
    return r;
}

int
folder_prepare(struct folder *folder)
{
    if (atomic_load(&folder->broken)) {
        return fault(-EIO,
                "file store %s: an earlier flush failed; nothing is written until a restart",
                folder->root);
    }
    pthread_mutex_lock(&folder->mutex);
    int r = folder->ready ? 0 : prepare(folder);
    folder->ready = r == 0;
    pthread_mutex_unlock(&folder->mutex);
    return r;
}

void
folder_done(struct folder *folder)
{
    if (folder->ready) {
        remove_folder_of_files(folder->temporary);
        unlink(folder->temporary_lock);
        close(folder->lock_descriptor);
        mem_free(folder->temporary);
        mem_free(folder->temporary_lock);
    }
    pthread_mutex_destroy(&folder->mutex);
    mem_free(folder->stage);
    mem_free(folder->root);
}

int
folder_lock(struct folder *folder, const char *key, uint64_t deadline_ns, int *ret_descriptor)
{
    char tail[32];
    char path[FOLDER_PATH_SIZE];
    uint64_t number = bytes_hash(bytes_of_string(key), 0) % FOLDER_LOCKS;
    snprintf(tail, sizeof tail, "~lock/%02u", (unsigned)number);
    int r = folder_path(folder, tail, path);
    if (r < 0) {
        return r;
    }
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) {
        return folder_fault(errno, "open", path);
    }
    long pause_ns = 50 * 1000;
    /* Not a plain LOCK_EX: another process may be stopped while it holds the lock. */
    while (flock(descriptor, LOCK_EX | LOCK_NB) < 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || clock_mono_ns() >= deadline_ns) {
            close(descriptor);
            return fault(OBJECT_AGAIN, "file store: %s stays locked by another writer", path);
        }
        nanosleep(&(struct timespec){ 0, pause_ns }, NULL);
        pause_ns = MIN(pause_ns * 2, 2000 * 1000L);
    }
    *ret_descriptor = descriptor;
    return 0;
}

void
folder_unlock(int descriptor)
{
    close(descriptor);
}

static int
sync_one(struct folder *folder, const char *path)
{
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        /* Removed together with what was in it: the folder above is flushed next. */
        return errno == ENOENT || errno == ENOTDIR ? 0 : folder_fault(errno, "open folder", path);
    }
    int r = fsync(descriptor) < 0 ? errno : 0;
    close(descriptor);
    if (r && r != EINVAL) {
        atomic_store(&folder->broken, true);
        return folder_fault(r, "flush folder", path);
    }
    return 0;
}

int
folder_sync(struct folder *folder, const char *key)
{
    if (!folder->sync) {
        return 0;
    }
    char path[FOLDER_PATH_SIZE];
    int r = folder_path(folder, key, path);
    if (r < 0) {
        return r;
    }
    size_t root_size = strlen(folder->root);
    for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
        *slash = 0;
        r = sync_one(folder, path);
        if (r < 0 || strlen(path) <= root_size) {
            return r;
        }
    }
    return 0;
}
