/* file:// stores: hands each operation to a helper thread, where it may block. */
#include "base/fault.h"
#include "base/mem.h"
#include "objectstore/file_internal.h"
#include "reactor/call.h"

#include <errno.h>

struct file_store {
    struct objectstore base;
    struct folder folder;
};

/* One operation on its way to a helper thread and back. Lives on the fiber's stack. */
struct job {
    struct folder *folder;
    enum object_operation operation;
    const char *key;
    uint64_t deadline_ns;
    struct object_range range;
    const struct object_put *put;
    const char *const *keys;
    size_t count;
    const char *start_after;
    struct buf *buf;
    struct object_info info;
    struct object_etag etag;
    struct object_list list;
};

static int
remove_all(struct job *job)
{
    for (size_t i = 0; i < job->count; i++) {
        int r = folder_remove(job->folder, job->keys[i], job->deadline_ns);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* The fiber's fault is lent to the helper thread, so stories need no carrying over. */
static int
job_run(void *arg)
{
    struct job *job = arg;
    switch (job->operation) {
    case OBJECT_OP_GET:
        return folder_read(job->folder, job->key, job->range, &job->buf, &job->info);
    case OBJECT_OP_HEAD:
        return folder_read(job->folder, job->key, OBJECT_WHOLE, NULL, &job->info);
    case OBJECT_OP_PUT:
        return folder_write(job->folder, job->put, &job->etag);
    case OBJECT_OP_DELETE:
        return remove_all(job);
    case OBJECT_OP_LIST:
        return folder_list(job->folder, job->key, job->start_after, job->count, &job->list);
    case OBJECT_OP_COUNT:
        break;
    }
    return fault(-EINVAL, "file store: no such operation");
}

static int
offload(struct objectstore *store, struct job *job)
{
    job->folder = &CONTAINER_OF(store, struct file_store, base)->folder;
    return offload_run(job_run, job);
}

static int
file_get(struct objectstore *store, const char *key, struct object_range range,
        uint64_t deadline_ns, struct buf **ret_buf, struct object_info *ret_info)
{
    struct job job = {
        .operation = OBJECT_OP_GET, .key = key, .range = range, .deadline_ns = deadline_ns
    };
    int r = offload(store, &job);
    if (r == 0) {
        *ret_buf = job.buf;
        *ret_info = job.info;
    }
    return r;
}

static int
file_head(struct objectstore *store, const char *key, uint64_t deadline_ns,
        struct object_info *ret_info)
{
    struct job job = { .operation = OBJECT_OP_HEAD, .key = key, .deadline_ns = deadline_ns };
    int r = offload(store, &job);
    if (r == 0) {
        *ret_info = job.info;
    }
    return r;
}

static int
file_put(struct objectstore *store, const struct object_put *put, struct object_etag *ret_etag)
{
    struct job job = { .operation = OBJECT_OP_PUT, .put = put };
    int r = offload(store, &job);
    if (r == 0) {
        *ret_etag = job.etag;
    }
    return r;
}

static int
file_delete_many(
        struct objectstore *store, const char *const *keys, size_t count, uint64_t deadline_ns)
{
    struct job job = {
        .operation = OBJECT_OP_DELETE, .keys = keys, .count = count, .deadline_ns = deadline_ns
    };
    return offload(store, &job);
}

static int
file_delete(struct objectstore *store, const char *key, uint64_t deadline_ns)
{
    return file_delete_many(store, &key, 1, deadline_ns);
}

static int
file_list(struct objectstore *store, const char *prefix, const char *start_after, size_t max,
        uint64_t deadline_ns, struct object_list *ret_list)
{
    struct job job = { .operation = OBJECT_OP_LIST, .key = prefix, .deadline_ns = deadline_ns };
    job.start_after = start_after;
    job.count = max;
    int r = offload(store, &job);
    if (r == 0) {
        *ret_list = job.list;
    }
    return r;
}

static int
done_run(void *arg)
{
    folder_done(arg);
    return 0;
}

static void
file_close(struct objectstore *store)
{
    struct file_store *file = CONTAINER_OF(store, struct file_store, base);
    if (offload_run(done_run, &file->folder) < 0) {
        folder_done(&file->folder); /* no helper thread: the few removals are done here */
    }
    objectstore_done(store);
    mem_free(file);
}

static const struct objectstore_ops file_ops = {
    .get = file_get,
    .head = file_head,
    .put = file_put,
    .delete = file_delete,
    .delete_many = file_delete_many,
    .list = file_list,
    .close = file_close,
};

int
file_store_open(struct object_url *url, struct objectstore **ret_store)
{
    bool sync = true;
    if (url->authority[0] || url->path[0] != '/' || url->path[1] == 0) {
        return fault(-EINVAL, "object store URL %s: expected file:///ABSOLUTE/FOLDER", url->text);
    }
    int r = object_url_take_bool(url, "sync", true, &sync);
    if (r == 0) {
        r = object_url_check_all_taken(url, "sync, hedge");
    }
    if (r < 0) {
        return r;
    }
    size_t size = strlen(url->path);
    while (size > 1 && url->path[size - 1] == '/') {
        url->path[--size] = 0;
    }
    if (size > FOLDER_ROOT_SIZE_MAX) {
        return fault(-EINVAL, "object store URL %s: the folder's path is longer than %d bytes",
                url->text, FOLDER_ROOT_SIZE_MAX);
    }
    struct file_store *file = mem_alloc(sizeof *file);
    objectstore_init(&file->base, &file_ops, url->text);
    folder_init(&file->folder, url->path, sync);
    *ret_store = &file->base;
    return 0;
}
