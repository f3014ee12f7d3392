#pragma once
/* The partitions of this broker that belong to one reactor, with their WAL, their cache and their
 * upload. All calls on its reactor; handlers reach another reactor's shard with reactor_call.
 * Entered from handlers/ and groups/.
 *
 * Q1  Offsets are assigned in the order in which batches take their place in the WAL; a batch is
 * visible to readers only when it and everything before it is durable (the high watermark), so a
 * reader never sees what a crash can take back. Crash: power fails after a consumer has read an
 * offset that is later given to another record.
 *
 * Q2  An answer leaves only while the lease is valid, the WAL is whole and the partition epoch is
 * the one of the append (W1, M4): else the outcome is unknown and the connection is closed without
 * an answer. That holds for refusals too. Crash: the WAL fails under a batch, the next one is
 * refused for the gap, and the producer begins a new epoch in which it sends the first one again,
 * which recovery then finds in the WAL.
 *
 * M4  of meta.h, for reads: shard_find_led. Crash: a broker hands a partition over, is paused
 * before it hears that this was logged, goes on a minute later and gives the end that it knew for
 * the end.
 *
 * Q3  The WAL forgets a record only after the object that holds it is committed in the metadata
 * log, or when its partition is not ours any more. Crash: a partition is opened a second time in
 * our own epoch, and what was appended in between is dropped with the first opening.
 *
 * Q5 to Q9 in upkeep.h.
 *
 * Limits: the WAL's capacity and the cache's budget: appends wait when either is full. */

#include "base/list.h"
#include "base/map.h"
#include "meta/load.h"
#include "meta/meta.h"
#include "partition/producer_state.h"
#include "partition/quarantine.h"
#include "reactor/sync.h"
#include "store/log_cache.h"
#include "store/store.h"
#include "wal/wal.h"

struct shard;

/* What of the settings matters to one topic; resolved again when a config changes. */
struct topic_limits {
    int32_t message_bytes_max;
    bool log_append_time;    /* message.timestamp.type */
    int32_t segment_bytes;   /* what merges aim at; 0: no bound of its own */
    int64_t segment_ms;      /* the longest time in one merged object; 0: any */
    bool compacted;          /* cleanup.policy contains compact */
    bool deleted;            /* cleanup.policy contains delete */
    int64_t retention_ms;    /* -1: for ever */
    int64_t retention_bytes; /* -1: no bound */
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
    int compression;               /* enum compression that batches are kept in; -1: producer's */
    int64_t delete_retention_ms;   /* of tombstones */
    int64_t min_compaction_lag_ms; /* 0: none */
    int64_t max_compaction_lag_ms; /* 0: none */
    double min_cleanable_dirty_ratio;
    int64_t producer_expiration_ms; /* producer.id.expiration.ms; 0: never */
};

struct partition {
    struct map_node node; /* in shard.by_key */
    struct list link;     /* in shard.partitions */
    struct list dirty;    /* in shard.dirty while something waits for upload */
    struct shard *shard;
    struct partition_key key;
    char *topic_name;
    int32_t epoch; /* leader epoch of this opening */
    uint64_t opened_ns;
    bool quarantined;       /* Q14: answers KAFKA_STORAGE_ERROR */
    bool followed;          /* another broker's: followed.h */
    bool closed;            /* deleted or given away: answers NOT_LEADER */
    bool moving;            /* shall go to another broker (V1): takes no appends */
    bool handing;           /* its META_HANDOVER is on its way (V3) */
    struct list move;       /* in shard.moves while moving */
    struct log_tail tail;   /* end_offset of it: next offset to be given */
    int64_t high_watermark; /* one past the last durable record (Q1) */
    int64_t upload_bytes; /* durable and in no object under way; below 0 for a moment when an upload
                             overtakes the appends' fibers */
    struct list watches;  /* partition_watch: fetches that wait for the high watermark */
    struct wait_queue durable; /* appends that wait for an older batch (duplicates) */
    struct producer_states producers;
    bool producers_loaded;
    struct mutex producers_lock; /* one fiber loads them; taken before load_lock */
    struct mutex load_lock;      /* of the manifest */
    struct topic_limits limits;
    struct manifest *manifest; /* loaded when first read; NULL */
    struct mutex upkeep_lock;  /* one rewrite of its ranges at a time: upkeep.h */
    int64_t trimmed_offset;    /* the manifest has nothing that ends at or before it */
    uint64_t upkeep_after_ns;  /* after a failure: not before */
    uint64_t in_bytes; /* appended and read since it opened; traffic.c makes rates of them */
    uint64_t out_bytes;
    uint64_t in_seen;
    uint64_t out_seen;
    uint64_t in_rate; /* bytes per second, smoothed */
    uint64_t out_rate;
    uint32_t users; /* fibers that are inside: the partition is freed when it is closed and 0 */
};

struct shard_options {
    struct meta *meta;   /* borrowed */
    struct store *store; /* borrowed */
    struct wal *wal;     /* borrowed, started */
    uint64_t log_cache_bytes;
    uint64_t log_cache_uploaded_bytes; /* of them, for what is in the bucket already */
    uint64_t upload_bytes;             /* upload when so much is durable and not in an object */
    uint64_t upload_interval_ns;       /* or when the oldest is so old */
    uint64_t object_size_max;
    uint64_t merge_interval_ns;     /* how often to look for partitions to merge; 0: 2 s */
    uint64_t retention_interval_ns; /* log.retention.check.interval.ms; 0: five minutes */
    size_t clean_keys_max;          /* of a pass of log compaction; 0: CLEAN_KEYS_MAX */
    uint32_t merge_ranges_min;      /* recent ranges of a partition that are worth a merge; 0: 64 */
    /* Resolves a topic's limits from settings and the metadata's configs. Must not wait. */
    void (*limits_of)(void *arg, const char *topic_name, struct topic_limits *ret_limits);
    void *limits_arg;
    const struct quarantine *quarantine; /* NULL: none */
};

struct shard_stats {
    uint64_t partitions;
    uint64_t appended_bytes;
    uint64_t appended_batches;
    uint64_t duplicate_batches;
    uint64_t read_bytes;
    uint64_t read_tail_hits;
    uint64_t followed_bytes; /* of read_bytes: of other brokers' partitions */
    uint64_t uploads;
    uint64_t upload_failures;
    uint64_t upload_lag_bytes; /* not yet in committed objects */
    uint64_t cache_bytes;
    uint64_t merges;        /* committed */
    uint64_t merged_ranges; /* that went into merged objects */
    uint64_t merged_bytes;  /* of the merged objects */
    uint64_t cleanings;     /* log compactions committed */
    uint64_t cleaned_records;
    uint64_t moving;      /* partitions that wait to be given away */
    uint64_t handed_over; /* that were */
};

/* Opens the partitions that the metadata gives to this broker on this reactor and starts the upload
 * fiber; follows the metadata from then on. */
MUST_CHECK MAY_SUSPEND int shard_new(const struct shard_options *options, struct shard **ret_shard);
/* Stops appends (-ESHUTDOWN), waits for the WAL, uploads everything that is durable, commits it. 0:
 * the WAL holds nothing any more. -EIO: it broke, and holds what was not uploaded. */
MUST_CHECK MAY_SUSPEND int shard_drain(struct shard *shard);
/* Ends the fibers and frees; after shard_drain, or without it when the process gives up. */
MAY_SUSPEND void shard_free(struct shard *shard);
/* 0, or why this shard can serve no more: the WAL is broken (W2) or the uploads have stopped
 * (fenced). */
int shard_error(const struct shard *shard);
void shard_stats_get(const struct shard *shard, struct shard_stats *ret_stats);
/* What each partition serves, in bytes per second over the last ten seconds or so. Called every few
 * seconds: `elapsed_ns` since the last call. The busiest `capacity` go to `partitions`. */
void shard_load(struct shard *shard, uint64_t elapsed_ns, struct meta_partition_load *partitions,
        size_t capacity, struct meta_load *ret_load);
/* Uploads now and waits until what was durable at the call is committed. For tests and admin. */
MUST_CHECK MAY_SUSPEND int shard_flush(struct shard *shard);

/* Which reactor a partition belongs to. */
unsigned partition_reactor(struct partition_key key);
/* NULL: not here (unknown, deleted, or another broker's). Valid until the next wait unless held. */
struct partition *shard_find(struct shard *shard, struct partition_key key);
/* For what tells a client the newest: NULL also while the broker's lease is not valid (M4), for
 * another broker may own the partition by now. One look before each read is enough: what is read
 * then was the newest at a moment after the request came. */
struct partition *shard_find_led(struct shard *shard, struct partition_key key);
/* Keeps the partition's memory across waits. */
void partition_hold(struct partition *partition);
void partition_release(struct partition *partition);

/* Told when a partition opens on this shard (it takes appends at once) and when
 * it closes (deleted, given away, opened anew at another epoch): coordinators follow the partitions
 * of their internal topics. Called on the shard's reactor; must not wait. At `closed` the partition
 * is found no more; its memory is valid until the call returns unless held. */
struct shard_listener {
    struct list link; /* private */
    void (*opened)(struct shard_listener *listener, struct partition *partition);
    void (*closed)(struct shard_listener *listener, struct partition *partition);
};
/* Adds the listener (borrowed until shard_unlisten) and tells it of what is open already. */
void shard_listen(struct shard *shard, struct shard_listener *listener);
/* Before shard_free. Harmless when it does not listen (any more). */
void shard_unlisten(struct shard_listener *listener);

/* --- append (append.c) --- */

/* What a producer sent, and what should have come. */
struct append_gap {
    int64_t producer_id;
    int16_t epoch;
    int32_t sequence;
    int32_t expected;
};

/* One produce request's batches for one partition. `owner` holds the bytes alone: offsets and epoch
 * are patched in. */
struct partition_append {
    struct partition_key key;
    struct buf *owner; /* borrowed; referenced by the cache after success */
    uint8_t *batches;  /* inside owner */
    size_t size;
    bool internal;     /* from a coordinator: any topic, no size limit of its own */
    bool zstd_refused; /* by the version of the request */
    /* results of partition_append_begin */
    int error;              /* 0 or one of enum append_error, also < 0 for errno */
    const char *error_text; /* for the response's error message; a literal or NULL */
    int64_t base_offset;
    int64_t end_offset;
    int64_t log_append_time_ms; /* -1: the producer's timestamps were kept */
    int64_t log_start_offset;
    /* Of a refused batch: which records are at fault, up to RECORD_ERRORS_MAX; none where it is the
     * batch, or where they are more. The caller's: mem_free. */
    int32_t *rejected;
    size_t rejected_count;
    struct append_gap gap; /* of APPEND_OUT_OF_ORDER_SEQUENCE */
    /* private */
    struct partition *partition;
    struct wal_append wal_append;
    bool in_wal;         /* wal_wait is due */
    struct buf *recoded; /* takes the place of `owner`: the batch in the topic's codec */
};

/* Why a batch was refused, apart from errno: the handler turns it into Kafka's code. */
enum append_error {
    APPEND_OK,
    APPEND_NOT_LEADER,
    APPEND_CORRUPT, /* CRC, sizes, counts */
    APPEND_TOO_LARGE,
    APPEND_INVALID_RECORD,
    APPEND_INVALID_TIMESTAMP,
    APPEND_UNSUPPORTED_COMPRESSION,
    APPEND_OUT_OF_ORDER_SEQUENCE,
    APPEND_STALE_PRODUCER_EPOCH,
    APPEND_NO_TRANSACTION, /* a transactional batch outside of a transaction */
};

/* Validates, assigns offsets, takes the place in line. Whatever the result, partition_append_wait
 * must follow. Waits only while the WAL or the cache is full, for the partition's producer state to
 * be loaded, or for the batch to be written in the topic's codec. */
MAY_SUSPEND void partition_append_begin(struct shard *shard, struct partition_append *append);
/* Waits until the batch is durable and the high watermark covers it. 0: acknowledge (append->error
 * says what). -EIO, -ESTALE: the outcome is not known: close the connection without an answer (Q2).
 */
MUST_CHECK MAY_SUSPEND int partition_append_wait(
        struct shard *shard, struct partition_append *append);

/* 0, or -EBADMSG with the reason: the partition is quarantined (Q14). partition_read reads what is
 * committed all the same, for coordinators. */
MUST_CHECK int partition_check(const struct partition *partition);

/* --- read (read.c) --- */

/* Adds whole batches from the one that contains `offset`, up to the high watermark and max_bytes
 * (at least one batch when there is one). -ERANGE: offset is below the log start or beyond the end;
 * -ENOENT: not here; -EIO, -EBADMSG, -ETIMEDOUT: the store. `reader` may be NULL. */
MUST_CHECK MAY_SUSPEND int partition_read(struct shard *shard, struct partition *partition,
        int64_t offset, size_t max_bytes, struct store_reader *reader, struct slices *slices);
int64_t partition_log_start(const struct partition *partition);
/* Bytes of the partition in committed objects, from the log start on, and of what waits for upload.
 */
MUST_CHECK MAY_SUSPEND int partition_size(
        struct shard *shard, struct partition *partition, uint64_t *ret_bytes);
/* One past the last offset that was written under leader epochs up to `leader_epoch`. Never less:
 * a consumer that hears of less takes its position for cut off. It may be more where ranges of
 * several epochs were merged; as acknowledged records are never cut off here, that is harmless.
 * -ENOENT: an epoch beyond the present one, or the partition is gone; errors of the store. */
MUST_CHECK MAY_SUSPEND int partition_find_epoch_end(struct shard *shard,
        struct partition *partition, int32_t leader_epoch, int64_t *ret_end_offset);
/* Reads the newest checkpoint of the partition's producers unless that was done. */
MUST_CHECK MAY_SUSPEND int partition_load_producers(
        struct shard *shard, struct partition *partition);
/* Moves the log start up to `offset` (Q8 in upkeep.h); durable in the metadata log when it returns.
 * A log start that is there already, or higher, is fine. -ERANGE: beyond the high watermark, or
 * negative; -ENOENT: not here (any more); -ESTALE: fenced; -EAGAIN, -ECANCELED, errors of the
 * store: nothing moved, or nobody knows: asking again is harmless. Records below are not readable
 * from the moment of the commit; their objects go later (O2). */
MUST_CHECK MAY_SUSPEND int partition_set_log_start(
        struct shard *shard, struct partition *partition, int64_t offset);

/* Told when the partition's high watermark moves or the partition closes; on the shard's reactor,
 * must not wait. */
struct partition_watch {
    struct list link;
    void (*fn)(struct partition_watch *watch);
};
void partition_watch_add(struct partition *partition, struct partition_watch *watch);
void partition_watch_remove(struct partition_watch *watch);

/* --- offsets by time (offsets.c) --- */
/* First offset with timestamp >= timestamp_ms below the high watermark. -ENOENT: none. */
MUST_CHECK MAY_SUSPEND int partition_find_timestamp(struct shard *shard,
        struct partition *partition, int64_t timestamp_ms, int64_t *ret_offset,
        int64_t *ret_timestamp_ms);
/* The offset of the greatest timestamp. -ENOENT: empty. */
MUST_CHECK MAY_SUSPEND int partition_find_max_timestamp(struct shard *shard,
        struct partition *partition, int64_t *ret_offset, int64_t *ret_timestamp_ms);
