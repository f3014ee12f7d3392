/* Object compaction: the ranges of one partition, one after the other, into one object.
 *
 * The new object is written from the buffers that the GETs brought, so memory holds the input once:
 * STORE_MERGE_SIZE_MAX at most, and one merge at a time. GETs go past the block cache, whose
 * content is chosen by readers. */
#include "base/check.h"
#include "base/fault.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/call.h"
#include "store/batch.h"
#include "store/store_internal.h"

#include <errno.h>

/* GETs at once: enough to hide the latency of many small ranges. */
#define MERGE_FETCHERS 8u

struct merge_input {
    const struct store_range *range;
    struct buf *buf; /* all blocks of the range */
};

struct merger {
    struct store *store;
    const struct store_merge *merge;
    uint64_t deadline_ns;
    struct merge_input *inputs;
    size_t next; /* input that the next free fetcher takes */
    bool failed;
    struct slices slices;
    struct buf *checkpoint;
    struct object_builder *builder;
    int64_t base_offset; /* of the first batch that stays; -1: none yet */
    int32_t leader_epoch;
};

static int
merge_fault(const struct store_merge *merge, int error, const char *what)
{
    char topic[UUID_TEXT_SIZE];
    return fault(error, "store: merge of topic %s partition %d into object %016llx: %s",
            uuid_format(&merge->key.topic_id, topic), (int)merge->key.index,
            (unsigned long long)merge->object_id, what);
}

static int
merge_check(const struct store_merge *merge)
{
    uint64_t size = 0;
    if (merge->count == 0) {
        return merge_fault(merge, -EINVAL, "nothing to merge");
    }
    for (size_t i = 0; i < merge->count; i++) {
        const struct store_range *range = &merge->ranges[i];
        int r = store_range_check(range);
        if (r < 0) {
            return r;
        }
        if (i > 0 && range->base_offset != merge->ranges[i - 1].end_offset) {
            return merge_fault(merge, -EINVAL, "ranges do not follow each other");
        }
        size += range->size;
        if (size > STORE_MERGE_SIZE_MAX) {
            return merge_fault(merge, -EFBIG, "too much to merge at once");
        }
    }
    if (merge->start_offset >= merge->ranges[merge->count - 1].end_offset) {
        return merge_fault(merge, -EINVAL, "everything lies before the log start");
    }
    return 0;
}

/* One of the fetchers: takes inputs until none is left. */
static int
merge_fetch(void *arg)
{
    struct merger *merger = arg;
    while (merger->next < merger->merge->count && !merger->failed) {
        struct merge_input *input = &merger->inputs[merger->next++];
        const struct store_range *range = input->range;
        if (range->size == 0 || range->end_offset <= merger->merge->start_offset) {
            continue;
        }
        struct object_range part = { range->position, range->size };
        int r = store_get_exact(merger->store->options.objects, range->object_id, part,
                merger->deadline_ns, &input->buf);
        if (r < 0) {
            merger->failed = true;
            return r;
        }
    }
    return 0;
}

static void
merge_keep_batches(struct merger *merger, struct buf *owner, struct bytes body)
{
    while (body.size > 0) {
        struct batch_view batch;
        int r = batch_next(&body, &batch);
        CHECK(r == 0); /* block_check has walked them */
        if (batch.end_offset <= merger->merge->start_offset) {
            continue;
        }
        if (merger->base_offset < 0) {
            merger->base_offset = batch.base_offset;
        }
        slices_append(&merger->slices, owner, batch.bytes);
    }
}

static int
merge_block_fault(struct place place, const char *what)
{
    return fault(-EBADMSG, "store: object %016llx at %llu: block %s",
            (unsigned long long)place.object_id, (unsigned long long)place.position, what);
}

/* The blocks tile the range in bytes and offsets, belong to the partition and fit their CRCs (O3).
 */
static int
merge_input_blocks(struct merger *merger, const struct merge_input *input)
{
    const struct store_range *range = input->range;
    uint64_t position = range->position;
    int64_t offset = range->base_offset;
    uint32_t count = 0;
    while (position < range->position + range->size) {
        struct place place = { range->object_id, position };
        size_t start = (size_t)(position - range->position);
        struct bytes rest = bytes_of(input->buf->data + start, input->buf->size - start);
        struct block_header header;
        int r = block_header_read(rest, place, &header);
        if (r < 0) {
            return r;
        }
        size_t size = BLOCK_HEADER_SIZE + (size_t)header.body_size;
        if (size > rest.size) {
            return merge_block_fault(place, "goes beyond its range");
        }
        r = block_check(bytes_of(rest.data, size), place, &header);
        if (r < 0) {
            return r;
        }
        if (header.base_offset != offset ||
                !partition_key_equal(&header.key, &merger->merge->key)) {
            return merge_block_fault(place, "of another partition or offset");
        }
        merge_keep_batches(
                merger, input->buf, bytes_of(rest.data + BLOCK_HEADER_SIZE, header.body_size));
        position += size;
        offset = header.end_offset;
        count++;
    }
    if (offset != range->end_offset || count != range->block_count) {
        return merge_block_fault(
                (struct place){ range->object_id, range->position }, "run ends early");
    }
    return 0;
}

static int
merge_collect(struct merger *merger)
{
    const struct store_merge *merge = merger->merge;
    for (size_t i = 0; i < merge->count; i++) {
        const struct merge_input *input = &merger->inputs[i];
        merger->leader_epoch = MAX(merger->leader_epoch, input->range->leader_epoch);
        if (!input->buf) {
            continue;
        }
        int r = merge_input_blocks(merger, input);
        if (r < 0) {
            return fault_note(
                    r, "store: merge into object %016llx", (unsigned long long)merge->object_id);
        }
    }
    return 0;
}

/* First offset of the new range. The batch that holds the log start stays whole. */
static int64_t
merge_base_offset(const struct merger *merger)
{
    const struct store_merge *merge = merger->merge;
    int64_t base_offset = MAX(merge->ranges[0].base_offset, merge->start_offset);
    return merger->base_offset >= 0 ? MIN(base_offset, merger->base_offset) : base_offset;
}

/* Checks the input and builds the object: hundreds of megabytes of CRCs, so on a helper thread.
 * Touches nothing that the reactor uses meanwhile. */
static int
merge_build(void *arg)
{
    struct merger *merger = arg;
    const struct store_merge *merge = merger->merge;
    int r = merge_collect(merger);
    if (r < 0) {
        return r;
    }
    struct object_run run = {
        .key = merge->key,
        .leader_epoch = merger->leader_epoch,
        .base_offset = merge_base_offset(merger),
        .end_offset = merge->ranges[merge->count - 1].end_offset,
        .batches = merger->slices.items,
        .batch_count = merger->slices.count,
        .checkpoint = buf_bytes(merger->checkpoint),
    };
    return object_builder_add(merger->builder, &run);
}

static int
merge_write(struct merger *merger, struct store_range *ret_range)
{
    const struct store_range *ranges;
    size_t count;
    int r = store_write_object(
            merger->store, merger->builder, merger->deadline_ns, &ranges, &count);
    if (r == 0) {
        CHECK(count == 1);
        *ret_range = ranges[0];
    }
    return r;
}

/* The checkpoint for the new object: the caller's, or what the last range has. */
static int
merge_checkpoint(struct merger *merger)
{
    const struct store_merge *merge = merger->merge;
    const struct store_range *last = &merge->ranges[merge->count - 1];
    if (merge->checkpoint.size > 0 || last->checkpoint_size == 0) {
        merger->checkpoint = buf_of_bytes(merge->checkpoint);
        return 0;
    }
    MARK("store: merge carries the checkpoint over");
    return store_read_checkpoint(merger->store, last, merge->key, &merger->checkpoint);
}

static int
merge_run(struct merger *merger, struct store_range *ret_range)
{
    struct fiber_group group;
    fiber_group_init(&group);
    for (size_t i = 0; i < MIN((size_t)MERGE_FETCHERS, merger->merge->count); i++) {
        fiber_group_spawn(&group, "store: merge", merge_fetch, merger);
    }
    int r = fiber_group_wait(&group);
    if (r < 0) {
        return r;
    }
    r = merge_checkpoint(merger);
    if (r < 0) {
        return r;
    }
    r = offload_run(merge_build, merger);
    return r < 0 ? r : merge_write(merger, ret_range);
}

static void
merger_done(struct merger *merger)
{
    object_builder_free(merger->builder);
    slices_done(&merger->slices);
    for (size_t i = 0; i < merger->merge->count; i++) {
        buf_unref(merger->inputs[i].buf);
    }
    buf_unref(merger->checkpoint);
    mem_free(merger->inputs);
}

int
store_merge_ranges(struct store *store, const struct store_merge *merge, uint64_t deadline_ns,
        struct store_range *ret_range)
{
    int r = merge_check(merge);
    if (r < 0) {
        return r;
    }
    r = mutex_lock(&store->merging);
    if (r < 0) {
        return r;
    }
    struct merger merger = {
        .store = store,
        .merge = merge,
        .deadline_ns = deadline_ns,
        .inputs = mem_alloc_array(merge->count, sizeof *merger.inputs),
        .builder = object_builder_new(merge->object_id, merge->broker_id, merge->broker_epoch),
        .base_offset = -1,
    };
    slices_init(&merger.slices);
    for (size_t i = 0; i < merge->count; i++) {
        merger.inputs[i].range = &merge->ranges[i];
    }
    r = merge_run(&merger, ret_range);
    merger_done(&merger);
    mutex_unlock(&store->merging);
    return r;
}
