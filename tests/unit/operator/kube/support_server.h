#pragma once
/* An API server of a test: HTTP/1.1 by hand on a thread of its own, which answers what the test
 * says and cuts its bytes where the test says. One connection at a time is enough for most; each
 * has its thread. */

#include "base/bytes.h"
#include "kube/client.h"

#include <stdatomic.h>

struct server;

struct server_request {
    struct server *server;
    unsigned number; /* from 0, over all connections */
    char method[16];
    char path[1024]; /* with the query */
    char authorization[256];
    char content_type[64];
    char body[8192];
    int fd;
    bool is_closing; /* set by the handler: close after it */
};

typedef void (*server_handler)(struct server_request *request, void *arg);

struct server {
    server_handler handler;
    void *arg;
    int listener;
    int port;
    _Atomic unsigned count; /* requests read */
    _Atomic size_t piece;   /* bytes sent at once; 0: all */
    _Atomic bool is_ending;
};

/* Never NULL; frees nothing before server_stop. */
struct server *server_start(server_handler handler, void *arg);
/* At a given address of the loopback; NULL when it is taken. */
struct server *server_start_at(server_handler handler, void *arg, const char *host, int port);
void server_stop(struct server *server);

/* For handlers. */
void server_send(struct server_request *request, const char *text);
void server_json(struct server_request *request, int status, const char *json);
/* A body in chunks, which end with server_chunk(request, ""). */
void server_stream_begin(struct server_request *request);
void server_chunk(struct server_request *request, const char *text);
/* Waits until the test has stopped the server or the peer closed; for hung sockets. */
void server_hang(struct server_request *request);

/* A server and a client of it, whose credentials are from a kubeconfig in the test's folder. */
struct api {
    struct server *server; /* NULL: stopped */
    struct http *http;
    struct kube *kube;
};

void api_begin(struct api *api, server_handler handler, void *arg);
void api_end(struct api *api);
