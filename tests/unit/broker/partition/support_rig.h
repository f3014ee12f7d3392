#pragma once
/* A one-broker cluster without network: memory store, metadata log, a WAL in the test's folder, one
 * shard on reactor 0, and topic "t" of 32 partitions, of which only those that belong to reactor 0
 * are open. */

#include "partition/recover.h"
#include "partition/shard.h"
#include "reactor/clock.h"

struct rig {
    const char *url;
    char folder[256];
    struct objectstore *objects;
    struct meta *meta;
    struct store *store;
    struct wal *wal;
    struct shard *shard;
    struct uuid writer; /* of the last start: proves our former self dead */
    struct recover_result recovered;
    struct partition_key key;      /* a partition of t that is open here */
    struct partition_key second;   /* another one */
    uint64_t upload_interval_ns;   /* 0: an hour, uploads only when asked */
    uint64_t lease_ns;             /* 0: ten seconds; for the next start */
    uint64_t garbage_delay_ns;     /* 0: ten minutes; for the next start */
    uint64_t object_size_max;      /* 0: 8 MiB; for the next start */
    size_t clean_keys_max;         /* 0: as in a broker; for the next start */
    struct topic_limits limits;    /* of all topics, when the partitions open */
    struct quarantine *quarantine; /* for the next start; the test makes and frees it */
    bool in_bucket;                /* wal.type: s3; for the next start */
    char faults[64];               /* name of the store's set of faults */
};

/* Until the condition holds; false after 20 s. */
#define EVENTUALLY(condition)                                                                      \
    ({                                                                                             \
        uint64_t until_ = clock_mono_ns() + 20 * (uint64_t)NS_PER_S;                               \
        while (!(condition) && clock_mono_ns() < until_ && fiber_sleep_ns(NS_PER_MS) == 0) {       \
        }                                                                                          \
        (condition);                                                                               \
    })

/* A fresh store and WAL, and topic t. */
int rig_new(struct rig *rig, const char *name);
/* With its WAL in the bucket. */
int rig_new_in_bucket(struct rig *rig, const char *name);
/* Opens what rig_new or a start before made: recovers the WAL. */
int rig_start(struct rig *rig);
/* As far as the WAL can tell, SIGKILL: nothing is drained. (That a killed holder's lease is taken
 * over is shown by tests/unit/broker/meta and tests/crash.) */
int rig_crash(struct rig *rig);
/* Clean: drains, closes. */
int rig_stop(struct rig *rig);
/* Broker 2, which is in the metadata only. ret_result: NULL: not wanted. */
int rig_register_second(struct rig *rig, struct meta_result *ret_result);

/* A batch of `count` records whose values are base, base + 1, ... as text; sequence -1: no
 * producer. Owned. */
struct buf *rig_batch(int64_t producer_id, int32_t sequence, int32_t count);
/* Appends and waits; returns append->error or the wait's errno. */
int rig_append(struct rig *rig, struct partition_key key, struct buf *batch, int64_t *ret_offset);
/* What the metadata says of a partition; valid until the next wait. */
const struct meta_partition *rig_description(const struct rig *rig, struct partition_key key);
/* Appends and uploads one record `count` times: as many ranges. */
int rig_upload(struct rig *rig, struct partition_key key, int count);
/* Data objects and manifests in the bucket, at most 1000; or -errno. */
int64_t rig_objects(struct rig *rig);
/* From now on the store fails so: objectstore/faulty.h. The number of the rule or -errno. */
int rig_fault(struct rig *rig, const char *text);
/* Number of records from `offset` to the end, checking that offsets are contiguous; < 0: errno. */
int64_t rig_count(struct rig *rig, struct partition_key key, int64_t offset);
