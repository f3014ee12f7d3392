#pragma once
/* The write-ahead log on a volume: makes records durable within milliseconds, until their bytes are
 * in the object store. One wal per reactor, all calls on its reactor.
 *
 * Entered from partition/, which gives opaque payloads.
 *
 * W1  A record is acknowledged only after the completion of the flush that covers it. (The lease
 *     half of the design's W1 is checked by partition/ after wal_wait returns and before the answer
 *     leaves.) Crash: power fails between the write and the flush; a producer that was told "yes"
 *     would have lost a batch.
 *
 * W2  After one failed write or flush the wal is broken for good: every waiter and every later
 *     append gets -EIO and nothing is retried. Crash: the kernel marks pages clean after a failed
 *     flush; a retry would succeed over a hole.
 *
 * W3  Recovery tells a torn tail (nothing proves that it was acknowledged: cut, write a marker,
 *     flush) from corruption (a later frame or the evidence proves that it was acknowledged: the
 *     damaged range is reported, never skipped silently). The decision table, with its one
 *     ambiguous row, is in the format.
 *
 * W4  A wal belongs to one cluster, broker and incarnation; a foreign one is refused
 *     (-EMEDIUMTYPE). The lock of the folder decides who may write, not a pid: a killed process may
 *     have writes in flight.
 *
 * W5  The wal is bounded by `capacity`. When it is full appends wait (back-pressure); nothing is
 *     dropped.
 *
 * Limits: WAL_RECORD_SIZE_MAX, WAL_SEGMENT_SIZE, WAL_GROUP_SIZE_MAX, WAL_QUEUE_SIZE_MAX,
 * WAL_WAITERS_MAX.
 *
 * Format: docs/formats/wal.md. */

#include "base/buf.h"
#include "base/list.h"
#include "base/uuid.h"
#include "reactor/fiber.h"
#include "reactor/sync.h"

#include <sys/uio.h>

struct wal;
struct foreign_wait;

struct wal_options {
    const char *folder; /* borrowed during wal_open; made when missing */
    struct uuid cluster_id;
    int32_t broker_id;
    uint64_t incarnation;  /* greater than that of any earlier opening by this broker (the broker
                              epoch) */
    uint64_t capacity;     /* bytes on the volume, at least two segments */
    uint64_t segment_size; /* 0: WAL_SEGMENT_SIZE; tests use small ones */
    bool read_only;        /* inspect and recover: takes no lock, changes nothing */
};

/* What recovery found, for the log and for people. */
struct wal_recovery {
    uint64_t records; /* valid, in order */
    uint64_t bytes;
    uint64_t torn_bytes;      /* cut from the tail */
    uint64_t damaged_records; /* W3: acknowledged, but unreadable; each is passed to the replay
                                 function */
    uint64_t first_sequence;
    uint64_t last_sequence;
};

/* Opens the folder: locks it, checks W4, finds the segments. -EMEDIUMTYPE: of another cluster,
 * broker or wal, or opened before by this or a later incarnation; -EWOULDBLOCK: locked by another
 * process; -EBADMSG: identity, evidence or a segment's header is damaged, or a segment is missing
 * (the fault names file and position); -EPROTONOSUPPORT: another version of the format; -EINVAL:
 * options; -EIO; -ENOSPC. Existing records must be replayed before the first append. With read_only
 * a zero cluster_id fits any wal. */
MUST_CHECK MAY_SUSPEND int wal_open(const struct wal_options *options, struct wal **ret_wal);

/* Called for each record in order of sequence. `payload` is borrowed. `damaged`: the record (or a
 * run of them that ends before the next call's sequence) is known to have been acknowledged but
 * cannot be read; payload is empty (W3). A negative result ends the replay. */
typedef int (*wal_replay_fn)(void *arg, uint64_t sequence, struct bytes payload, bool damaged);
#define WAL_DAMAGE_TAGS_MAX 64

/* What is known of a damaged range. */
struct wal_damage {
    uint64_t first_sequence;
    uint64_t end_sequence;
    size_t tag_count;
    bool complete; /* each record of the range has its tag among them */
    struct {
        uint64_t sequence;
        uint16_t tag;
    } tags[WAL_DAMAGE_TAGS_MAX];
};
/* During a call of the replay function with `damaged`. */
const struct wal_damage *wal_damage(const struct wal *wal);

/* Reads all records of earlier incarnations that were not trimmed; cuts a torn tail durably (W3).
 * Once per opening; after a negative result of fn it may be repeated. -EIO also: the tail cannot be
 * read and may be acknowledged. */
MUST_CHECK MAY_SUSPEND int wal_replay(
        struct wal *wal, wal_replay_fn fn, void *arg, struct wal_recovery *ret_recovery);
/* Forgets everything that was replayed, durably: its content is in committed objects now. Then
 * appends may start. -ENOSPC: no room for two segments; -EINVAL: without a whole replay before;
 * -EROFS. */
MUST_CHECK MAY_SUSPEND int wal_start(struct wal *wal);

/* One append under way. Embedded by the caller; must stay in place until wal_wait returned. */
struct wal_append {
    struct list link;
    uint64_t sequence;     /* set by wal_append_begin: consecutive, in order of calls */
    uint64_t end_position; /* where its last frame ends in the log: for looking at, and for
                              wal_inspect */
    int result;
    bool done;
    uint64_t begun_ns;
    struct wait_queue waiter;         /* the fiber in wal_wait */
    struct foreign_wait *late_waiter; /* the same, once it was cancelled */
};

/* Takes the next place in line and copies the parts into the group that gathers: they may be reused
 * at once. Waits only while the wal is full (W5), WAL_WAITERS_MAX appends are under way or
 * WAL_QUEUE_SIZE_MAX bytes wait for the disk; so in the usual case order of calls is order of
 * sequences without a wait in between. All errors: not appended. -EIO: broken (W2); -EMSGSIZE:
 * larger than WAL_RECORD_SIZE_MAX or than all segments but one; -ENOMEM; -ECANCELED: while waiting,
 * or the wal is not started or closing. */
MUST_CHECK MAY_SUSPEND int wal_append_begin(
        struct wal *wal, const struct iovec *parts, size_t part_count, struct wal_append *append);
/* What the caller knows of a record. */
struct wal_known {
    uint16_t tag; /* whose it is, should recovery find it damaged (wal_damage); 0: not said */
    bool has_crc;
    uint32_t crc; /* CRC-32C of all parts in a row. Must be right: else recovery finds the record
                     damaged. */
};
MUST_CHECK MAY_SUSPEND int wal_append_known(struct wal *wal, const struct wal_known *known,
        const struct iovec *parts, size_t part_count, struct wal_append *append);
/* Waits until the record is durable (W1): 0, or -EIO (W2: it may or may not be found at recovery).
 * Must be called for every append that was begun; is not ended early by cancellation. */
MUST_CHECK MAY_SUSPEND int wal_wait(struct wal *wal, struct wal_append *append);

/* Records with sequence < `sequence` are in committed objects: their segments may be recycled.
 * Never waits; the recycling happens in the background. Monotone: a smaller value is ignored. */
void wal_trim(struct wal *wal, uint64_t sequence);
/* Next sequence to be given. */
uint64_t wal_next_sequence(const struct wal *wal);
/* Bytes on the volume that are not trimmed, and the bound. */
uint64_t wal_used(const struct wal *wal);
uint64_t wal_capacity(const struct wal *wal);
/* 0, or -EIO once W2 struck; the fault says what failed first. */
int wal_error(const struct wal *wal);
/* Waits until what was begun is durable, then unlocks. When everything is trimmed the wal on disk
 * is marked empty (a clean stop). No other call may be under way. -EIO: broken, or something begun
 * had no room. Accepts NULL. */
MUST_CHECK MAY_SUSPEND int wal_close(struct wal *wal);

struct wal_stats {
    uint64_t records;
    uint64_t bytes; /* payload */
    uint64_t groups;
    uint64_t group_bytes;   /* written, with headers and padding */
    uint64_t commit_us_sum; /* from wal_append_begin to durable, summed over records */
    uint64_t commit_us_max;
    uint64_t commit_us_buckets[24]; /* records that took at most 1 us << i */
    uint64_t full_waits;            /* W5 */
};
void wal_stats_get(const struct wal *wal, struct wal_stats *ret_stats);

/* What wal_inspect found at one place. */
struct wal_inspect_record {
    const char *segment; /* file name */
    uint64_t file_position;
    uint64_t sequence;
    uint64_t incarnation;
    uint64_t durable_up_to;
    uint32_t payload_size; /* of this frame */
    uint32_t record_size;  /* of the whole record, which may have several frames */
    uint32_t record_offset;
    /* "segment": a segment's header (bad: "damaged"); "valid", "torn", "damaged": a frame, or, with
     * payload_size 0, a gap where frames are missing; "old incarnation": a frame that is not of the
     * live log; "marker": the evidence, with the cut as position and what is durable as sequence.
     */
    const char *state;
    struct bytes payload; /* when valid */
};
typedef int (*wal_inspect_fn)(void *arg, const struct wal_inspect_record *record);
/* Calls fn for the evidence and for every segment and frame in the folder, for `freshet inspect
 * wal`. Takes no lock and changes nothing. A negative result of fn ends it. -EBADMSG,
 * -EPROTONOSUPPORT: identity or evidence. */
MUST_CHECK MAY_SUSPEND int wal_inspect(const char *folder, wal_inspect_fn fn, void *arg);
