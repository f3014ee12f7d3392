/* The API server of a test. */
#include "unit/operator/kube/support_server.h"

#include "base/mem.h"
#include "kube/credentials.h"
#include "unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX_TEST 64

struct connection {
    struct server *server;
    int fd;
};

static pthread_t threads[CONNECTIONS_MAX_TEST];
static size_t thread_count;
static pthread_t accepting;

void
server_send(struct server_request *request, const char *text)
{
    size_t size = strlen(text);
    size_t piece = atomic_load(&request->server->piece);
    for (size_t at = 0; at < size;) {
        size_t n = piece && piece < size - at ? piece : size - at;
        ssize_t sent = send(request->fd, text + at, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            request->is_closing = true;
            return;
        }
        at += (size_t)sent;
        if (piece) {
            poll(NULL, 0, 1); /* so that the pieces do not meet in one read */
        }
    }
}

void
server_json(struct server_request *request, int status, const char *json)
{
    char head[256];
    snprintf(head, sizeof head,
            "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
            status, strlen(json));
    server_send(request, head);
    server_send(request, json);
}

void
server_stream_begin(struct server_request *request)
{
    server_send(request, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: "
                         "chunked\r\n\r\n");
}

void
server_chunk(struct server_request *request, const char *text)
{
    char head[32];
    snprintf(head, sizeof head, "%zx\r\n", strlen(text));
    server_send(request, head);
    server_send(request, text);
    server_send(request, "\r\n");
}

void
server_hang(struct server_request *request)
{
    while (!atomic_load(&request->server->is_ending)) {
        struct pollfd fd = { request->fd, POLLIN, 0 };
        char byte;
        if (poll(&fd, 1, 20) > 0 && recv(request->fd, &byte, 1, MSG_PEEK) <= 0) {
            break;
        }
    }
    request->is_closing = true;
}

static void
header_value(const char *head, const char *name, char *out, size_t out_size)
{
    const char *at = strcasestr(head, name);
    size_t size = at ? strcspn(at + strlen(name), "\r\n") : 0;
    bytes_to_string(bytes_of(at ? at + strlen(name) : "", size), out, out_size);
}

/* Reads a head and a body; false at the end of the connection. */
static bool
request_read(int fd, struct server_request *request)
{
    char head[8192];
    size_t size = 0;
    char length[32];
    while (!(size >= 4 && memcmp(head + size - 4, "\r\n\r\n", 4) == 0)) {
        if (size + 1 >= sizeof head || recv(fd, head + size, 1, 0) != 1) {
            return false;
        }
        size++;
    }
    head[size] = 0;
    size_t method = strcspn(head, " ");
    bytes_to_string(bytes_of(head, method), request->method, sizeof request->method);
    const char *path = head + method + 1;
    bytes_to_string(bytes_of(path, strcspn(path, " ")), request->path, sizeof request->path);
    header_value(
            head, "\r\nAuthorization: ", request->authorization, sizeof request->authorization);
    header_value(head, "\r\nContent-Type: ", request->content_type, sizeof request->content_type);
    header_value(head, "\r\nContent-Length: ", length, sizeof length);
    size_t want = (size_t)strtoul(length, NULL, 10);
    for (size_t got = 0; got < want;) {
        ssize_t n = recv(fd, request->body + got, want - got, 0);
        if (n <= 0 || want >= sizeof request->body) {
            return false;
        }
        got += (size_t)n;
    }
    request->body[want] = 0;
    return true;
}

static void *
connection_main(void *arg)
{
    struct connection *connection = arg;
    struct server *server = connection->server;
    struct server_request *request = mem_alloc(sizeof *request);
    struct pollfd fd = { connection->fd, POLLIN, 0 };
    while (!atomic_load(&server->is_ending) && !request->is_closing) {
        if (poll(&fd, 1, 20) <= 0) {
            continue;
        }
        memset(request, 0, sizeof *request);
        request->server = server;
        request->fd = connection->fd;
        if (!request_read(connection->fd, request)) {
            break;
        }
        request->number = atomic_fetch_add(&server->count, 1);
        server->handler(request, server->arg);
    }
    close(connection->fd);
    mem_free(request);
    mem_free(connection);
    return NULL;
}

static void *
accept_main(void *arg)
{
    struct server *server = arg;
    while (!atomic_load(&server->is_ending)) {
        struct pollfd fd = { server->listener, POLLIN, 0 };
        if (poll(&fd, 1, 20) <= 0 || thread_count == CONNECTIONS_MAX_TEST) {
            continue;
        }
        struct connection *connection = mem_alloc(sizeof *connection);
        connection->server = server;
        connection->fd = accept(server->listener, NULL, NULL);
        pthread_create(&threads[thread_count++], NULL, connection_main, connection);
    }
    return NULL;
}

struct server *
server_start_at(server_handler handler, void *arg, const char *host, int port)
{
    struct server *server = mem_alloc(sizeof *server);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    socklen_t size = sizeof address;
    int on = 1;
    inet_pton(AF_INET, host, &address.sin_addr);
    server->handler = handler;
    server->arg = arg;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(server->listener, (struct sockaddr *)&address, size) < 0 ||
            listen(server->listener, 64) < 0 ||
            getsockname(server->listener, (struct sockaddr *)&address, &size) < 0) {
        close(server->listener);
        mem_free(server);
        return NULL;
    }
    server->port = ntohs(address.sin_port);
    thread_count = 0;
    pthread_create(&accepting, NULL, accept_main, server);
    return server;
}

struct server *
server_start(server_handler handler, void *arg)
{
    struct server *server = server_start_at(handler, arg, "127.0.0.1", 0);
    if (!server) {
        fprintf(stderr, "no port for the test's server: %s\n", strerror(errno));
        exit(2);
    }
    return server;
}

void
server_stop(struct server *server)
{
    atomic_store(&server->is_ending, true);
    pthread_join(accepting, NULL);
    for (size_t i = 0; i < thread_count; i++) {
        pthread_join(threads[i], NULL);
    }
    close(server->listener);
    mem_free(server);
}

static struct kube *
client_new(struct server *server, struct http *http)
{
    char path[512];
    struct credentials *credentials = NULL;
    snprintf(path, sizeof path, "%s/kubeconfig", test_directory());
    FILE *file = fopen(path, "w");
    fprintf(file,
            "current-context: c\n"
            "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%d'}}]\n"
            "contexts: [{name: c, context: {cluster: c, user: u, namespace: here}}]\n"
            "users: [{name: u, user: {tokenFile: token}}]\n",
            server->port);
    fclose(file);
    snprintf(path, sizeof path, "%s/token", test_directory());
    file = fopen(path, "w");
    fprintf(file, "first\n");
    fclose(file);
    snprintf(path, sizeof path, "%s/kubeconfig", test_directory());
    if (credentials_open(path, &credentials) < 0) {
        fprintf(stderr, "no credentials for the test's server\n");
        exit(2);
    }
    struct kube *kube = mem_alloc(sizeof *kube);
    kube_init(kube, http, credentials);
    return kube;
}

static void
client_free(struct kube *kube)
{
    kube_done(kube);
    mem_free(kube);
}

void
api_begin(struct api *api, server_handler handler, void *arg)
{
    json_setup();
    http_setup();
    api->server = server_start(handler, arg);
    api->http = http_new();
    api->kube = client_new(api->server, api->http);
}

void
api_end(struct api *api)
{
    client_free(api->kube);
    http_free(api->http);
    if (api->server) {
        server_stop(api->server);
    }
}
