#pragma once
/* A one-broker cluster without network: memory store, metadata log, a WAL in the test's folder, one
 * shard on reactor 0, and topic "t" of 32 partitions, of which only those that belong to reactor 0
 * are open. */

#include "partition/recover.h"
#include "partition/shard.h"

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
    struct partition_key key;    /* a partition of t that is open here */
    struct partition_key second; /* another one */
    uint64_t upload_interval_ns; /* 0: an hour, uploads only when asked */
};

/* A fresh store and WAL, and topic t. */
int rig_new(struct rig *rig, const char *name);
/* Opens what rig_new or a start before made: recovers the WAL. */
int rig_start(struct rig *rig);
/* As far as the WAL can tell, SIGKILL: nothing is drained. (That a killed holder's lease is taken
 * over is shown by tests/unit/broker/meta and tests/crash.) */
int rig_crash(struct rig *rig);
/* Clean: drains, closes. */
int rig_stop(struct rig *rig);

/* A batch of `count` records whose values are base, base + 1, ... as text; sequence -1: no
 * producer. Owned. */
struct buf *rig_batch(int64_t producer_id, int32_t sequence, int32_t count);
/* Appends and waits; returns append->error or the wait's errno. */
int rig_append(struct rig *rig, struct partition_key key, struct buf *batch, int64_t *ret_offset);
/* Number of records from `offset` to the end, checking that offsets are contiguous; < 0: errno. */
int64_t rig_count(struct rig *rig, struct partition_key key, int64_t offset);
