#pragma once
/* Fetch sessions (KIP-227): a consumer says once which partitions it wants, then only what changes,
 * and hears only of partitions that have news. Entered from fetch.c.
 *
 * A session belongs to the connection that made it and ends with it. Clients begin a new one after
 * a reconnect anyhow: after a broken connection they cannot know whether the last request was
 * taken, so they send a full fetch with epoch 0. Kafka keeps sessions of broken connections until
 * they are evicted; here none needs to be evicted.
 *
 * E1  News are told at most once and at least once: what a partition was said to be (high
 *     watermark, log start) changes only together with the answer that says so. Scenario: an
 *     answer is left out because nothing has changed, yet the state moves on, and the consumer's
 *     lag is wrong until the next record.
 *
 * Limits: max.incremental.fetch.session.cache.slots sessions, dealt evenly to the reactors;
 * FETCH_SESSION_PARTITIONS_MAX partitions each. Beyond, fetches are answered without a session, as
 * in Kafka. */

#include "base/list.h"
#include "base/map.h"
#include "handlers/request.h"
#include "wire/messages/fetch.h"

#define FETCH_SESSION_PARTITIONS_MAX 100000

/* One partition of a session. */
struct fetch_interest {
    struct map_node node;
    struct list link; /* in session.order */
    struct uuid topic_id;
    char *topic; /* NULL when the session goes by ids */
    int32_t index;
    int64_t offset;
    int32_t leader_epoch;
    int32_t bytes_max;
    bool told; /* once at least */
    int64_t high_watermark;
    int64_t log_start;
};

/* What to read for one partition. */
struct fetch_asked {
    struct bytes topic; /* in the request, or in the session */
    struct uuid topic_id;
    int32_t index;
    int64_t offset;
    int32_t leader_epoch;
    int32_t bytes_max;
    struct fetch_interest *interest; /* NULL: without a session */
};

struct fetch_turn {
    int32_t session_id; /* for the answer; 0: none */
    bool incremental;   /* only news are told */
    struct fetch_asked *asked;
    size_t count;
};

/* Finds, makes, changes or ends the connection's session as the request says. KAFKA_NONE, or the
 * error of the whole answer. The turn's arrays are the request's; interests live until the next
 * turn of the connection. */
int16_t fetch_session_turn(
        struct request *request, const struct fetch_request *message, struct fetch_turn *ret_turn);

/* What an answer would say of the partition. */
struct fetch_news {
    int16_t error;
    bool records;
    int64_t high_watermark;
    int64_t log_start;
};
/* True when the answer has to name the partition; then it counts as told (E1). */
bool fetch_session_tell(
        struct request *request, struct fetch_interest *interest, const struct fetch_news *news);

/* Accepts NULL. */
void fetch_session_free(struct fetch_session *session);
