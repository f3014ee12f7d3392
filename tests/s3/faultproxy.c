/* faultproxy [ADDRESS:]PORT UPSTREAM-PORT: stands between an S3 client and a server on the
 * loopback and breaks requests as told (faultproxy.h). It listens on the loopback or on ADDRESS.
 * The Host header passes unchanged, so signatures stay valid. Says "ready" when it listens. A
 * thread per connection; one connection to the server per request; plain HTTP. */
#include "faultproxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint16_t upstream_port;

static void
wait_ms(int ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
    while (nanosleep(&left, &left)) {
    }
}

/* The peer gets a reset, not an end. */
static void
connection_reset(int fd)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static struct sockaddr_in
loopback(uint16_t port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* Carries the request out at the server. */
static bool
forward(struct message *request, struct message *ret_answer)
{
    static const char close_header[] = "Connection: close\r\n\r\n";
    struct sockaddr_in address = loopback(upstream_port);
    memset(ret_answer, 0, sizeof *ret_answer);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    header_remove(request, "Connection");
    bool ok = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              write_all(fd, request->head.data, request->head.size - 2) &&
              write_all(fd, close_header, sizeof close_header - 1) &&
              write_all(fd, request->body.data, request->body.size) && answer_read(fd, ret_answer);
    close(fd);
    if (ok) {
        header_remove(ret_answer, "Connection");
    }
    return ok;
}

static bool
answer_text(int fd, int status, const char *type, const char *body, bool with_body)
{
    char head[256];
    size_t size = strlen(body);
    int n = snprintf(head, sizeof head,
            "HTTP/1.1 %d Injected\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", status, type,
            size);
    return write_all(fd, head, (size_t)n) && (!with_body || write_all(fd, body, size));
}

static bool
answer_status(int fd, int status, const struct message *request)
{
    const char *code = "InternalError";
    if (status == 503) {
        code = "SlowDown";
    } else if (status == 409) {
        code = "ConditionalRequestConflict";
    } else if (status == 412) {
        code = "PreconditionFailed";
    } else if (status == 403) {
        code = "AccessDenied";
    } else if (status == 404) {
        code = "NoSuchKey";
    }
    char body[256];
    snprintf(body, sizeof body,
            "<?xml version=\"1.0\"?><Error><Code>%s</Code><Message>injected</Message></Error>",
            code);
    return answer_text(fd, status, "application/xml", body, strcmp(request->method, "HEAD") != 0);
}

static bool
answer_slowly(int fd, const struct bytes_owned *body, int ms)
{
    for (size_t i = 0; i < 16; i++) {
        size_t start = body->size * i / 16;
        size_t end = body->size * (i + 1) / 16;
        if (!write_all(fd, body->data + start, end - start)) {
            return false;
        }
        wait_ms(ms);
    }
    return true;
}

/* True when the connection may carry the next request. */
static bool
answer_broken(int fd, struct message *answer, struct fault_choice choice)
{
    size_t size = answer->body.size;
    if (choice.kind == FAULT_WRONG && size > 0) {
        answer->body.data[size / 2] ^= 1;
    }
    if (!write_all(fd, answer->head.data, answer->head.size)) {
        return false;
    }
    if (choice.kind == FAULT_TRUNCATE) {
        (void)write_all(fd, answer->body.data, size / 2);
        return false;
    }
    if (choice.kind == FAULT_SLOW) {
        return answer_slowly(fd, &answer->body, choice.ms);
    }
    return write_all(fd, answer->body.data, size);
}

struct late {
    struct message request;
    int ms;
};

static void *
forward_late(void *arg)
{
    struct late *late = arg;
    struct message answer;
    wait_ms(late->ms);
    if (!forward(&late->request, &answer)) {
        fputs("faultproxy: a late request did not reach the server\n", stderr);
    }
    message_done(&answer);
    message_done(&late->request);
    free(late);
    return NULL;
}

/* Takes the request over. */
static void
serve_late(struct message *request, int ms)
{
    pthread_t thread;
    struct late *late = malloc(sizeof *late);
    if (!late) {
        abort();
    }
    late->request = *request;
    late->ms = ms;
    memset(request, 0, sizeof *request);
    if (pthread_create(&thread, NULL, forward_late, late)) {
        abort();
    }
    pthread_detach(thread);
}

static bool
serve_control(int fd, const struct message *request)
{
    int status = 0;
    char *text =
            fault_control(request->method, request->body.data ? request->body.data : "", &status);
    bool ok = answer_text(fd, status, "application/json", text, true);
    free(text);
    return ok;
}

/* Faults in which the server has no part. True when the request is done with; *ret_go_on: the
 * connection lives. */
static bool
serve_unforwarded(int fd, struct message *request, struct fault_choice choice, bool *ret_go_on)
{
    *ret_go_on = false;
    switch (choice.kind) {
    case FAULT_STATUS:
        *ret_go_on = answer_status(fd, choice.status, request);
        return true;
    case FAULT_HANG:
        wait_ms(choice.ms);
        connection_reset(fd);
        return true;
    case FAULT_DROP:
        connection_reset(fd);
        return true;
    case FAULT_CLOSE:
        return true;
    case FAULT_LATE:
        serve_late(request, choice.ms);
        connection_reset(fd);
        return true;
    case FAULT_DELAY:
        wait_ms(choice.ms);
        return false;
    case FAULT_NONE:
    case FAULT_LIE_STATUS:
    case FAULT_LOST:
    case FAULT_TRUNCATE:
    case FAULT_WRONG:
    case FAULT_SLOW:
        return false;
    }
    return false;
}

/* One request. True when the connection may carry the next. */
static bool
serve(int fd, struct message *request)
{
    bool go_on = false;
    if (strcmp(request->target, "/__fault") == 0) {
        return serve_control(fd, request);
    }
    struct fault_choice choice = fault_pick(request->method, request->target);
    if (serve_unforwarded(fd, request, choice, &go_on)) {
        return go_on;
    }
    struct message answer;
    if (!forward(request, &answer)) {
        go_on = answer_status(fd, 502, request);
    } else if (choice.kind == FAULT_LOST) {
        connection_reset(fd);
    } else if (choice.kind == FAULT_LIE_STATUS) {
        go_on = answer_status(fd, choice.status, request);
    } else {
        go_on = answer_broken(fd, &answer, choice);
    }
    message_done(&answer);
    return go_on;
}

static void *
connection_run(void *arg)
{
    int fd = (int)(intptr_t)arg;
    int on = 1;
    struct message request;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bool go_on = true;
    while (go_on) {
        go_on = request_read(fd, &request) && serve(fd, &request);
        message_done(&request);
    }
    close(fd);
    return NULL;
}

static uint16_t
port_of(const char *text)
{
    char *end = NULL;
    long port = strtol(text, &end, 10);
    if (*end || port < 1 || port > 65535) {
        fprintf(stderr, "faultproxy: '%s' is no port\n", text);
        exit(2);
    }
    return (uint16_t)port;
}

/* "PORT" on the loopback, or "ADDRESS:PORT". */
static struct sockaddr_in
listener_of(const char *text)
{
    const char *colon = strchr(text, ':');
    struct sockaddr_in address = loopback(port_of(colon ? colon + 1 : text));
    char host[INET_ADDRSTRLEN] = { 0 };
    if (!colon) {
        return address;
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        fprintf(stderr, "faultproxy: '%s' is no address\n", host);
        exit(2);
    }
    return address;
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fputs("usage: faultproxy [ADDRESS:]PORT UPSTREAM-PORT\n", stderr);
        return 2;
    }
    struct sockaddr_in address = listener_of(argv[1]);
    upstream_port = port_of(argv[2]);
    signal(SIGPIPE, SIG_IGN);
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 256)) {
        perror("faultproxy: listen");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        pthread_t thread;
        if (fd < 0) {
            continue;
        }
        if (pthread_create(&thread, NULL, connection_run, (void *)(intptr_t)fd)) {
            close(fd);
            continue;
        }
        pthread_detach(thread);
    }
}
