/* Reading one partition: newest data from the cache, older from the objects that the metadata or
 * the manifest names. */
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "partition/shard_internal.h"

#include <errno.h>

/* How often an offset is looked up again because its object was replaced meanwhile (Q7). */
#define LOOKUPS_MAX 4
/* Ranges that a reader's window may reach into. */
#define READ_AHEAD_RANGES 8u

int64_t
partition_log_start(const struct partition *partition)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(partition->shard->options.meta), partition->key);
    return description ? description->log_start_offset : 0;
}

/* Loads the manifest unless it is there. Another fiber may do it at the same time: the lock makes
 * one GET of it. */
static int
partition_load_manifest(struct shard *shard, struct partition *partition)
{
    int r = mutex_lock(&partition->load_lock);
    if (r < 0) {
        return r;
    }
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    uint64_t id = description ? description->manifest_id : 0;
    if (id && !(partition->manifest && partition->manifest->manifest_id == id)) {
        struct manifest manifest;
        r = store_read_manifest(shard->options.store, partition->key, id, &manifest);
        if (r == 0) {
            if (partition->manifest) {
                manifest_done(partition->manifest);
                mem_free(partition->manifest);
            }
            partition->manifest = mem_dup(&manifest, sizeof manifest);
        }
    }
    mutex_unlock(&partition->load_lock);
    return r;
}

static bool
ranges_find(const struct store_range *ranges, size_t count, int64_t offset,
        struct store_range *ret_range)
{
    size_t low = 0;
    size_t high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges[middle].end_offset <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == count || ranges[low].base_offset > offset) {
        return false;
    }
    *ret_range = ranges[low];
    return true;
}

/* The manifest that the metadata named when this was called is gone: replaced meanwhile. */
static bool
manifest_was_replaced(const struct shard *shard, const struct partition *partition, uint64_t id)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    return description && description->manifest_id != id;
}

int
partition_manifest(
        struct shard *shard, struct partition *partition, const struct manifest **ret_manifest)
{
    for (int attempt = 0; attempt < LOOKUPS_MAX; attempt++) {
        const struct meta_partition *description =
                meta_partition_find(meta_state(shard->options.meta), partition->key);
        if (!description) {
            return fault(-ENOENT, "%s-%d is gone", partition->topic_name, partition->key.index);
        }
        uint64_t id = description->manifest_id;
        if (id == 0 || (partition->manifest && partition->manifest->manifest_id == id)) {
            *ret_manifest = id ? partition->manifest : NULL;
            return 0;
        }
        int r = partition_load_manifest(shard, partition);
        if (r < 0 && !(r == -ENOENT && manifest_was_replaced(shard, partition, id))) {
            return r == -ENOENT ? fault_note(-EIO, "%s-%d: its manifest is missing",
                                          partition->topic_name, partition->key.index)
                                : r;
        }
    }
    return fault(-EAGAIN, "%s-%d: the manifest was replaced again and again", partition->topic_name,
            partition->key.index);
}

int
partition_find_range(struct shard *shard, struct partition *partition, int64_t offset,
        struct store_range *ret_range)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    if (!description) {
        return fault(-ENOENT, "%s-%d is gone", partition->topic_name, partition->key.index);
    }
    if (offset < description->manifest_end_offset) {
        const struct manifest *manifest;
        int r = partition_manifest(shard, partition, &manifest);
        if (r < 0) {
            return r;
        }
        const struct store_range *range = manifest ? manifest_find(manifest, offset) : NULL;
        if (range) {
            *ret_range = *range;
            return 0;
        }
        /* The metadata may have moved on while the manifest was read. */
        description = meta_partition_find(meta_state(shard->options.meta), partition->key);
    }
    if (description &&
            ranges_find(description->ranges, (size_t)description->range_count, offset, ret_range)) {
        return 0;
    }
    return fault(-ENOENT, "%s-%d: no object holds offset %lld", partition->topic_name,
            partition->key.index, (long long)offset);
}

/* Copies the ranges that follow `offset`, as far as they are known without a wait. */
static size_t
ranges_from(const struct shard *shard, const struct partition *partition, int64_t offset,
        struct store_range ranges[READ_AHEAD_RANGES])
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    const struct manifest *manifest = partition->manifest;
    size_t count = 0;
    if (!description) {
        return 0;
    }
    if (manifest && manifest->manifest_id == description->manifest_id) {
        const struct store_range *range = manifest_find(manifest, offset);
        const struct store_range *end = manifest->ranges + manifest->count;
        while (range && range < end && count < READ_AHEAD_RANGES) {
            offset = range->end_offset;
            ranges[count++] = *range++;
        }
    }
    while (count < READ_AHEAD_RANGES &&
            ranges_find(description->ranges, (size_t)description->range_count, offset,
                    &ranges[count])) {
        offset = ranges[count++].end_offset;
    }
    return count;
}

/* The reader's window may reach behind the range that it is in: small objects are read side by
 * side. */
static void
read_ahead(struct shard *shard, const struct partition *partition, struct store_reader *reader,
        const struct store_range *range)
{
    if (!reader || reader->window_bytes <= reader->range_left) {
        return;
    }
    struct store_range next[READ_AHEAD_RANGES];
    size_t count = ranges_from(shard, partition, range->end_offset, next);
    if (count > 0) {
        MARK("read: reads ahead into the next ranges");
        store_read_ahead(shard->options.store, reader, next, count);
    }
}

/* One range. *offset moves behind it when it has nothing (any more) from there on. */
static int
partition_read_range(struct shard *shard, struct partition *partition, int64_t *offset,
        size_t max_bytes, struct store_reader *reader, struct slices *slices)
{
    size_t before = slices->bytes;
    for (int attempt = 0; attempt < LOOKUPS_MAX; attempt++) {
        struct store_range range;
        int r = partition_find_range(shard, partition, *offset, &range);
        if (r < 0) {
            /* Q7 */
            return r == -ENOENT && *offset < partition_log_start(partition) ? -ERANGE : r;
        }
        r = store_read(shard->options.store, &range, *offset, max_bytes, reader, slices);
        if (r == 0 || slices->bytes > before) {
            fault_clear();
            *offset = range.end_offset;
            read_ahead(shard, partition, reader, &range);
            return 0;
        }
        if (r != -ENOENT) {
            return r;
        }
        /* Merged or removed while we looked: the metadata names another object by now. */
        MARK("read: object replaced during the read");
    }
    return fault(-EIO, "%s-%d: the objects of offset %lld are missing", partition->topic_name,
            partition->key.index, (long long)*offset);
}

/* Q1: what may be read. */
static int64_t
readable_end(const struct partition *partition)
{
    return MUTANT(MUTANT_READ_UNFLUSHED) ? partition->tail.end_offset : partition->high_watermark;
}

/* Out of the cache: false when it does not begin there. What is followed has none, and an empty one
 * would answer for all that comes behind its end. */
static bool
read_tail(struct partition *partition, int64_t offset, size_t max_bytes, struct slices *slices)
{
    return !partition->followed &&
           log_tail_read(&partition->tail, offset, readable_end(partition), max_bytes, slices);
}

/* Out of the objects, or of the cache when compaction has left nothing in all objects before it. */
static int
partition_read_objects(struct shard *shard, struct partition *partition, int64_t offset,
        size_t max_bytes, struct store_reader *reader, struct slices *slices)
{
    size_t before = slices->bytes;
    int r = 0;
    while (r == 0 && slices->bytes == before && offset < partition->high_watermark) {
        if (read_tail(partition, offset, max_bytes, slices)) {
            break;
        }
        r = partition_read_range(shard, partition, &offset, max_bytes, reader, slices);
    }
    return r;
}

int
partition_read(struct shard *shard, struct partition *partition, int64_t offset, size_t max_bytes,
        struct store_reader *reader, struct slices *slices)
{
    if (partition->closed) {
        return -ENOENT;
    }
    if (offset > partition->high_watermark || offset < partition_log_start(partition)) {
        return -ERANGE;
    }
    if (offset == readable_end(partition)) {
        return 0;
    }
    if (MUTANT(MUTANT_READ_OUT_OF_RANGE) && offset % 64 == 33) {
        return -ERANGE;
    }
    size_t before = slices->bytes;
    int r = 0;
    if (MUTANT(MUTANT_READ_SKIPS) && offset % 16 == 7 && offset + 4 < partition->high_watermark) {
        offset += 4;
    }
    partition_hold(partition);
    if (read_tail(partition, offset, max_bytes, slices)) {
        shard->stats.read_tail_hits++;
    } else {
        r = partition_read_objects(shard, partition, offset, max_bytes, reader, slices);
    }
    shard->stats.read_bytes += slices->bytes - before;
    shard->stats.followed_bytes += partition->followed ? slices->bytes - before : 0;
    partition->out_bytes += slices->bytes - before;
    partition_release(partition);
    return r;
}

/* The newest checkpoint: of the last recent range that has one, else the manifest's. */
static int
partition_read_checkpoint(struct shard *shard, struct partition *partition)
{
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    if (!description) {
        return -ENOENT;
    }
    for (int32_t i = description->range_count - 1; i >= 0; i--) {
        if (description->ranges[i].checkpoint_size == 0) {
            continue;
        }
        struct store_range range = description->ranges[i];
        CLEANUP(buf_unrefp) struct buf *buf = NULL;
        int r = store_read_checkpoint(shard->options.store, &range, partition->key, &buf);
        return r < 0 ? r : producer_states_decode(&partition->producers, buf_bytes(buf));
    }
    if (description->manifest_id == 0) {
        return 0;
    }
    const struct manifest *manifest;
    int r = partition_manifest(shard, partition, &manifest);
    if (r < 0 || !manifest || manifest->checkpoint.size == 0) {
        return r;
    }
    return producer_states_decode(&partition->producers, manifest->checkpoint);
}

int
partition_load_producers(struct shard *shard, struct partition *partition)
{
    if (partition->producers_loaded) {
        return 0;
    }
    /* Not the append lock: the store may be slow, and the shard's other partitions go on. Whoever
     * records a batch has waited here before. */
    int r = mutex_lock(&partition->producers_lock);
    if (r < 0) {
        return r;
    }
    if (!partition->producers_loaded) {
        r = partition_read_checkpoint(shard, partition);
        partition->producers_loaded = r == 0;
    }
    mutex_unlock(&partition->producers_lock);
    return r;
}
