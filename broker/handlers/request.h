#pragma once
/* One Kafka request on its way through a handler. Made by session/, which also sends the answer in
 * its turn.
 *
 * A handler is a straight-line function on its own fiber: it reads the request's typed struct, does
 * the work, and calls request_reply once. Requests of one connection start one after the other; a
 * handler whose place in line is taken (produce: offsets are assigned) calls request_ordered, and
 * the next request of the connection may start while this one still waits. Answers leave in request
 * order all the same. */

#include "base/arena.h"
#include "base/uuid.h"
#include "handlers/broker.h"
#include "wire/api.h"

struct request {
    struct broker *broker; /* the process */
    const struct wire_api *api;
    int16_t version; /* one that the API has */
    int32_t correlation_id;
    struct bytes client_id;    /* inside frame; NULL: none */
    const char *peer;          /* "address:port" of the client */
    const char *local;         /* of the listener's side */
    const char *listener;      /* its name: answers name the endpoints of that one */
    struct buf *frame;         /* owner of all request bytes */
    struct wire_reader body;   /* at the first byte of the body */
    struct arena arena;        /* freed after the answer is sent */
    uint64_t memory;           /* taken of broker->memory, the frame included */
    struct wire_writer answer; /* empty: nothing is sent (produce with acks=0) */
    bool close; /* the connection is to be closed, without this answer: the outcome is not known */
    void (*ordered)(struct request *request);
    bool (*is_gone)(struct request *request); /* nobody will read the answer */
    struct connection_state *connection;
};

#define SOFTWARE_NAME_SIZE 64 /* with NUL; what is longer is cut */

/* State that lives as long as the connection: fetch sessions, readers. Owned by session/, used by
 * handlers/. */
struct connection_state {
    struct fetch_readers *readers;          /* read-ahead state by partition: fetch.c */
    struct fetch_session *fetch_session;    /* NULL: none */
    struct uuid telemetry_instance;         /* of its last GetTelemetrySubscriptions; zero: none */
    char software_name[SOFTWARE_NAME_SIZE]; /* as ApiVersions said; "": it did not */
    char software_version[SOFTWARE_NAME_SIZE];
};

typedef void (*handler_fn)(struct request *request);

/* Reads the body into the API's request struct. On bad bytes, and on more than REQUEST_ELEMENTS_MAX
 * elements, it logs, marks the connection to be closed (as Kafka does) and returns -EBADMSG: the
 * handler returns at once. */
MUST_CHECK int request_read(struct request *request, void *ret_message);
/* Encodes the answer. A failure is our bug or an answer over the maximum: it closes the connection
 * with an error log. */
void request_reply(struct request *request, const void *response);
/* The next request of this connection may start. Harmless when called twice. */
void request_ordered(struct request *request);
/* Memory for building the answer; never fails. One that grows with the elements of the request fits
 * always. A handler whose answer may grow beyond (each element may name much) looks at
 * request_is_too_large in its loop. */
void *request_alloc(struct request *request, size_t count, size_t size);
/* True when the answer takes more memory than one may: the connection will be closed instead, and
 * the handler stops. */
bool request_is_too_large(const struct request *request);
/* Formats into the request's arena. */
PRINTF(2, 3) struct bytes request_text(struct request *request, const char *format, ...);
/* Frees what the connection state holds; the fibers of its requests have ended. */
MAY_SUSPEND void connection_state_done(struct broker *broker, struct connection_state *state);
