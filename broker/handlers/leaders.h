#pragma once
/* What answers say of who leads a partition: Metadata, DescribeTopicPartitions, FindCoordinator,
 * and the hints of leader_hint.h.
 *
 * M4  of meta.h, for directions: a broker without a valid lease may have been left behind by the
 * cluster. It answers when it has a lease again, and closes the connection when it learns that its
 * incarnation is over; after LEADERS_WAIT_NS it says what it knows, but never that it leads itself.
 * Crash: a broker that was paused until its partitions were taken over wakes up and names itself as
 * their leader. Clients that have found the new leaders come back, hear nothing, and turn round
 * again with requests under way on both sides; some of them (librdkafka) then skip a batch, and
 * send what was appended before a second time in a new epoch.
 *
 * Nor is anybody sent to a broker whose process has ended (meta_broker_is_away): a client that is
 * told of such a leader knocks at its closed port, each time with more patience until the next try
 * (librdkafka: up to 10 s), and comes back long after the broker. Told that there is none, it asks
 * again within a second. */

#include "handlers/request.h"
#include "meta/state.h"

#define LEADERS_WAIT_NS ((uint64_t)2 * NS_PER_S)

/* False: the handler returns at once, the connection is to be closed. Metadata that was looked at
 * before is to be looked up again. */
MUST_CHECK MAY_SUSPEND bool leaders_wait(struct request *request);
/* Who serves the partition now, or NULL: its owner is gone, has not opened it since it came back,
 * or is this broker without a lease. */
const struct meta_broker *leaders_find(
        const struct request *request, const struct meta_partition *partition);
/* What the client is told of the leader: KAFKA_NONE; KAFKA_LEADER_NOT_AVAILABLE: there is none;
 * KAFKA_LISTENER_NOT_FOUND: it has no listener of the name that the client came by. */
int16_t leaders_error(const struct request *request, const struct meta_partition *partition);
