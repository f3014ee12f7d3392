/* Reading one partition: newest data from the cache, older from the objects that the metadata or
 * the manifest names. */
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "partition/shard_internal.h"

#include <errno.h>

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

int
partition_find_range(struct shard *shard, struct partition *partition, int64_t offset,
        struct store_range *ret_range)
{
    for (int attempt = 0; attempt < 3; attempt++) {
        const struct meta_partition *description =
                meta_partition_find(meta_state(shard->options.meta), partition->key);
        if (!description) {
            return fault(-ENOENT, "%s-%d is gone", partition->topic_name, partition->key.index);
        }
        if (offset >= description->manifest_end_offset) {
            if (ranges_find(
                        description->ranges, (size_t)description->range_count, offset, ret_range)) {
                return 0;
            }
            break;
        }
        int r = partition_load_manifest(shard, partition);
        if (r < 0) {
            return r;
        }
        /* The metadata may have moved on while the manifest was read: then look again. */
        description = meta_partition_find(meta_state(shard->options.meta), partition->key);
        if (description && partition->manifest &&
                partition->manifest->manifest_id == description->manifest_id) {
            const struct store_range *range = manifest_find(partition->manifest, offset);
            if (range) {
                *ret_range = *range;
                return 0;
            }
            break;
        }
    }
    return fault(-ENOENT, "%s-%d: no object holds offset %lld", partition->topic_name,
            partition->key.index, (long long)offset);
}

/* Reads out of the objects, range after range until max_bytes or the cache takes over. */
static int
partition_read_objects(struct shard *shard, struct partition *partition, int64_t offset,
        size_t max_bytes, struct store_reader *reader, struct slices *slices)
{
    struct store_range range;
    int r = partition_find_range(shard, partition, offset, &range);
    if (r < 0) {
        return r;
    }
    r = store_read(shard->options.store, &range, offset, max_bytes, reader, slices);
    if (r == -ENOENT) {
        /* Merged or removed while we looked: the metadata names another object by now. */
        MARK("read: object replaced during the read");
        r = partition_find_range(shard, partition, offset, &range);
        if (r == 0) {
            r = store_read(shard->options.store, &range, offset, max_bytes, reader, slices);
        }
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
    if (offset == partition->high_watermark) {
        return 0;
    }
    size_t before = slices->bytes;
    int r = 0;
    if (log_tail_read(&partition->tail, offset, partition->high_watermark, max_bytes, slices)) {
        shard->stats.read_tail_hits++;
    } else {
        partition_hold(partition);
        r = partition_read_objects(shard, partition, offset, max_bytes, reader, slices);
        partition_release(partition);
    }
    shard->stats.read_bytes += slices->bytes - before;
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
    int r = partition_load_manifest(shard, partition);
    if (r < 0 || !partition->manifest || partition->manifest->checkpoint.size == 0) {
        return r;
    }
    return producer_states_decode(&partition->producers, partition->manifest->checkpoint);
}

int
partition_load_producers(struct shard *shard, struct partition *partition)
{
    if (partition->producers_loaded) {
        return 0;
    }
    int r = mutex_lock(&shard->append_lock);
    if (r < 0) {
        return r;
    }
    /* Under the append lock: nobody records a batch while the state is replaced. */
    if (!partition->producers_loaded) {
        r = partition_read_checkpoint(shard, partition);
        partition->producers_loaded = r == 0;
    }
    mutex_unlock(&shard->append_lock);
    return r;
}
