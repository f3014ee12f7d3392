#pragma once
/* The group coordinator: classic consumer groups (JoinGroup, SyncGroup, Heartbeat, LeaveGroup) and
 * committed offsets. As in Kafka each partition of __consumer_offsets has a coordinator of its own
 * for the groups whose id hashes to it. It lives on the reactor and the broker that own the
 * partition, is loaded from it when it opens and dropped when it goes away. Entered from handlers/,
 * from any reactor; main starts and stops it.
 *
 * G1  A committed offset is answered only after its record in __consumer_offsets is durable, and is
 *     told to others only then; it is known again after a restart. Crash: a consumer that was told
 *     "committed" starts over from an older offset.
 *
 * G2  A member acts only with the generation and, when static, the member id that the group gave
 *     last: everyone else is told so (ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID)
 *     and changes nothing.
 *
 * G3  Members hear of an assignment only after it is durable: a coordinator that dies and is loaded
 *     again knows every member that consumes, with its generation; heartbeats keep its session.
 *     Crash: a broker restarts, all members rejoin, and consumption stops for a rebalance.
 *
 * G4  What is in memory is what the log says, in the log's order: records change memory when they
 *     are durable, one after the other, by the code that loads them. Crash: two commits of one
 *     partition race, the older one is applied last, and an offset goes back.
 *
 * G5  A coordinator answers only between the end of its loading and the closing of its partition:
 *     COORDINATOR_LOAD_IN_PROGRESS before, NOT_COORDINATOR after, also to those who wait. Scenario:
 *     a broker that is still loading says "no offset committed", and a consumer starts over.
 *
 * Limits: GROUPS_MAX, GROUPS_MEMORY_MAX, GROUP_WRITES_SIZE_MAX (base/limits.h), group.max.size,
 * offset.metadata.max.bytes. Formats: docs/formats/groups.md. */

#include "base/arena.h"
#include "base/uuid.h"
#include "meta/meta.h"
#include "partition/shard.h"
#include "reactor/call.h"
#include "settings/settings.h"

struct groups;

struct groups_options {
    struct meta *meta;     /* borrowed, as all here */
    struct shard **shards; /* by reactor index, open; NULL: none there */
    const struct settings *settings;
};

/* Starts the coordinators of all partitions that are open on this broker; they load in the
 * background. On reactor 0. */
MUST_CHECK MAY_SUSPEND int groups_start(
        const struct groups_options *options, struct groups **ret_groups);
/* Ends all waiting calls with NOT_COORDINATOR, as all later ones. On reactor 0, before the shards
 * drain. */
MAY_SUSPEND void groups_close(struct groups *groups);
/* After groups_close. No call may be under way or begin. */
void groups_free(struct groups *groups);

/* Which broker coordinates the group: the owner of its partition. Creates __consumer_offsets when
 * it is not there. 0 or Kafka's code. */
MUST_CHECK MAY_SUSPEND int16_t groups_locate(
        struct groups *groups, struct bytes group_id, int32_t *ret_broker_id);
/* Kafka's abs(String.hashCode(id)) % count. */
int32_t groups_partition_of(struct bytes group_id, int32_t partition_count);

/* All calls: from any reactor; inputs are borrowed, outputs are in the caller's arena; `error` is
 * Kafka's code. */

struct group_protocol {
    struct bytes name;
    struct bytes metadata;
};

struct group_member_info {
    struct bytes member_id;
    struct bytes instance_id; /* NULL: dynamic */
    struct bytes metadata;
};

struct group_join {
    struct groups *groups;
    struct arena *arena;
    struct bytes group_id;
    struct bytes member_id;   /* "" : new */
    struct bytes instance_id; /* NULL: dynamic */
    struct bytes client_id;
    struct bytes client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    struct bytes protocol_type;
    const struct group_protocol *protocols;
    size_t protocol_count;
    bool id_required;     /* version 4 and above: a new dynamic member first gets an id (KIP-394) */
    bool may_skip_assign; /* version 9 and above (KIP-814) */
    struct bytes reason;  /* NULL: not said */
    int16_t error;
    int32_t generation;
    struct bytes ret_protocol_type; /* NULL: none */
    struct bytes ret_protocol_name; /* NULL: none */
    struct bytes ret_leader;
    struct bytes ret_member_id;
    bool ret_skip_assignment;
    struct group_member_info *ret_members; /* for the leader only */
    size_t ret_member_count;
    /* private */
    bool waits;
    struct foreign_wait wait;
};
MAY_SUSPEND void group_join(struct group_join *join);

struct group_assignment {
    struct bytes member_id;
    struct bytes assignment;
};
struct group_sync {
    struct groups *groups;
    struct arena *arena;
    struct bytes group_id;
    struct bytes member_id;
    struct bytes instance_id;
    int32_t generation;
    struct bytes protocol_type; /* NULL: not said */
    struct bytes protocol_name; /* NULL: not said */
    const struct group_assignment *assignments;
    size_t assignment_count;
    int16_t error;
    struct bytes ret_assignment;
    struct bytes ret_protocol_type;
    struct bytes ret_protocol_name;
    /* private */
    bool waits;
    struct foreign_wait wait;
};
MAY_SUSPEND void group_sync(struct group_sync *sync);

struct group_heartbeat {
    struct groups *groups;
    struct bytes group_id;
    struct bytes member_id;
    struct bytes instance_id;
    int32_t generation;
    int16_t error;
};
MAY_SUSPEND void group_heartbeat(struct group_heartbeat *heartbeat);

struct group_leaver {
    struct bytes member_id;   /* "": a static member is removed by name (KIP-345) */
    struct bytes instance_id; /* NULL: dynamic */
    struct bytes reason;      /* NULL: not said */
    int16_t error;
};
struct group_leave {
    struct groups *groups;
    struct bytes group_id;
    struct group_leaver *leavers;
    size_t count;
    int16_t error; /* of all */
};
MAY_SUSPEND void group_leave(struct group_leave *leave);

struct group_offset {
    struct bytes topic;
    struct uuid topic_id; /* zero: not known */
    int32_t partition;
    int32_t leader_epoch; /* -1: not known */
    int64_t offset;       /* fetch: -1: none committed */
    struct bytes metadata;
    int64_t commit_ms;
    int64_t expire_ms; /* -1: by offsets.retention.minutes; else a time of its own */
    int16_t error;
};
struct group_commit {
    struct groups *groups;
    struct bytes group_id;
    struct bytes member_id;
    struct bytes instance_id;
    int32_t generation;           /* -1: not a member, a simple consumer */
    int64_t retention_ms;         /* -1: as configured */
    bool group_error;             /* version 9 and above: GROUP_ID_NOT_FOUND is understood */
    struct group_offset *offsets; /* .error is set for each; those with one are left out */
    size_t count;
};
MAY_SUSPEND void group_commit(struct group_commit *commit);

struct group_fetch {
    struct groups *groups;
    struct arena *arena;
    struct bytes group_id;
    struct group_offset *offsets; /* in: topic, partition, error (left alone); NULL: all */
    size_t count;                 /* out when offsets was NULL */
    int16_t error;
};
MAY_SUSPEND void group_fetch(struct group_fetch *fetch);

/* OffsetDelete (KIP-496). */
struct group_forget {
    struct groups *groups;
    struct bytes group_id;
    struct group_offset *offsets; /* topic and partition; .error is set for each */
    size_t count;
    int16_t error; /* of all */
};
MAY_SUSPEND void group_forget(struct group_forget *forget);

/* DeleteGroups: one group with all its offsets. */
struct group_delete {
    struct groups *groups;
    struct bytes group_id;
    int16_t error;
};
MAY_SUSPEND void group_delete(struct group_delete *delete);

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE };
#define GROUP_STATE_COUNT 4
/* As Kafka says it: "Empty", "PreparingRebalance", ... */
const char *group_state_name(enum group_state state);

struct group_listing {
    struct bytes group_id;
    struct bytes protocol_type;
    enum group_state state;
};
struct group_list {
    struct groups *groups;
    struct arena *arena;
    unsigned states; /* a bit for each state that is asked for */
    struct group_listing *listings;
    size_t count;
    size_t capacity;
    int16_t error;
};
/* The groups of all coordinators of this broker. */
MAY_SUSPEND void group_list(struct group_list *list);

struct group_member_description {
    struct bytes member_id;
    struct bytes instance_id; /* NULL: dynamic */
    struct bytes client_id;
    struct bytes client_host;
    struct bytes metadata;   /* of a stable group only, as in Kafka */
    struct bytes assignment; /* likewise */
};
struct group_describe {
    struct groups *groups;
    struct arena *arena;
    struct bytes group_id;
    enum group_state state;
    struct bytes protocol_type;
    struct bytes protocol_name; /* "" unless stable */
    struct group_member_description *members;
    size_t member_count;
    int16_t error; /* GROUP_ID_NOT_FOUND: no such group */
};
MAY_SUSPEND void group_describe(struct group_describe *describe);

/* Of all reactors. */
struct groups_stats {
    uint64_t groups[GROUP_STATE_COUNT];
    uint64_t members;
    uint64_t offsets;
    uint64_t memory_bytes;
    uint64_t coordinators;
    uint64_t loading;
    uint64_t commits;
    uint64_t expired_offsets;
    uint64_t rebalances; /* completed */
};
MAY_SUSPEND void groups_stats_get(struct groups *groups, struct groups_stats *ret_stats);
