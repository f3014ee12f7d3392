#pragma once
/* What the files of the WAL in the bucket share (objects_*.c). Private to this room.
 *
 *   slots:  ... removed | first_slot ... | wanted_slot ... settled_slot | in flight ... next_slot
 *                         trimmed          live: W5         L1 */

#include "reactor/clock.h"
#include "wal/objects.h"
#include "wal/wal_internal.h"

#define WAL_OBJECTS_REQUEST_NS (10 * (uint64_t)NS_PER_S)
#define WAL_OBJECTS_IDLE_NS (1 * (uint64_t)NS_PER_S) /* then an empty object says what is trimmed */

/* One object, gathering, ready or in flight. */
struct objects_group {
    struct list link;
    uint8_t *data; /* header, then records */
    size_t capacity;
    size_t used;
    struct wal_object_header header;
    char key[WAL_OBJECT_KEY_SIZE];
    uint64_t last_sequence; /* greatest up to and with this object */
    uint64_t records;
    uint64_t payload;
    struct list appends;
    bool settled; /* as ours */
};

/* One that was sealed and is not known to be removed. */
struct objects_slot {
    uint64_t last_sequence;
    uint64_t trimmed;
    uint64_t size;
};

struct wal_objects {
    struct objectstore *store;
    struct wal_object_log log;
    uint32_t log_count;
    uint64_t capacity;
    uint64_t interval_ns;
    /* the writer's */
    struct objects_group *gathering;
    struct list ready;
    struct list in_flight; /* in order of slots */
    uint64_t next_slot;
    struct uuid last_nonce;
    uint32_t last_crc;
    uint64_t last_seal_ns;
    struct objects_slot *slots; /* ring: slot s at (s & (slot_capacity - 1)) */
    size_t slot_capacity;
    uint64_t first_slot;
    uint64_t wanted_slot;
    uint64_t settled_slot;
    uint64_t sealed_trimmed;  /* what the newest sealed object says */
    uint64_t settled_trimmed; /* what the newest settled one says (L3) */
    uint64_t live_bytes;      /* W5: of wanted_slot and behind */
    unsigned sender_count;
    struct fiber *senders[WAL_OBJECTS_IN_FLIGHT];
    /* a former log's */
    bool former;
    int32_t fencer_id;
    uint64_t fencer_epoch;
    uint64_t trimmed;  /* where it begins */
    uint64_t known;    /* all up to it were settled, the newest readable object says */
    uint64_t unread;   /* the highest slot behind that one whose header is damaged (L6); 0: none */
    uint64_t end_slot; /* where the fence is */
    uint64_t ahead;    /* so far ahead a writer that lives is stopped */
    bool stopped;      /* it was */
};

/* objects_open.c */
struct wal *objects_new(const struct wal_objects_options *options);
MUST_CHECK MAY_SUSPEND int wal_objects_close(struct wal *wal);

/* objects_append.c */
bool wal_objects_fit(const struct wal *wal, uint64_t total);
MUST_CHECK int wal_objects_put(struct wal *wal, const struct iovec *parts, size_t part_count,
        uint64_t total, struct wal_append *append, const struct wal_known *known);
struct objects_group *objects_group_new(size_t capacity);
/* Without records, and without room for any: NULL: no memory. */
struct objects_group *objects_group_new_empty(const struct wal *wal);
void objects_group_free(struct objects_group *group);

/* objects_commit.c */
void objects_sender_run(void *arg);
/* Gives the group the next slot and its header. */
void objects_seal(struct wal *wal, struct objects_group *group);
/* Until the slot is settled: 0 ours; -ESTALE fenced; -EEXIST somebody else's object; -ECANCELED;
 * -EIO the wal broke meanwhile. */
MUST_CHECK MAY_SUSPEND int objects_settle(struct wal *wal, struct objects_group *group);
/* The group in the next slot in order is settled. */
void objects_settled(struct wal *wal, struct objects_group *group);
void objects_break(struct wal *wal, int error);
/* Before the next try: longer with each, jittered. -ECANCELED. */
MUST_CHECK MAY_SUSPEND int objects_back_off(unsigned *tries, const char *key, int error);

/* objects_trim.c */
void wal_objects_trim(struct wal *wal);
void objects_keeper_run(void *arg);

/* objects_fence.c, objects_replay.c */
MUST_CHECK MAY_SUSPEND int objects_get_header(
        struct wal_objects *objects, uint64_t slot, struct wal_object_header *ret_header);
/* -EMEDIUMTYPE, -EBADMSG: the object is not one of this log, or not of this slot. */
MUST_CHECK int objects_header_check(const struct wal_objects *objects, uint64_t slot,
        const char *key, const struct wal_object_header *header);
MUST_CHECK MAY_SUSPEND int wal_objects_replay(
        struct wal *wal, wal_replay_fn fn, void *arg, struct wal_recovery *ret_recovery);

static inline struct objects_slot *
objects_slot_at(struct wal_objects *objects, uint64_t slot)
{
    return &objects->slots[slot & (objects->slot_capacity - 1)];
}
