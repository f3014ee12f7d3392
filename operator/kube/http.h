#pragma once
/* HTTP by libcurl on one thread: many transfers under way at once, and timers, driven by http_run.
 * The kube room and the look at brokers stand on it; a thread has its own.
 *
 * K1  What the world sends costs bounded memory: an answer has its greatest size, a stream is
 * handed over piece by piece. Crash scenario: a proxy that answers with an endless page.
 *
 * K2  A peer that vanished is noticed: each transfer ends by its timeout, and a stream that has
 * none by keep-alives of the kernel and its own deadline. Crash scenario: a node dies with the
 * connection open and a watch waits for ever.
 *
 * Whether a request that failed was carried out is unknown unless `unsent` says otherwise; libcurl
 * may send one again when a kept connection turns out to be dead, so requests must stand being sent
 * twice. */

#include "base/attr.h"
#include "base/bytes.h"
#include "base/list.h"

#define HTTP_CONNECT_MS 5000
#define HTTP_TRANSFERS_MAX 256

struct http;
struct http_transfer;

/* Borrowed for as long as the transfer lives. */
struct http_tls {
    struct bytes ca;          /* PEM; empty: the system's */
    struct bytes certificate; /* PEM of the client, or empty */
    struct bytes key;
    bool is_insecure;        /* no verification at all */
    const char *server_name; /* "" or what the certificate must say instead of the host */
};

struct http_answer {
    int error;              /* 0 once the whole answer is there, or negative errno */
    bool unsent;            /* with an error: no byte of the request left this machine */
    long status;            /* 0: none came */
    int64_t retry_after_ms; /* -1: the server named none */
    struct bytes body;      /* empty when data() took it; until done() returns */
    const char *reason;     /* with an error: words that are the same each time (T2 of status.h) */
};

struct http_request {
    const char *method;
    const char *url;
    struct bytes body;          /* copied */
    const char *content_type;   /* or NULL */
    const char *authorization;  /* value of the header, or NULL */
    const struct http_tls *tls; /* or NULL */
    int64_t timeout_ms;         /* of the whole transfer; 0: none */
    size_t answer_max;          /* of a body that is gathered, and of an error's */
    /* Takes pieces of a body with status 200 when set; negative errno ends the transfer. */
    int (*data)(void *arg, struct bytes piece);
    /* Once, unless http_cancel came before. May start transfers, must not run or call. */
    void (*done)(void *arg, const struct http_answer *answer);
    void *arg;
};

struct http_timer {
    struct list node;
    int64_t due_ms;
    void (*fn)(void *arg);
    void *arg;
};

/* Once, before any other thread runs. */
void http_setup(void);
struct http *http_new(void);
/* Ends what is under way without calling done(). Accepts NULL. */
void http_free(struct http *http);

/* -ENOBUFS: HTTP_TRANSFERS_MAX are under way. */
MUST_CHECK int http_start(
        struct http *http, const struct http_request *request, struct http_transfer **ret_transfer);
/* done() isn't called. Accepts NULL. */
void http_cancel(struct http_transfer *transfer);

/* Waits up to wait_ms for something to happen, and lets it happen: callbacks and timers. */
void http_run(struct http *http, int64_t wait_ms);
/* From any thread: ends a wait of http_run. */
void http_wake(struct http *http);
/* Runs until the answer is there; `request`'s data, done and arg are not used. The answer's body
 * and reason are owned: http_answer_done. Not from callbacks. */
void http_call(
        struct http *http, const struct http_request *request, struct http_answer *ret_answer);
void http_answer_done(struct http_answer *answer);

/* Calls fn(arg) once, not before delay_ms have gone. The timer may be set anew in fn. */
void http_timer_start(struct http *http, struct http_timer *timer, int64_t delay_ms);
/* Harmless when it doesn't run. The timer must be zeroed or started before. */
void http_timer_stop(struct http_timer *timer);
