/* See support_cluster.h. */
#include "support_cluster.h"

#include "support_records.h"

struct meta_options
cluster_options(struct objectstore *objects, int32_t id)
{
    return (struct meta_options){ .objects = objects,
        .broker_id = id,
        .endpoints = test_endpoints,
        .endpoint_count = ARRAY_SIZE(test_endpoints),
        .internal_host = BYTES_LITERAL("127.0.0.1"),
        .lease_ns = LEASE };
}

struct meta *
cluster_broker(struct objectstore *objects, int32_t id)
{
    struct meta_options options = cluster_options(objects, id);
    struct meta *meta = NULL;
    return meta_start(&options, &meta) ? NULL : meta;
}
