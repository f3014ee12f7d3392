/* The log cache: one ring of entries per partition, one list of uploaded entries over all
 * partitions.
 *
 * Within a partition uploads happen in offset order, so the oldest entry of the common list is
 * always the first of its own ring: eviction only ever cuts rings at their head and what is left
 * stays contiguous. */
#include "store/log_cache.h"

#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "store/batch.h"

#include <errno.h>

#define RING_CAPACITY_MIN 4u

/* A buffer that entries of this cache lie in, charged once. */
struct log_owner {
    struct map_node node;
    struct buf *buf;
    uint64_t bytes;
    uint32_t entries;
    uint32_t pinned;
};

struct log_entry {
    struct list uploaded; /* in log_cache.uploaded; an empty list while pinned */
    struct log_tail *tail;
    struct log_owner *owner;
    struct bytes batches;
    int64_t base_offset;
    int64_t end_offset;
    int64_t timestamp_max;
    int64_t timestamp_max_so_far; /* of this entry and all that came before it: ascending, for
                                     searches */
};

/* What an entry costs beside its buffer: itself, its share of the ring, the allocator's headers. */
#define ENTRY_BYTES (sizeof(struct log_entry) + 2 * sizeof(void *) + 16)
#define OWNER_BYTES (sizeof(struct log_owner) + sizeof(struct buf) + 3 * sizeof(void *))

static bool
owner_equal(const struct map_node *node, const void *key)
{
    return CONTAINER_OF(node, const struct log_owner, node)->buf == key;
}

static struct log_owner *
owner_get(struct log_cache *cache, struct buf *buf)
{
    uint64_t hash = hash_u64((uint64_t)(uintptr_t)buf);
    struct map_node *node = map_find(&cache->owners, hash, owner_equal, buf);
    if (node) {
        return CONTAINER_OF(node, struct log_owner, node);
    }
    struct log_owner *owner = mem_alloc(sizeof *owner);
    owner->buf = buf_ref(buf);
    owner->bytes = buf->capacity + OWNER_BYTES;
    map_insert(&cache->owners, &owner->node, hash);
    cache->bytes += owner->bytes;
    return owner;
}

static void
entry_pin(struct log_cache *cache, struct log_entry *entry)
{
    cache->pinned_bytes += ENTRY_BYTES;
    if (entry->owner->pinned++ == 0) {
        cache->pinned_bytes += entry->owner->bytes;
    }
}

static void
entry_unpin(struct log_cache *cache, struct log_entry *entry)
{
    cache->pinned_bytes -= ENTRY_BYTES;
    if (--entry->owner->pinned == 0) {
        cache->pinned_bytes -= entry->owner->bytes;
    }
}

/* The entry is unpinned and out of its ring. */
static void
entry_free(struct log_cache *cache, struct log_entry *entry)
{
    struct log_owner *owner = entry->owner;
    list_remove(&entry->uploaded);
    cache->bytes -= ENTRY_BYTES;
    cache->entry_count--;
    mem_free(entry);
    if (--owner->entries == 0) {
        CHECK(owner->pinned == 0);
        cache->bytes -= owner->bytes;
        map_remove(&cache->owners, &owner->node);
        buf_unref(owner->buf);
        mem_free(owner);
    }
}

void
log_cache_init(struct log_cache *cache, uint64_t budget_bytes, uint64_t uploaded_budget_bytes)
{
    *cache = (struct log_cache){
        .budget_bytes = budget_bytes,
        .uploaded_budget_bytes = MIN(uploaded_budget_bytes, budget_bytes),
    };
    list_init(&cache->uploaded);
    map_init(&cache->owners);
}

void
log_cache_done(struct log_cache *cache)
{
    CHECK(cache->entry_count == 0 && cache->bytes == 0 && cache->pinned_bytes == 0);
    map_done(&cache->owners);
}

bool
log_cache_is_full(const struct log_cache *cache)
{
    return cache->pinned_bytes >= cache->budget_bytes - cache->budget_bytes / 4;
}

static struct log_entry *
tail_entry(const struct log_tail *tail, uint32_t i)
{
    return tail->ring[(tail->head + i) & (tail->ring_capacity - 1)];
}

static void
tail_resize(struct log_tail *tail, uint32_t capacity)
{
    struct log_entry **ring = mem_alloc_array(capacity, sizeof(struct log_entry *));
    for (uint32_t i = 0; i < tail->count; i++) {
        ring[i] = tail_entry(tail, i);
    }
    mem_free(tail->ring);
    tail->ring = ring;
    tail->ring_capacity = capacity;
    tail->head = 0;
}

/* Gives memory back after entries have left: idle partitions are many. */
static void
tail_shrink(struct log_tail *tail)
{
    if (tail->count == 0) {
        mem_free(tail->ring);
        tail->ring = NULL;
        tail->ring_capacity = 0;
        tail->head = 0;
    } else if (tail->ring_capacity > RING_CAPACITY_MIN && tail->count <= tail->ring_capacity / 4) {
        tail_resize(tail, tail->ring_capacity / 2);
    }
}

/* Drops the oldest entry of the tail, which is uploaded. */
static void
tail_evict(struct log_tail *tail)
{
    CHECK(tail->count > 0 && tail->uploaded_count > 0); /* O4 */
    struct log_entry *entry = tail_entry(tail, 0);
    tail->head = (tail->head + 1) & (tail->ring_capacity - 1);
    tail->count--;
    tail->uploaded_count--;
    tail->start_offset = entry->end_offset;
    entry_free(tail->cache, entry);
    tail_shrink(tail);
}

static bool
cache_is_over(const struct log_cache *cache)
{
    return cache->bytes > cache->budget_bytes ||
           cache->bytes - cache->pinned_bytes > cache->uploaded_budget_bytes;
}

static void
cache_shrink(struct log_cache *cache)
{
    while (cache_is_over(cache) && !list_is_empty(&cache->uploaded)) {
        struct log_entry *entry = LIST_FIRST(&cache->uploaded, struct log_entry, uploaded);
        CHECK(tail_entry(entry->tail, 0) == entry);
        tail_evict(entry->tail);
    }
}

void
log_tail_init(struct log_tail *tail, struct log_cache *cache, int64_t end_offset)
{
    *tail = (struct log_tail){
        .cache = cache,
        .start_offset = end_offset,
        .end_offset = end_offset,
        .uploaded_offset = end_offset,
    };
}

void
log_tail_done(struct log_tail *tail)
{
    for (uint32_t i = 0; i < tail->count; i++) {
        struct log_entry *entry = tail_entry(tail, i);
        if (i >= tail->uploaded_count) {
            entry_unpin(tail->cache, entry);
        }
        entry_free(tail->cache, entry);
    }
    mem_free(tail->ring);
    log_tail_init(tail, tail->cache, tail->end_offset);
}

void
log_tail_append(struct log_tail *tail, struct slice batches, int64_t base_offset,
        int64_t end_offset, int64_t timestamp_max)
{
    CHECK(base_offset == tail->end_offset && end_offset > base_offset);
    CHECK(batches.owner && batches.bytes.size > 0);
    struct log_cache *cache = tail->cache;
    struct log_entry *entry = mem_alloc(sizeof *entry);
    *entry = (struct log_entry){
        .tail = tail,
        .owner = owner_get(cache, batches.owner),
        .batches = batches.bytes,
        .base_offset = base_offset,
        .end_offset = end_offset,
        .timestamp_max = timestamp_max,
        .timestamp_max_so_far = timestamp_max,
    };
    list_init(&entry->uploaded);
    entry->owner->entries++;
    cache->bytes += ENTRY_BYTES;
    cache->entry_count++;
    entry_pin(cache, entry);
    if (tail->count == tail->ring_capacity) {
        tail_resize(tail, MAX(RING_CAPACITY_MIN, tail->ring_capacity * 2));
    }
    if (tail->count > 0) {
        int64_t before = tail_entry(tail, tail->count - 1)->timestamp_max_so_far;
        entry->timestamp_max_so_far = MAX(timestamp_max, before);
    }
    tail->ring[(tail->head + tail->count) & (tail->ring_capacity - 1)] = entry;
    tail->count++;
    tail->end_offset = end_offset;
    cache_shrink(cache);
}

void
log_tail_truncate(struct log_tail *tail, int64_t offset)
{
    CHECK(offset >= tail->uploaded_offset && offset <= tail->end_offset);
    while (tail->count > 0) {
        struct log_entry *entry = tail_entry(tail, tail->count - 1);
        if (entry->end_offset <= offset) {
            break;
        }
        CHECK(entry->base_offset >= offset);
        CHECK(tail->count > tail->uploaded_count);
        tail->count--;
        entry_unpin(tail->cache, entry);
        entry_free(tail->cache, entry);
    }
    tail->end_offset = offset;
    tail->start_offset = MIN(tail->start_offset, offset);
    tail_shrink(tail);
}

/* Index of the entry that holds `offset`, which the tail holds. */
static uint32_t
tail_find(const struct log_tail *tail, int64_t offset)
{
    uint32_t low = 0;
    uint32_t high = tail->count; /* the answer is in [low, high) */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (tail_entry(tail, middle)->base_offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

struct take {
    int64_t offset; /* batches that end at or before it are passed over */
    int64_t limit_offset;
    size_t max_bytes;
    struct slices *slices;
    size_t bytes;       /* taken so far */
    int64_t end_offset; /* one past the last batch taken */
};

/* Takes what fits of one entry; false when the limits end it. */
static bool
take_entry(struct take *take, const struct log_entry *entry)
{
    struct bytes rest = entry->batches;
    while (rest.size > 0) {
        struct batch_view batch;
        /* partition/ has validated every batch before it was appended. */
        int r = batch_next(&rest, &batch);
        CHECK(r == 0);
        if (batch.end_offset <= take->offset) {
            continue;
        }
        if (batch.end_offset > take->limit_offset ||
                (take->bytes > 0 && batch.bytes.size > take->max_bytes - take->bytes)) {
            return false;
        }
        slices_append(take->slices, entry->owner->buf, batch.bytes);
        take->bytes += batch.bytes.size;
        take->end_offset = batch.end_offset;
        if (take->bytes >= take->max_bytes) {
            return false;
        }
    }
    return true;
}

/* Takes from the batch that contains take->offset on; the tail holds that offset. */
static void
tail_take(const struct log_tail *tail, struct take *take)
{
    if (take->offset >= tail->end_offset || take->offset >= take->limit_offset) {
        return;
    }
    for (uint32_t i = tail_find(tail, take->offset); i < tail->count; i++) {
        if (!take_entry(take, tail_entry(tail, i))) {
            return;
        }
    }
}

bool
log_tail_read(struct log_tail *tail, int64_t offset, int64_t limit_offset, size_t max_bytes,
        struct slices *slices)
{
    if (offset < tail->start_offset) {
        return false;
    }
    struct take take = {
        .offset = offset, .limit_offset = limit_offset, .max_bytes = max_bytes, .slices = slices
    };
    tail_take(tail, &take);
    return true;
}

int64_t
log_tail_take_upload(
        struct log_tail *tail, int64_t limit_offset, size_t max_bytes, struct slices *slices)
{
    CHECK(tail->uploaded_offset >= tail->start_offset);
    struct take take = {
        .offset = tail->uploaded_offset,
        .limit_offset = limit_offset,
        .max_bytes = max_bytes,
        .slices = slices,
        .end_offset = tail->uploaded_offset,
    };
    tail_take(tail, &take);
    return take.end_offset;
}

void
log_tail_uploaded(struct log_tail *tail, int64_t offset)
{
    CHECK(offset >= tail->uploaded_offset && offset <= tail->end_offset);
    tail->uploaded_offset = offset;
    while (tail->uploaded_count < tail->count) {
        struct log_entry *entry = tail_entry(tail, tail->uploaded_count);
        if (entry->end_offset > offset) {
            break; /* O4: a part of it may be nowhere else yet */
        }
        entry_unpin(tail->cache, entry);
        list_push_back(&tail->cache->uploaded, &entry->uploaded);
        tail->uploaded_count++;
    }
    cache_shrink(tail->cache);
}

/* First entry that may hold a record of that time, or count. */
static uint32_t
tail_find_timestamp(const struct log_tail *tail, int64_t timestamp_ms)
{
    uint32_t low = 0;
    uint32_t high = tail->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (tail_entry(tail, middle)->timestamp_max_so_far >= timestamp_ms) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static int
entry_find_timestamp(const struct log_entry *entry, int64_t timestamp_ms, int64_t limit_offset,
        int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    struct bytes rest = entry->batches;
    while (rest.size > 0) {
        struct batch_view batch;
        int r = batch_next(&rest, &batch);
        CHECK(r == 0);
        if (batch.end_offset > limit_offset) {
            break;
        }
        if (batch.timestamp_max < timestamp_ms) {
            continue;
        }
        r = batch_find_timestamp(&batch, timestamp_ms, ret_offset, ret_timestamp_ms);
        if (r != -ENOENT) {
            return r;
        }
    }
    return -ENOENT;
}

int
log_tail_find_timestamp(struct log_tail *tail, int64_t timestamp_ms, int64_t limit_offset,
        int64_t *ret_offset, int64_t *ret_timestamp_ms)
{
    for (uint32_t i = tail_find_timestamp(tail, timestamp_ms); i < tail->count; i++) {
        struct log_entry *entry = tail_entry(tail, i);
        if (entry->base_offset >= limit_offset) {
            break;
        }
        if (entry->timestamp_max < timestamp_ms) {
            continue;
        }
        int r = entry_find_timestamp(
                entry, timestamp_ms, limit_offset, ret_offset, ret_timestamp_ms);
        if (r != -ENOENT) {
            return r;
        }
    }
    return -ENOENT;
}
