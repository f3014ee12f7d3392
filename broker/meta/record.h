#pragma once
/* The commands of the metadata log. A command that cannot hold in the state it meets (a topic that
 * exists, a stale epoch) changes nothing and has a result code: the state machine alone decides,
 * the same on every broker. Format, byte by byte: docs/formats/metadata.md. All byte runs are
 * borrowed from the encoded log object (or from the proposer). */

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/strbuf.h"
#include "base/uuid.h"
#include "store/range.h"

enum meta_record_type {
    META_CLUSTER = 1,     /* the first record of a log: cluster id, format version */
    META_CONTROLLER = 2,  /* first record of each controller's term (M2) */
    META_BROKER = 3,      /* a broker (re)starts: its new epoch is the record's sequence position */
    META_BROKER_GONE = 4, /* a broker stopped cleanly (its WAL is empty) or was declared dead */
    META_TOPIC = 5,       /* create a topic with all its partitions and configs */
    META_TOPIC_DELETE = 6,
    META_PARTITIONS = 7, /* more partitions for a topic */
    META_CONFIG = 8, /* set or delete one config value of a topic, broker, group or the cluster */
    META_OPEN = 9,   /* give partitions to a broker: owner and epoch + 1 (M5) */
    META_PRODUCER_IDS = 10, /* a block of producer ids for a broker */
    META_INTENT = 11,       /* a range of object ids for a broker's epoch (O1) */
    META_COMMIT = 12,       /* an object and its ranges (M6) */
    META_MERGE = 13,        /* a partition's new manifest; what it replaces becomes garbage (O2) */
    META_LOG_START = 14,    /* a partition's log start moves up: retention, DeleteRecords */
    META_GARBAGE_REMOVED = 15, /* second phase of O2 is done for these ids */
    META_INTENT_DONE = 16,     /* ids of a fenced epoch that were never committed are gone */
    META_MANIFEST_GARBAGE =
            17, /* a deleted topic's manifest was read: it and its objects become garbage (O2) */
    META_BROKER_STATE = 18,  /* a broker is cordoned, drained, or takes partitions again */
    META_MOVE = 19,          /* the wish that a partition go to another broker (V1) */
    META_HANDOVER = 20,      /* its owner gives it away (V2) */
    META_PROPOSAL = 21,      /* who proposed the records behind it: C5 of meta.h */
    META_BROKER_REMOVE = 22, /* a broker that is gone is forgotten: UnregisterBroker */
    META_BALANCE = 23,       /* the balancer's wish: one that gives way to any other */
    META_TAKE_OVER = 24,     /* live brokers shall recover a dead one's logs in the bucket (K1) */
    META_RECOVERED = 25,     /* one of them has: all of its share is in committed objects (K2) */
};
#define META_RECORD_TYPE_MAX META_RECOVERED
/* Of META_CLUSTER: what this build writes, and the newest that it reads. */
#define META_FORMAT_VERSION 1

enum meta_resource {
    META_RESOURCE_TOPIC = 2,
    META_RESOURCE_BROKER = 4,
    META_RESOURCE_CLIENT_METRICS = 16,
    META_RESOURCE_GROUP = 32
}; /* Kafka's ConfigResource.Type; the name of a broker default is "" */

struct meta_config_entry {
    struct bytes key;
    struct bytes value;
};

/* Where clients that came by one listener find a broker. */
struct meta_endpoint {
    struct bytes listener; /* its name */
    struct bytes host;
    int32_t port;
};
struct meta_broker_record {
    int32_t broker_id;
    struct uuid incarnation;               /* random at each start */
    const struct meta_endpoint *endpoints; /* 1 to META_ENDPOINTS_MAX, each listener once */
    int32_t endpoint_count;
    struct bytes rack;       /* NULL: none */
    struct bytes admin_host; /* for the operator and other brokers */
    int32_t admin_port;
    struct bytes internal_host; /* where other brokers connect; NULL: nowhere */
    int32_t internal_port;
    int32_t wal_logs; /* its write-ahead log is so many logs in the bucket; 0: on a volume */
};
/* What a live broker is good for. */
enum meta_broker_state {
    META_BROKER_OPEN,
    META_BROKER_CORDONED, /* keeps what it has, gets nothing new */
    META_BROKER_DRAINING, /* and gives away what it has */
    META_BROKER_STOPPING, /* as draining, until its next start */
};
#define META_BROKER_STATE_MAX META_BROKER_STOPPING
struct meta_topic_record {
    struct bytes name;
    struct uuid topic_id;
    bool internal;
    int32_t partition_count;
    const int32_t *owners; /* partition_count broker ids */
    const struct meta_config_entry *configs;
    int32_t config_count;
};
struct meta_open_record {
    struct partition_key key;
    int32_t broker_id;
    int64_t broker_epoch;
    bool again; /* of version 1: also what is open in that epoch is opened */
};
/* -ESTALE: it is not open in this epoch by this broker (any more); -EINVAL: nobody wished for it,
 * or end_offset is not what is in committed objects; -EBUSY: the target is not alive. */
struct meta_handover_record {
    struct partition_key key;
    int32_t broker_id; /* the owner that gives it away */
    int64_t broker_epoch;
    int32_t leader_epoch; /* the one that ends */
    int64_t end_offset;   /* all of it is in committed objects, and its WAL has nothing more (V2) */
};
/* -ESTALE: the partition is not what the plan saw (its epoch is another one, or somebody wishes for
 * a move: that goes on); -EBUSY: the target takes no partitions (any more). */
struct meta_balance_record {
    struct partition_key key;
    int32_t target;       /* broker id */
    int32_t leader_epoch; /* that the plan saw */
};
/* A live broker that recovers a share of a dead one's logs: log i belongs to taker i % taker_count.
 */
struct meta_taker {
    int32_t broker_id;
    int64_t broker_epoch;
    bool done; /* in the state only */
};
/* -ESTALE: it lives, or another incarnation of it died; -EALREADY: there is nothing to recover;
 * -EBUSY: a taker is not alive; -EINVAL. */
struct meta_take_over_record {
    int32_t broker_id; /* the dead one */
    int64_t broker_epoch;
    const struct meta_taker *takers;
    int32_t taker_count; /* 1 to META_TAKERS_MAX */
};
/* -ESTALE: the share is not (any more) this taker's; -EEXIST: it was done before. */
struct meta_recovered_record {
    int32_t broker_id; /* the dead one */
    int64_t broker_epoch;
    int32_t taker_id;
    int64_t taker_epoch;
    int32_t share;
    int32_t shares; /* of the assignment that is meant (K2); 0: of one before version 2 */
};
struct meta_commit_range {
    struct partition_key key;
    struct store_range range;
};
/* -EEXIST: this object is committed already (a repeated proposal: fine). -EINVAL: the id is not of
 * an intent of this broker's epoch, or a range does not begin at its partition's end_offset.
 * -ESTALE: M6. Ranges of topics that are gone are passed over: when nothing else is left the object
 * is garbage at once, and the result is 0. */
struct meta_commit_record {
    int32_t broker_id;
    int64_t broker_epoch;
    uint64_t object_id;
    uint64_t object_size;
    const struct meta_commit_range *ranges;
    int32_t range_count;
};
struct meta_merge_record {
    struct partition_key key;
    int32_t leader_epoch;        /* refused unless it is the partition's (M6) */
    uint64_t manifest_id;        /* 0: none */
    int64_t manifest_end_offset; /* the recent ranges below it are dropped: the manifest has them */
    int64_t log_start_offset;    /* the greater one of it and the state's is kept */
    /* Objects that the new manifest names and the old one did not: those written by a merge (they
     * leave their intent: else they would be taken for orphans once this broker's epoch is dead),
     * and recent objects that the manifest names as they are (they stay alive for it). Leaving one
     * out is loss of data, so a merge that drops recent ranges above the log start and adds nothing
     * is refused with -EINVAL. */
    const uint64_t *added;
    int32_t added_count;
    /* Objects that the old manifest named and the new one does not. The old manifest itself is
     * marked without being named. */
    const uint64_t *garbage;
    int32_t garbage_count;
};
struct meta_manifest_garbage_record {
    uint64_t manifest_id; /* one of meta_dead_manifest_list; -ENOENT: it is not (any more) */
    const uint64_t *ids;  /* the objects that it names */
    int32_t count;
};

struct meta_record {
    enum meta_record_type type;
    union {
        struct {
            struct uuid cluster_id;
            int32_t version;
        } cluster;
        struct {
            int64_t epoch;
            struct uuid writer;
            int32_t broker_id;
        } controller;
        struct meta_broker_record broker;
        struct {
            int32_t broker_id;
            int64_t broker_epoch;
            bool clean; /* its WAL is empty: whoever likes may open its partitions (M5) */
        } broker_gone;
        struct meta_topic_record topic;
        struct {
            struct uuid topic_id;
        } topic_delete;
        struct {
            struct uuid topic_id;
            int32_t partition_count;
            const int32_t *owners;
            int32_t owner_count;
        } partitions;
        struct {
            enum meta_resource resource;
            struct bytes name;
            struct bytes key;
            struct bytes value;
        } config; /* value NULL: delete */
        struct meta_open_record open;
        struct {
            int32_t broker_id;
            int64_t broker_epoch;
            int32_t count;
        } producer_ids;
        struct {
            int32_t broker_id;
            int64_t broker_epoch;
            int32_t count;
        } intent;
        struct meta_commit_record commit;
        struct meta_merge_record merge;
        struct {
            struct partition_key key;
            int32_t leader_epoch;
            int64_t offset;
        } log_start;
        struct {
            const uint64_t *ids;
            int32_t count;
        } ids; /* META_GARBAGE_REMOVED */
        struct {
            uint64_t first_id;
            int32_t count;
        } intent_done;
        struct meta_manifest_garbage_record manifest_garbage;
        struct {
            int32_t broker_id;
            enum meta_broker_state state;
        } broker_state;
        struct {
            struct partition_key key;
            int32_t target; /* broker id; -1: the wish is withdrawn */
        } move;
        struct meta_handover_record handover;
        struct meta_balance_record balance;
        struct meta_take_over_record take_over;
        struct meta_recovered_record recovered;
        struct {
            struct uuid writer; /* the incarnation of the broker that proposed */
            uint64_t number;    /* its proposals count from 1 */
            int32_t count;      /* records behind this one */
        } proposal;
        struct {
            int32_t broker_id;
            int64_t broker_epoch; /* of the registration that is meant */
        } broker_remove;
    };
};

/* What the state machine says of one record. */
struct meta_result {
    int error; /* 0; -EEXIST, -ENOENT, -ESTALE (epoch, M6), -EINVAL, -ENOSPC (a limit), -EBUSY
                  (META_OPEN: another broker's WAL may hold the partition's tail, M5;
                  META_BROKER_REMOVE: it is alive, or its WAL may hold tails) */
    uint64_t first_id; /* META_PRODUCER_IDS, META_INTENT: first of the block */
    int64_t epoch; /* META_BROKER: the broker's epoch; META_OPEN, META_HANDOVER: the partition's */
};

/* An arena budget that any record of META_RECORD_SIZE_MAX fits in: a config takes 8 bytes in the
 * log, 32 in memory. */
#define META_ARENA_SIZE (4 * META_RECORD_SIZE_MAX + 64 * KIB)
const char *meta_record_type_name(enum meta_record_type type);
/* Numbers are given out in advance: not all up to META_RECORD_TYPE_MAX have a meaning. */
bool meta_record_type_is_known(unsigned type);
/* Appends the encoded record. -EMSGSIZE: larger than META_RECORD_SIZE_MAX. */
MUST_CHECK int meta_record_encode(const struct meta_record *record, struct strbuf *out);
/* Decodes the record at the start of `bytes`; arrays come from the arena. ret_size: bytes used.
 * -EBADMSG: damaged; -EMEDIUMTYPE: written by a newer Freshet; -ENOBUFS: the arena's budget
 * (META_ARENA_SIZE is enough for any record). */
MUST_CHECK int meta_record_decode(
        struct bytes bytes, struct arena *arena, struct meta_record *ret_record, size_t *ret_size);
