/* See support_file.h. */
#include "support_file.h"

#include "reactor/clock.h"

#include <dirent.h>

uint64_t
soon(void)
{
    return clock_mono_ns() + 20 * (uint64_t)NS_PER_S;
}

int
put_bytes(struct folder *folder, const char *key, struct bytes body,
        enum object_condition condition, struct object_etag *etag)
{
    struct iovec part = { (void *)(uintptr_t)body.data, body.size };
    struct object_put what = { key, &part, 1, condition, .deadline_ns = soon() };
    struct object_etag ret;
    if (etag && condition == OBJECT_REPLACE) {
        what.etag = *etag;
    }
    int r = folder_write(folder, &what, &ret);
    if (r == 0 && etag) {
        *etag = ret;
    }
    return r;
}

int
put_text(struct folder *folder, const char *key, const char *body, enum object_condition condition)
{
    return put_bytes(folder, key, bytes_of_string(body), condition, NULL);
}

int
names_in(const struct folder *folder, const char *part)
{
    char path[FOLDER_PATH_SIZE];
    int count = 0;
    if (folder_path(folder, part, path) < 0) {
        return -1;
    }
    DIR *directory = opendir(path);
    if (!directory) {
        return -1;
    }
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        count += entry->d_name[0] != '.';
    }
    closedir(directory);
    return count;
}
