/* Builds an object as a list of borrowed parts: headers of our own between batches that stay where
 * the socket put them. The bytes are fixed by the time a part is added, so a repeated write is the
 * same. */
#include "base/check.h"
#include "base/crc.h"
#include "base/fault.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/mutant.h"
#include "store/batch.h"
#include "store/format.h"
#include "store/store_internal.h"

#include <errno.h>

struct object_run_node {
    struct map_node node;
    struct partition_key key;
};

struct object_builder {
    uint64_t object_id;
    int32_t broker_id;
    int64_t broker_epoch;
    struct iovec *parts;
    size_t part_count;
    size_t part_capacity;
    struct buf **owners; /* one reference each */
    size_t owner_count;
    size_t owner_capacity;
    struct object_run_node **runs;
    struct store_range *ranges; /* beside runs */
    size_t run_count;
    size_t run_capacity;
    struct map keys;
    uint64_t size; /* of all parts */
    bool sealed;   /* directory and footer are among the parts */
};

/* One run while it is being added. */
struct run_writer {
    struct object_builder *builder;
    const struct object_run *run;
    struct store_range range;
    struct index_entry *index; /* range.block_count entries */
    size_t index_capacity;
    struct block_header block; /* open block; body_size 0: none is open */
    uint8_t *block_out;        /* where its header goes */
    int64_t offset;            /* batches before it were added */
};

static void
builder_push(struct object_builder *builder, const uint8_t *data, size_t size)
{
    if (builder->part_count == builder->part_capacity) {
        builder->part_capacity = MAX((size_t)64, builder->part_capacity * 2);
        builder->parts =
                mem_realloc(builder->parts, builder->part_capacity * sizeof *builder->parts);
    }
    builder->parts[builder->part_count++] =
            (struct iovec){ .iov_base = (void *)(uintptr_t)data, .iov_len = size };
    builder->size += size;
}

/* A batch. Batches that lie side by side in memory become one part. Each run begins with a part of
 * our own, so this never touches a part of an earlier run. */
static void
builder_push_batch(struct object_builder *builder, struct bytes batch)
{
    struct iovec *last = &builder->parts[builder->part_count - 1];
    if ((uint8_t *)last->iov_base + last->iov_len == batch.data) {
        last->iov_len += batch.size;
        builder->size += batch.size;
        return;
    }
    builder_push(builder, batch.data, batch.size);
}

/* Keeps the buffer until the builder is freed. Takes the reference. */
static void
builder_own(struct object_builder *builder, struct buf *owner)
{
    if (builder->owner_count == builder->owner_capacity) {
        builder->owner_capacity = MAX((size_t)64, builder->owner_capacity * 2);
        builder->owners =
                mem_realloc(builder->owners, builder->owner_capacity * sizeof(struct buf *));
    }
    builder->owners[builder->owner_count++] = owner;
}

/* A part of our own making, to be filled in by the caller. */
static uint8_t *
builder_own_part(struct object_builder *builder, size_t size)
{
    struct buf *buf = buf_new(size);
    buf->size = size;
    builder_own(builder, buf);
    builder_push(builder, buf->data, size);
    return buf->data;
}

struct object_builder *
object_builder_new(uint64_t object_id, int32_t broker_id, int64_t broker_epoch)
{
    CHECK(object_id != 0);
    struct object_builder *builder = mem_alloc(sizeof *builder);
    builder->object_id = object_id;
    builder->broker_id = broker_id;
    builder->broker_epoch = broker_epoch;
    map_init(&builder->keys);
    struct object_header header = { object_id, broker_id, broker_epoch };
    object_header_write(&header, builder_own_part(builder, OBJECT_HEADER_SIZE));
    return builder;
}

void
object_builder_free(struct object_builder *builder)
{
    if (!builder) {
        return;
    }
    for (size_t i = 0; i < builder->owner_count; i++) {
        buf_unref(builder->owners[i]);
    }
    for (size_t i = 0; i < builder->run_count; i++) {
        mem_free(builder->runs[i]);
    }
    map_done(&builder->keys);
    mem_free(builder->runs);
    mem_free(builder->ranges);
    mem_free(builder->owners);
    mem_free(builder->parts);
    mem_free(builder);
}

static uint64_t
ending_size(size_t run_count)
{
    return SECTION_HEADER_SIZE + (uint64_t)run_count * DIRECTORY_ENTRY_SIZE + FOOTER_SIZE;
}

uint64_t
object_builder_size(const struct object_builder *builder)
{
    return builder->size + (builder->sealed ? 0 : ending_size(builder->run_count));
}

static bool
key_equal(const struct map_node *node, const void *key)
{
    return partition_key_equal(&CONTAINER_OF(node, const struct object_run_node, node)->key, key);
}

/* What happened to which partition's run. */
static int
run_fault(const struct object_run *run, int error, int64_t offset, const char *what)
{
    char topic[UUID_TEXT_SIZE];
    return fault(error, "store: run of topic %s partition %d at offset %lld: %s",
            uuid_format(&run->key.topic_id, topic), (int)run->key.index, (long long)offset, what);
}

static void
block_open(struct run_writer *writer, int64_t base_offset)
{
    struct object_builder *builder = writer->builder;
    writer->block = (struct block_header){
        .place = { builder->object_id, builder->size },
        .key = writer->run->key,
        .leader_epoch = writer->run->leader_epoch,
        .base_offset = base_offset,
        .timestamp_max = -1,
    };
    writer->block_out = builder_own_part(builder, BLOCK_HEADER_SIZE);
}

static void
block_close(struct run_writer *writer, int64_t end_offset)
{
    struct block_header *block = &writer->block;
    block->end_offset = end_offset;
    block_header_write(block, writer->block_out);
    struct store_range *range = &writer->range;
    if (range->block_count == writer->index_capacity) {
        writer->index_capacity = MAX((size_t)8, writer->index_capacity * 2);
        writer->index = mem_realloc(writer->index, writer->index_capacity * sizeof *writer->index);
    }
    writer->index[range->block_count++] = (struct index_entry){
        .position = block->place.position,
        .size = BLOCK_HEADER_SIZE + block->body_size,
        .batch_count = block->batch_count,
        .base_offset = block->base_offset,
        .end_offset = end_offset,
        .timestamp_max = block->timestamp_max,
    };
    range->timestamp_max = MAX(range->timestamp_max, block->timestamp_max);
    block->body_size = 0;
}

static int
run_add_batch(struct run_writer *writer, const struct batch_view *batch)
{
    const struct object_run *run = writer->run;
    struct block_header *block = &writer->block;
    if (batch->base_offset < writer->offset || batch->end_offset > run->end_offset) {
        return run_fault(run, -EINVAL, batch->base_offset, "batch outside the run or out of order");
    }
    if (!batch_crc_fits(batch) && !MUTANT(MUTANT_NO_WAL_OBJECT_CRC)) {
        return run_fault(run, -EBADMSG, batch->base_offset, "batch CRC does not fit");
    }
    if (batch->bytes.size > BLOCK_SIZE_MAX) {
        return run_fault(run, -EFBIG, batch->base_offset, "batch too large");
    }
    if (block->body_size > 0 && block->body_size + batch->bytes.size > BLOCK_SIZE_TARGET) {
        block_close(writer, batch->base_offset);
    }
    if (block->body_size == 0) {
        block_open(writer, writer->range.block_count ? batch->base_offset : run->base_offset);
    }
    builder_push_batch(writer->builder, batch->bytes);
    block->body_crc = crc32c_combine(
            block->body_crc, record_batch_crc_of_all(batch->bytes), (uint32_t)batch->bytes.size);
    block->body_size += (uint32_t)batch->bytes.size;
    block->batch_count++;
    block->timestamp_max = MAX(block->timestamp_max, batch->timestamp_max);
    writer->offset = batch->end_offset;
    return 0;
}

static int
run_add_batches(struct run_writer *writer)
{
    const struct object_run *run = writer->run;
    struct object_builder *builder = writer->builder;
    uint64_t limit = OBJECT_SIZE_MAX - ending_size(builder->run_count + 1);
    for (size_t i = 0; i < run->batch_count; i++) {
        const struct slice *slice = &run->batches[i];
        struct bytes rest = slice->bytes;
        if (i == 0 || slice->owner != run->batches[i - 1].owner) {
            builder_own(builder, buf_ref(slice->owner));
        }
        while (rest.size > 0) {
            struct batch_view batch;
            int r = batch_next(&rest, &batch);
            if (r < 0) {
                return run_fault(run, r, writer->offset, "unreadable record batch");
            }
            if (batch.bytes.size + BLOCK_HEADER_SIZE > limit - MIN(limit, builder->size)) {
                return run_fault(run, -EFBIG, batch.base_offset, "object full");
            }
            r = run_add_batch(writer, &batch);
            if (r < 0) {
                return r;
            }
        }
    }
    if (writer->block.body_size > 0) {
        block_close(writer, run->end_offset);
    }
    return 0;
}

/* Header and body of a section whose body is at out + SECTION_HEADER_SIZE. */
static void
section_finish(uint8_t *out, struct section_header *header)
{
    header->body_crc = crc32c(bytes_of(out + SECTION_HEADER_SIZE, header->body_size));
    section_header_write(header, out);
}

static void
run_add_index(struct run_writer *writer)
{
    struct object_builder *builder = writer->builder;
    struct store_range *range = &writer->range;
    range->index_position = builder->size;
    uint8_t *out = builder_own_part(builder, index_size(range->block_count));
    for (uint32_t i = 0; i < range->block_count; i++) {
        index_entry_write(&writer->index[i], out + index_size(i));
    }
    struct section_header header = {
        .kind = SECTION_INDEX,
        .place = { builder->object_id, range->index_position },
        .key = writer->run->key,
        .entry_count = range->block_count,
        .body_size = (uint64_t)range->block_count * INDEX_ENTRY_SIZE,
    };
    section_finish(out, &header);
}

static void
run_add_checkpoint(struct run_writer *writer)
{
    struct object_builder *builder = writer->builder;
    struct bytes body = writer->run->checkpoint;
    struct section_header header = {
        .kind = SECTION_CHECKPOINT,
        .place = { builder->object_id, builder->size },
        .key = writer->run->key,
        .body_size = body.size,
    };
    writer->range.checkpoint_position = builder->size;
    writer->range.checkpoint_size = (uint32_t)(SECTION_HEADER_SIZE + body.size);
    uint8_t *out = builder_own_part(builder, SECTION_HEADER_SIZE + body.size);
    memcpy(out + SECTION_HEADER_SIZE, body.data, body.size);
    section_finish(out, &header);
}

static int
run_write(struct run_writer *writer)
{
    struct object_builder *builder = writer->builder;
    int r = run_add_batches(writer);
    if (r < 0) {
        return r;
    }
    struct store_range *range = &writer->range;
    if (range->block_count > STORE_RANGE_BLOCKS_MAX) {
        return run_fault(writer->run, -EFBIG, writer->run->base_offset, "too many blocks");
    }
    range->size = builder->size - range->position;
    if (range->block_count > 1) {
        run_add_index(writer);
    }
    if (writer->run->checkpoint.size > 0) {
        run_add_checkpoint(writer);
    }
    if (builder->size > OBJECT_SIZE_MAX - ending_size(builder->run_count + 1)) {
        return run_fault(writer->run, -EFBIG, writer->run->base_offset, "object full");
    }
    return 0;
}

static int
run_check(const struct object_builder *builder, const struct object_run *run)
{
    if (builder->run_count == STORE_OBJECT_RUNS_MAX) {
        return run_fault(run, -EFBIG, run->base_offset, "object has too many runs");
    }
    if (run->base_offset < 0 || run->end_offset <= run->base_offset) {
        return run_fault(run, -EINVAL, run->base_offset, "no offsets");
    }
    if (run->checkpoint.size > STORE_CHECKPOINT_SIZE_MAX) {
        return run_fault(run, -EFBIG, run->base_offset, "checkpoint too large");
    }
    if (map_find(&builder->keys, partition_key_hash(&run->key), key_equal, &run->key)) {
        return run_fault(run, -EEXIST, run->base_offset, "partition is in the object already");
    }
    return 0;
}

static void
builder_add_range(struct object_builder *builder, const struct object_run *run,
        const struct store_range *range)
{
    if (builder->run_count == builder->run_capacity) {
        size_t capacity = MAX((size_t)16, builder->run_capacity * 2);
        builder->ranges = mem_realloc(builder->ranges, capacity * sizeof *builder->ranges);
        builder->runs = mem_realloc(builder->runs, capacity * sizeof(struct object_run_node *));
        builder->run_capacity = capacity;
    }
    struct object_run_node *node = mem_alloc(sizeof *node);
    node->key = run->key;
    map_insert(&builder->keys, &node->node, partition_key_hash(&run->key));
    builder->runs[builder->run_count] = node;
    builder->ranges[builder->run_count++] = *range;
}

int
object_builder_add(struct object_builder *builder, const struct object_run *run)
{
    CHECK(!builder->sealed);
    int r = run_check(builder, run);
    if (r < 0) {
        return r;
    }
    size_t part_count = builder->part_count;
    size_t owner_count = builder->owner_count;
    uint64_t size = builder->size;
    struct run_writer writer = {
        .builder = builder,
        .run = run,
        .offset = run->base_offset,
        .range = {
            .object_id = builder->object_id,
            .base_offset = run->base_offset,
            .end_offset = run->end_offset,
            .timestamp_max = -1,
            .position = size,
            .leader_epoch = run->leader_epoch,
        },
    };
    r = run_write(&writer);
    mem_free(writer.index);
    if (r < 0) {
        while (builder->owner_count > owner_count) {
            buf_unref(builder->owners[--builder->owner_count]);
        }
        builder->part_count = part_count;
        builder->size = size;
        return r;
    }
    builder_add_range(builder, run, &writer.range);
    return 0;
}

/* Directory and footer. */
static void
builder_seal(struct object_builder *builder)
{
    struct section_header header = {
        .kind = SECTION_DIRECTORY,
        .place = { builder->object_id, builder->size },
        .key = { UUID_ZERO, -1 },
        .entry_count = (uint32_t)builder->run_count,
        .body_size = (uint64_t)builder->run_count * DIRECTORY_ENTRY_SIZE,
    };
    uint8_t *out = builder_own_part(builder, SECTION_HEADER_SIZE + header.body_size);
    for (size_t i = 0; i < builder->run_count; i++) {
        directory_entry_write(&builder->runs[i]->key, &builder->ranges[i],
                out + SECTION_HEADER_SIZE + i * DIRECTORY_ENTRY_SIZE);
    }
    section_finish(out, &header);
    struct footer footer = {
        .place = { builder->object_id, builder->size },
        .directory_position = header.place.position,
        .directory_size = SECTION_HEADER_SIZE + header.body_size,
        .run_count = (uint32_t)builder->run_count,
        .broker_id = builder->broker_id,
        .broker_epoch = builder->broker_epoch,
    };
    footer_write(&footer, builder_own_part(builder, FOOTER_SIZE));
    builder->sealed = true;
}

int
store_write_object(struct store *store, struct object_builder *builder, uint64_t deadline_ns,
        const struct store_range **ret_ranges, size_t *ret_count)
{
    if (builder->run_count == 0) {
        return fault(-EINVAL, "store: object %016llx has no runs",
                (unsigned long long)builder->object_id);
    }
    if (!builder->sealed) {
        builder_seal(builder);
    }
    int r = store_put(store, builder->object_id, builder->parts, builder->part_count, deadline_ns);
    if (r < 0) {
        return r;
    }
    store->objects_written++;
    store->object_bytes_written += builder->size;
    *ret_ranges = builder->ranges;
    *ret_count = builder->run_count;
    return 0;
}
