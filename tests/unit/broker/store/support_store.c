/* Batches, runs and stores for tests. */
#include "unit/broker/store/support_store.h"

#include "base/check.h"
#include "base/crc.h"
#include "base/endian.h"
#include "base/fault.h"
#include "base/strbuf.h"
#include "objectstore/memory.h"
#include "reactor/clock.h"
#include "reactor/reactor.h"
#include "wire/compression.h"

#include <stdio.h>

#define HEADER 61u

uint64_t
mix(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    return hash_u64(*state);
}

uint64_t
mix_below(uint64_t *state, uint64_t bound)
{
    return mix(state) % bound;
}

static size_t
varint_put(uint8_t *out, int64_t value)
{
    uint64_t zigzag = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    size_t n = 0;
    while (zigzag >= 0x80) {
        out[n++] = (uint8_t)(zigzag | 0x80);
        zigzag >>= 7;
    }
    out[n++] = (uint8_t)zigzag;
    return n;
}

/* One record: attributes, timestamp delta, offset delta, null key, value, no headers. */
static size_t
record_put(uint8_t *out, int32_t i, size_t value_size, uint64_t *seed)
{
    uint8_t head[32];
    size_t n = 0;
    head[n++] = 0;
    n += varint_put(head + n, i);
    n += varint_put(head + n, i);
    n += varint_put(head + n, -1);
    n += varint_put(head + n, (int64_t)value_size);
    size_t at = varint_put(out, (int64_t)(n + value_size + 1));
    memcpy(out + at, head, n);
    at += n;
    for (size_t j = 0; j < value_size; j += sizeof(uint64_t)) {
        uint64_t word = *seed + 0x0101010101010101u * j;
        memcpy(out + at + j, &word, MIN(sizeof word, value_size - j));
    }
    mix(seed);
    at += value_size;
    out[at++] = 0;
    return at;
}

void
batch_fix_crc(struct buf *batch)
{
    store_be32(batch->data + 17, crc32c(bytes_of(batch->data + 21, batch->size - 21)));
}

static void
header_put(struct buf *batch, int64_t base_offset, int32_t count, int64_t timestamp_ms,
        uint16_t attributes)
{
    uint8_t *data = batch->data;
    memset(data, 0, HEADER);
    store_be64(data, (uint64_t)base_offset);
    store_be32(data + 8, (uint32_t)(batch->size - 12));
    data[16] = 2;
    store_be16(data + 21, attributes);
    store_be32(data + 23, (uint32_t)(count - 1));
    store_be64(data + 27, (uint64_t)timestamp_ms);
    store_be64(data + 35, (uint64_t)(timestamp_ms + count - 1));
    store_be64(data + 43, UINT64_MAX);
    store_be16(data + 51, UINT16_MAX);
    store_be32(data + 53, UINT32_MAX);
    store_be32(data + 57, (uint32_t)count);
    batch_fix_crc(batch);
}

struct buf *
batch_make(
        int64_t base_offset, int32_t count, int64_t timestamp_ms, size_t record_size, uint64_t seed)
{
    CHECK(count > 0);
    struct buf *batch = buf_new(HEADER + (size_t)count * (record_size + 48));
    size_t at = HEADER;
    for (int32_t i = 0; i < count; i++) {
        at += record_put(batch->data + at, i, record_size, &seed);
    }
    batch->size = at;
    header_put(batch, base_offset, count, timestamp_ms, 0);
    return batch;
}

struct partition_key
key_of(uint8_t topic, int32_t index)
{
    struct partition_key key = { UUID_ZERO, index };
    memset(key.topic_id.bytes, topic, sizeof key.topic_id.bytes);
    return key;
}

struct object_run
run_make(struct partition_key key, int64_t base_offset, size_t count, int32_t records,
        size_t record_size, struct slices *batches)
{
    int64_t offset = base_offset;
    slices_init(batches);
    for (size_t i = 0; i < count; i++) {
        struct buf *batch =
                batch_make(offset, records, 1000 + offset, record_size, (uint64_t)offset + 7);
        slices_append(batches, batch, buf_bytes(batch));
        buf_unref(batch);
        offset += records;
    }
    return (struct object_run){
        .key = key,
        .leader_epoch = 3,
        .base_offset = base_offset,
        .end_offset = offset,
        .batches = batches->items,
        .batch_count = batches->count,
    };
}

struct store_range
object_make(struct store *store, uint64_t object_id, const struct object_run *run)
{
    struct object_builder *builder = object_builder_new(object_id, 1, 1);
    const struct store_range *ranges;
    size_t count;
    int r = object_builder_add(builder, run);
    CHECK(r == 0);
    r = store_write_object(store, builder, DEADLINE_NONE, &ranges, &count);
    CHECK(r == 0 && count == 1);
    struct store_range range = ranges[0];
    object_builder_free(builder);
    return range;
}

struct store *
store_make(const char *url, uint64_t cache_bytes, uint64_t read_ahead_bytes,
        struct objectstore **ret_objects)
{
    int r = objectstore_open(url, ret_objects);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", url, fault_text());
    }
    CHECK(r == 0);
    struct store_options options = {
        .objects = *ret_objects,
        .block_cache_bytes = cache_bytes,
        .read_ahead_bytes_max = read_ahead_bytes,
        .fetch_timeout_ns = 5ull * NS_PER_S,
    };
    struct store *store;
    r = store_new(&options, &store);
    CHECK(r == 0);
    return store;
}

void
store_unmake(struct store *store, struct objectstore *objects)
{
    store_free(store);
    objectstore_close(objects);
}

const char *
memory_url(const char *name)
{
    static char url[256];
    snprintf(url, sizeof url, "%s", name);
    memory_store_forget(url);
    snprintf(url, sizeof url, "memory://%s", name);
    return url;
}

uint64_t
gets_of(const struct objectstore *objects)
{
    struct object_stats stats;
    objectstore_stats_get(objects, &stats);
    return stats.requests[OBJECT_OP_GET];
}

struct buf *
object_bytes(struct objectstore *objects, uint64_t object_id)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    struct buf *buf;
    int r = objectstore_get(
            objects, store_object_key(object_id, key), OBJECT_WHOLE, DEADLINE_NONE, &buf, NULL);
    CHECK(r == 0);
    return buf;
}

void
object_replace(struct objectstore *objects, uint64_t object_id, struct bytes bytes)
{
    char key[OBJECT_KEY_TEXT_SIZE];
    struct iovec part = { (void *)(uintptr_t)bytes.data, bytes.size };
    struct object_put put = { .key = store_object_key(object_id, key),
        .parts = &part,
        .part_count = 1,
        .deadline_ns = DEADLINE_NONE };
    int r = objectstore_put(objects, &put, NULL);
    CHECK(r == 0);
}

struct buf *
slices_join(const struct slices *slices)
{
    struct buf *buf = buf_new(slices->bytes);
    for (size_t i = 0; i < slices->count; i++) {
        memcpy(buf->data + buf->size, slices->items[i].bytes.data, slices->items[i].bytes.size);
        buf->size += slices->items[i].bytes.size;
    }
    return buf;
}

struct buf *
batch_make_compressed(
        int64_t base_offset, int32_t count, int64_t timestamp_ms, size_t record_size, int codec)
{
    struct buf *plain = batch_make(base_offset, count, timestamp_ms, record_size, 5);
    struct strbuf records;
    strbuf_init(&records, 64 * MIB);
    struct bytes input = bytes_of(plain->data + HEADER, plain->size - HEADER);
    int r = compress_bytes((enum compression)codec, COMPRESSION_LEVEL_DEFAULT, input, &records);
    CHECK(r == 0);
    struct buf *batch = buf_new(HEADER + records.size);
    memcpy(batch->data + HEADER, records.data, records.size);
    batch->size = HEADER + records.size;
    header_put(batch, base_offset, count, timestamp_ms, (uint16_t)codec);
    strbuf_done(&records);
    buf_unref(plain);
    return batch;
}
