/* Log compaction, batch by batch: which keys there are, which records stay. Runs on a helper thread
 * while its fiber waits. */
#include "base/fault.h"
#include "base/mark.h"
#include "partition/clean.h"
#include "wire/record_builder.h"

#include <errno.h>
#include <stdlib.h>

/* More than any batch that can be appended unfolds to. */
#define RECORDS_SIZE_MAX (2 * DECOMPRESSED_SIZE_MAX)

/* Records of one batch; `unfolded` owns them when they were compressed. */
static int
batch_records(const struct record_batch *batch, struct strbuf *unfolded, struct bytes *ret_records)
{
    enum compression codec = record_batch_compression(batch);
    if (codec == COMPRESSION_NONE) {
        *ret_records = batch->records;
        return 0;
    }
    int r = decompress(codec, batch->records, 0, unfolded);
    if (r == 0) {
        *ret_records = strbuf_bytes(unfolded);
    }
    return r;
}

/* 1: all keys are in the map; 0: it is full. */
static int
gather_records(struct clean_map *map, const struct record_batch *batch, struct bytes records)
{
    struct record_iterator it;
    struct record record;
    int r;
    record_iterator_init(&it, batch, records);
    while ((r = record_iterator_next(&it, &record)) > 0) {
        if (record.key.data && !clean_map_put(map, record.key, record.offset)) {
            MARK("clean: more keys than one pass may remember");
            return 0;
        }
    }
    return r < 0 ? r : 1;
}

static int
gather_batch(struct cleaner *cleaner, const struct record_batch *batch)
{
    struct strbuf unfolded;
    struct bytes records;
    bool in_transaction = record_batch_is_control(batch) || record_batch_is_transactional(batch);
    if (in_transaction && !cleaner->txns.known) {
        cleaner->txns.wanted = true;
        return 0;
    }
    if (cleaner->txns.known && batch->base_offset >= cleaner->txns.stable_offset) {
        return 0;
    }
    if (record_batch_is_control(batch) || clean_is_aborted(cleaner, batch)) {
        return 1;
    }
    strbuf_init(&unfolded, RECORDS_SIZE_MAX);
    int r = batch_records(batch, &unfolded, &records);
    if (r == 0) {
        r = gather_records(&cleaner->map, batch, records);
    }
    strbuf_done(&unfolded);
    return r;
}

static int
chunk_fault(const struct cleaner *cleaner, int r, int64_t offset)
{
    return fault_note(r, "compaction of %s-%d: batch at offset %lld",
            cleaner->partition->topic_name, cleaner->partition->key.index, (long long)offset);
}

/* Calls fn for each batch until it returns 0 (stop) or less. */
static int
chunk_walk(struct clean_chunk *chunk,
        int (*fn)(struct cleaner *cleaner, const struct record_batch *batch))
{
    for (size_t i = 0; i < chunk->batches->count && !chunk->stopped; i++) {
        struct bytes run = chunk->batches->items[i].bytes;
        struct record_batch batch;
        int r;
        while ((r = record_batch_next(&run, &batch)) > 0) {
            r = fn(chunk->cleaner, &batch);
            chunk->stopped = r == 0;
            if (r <= 0) {
                break;
            }
            chunk->next_offset = record_batch_last_offset(&batch) + 1;
        }
        if (r < 0) {
            return chunk_fault(chunk->cleaner, r, chunk->next_offset);
        }
    }
    return 0;
}

int
clean_scan(void *chunk)
{
    return chunk_walk(chunk, clean_scan_batch);
}

int
clean_gather(void *chunk)
{
    return chunk_walk(chunk, gather_batch);
}

static int
producer_compare(const void *key, const void *element)
{
    int64_t left = *(const int64_t *)key;
    int64_t right = ((const struct clean_producer *)element)->id;
    return left < right ? -1 : left > right;
}

/* NULL: not known (any more). */
static struct clean_producer *
producer_of(const struct cleaner *cleaner, const struct record_batch *batch)
{
    return record_batch_has_producer(batch) && cleaner->producer_count
                   ? bsearch(&batch->producer_id, cleaner->producers, cleaner->producer_count,
                             sizeof *cleaner->producers, producer_compare)
                   : NULL;
}

/* A batch on its way through the filter. */
struct filtering {
    struct cleaner *cleaner;
    const struct record_batch *batch;
    struct bytes records;
    bool aborted;
    int32_t kept;
    int32_t removed;
    bool has_tombstones; /* that stay */
};

static bool
horizon_has_passed(const struct cleaner *cleaner, const struct record_batch *batch)
{
    return (batch->attributes & RECORD_BATCH_DELETE_HORIZON) &&
           batch->base_timestamp <= cleaner->now_ms;
}

/* Q10, Q11, Q13 */
static bool
record_stays(const struct filtering *f, const struct record *record)
{
    if (record_batch_is_control(f->batch)) {
        return true;
    }
    if (f->aborted || !record->key.data) {
        return false; /* no key: from before the topic was compacted; Kafka drops them too */
    }
    if (clean_map_get(&f->cleaner->map, record->key) > record->offset) {
        return false;
    }
    return record->value.data || !horizon_has_passed(f->cleaner, f->batch);
}

static int
filter_judge(struct filtering *f)
{
    struct record_iterator it;
    struct record record;
    int r;
    record_iterator_init(&it, f->batch, f->records);
    while ((r = record_iterator_next(&it, &record)) > 0) {
        if (record_stays(f, &record)) {
            f->kept++;
            f->has_tombstones = f->has_tombstones || !record.value.data;
        } else {
            f->removed++;
        }
    }
    return r;
}

static struct record_batch_options
options_of(const struct record_batch *batch)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    options.base_offset = batch->base_offset;
    options.producer_id = batch->producer_id;
    options.partition_leader_epoch = batch->partition_leader_epoch;
    options.base_sequence = batch->base_sequence;
    options.producer_epoch = batch->producer_epoch;
    options.compression = record_batch_compression(batch);
    options.transactional = record_batch_is_transactional(batch);
    options.control = record_batch_is_control(batch);
    options.log_append_time = batch->attributes & RECORD_BATCH_LOG_APPEND_TIME;
    options.delete_horizon = batch->attributes & RECORD_BATCH_DELETE_HORIZON;
    options.has_base_timestamp = true;
    options.base_timestamp = batch->base_timestamp;
    return options;
}

/* The batch with those of its records that stay; `horizon`: with one, unless it has one. */
static int
filter_rebuild(struct filtering *f, bool horizon)
{
    const struct record_batch *batch = f->batch;
    struct record_batch_options options = options_of(batch);
    struct record_builder builder;
    struct record_iterator it;
    struct record record;
    struct buf *out;
    int r;
    if (horizon && !options.delete_horizon) {
        options.delete_horizon = true;
        options.base_timestamp = f->cleaner->now_ms + f->cleaner->delete_retention_ms;
    }
    if (f->kept == 0) {
        MARK("clean: an empty batch keeps its producer's sequence");
        options.compression = COMPRESSION_NONE;
    }
    record_builder_init(&builder, &options, RECORDS_SIZE_MAX);
    record_iterator_init(&it, batch, f->records);
    while ((r = record_iterator_next(&it, &record)) > 0) {
        if (record_stays(f, &record)) {
            record_builder_append(&builder, &record);
        }
    }
    if (f->kept == 0) {
        builder.max_timestamp = batch->max_timestamp;
    }
    record_builder_set_last_offset(&builder, record_batch_last_offset(batch));
    r = r < 0 ? r : record_builder_finish(&builder, &out);
    record_builder_done(&builder);
    if (r == 0) {
        slices_append(&f->cleaner->out, out, buf_bytes(out));
        buf_unref(out);
    }
    return r;
}

/* The chunk's memory belongs to the block cache: what stays as it is is copied. */
static int
batch_copy(struct cleaner *cleaner, const struct record_batch *batch)
{
    struct buf *copy = buf_try_new(batch->bytes.size);
    if (!copy) {
        return fault(-ENOMEM, "no memory for a batch of %zu bytes", batch->bytes.size);
    }
    memcpy(copy->data, batch->bytes.data, batch->bytes.size);
    copy->size = batch->bytes.size;
    slices_append(&cleaner->out, copy, buf_bytes(copy));
    buf_unref(copy);
    return 0;
}

/* Q12, Q13 */
static int
filter_records(struct filtering *f)
{
    struct cleaner *cleaner = f->cleaner;
    struct clean_producer *producer = producer_of(cleaner, f->batch);
    int r = filter_judge(f);
    if (r < 0) {
        return r;
    }
    cleaner->records_removed += (uint64_t)f->removed;
    if (producer) {
        producer->kept = producer->kept || f->kept > 0;
    }
    bool is_last = producer && producer->last_offset == record_batch_last_offset(f->batch);
    bool has_horizon = f->batch->attributes & RECORD_BATCH_DELETE_HORIZON;
    if (f->kept == 0 && !is_last) {
        return 0;
    }
    return f->removed == 0 && (has_horizon || !f->has_tombstones)
                   ? batch_copy(cleaner, f->batch)
                   : filter_rebuild(f, f->has_tombstones);
}

/* Q13 */
static int
filter_marker(struct filtering *f)
{
    struct cleaner *cleaner = f->cleaner;
    struct clean_producer *producer = producer_of(cleaner, f->batch);
    int type = clean_marker_type(f->batch);
    if (type < 0) {
        return type;
    }
    bool needed = type != CONTROL_COMMIT || !producer || producer->kept;
    if (producer) {
        producer->kept = false;
    }
    if (!needed && horizon_has_passed(cleaner, f->batch)) {
        MARK("clean: a commit marker goes");
        return 0;
    }
    f->kept = 1;
    return needed || (f->batch->attributes & RECORD_BATCH_DELETE_HORIZON)
                   ? batch_copy(cleaner, f->batch)
                   : filter_rebuild(f, true);
}

static int
filter_batch(struct cleaner *cleaner, const struct record_batch *batch)
{
    struct strbuf unfolded;
    struct filtering f = { .cleaner = cleaner, .batch = batch };
    if (!cleaner->beyond && record_batch_last_offset(batch) >= cleaner->mapped_offset) {
        return 0;
    }
    if (cleaner->beyond) {
        int r = batch_copy(cleaner, batch);
        return r < 0 ? r : 1;
    }
    f.aborted = clean_is_aborted(cleaner, batch);
    strbuf_init(&unfolded, RECORDS_SIZE_MAX);
    int r = batch_records(batch, &unfolded, &f.records);
    if (r == 0) {
        r = record_batch_is_control(batch) ? filter_marker(&f) : filter_records(&f);
    }
    strbuf_done(&unfolded);
    return r < 0 ? r : 1;
}

int
clean_filter(void *chunk)
{
    return chunk_walk(chunk, filter_batch);
}
