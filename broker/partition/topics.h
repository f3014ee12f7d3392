#pragma once
/* Making topics: for CreateTopics, for Metadata and for the coordinators' internal topics. */

#include "meta/meta.h"

struct topic_spec {
    struct bytes name;
    const struct uuid *id; /* NULL: at random; ids are never used twice */
    int32_t partition_count;
    bool internal;
    const struct meta_config_entry *configs;
    int32_t config_count;
};

/* Creates the topics in one object of the metadata log and opens their partitions: each topic is
 * writable on every reactor when this returns. ret_errors[i]: 0, -EEXIST, -EINVAL, -ENOSPC;
 * ret_ids[i]: the topic's id when 0. A negative result: nothing is known to have been created. */
MUST_CHECK MAY_SUSPEND int topics_create(struct meta *meta, const struct topic_spec *specs,
        size_t count, int *ret_errors, struct uuid *ret_ids);
/* Adds partitions to a topic until it has `partition_count`, and opens them, in one object of the
 * metadata log; all are writable when this returns. -ENOENT: no such topic; -EINVAL: it has as many
 * or more; -ENOSPC: a limit; other negative results: nothing is known to have been added. */
MUST_CHECK MAY_SUSPEND int topics_add_partitions(
        struct meta *meta, const struct uuid *topic_id, int32_t partition_count);
/* Returns when every reactor's replica of the metadata is as new as this one's. */
MUST_CHECK MAY_SUSPEND int topics_settle(struct meta *meta);
