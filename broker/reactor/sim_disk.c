/* Names, nodes and unflushed changes of a simulated disk. */
#include "reactor/sim_disk.h"

#include "base/check.h"
#include "base/mem.h"
#include "reactor/sim_world.h"

#include <string.h>

/* More unflushed bytes than that and the simulated kernel writes the oldest back by itself. */
#define PENDING_MAX (64 * MIB)

static bool
name_equal(const struct map_node *node, const void *key)
{
    return strcmp(CONTAINER_OF(node, struct sim_name, link)->path, key) == 0;
}

static struct sim_name *
names_find(const struct map *names, const char *path)
{
    struct map_node *node = map_find(names, bytes_hash(bytes_of_string(path), 0), name_equal, path);
    return node ? CONTAINER_OF(node, struct sim_name, link) : NULL;
}

struct sim_node *
sim_node_unref(struct sim_node *node)
{
    CHECK(node->refs > 0);
    if (--node->refs == 0) {
        list_remove(&node->link);
        sim_content_done(&node->now);
        sim_content_done(&node->durable);
        mem_free(node->path);
        mem_free(node);
    }
    return NULL;
}

static void
names_remove(struct map *names, const char *path)
{
    struct sim_name *name = names_find(names, path);
    if (name) {
        map_remove(names, &name->link);
        sim_node_unref(name->node);
        mem_free(name->path);
        mem_free(name);
    }
}

void
names_put(struct map *names, const char *path, struct sim_node *node)
{
    struct sim_name *name = mem_alloc(sizeof *name);
    node->refs++;
    names_remove(names, path);
    name->path = mem_strdup(path);
    name->node = node;
    map_insert(names, &name->link, bytes_hash(bytes_of_string(path), 0));
}

static void
names_done(struct map *names)
{
    MAP_FOREACH_SAFE(node, names)
    {
        struct sim_name *name = CONTAINER_OF(node, struct sim_name, link);
        sim_node_unref(name->node);
        mem_free(name->path);
        mem_free(name);
    }
    map_done(names);
}

struct sim_disk *
sim_disk_new(void)
{
    struct sim_disk *disk = mem_alloc(sizeof *disk);
    map_init(&disk->names);
    map_init(&disk->durable_names);
    list_init(&disk->nodes);
    list_init(&disk->changes);
    disk->stamp_next = 1;
    disk->node_next = 1;
    disk->capacity = 1024 * GIB;
    return disk;
}

void
change_drop(struct sim_disk *disk, struct change *change)
{
    struct change_body *body = change->body;
    disk->pending_bytes -= body->kind == CHANGE_DATA ? body->size : 0;
    list_remove(&change->link);
    sim_node_unref(change->node);
    if (--body->refs == 0) {
        mem_free(body->data);
        mem_free(body->path);
        mem_free(body->to);
        mem_free(body);
    }
    mem_free(change);
}

void
sim_disk_free(struct sim_disk *disk)
{
    while (!list_is_empty(&disk->changes)) {
        change_drop(disk, CONTAINER_OF(disk->changes.next, struct change, link));
    }
    names_done(&disk->names);
    names_done(&disk->durable_names);
    CHECK(list_is_empty(&disk->nodes));
    mem_free(disk);
}

struct sim_node *
sim_disk_find(const struct sim_disk *disk, const char *path)
{
    struct sim_name *name = names_find(&disk->names, path);
    return name ? name->node : NULL;
}

struct change *
change_add(struct sim_disk *disk, struct change_body *body, struct sim_node *node)
{
    struct change *change = mem_alloc(sizeof *change);
    body->refs++;
    node->refs++;
    change->body = body;
    change->node = node;
    change->stamp = disk->stamp_next++;
    disk->pending_bytes += body->kind == CHANGE_DATA ? body->size : 0;
    list_push_back(&disk->changes, &change->link);
    return change;
}

static struct change_body *
body_new(enum change_kind kind, const char *path, const char *to)
{
    struct change_body *body = mem_alloc(sizeof *body);
    body->kind = kind;
    body->path = path ? mem_strdup(path) : NULL;
    body->to = to ? mem_strdup(to) : NULL;
    return body;
}

/* Makes one change part of what is durable. */
void
change_apply(struct sim_disk *disk, const struct change_body *body, struct sim_node *node,
        uint64_t stamp)
{
    switch (body->kind) {
    case CHANGE_DATA:
        sim_content_write(&node->durable, body->data, (size_t)body->size, body->offset, stamp);
        break;
    case CHANGE_SIZE:
        sim_content_resize(&node->durable, body->size);
        break;
    case CHANGE_LINK:
        names_put(&disk->durable_names, body->path, node);
        break;
    case CHANGE_UNLINK:
        names_remove(&disk->durable_names, body->path);
        break;
    case CHANGE_RENAME:
        names_remove(&disk->durable_names, body->path);
        names_put(&disk->durable_names, body->to, node);
        break;
    }
}

/* Whether an older write of that file is still unflushed: then the stamps of this one matter, see
 * sim_content_write. */
static bool
has_older(struct sim_disk *disk, const struct change *change)
{
    LIST_FOREACH (link, &disk->changes) {
        struct change *other = CONTAINER_OF(link, struct change, link);
        if (other == change) {
            return false;
        }
        if (other->node == change->node && other->body->kind == CHANGE_DATA) {
            return true;
        }
    }
    return false;
}

static void
change_make_durable(struct sim_disk *disk, struct change *change)
{
    change->node->durable.dense = has_older(disk, change);
    change_apply(disk, change->body, change->node, change->stamp);
    change_drop(disk, change);
}

struct sim_node *
node_new(struct sim_disk *disk, bool folder, const char *path)
{
    struct sim_node *node = mem_alloc(sizeof *node);
    node->number = disk->node_next++;
    node->folder = folder;
    node->path = mem_strdup(path);
    list_push_back(&disk->nodes, &node->link);
    return node;
}

struct sim_node *
sim_disk_create(struct sim_disk *disk, const char *path, bool folder)
{
    struct sim_node *node = node_new(disk, folder, path);
    names_put(&disk->names, path, node);
    change_add(disk, body_new(CHANGE_LINK, path, NULL), node)->done_stamp = disk->stamp_next++;
    return node;
}

void
sim_disk_unlink(struct sim_disk *disk, const char *path)
{
    struct sim_node *node = sim_disk_find(disk, path);
    change_add(disk, body_new(CHANGE_UNLINK, path, NULL), node)->done_stamp = disk->stamp_next++;
    names_remove(&disk->names, path);
}

void
sim_disk_rename_node(struct sim_disk *disk, const char *from, const char *to)
{
    struct sim_node *node = sim_disk_find(disk, from);
    change_add(disk, body_new(CHANGE_RENAME, from, to), node)->done_stamp = disk->stamp_next++;
    names_put(&disk->names, to, node);
    names_remove(&disk->names, from);
    mem_free(node->path);
    node->path = mem_strdup(to);
}

bool
sim_disk_has_children(const struct sim_disk *disk, const char *path)
{
    size_t size = strlen(path);
    MAP_FOREACH(node, &disk->names)
    {
        const char *other = CONTAINER_OF(node, struct sim_name, link)->path;
        if (strncmp(other, path, size) == 0 && other[size] == '/') {
            return true;
        }
    }
    return false;
}

/* Keeps the memory bounded; a real kernel writes back too. */
static void
write_back(struct sim_disk *disk)
{
    LIST_FOREACH_SAFE (node, &disk->changes) {
        struct change *change = CONTAINER_OF(node, struct change, link);
        if (disk->pending_bytes <= PENDING_MAX) {
            return;
        }
        if (change->body->kind == CHANGE_DATA && change->done_stamp) {
            change_make_durable(disk, change);
        }
    }
}

static void
size_change(struct sim_disk *disk, struct sim_node *node, uint64_t size)
{
    struct change_body *body = body_new(CHANGE_SIZE, NULL, NULL);
    body->size = size;
    change_add(disk, body, node)->done_stamp = disk->stamp_next++;
}

void
sim_disk_resize(struct sim_disk *disk, struct sim_node *node, uint64_t size)
{
    sim_content_resize(&node->now, size);
    size_change(disk, node, size);
}

static bool
is_zeros(const uint8_t *data, size_t size)
{
    return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* The sectors that [offset, offset + size) touches, as processes see them now. */
static struct change_body *
data_body(struct sim_node *node, size_t size, uint64_t offset)
{
    struct change_body *body = body_new(CHANGE_DATA, NULL, NULL);
    uint64_t end = (offset + size + SIM_SECTOR_SIZE - 1) / SIM_SECTOR_SIZE * SIM_SECTOR_SIZE;
    body->offset = offset / SIM_SECTOR_SIZE * SIM_SECTOR_SIZE;
    body->size = end - body->offset;
    body->data = mem_alloc((size_t)body->size);
    sim_content_read(&node->now, body->data, (size_t)body->size, body->offset);
    if (is_zeros(body->data, (size_t)body->size)) {
        mem_free(body->data);
        body->data = NULL;
    }
    return body;
}

struct change *
sim_disk_write(struct sim_disk *disk, struct sim_node *node, const void *data, size_t size,
        uint64_t offset, const bool *keep)
{
    uint64_t first = offset / SIM_SECTOR_SIZE;
    for (size_t done = 0; done < size;) {
        uint64_t at = offset + done;
        size_t n = MIN(size - done, SIM_SECTOR_SIZE - (size_t)(at % SIM_SECTOR_SIZE));
        if (!keep || keep[at / SIM_SECTOR_SIZE - first]) {
            sim_content_write(&node->now, (const uint8_t *)data + done, n, at, UINT64_MAX);
        }
        done += n;
    }
    if (offset + size > node->now.size) {
        node->now.size = offset + size;
        size_change(disk, node, offset + size);
    }
    struct change *change = change_add(disk, data_body(node, size, offset), node);
    write_back(disk);
    return change;
}

void
sim_change_done(struct sim_disk *disk, struct change *change)
{
    change->done_stamp = disk->stamp_next++;
}

static bool
is_of_file(const struct change *change, const struct sim_node *node)
{
    return change->node == node &&
           (change->body->kind == CHANGE_DATA || change->body->kind == CHANGE_SIZE);
}

void
sim_disk_flush(struct sim_disk *disk, struct sim_node *node, uint64_t stamp)
{
    LIST_FOREACH_SAFE (link, &disk->changes) {
        struct change *change = CONTAINER_OF(link, struct change, link);
        if (is_of_file(change, node) && change->done_stamp && change->done_stamp <= stamp) {
            change_make_durable(disk, change);
        }
    }
}

void
sim_disk_flush_change(struct sim_disk *disk, struct change *durable)
{
    LIST_FOREACH_SAFE (link, &disk->changes) {
        struct change *change = CONTAINER_OF(link, struct change, link);
        if (change == durable) {
            break;
        }
        if (change->node == durable->node && change->body->kind == CHANGE_SIZE) {
            change_make_durable(disk, change);
        }
    }
    change_make_durable(disk, durable);
}

void
sim_disk_flush_failed(struct sim_disk *disk, struct sim_node *node, uint64_t stamp,
        bool (*lose)(void *arg), void *arg)
{
    LIST_FOREACH_SAFE (link, &disk->changes) {
        struct change *change = CONTAINER_OF(link, struct change, link);
        if (is_of_file(change, node) && change->body->kind == CHANGE_DATA && change->done_stamp &&
                change->done_stamp <= stamp && lose(arg)) {
            change_drop(disk, change);
        }
    }
}

static bool
is_in_folder(const char *path, const char *folder)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    size_t size = slash ? (size_t)(slash - path) : 0;
    if (!path) {
        return false;
    }
    if (!slash) {
        return strcmp(folder, ".") == 0 || folder[0] == 0;
    }
    return (size == 0 && strcmp(folder, "/") == 0) ||
           (strlen(folder) == size && memcmp(path, folder, size) == 0);
}

void
sim_disk_flush_folder(struct sim_disk *disk, const char *path)
{
    struct change *last = NULL;
    LIST_FOREACH (link, &disk->changes) {
        struct change *change = CONTAINER_OF(link, struct change, link);
        if (is_in_folder(change->body->path, path) || is_in_folder(change->body->to, path)) {
            last = change;
        }
    }
    if (!last) {
        return;
    }
    uint64_t stamp = last->stamp;
    LIST_FOREACH_SAFE (link, &disk->changes) {
        struct change *change = CONTAINER_OF(link, struct change, link);
        if (change->stamp > stamp) {
            break;
        }
        if (change->body->path) {
            change_make_durable(disk, change);
        }
    }
}

uint64_t
sim_disk_used(const struct sim_disk *disk)
{
    uint64_t used = 0;
    LIST_FOREACH (link, &disk->nodes) {
        used += sim_content_used(&CONTAINER_OF(link, struct sim_node, link)->now);
    }
    return used;
}
