#pragma once
/* The names that store/, meta/ and partition/ share: where a run of offsets of one partition lies
 * in the bucket. */

#include "base/attr.h"
#include "base/bytes.h"
#include "base/uuid.h"

#include <stdint.h>

/* A partition, by the id of its topic: names can be used again, ids cannot. */
struct partition_key {
    struct uuid topic_id;
    int32_t index;
};

/* Log compaction has been over the range: no record of it has a newer one with its key in the
 * ranges before its end, but for those of transactions. */
#define STORE_RANGE_CLEANED 1u

/* A contiguous run of one partition's record batches inside one object. All its blocks are
 * contiguous too. 0 bytes of data with end_offset > base_offset is possible after log compaction
 * (every record of the range was removed). */
struct store_range {
    uint64_t object_id;
    int64_t base_offset;     /* first offset covered */
    int64_t end_offset;      /* one past the last offset covered */
    int64_t timestamp_max;   /* greatest record timestamp inside, ms; -1: none */
    uint64_t position;       /* of the first block in the object */
    uint64_t size;           /* of all blocks, with their headers */
    uint64_t index_position; /* of this range's block index entries in the object */
    uint32_t block_count;
    uint32_t checkpoint_size; /* 0: the object holds no checkpoint of this partition */
    uint64_t checkpoint_position;
    int32_t leader_epoch; /* partition epoch that wrote it */
    uint32_t flags;       /* STORE_RANGE_* */
};

#define OBJECT_KEY_TEXT_SIZE 64
/* data/<4 hex digits of a hash>/<16 hex digits of the id>: spreads the load over the store's key
 * space. */
char *store_object_key(uint64_t object_id, char out[OBJECT_KEY_TEXT_SIZE]);
/* The id of such a key, for audit; -EINVAL: not one of ours. */
MUST_CHECK int store_object_id_of_key(const char *key, uint64_t *ret_object_id);
