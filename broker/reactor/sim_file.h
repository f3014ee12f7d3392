#pragma once
/* Open files of the simulator, and what sim_file.c and sim_operation.c need of each other. Private
 * to them. */

#include "reactor/disk_driver.h"
#include "reactor/sim_disk.h"
#include "reactor/sim_world.h"

struct sim_handle {
    struct list link; /* in the process */
    struct sim_host *host;
    struct sim_node *node;
    unsigned flags;
    unsigned in_flight;
    bool closed;
};

/* Frees a handle that is closed and has nothing under way; its lock is held until then (S2). */
void sim_handle_drop(struct sim_handle *handle);
/* Tells the watcher and the hash. */
void sim_boundary_pass(struct sim_host *host, struct sim_boundary what);
/* As disk_driver.operate. */
MUST_CHECK int64_t sim_file_operate(
        struct file *file, enum disk_operation_kind kind, void *data, size_t size, uint64_t offset);
