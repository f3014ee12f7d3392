/* Log compaction: which records stay, where, and what a crash or a failing store does to it. */
#include "base/mark.h"
#include "objectstore/faulty.h"
#include "partition/clean.h"
#include "reactor/clock.h"
#include "support_rig.h"
#include "unit/test.h"
#include "wire/record_builder.h"

#include <errno.h>
#include <stdio.h>

static struct partition *
open_partition(struct rig *rig)
{
    return shard_find(rig->shard, rig->key);
}

/* "k1=a k2= k3" : a value, an empty value, a tombstone. */
struct keyed {
    int64_t producer_id;
    int32_t sequence;
    enum compression compression;
    bool transactional;
};

static struct buf *
keyed_batch(const struct keyed *how, const char *text)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    struct record_builder builder;
    struct buf *batch = NULL;
    int64_t offset = 0;
    options.producer_id = how->producer_id;
    options.producer_epoch = how->producer_id < 0 ? -1 : 0;
    options.base_sequence = how->sequence;
    options.compression = how->compression;
    options.transactional = how->transactional;
    record_builder_init(&builder, &options, 1 << 20);
    while (*text) {
        size_t size = strcspn(text, " ");
        size_t key = strcspn(text, "= ");
        struct record record = {
            .key = bytes_of(text, MIN(key, size)), .offset = offset, .timestamp = clock_wall_ms()
        };
        if (key < size) {
            record.value = bytes_of(text + key + 1, size - key - 1);
        }
        record_builder_append(&builder, &record);
        offset++;
        text += size + (text[size] == ' ');
    }
    int r = record_builder_finish(&builder, &batch);
    record_builder_done(&builder);
    return r < 0 ? NULL : batch;
}

static const struct keyed plain = { -1, -1, COMPRESSION_NONE, false };

/* A range of its own. */
static int
put(struct rig *rig, const char *text)
{
    int r = rig_append(rig, rig->key, keyed_batch(&plain, text), NULL);
    return r ? r : shard_flush(rig->shard);
}

static int
clean(struct rig *rig)
{
    return partition_clean_locked(rig->shard, open_partition(rig), 2);
}

static int
restart(struct rig *rig)
{
    int r = rig_crash(rig);
    return r < 0 ? r : rig_start(rig);
}

static void
print_batch(const struct record_batch *batch, struct strbuf *out)
{
    struct strbuf unfolded;
    struct record_iterator it;
    struct record record;
    strbuf_init(&unfolded, 1 << 20);
    struct bytes records = batch->records;
    if (record_batch_compression(batch) != COMPRESSION_NONE) {
        ASSERT_OK(decompress(record_batch_compression(batch), records, 0, &unfolded));
        records = strbuf_bytes(&unfolded);
    }
    record_iterator_init(&it, batch, records);
    while (record_iterator_next(&it, &record) > 0) {
        if (record_batch_is_control(batch)) {
            strbuf_printf(out, "%s%lld:!", out->size ? " " : "", (long long)record.offset);
            continue;
        }
        strbuf_printf(out, "%s%lld:%.*s", out->size ? " " : "", (long long)record.offset,
                (int)record.key.size, (const char *)record.key.data);
        if (record.value.data) {
            strbuf_printf(out, "=%.*s", (int)record.value.size, (const char *)record.value.data);
        }
    }
    if (batch->record_count == 0) {
        strbuf_printf(out, "%s(%lld-%lld)", out->size ? " " : "", (long long)batch->base_offset,
                (long long)record_batch_last_offset(batch));
    }
    strbuf_done(&unfolded);
}

/* All that a consumer sees from `offset` on: "3:k=v 5:k2"; ! stands for a marker, (3-4) for a batch
 * without records. */
static const char *
content(struct rig *rig, int64_t offset)
{
    static struct strbuf out;
    strbuf_done(&out);
    strbuf_init(&out, 1 << 20);
    for (bool more = true; more;) {
        struct slices slices;
        slices_init(&slices);
        int r = partition_read(rig->shard, open_partition(rig), offset, 100, NULL, &slices);
        if (r < 0) {
            strbuf_printf(&out, "error %d", r);
        }
        more = slices.count > 0;
        for (size_t i = 0; i < slices.count; i++) {
            struct bytes run = slices.items[i].bytes;
            struct record_batch batch;
            while (record_batch_next(&run, &batch) > 0) {
                if (record_batch_check_crc(&batch) < 0) {
                    strbuf_append_string(&out, "damaged");
                }
                print_batch(&batch, &out);
                offset = record_batch_last_offset(&batch) + 1;
            }
        }
        slices_done(&slices);
    }
    return strbuf_cstring(&out);
}

static int
new_rig(struct rig *rig, const char *name)
{
    int r = rig_new(rig, name);
    if (r == 0) {
        rig->limits.compacted = true;
        rig->limits.delete_retention_ms = 86400000;
        rig->limits.min_cleanable_dirty_ratio = 0.5;
        rig->garbage_delay_ns = NS_PER_MS;
        r = restart(rig);
    }
    return r;
}

/* Q10 */
FIBER_TEST(the_newest_record_of_each_key_stays_at_its_offset)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "newest"));
    ASSERT_OK(put(&rig, "a=1 b=1 c=1"));
    ASSERT_OK(put(&rig, "a=2 d=1"));
    ASSERT_OK(put(&rig, "a=3 b=2"));
    ASSERT_OK(put(&rig, "e="));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "2:c=1 4:d=1 5:a=3 6:b=2 7:e=");
    ASSERT_STRING(content(&rig, 3), "4:d=1 5:a=3 6:b=2 7:e=");
    ASSERT_EQ(clean(&rig), 0); /* nothing is dirty */
    ASSERT_OK(rig_stop(&rig));
}

/* Q10: offsets that lead nowhere any more lead on. */
FIBER_TEST(a_reader_passes_over_ranges_without_records)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "gap"));
    for (int i = 0; i < 5; i++) {
        ASSERT_OK(put(&rig, "a=1 b=1"));
    }
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(put(&rig, "a=2 b=2"));
    ASSERT_OK(put(&rig, "a=3 b=3"));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "12:a=3 13:b=3");
    ASSERT_EQ(rig_append(&rig, rig.key, keyed_batch(&plain, "a=4"), NULL), 0);
    ASSERT_STRING(content(&rig, 5), "12:a=3 13:b=3 14:a=4");
    ASSERT_OK(rig_stop(&rig));
}

/* Q10: what is only in the WAL takes nothing away. */
FIBER_TEST(a_newer_record_that_is_not_committed_removes_nothing)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "uncommitted"));
    ASSERT_OK(put(&rig, "a=1 b=1"));
    ASSERT_OK(put(&rig, "c=1"));
    ASSERT_EQ(rig_append(&rig, rig.key, keyed_batch(&plain, "a=2"), NULL), 0);
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_STRING(content(&rig, 0), "0:a=1 1:b=1 2:c=1 3:a=2");
    ASSERT_OK(rig_stop(&rig));
}

/* Q11 */
FIBER_TEST(a_tombstone_stays_until_its_horizon)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "tombstone"));
    struct topic_limits *limits = &open_partition(&rig)->limits;
    ASSERT_OK(put(&rig, "a=1 b=1"));
    ASSERT_OK(put(&rig, "a"));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_STRING(content(&rig, 2), "2:a"); /* from the cache */
    ASSERT_OK(restart(&rig));
    limits = &open_partition(&rig)->limits;
    ASSERT_STRING(content(&rig, 0), "1:b=1 2:a");
    limits->min_cleanable_dirty_ratio = 0;
    ASSERT_OK(put(&rig, "c=1"));
    ASSERT_OK(put(&rig, "d=1"));
    ASSERT_EQ(clean(&rig), 1); /* its horizon is a day away */
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "1:b=1 2:a 3:c=1 4:d=1");
    limits = &open_partition(&rig)->limits;
    limits->min_cleanable_dirty_ratio = 0;
    limits->delete_retention_ms = 0;
    ASSERT_OK(put(&rig, "b"));
    ASSERT_OK(put(&rig, "e=1"));
    ASSERT_EQ(clean(&rig), 1); /* the horizon of b begins and ends now */
    ASSERT_OK(fiber_sleep_ns(3 * NS_PER_MS));
    ASSERT_OK(put(&rig, "f=1"));
    ASSERT_OK(put(&rig, "g=1"));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "2:a 3:c=1 4:d=1 6:e=1 7:f=1 8:g=1");
    ASSERT_OK(rig_stop(&rig));
}

/* Q12, P1 */
FIBER_TEST(the_last_batch_of_a_producer_keeps_its_sequence)
{
    struct rig rig;
    int64_t offset;
    struct keyed how = { 9, 0, COMPRESSION_NONE, false };
    ASSERT_OK(new_rig(&rig, "sequence"));
    for (; how.sequence < 4; how.sequence += 2) {
        ASSERT_EQ(rig_append(&rig, rig.key, keyed_batch(&how, "a=1 b=1"), NULL), 0);
        ASSERT_OK(shard_flush(rig.shard));
    }
    ASSERT_OK(put(&rig, "a=9 b=9"));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT(mark_count("clean: an empty batch keeps its producer's sequence") > 0);
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "(2-3) 4:a=9 5:b=9");
    how.sequence = 2;
    ASSERT_EQ(rig_append(&rig, rig.key, keyed_batch(&how, "a=1 b=1"), &offset), 0);
    ASSERT_EQ(offset, 2); /* a duplicate */
    ASSERT_OK(rig_stop(&rig));
}

/* As the coordinators append: transactional records, and the markers that end transactions. */
static int
put_internal(struct rig *rig, struct buf *batch)
{
    struct partition_append append = { .key = rig->key,
        .owner = batch,
        .batches = batch->data,
        .size = batch->size,
        .internal = true };
    partition_append_begin(rig->shard, &append);
    int r = partition_append_wait(rig->shard, &append);
    buf_unref(batch);
    r = r < 0 ? r : append.error;
    return r ? r : shard_flush(rig->shard);
}

static int
put_txn(struct rig *rig, int64_t producer, int32_t sequence, const char *text)
{
    struct keyed how = { producer, sequence, COMPRESSION_NONE, true };
    return put_internal(rig, keyed_batch(&how, text));
}

static int
put_marker(struct rig *rig, int64_t producer, bool commit)
{
    struct record_batch_options options = RECORD_BATCH_OPTIONS_DEFAULT;
    options.producer_id = producer;
    options.producer_epoch = 0;
    return put_internal(rig, record_batch_new_end_txn(&options, commit, 0, clock_wall_ms()));
}

/* Q13 */
FIBER_TEST(committed_records_count_and_aborted_ones_go)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "transactions"));
    ASSERT_OK(put(&rig, "a=1 b=1 c=1"));
    ASSERT_OK(put_txn(&rig, 9, 0, "a=2"));  /* 3, committed */
    ASSERT_OK(put_txn(&rig, 10, 0, "b=2")); /* 4, aborted */
    ASSERT_OK(put_marker(&rig, 9, true));   /* 5 */
    ASSERT_OK(put_marker(&rig, 10, false)); /* 6 */
    ASSERT_OK(put_txn(&rig, 10, 1, "c=2")); /* 7, committed by the same producer */
    ASSERT_OK(put_marker(&rig, 10, true));  /* 8 */
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "1:b=1 3:a=2 5:! 6:! 7:c=2 8:!");
    ASSERT_OK(rig_stop(&rig));
}

/* Q13: what is open may still be aborted; nothing behind its beginning is touched. */
FIBER_TEST(an_open_transaction_ends_the_clean_part)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "open"));
    ASSERT_OK(put(&rig, "a=1 b=1"));
    ASSERT_OK(put(&rig, "b=2"));
    ASSERT_OK(put_txn(&rig, 9, 0, "a=2")); /* 3 */
    ASSERT_OK(put(&rig, "a=3 b=3"));       /* 4, 5 */
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "0:a=1 2:b=2 3:a=2 4:a=3 5:b=3");
    open_partition(&rig)->limits.min_cleanable_dirty_ratio = 0;
    ASSERT_OK(put_marker(&rig, 9, false));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(restart(&rig));
    /* The last data of producer 9 stays as an empty batch. */
    ASSERT_STRING(content(&rig, 0), "(3-3) 4:a=3 5:b=3 6:!");
    ASSERT_OK(rig_stop(&rig));
}

/* Q13: an open transaction at the very beginning: nothing can be done. */
FIBER_TEST(nothing_is_compacted_behind_a_transaction_that_never_ends)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "never"));
    ASSERT_OK(put_txn(&rig, 9, 0, "a=2"));
    ASSERT_OK(put(&rig, "a=3 b=3"));
    ASSERT_EQ(clean(&rig), 0);
    ASSERT(mark_count("clean: nothing can be compacted yet") > 0);
    ASSERT_STRING(content(&rig, 0), "0:a=2 1:a=3 2:b=3");
    ASSERT_OK(rig_stop(&rig));
}

/* Q13 */
FIBER_TEST(a_commit_marker_goes_when_its_records_are_gone_and_its_horizon_is_over)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "markers"));
    struct topic_limits *limits = &open_partition(&rig)->limits;
    limits->delete_retention_ms = 0;
    limits->min_cleanable_dirty_ratio = 0;
    ASSERT_OK(put_txn(&rig, 9, 0, "a=1"));
    ASSERT_OK(put_marker(&rig, 9, true)); /* 1 */
    ASSERT_OK(put_txn(&rig, 9, 1, "b=1"));
    ASSERT_OK(put_marker(&rig, 9, true)); /* 3: its record stays */
    ASSERT_OK(put_txn(&rig, 10, 0, "x=1"));
    ASSERT_OK(put_marker(&rig, 10, false)); /* 5 */
    ASSERT_OK(put(&rig, "a=2"));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(fiber_sleep_ns(3 * NS_PER_MS));
    ASSERT_OK(put(&rig, "c=1"));
    ASSERT_OK(put(&rig, "d=1"));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT(mark_count("clean: a commit marker goes") > 0);
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "2:b=1 3:! (4-4) 5:! 6:a=2 7:c=1 8:d=1");
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(compressed_batches_are_compacted_too)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "codecs"));
    for (int codec = COMPRESSION_GZIP; codec <= COMPRESSION_ZSTD; codec++) {
        struct keyed how = { -1, -1, (enum compression)codec, false };
        char text[32];
        snprintf(text, sizeof text, "a=%d k%d=1", codec, codec);
        ASSERT_EQ(rig_append(&rig, rig.key, keyed_batch(&how, text), NULL), 0);
        ASSERT_OK(shard_flush(rig.shard));
    }
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "1:k1=1 3:k2=1 5:k3=1 6:a=4 7:k4=1");
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(more_keys_than_fit_are_compacted_in_several_passes)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "passes"));
    rig.clean_keys_max = 4;
    rig.limits.min_cleanable_dirty_ratio = 0;
    ASSERT_OK(restart(&rig));
    ASSERT_OK(put(&rig, "a=1 b=1 c=1"));
    ASSERT_OK(put(&rig, "a=2 b=2 d=1"));
    ASSERT_OK(put(&rig, "e=1 f=1 a=3"));
    ASSERT_OK(put(&rig, "e=2 f=2 b=3"));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT(mark_count("clean: more keys than one pass may remember") > 0);
    for (int i = 0; i < 6; i++) {
        ASSERT(clean(&rig) >= 0);
    }
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "2:c=1 5:d=1 8:a=3 9:e=2 10:f=2 11:b=3");
    ASSERT_OK(rig_stop(&rig));
}

/* Q5, Q6: the first object fails, the manifest fails, the answers are lost. */
FIBER_TEST(a_compaction_that_fails_changes_nothing)
{
    static const char *const faults[] = { "put:data*:denied", "put:data*:denied:skip=1",
        "get:data*:denied", "put:data*:lost:n=2", "put+get:*:500:p=0.2" };
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++) {
        struct rig rig;
        ASSERT_OK(new_rig(&rig, "fails"));
        ASSERT_OK(put(&rig, "a=1 b=1"));
        ASSERT_OK(put(&rig, "a=2"));
        ASSERT_OK(restart(&rig));
        ASSERT(rig_fault(&rig, faults[i]) >= 0);
        int r = clean(&rig);
        faulty_clear(rig.faults);
        ASSERT_STRING(content(&rig, 0), r < 0 ? "0:a=1 1:b=1 2:a=2" : "1:b=1 2:a=2");
        ASSERT_OK(restart(&rig));
        ASSERT_OK(fiber_sleep_ns(30 * NS_PER_MS)); /* orphans and garbage go */
        ASSERT_STRING(content(&rig, 0), r < 0 ? "0:a=1 1:b=1 2:a=2" : "1:b=1 2:a=2");
        ASSERT_OK(rig_stop(&rig));
    }
}

FIBER_TEST(merges_keep_clean_and_dirty_ranges_apart)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "apart"));
    ASSERT_OK(put(&rig, "a=1 b=1"));
    ASSERT_OK(put(&rig, "a=2 c=1"));
    ASSERT_EQ(clean(&rig), 1);
    open_partition(&rig)->limits.min_cleanable_dirty_ratio = 1;
    for (int i = 0; i < 8; i++) {
        ASSERT_OK(put(&rig, "a=3 b=3"));
    }
    ASSERT_EQ(partition_merge(rig.shard, open_partition(&rig)), 1);
    struct layout layout;
    ASSERT_OK(layout_load(rig.shard, open_partition(&rig), &layout));
    ASSERT_EQ(layout.count, 2);
    ASSERT_EQ(layout.ranges[0].flags, STORE_RANGE_CLEANED);
    ASSERT_EQ(layout.ranges[1].flags, 0);
    layout_done(&layout);
    open_partition(&rig)->limits.min_cleanable_dirty_ratio = 0.5;
    ASSERT_OK(put(&rig, "d=1"));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(restart(&rig));
    ASSERT_STRING(content(&rig, 0), "3:c=1 18:a=3 19:b=3 20:d=1");
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(what_is_due_follows_the_settings)
{
    struct rig rig;
    ASSERT_OK(new_rig(&rig, "due"));
    struct topic_limits *limits = &open_partition(&rig)->limits;
    ASSERT_OK(put(&rig, "a=1"));
    ASSERT_EQ(clean(&rig), 0); /* one range */
    ASSERT_OK(fiber_sleep_ns(3 * NS_PER_MS));
    limits->min_compaction_lag_ms = 60000;
    limits->max_compaction_lag_ms = 1;
    ASSERT_EQ(clean(&rig), 0); /* too young */
    limits->min_compaction_lag_ms = 0;
    ASSERT_EQ(clean(&rig), 1); /* too old */
    limits->max_compaction_lag_ms = 0;
    limits->segment_ms = 1;
    ASSERT_OK(put(&rig, "a=1"));
    ASSERT_OK(fiber_sleep_ns(3 * NS_PER_MS));
    ASSERT_EQ(partition_merge(rig.shard, open_partition(&rig)), 1);
    ASSERT_EQ(partition_merge(rig.shard, open_partition(&rig)), 0);
    limits->segment_ms = 0;
    limits->segment_bytes = 1;
    ASSERT_OK(put(&rig, "a=1"));
    ASSERT_EQ(clean(&rig), 1);
    ASSERT_OK(rig_stop(&rig));
}

FIBER_TEST(the_map_remembers_the_newest_offset_of_many_keys)
{
    struct clean_map map;
    clean_map_init(&map, 5000);
    for (int64_t i = 0; i < 10000; i++) {
        char key[16];
        int n = snprintf(key, sizeof key, "%d", (int)(i % 5000));
        ASSERT(clean_map_put(&map, bytes_of(key, (size_t)n), i));
    }
    ASSERT(!clean_map_put(&map, BYTES_LITERAL("another"), 10000));
    ASSERT_EQ(clean_map_get(&map, BYTES_LITERAL("another")), -1);
    ASSERT_EQ(clean_map_get(&map, BYTES_LITERAL("0")), 5000);
    ASSERT_EQ(clean_map_get(&map, BYTES_LITERAL("4999")), 9999);
    clean_map_done(&map);
}
