#pragma once
/* What the tests of store/ share: record batches of our own making and stores in memory. */

#include "base/buf.h"
#include "store/store.h"

/* A record batch v2 of `count` records from base_offset on, with `record_size` bytes of value each,
 * filled from `seed`; the record i has the timestamp timestamp_ms + i. Uncompressed, with a right
 * CRC. Owned buf. */
struct buf *batch_make(int64_t base_offset, int32_t count, int64_t timestamp_ms, size_t record_size,
        uint64_t seed);
/* The same with its records compressed by that codec (the attribute's number). */
struct buf *batch_make_compressed(
        int64_t base_offset, int32_t count, int64_t timestamp_ms, size_t record_size, int codec);
/* Puts the CRC right after a test has changed the batch. */
void batch_fix_crc(struct buf *batch);

/* A partition of some topic. */
struct partition_key key_of(uint8_t topic, int32_t index);

/* A run made of `count` batches of `records` records each from base_offset on: `batches` gets the
 * slices. */
struct object_run run_make(struct partition_key key, int64_t base_offset, size_t count,
        int32_t records, size_t record_size, struct slices *batches);
/* Writes an object of one run; CHECKs that it works. `written` (may be NULL) gets its batches. */
struct store_range object_make(
        struct store *store, uint64_t object_id, const struct object_run *run);

/* A store on an object store URL; CHECKs. */
struct store *store_make(const char *url, uint64_t cache_bytes, uint64_t read_ahead_bytes,
        struct objectstore **ret_objects);
void store_unmake(struct store *store, struct objectstore *objects);
/* "memory://NAME" for this test and run, empty. */
const char *memory_url(const char *name);
/* GETs that the object store has served so far. */
uint64_t gets_of(const struct objectstore *objects);
/* The whole object, and its replacement, behind the store's back. */
struct buf *object_bytes(struct objectstore *objects, uint64_t object_id);
void object_replace(struct objectstore *objects, uint64_t object_id, struct bytes bytes);
/* All bytes of the slices side by side. Owned buf. */
struct buf *slices_join(const struct slices *slices);

/* A small generator, the same on every machine. */
uint64_t mix(uint64_t *state);
uint64_t mix_below(uint64_t *state, uint64_t bound);
