#pragma once
/* One group, its members and its offsets, as data: nothing here waits or writes. Internal to
 * groups/.
 *
 *              a first member joins                all have joined, or the time is up
 *     EMPTY ---------------------------> PREPARING --------------------------------> COMPLETING
 *       ^   rebalance_prepare             ^  |  ^    rebalance_complete_join             |
 *       |                                 |  |  +----------------------------------------+
 *       |     the last member is gone     |  |        join, leave, expiry, no sync       |
 *       +---------------------------------+  |                                           | leader's
 *             rebalance_complete_join        |                                           v sync is
 *                                            +<------------------------------------- STABLE durable
 */

#include "base/list.h"
#include "base/map.h"
#include "groups/deadlines.h"
#include "groups/groups.h"

struct coordinator;

struct member {
    struct map_node by_id;       /* in group.by_id */
    struct map_node by_instance; /* in group.by_instance; static members only */
    struct list link;            /* in group.members, in order of joining */
    struct bytes id;             /* owned, as all texts here: keep_bytes */
    struct bytes instance_id;    /* NULL: dynamic */
    struct bytes client_id;
    struct bytes client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    uint64_t expires_ns;              /* without a sign of life */
    struct group_protocol *protocols; /* one allocation with the names and the metadata */
    size_t protocol_count;
    size_t protocols_size;
    struct bytes assignment; /* owned */
    struct bytes proposed;   /* owned: of the leader's sync that is on its way into the log */
    struct group_join *join; /* the call that waits for the next generation, or NULL */
    struct group_sync *sync; /* the call that waits for the assignment, or NULL */
    bool pending;            /* has an id but did not join with it yet (KIP-394) */
    bool is_new;             /* its first join is not answered: it expires even while it waits */
    bool sync_pending;       /* did not ask for the present generation's assignment yet */
};

struct committed {
    struct map_node node; /* in group.offsets */
    struct bytes topic;   /* owned */
    struct uuid topic_id; /* zero: not known */
    int32_t partition;
    int32_t leader_epoch;
    int64_t offset;
    struct bytes metadata; /* owned */
    int64_t commit_ms;
    int64_t expire_ms; /* -1: none of its own */
};

struct group {
    struct map_node node; /* in coordinator.groups */
    struct list link;     /* in coordinator.all */
    struct deadline deadline;
    struct coordinator *coordinator;
    size_t *memory; /* of the reactor: what the group takes is counted there */
    struct bytes id;
    enum group_state state;
    int32_t generation;
    struct bytes protocol_type; /* NULL while no member was there */
    struct bytes protocol_name; /* NULL while none is chosen */
    struct bytes leader;        /* member id; NULL: none */
    int64_t state_ms;           /* when it last changed its state, wall clock; -1: not known */
    struct map by_id;
    struct map by_instance;
    struct list members; /* pending ones too */
    size_t member_count; /* without pending ones */
    size_t pending_count;
    size_t joined_count;  /* members that wait for the next generation */
    struct map protocols; /* what the members support: protocols.c */
    /* of a rebalance */
    bool initial;         /* PREPARING from EMPTY: waits for company */
    bool newcomer;        /* someone joined since the delay began */
    uint64_t join_due_ns; /* PREPARING: its end; DEADLINE_NONE */
    uint64_t sync_due_ns; /* members that did not sync by then are removed; DEADLINE_NONE */
    int32_t delay_ms;     /* the present part of the initial delay */
    int32_t remaining_ms; /* by which the initial delay may grow */
    struct map offsets;
};

/* --- group.c --- */
struct group *group_new(struct bytes id, struct coordinator *coordinator, size_t *memory);
/* No call may wait in it. */
void group_free(struct group *group);
void group_set_state(struct group *group, enum group_state state);
/* No members, no offsets, and nothing of it in the log. */
bool group_is_unused(const struct group *group);
bool group_leads(const struct group *group, const struct member *member);
bool group_all_joined(const struct group *group);
/* The longest of its members; 0 without. */
int32_t group_rebalance_timeout_ms(const struct group *group);
/* Owned copies of texts and metadata. NULL stays NULL. */
struct bytes keep_bytes(struct bytes bytes);
void drop_bytes(struct bytes *bytes);
void replace_bytes(struct bytes *place, struct bytes bytes);

struct member *group_member(const struct group *group, struct bytes member_id);
struct member *group_static_member(const struct group *group, struct bytes instance_id);
/* G2: the member that speaks, or NULL with Kafka's code. */
struct member *group_speaker(const struct group *group, struct bytes member_id,
        struct bytes instance_id, int16_t *ret_error);
/* The new member counts when it stops being pending. */
struct member *group_add_member(
        struct group *group, struct bytes id, struct bytes instance_id, bool pending);
void group_admit_pending(struct group *group, struct member *member);
/* Nobody may wait in the member. The leader's place goes to the next in line. */
void group_remove_member(struct group *group, struct member *member);
/* KIP-345: the static member goes on under a new id; the old one is fenced. */
void group_rename_member(struct group *group, struct member *member, struct bytes id);
void member_set_client(struct group *group, struct member *member, struct bytes client_id,
        struct bytes client_host);
void member_set_assignment(
        struct group *group, struct member *member, struct bytes *place, struct bytes assignment);
void member_alive(struct member *member);

/* --- protocols.c --- */
/* What a member with these takes of memory. */
size_t protocols_size(const struct group_protocol *protocols, size_t count);
void member_set_protocols(struct group *group, struct member *member,
        const struct group_protocol *protocols, size_t count);
bool member_has_protocols(
        const struct member *member, const struct group_protocol *protocols, size_t count);
/* The member's metadata for the protocol; NULL: it does not support it. */
struct bytes member_metadata(const struct member *member, struct bytes protocol);
/* Kafka's supportsProtocols. */
bool group_supports(const struct group *group, struct bytes protocol_type,
        const struct group_protocol *protocols, size_t count);
/* The protocol that most members like best among those that all support; NULL data: none. */
struct bytes group_choose_protocol(const struct group *group);
/* Whether a member of the stable generation subscribes to the topic. True for groups of consumers
 * whose subscriptions cannot be read: their offsets are not to be touched. */
bool group_subscribes(const struct group *group, struct bytes topic);
/* Groups of Kafka consumers, whose metadata we can read. */
bool group_of_consumers(const struct group *group);

/* --- committed.c --- */
void group_set_offset(struct group *group, const struct group_offset *offset);
void group_remove_offset(struct group *group, struct bytes topic, int32_t partition);
struct committed *group_get_offset(
        const struct group *group, struct bytes topic, int32_t partition);
void group_free_offsets(struct group *group);
/* offsets.retention.minutes: the rules of KIP-211. */
bool group_offset_expired(const struct group *group, const struct committed *committed,
        int64_t now_ms, int64_t retention_ms);
