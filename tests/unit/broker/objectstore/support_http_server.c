/* The hostile server; see the header. Blocking sockets and threads: it stands outside of what is
 * tested. */
#include "unit/broker/objectstore/support_http_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define COUNTS_MAX 8
#define HEAD_SIZE_MAX (256 * 1024)

struct connection {
    struct http_server *server;
    pthread_t thread;
    int descriptor;
};

struct http_server {
    server_fn fn;
    void *arg;
    int listener;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t mutex;
    bool stopping;
    unsigned requests;
    struct {
        char method[16];
        unsigned count;
    } counts[COUNTS_MAX];
    struct connection connections[CONNECTIONS_MAX];
    unsigned connection_count;
};

void
server_write(struct server_request *request, const void *data, size_t size)
{
    const char *next = data;
    while (size) {
        ssize_t n = send(request->descriptor, next, size, MSG_NOSIGNAL);
        if (n <= 0) {
            return;
        }
        next += n;
        size -= (size_t)n;
    }
}

void
server_reply(struct server_request *request, int status, const char *headers, const char *body)
{
    char head[512];
    snprintf(head, sizeof head, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n", status, strlen(body));
    server_write(request, head, strlen(head));
    server_write(request, headers, strlen(headers));
    server_write(request, "\r\n", 2);
    if (strcmp(request->method, "HEAD") != 0) {
        server_write(request, body, strlen(body));
    }
}

void
server_error(struct server_request *request, int status, const char *code)
{
    char body[512];
    snprintf(body, sizeof body,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>told by "
            "the test</Message>"
            "<RequestId>REQ-7</RequestId></Error>",
            code);
    server_reply(request, status, "Content-Type: application/xml\r\n", body);
}

const char *
server_header(const struct server_request *request, const char *name, char *out, size_t out_size)
{
    out[0] = 0;
    size_t name_size = strlen(name);
    for (const char *line = request->headers; line && *line;
            line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        if (strncasecmp(line, name, name_size) == 0 && line[name_size] == ':') {
            const char *value = line + name_size + 1 + strspn(line + name_size + 1, " ");
            snprintf(out, out_size, "%.*s", (int)strcspn(value, "\r\n"), value);
            break;
        }
    }
    return out;
}

static bool
is_stopping(struct http_server *server)
{
    pthread_mutex_lock(&server->mutex);
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->mutex);
    return stopping;
}

void
server_pause(struct server_request *request, unsigned ms)
{
    for (unsigned i = 0; i < ms && !is_stopping(request->server); i += 5) {
        nanosleep(&(struct timespec){ 0, 5 * 1000 * 1000 }, NULL);
    }
}

static bool
read_exactly(int descriptor, uint8_t *data, size_t size)
{
    while (size) {
        ssize_t n = recv(descriptor, data, size, 0);
        if (n <= 0) {
            return false;
        }
        data += n;
        size -= (size_t)n;
    }
    return true;
}

/* Byte by byte: slow and simple. Ends behind the empty line. */
static bool
read_head(int descriptor, char *head)
{
    size_t size = 0;
    while (size < HEAD_SIZE_MAX - 1) {
        if (recv(descriptor, head + size, 1, 0) <= 0) {
            return false;
        }
        size++;
        head[size] = 0;
        if (size >= 4 && strcmp(head + size - 4, "\r\n\r\n") == 0) {
            return true;
        }
    }
    return false;
}

static void
count_request(struct http_server *server, struct server_request *request)
{
    pthread_mutex_lock(&server->mutex);
    request->number = server->requests++;
    for (unsigned i = 0; i < COUNTS_MAX; i++) {
        if (!server->counts[i].count || strcmp(server->counts[i].method, request->method) == 0) {
            snprintf(server->counts[i].method, sizeof server->counts[i].method, "%s",
                    request->method);
            server->counts[i].count++;
            break;
        }
    }
    pthread_mutex_unlock(&server->mutex);
}

unsigned
server_count(struct http_server *server, const char *method)
{
    unsigned count = 0;
    pthread_mutex_lock(&server->mutex);
    for (unsigned i = 0; i < COUNTS_MAX; i++) {
        if (strcmp(server->counts[i].method, method) == 0) {
            count = server->counts[i].count;
        }
    }
    pthread_mutex_unlock(&server->mutex);
    return count;
}

static bool
serve_one(struct connection *connection, char *head, unsigned on_connection)
{
    struct server_request request = { .on_connection = on_connection,
        .server = connection->server };
    request.descriptor = connection->descriptor;
    if (!read_head(connection->descriptor, head) ||
            sscanf(head, "%15s %4095s", request.method, request.target) != 2) {
        return false;
    }
    request.headers = strchr(head, '\n') + 1;
    char length[32];
    server_header(&request, "content-length", length, sizeof length);
    request.body_size = strtoul(length, NULL, 10);
    request.body = malloc(request.body_size + 1);
    if (!request.body || !read_exactly(request.descriptor, request.body, request.body_size)) {
        free(request.body);
        return false;
    }
    request.body[request.body_size] = 0;
    count_request(connection->server, &request);
    bool keep = connection->server->fn(connection->server->arg, &request);
    free(request.body);
    return keep;
}

static void *
connection_main(void *arg)
{
    struct connection *connection = arg;
    char *head = malloc(HEAD_SIZE_MAX);
    unsigned served = 0;
    while (head && serve_one(connection, head, served)) {
        served++;
    }
    free(head);
    shutdown(connection->descriptor, SHUT_RDWR);
    return NULL;
}

static void *
server_main(void *arg)
{
    struct http_server *server = arg;
    for (;;) {
        int descriptor = accept(server->listener, NULL, NULL);
        pthread_mutex_lock(&server->mutex);
        bool good =
                descriptor >= 0 && !server->stopping && server->connection_count < CONNECTIONS_MAX;
        if (good) {
            struct connection *connection = &server->connections[server->connection_count];
            *connection = (struct connection){ .server = server, .descriptor = descriptor };
            server->connection_count +=
                    pthread_create(&connection->thread, NULL, connection_main, connection) == 0;
        }
        pthread_mutex_unlock(&server->mutex);
        if (!good) {
            if (descriptor >= 0) {
                close(descriptor);
            }
            return NULL;
        }
    }
}

struct http_server *
server_start(server_fn fn, void *arg)
{
    struct http_server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = { .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    if (!server) {
        abort();
    }
    server->fn = fn;
    server->arg = arg;
    pthread_mutex_init(&server->mutex, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, size) < 0 ||
            listen(server->listener, 64) < 0 ||
            getsockname(server->listener, (struct sockaddr *)&address, &size) < 0 ||
            pthread_create(&server->thread, NULL, server_main, server) != 0) {
        perror("hostile server");
        abort();
    }
    server->port = ntohs(address.sin_port);
    return server;
}

unsigned
server_port(const struct http_server *server)
{
    return server->port;
}

void
server_stop(struct http_server *server)
{
    pthread_mutex_lock(&server->mutex);
    server->stopping = true;
    pthread_mutex_unlock(&server->mutex);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    for (unsigned i = 0; i < server->connection_count; i++) {
        shutdown(server->connections[i].descriptor, SHUT_RDWR);
        pthread_join(server->connections[i].thread, NULL);
        close(server->connections[i].descriptor);
    }
    close(server->listener);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}
