#pragma once
/* What a broker serves: bytes per second in and out, over all and of its busiest partitions. Sent
 * to the controller every META_LOAD_INTERVAL_NS by a broker that serves, for the balancer; a
 * broker without a recent report gets nothing from it (B2 of balance.h). Format: internal.md. */

#include "base/strbuf.h"
#include "store/range.h"

#define META_LOAD_INTERVAL_NS 2000000000ull
#define META_LOAD_PARTITIONS_MAX 2048 /* of one report */

struct meta_partition_load {
    struct partition_key key;
    uint64_t in; /* bytes per second */
    uint64_t out;
};

struct meta_load {
    uint64_t in; /* of all partitions, also those that are not named */
    uint64_t out;
    const struct meta_partition_load *partitions;
    size_t count; /* at most META_LOAD_PARTITIONS_MAX */
};

void load_encode(const struct meta_load *load, struct strbuf *out);
/* ret_partitions has room for META_LOAD_PARTITIONS_MAX and is what ret_load names. -EBADMSG. */
MUST_CHECK int load_decode(
        struct bytes bytes, struct meta_partition_load *ret_partitions, struct meta_load *ret_load);
