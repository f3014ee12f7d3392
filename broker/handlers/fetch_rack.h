#pragma once
/* Which broker a consumer that says its rack should read from (KIP-392), as Kafka's
 * RackAwareReplicaSelector has it: any broker can serve what is committed in objects, so every live
 * one of the rack is a replica that has all up to there. The newest is at the leader alone: a
 * consumer is sent away only while it asks for what is committed, and then stays with its broker,
 * behind the leader by the time of an upload. */

#include "handlers/request.h"
#include "wire/messages/fetch.h"

#define FETCH_RACKS_MAX 16 /* that replicas are named of */

/* Whether replica.selector.class is set. */
bool fetch_racks_are_on(const struct broker *broker);
/* The consumer's rack; BYTES_NULL: it said none, it is no consumer, or replica.selector.class is
 * not set. */
struct bytes fetch_rack_of(const struct request *request, const struct fetch_request *message);
/* The broker that the leader (we) sends the consumer to, one that the consumer reaches by its
 * listener; -1: it shall read here. On the partition's reactor. */
int32_t fetch_rack_prefers(const struct broker *broker, struct bytes rack, const char *listener,
        struct partition_key key, int64_t offset);
/* Whether we serve that consumer although we do not lead the partition: the rack is ours, and the
 * leader's is another one. */
bool fetch_rack_is_served(const struct broker *broker, struct bytes rack, struct partition_key key);

/* The live brokers by rack, for Metadata: Java's consumer goes only to a broker that it was told of
 * as a replica. Valid until the next wait. */
struct fetch_racks {
    size_t count; /* 0: replica.selector.class is not set */
    struct {
        const char *name;
        int32_t *ids;
        size_t count;
    } racks[FETCH_RACKS_MAX];
};
void fetch_racks_list(struct request *request, struct fetch_racks *ret_racks);
/* The leader's id, then those that consumers of other racks are sent to: returns their number, at
 * most FETCH_RACKS_MAX + 1. */
size_t fetch_racks_replicas(const struct fetch_racks *racks, const struct meta_state *state,
        const struct meta_partition *partition, int32_t *ids);
