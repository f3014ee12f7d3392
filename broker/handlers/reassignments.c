/* AlterPartitionReassignments, ListPartitionReassignments (KIP-455), ElectLeaders (KIP-460). A
 * partition has one replica here, its owner: durability is the object store's. So a list of
 * replicas means its first broker, and the leader elected is always the owner. */
#include "base/log.h"
#include "base/mem.h"
#include "handlers/errors.h"
#include "handlers/handlers.h"
#include "wire/messages/alter_partition_reassignments.h"
#include "wire/messages/elect_leaders.h"
#include "wire/messages/list_partition_reassignments.h"

#include <errno.h>

typedef struct alter_partition_reassignments_request_reassignable_partition asked_move;
typedef struct alter_partition_reassignments_response_reassignable_partition told_move;

struct moves {
    struct request *request;
    struct meta_record *records;
    told_move **told; /* of each record */
    size_t count;
};

static void
refuse(struct moves *moves, told_move *out, int16_t error, struct bytes text)
{
    (void)moves;
    out->error_code = error;
    out->error_message = text;
}

/* Kafka's rules for an assignment. False: refused. */
static bool
replicas_are_valid(struct moves *moves, const asked_move *asked, told_move *out, int32_t *ret_first)
{
    const struct meta_state *state = meta_state(moves->request->broker->meta);
    struct wire_iterator it = wire_iterate(&asked->replicas);
    int32_t *seen =
            request_alloc(moves->request, (size_t)MAX(asked->replicas.count, 0), sizeof *seen);
    size_t count = 0;
    int32_t id;
    while (wire_int32_next(&it, &id)) {
        for (size_t i = 0; i < count; i++) {
            if (seen[i] == id) {
                refuse(moves, out, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                        request_text(moves->request,
                                "The manual partition assignment includes the broker %d more than "
                                "once.",
                                id));
                return false;
            }
        }
        if (!meta_broker_find(state, id)) {
            refuse(moves, out, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                    request_text(moves->request,
                            "The manual partition assignment includes broker %d, but no such "
                            "broker is registered.",
                            id));
            return false;
        }
        seen[count++] = id;
    }
    if (count == 0) {
        refuse(moves, out, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                BYTES_LITERAL("The manual partition assignment includes an empty replica list."));
        return false;
    }
    *ret_first = seen[0];
    return true;
}

static void
ask_move(struct moves *moves, struct bytes name, const asked_move *asked, told_move *out)
{
    const struct meta_state *state = meta_state(moves->request->broker->meta);
    const struct meta_topic *topic = meta_topic_by_name(state, name);
    int32_t target = -1;
    *out = alter_partition_reassignments_response_reassignable_partition_default;
    out->partition_index = asked->partition_index;
    out->error_message = BYTES_NULL;
    if (!topic || asked->partition_index < 0 || asked->partition_index >= topic->partition_count) {
        refuse(moves, out, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                bytes_of_string(kafka_error_message(KAFKA_UNKNOWN_TOPIC_OR_PARTITION)));
        return;
    }
    const struct meta_partition *partition = &topic->partitions[asked->partition_index];
    bool cancel = wire_array_is_null(&asked->replicas);
    if (cancel && partition->target < 0) {
        refuse(moves, out, KAFKA_NO_REASSIGNMENT_IN_PROGRESS,
                BYTES_LITERAL("No partition reassignment is in progress."));
        return;
    }
    if (!cancel && !replicas_are_valid(moves, asked, out, &target)) {
        return;
    }
    /* Logged also when it is there already: the balancer hears that it shall stay. */
    moves->told[moves->count] = out;
    moves->records[moves->count++] =
            (struct meta_record){ .type = META_MOVE, .move = { partition->key, target } };
}

static int
propose_moves(struct moves *moves)
{
    if (moves->count == 0) {
        return 0;
    }
    struct meta_result *results = request_alloc(moves->request, moves->count, sizeof *results);
    int r = meta_propose(moves->request->broker->meta, moves->records, moves->count, results);
    for (size_t i = 0; r == 0 && i < moves->count; i++) {
        if (results[i].error == -EBUSY) {
            refuse(moves, moves->told[i], KAFKA_INVALID_REPLICA_ASSIGNMENT,
                    request_text(moves->request, "Broker %d is not alive.",
                            moves->records[i].move.target));
        } else if (results[i].error) {
            refuse(moves, moves->told[i], KAFKA_UNKNOWN_TOPIC_OR_PARTITION, BYTES_NULL);
        }
    }
    return r;
}

static size_t
count_asked(const struct alter_partition_reassignments_request *message)
{
    size_t count = 0;
    struct wire_iterator it = wire_iterate(&message->topics);
    struct alter_partition_reassignments_request_reassignable_topic topic;
    while (alter_partition_reassignments_request_reassignable_topic_next(&it, &topic)) {
        count += (size_t)MAX(topic.partitions.count, 0);
    }
    return count;
}

void
handle_alter_partition_reassignments(struct request *request)
{
    struct alter_partition_reassignments_request message;
    struct alter_partition_reassignments_response response =
            alter_partition_reassignments_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    size_t most = count_asked(&message);
    struct moves moves = { .request = request,
        .records = request_alloc(request, most, sizeof *moves.records),
        .told = request_alloc(request, most, sizeof(told_move *)) };
    struct alter_partition_reassignments_response_reassignable_topic *topics =
            request_alloc(request, (size_t)MAX(message.topics.count, 0), sizeof *topics);
    size_t topic_count = 0;
    struct wire_iterator it = wire_iterate(&message.topics);
    struct alter_partition_reassignments_request_reassignable_topic topic;
    while (alter_partition_reassignments_request_reassignable_topic_next(&it, &topic)) {
        size_t count = (size_t)MAX(topic.partitions.count, 0);
        told_move *out = request_alloc(request, count, sizeof *out);
        struct wire_iterator partitions = wire_iterate(&topic.partitions);
        asked_move asked;
        for (size_t i = 0; alter_partition_reassignments_request_reassignable_partition_next(
                     &partitions, &asked);
                i++) {
            ask_move(&moves, topic.name, &asked, &out[i]);
        }
        topics[topic_count++] =
                (struct alter_partition_reassignments_response_reassignable_topic){ topic.name,
                    wire_array_of(out, count) };
    }
    int r = propose_moves(&moves);
    if (r < 0) {
        LOG_WARN("moves of partitions are not known to be logged", LOG_FAULT(r));
        response.error_code = KAFKA_REQUEST_TIMED_OUT;
    }
    response.error_message = BYTES_NULL;
    response.allow_replication_factor_change = message.allow_replication_factor_change;
    response.responses = wire_array_of(topics, topic_count);
    request_reply(request, &response);
}

static struct wire_array
one_id(struct request *request, int32_t id)
{
    int32_t *ids = request_alloc(request, 1, sizeof *ids);
    ids[0] = id;
    return wire_array_of(ids, 1);
}

typedef struct list_partition_reassignments_response_ongoing_partition_reassignment ongoing;

static size_t
list_partition(struct request *request, const struct meta_topic *topic, int32_t index, ongoing *out)
{
    if (index < 0 || index >= topic->partition_count || topic->partitions[index].target < 0) {
        return 0;
    }
    const struct meta_partition *partition = &topic->partitions[index];
    int32_t *both = request_alloc(request, 2, sizeof *both);
    both[0] = partition->target;
    both[1] = partition->owner;
    *out = (ongoing){ .partition_index = index,
        .replicas = wire_array_of(both, 2),
        .adding_replicas = one_id(request, partition->target),
        .removing_replicas = one_id(request, partition->owner) };
    return 1;
}

typedef struct list_partition_reassignments_response_ongoing_topic_reassignment ongoing_topic;

static size_t
list_topic(struct request *request, const struct meta_topic *topic,
        const struct wire_array *indexes, ongoing_topic *out)
{
    size_t most = (size_t)(indexes ? MAX(indexes->count, 0) : topic->partition_count);
    ongoing *partitions = request_alloc(request, most, sizeof *partitions);
    size_t count = 0;
    if (indexes) {
        struct wire_iterator it = wire_iterate(indexes);
        int32_t index;
        while (wire_int32_next(&it, &index)) {
            count += list_partition(request, topic, index, &partitions[count]);
        }
    } else {
        for (int32_t i = 0; i < topic->partition_count; i++) {
            count += list_partition(request, topic, i, &partitions[count]);
        }
    }
    *out = (ongoing_topic){ arena_dup(&request->arena, bytes_of_string(topic->name)),
        wire_array_of(partitions, count) };
    return count > 0;
}

void
handle_list_partition_reassignments(struct request *request)
{
    struct list_partition_reassignments_request message;
    struct list_partition_reassignments_response response =
            list_partition_reassignments_response_default;
    if (request_read(request, &message) < 0) {
        return;
    }
    const struct meta_state *state = meta_state(request->broker->meta);
    bool all = wire_array_is_null(&message.topics);
    size_t most = all ? meta_topic_count(state) : (size_t)message.topics.count;
    ongoing_topic *topics = request_alloc(request, most, sizeof *topics);
    size_t count = 0;
    if (all) {
        for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
                t = meta_topic_next(state, t)) {
            count += list_topic(request, t, NULL, &topics[count]);
        }
    } else {
        struct wire_iterator it = wire_iterate(&message.topics);
        struct list_partition_reassignments_request_topics asked;
        while (list_partition_reassignments_request_topics_next(&it, &asked)) {
            const struct meta_topic *topic = meta_topic_by_name(state, asked.name);
            count += topic ? list_topic(request, topic, &asked.partition_indexes, &topics[count])
                           : 0;
        }
    }
    response.error_message = BYTES_NULL;
    response.topics = wire_array_of(topics, count);
    request_reply(request, &response);
}

typedef struct elect_leaders_response_partition_result elected;
typedef struct elect_leaders_response_replica_election_result elected_topic;

#define ELECTION_PREFERRED 0

static elected
elect(const struct meta *meta, const struct meta_topic *topic, int32_t index, int8_t election_type)
{
    const struct meta_state *state = meta_state(meta);
    elected out = { .partition_id = index };
    if (!topic || index < 0 || index >= topic->partition_count) {
        out.error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        out.error_message = BYTES_LITERAL("No such topic or partition.");
        return out;
    }
    const struct meta_partition *partition = &topic->partitions[index];
    if (meta_broker_is_current(state, partition->owner, partition->owner_broker_epoch) &&
            !meta_broker_is_away(meta, meta_broker_find(state, partition->owner))) {
        out.error_code = KAFKA_ELECTION_NOT_NEEDED;
        out.error_message = BYTES_LITERAL("Leader election not needed for topic partition.");
    } else if (election_type == ELECTION_PREFERRED) {
        out.error_code = KAFKA_PREFERRED_LEADER_NOT_AVAILABLE;
        out.error_message = BYTES_LITERAL(
                "The partition's broker is not alive, and its write-ahead log is not recovered.");
    } else {
        out.error_code = KAFKA_ELIGIBLE_LEADERS_NOT_AVAILABLE;
        out.error_message = BYTES_LITERAL(
                "The partition's broker is not alive, and its write-ahead log is not recovered.");
    }
    return out;
}

static size_t
elect_all(struct request *request, int8_t election_type, elected_topic **ret_topics)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    elected_topic *topics = request_alloc(request, meta_topic_count(state), sizeof *topics);
    size_t topic_count = 0;
    for (const struct meta_topic *t = meta_topic_next(state, NULL); t;
            t = meta_topic_next(state, t)) {
        elected *out = request_alloc(request, (size_t)t->partition_count, sizeof *out);
        size_t count = 0;
        for (int32_t i = 0; i < t->partition_count; i++) {
            out[count] = elect(request->broker->meta, t, i, election_type);
            /* As Kafka: asked for all, it is silent of those that need none. */
            count += out[count].error_code != KAFKA_ELECTION_NOT_NEEDED;
        }
        if (count) {
            topics[topic_count++] =
                    (elected_topic){ arena_dup(&request->arena, bytes_of_string(t->name)),
                        wire_array_of(out, count) };
        }
    }
    *ret_topics = topics;
    return topic_count;
}

static size_t
elect_asked(struct request *request, const struct elect_leaders_request *message,
        elected_topic **ret_topics)
{
    const struct meta_state *state = meta_state(request->broker->meta);
    elected_topic *topics =
            request_alloc(request, (size_t)message->topic_partitions.count, sizeof *topics);
    size_t topic_count = 0;
    struct wire_iterator it = wire_iterate(&message->topic_partitions);
    struct elect_leaders_request_topic_partitions asked;
    while (elect_leaders_request_topic_partitions_next(&it, &asked)) {
        const struct meta_topic *topic = meta_topic_by_name(state, asked.topic);
        elected *out = request_alloc(request, (size_t)MAX(asked.partitions.count, 0), sizeof *out);
        struct wire_iterator partitions = wire_iterate(&asked.partitions);
        size_t count = 0;
        int32_t index;
        while (wire_int32_next(&partitions, &index)) {
            out[count++] = elect(request->broker->meta, topic, index, message->election_type);
        }
        topics[topic_count++] = (elected_topic){ asked.topic, wire_array_of(out, count) };
    }
    *ret_topics = topics;
    return topic_count;
}

void
handle_elect_leaders(struct request *request)
{
    struct elect_leaders_request message;
    struct elect_leaders_response response = elect_leaders_response_default;
    elected_topic *topics;
    if (request_read(request, &message) < 0) {
        return;
    }
    int8_t election_type = request->version >= 1 ? message.election_type : ELECTION_PREFERRED;
    size_t count = wire_array_is_null(&message.topic_partitions)
                           ? elect_all(request, election_type, &topics)
                           : elect_asked(request, &message, &topics);
    response.replica_election_results = wire_array_of(topics, count);
    request_reply(request, &response);
}
