/* compression.type of a topic. */
#include "base/mark.h"
#include "partition/recode.h"
#include "support_rig.h"
#include "unit/test.h"

#include <errno.h>

static struct record_batch
read_first(struct rig *rig, struct slices *slices)
{
    struct record_batch batch = { 0 };
    slices_init(slices);
    struct partition *partition = shard_find(rig->shard, rig->key);
    int r = partition_read(rig->shard, partition, 0, 1 << 20, NULL, slices);
    if (r == 0 && slices->count) {
        r = record_batch_read(slices->items[0].bytes, &batch);
    }
    return r == 0 && record_batch_check_crc(&batch) == 0 ? batch : (struct record_batch){ 0 };
}

FIBER_TEST(batches_are_kept_in_the_codec_of_the_topic)
{
    for (int codec = COMPRESSION_NONE; codec <= COMPRESSION_ZSTD; codec++) {
        struct rig rig;
        struct slices slices;
        struct record_batch_info info;
        struct record_batch_limits limits = { .batch_size_max = 1 << 20,
            .before_max_ms = INT64_MAX,
            .after_max_ms = INT64_MAX,
            .zstd_allowed = true };
        ASSERT_OK(rig_new(&rig, "codec"));
        shard_find(rig.shard, rig.key)->limits.compression = codec;
        ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 300), NULL), 0);
        struct record_batch batch = read_first(&rig, &slices);
        ASSERT_EQ(record_batch_compression(&batch), codec);
        ASSERT_EQ(batch.producer_id, 5);
        ASSERT_EQ(batch.max_timestamp, 1299);
        ASSERT_OK(record_batch_validate(batch.bytes, &limits, &info));
        ASSERT_EQ(info.batch.record_count, 300);
        slices_done(&slices);
        /* The same batch again is known, whatever its codec. */
        ASSERT_EQ(rig_append(&rig, rig.key, rig_batch(5, 0, 300), NULL), 0);
        ASSERT_EQ(rig_count(&rig, rig.key, 0), 300);
        ASSERT_OK(rig_crash(&rig));
        ASSERT_OK(rig_start(&rig));
        ASSERT_EQ(rig_count(&rig, rig.key, 0), 300);
        ASSERT_OK(rig_stop(&rig));
    }
}

FIBER_TEST(a_batch_that_grows_beyond_the_limit_is_refused)
{
    struct rig rig;
    struct record_batch batch;
    struct buf *packed = NULL;
    ASSERT_OK(rig_new(&rig, "grows"));
    struct buf *plain = rig_batch(-1, -1, 2000);
    ASSERT_OK(record_batch_read(buf_bytes(plain), &batch));
    ASSERT_OK(batch_recode(&batch, COMPRESSION_ZSTD, &packed));
    struct topic_limits *limits = &shard_find(rig.shard, rig.key)->limits;
    limits->compression = COMPRESSION_NONE;
    limits->message_bytes_max = (int32_t)plain->size - 1;
    ASSERT_EQ(rig_append(&rig, rig.key, buf_ref(packed), NULL), APPEND_TOO_LARGE);
    ASSERT(mark_count("append: too large in the topic's codec") > 0);
    limits->message_bytes_max++;
    ASSERT_EQ(rig_append(&rig, rig.key, packed, NULL), 0);
    ASSERT_EQ(rig_count(&rig, rig.key, 0), 2000);
    buf_unref(plain);
    ASSERT_OK(rig_stop(&rig));
}
