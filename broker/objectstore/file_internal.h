#pragma once
/* The folder behind file:// stores: blocking functions that run on helper threads. Private to
 * file*.c and its tests.
 *
 *   ROOT/KEY          objects, as plain files: other tools may read them
 *   ROOT/~tmp/ID.d/   objects on their way in, of one open store; ROOT/~tmp/ID.lock is locked
 *                     while it is open
 *   ROOT/~lock/NN     held by whoever replaces or removes an object whose key hashes to NN
 *
 * '~' may not be in keys, so these names are free.
 *
 * F1  An object appears and changes by one link() or rename() of a finished, flushed file. Crash:
 *     kill -9 or power loss at any moment leaves the old object or the new one, never a part.
 *
 * F2  A write is answered after the flush of the file and of every folder above it. "Exists" is
 *     answered after such a flush too: the writer that lost must not build on a winner that a power
 *     loss undoes.
 *
 * F3  Between looking at an etag and renaming, nobody else renames or removes that key: flock, so
 *     also between processes. It is the kernel that drops a killed process's lock.
 *
 * F4  An etag names one version for ever: inode, size and a modification time whose nanoseconds are
 *     random.
 *
 * F5  After a failed flush of a folder nothing is known about it; the store refuses further writes.
 */

#include "objectstore/internal.h"

#include <pthread.h>

#define FOLDER_LOCKS 64
#define FOLDER_PATH_SIZE 1200
#define FOLDER_ROOT_SIZE_MAX 640

struct folder {
    char *root; /* without '/' at its end */
    bool sync;
    pthread_mutex_t mutex; /* over the preparation */
    bool ready;
    char *temporary;      /* ROOT/~tmp/ID.d */
    char *temporary_lock; /* ROOT/~tmp/ID.lock */
    int lock_descriptor;
    _Atomic uint64_t next_temporary;
    _Atomic bool broken;      /* F5 */
    _Atomic(uint8_t *) stage; /* file_direct.c: between two writes */
};

void folder_init(struct folder *folder, const char *root, bool sync);
/* Removes the own temporary folder. */
void folder_done(struct folder *folder);
/* Makes the folders, removes what dead processes left. Once; called by each write. */
MUST_CHECK int folder_prepare(struct folder *folder);

/* Writes ROOT/TAIL; -EINVAL: too long. */
MUST_CHECK int folder_path(
        const struct folder *folder, const char *tail, char out[FOLDER_PATH_SIZE]);
/* Turns errno into our errors and says what and where. */
MUST_CHECK int folder_fault(int error, const char *what, const char *path);

/* Waits for the lock of a key until the deadline: OBJECT_AGAIN. The descriptor is given back by
 * folder_unlock. */
MUST_CHECK int folder_lock(
        struct folder *folder, const char *key, uint64_t deadline_ns, int *ret_descriptor);
void folder_unlock(int descriptor);
/* Flushes the folder that holds `key` and all above it (F2). */
MUST_CHECK int folder_sync(struct folder *folder, const char *key);

struct stat;
void folder_info(const struct stat *status, struct object_info *ret_info);
/* ret_buf may be NULL: only the information. */
MUST_CHECK int folder_read(struct folder *folder, const char *key, struct object_range range,
        struct buf **ret_buf, struct object_info *ret_info);
MUST_CHECK int folder_write(
        struct folder *folder, const struct object_put *put, struct object_etag *ret_etag);
/* file_direct.c: the bytes of an object into an open file that is empty, or out of one. */
MUST_CHECK int folder_write_parts(
        struct folder *folder, int descriptor, const char *path, const struct object_put *put);
MUST_CHECK int folder_read_part(
        int descriptor, const char *path, uint64_t offset, uint64_t size, struct buf **ret_buf);
MUST_CHECK int folder_remove(struct folder *folder, const char *key, uint64_t deadline_ns);
MUST_CHECK int folder_list(struct folder *folder, const char *prefix, const char *start_after,
        size_t max, struct object_list *ret_list);
