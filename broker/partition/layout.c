/* The ranges of a partition as one list, and the one door through which they are replaced. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mem.h"
#include "partition/upkeep.h"
#include "reactor/clock.h"
#include "reactor/crash_point.h"

#include <errno.h>
#include <stdlib.h>

#define MANIFEST_TIMEOUT_NS (60ull * NS_PER_S)

/* Object ids, sorted, each once. */
struct id_set {
    uint64_t *ids;
    size_t count;
};

static int
id_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static struct id_set
id_set_of(const struct store_range *ranges, size_t count)
{
    struct id_set set = { mem_alloc_array(count + 1, sizeof *set.ids), 0 };
    for (size_t i = 0; i < count; i++) {
        set.ids[i] = ranges[i].object_id;
    }
    qsort(set.ids, count, sizeof *set.ids, id_compare);
    for (size_t i = 0; i < count; i++) {
        if (set.count == 0 || set.ids[set.count - 1] != set.ids[i]) {
            set.ids[set.count++] = set.ids[i];
        }
    }
    return set;
}

static void
id_set_done(struct id_set *set)
{
    mem_free(set->ids);
}

/* Keeps only what is not in `other`. */
static void
id_set_remove(struct id_set *set, const struct id_set *other)
{
    size_t kept = 0;
    size_t at = 0;
    for (size_t i = 0; i < set->count; i++) {
        while (at < other->count && other->ids[at] < set->ids[i]) {
            at++;
        }
        if (at == other->count || other->ids[at] != set->ids[i]) {
            set->ids[kept++] = set->ids[i];
        }
    }
    set->count = kept;
}

int
layout_load(struct shard *shard, struct partition *partition, struct layout *ret_layout)
{
    const struct manifest *manifest;
    int r = partition_manifest(shard, partition, &manifest);
    if (r < 0) {
        return r;
    }
    /* No wait from here on: both are of the same moment. */
    const struct meta_partition *description =
            meta_partition_find(meta_state(shard->options.meta), partition->key);
    if (!description || partition->closed) {
        return fault(-ENOENT, "%s-%d is gone", partition->topic_name, partition->key.index);
    }
    size_t old = manifest ? manifest->count : 0;
    size_t recent = (size_t)description->range_count;
    struct layout layout = {
        .log_start_offset = description->log_start_offset,
        .end_offset = description->end_offset,
        .manifest_end_offset = description->manifest_end_offset,
        .manifest_id = description->manifest_id,
        .ranges = mem_alloc_array(old + recent + 1, sizeof *layout.ranges),
        .count = old + recent,
        .manifest_count = old,
    };
    if (old) {
        memcpy(layout.ranges, manifest->ranges, old * sizeof *layout.ranges);
    }
    if (recent) {
        memcpy(layout.ranges + old, description->ranges, recent * sizeof *layout.ranges);
    }
    if (manifest && manifest->owner) {
        layout.checkpoint = manifest->checkpoint;
        layout.owner = buf_ref(manifest->owner);
    }
    *ret_layout = layout;
    return 0;
}

void
layout_done(struct layout *layout)
{
    mem_free(layout->ranges);
    buf_unref(layout->owner);
    *layout = (struct layout){ 0 };
}

/* The newest checkpoint below `end_offset`: it goes into the manifest (Q8). *ret_buf keeps its
 * bytes. */
static int
layout_checkpoint(struct shard *shard, struct partition *partition, const struct layout *from,
        int64_t end_offset, struct buf **ret_buf, struct bytes *ret_checkpoint)
{
    for (size_t i = from->count; i-- > from->manifest_count;) {
        const struct store_range *range = &from->ranges[i];
        if (range->end_offset > end_offset || range->checkpoint_size == 0) {
            continue;
        }
        int r = store_read_checkpoint(shard->options.store, range, partition->key, ret_buf);
        if (r == 0) {
            *ret_checkpoint = buf_bytes(*ret_buf);
        }
        return r;
    }
    *ret_buf = from->owner ? buf_ref(from->owner) : NULL;
    *ret_checkpoint = from->checkpoint;
    return 0;
}

/* Writes the manifest; *ret_id is 0 when there is nothing to say. */
static int
layout_write(struct shard *shard, struct partition *partition, const struct layout *from,
        const struct layout_change *to, uint64_t *ret_id)
{
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct manifest manifest = {
        .key = partition->key,
        .ranges = (struct store_range *)(uintptr_t)to->ranges,
        .count = to->count,
    };
    int r = layout_checkpoint(
            shard, partition, from, to->manifest_end_offset, &buf, &manifest.checkpoint);
    if (r < 0) {
        return r;
    }
    *ret_id = 0;
    if (to->count == 0 && manifest.checkpoint.size == 0) {
        return 0;
    }
    r = object_ids_take(&shard->upkeep_ids, &manifest.manifest_id);
    if (r < 0) {
        return r;
    }
    crash_point("upkeep: objects written");
    r = store_write_manifest(
            shard->options.store, &manifest, clock_mono_ns() + MANIFEST_TIMEOUT_NS);
    if (r == 0) {
        *ret_id = manifest.manifest_id;
    }
    return r;
}

int
layout_commit(struct shard *shard, struct partition *partition, const struct layout *from,
        const struct layout_change *to)
{
    uint64_t manifest_id;
    int r = layout_write(shard, partition, from, to, &manifest_id);
    if (r < 0) {
        return fault_note(r, "%s-%d: manifest", partition->topic_name, partition->key.index);
    }
    struct id_set old = id_set_of(from->ranges, from->manifest_count);
    struct id_set added = id_set_of(to->ranges, to->count);
    struct id_set garbage = id_set_of(from->ranges, from->manifest_count);
    id_set_remove(&garbage, &added);
    id_set_remove(&added, &old);
    const struct meta_record record = {
        .type = META_MERGE,
        .merge = {
            .key = partition->key,
            .leader_epoch = partition->epoch,
            .manifest_id = manifest_id,
            .manifest_end_offset = to->manifest_end_offset,
            .log_start_offset = to->log_start_offset,
            .added = added.ids,
            .added_count = (int32_t)added.count,
            .garbage = garbage.ids,
            .garbage_count = (int32_t)garbage.count,
        },
    };
    struct meta_result result;
    crash_point("upkeep: manifest written");
    r = meta_propose_one(shard->options.meta, &record, &result);
    crash_point("upkeep: committed");
    id_set_done(&old);
    id_set_done(&added);
    id_set_done(&garbage);
    return r == -EINVAL ? -EAGAIN : r;
}
