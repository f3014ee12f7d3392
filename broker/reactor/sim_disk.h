#pragma once
/* The state of a simulated disk: what processes see, what is durable, and the changes in between.
 * No fibers, no time. Private to the simulator. */

#include "base/list.h"
#include "base/map.h"
#include "reactor/sim.h"
#include "reactor/sim_content.h"

struct sim_node {
    unsigned refs;   /* names, handles, changes */
    uint64_t number; /* the same in every copy of the disk */
    bool folder;
    char *path; /* last known name, for people */
    struct sim_content now;
    struct sim_content durable;
    void *locked_by;       /* handle */
    struct list link;      /* in the disk */
    struct sim_node *copy; /* while a disk is being copied */
};

struct sim_name {
    struct map_node link;
    char *path;
    struct sim_node *node;
};

enum change_kind { CHANGE_DATA, CHANGE_SIZE, CHANGE_LINK, CHANGE_UNLINK, CHANGE_RENAME };

/* What a change is; never changes itself, shared between copies of the disk. */
struct change_body {
    unsigned refs;
    enum change_kind kind;
    uint64_t offset; /* of the first sector */
    uint64_t size;   /* bytes in sectors, or the new size */
    uint8_t *data;   /* whole sectors; NULL: zeros */
    char *path;      /* link, unlink, rename: the name */
    char *to;        /* rename */
};

/* A change that is not durable, in the order in which they were made. */
struct change {
    struct list link;
    struct change_body *body;
    struct sim_node *node;
    uint64_t stamp;      /* order of submission */
    uint64_t done_stamp; /* when complete, 0 before */
};

struct sim_disk {
    struct map names; /* as processes see them */
    struct map durable_names;
    struct list nodes;
    struct list changes;
    uint64_t stamp_next;
    uint64_t node_next;
    uint64_t pending_bytes;
    uint64_t capacity;
};

struct sim_disk *sim_disk_new(void);
void sim_disk_free(struct sim_disk *disk);

/* NULL: not there. */
struct sim_node *sim_disk_find(const struct sim_disk *disk, const char *path);
struct sim_node *sim_node_unref(struct sim_node *node);
/* Makes a file or folder; the folder above must be there (the caller looks). */
struct sim_node *sim_disk_create(struct sim_disk *disk, const char *path, bool folder);
void sim_disk_unlink(struct sim_disk *disk, const char *path);
void sim_disk_rename_node(struct sim_disk *disk, const char *from, const char *to);
bool sim_disk_has_children(const struct sim_disk *disk, const char *path);
/* Writes and remembers what may be lost: the change of the data, which the caller completes with
 * sim_change_done. Sets the size when the file grows. keep: NULL, or one bool per sector that says
 * whether it is written at all. */
struct change *sim_disk_write(struct sim_disk *disk, struct sim_node *node, const void *data,
        size_t size, uint64_t offset, const bool *keep);
void sim_disk_resize(struct sim_disk *disk, struct sim_node *node, uint64_t size);
void sim_change_done(struct sim_disk *disk, struct change *change);
/* Makes the changes of data and size of that node durable that were done by `stamp`; with `only`,
 * just that change and the sizes before it. */
void sim_disk_flush(struct sim_disk *disk, struct sim_node *node, uint64_t stamp);
void sim_disk_flush_change(struct sim_disk *disk, struct change *durable);
/* A failed flush: each change that it would have made durable is forgotten as lost when lose() says
 * so. */
void sim_disk_flush_failed(struct sim_disk *disk, struct sim_node *node, uint64_t stamp,
        bool (*lose)(void *arg), void *arg);
/* Makes changes of names in that folder durable, and those before them. */
void sim_disk_flush_folder(struct sim_disk *disk, const char *path);
uint64_t sim_disk_used(const struct sim_disk *disk);
/* For sim_crash.c. */
void change_apply(struct sim_disk *disk, const struct change_body *body, struct sim_node *node,
        uint64_t stamp);
void change_drop(struct sim_disk *disk, struct change *change);
struct change *change_add(struct sim_disk *disk, struct change_body *body, struct sim_node *node);
void names_put(struct map *names, const char *path, struct sim_node *node);
struct sim_node *node_new(struct sim_disk *disk, bool folder, const char *path);
