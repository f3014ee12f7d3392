/* Object stores in memory: a sorted array of objects for each name. */
#include "objectstore/memory.h"

#include "base/fault.h"
#include "base/list.h"
#include "base/mem.h"
#include "objectstore/internal.h"
#include "reactor/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

struct object {
    char *key;
    struct buf *body;
    struct object_etag etag;
    int64_t modified_ms;
};

/* All objects of one name. Outlives the stores that show it, as a bucket does. */
struct bucket {
    struct list node;
    char *name;
    struct object **objects; /* by key */
    size_t count;
    size_t capacity;
};

struct memory_store {
    struct objectstore base;
    struct bucket *bucket;
};

/* Held for moments only, never across a wait: reactors of one process share the buckets. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct list buckets = { &buckets, &buckets };

static struct bucket *
bucket_find(const char *name)
{
    LIST_FOREACH (node, &buckets) {
        struct bucket *bucket = CONTAINER_OF(node, struct bucket, node);
        if (strcmp(bucket->name, name) == 0) {
            return bucket;
        }
    }
    return NULL;
}

/* Index of the first object whose key is not below `key`. */
static size_t
lower_bound(const struct bucket *bucket, const char *key)
{
    size_t low = 0;
    size_t high = bucket->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(bucket->objects[middle]->key, key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct object *
object_find(const struct bucket *bucket, const char *key)
{
    size_t i = lower_bound(bucket, key);
    return i < bucket->count && strcmp(bucket->objects[i]->key, key) == 0 ? bucket->objects[i]
                                                                          : NULL;
}

static void
object_free(struct object *object)
{
    buf_unref(object->body);
    mem_free(object->key);
    mem_free(object);
}

static void
bucket_insert(struct bucket *bucket, struct object *object)
{
    if (bucket->count == bucket->capacity) {
        bucket->capacity = bucket->capacity * 2 + 16;
        bucket->objects = mem_realloc(bucket->objects, bucket->capacity * sizeof *bucket->objects);
    }
    size_t i = lower_bound(bucket, object->key);
    memmove(bucket->objects + i + 1, bucket->objects + i,
            (bucket->count - i) * sizeof *bucket->objects);
    bucket->objects[i] = object;
    bucket->count++;
}

static void
bucket_remove(struct bucket *bucket, const char *key)
{
    size_t i = lower_bound(bucket, key);
    if (i == bucket->count || strcmp(bucket->objects[i]->key, key) != 0) {
        return;
    }
    object_free(bucket->objects[i]);
    bucket->count--;
    memmove(bucket->objects + i, bucket->objects + i + 1,
            (bucket->count - i) * sizeof *bucket->objects);
}

/* File systems cannot have an object at x and one at x/y; nor may we count on it anywhere. */
static int
check_path(const struct bucket *bucket, const char *key)
{
    char path[OBJECT_KEY_SIZE_MAX + 2];
    for (const char *slash = strchr(key, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(path, sizeof path, "%.*s", (int)(slash - key), key);
        if (object_find(bucket, path)) {
            return fault(-EINVAL, "object store: %s cannot be, %s is an object", key, path);
        }
    }
    snprintf(path, sizeof path, "%s/", key);
    size_t i = lower_bound(bucket, path);
    if (i < bucket->count && strncmp(bucket->objects[i]->key, path, strlen(path)) == 0) {
        return fault(-EINVAL, "object store: %s cannot be an object, there is %s", key,
                bucket->objects[i]->key);
    }
    return 0;
}

static struct bucket *
bucket_of(struct objectstore *store)
{
    return CONTAINER_OF(store, struct memory_store, base)->bucket;
}

/* Other fibers run before and after each operation, as they do with a real store. */
static int
begin(void)
{
    int r = fiber_yield();
    return r < 0 ? fault(r, "object store: cancelled") : 0;
}

static void
end(void)
{
    int r = fiber_yield();
    (void)r; /* It is done: a cancellation is the next wait's business. */
}

static void
fill_info(const struct object *object, struct object_info *ret_info)
{
    ret_info->size = object->body->size;
    ret_info->etag = object->etag;
    ret_info->modified_ms = object->modified_ms;
}

static int
read_object(struct bucket *bucket, const char *key, struct object_range range, struct buf **ret_buf,
        struct object_info *ret_info)
{
    const struct object *object = object_find(bucket, key);
    if (!object) {
        return fault(-ENOENT, "object store: there is no %s", key);
    }
    uint64_t offset = 0;
    uint64_t size = 0;
    int r = object_range_clip(key, range, object->body->size, &offset, &size);
    if (r < 0) {
        return r;
    }
    fill_info(object, ret_info);
    if (ret_buf) {
        /* A copy: what the reader does to its bytes must not change the store. */
        *ret_buf = buf_of_bytes(bytes_of(object->body->data + offset, size));
    }
    return 0;
}

static int
memory_get(struct objectstore *store, const char *key, struct object_range range,
        uint64_t deadline_ns, struct buf **ret_buf, struct object_info *ret_info)
{
    (void)deadline_ns;
    int r = begin();
    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&mutex);
    r = read_object(bucket_of(store), key, range, ret_buf, ret_info);
    pthread_mutex_unlock(&mutex);
    end();
    return r;
}

static int
memory_head(struct objectstore *store, const char *key, uint64_t deadline_ns,
        struct object_info *ret_info)
{
    return memory_get(store, key, OBJECT_WHOLE, deadline_ns, NULL, ret_info);
}

static struct object *
object_new(const struct object_put *put)
{
    struct object *object = mem_alloc(sizeof *object);
    object->key = mem_strdup(put->key);
    object->body = buf_new(object_put_size(put));
    for (size_t i = 0; i < put->part_count; i++) {
        if (put->parts[i].iov_len) {
            memcpy(object->body->data + object->body->size, put->parts[i].iov_base,
                    put->parts[i].iov_len);
            object->body->size += put->parts[i].iov_len;
        }
    }
    snprintf(object->etag.text, sizeof object->etag.text, "\"%016" PRIx64 "%016" PRIx64 "\"",
            bytes_hash(buf_bytes(object->body), 1), bytes_hash(buf_bytes(object->body), 2));
    object->modified_ms = clock_wall_ms();
    return object;
}

static int
write_object(struct bucket *bucket, const struct object_put *put, struct object_etag *ret_etag)
{
    const struct object *old = object_find(bucket, put->key);
    if (put->condition == OBJECT_CREATE && old) {
        return fault(-EEXIST, "object store: there is a %s already", put->key);
    }
    if (put->condition == OBJECT_REPLACE && !old) {
        return fault(-ENOENT, "object store: there is no %s to replace", put->key);
    }
    if (put->condition == OBJECT_REPLACE && strcmp(old->etag.text, put->etag.text) != 0) {
        return fault(-EEXIST, "object store: %s has another etag", put->key);
    }
    int r = check_path(bucket, put->key);
    if (r < 0) {
        return r;
    }
    struct object *object = object_new(put);
    bucket_remove(bucket, put->key);
    bucket_insert(bucket, object);
    *ret_etag = object->etag;
    return 0;
}

static int
memory_put(struct objectstore *store, const struct object_put *put, struct object_etag *ret_etag)
{
    int r = begin();
    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&mutex);
    r = write_object(bucket_of(store), put, ret_etag);
    pthread_mutex_unlock(&mutex);
    end();
    return r;
}

static int
memory_delete_many(
        struct objectstore *store, const char *const *keys, size_t count, uint64_t deadline_ns)
{
    (void)deadline_ns;
    int r = begin();
    if (r < 0) {
        return r;
    }
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < count; i++) {
        bucket_remove(bucket_of(store), keys[i]);
    }
    pthread_mutex_unlock(&mutex);
    end();
    return 0;
}

static int
memory_delete(struct objectstore *store, const char *key, uint64_t deadline_ns)
{
    return memory_delete_many(store, &key, 1, deadline_ns);
}

static void
list_objects(const struct bucket *bucket, const char *prefix, const char *start_after, size_t max,
        struct object_list *list)
{
    const char *from = strcmp(start_after, prefix) > 0 ? start_after : prefix;
    size_t prefix_size = strlen(prefix);
    for (size_t i = lower_bound(bucket, from); i < bucket->count; i++) {
        const struct object *object = bucket->objects[i];
        if (strcmp(object->key, start_after) == 0) {
            continue;
        }
        if (strncmp(object->key, prefix, prefix_size) != 0) {
            return;
        }
        if (list->count == max) {
            list->more = true;
            return;
        }
        object_list_add(list, max, object->key, object->body->size, object->modified_ms);
    }
}

static int
memory_list(struct objectstore *store, const char *prefix, const char *start_after, size_t max,
        uint64_t deadline_ns, struct object_list *ret_list)
{
    (void)deadline_ns;
    int r = begin();
    if (r < 0) {
        return r;
    }
    struct object_list list = { 0 };
    pthread_mutex_lock(&mutex);
    list_objects(bucket_of(store), prefix, start_after, max, &list);
    pthread_mutex_unlock(&mutex);
    *ret_list = list;
    end();
    return 0;
}

static void
memory_close(struct objectstore *store)
{
    struct memory_store *memory = CONTAINER_OF(store, struct memory_store, base);
    objectstore_done(store);
    mem_free(memory);
}

static const struct objectstore_ops memory_ops = {
    .get = memory_get,
    .head = memory_head,
    .put = memory_put,
    .delete = memory_delete,
    .delete_many = memory_delete_many,
    .list = memory_list,
    .close = memory_close,
};

int
memory_open(struct object_url *url, struct objectstore **ret_store)
{
    if (url->authority[0] == 0 || url->path[0]) {
        return fault(-EINVAL, "object store URL %s: expected memory://NAME", url->text);
    }
    int r = object_url_check_all_taken(url, "hedge");
    if (r < 0) {
        return r;
    }
    struct memory_store *memory = mem_alloc(sizeof *memory);
    objectstore_init(&memory->base, &memory_ops, url->text);
    pthread_mutex_lock(&mutex);
    memory->bucket = bucket_find(url->authority);
    if (!memory->bucket) {
        memory->bucket = mem_alloc(sizeof *memory->bucket);
        memory->bucket->name = mem_strdup(url->authority);
        list_push_back(&buckets, &memory->bucket->node);
    }
    pthread_mutex_unlock(&mutex);
    *ret_store = &memory->base;
    return 0;
}

size_t
memory_store_count(const char *name)
{
    pthread_mutex_lock(&mutex);
    const struct bucket *bucket = bucket_find(name);
    size_t count = bucket ? bucket->count : 0;
    pthread_mutex_unlock(&mutex);
    return count;
}

void
memory_store_forget(const char *name)
{
    pthread_mutex_lock(&mutex);
    struct bucket *bucket = bucket_find(name);
    if (bucket) {
        list_remove(&bucket->node);
        for (size_t i = 0; i < bucket->count; i++) {
            object_free(bucket->objects[i]);
        }
        mem_free(bucket->objects);
        mem_free(bucket->name);
        mem_free(bucket);
    }
    pthread_mutex_unlock(&mutex);
}
