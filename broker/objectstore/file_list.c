/* Listing a file:// store in byte order of keys: a walk over the folders that opens only those that
 * can hold an answer. In one folder the names sort as their keys do, a folder with its '/' ("a-b" <
 * "a/x" < "a0"), so that the order of the walk is the order of the keys. Blocking; on helper
 * threads. */
#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "objectstore/file_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names of one folder held at once; a bigger folder is read again for the next ones. */
#define FRAME_NAMES_MAX 8192
/* A folder's name with its '/'. */
#define NAME_SIZE_MAX (NAME_MAX + 2)

/* One folder on the way from the base to where the walk is. */
struct frame {
    char **names; /* sorted; folders end in '/' */
    size_t count;
    size_t next;
    size_t key_size; /* of the part of the key that names this folder, with its '/' */
    bool truncated;  /* names above the last one here were left out */
    char after[NAME_SIZE_MAX];
};

struct walk {
    const struct folder *folder;
    const char *prefix;
    const char *start_after;
    size_t max;
    struct object_list *list;
    char key[OBJECT_KEY_SIZE_MAX + NAME_SIZE_MAX];
    struct frame *frames;
    size_t depth;
    size_t capacity;
};

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
starts_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

/* Whether the answer may hold `key`, or for a folder something below it. */
static bool
is_wanted(const struct walk *walk, const char *key, bool is_folder)
{
    if (strcmp(key, walk->start_after) <= 0 &&
            !(is_folder && starts_with(walk->start_after, key))) {
        return false;
    }
    return starts_with(key, walk->prefix) || (is_folder && starts_with(walk->prefix, key));
}

static bool
entry_is_folder(DIR *directory, const struct dirent *entry)
{
    if (entry->d_type != DT_UNKNOWN) {
        return entry->d_type == DT_DIR;
    }
    struct stat status;
    /* dirfd of an open folder does not fail. NOLINTNEXTLINE(*-unix.StdCLibraryFunctions) */
    return fstatat(dirfd(directory), entry->d_name, &status, 0) == 0 && S_ISDIR(status.st_mode);
}

static void
frame_free_names(struct frame *frame, size_t from)
{
    for (size_t i = from; i < frame->count; i++) {
        mem_free(frame->names[i]);
    }
    frame->count = MIN(frame->count, from);
}

static void
frame_add(struct frame *frame, const char *name)
{
    /* Once names were left out, all up to this one are kept and none above it. */
    if (frame->truncated && strcmp(name, frame->names[FRAME_NAMES_MAX / 2 - 1]) > 0) {
        return;
    }
    if (frame->count == FRAME_NAMES_MAX) {
        qsort(frame->names, frame->count, sizeof *frame->names, compare_names);
        frame_free_names(frame, FRAME_NAMES_MAX / 2);
        frame->truncated = true;
        if (strcmp(name, frame->names[frame->count - 1]) > 0) {
            return;
        }
    }
    frame->names[frame->count++] = mem_strdup(name);
}

/* Adds one name of the folder if the answer may need it. */
static void
frame_consider(struct walk *walk, struct frame *frame, DIR *directory, const struct dirent *entry)
{
    char name[NAME_SIZE_MAX];
    /* Names that no key can have are not ours: ~tmp, lost+found, "." and "..". */
    if (object_key_check(entry->d_name) < 0) {
        return;
    }
    bool is_folder = entry_is_folder(directory, entry);
    snprintf(name, sizeof name, "%s%s", entry->d_name, is_folder ? "/" : "");
    if (frame->after[0] && strcmp(name, frame->after) <= 0) {
        return;
    }
    if (frame->key_size + strlen(name) > OBJECT_KEY_SIZE_MAX) {
        return;
    }
    snprintf(walk->key + frame->key_size, sizeof walk->key - frame->key_size, "%s", name);
    if (is_wanted(walk, walk->key, is_folder)) {
        frame_add(frame, name);
    }
}

/* Reads the names above frame->after. */
static int
frame_fill(struct walk *walk, struct frame *frame)
{
    char path[FOLDER_PATH_SIZE];
    walk->key[frame->key_size] = 0;
    int r = folder_path(walk->folder, walk->key, path);
    if (r < 0) {
        return r;
    }
    frame->truncated = false;
    frame->next = 0;
    DIR *directory = opendir(path);
    if (!directory) {
        /* A folder that just went away had nothing in it. */
        return errno == ENOENT || errno == ENOTDIR ? 0 : folder_fault(errno, "list", path);
    }
    if (!frame->names) {
        frame->names = mem_alloc_array(FRAME_NAMES_MAX, sizeof *frame->names);
    }
    errno = 0;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        frame_consider(walk, frame, directory, entry);
        errno = 0;
    }
    r = errno ? folder_fault(errno, "list", path) : 0;
    closedir(directory);
    if (frame->count) {
        qsort(frame->names, frame->count, sizeof *frame->names, compare_names);
    }
    return r;
}

static int
walk_enter(struct walk *walk, size_t key_size)
{
    if (walk->depth == walk->capacity) {
        walk->capacity = walk->capacity * 2 + 8;
        walk->frames = mem_realloc(walk->frames, walk->capacity * sizeof *walk->frames);
    }
    struct frame *frame = &walk->frames[walk->depth++];
    *frame = (struct frame){ .key_size = key_size };
    return frame_fill(walk, frame);
}

static void
walk_leave(struct walk *walk)
{
    struct frame *frame = &walk->frames[--walk->depth];
    frame_free_names(frame, 0);
    mem_free(frame->names);
}

/* walk->key names a file. Returns 1 when the page is full. */
static int
walk_add(struct walk *walk)
{
    char path[FOLDER_PATH_SIZE];
    struct stat status;
    int r = folder_path(walk->folder, walk->key, path);
    if (r < 0) {
        return r;
    }
    if (stat(path, &status) < 0) {
        return errno == ENOENT ? 0 : folder_fault(errno, "look at", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return 0;
    }
    if (walk->list->count == walk->max) {
        walk->list->more = true;
        return 1;
    }
    struct object_info info;
    folder_info(&status, &info);
    object_list_add(walk->list, walk->max, walk->key, info.size, info.modified_ms);
    return 0;
}

/* One step; 1 when the list is complete. */
static int
walk_step(struct walk *walk)
{
    struct frame *frame = &walk->frames[walk->depth - 1];
    if (frame->next == frame->count && frame->truncated) {
        snprintf(frame->after, sizeof frame->after, "%s", frame->names[frame->count - 1]);
        frame_free_names(frame, 0);
        return frame_fill(walk, frame);
    }
    if (frame->next == frame->count) {
        walk_leave(walk);
        return walk->depth == 0;
    }
    const char *name = frame->names[frame->next++];
    size_t name_size = strlen(name);
    size_t key_size = frame->key_size + name_size;
    memcpy(walk->key + frame->key_size, name, name_size + 1);
    return name[name_size - 1] == '/' ? walk_enter(walk, key_size) : walk_add(walk);
}

int
folder_list(struct folder *folder, const char *prefix, const char *start_after, size_t max,
        struct object_list *ret_list)
{
    struct object_list list = { 0 };
    struct walk walk = {
        .folder = folder, .prefix = prefix, .start_after = start_after, .max = max, .list = &list
    };
    /* All answers are below the last '/' of the prefix. */
    const char *slash = strrchr(prefix, '/');
    size_t base_size = slash ? (size_t)(slash - prefix) + 1 : 0;
    memcpy(walk.key, prefix, base_size);
    int r = walk_enter(&walk, base_size);
    while (r == 0) {
        r = walk_step(&walk);
    }
    while (walk.depth) {
        walk_leave(&walk);
    }
    mem_free(walk.frames);
    if (r < 0) {
        object_list_done(&list);
        return r;
    }
    *ret_list = list;
    return 0;
}
