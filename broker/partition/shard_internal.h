#pragma once
/* Shared by the files of partition/ only. */

#include "partition/object_ids.h"
#include "partition/shard.h"

/* One append that is in the WAL and not yet in a committed object, in order of sequence (Q3). */
struct wal_debt {
    uint64_t sequence;
    struct partition *partition; /* held */
    int64_t end_offset;
};

struct shard {
    struct shard_options options;
    struct map by_key;
    struct list partitions;
    struct list dirty; /* partitions with something to upload */
    struct log_cache cache;
    struct mutex append_lock;     /* order of offsets == order of WAL sequences (Q1) */
    struct wait_queue cache_room; /* appends that wait for the upload to unpin */
    struct wal_debt *debts;       /* ring */
    size_t debt_first;
    size_t debt_count;
    size_t debt_capacity; /* power of two */
    bool stopping;        /* no more appends */
    bool giving_up;       /* the upload fiber ends without finishing */
    int upload_error;     /* < 0: the upload gave up (fenced) */
    struct wait_queue upload_wanted;
    struct wait_queue upload_done; /* woken after each round */
    uint64_t upload_requests;      /* shard_flush calls begun */
    uint64_t uploads_finished;     /* the newest upload_requests that a finished round covers */
    struct fiber *upload_fiber;
    uint64_t dirty_since_ns; /* when `dirty` stopped being empty */
    struct object_ids ids;
    struct shard_stats stats;
};

void shard_add_debt(
        struct shard *shard, uint64_t sequence, struct partition *partition, int64_t end_offset);
/* Trims the WAL up to the first append that is not in a committed object. */
void shard_pay_debts(struct shard *shard);
/* Something of the partition waits for upload. */
void shard_mark_dirty(struct shard *shard, struct partition *partition);
/* The upload fiber: upload.c. */
void shard_upload_main(void *arg);
/* Reads the newest checkpoint of the partition unless that was done. */
MUST_CHECK MAY_SUSPEND int partition_load_producers(
        struct shard *shard, struct partition *partition);
/* The range that holds `offset`: from the recent ranges or the manifest. -ENOENT: none. */
MUST_CHECK MAY_SUSPEND int partition_find_range(struct shard *shard, struct partition *partition,
        int64_t offset, struct store_range *ret_range);
/* The high watermark moves up; never down. Tells who waits for it. */
void partition_advance(struct partition *partition, int64_t high_watermark);
