#pragma once
/* One group and its members. Internal to groups/.
 *
 *              join of the first member             all joined, or the time is up
 *     EMPTY ---------------------------> PREPARING --------------------------------> COMPLETING
 *       ^   group_prepare                 ^  |  ^     group_complete_join              |
 *       |                                 |  |  +--------------------------------------+
 *       |     the last member is gone     |  |          join, leave, expiry            | leader's
 * sync
 *       +---------------------------------+  |                                         v group_sync
 *                                            +<------------------------------------ STABLE
 */

#include "base/list.h"
#include "base/map.h"
#include "groups/groups.h"
#include "reactor/sync.h"

#define GROUPS_MAX 100000

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE };

struct member {
    struct list link; /* in group.members, in order of joining */
    char *id;
    char *instance_id; /* NULL: dynamic */
    uint64_t session_timeout_ns;
    uint64_t rebalance_timeout_ns;
    uint64_t expires_ns;              /* without a sign of life */
    struct group_protocol *protocols; /* owned copies */
    size_t protocol_count;
    struct bytes assignment; /* owned */
    bool pending;            /* has an id but did not join with it yet (KIP-394) */
    bool joined;             /* for the generation being prepared */
    uint32_t waiting;        /* join and sync calls that wait: it does not expire meanwhile */
};

struct committed {
    struct map_node node;
    char *topic;
    int32_t partition;
    int64_t offset;
    int32_t leader_epoch;
    char *metadata;
};

struct group {
    struct map_node node;
    struct list link; /* in groups.all */
    char *id;
    enum group_state state;
    int32_t generation;
    char *protocol_type; /* NULL while no member was there */
    char *protocol_name; /* NULL while none is chosen */
    char *leader;        /* member id; NULL: none */
    struct list members;
    size_t member_count; /* without pending ones */
    bool initial; /* the first rebalance: waits group.initial.rebalance.delay.ms for company */
    uint64_t deadline_ns; /* of the rebalance */
    struct wait_queue changed;
    struct map offsets;
};

struct groups {
    struct groups_options options;
    struct map by_id;
    struct list all;
    struct fiber *sweeper;
    struct wait_queue idle; /* the sweeper sleeps here while no group has members */
    bool stopping;
    uint32_t calls; /* that wait inside */
    struct wait_queue calls_ended;
};

struct group *group_find(struct groups *groups, struct bytes id);
/* NULL: GROUPS_MAX. */
struct group *group_get(struct groups *groups, struct bytes id);
struct member *group_member(struct group *group, struct bytes member_id);
struct member *group_static_member(struct group *group, struct bytes instance_id);
struct member *group_add_member(struct group *group, struct bytes id, struct bytes instance_id);
void group_remove_member(struct groups *groups, struct group *group, struct member *member);
void member_set_protocols(
        struct member *member, const struct group_protocol *protocols, size_t count);
bool member_has_protocols(
        const struct member *member, const struct group_protocol *protocols, size_t count);
void member_alive(struct member *member);
bool group_supports(const struct group *group, const struct member *except,
        struct bytes protocol_type, const struct group_protocol *protocols, size_t count);
/* Begins a rebalance unless one is being prepared. */
void group_prepare(struct groups *groups, struct group *group);
/* Ends the preparation when everybody has joined. */
void group_try_complete(struct group *group);
/* What time does: expired members, rebalances whose time is up. */
void group_tick(struct groups *groups, struct group *group, uint64_t now_ns);
void groups_wake_sweeper(struct groups *groups);

/* Applies a committed offset to memory; offset < 0 removes it. */
void group_set_offset(struct group *group, const struct group_offset *offset);
struct committed *group_get_offset(
        const struct group *group, struct bytes topic, int32_t partition);
void group_free_offsets(struct group *group);
/* Appends the commits of a group to __consumer_offsets and waits until they are durable (G1). */
MUST_CHECK MAY_SUSPEND int offsets_log_append(struct groups *groups, struct bytes group_id,
        const struct group_offset *offsets, size_t count);
/* Reads all of __consumer_offsets into memory. */
MUST_CHECK MAY_SUSPEND int offsets_log_load(struct groups *groups);
