#pragma once
/* A hostile HTTP server on a loopback port, for tests of the HTTP client and the S3 store: a plain
 * thread for each connection reads requests properly and lets the test's function answer them as
 * badly as it likes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;

struct server_request {
    char method[16];
    char target[4096];
    char *headers; /* all lines behind the first */
    uint8_t *body;
    size_t body_size;
    unsigned number;        /* of the request, over all connections, from 0 */
    unsigned on_connection; /* requests before it on the same connection */
    int descriptor;
    struct http_server *server;
};

/* Answers one request by writing to the descriptor. True: keep the connection. Called by several
 * threads at once. */
typedef bool (*server_fn)(void *arg, struct server_request *request);

/* Stops the process when there is no port: tests cannot go on. */
struct http_server *server_start(server_fn fn, void *arg);
/* Cuts all connections and waits for the threads. */
void server_stop(struct http_server *server);
unsigned server_port(const struct http_server *server);
/* Requests that were read whole. */
unsigned server_count(struct http_server *server, const char *method);

void server_write(struct server_request *request, const void *data, size_t size);
/* A whole answer with Content-Length. `headers`: lines that end in \r\n, or "". */
void server_reply(
        struct server_request *request, int status, const char *headers, const char *body);
/* An S3 error. */
void server_error(struct server_request *request, int status, const char *code);
/* The value of a header copied to out, or "". */
const char *server_header(
        const struct server_request *request, const char *name, char *out, size_t out_size);
/* Sleeps, but not longer than until server_stop. */
void server_pause(struct server_request *request, unsigned ms);
