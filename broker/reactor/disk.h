#pragma once
/* Files of the local volume. Every call suspends the fiber until the kernel has finished (R1);
 * -errno with a fault that names the path. Relative paths are taken from the working directory. */

#include "reactor/fiber.h"

struct file;

enum file_flags {
    FILE_READ = 1,
    FILE_WRITE = 2,
    FILE_CREATE = 4,    /* create when missing */
    FILE_EXCLUSIVE = 8, /* with FILE_CREATE: -EEXIST when it is there */
    FILE_DIRECT = 16,   /* O_DIRECT: addresses, offsets and sizes in multiples of FILE_ALIGNMENT;
                           -EINVAL when the   file system cannot */
    FILE_TRUNCATE = 32,
};
#define FILE_ALIGNMENT 4096u

/* The name of a file, kept short. */
#define FILE_PATH_MAX 512

MUST_CHECK MAY_SUSPEND int file_open(const char *path, unsigned flags, struct file **ret_file);
/* Never fails; an error of close says nothing about data that was flushed before. Accepts NULL. */
MAY_SUSPEND void file_close(struct file *file);
/* Bytes read; fewer than size only at the end of the file. */
MUST_CHECK MAY_SUSPEND int64_t file_read(
        struct file *file, void *data, size_t size, uint64_t offset);
/* All or -errno; after an error any part may have been written. Not durable by itself. */
MUST_CHECK MAY_SUSPEND int file_write(
        struct file *file, const void *data, size_t size, uint64_t offset);
/* As file_write, and the bytes are on stable storage when it returns 0 (RWF_DSYNC). */
MUST_CHECK MAY_SUSPEND int file_write_durable(
        struct file *file, const void *data, size_t size, uint64_t offset);
/* All data written before is on stable storage when it returns 0. Never retry after an error: the
 * kernel may have dropped the dirty pages. `metadata`: sizes and times too (fsync instead of
 * fdatasync). */
MUST_CHECK MAY_SUSPEND int file_sync(struct file *file, bool metadata);
MUST_CHECK MAY_SUSPEND int file_size(struct file *file, uint64_t *ret_size);
MUST_CHECK MAY_SUSPEND int file_truncate(struct file *file, uint64_t size);
/* Reserves blocks without writing. -EOPNOTSUPP where the file system cannot. */
MUST_CHECK MAY_SUSPEND int file_allocate(struct file *file, uint64_t offset, uint64_t size);
/* Exclusive advisory lock of the open file (flock), without waiting: -EWOULDBLOCK when another
 * holds it. Released by file_close; a killed process may hold it until its last write has landed,
 * which is the point of it. */
MUST_CHECK MAY_SUSPEND int file_lock(struct file *file);

MUST_CHECK MAY_SUSPEND int disk_rename(const char *from, const char *to);
MUST_CHECK MAY_SUSPEND int disk_remove(const char *path);
/* Makes the folder and its parents. */
MUST_CHECK MAY_SUSPEND int disk_make_folder(const char *path);
/* Makes creations, renames and removals in that folder durable. */
MUST_CHECK MAY_SUSPEND int disk_sync_folder(const char *path);
/* Names in the folder without "." and "..", sorted by bytes; freed with disk_names_free. */
struct disk_names {
    char **names;
    size_t count;
};
MUST_CHECK MAY_SUSPEND int disk_list(const char *path, struct disk_names *ret_names);
void disk_names_free(struct disk_names *names);
MUST_CHECK MAY_SUSPEND int disk_free_bytes(const char *path, uint64_t *ret_bytes);
/* Whole small file, at most size_max bytes; -EFBIG. */
struct buf;
MUST_CHECK MAY_SUSPEND int disk_read_file(const char *path, size_t size_max, struct buf **ret_buf);
