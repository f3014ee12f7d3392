#pragma once
/* What disk.c needs from the real disk and from the simulated one. Private to this room. Paths and
 * alignment were checked by disk.c; errors come with a fault. */

#include "reactor/disk.h"
#include "reactor/disk_fault.h"
#include "reactor/internal.h"

struct sim_handle;

struct file {
    char *path;
    unsigned flags;
    int descriptor;            /* real disk */
    struct sim_handle *handle; /* simulated disk */
};

/* No single transfer is larger; disk.c cuts. */
#define DISK_CHUNK_MAX (1u << 30)

struct disk_driver {
    int (*open)(struct file *file);
    void (*close)(struct file *file);
    /* Bytes done (syncs: 0) or -errno. */
    int64_t (*operate)(struct file *file, enum disk_operation_kind kind, void *data, size_t size,
            uint64_t offset);
    int (*size)(struct file *file, uint64_t *ret_size);
    int (*truncate)(struct file *file, uint64_t size);
    int (*allocate)(struct file *file, uint64_t offset, uint64_t size);
    int (*lock)(struct file *file);
    int (*rename)(const char *from, const char *to);
    int (*remove)(const char *path);
    /* One level; 0 when it is there already. */
    int (*make_folder)(const char *path);
    int (*sync_folder)(const char *path);
    /* Adds each name with disk_names_add. */
    int (*list)(const char *path, struct disk_names *names);
    int (*free_bytes)(const char *path, uint64_t *ret_bytes);
};

extern const struct disk_driver disk_real;
extern const struct disk_driver disk_sim;

/* What is to happen to the next such operation on that file. */
struct disk_fault disk_fault_of(enum disk_operation_kind kind, const char *path);

void disk_names_add(struct disk_names *names, const char *name);
