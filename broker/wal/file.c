/* Names, paths and folders of a WAL. */
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "wal/wal_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define INDEX_DIGITS 16

static bool
index_parse(const char *digits, uint64_t *ret_index)
{
    uint64_t index = 0;
    if (strlen(digits) != INDEX_DIGITS) {
        return false;
    }
    for (const char *c = digits; *c; c++) {
        bool decimal = *c >= '0' && *c <= '9';
        if (!decimal && (*c < 'a' || *c > 'f')) {
            return false;
        }
        index = index << 4 | (uint64_t)(decimal ? *c - '0' : *c - 'a' + 10);
    }
    /* Positions (index * segment size) must not overflow. */
    if (index == 0 || index >= (uint64_t)1 << 24 << 16) {
        return false;
    }
    *ret_index = index;
    return true;
}

enum wal_name_kind
wal_name_parse(const char *name, uint64_t *ret_index)
{
    if (strncmp(name, "segment-", 8) == 0) {
        return index_parse(name + 8, ret_index) ? WAL_NAME_SEGMENT : WAL_NAME_BAD;
    }
    if (strncmp(name, "spare-", 6) == 0) {
        return index_parse(name + 6, ret_index) ? WAL_NAME_SPARE : WAL_NAME_OTHER;
    }
    return WAL_NAME_OTHER;
}

int
wal_path(const char *folder, const char *name, char *out)
{
    int size = snprintf(out, FILE_PATH_MAX, "%s/%s", folder, name);
    if (size < 0 || size >= FILE_PATH_MAX) {
        return fault(-ENAMETOOLONG, "wal: path too long: %.200s/%.50s", folder, name);
    }
    return 0;
}

int
wal_path_index(const char *folder, const char *prefix, uint64_t index, char *out)
{
    char name[40];
    int size = snprintf(name, sizeof name, "%s-%016" PRIx64, prefix, index);
    if (size < 0 || (size_t)size >= sizeof name) {
        return fault(-ENAMETOOLONG, "wal: name too long: %s", prefix);
    }
    return wal_path(folder, name, out);
}

int
wal_file_open(struct wal *wal, const char *path, unsigned flags, struct file **ret_file)
{
    if (!wal->buffered) {
        int r = file_open(path, flags | FILE_DIRECT, ret_file);
        if (r != -EINVAL) {
            return r;
        }
        MARK("wal: direct writes refused");
        wal->buffered = true;
        LOG_INFO("wal: the file system refuses direct writes, using buffered ones",
                LOG_STR("folder", wal->folder));
    }
    return file_open(path, flags, ret_file);
}

int
wal_folders_sync(const char *folder)
{
    char path[FILE_PATH_MAX];
    int size = snprintf(path, sizeof path, "%s", folder);
    if (size < 0 || (size_t)size >= sizeof path) {
        return fault(-ENAMETOOLONG, "wal: path too long: %.200s", folder);
    }
    int r = disk_sync_folder(path);
    if (r < 0) {
        return r;
    }
    while (strcmp(path, "/") != 0 && strcmp(path, ".") != 0) {
        char *slash = strrchr(path, '/');
        if (!slash) {
            snprintf(path, sizeof path, ".");
        } else if (slash == path) {
            path[1] = '\0';
        } else {
            *slash = '\0';
        }
        r = disk_sync_folder(path);
        /* What we may not open we did not make. */
        if (r < 0 && r != -EACCES && r != -EPERM && r != -ENOENT) {
            return r;
        }
    }
    return 0;
}
