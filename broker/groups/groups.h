#pragma once
/* The group coordinator for classic consumer groups (JoinGroup, SyncGroup, Heartbeat, LeaveGroup)
 * and for committed offsets. Lives on reactor 0; handlers of other reactors come by reactor_call.
 *
 * G1  A committed offset is answered only after its record in __consumer_offsets is durable; it is
 * known again after a restart. Crash: a consumer that was told "committed" starts over from an
 * older offset. G2  A member acts only with the generation and, when static, the member id that the
 * group gave last: everyone else is told so (ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID,
 * FENCED_INSTANCE_ID) and changes nothing. Membership is kept in memory: after a restart members
 * join again, as after a coordinator change in Kafka. Limits: GROUPS_MAX, group.max.size,
 * offset.metadata.max.bytes. */

#include "base/arena.h"
#include "meta/meta.h"
#include "partition/shard.h"
#include "settings/settings.h"

struct groups;

struct groups_options {
    struct meta *meta;     /* borrowed, as all here */
    struct shard **shards; /* by reactor index */
    const struct settings *settings;
};

/* Loads the committed offsets. On reactor 0. */
MUST_CHECK MAY_SUSPEND int groups_start(
        const struct groups_options *options, struct groups **ret_groups);
/* Ends all waiting calls with KAFKA_NOT_COORDINATOR, then frees. No call may begin after it. */
MAY_SUSPEND void groups_stop(struct groups *groups);

/* All calls: on reactor 0; inputs are borrowed, outputs are in the caller's arena; `error` is
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
    const char *client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms; /* -1: the session timeout */
    struct bytes protocol_type;
    const struct group_protocol *protocols;
    size_t protocol_count;
    bool id_required; /* version 4 and above: a new dynamic member first gets an id (KIP-394) */
    int16_t error;
    int32_t generation;
    struct bytes ret_protocol_name;
    struct bytes ret_leader;
    struct bytes ret_member_id;
    struct group_member_info *ret_members; /* for the leader only */
    size_t ret_member_count;
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
    struct bytes protocol_name;
    const struct group_assignment *assignments;
    size_t assignment_count;
    int16_t error;
    struct bytes ret_assignment;
    struct bytes ret_protocol_type;
    struct bytes ret_protocol_name;
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
void group_heartbeat(struct group_heartbeat *heartbeat);

struct group_leave {
    struct groups *groups;
    struct bytes group_id;
    struct bytes member_id;
    struct bytes instance_id;
    int16_t error;
};
void group_leave(struct group_leave *leave);

struct group_offset {
    struct bytes topic;
    int32_t partition;
    int64_t offset;       /* -1: none committed */
    int32_t leader_epoch; /* -1: not known */
    struct bytes metadata;
    int16_t error;
};
struct group_commit {
    struct groups *groups;
    struct bytes group_id;
    struct bytes member_id;
    struct bytes instance_id;
    int32_t generation;           /* -1: not a member, a simple consumer */
    struct group_offset *offsets; /* .error is set for each */
    size_t count;
};
MAY_SUSPEND void group_commit(struct group_commit *commit);

struct group_fetch {
    struct groups *groups;
    struct arena *arena;
    struct bytes group_id;
    struct group_offset *offsets; /* in: topic and partition; NULL: all of the group */
    size_t count;                 /* out when offsets was NULL */
    int16_t error;
};
void group_fetch(struct group_fetch *fetch);
