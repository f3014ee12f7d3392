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

#define REFUSALS_KEPT 64

/* A batch was refused with NOT_LEADER. */
struct refusal {
    struct partition_key key;
    uint64_t at_ns; /* 0: none */
};

struct shard {
    struct shard_options options;
    struct map by_key;
    struct list partitions;
    struct list listeners; /* shard_listener */
    struct list dirty;     /* partitions with something to upload */
    struct log_cache cache;
    struct mutex append_lock;     /* order of offsets == order of WAL sequences (Q1) */
    struct wait_queue cache_room; /* appends that wait for the upload to unpin */
    struct wal_debt *debts;       /* ring */
    size_t debt_first;
    size_t debt_count;
    size_t debt_capacity;                   /* power of two */
    bool stopping;                          /* no more appends */
    bool giving_up;                         /* the upload fiber ends without finishing */
    struct refusal refusals[REFUSALS_KEPT]; /* of batches, by the partition's hash */
    int upload_error;                       /* < 0: the upload gave up (fenced) */
    struct wait_queue upload_wanted;
    struct wait_queue upload_done; /* woken after each round */
    uint64_t upload_requests;      /* shard_flush calls begun */
    uint64_t uploads_finished;     /* the newest upload_requests that a finished round covers */
    struct fiber *upload_fiber;
    uint64_t dirty_since_ns; /* when `dirty` stopped being empty */
    int64_t upload_bytes;    /* the sum of the open partitions' */
    struct object_ids ids;
    struct object_ids upkeep_ids; /* of merges and manifests */
    struct wait_queue retention_wanted;
    struct fiber *retention_fiber;
    struct fiber *merge_fiber;
    struct map followed_by_key; /* followed.h */
    struct list followed;       /* the least recently read one first */
    size_t followed_count;
    struct list moves; /* partitions that shall go to another broker */
    struct wait_queue moves_wanted;
    struct fiber *handover_fiber;
    struct shard_stats stats;
};

void shard_add_debt(
        struct shard *shard, uint64_t sequence, struct partition *partition, int64_t end_offset);
/* Trims the WAL up to the first append that is not in a committed object. */
void shard_pay_debts(struct shard *shard);
/* Something of the partition waits for upload. */
void shard_mark_dirty(struct shard *shard, struct partition *partition);
/* So many bytes of the partition became durable (or, below 0, came into an object): an upload
 * begins early when they are enough. */
void shard_count_upload(struct shard *shard, struct partition *partition, int64_t bytes);
/* One that is open nowhere yet, as the metadata describes it. */
struct partition *partition_new(struct shard *shard, const struct meta_topic *topic,
        const struct meta_partition *description);
uint64_t partition_hash(struct partition_key key);
bool partition_has_key(const struct map_node *node, const void *key);
/* Closes it: its waiters look again; freed when nobody holds it. Out of all lists and maps. */
void partition_shut(struct partition *partition);
void partition_forget_manifest(struct partition *partition);
/* --- followed.c --- */
void followed_follow(struct shard *shard, const struct meta_record *record);
void followed_close(struct shard *shard, struct partition *partition);
/* --- handover.c --- */
/* The partition is open, or a wish for it was logged or withdrawn: stops appends, or lets them go
 * on. */
void handover_follow(struct shard *shard, struct partition *partition);
/* Waits until a partition that is moving is gone or stays; a few seconds at most. -ECANCELED. */
MUST_CHECK MAY_SUSPEND int handover_wait(struct partition *partition);
/* The fiber. */
void shard_handover_main(void *arg);
/* The upload fiber: upload.c. */
void shard_upload_main(void *arg);
/* The range that holds `offset`: from the recent ranges or the manifest. -ENOENT: none. */
MUST_CHECK MAY_SUSPEND int partition_find_range(struct shard *shard, struct partition *partition,
        int64_t offset, struct store_range *ret_range);
/* The partition's manifest as the metadata has it now, NULL when it has none. Valid until the next
 * wait. */
MUST_CHECK MAY_SUSPEND int partition_manifest(
        struct shard *shard, struct partition *partition, const struct manifest **ret_manifest);
/* The keys of all partitions that are open now, for walks that wait in between: mem_free. */
struct partition_key *shard_keys(const struct shard *shard, size_t *ret_count);
/* The high watermark moves up; never down. Tells who waits for it. */
void partition_advance(struct partition *partition, int64_t high_watermark);
