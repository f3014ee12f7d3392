#pragma once
/* The partitions of this broker that belong to one reactor, with their WAL, their cache and their
 * upload. All calls on its reactor; handlers reach another reactor's shard with reactor_call.
 * Entered from handlers/ and groups/.
 *
 * Q1  Offsets are assigned in the order in which batches take their place in the WAL; a batch is
 * visible to readers only when it and everything before it is durable (the high watermark), so a
 * reader never sees what a crash can take back. Crash: power fails after a consumer has read an
 * offset that is later given to another record. Q2  An answer leaves only while the lease is valid
 * and the partition epoch is the one of the append (W1, M4): else the outcome is unknown and the
 * connection is closed without an answer. Q3  The WAL forgets a record only after the object that
 * holds it is committed in the metadata log. Limits: the WAL's capacity and the cache's budget:
 * appends wait when either is full. */

#include "base/list.h"
#include "base/map.h"
#include "meta/meta.h"
#include "partition/producer_state.h"
#include "reactor/sync.h"
#include "store/log_cache.h"
#include "store/store.h"
#include "wal/wal.h"

struct shard;

/* What of the settings matters to one topic; resolved again when a config changes. */
struct topic_limits {
    int32_t message_bytes_max;
    bool log_append_time;    /* message.timestamp.type */
    bool compacted;          /* cleanup.policy contains compact */
    bool deleted;            /* cleanup.policy contains delete */
    int64_t retention_ms;    /* -1: for ever */
    int64_t retention_bytes; /* -1: no bound */
    int64_t timestamp_before_max_ms;
    int64_t timestamp_after_max_ms;
};

struct partition {
    struct map_node node; /* in shard.by_key */
    struct list link;     /* in shard.partitions */
    struct list dirty;    /* in shard.dirty while something waits for upload */
    struct shard *shard;
    struct partition_key key;
    char *topic_name;
    int32_t epoch;             /* leader epoch of this opening */
    bool closed;               /* deleted or given away: answers NOT_LEADER */
    struct log_tail tail;      /* end_offset of it: next offset to be given */
    int64_t high_watermark;    /* one past the last durable record (Q1) */
    struct list watches;       /* partition_watch: fetches that wait for the high watermark */
    struct wait_queue durable; /* appends that wait for an older batch (duplicates) */
    struct producer_states producers;
    bool producers_loaded;
    struct mutex load_lock;
    struct topic_limits limits;
    struct manifest *manifest; /* loaded when first read; NULL */
    uint32_t users; /* fibers that are inside: the partition is freed when it is closed and 0 */
};

struct shard_options {
    struct meta *meta;   /* borrowed */
    struct store *store; /* borrowed */
    struct wal *wal;     /* borrowed, started */
    uint64_t log_cache_bytes;
    uint64_t upload_bytes;       /* upload when so much is pinned */
    uint64_t upload_interval_ns; /* or when the oldest is so old */
    uint64_t object_size_max;
    /* Resolves a topic's limits from settings and the metadata's configs. Must not wait. */
    void (*limits_of)(void *arg, const char *topic_name, struct topic_limits *ret_limits);
    void *limits_arg;
};

struct shard_stats {
    uint64_t partitions;
    uint64_t appended_bytes;
    uint64_t appended_batches;
    uint64_t duplicate_batches;
    uint64_t read_bytes;
    uint64_t read_tail_hits;
    uint64_t uploads;
    uint64_t upload_failures;
    uint64_t upload_lag_bytes; /* not yet in committed objects */
    uint64_t cache_bytes;
};

/* Opens the partitions that the metadata gives to this broker on this reactor and starts the upload
 * fiber; follows the metadata from then on. */
MUST_CHECK MAY_SUSPEND int shard_new(const struct shard_options *options, struct shard **ret_shard);
/* Stops appends (-ESHUTDOWN), uploads everything that is durable, commits it. 0: the WAL holds
 * nothing any more. */
MUST_CHECK MAY_SUSPEND int shard_drain(struct shard *shard);
/* Ends the fibers and frees; after shard_drain, or without it when the process gives up. */
MAY_SUSPEND void shard_free(struct shard *shard);
/* 0, or why this shard can serve no more: the WAL is broken (W2) or the uploads have stopped
 * (fenced). */
int shard_error(const struct shard *shard);
void shard_stats_get(const struct shard *shard, struct shard_stats *ret_stats);
/* Uploads now and waits until what was durable at the call is committed. For tests and admin. */
MUST_CHECK MAY_SUSPEND int shard_flush(struct shard *shard);

/* Which reactor a partition belongs to. */
unsigned partition_reactor(struct partition_key key);
/* NULL: not here (unknown, deleted, or another broker's). Valid until the next wait unless held. */
struct partition *shard_find(struct shard *shard, struct partition_key key);
/* Keeps the partition's memory across waits. */
void partition_hold(struct partition *partition);
void partition_release(struct partition *partition);

/* --- append (append.c) --- */

/* One produce request's batches for one partition. `owner` holds the bytes alone: offsets and epoch
 * are patched in. */
struct partition_append {
    struct partition_key key;
    struct buf *owner; /* borrowed; referenced by the cache after success */
    uint8_t *batches;  /* inside owner */
    size_t size;
    bool internal; /* from a coordinator: any topic, no size limit of its own */
    /* results of partition_append_begin */
    int error;              /* 0 or one of enum append_error, also < 0 for errno */
    const char *error_text; /* for the response's error message; a literal or NULL */
    int64_t base_offset;
    int64_t end_offset;
    int64_t log_append_time_ms; /* -1: the producer's timestamps were kept */
    int64_t log_start_offset;
    /* private */
    struct partition *partition;
    struct wal_append wal_append;
    bool in_wal; /* wal_wait is due */
};

/* Why a batch was refused, apart from errno: the handler turns it into Kafka's code. */
enum append_error {
    APPEND_OK,
    APPEND_NOT_LEADER,
    APPEND_CORRUPT, /* CRC, sizes, counts */
    APPEND_TOO_LARGE,
    APPEND_INVALID_RECORD,
    APPEND_INVALID_TIMESTAMP,
    APPEND_UNSUPPORTED_FORMAT, /* magic 0 or 1 */
    APPEND_UNSUPPORTED_COMPRESSION,
    APPEND_OUT_OF_ORDER_SEQUENCE,
    APPEND_STALE_PRODUCER_EPOCH,
};

/* Validates, assigns offsets, takes the place in line. Whatever the result, partition_append_wait
 * must follow. Waits only while the WAL or the cache is full, or for the partition's producer state
 * to be loaded. */
MAY_SUSPEND void partition_append_begin(struct shard *shard, struct partition_append *append);
/* Waits until the batch is durable and the high watermark covers it. 0: acknowledge (append->error
 * says what). -EIO, -ESTALE: the outcome is not known: close the connection without an answer (Q2).
 */
MUST_CHECK MAY_SUSPEND int partition_append_wait(
        struct shard *shard, struct partition_append *append);

/* --- read (read.c) --- */

/* Adds whole batches from the one that contains `offset`, up to the high watermark and max_bytes
 * (at least one batch when there is one). -ERANGE: offset is below the log start or beyond the end;
 * -ENOENT: not here; -EIO, -EBADMSG, -ETIMEDOUT: the store. `reader` may be NULL. */
MUST_CHECK MAY_SUSPEND int partition_read(struct shard *shard, struct partition *partition,
        int64_t offset, size_t max_bytes, struct store_reader *reader, struct slices *slices);
int64_t partition_log_start(const struct partition *partition);

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
