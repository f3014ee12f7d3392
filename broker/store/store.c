/* The store itself: its life, plain GETs and PUTs under object ids, removal, figures. */
#include "store/store.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/clock.h"
#include "store/format.h"
#include "store/store_internal.h"

#include <errno.h>

#define BLOCK_CACHE_BYTES_MIN (64 * KIB)
#define REMOVE_BATCH 1000u

int
store_new(const struct store_options *options, struct store **ret_store)
{
    if (options->block_cache_bytes < BLOCK_CACHE_BYTES_MIN) {
        return fault(-EINVAL, "store: a block cache of %llu bytes is too small, it needs %zu",
                (unsigned long long)options->block_cache_bytes, BLOCK_CACHE_BYTES_MIN);
    }
    struct store *store = mem_alloc(sizeof *store);
    store->options = *options;
    block_cache_init(&store->cache, options->objects, options->block_cache_bytes);
    mutex_init(&store->merging);
    *ret_store = store;
    return 0;
}

void
store_free(struct store *store)
{
    if (store) {
        block_cache_done(&store->cache);
        mem_free(store);
    }
}

uint64_t
store_read_deadline(const struct store *store)
{
    uint64_t now = clock_mono_ns();
    uint64_t timeout = store->options.fetch_timeout_ns;
    return timeout > DEADLINE_NONE - now ? DEADLINE_NONE : now + timeout;
}

int
store_get_exact(struct objectstore *objects, uint64_t object_id, struct object_range range,
        uint64_t deadline_ns, struct buf **ret_buf)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    int r = objectstore_get(
            objects, store_object_key(object_id, key), range, deadline_ns, &buf, NULL);
    if (r < 0 && r != -ERANGE) {
        return fault_note(r, "store: object %016llx at %llu, %llu bytes",
                (unsigned long long)object_id, (unsigned long long)range.offset,
                (unsigned long long)range.size);
    }
    if (r == -ERANGE || buf->size != range.size) {
        MARK("store: object shorter than its metadata says");
        return fault(-EBADMSG, "store: object %016llx at %llu: %llu bytes wanted, %llu there",
                (unsigned long long)object_id, (unsigned long long)range.offset,
                (unsigned long long)range.size, r < 0 ? 0ull : (unsigned long long)buf->size);
    }
    *ret_buf = TAKE_PTR(buf);
    return 0;
}

int
store_put(struct store *store, uint64_t object_id, const struct iovec *parts, size_t part_count,
        uint64_t deadline_ns)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    struct object_put put = {
        .key = store_object_key(object_id, key),
        .parts = parts,
        .part_count = part_count,
        .condition = OBJECT_ALWAYS,
        .deadline_ns = deadline_ns,
    };
    int r = objectstore_put(store->options.objects, &put, NULL);
    return r < 0 ? fault_note(r, "store: writing object %016llx", (unsigned long long)object_id)
                 : 0;
}

int
store_section_check(struct bytes bytes, enum section_kind kind, struct place place,
        const struct partition_key *key, struct section_header *ret_header)
{
    struct section_header header;
    int r = section_check(bytes, kind, place, &header);
    if (r < 0) {
        return r;
    }
    if (!partition_key_equal(&header.key, key)) {
        MARK("store: piece of another partition");
        char topic[UUID_TEXT_SIZE];
        return fault(-EBADMSG, "store: object %016llx at %llu: belongs to topic %s partition %d",
                (unsigned long long)place.object_id, (unsigned long long)place.position,
                uuid_format(&header.key.topic_id, topic), (int)header.key.index);
    }
    *ret_header = header;
    return 0;
}

int
store_read_checkpoint(struct store *store, const struct store_range *range,
        struct partition_key key, struct buf **ret_buf)
{
    if (range->checkpoint_size == 0) {
        return fault(-ENOENT, "store: object %016llx has no checkpoint of this partition",
                (unsigned long long)range->object_id);
    }
    int r = store_range_check(range);
    if (r < 0) {
        return r;
    }
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct object_range part = { range->checkpoint_position, range->checkpoint_size };
    r = store_get_exact(
            store->options.objects, range->object_id, part, store_read_deadline(store), &buf);
    if (r < 0) {
        return r;
    }
    struct place place = { range->object_id, range->checkpoint_position };
    struct section_header header;
    r = store_section_check(buf_bytes(buf), SECTION_CHECKPOINT, place, &key, &header);
    if (r < 0) {
        return r;
    }
    struct buf *body = buf_try_new((size_t)header.body_size);
    if (!body) {
        return fault(
                -ENOMEM, "store: checkpoint of %llu bytes", (unsigned long long)header.body_size);
    }
    memcpy(body->data, buf->data + SECTION_HEADER_SIZE, (size_t)header.body_size);
    body->size = (size_t)header.body_size;
    *ret_buf = body;
    return 0;
}

int
store_remove_objects(
        struct store *store, const uint64_t *object_ids, size_t count, uint64_t deadline_ns)
{
    char(*texts)[OBJECT_KEY_TEXT_SIZE] = mem_alloc_array(MIN(count, REMOVE_BATCH), sizeof *texts);
    const char **keys = mem_alloc_array(MIN(count, REMOVE_BATCH), sizeof(const char *));
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i += REMOVE_BATCH) {
        size_t n = MIN(count - i, (size_t)REMOVE_BATCH);
        for (size_t j = 0; j < n; j++) {
            keys[j] = store_object_key(object_ids[i + j], texts[j]);
        }
        r = objectstore_delete_many(store->options.objects, keys, n, deadline_ns);
    }
    mem_free(keys);
    mem_free(texts);
    return r < 0 ? fault_note(r, "store: removing %zu objects", count) : 0;
}

void
store_stats_get(const struct store *store, struct store_stats *ret_stats)
{
    const struct block_cache *cache = &store->cache;
    *ret_stats = (struct store_stats){
        .block_cache_bytes = cache->bytes,
        .block_cache_hits = cache->hits,
        .block_cache_misses = cache->misses,
        .block_cache_evictions = cache->evictions,
        .read_ahead_bytes = cache->read_ahead_bytes,
        .read_ahead_wasted_bytes = cache->read_ahead_wasted_bytes,
        .misfits = cache->misfits,
        .damaged = cache->damaged,
        .objects_written = store->objects_written,
        .object_bytes_written = store->object_bytes_written,
    };
}
