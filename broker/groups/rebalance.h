#pragma once
/* Rebalances: what makes a group go from one generation to the next, by calls and by time. Nothing
 * here waits; calls that wait for a group are parked in their member (member.join, member.sync) and
 * answered from here. Internal to groups/. */

#include "groups/coordinator.h"

/* The join waits for the next generation. A call that the member still waits in is answered. */
void rebalance_park_join(struct group *group, struct member *member, struct group_join *join);
void rebalance_park_sync(struct group *group, struct member *member, struct group_sync *sync);
/* Answers a parked call, if there is one, with an error. */
void rebalance_refuse_join(struct group *group, struct member *member, int16_t error);
/* Answers a parked join that was filled before. */
void rebalance_answer_join(struct group *group, struct member *member);
/* KIP-345: whoever waits under the member's present id is told that another took its place. */
void rebalance_fence(struct group *group, struct member *member);
/* Fills the answer with the present generation. */
void rebalance_tell_generation(
        struct group_join *join, const struct group *group, const struct member *member);
void rebalance_tell_assignment(
        struct group_sync *sync, const struct group *group, const struct member *member);
/* Answers whoever waits in the group; members stay. */
void rebalance_end_calls(struct group *group, int16_t error);
/* Also answers its join: UNKNOWN_MEMBER_ID, so that who lives joins again. */
void rebalance_remove_member(struct group *group, struct member *member);

/* From any other state to PREPARING; when all have joined already, on to COMPLETING. May free
 * nothing. */
void rebalance_prepare(struct coordinator *c, struct group *group);
/* PREPARING: goes on when all have joined. */
void rebalance_maybe_complete(struct coordinator *c, struct group *group);
/* Something about the members has changed: one of the two above. */
void rebalance_follow(struct coordinator *c, struct group *group);
/* The assignments in member.proposed are durable. */
void rebalance_stabilise(struct coordinator *c, struct group *group);
/* They could not be made durable: all begin again. */
void rebalance_fail_sync(struct coordinator *c, struct group *group, int16_t error);
/* A member that never joins, or does not send heartbeats, goes when its time is up. */
void rebalance_watch_member(struct coordinator *c, struct group *group, struct member *member);

/* What time does; arms the next look. May free the group when nothing is left of it. */
void rebalance_tick(struct coordinator *c, struct group *group, uint64_t now_ns);
/* After loading: sessions begin now (G3). */
void rebalance_loaded(struct coordinator *c);
