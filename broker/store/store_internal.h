#pragma once
/* What the files of store/ share. */

#include "reactor/sync.h"
#include "store/block_cache.h"
#include "store/format.h"
#include "store/store.h"

struct store {
    struct store_options options;
    struct block_cache cache;
    struct mutex merging;  /* one merge at a time bounds their memory */
    uint64_t reader_token; /* last one handed out */
    uint64_t objects_written;
    uint64_t object_bytes_written;
};

/* Now plus the time one read may take. */
uint64_t store_read_deadline(const struct store *store);
/* GETs exactly `size` bytes at `position` of an object, past the cache. Owned buf. -EBADMSG:
 * shorter. */
MUST_CHECK MAY_SUSPEND int store_get_exact(struct objectstore *objects, uint64_t object_id,
        struct object_range range, uint64_t deadline_ns, struct buf **ret_buf);
/* PUTs bytes under an object id, unconditionally (O1: the id is ours alone). */
MUST_CHECK MAY_SUSPEND int store_put(struct store *store, uint64_t object_id,
        const struct iovec *parts, size_t part_count, uint64_t deadline_ns);
/* A whole section that must be of that kind and `key`: its header. O3. */
MUST_CHECK int store_section_check(struct bytes bytes, enum section_kind kind, struct place place,
        const struct partition_key *key, struct section_header *ret_header);
