#pragma once
/* The write-ahead log in the bucket (wal.type: s3): a fenced log of objects, one for each reactor
 * of a broker's incarnation. What wal.h says of a WAL holds for it, with the settled create of an
 * object in the place of the flush. Entered from main.c and from partition/.
 *
 * L1  A record is acknowledged only when the slot of its object and all slots before are settled as
 *     ours: created by us (200), or found there with our nonce (412 and a read). Several objects
 *     are in flight; a gap acknowledges nothing behind it. An undecided outcome is decided by the
 *     same bytes again, for as long as it takes. Crash: a lost reply taken for a failure would have
 *     the producer send again what recovery then finds; one taken for a success would lose it.
 *
 * L2  Whoever recovers the log first creates a fence in the first slot that is not the writer's.
 *     The writer finds it there, and is broken for good (W2): it acknowledges nothing behind that
 *     slot, whatever lands there. Crash: a paused broker goes on acknowledging after its log was
 *     read, and the batches are in nobody's partition.
 *
 * L3  An object is removed only when a settled object behind it says that it is not wanted. So the
 *     newest settled object is always there, and a slot that is empty is either below what the
 *     newest objects call trimmed, or was never settled. Crash: all objects are uploaded and
 *     removed, the broker falls silent, and the fence goes into slot 1, where the writer never
 *     looks again.
 *
 * L4  A log of an incarnation that was recovered is removed only when every lease that the
 *     incarnation may have held is over (partition/wal_sweep.h). Crash: the fence is gone, a broker
 *     that was paused all the time creates the next slot and acknowledges.
 *
 * L5  Log 0 has an object before any other log has and before any partition opens in that
 *     incarnation, and each object says how many logs there are: who fences log 0 in its first slot
 *     knows that nothing was acknowledged anywhere. No partition opens before all logs have begun:
 *     the same is known by who fences any of them in its first slot. Crash: a log is overlooked.
 *
 * L6  An object whose header cannot be read is taken for the writer's, and settled: it fills its
 *     slot, and may have said that all slots before it are trimmed. So behind the newest readable
 *     object nothing that is empty is trusted: each empty slot up to such an object gets a fence,
 *     and so does the first one behind it, where the log ends; and it begins no earlier than at the
 *     lowest object there is (L3). What the records of such an object were is said by its body,
 *     where size, CRC and count in the header still fit it; else it is damage (W3). Crash: the
 *     newest object rots. A fence in the slot that an older object calls wanted, and that was
 *     removed, stops nobody: a paused broker acknowledges behind it. No fence at all leaves all
 *     partitions of the dead broker to people, with one object of one log.
 *
 * Limits: WAL_OBJECTS_IN_FLIGHT, WAL_OBJECT_GATHER_SIZE, WAL_OBJECTS_MAX, and those of wal.h.
 * Format: docs/formats/wal.md, "In the bucket". */

#include "objectstore/objectstore.h"
#include "wal/object_format.h"
#include "wal/wal.h"

struct wal_objects_options {
    struct objectstore *store; /* borrowed */
    struct wal_object_log log;
    uint32_t log_count;    /* of the broker, in this incarnation */
    uint64_t capacity;     /* bytes in the bucket that are not trimmed (W5) */
    uint64_t interval_ns;  /* least time between two objects, unless one is full */
    int32_t fencer_id;     /* wal_objects_fence: who fences, for people */
    uint64_t fencer_epoch; /* its broker epoch */
};

/* A new log: writes its first object and takes appends from then on. -EEXIST: that log exists, or
 * was fenced before it began; waits while the store is away. */
MUST_CHECK MAY_SUSPEND int wal_objects_create(
        const struct wal_objects_options *options, struct wal **ret_wal);
/* A former log, which is fenced when this returns (L2): wal_replay reads it in place, wal_start
 * does nothing, wal_close frees. May be done again, by anybody. Waits while the store is away.
 * -EMEDIUMTYPE: of another cluster; -EBADMSG: the headers of the newest objects are damaged, and
 * between them more slots are empty than fences can fill; -ECANCELED. */
MUST_CHECK MAY_SUSPEND int wal_objects_fence(
        const struct wal_objects_options *options, struct wal **ret_wal);
#define WAL_OBJECT_LOGS_UNKNOWN UINT32_MAX
/* Of a fenced log: how many logs its incarnation has (L5); 0: it never began, nor will it;
 * WAL_OBJECT_LOGS_UNKNOWN: no object of it can be read, ask the next (L6). */
uint32_t wal_objects_log_count(const struct wal *wal);

/* What wal_objects_inspect found in one slot. */
struct wal_objects_seen {
    const char *key;
    uint64_t size;
    struct wal_object_header header; /* damaged: log and slot, as the key says */
    const char *state; /* "valid", "fence", "damaged"; "header damaged": its body is proven (L6) */
    struct bytes body; /* when valid or proven: for wal_object_record_next */
};
typedef int (*wal_objects_fn)(void *arg, const struct wal_objects_seen *seen);
/* Calls fn for each object under WAL_OBJECT_ROOT, in order of keys. Changes nothing. */
MUST_CHECK MAY_SUSPEND int wal_objects_inspect(
        struct objectstore *store, wal_objects_fn fn, void *arg);
