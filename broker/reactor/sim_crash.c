/* Snapshots of a disk, and what is left of one after a power cut. */
#include "base/mem.h"
#include "reactor/sim_disk.h"
#include "reactor/sim_world.h"

#include <errno.h>
#include <string.h>

struct sim_image {
    struct sim_disk *disk;
};

static void
copy_names(struct map *to, const struct map *from)
{
    MAP_FOREACH(node, from)
    {
        struct sim_name *name = CONTAINER_OF(node, struct sim_name, link);
        names_put(to, name->path, name->node->copy);
    }
}

/* Shares all pages. Files without a name that only an open handle keeps are left out: a power cut
 * ends them. */
static struct sim_disk *
disk_copy(const struct sim_disk *from)
{
    struct sim_disk *to = sim_disk_new();
    LIST_FOREACH (link, &from->nodes) {
        struct sim_node *node = CONTAINER_OF(link, struct sim_node, link);
        struct sim_node *copy = node_new(to, node->folder, node->path);
        copy->number = node->number;
        sim_content_share(&copy->now, &node->now);
        sim_content_share(&copy->durable, &node->durable);
        copy->refs = 1;
        node->copy = copy;
    }
    copy_names(&to->names, &from->names);
    copy_names(&to->durable_names, &from->durable_names);
    LIST_FOREACH (link, &from->changes) {
        struct change *change = CONTAINER_OF(link, struct change, link);
        struct change *copy = change_add(to, change->body, change->node->copy);
        copy->stamp = change->stamp;
        copy->done_stamp = change->done_stamp;
    }
    to->stamp_next = from->stamp_next;
    to->node_next = from->node_next;
    to->capacity = from->capacity;
    LIST_FOREACH_SAFE (link, &to->nodes) {
        sim_node_unref(CONTAINER_OF(link, struct sim_node, link));
    }
    return to;
}

struct sim_image *
sim_disk_snapshot(struct sim_host *host)
{
    struct sim_image *image = mem_alloc(sizeof *image);
    image->disk = disk_copy(host->disk);
    return image;
}

void
sim_image_free(struct sim_image *image)
{
    if (image) {
        sim_disk_free(image->disk);
        mem_free(image);
    }
}

static size_t
units_of(const struct change *change)
{
    return change->body->kind == CHANGE_DATA ? (size_t)(change->body->size / SIM_SECTOR_SIZE) : 1;
}

size_t
sim_image_units(const struct sim_image *image)
{
    size_t count = 0;
    LIST_FOREACH (link, &image->disk->changes) {
        count += units_of(CONTAINER_OF(link, struct change, link));
    }
    return count;
}

/* The decisions about one crash while its units are walked through. */
struct choice {
    const struct sim_crash *crash;
    uint64_t seed;
    size_t index;
    bool names_end; /* a name change was lost, so all later ones are */
};

static bool
unit_is_kept(struct choice *choice, const struct sim_unit *unit)
{
    const struct sim_crash *crash = choice->crash;
    switch (crash->keep) {
    case SIM_KEEP_NONE:
        return false;
    case SIM_KEEP_ALL:
        return true;
    case SIM_KEEP_ONE:
        /* A name needs those before it. */
        return unit->kind == SIM_UNIT_NAME ? unit->index <= crash->index
                                           : unit->index == crash->index;
    case SIM_KEEP_ALL_BUT:
        return unit->index != crash->index;
    case SIM_KEEP_FIRST:
        return unit->index < crash->index;
    case SIM_KEEP_RANDOM:
        choice->seed = hash_u64(choice->seed + unit->index + 0x9e3779b97f4a7c15u);
        return choice->seed % 1000 < crash->permille;
    case SIM_KEEP_CHOSEN:
        return crash->choose(crash->arg, unit);
    }
    UNREACHABLE();
}

static bool
keep_next(struct choice *choice, const struct change *change, uint64_t offset)
{
    enum change_kind kind = change->body->kind;
    struct sim_unit unit = {
        .index = choice->index++,
        .kind = kind == CHANGE_DATA   ? SIM_UNIT_SECTOR
                : kind == CHANGE_SIZE ? SIM_UNIT_SIZE
                                      : SIM_UNIT_NAME,
        .path = change->body->path ? change->body->path : change->node->path,
        .offset = offset,
        .done = change->done_stamp != 0,
    };
    bool kept = unit_is_kept(choice, &unit);
    if (unit.kind == SIM_UNIT_NAME) {
        choice->names_end = choice->names_end || !kept;
        kept = !choice->names_end;
    }
    return kept;
}

static void
crash_data(struct choice *choice, struct change *change)
{
    const struct change_body *body = change->body;
    for (uint64_t done = 0; done < body->size; done += SIM_SECTOR_SIZE) {
        if (keep_next(choice, change, body->offset + done)) {
            sim_content_write(&change->node->durable, body->data ? body->data + done : NULL,
                    SIM_SECTOR_SIZE, body->offset + done, change->stamp);
        }
    }
}

/* SIM_KEEP_ONE of a sector or size keeps no name before it. */
static bool
one_is_name(const struct sim_disk *disk, size_t index)
{
    LIST_FOREACH (link, &disk->changes) {
        struct change *change = CONTAINER_OF(link, struct change, link);
        size_t units = units_of(change);
        if (index < units) {
            return change->body->path != NULL;
        }
        index -= units;
    }
    return false;
}

static void
crash_changes(struct sim_disk *disk, const struct sim_crash *crash)
{
    struct choice choice = { .crash = crash, .seed = crash->seed };
    choice.names_end = crash->keep == SIM_KEEP_ONE && !one_is_name(disk, crash->index);
    LIST_FOREACH (link, &disk->changes) {
        struct change *change = CONTAINER_OF(link, struct change, link);
        change->node->durable.dense = false;
        if (change->body->kind == CHANGE_DATA) {
            crash_data(&choice, change);
        } else if (keep_next(&choice, change, change->body->size)) {
            change_apply(disk, change->body, change->node, change->stamp);
        }
    }
}

static bool
has_parent(const struct sim_disk *disk, const char *path)
{
    char parent[FILE_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) {
        return true;
    }
    bytes_to_string(bytes_of(path, (size_t)(slash - path)), parent, sizeof parent);
    return sim_disk_find(disk, parent) != NULL;
}

static void
names_clear(struct map *names)
{
    MAP_FOREACH_SAFE(node, names)
    {
        struct sim_name *name = CONTAINER_OF(node, struct sim_name, link);
        map_remove(names, node);
        sim_node_unref(name->node);
        mem_free(name->path);
        mem_free(name);
    }
}

/* One name whose folder is gone, or NULL. */
static const char *
find_orphan(const struct sim_disk *disk)
{
    MAP_FOREACH(node, &disk->names)
    {
        const char *path = CONTAINER_OF(node, struct sim_name, link)->path;
        if (!has_parent(disk, path)) {
            return path;
        }
    }
    return NULL;
}

/* What is durable becomes what is there. */
static void
disk_restart(struct sim_disk *disk)
{
    const char *orphan;
    LIST_FOREACH (link, &disk->nodes) {
        struct sim_node *node = CONTAINER_OF(link, struct sim_node, link);
        node->copy = node;
    }
    names_clear(&disk->names);
    copy_names(&disk->names, &disk->durable_names);
    while (!list_is_empty(&disk->changes)) {
        change_drop(disk, CONTAINER_OF(disk->changes.next, struct change, link));
    }
    while ((orphan = find_orphan(disk))) {
        char path[FILE_PATH_MAX];
        bytes_to_string(bytes_of_string(orphan), path, sizeof path);
        sim_disk_unlink(disk, path);
    }
    while (!list_is_empty(&disk->changes)) {
        struct change *change = CONTAINER_OF(disk->changes.next, struct change, link);
        change_apply(disk, change->body, change->node, change->stamp);
        change_drop(disk, change);
    }
    LIST_FOREACH (link, &disk->nodes) {
        struct sim_node *node = CONTAINER_OF(link, struct sim_node, link);
        sim_content_done(&node->now);
        /* Sectors written beyond the size that survived are out of reach. */
        sim_content_cut(&node->durable);
        sim_content_share(&node->now, &node->durable);
    }
}

void
sim_disk_load(struct sim_host *host, const struct sim_image *image, const struct sim_crash *crash)
{
    struct sim_disk *disk = disk_copy(image->disk);
    LIST_FOREACH (link, &host->sim->processes) {
        struct sim_process *process = CONTAINER_OF(link, struct sim_process, link);
        CHECK(process->over || process->host != host);
    }
    sim_file_void(host);
    crash_changes(disk, crash);
    disk_restart(disk);
    sim_disk_free(host->disk);
    host->disk = disk;
}

void
sim_power_cut(struct sim_host *host, const struct sim_crash *crash)
{
    struct sim_image *image = sim_disk_snapshot(host);
    LIST_FOREACH (link, &host->sim->processes) {
        struct sim_process *process = CONTAINER_OF(link, struct sim_process, link);
        if (process->host == host && !process->over) {
            CHECK(!reactor_here || reactor_here->reactors->sim != process);
            process->silent = true;
            sim_kill(process);
            struct reactor *before = reactor_here;
            sim_process_settle(process);
            reactor_here = before;
        }
    }
    sim_disk_load(host, image, crash);
    sim_image_free(image);
}

int
sim_disk_rot(struct sim_host *host, const char *path, uint64_t offset, unsigned bit)
{
    struct sim_node *node = sim_disk_find(host->disk, path);
    uint8_t byte;
    if (!node) {
        return fault(-ENOENT, "sim: no file %s on %s", path, host->name);
    }
    if (offset >= node->now.size || bit > 7) {
        return fault(
                -EINVAL, "sim: %s has no bit %u at %llu", path, bit, (unsigned long long)offset);
    }
    sim_content_read(&node->now, &byte, 1, offset);
    byte = (uint8_t)(byte ^ 1u << bit);
    sim_content_write(&node->now, &byte, 1, offset, UINT64_MAX);
    sim_content_read(&node->durable, &byte, 1, offset);
    byte = (uint8_t)(byte ^ 1u << bit);
    sim_content_write(&node->durable, &byte, 1, offset, UINT64_MAX);
    sim_note(host->sim, 6, offset, bit);
    return 0;
}

void
sim_disk_set_capacity(struct sim_host *host, uint64_t bytes)
{
    host->disk->capacity = bytes;
}
