#pragma once
/* One client connection above the frames: request headers, the dispatch table, and the order of
 * requests and answers.
 *
 * Entered from net/, which reads frames and gives them here, and which sends what comes out.
 *
 * N1  Answers leave in the order of their requests, whatever the order in which the handlers
 *     finish.
 *
 * N2  A handler starts only when the one before has ended or said that its place in line is taken
 *     (request_ordered), so that pipelined produce requests keep their order.
 *
 * Limits: CONNECTION_PIPELINE_MAX requests at once; then the connection is not read any further. */

#include "handlers/request.h"
#include "reactor/sync.h"
#include "reactor/tcp.h"

#include <stdatomic.h>

struct dispatch_entry;

struct session {
    struct broker *broker;
    const char *listener;  /* name of the one that the client came by; borrowed */
    struct stream *stream; /* borrowed from net/ */
    const struct dispatch_entry *(*find)(int16_t key); /* dispatch_find; tests have their own */
    struct list requests; /* in order of arrival: running or done but not sent */
    uint32_t request_count;
    bool sending;                /* a fiber writes to the stream */
    bool broken;                 /* nothing is answered any more */
    struct wait_queue turn;      /* the reader waits here for the next start or for room */
    struct fiber_group handlers; /* one fiber per request */
    struct connection_state state;
};

void session_init(struct session *session, struct broker *broker, const char *listener,
        struct stream *stream);
/* Takes the frame (without its length prefix), and its size of broker->memory. Returns when the
 * next frame may be given. -EPROTO: the connection is to be closed: unreadable header, unknown API,
 * or the session is broken. */
MUST_CHECK MAY_SUSPEND int session_request(struct session *session, struct buf *frame);
/* Waits until all handlers have ended; their answers are dropped. */
MAY_SUSPEND void session_done(struct session *session);

/* Requests by API since the start, this reactor's part, for /metrics. */
struct session_api_stats {
    uint64_t requests;
    uint64_t errors; /* connection closed because of it */
    uint64_t bytes_in;
    uint64_t bytes_out;
    uint64_t latency_us_sum;
    uint64_t latency_us_buckets[24]; /* requests that took at most 1 us << i */
};
const struct session_api_stats *session_stats(int16_t api_key);
/* How often answers of the API carried the error code, over all reactors; codes beyond what Kafka
 * 4.4 has count as SESSION_ERROR_CODE_MAX. One counter for all reactors: errors are rare. */
#define SESSION_ERROR_CODE_MIN (-1)
#define SESSION_ERROR_CODE_MAX 140
uint64_t session_error_count(int16_t api_key, int16_t code);
