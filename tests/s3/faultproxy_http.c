/* HTTP messages of the fault proxy: as much of HTTP/1.1 as S3 clients and servers use between them.
 */
#include "faultproxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_SIZE_MAX 65536
#define BODY_SIZE_MAX ((size_t)512 << 20)

void
bytes_append(struct bytes_owned *bytes, const void *data, size_t size)
{
    if (bytes->capacity - bytes->size < size + 1) {
        bytes->capacity = (bytes->size + size + 1) * 2;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (!bytes->data) {
            abort();
        }
    }
    if (size) {
        memcpy(bytes->data + bytes->size, data, size);
    }
    bytes->size += size;
    bytes->data[bytes->size] = 0;
}

bool
write_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* The line of a header inside the head, from its name to the start of the next line; NULL when
 * there is none. */
static char *
header_line(const struct message *message, const char *name, size_t *ret_size)
{
    size_t name_size = strlen(name);
    char *line = strstr(message->head.data, "\r\n");
    while (line) {
        line += 2;
        char *end = strstr(line, "\r\n");
        if (!end || end == line) {
            return NULL;
        }
        if (strncasecmp(line, name, name_size) == 0 && line[name_size] == ':') {
            *ret_size = (size_t)(end + 2 - line);
            return line;
        }
        line = end;
    }
    return NULL;
}

bool
header_find(const struct message *message, const char *name, char *value, size_t value_size)
{
    size_t size = 0;
    const char *line = header_line(message, name, &size);
    if (!line) {
        return false;
    }
    const char *start = line + strlen(name) + 1;
    const char *end = line + size - 2;
    while (start < end && *start == ' ') {
        start++;
    }
    snprintf(value, value_size, "%.*s", (int)(end - start), start);
    return true;
}

void
header_remove(struct message *message, const char *name)
{
    size_t size = 0;
    char *line = header_line(message, name, &size);
    if (line) {
        char *rest = line + size;
        memmove(line, rest, (size_t)(message->head.data + message->head.size + 1 - rest));
        message->head.size -= size;
    }
}

/* Reads until the empty line; what came after it goes to the body. */
static bool
head_read(int fd, struct message *message)
{
    char piece[16384];
    while (message->head.size < HEAD_SIZE_MAX) {
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        bytes_append(&message->head, piece, (size_t)n);
        char *end = strstr(message->head.data, "\r\n\r\n");
        if (end) {
            size_t head_size = (size_t)(end + 4 - message->head.data);
            bytes_append(&message->body, end + 4, message->head.size - head_size);
            message->head.size = head_size;
            message->head.data[head_size] = 0;
            return true;
        }
    }
    return false;
}

/* Reads until the body has `size` bytes, or with SIZE_MAX until the connection ends. */
static bool
body_read(int fd, struct message *message, size_t size)
{
    char piece[65536];
    while (message->body.size < size && message->body.size <= BODY_SIZE_MAX) {
        size_t want = size - message->body.size;
        ssize_t n = recv(fd, piece, want < sizeof piece ? want : sizeof piece, 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0 && size == (size_t)-1;
        }
        bytes_append(&message->body, piece, (size_t)n);
    }
    return message->body.size == size;
}

static bool
first_line_parse(struct message *message)
{
    const char *head = message->head.data;
    const char *space = strchr(head, ' ');
    const char *second = space ? strchr(space + 1, ' ') : NULL;
    if (!second || (size_t)(space - head) >= sizeof message->method ||
            (size_t)(second - space) > sizeof message->target) {
        return false;
    }
    memcpy(message->method, head, (size_t)(space - head));
    memcpy(message->target, space + 1, (size_t)(second - space - 1));
    return true;
}

bool
request_read(int fd, struct message *ret_message)
{
    char value[64];
    memset(ret_message, 0, sizeof *ret_message);
    if (!head_read(fd, ret_message) || !first_line_parse(ret_message)) {
        return false;
    }
    if (header_find(ret_message, "Transfer-Encoding", value, sizeof value)) {
        fprintf(stderr, "faultproxy: a request with Transfer-Encoding: %s is not for it\n", value);
        return false;
    }
    if (header_find(ret_message, "Expect", value, sizeof value)) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        header_remove(ret_message, "Expect");
        if (!write_all(fd, go_on, sizeof go_on - 1)) {
            return false;
        }
    }
    size_t size = 0;
    if (header_find(ret_message, "Content-Length", value, sizeof value)) {
        size = strtoull(value, NULL, 10);
    }
    return size <= BODY_SIZE_MAX && ret_message->body.size <= size &&
           body_read(fd, ret_message, size);
}

bool
answer_read(int fd, struct message *ret_message)
{
    memset(ret_message, 0, sizeof *ret_message);
    return head_read(fd, ret_message) && body_read(fd, ret_message, (size_t)-1);
}

void
message_done(struct message *message)
{
    free(message->head.data);
    free(message->body.data);
    memset(message, 0, sizeof *message);
}
