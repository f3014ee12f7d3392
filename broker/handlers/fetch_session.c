/* What a consumer wants, kept between its fetches. */
#include "handlers/fetch_session.h"

#include "base/mem.h"
#include "handlers/errors.h"
#include "reactor/random.h"
#include "reactor/reactor.h"

#include <string.h>

#define EPOCH_FINAL (-1) /* no session wanted, and the one there is ends */
#define EPOCH_FIRST 0

struct fetch_session {
    int32_t id;
    int32_t epoch;        /* of the next request */
    bool by_id;           /* topics by id (version 13 and later) or by name */
    uint64_t seed;        /* clients choose the names */
    uint32_t *open_count; /* of this reactor */
    struct map interests;
    struct list order; /* those that had records last go to the end, so that each gets its turn */
};

struct interest_key {
    struct bytes topic;
    struct uuid topic_id;
    int32_t index;
};

static uint64_t
interest_hash(const struct fetch_session *session, const struct interest_key *key)
{
    uint64_t topic = bytes_hash(key->topic, session->seed) ^ uuid_hash(&key->topic_id);
    return hash_u64(topic ^ (uint64_t)(uint32_t)key->index);
}

static bool
interest_is(const struct map_node *node, const void *arg)
{
    const struct fetch_interest *interest = CONTAINER_OF(node, struct fetch_interest, node);
    const struct interest_key *key = arg;
    return interest->index == key->index && uuid_equal(&interest->topic_id, &key->topic_id) &&
           bytes_equal(bytes_of_string(interest->topic ? interest->topic : ""), key->topic);
}

static struct fetch_interest *
interest_find(const struct fetch_session *session, const struct interest_key *key)
{
    struct map_node *node =
            map_find(&session->interests, interest_hash(session, key), interest_is, key);
    return node ? CONTAINER_OF(node, struct fetch_interest, node) : NULL;
}

static void
interest_free(struct fetch_session *session, struct fetch_interest *interest)
{
    map_remove(&session->interests, &interest->node);
    list_remove(&interest->link);
    mem_free(interest->topic);
    mem_free(interest);
}

void
fetch_session_free(struct fetch_session *session)
{
    if (!session) {
        return;
    }
    LIST_FOREACH_SAFE (link, &session->order) {
        interest_free(session, CONTAINER_OF(link, struct fetch_interest, link));
    }
    map_done(&session->interests);
    (*session->open_count)--;
    mem_free(session);
}

static struct fetch_interest *
interest_new(struct fetch_session *session, const struct interest_key *key)
{
    struct fetch_interest *interest = mem_alloc(sizeof *interest);
    interest->topic_id = key->topic_id;
    interest->index = key->index;
    if (key->topic.size) {
        interest->topic = mem_alloc(key->topic.size + 1);
        memcpy(interest->topic, key->topic.data, key->topic.size);
    }
    map_insert(&session->interests, &interest->node, interest_hash(session, key));
    list_push_back(&session->order, &interest->link);
    return interest;
}

/* What the request names is added or changed. False: too many partitions. */
static bool
session_take(struct fetch_session *session, const struct fetch_request *message)
{
    struct wire_iterator topics = wire_iterate(&message->topics);
    struct fetch_request_topic topic;
    while (fetch_request_topic_next(&topics, &topic)) {
        struct wire_iterator it = wire_iterate(&topic.partitions);
        struct fetch_request_partition asked;
        while (fetch_request_partition_next(&it, &asked)) {
            const struct interest_key key = { topic.topic, topic.topic_id, asked.partition };
            struct fetch_interest *interest = interest_find(session, &key);
            if (!interest && session->interests.count >= FETCH_SESSION_PARTITIONS_MAX) {
                return false;
            }
            interest = interest ? interest : interest_new(session, &key);
            interest->offset = asked.fetch_offset;
            interest->leader_epoch = asked.current_leader_epoch;
            interest->bytes_max = asked.partition_max_bytes;
        }
    }
    return true;
}

static void
session_forget(struct fetch_session *session, const struct fetch_request *message)
{
    struct wire_iterator topics = wire_iterate(&message->forgotten_topics_data);
    struct fetch_request_forgotten_topic topic;
    while (fetch_request_forgotten_topic_next(&topics, &topic)) {
        struct wire_iterator it = wire_iterate(&topic.partitions);
        int32_t index;
        while (wire_int32_next(&it, &index)) {
            const struct interest_key key = { topic.topic, topic.topic_id, index };
            struct fetch_interest *interest = interest_find(session, &key);
            if (interest) {
                interest_free(session, interest);
            }
        }
    }
}

/* NULL: there is no room, or nothing to keep. */
static struct fetch_session *
session_new(struct request *request, const struct fetch_request *message)
{
    uint32_t slots = (uint32_t)settings_int(
            request->broker->settings, "max.incremental.fetch.session.cache.slots");
    uint32_t mine = (slots + reactor_count() - 1) / reactor_count();
    uint32_t *open_count = &request->broker->fetch_sessions[reactor_index()];
    if (*open_count >= mine || message->topics.count <= 0) {
        return NULL;
    }
    struct fetch_session *session = mem_alloc(sizeof *session);
    session->id = (int32_t)(1 + random_below(INT32_MAX));
    session->epoch = 1;
    session->by_id = request->version >= 13;
    session->seed = random_u64();
    map_init(&session->interests);
    list_init(&session->order);
    session->open_count = open_count;
    (*open_count)++;
    if (!session_take(session, message) || session->interests.count == 0) {
        fetch_session_free(session);
        return NULL;
    }
    return session;
}

static void
ask_session(struct request *request, const struct fetch_session *session, struct fetch_turn *turn)
{
    turn->session_id = session->id;
    turn->asked = request_alloc(request, session->interests.count, sizeof *turn->asked);
    LIST_FOREACH (link, &session->order) {
        struct fetch_interest *interest = CONTAINER_OF(link, struct fetch_interest, link);
        turn->asked[turn->count++] = (struct fetch_asked){
            .topic = bytes_of_string(interest->topic ? interest->topic : ""),
            .topic_id = interest->topic_id,
            .index = interest->index,
            .offset = interest->offset,
            .leader_epoch = interest->leader_epoch,
            .bytes_max = interest->bytes_max,
            .interest = interest,
        };
    }
}

/* Without a session: what the request itself names, in its order. */
static void
ask_message(struct request *request, const struct fetch_request *message, struct fetch_turn *turn)
{
    size_t count = 0;
    struct wire_iterator topics = wire_iterate(&message->topics);
    struct fetch_request_topic topic;
    while (fetch_request_topic_next(&topics, &topic)) {
        count += (size_t)MAX(topic.partitions.count, 0);
    }
    turn->asked = request_alloc(request, count, sizeof *turn->asked);
    topics = wire_iterate(&message->topics);
    while (fetch_request_topic_next(&topics, &topic)) {
        struct wire_iterator it = wire_iterate(&topic.partitions);
        struct fetch_request_partition asked;
        while (fetch_request_partition_next(&it, &asked)) {
            turn->asked[turn->count++] = (struct fetch_asked){
                .topic = topic.topic,
                .topic_id = topic.topic_id,
                .index = asked.partition,
                .offset = asked.fetch_offset,
                .leader_epoch = asked.current_leader_epoch,
                .bytes_max = asked.partition_max_bytes,
            };
        }
    }
}

static void
session_end(struct connection_state *state)
{
    fetch_session_free(state->fetch_session);
    state->fetch_session = NULL;
}

/* All partitions are named; a session begins when the client wants one. */
static void
turn_full(struct request *request, const struct fetch_request *message, struct fetch_turn *turn)
{
    struct connection_state *state = request->connection;
    if (state->fetch_session && (message->session_epoch == EPOCH_FIRST ||
                                        message->session_id == state->fetch_session->id)) {
        session_end(state);
    }
    if (message->session_epoch == EPOCH_FIRST && !state->fetch_session) {
        state->fetch_session = session_new(request, message);
        if (state->fetch_session) {
            ask_session(request, state->fetch_session, turn);
            return;
        }
    }
    ask_message(request, message, turn);
}

static int16_t
turn_incremental(
        struct request *request, const struct fetch_request *message, struct fetch_turn *turn)
{
    struct connection_state *state = request->connection;
    struct fetch_session *session = state->fetch_session;
    if (!session || session->id != message->session_id) {
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    }
    if (session->epoch != message->session_epoch) {
        return KAFKA_INVALID_FETCH_SESSION_EPOCH;
    }
    if (session->by_id != (request->version >= 13)) {
        return KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
    }
    if (!session_take(session, message)) {
        session_end(state);
        return KAFKA_FETCH_SESSION_ID_NOT_FOUND;
    }
    session_forget(session, message);
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    if (session->interests.count == 0) {
        session_end(state);
        return KAFKA_NONE;
    }
    turn->incremental = true;
    ask_session(request, session, turn);
    return KAFKA_NONE;
}

int16_t
fetch_session_turn(
        struct request *request, const struct fetch_request *message, struct fetch_turn *ret_turn)
{
    *ret_turn = (struct fetch_turn){ 0 };
    if (message->session_epoch == EPOCH_FIRST || message->session_epoch == EPOCH_FINAL) {
        turn_full(request, message, ret_turn);
        return KAFKA_NONE;
    }
    return turn_incremental(request, message, ret_turn);
}

bool
fetch_session_tell(
        struct request *request, struct fetch_interest *interest, const struct fetch_news *news)
{
    bool changed = !interest->told || interest->high_watermark != news->high_watermark ||
                   interest->log_start != news->log_start;
    interest->told = news->error == KAFKA_NONE;
    interest->high_watermark = news->high_watermark;
    interest->log_start = news->log_start;
    if (news->records) {
        list_remove(&interest->link);
        list_push_back(&request->connection->fetch_session->order, &interest->link);
    }
    return changed || news->error || news->records;
}
