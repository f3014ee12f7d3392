#pragma once
/* An HTTP client for fibers: one thread runs libcurl's multi interface, fibers hand it requests and
 * wait. Private to the room: S3 and the sources of credentials use it.
 *
 * H1  A request marked `once` reaches the network once. libcurl sends a request again by itself
 *     when a reused connection dies before the first byte of the answer; the repetition of a
 *     committed create would be answered with "exists". The body of such a request cannot be
 *     rewound, and a second start is refused; the caller is told that the outcome is unknown.
 *
 * H2  http_do returns only when libcurl has let go of the request: bodies and headers may live on
 *     the caller's stack. Cancelling the fiber aborts the request and still waits for that.
 *
 * H3  An answer is complete or an error: bodies end where Content-Length says, and never exceed the
 *     size asked for.
 *
 * Limits: HTTP_REQUESTS_PER_REACTOR_MAX, HTTP_CONNECTIONS_MAX, HTTP_HEADERS_SIZE_MAX,
 * HTTP_ERROR_BODY_SIZE_MAX. */

#include "base/attr.h"
#include "base/buf.h"
#include "base/strbuf.h"
#include "reactor/fiber.h"

#include <sys/uio.h>

#define HTTP_REQUESTS_PER_REACTOR_MAX 256
#define HTTP_CONNECTIONS_MAX 64
#define HTTP_HEADERS_SIZE_MAX (64 * (size_t)1024)
#define HTTP_ERROR_BODY_SIZE_MAX (256 * (size_t)1024)

struct http_client;

struct http_client_options {
    const char *ca_file;      /* NULL: the system's; borrowed during the call */
    unsigned connections_max; /* 0: HTTP_CONNECTIONS_MAX */
};
MUST_CHECK int http_client_open(
        const struct http_client_options *options, struct http_client **ret_client);
/* No request may be under way. Accepts NULL. */
MAY_SUSPEND void http_client_close(struct http_client *client);

/* Bytes `offset` to `offset + size` of the parts one behind the other. */
struct http_body {
    const struct iovec *parts;
    size_t part_count;
    uint64_t offset;
    uint64_t size;
};

struct http_request {
    const char *method;
    const char *url;
    const char *const *headers; /* "name: value" */
    size_t header_count;
    const struct http_body *body; /* NULL: none */
    bool once;                    /* H1 */
    bool direct;                  /* past any proxy: link-local metadata services */
    bool uncancellable;           /* cleaning up: not ended by the fiber's cancellation */
    uint64_t deadline_ns;
    uint64_t stall_ns_max; /* ends when nothing moves for that long; 0: waits until the deadline */
    size_t response_size_max; /* of the body of a 2xx answer */
};

struct http_response {
    int status;
    struct buf *body;      /* NULL when there is none */
    struct strbuf headers; /* lines as received */
};

/* 0: there is an answer, of whatever status; ret_response is owned, freed by http_response_done.
 * OBJECT_AGAIN (-EAGAIN): no connection, reset, stall; -ETIMEDOUT: the deadline passed; -EIO: a
 * broken answer: short, too long, not HTTP; -EACCES: the server's certificate is not trusted;
 * -ECANCELED. ret_sent tells on failure whether the server may have got any of it. May be NULL. */
MUST_CHECK MAY_SUSPEND int http_do(struct http_client *client, const struct http_request *request,
        struct http_response *ret_response, bool *ret_sent);
void http_response_done(struct http_response *response);
/* The value of a header without blanks around it; BYTES_NULL when there is none. */
struct bytes http_response_header(const struct http_response *response, const char *name);
