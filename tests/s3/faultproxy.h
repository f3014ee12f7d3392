#pragma once
/* The parts of the fault proxy: rules that pick a fault for a request, and HTTP messages read
 * whole.
 *
 * A rule is JSON, sent with PUT /__fault to the proxy:
 *   {"method": "PUT", "path": "regular expression", "kind": "lost", "probability": 0.5, "count": 3,
 * "ms": 100} method and path are optional (all); probability 1, count -1 (no end) and ms 0 when
 * missing. DELETE /__fault removes all rules, GET /__fault tells how often each was used. The first
 * rule that fits wins. */

#include <stdbool.h>
#include <stddef.h>

enum fault_kind {
    FAULT_NONE,
    FAULT_STATUS,     /* "500" "503" "409" ...: answered by the proxy, the server never sees it */
    FAULT_LIE_STATUS, /* "lie-500" ...: carried out by the server, answered with that status */
    FAULT_LOST,       /* "lost": carried out, the connection is reset instead of an answer */
    FAULT_LATE,       /* "late": the connection is reset at once, carried out `ms` later */
    FAULT_DROP,       /* "drop": reset, the server never sees it */
    FAULT_CLOSE,      /* "close": as drop, with an orderly end of the connection */
    FAULT_HANG,       /* "hang": no answer for `ms`, then reset; the server never sees it */
    FAULT_DELAY,      /* "delay": carried out after `ms` */
    FAULT_TRUNCATE,   /* "truncate": half of the answer's body, then the end of the connection */
    FAULT_WRONG,      /* "wrong": one bit of the answer's body is flipped */
    FAULT_SLOW,       /* "slow": the answer's body in 16 pieces with `ms` between them */
};

struct fault_choice {
    enum fault_kind kind;
    int status;
    int ms;
};

struct bytes_owned {
    char *data;
    size_t size;
    size_t capacity;
};

/* One request or answer: head with the empty line, and body. */
struct message {
    struct bytes_owned head;
    struct bytes_owned body;
    char method[16];
    char target[4096];
};

struct fault_choice fault_pick(const char *method, const char *target);
/* Serves /__fault; the JSON to answer with, NUL-terminated and owned by the caller, and the status.
 */
char *fault_control(const char *method, const char *body, int *ret_status);

/* Grows as needed; ends the program when there is no memory. */
void bytes_append(struct bytes_owned *bytes, const void *data, size_t size);
/* Value of a header, trimmed, in `value`; false when there is none. Case of the name does not
 * matter. */
bool header_find(const struct message *message, const char *name, char *value, size_t value_size);
void header_remove(struct message *message, const char *name);
/* Reads one request with its body; answers "Expect: 100-continue" itself. False at the end of the
 * connection. */
bool request_read(int fd, struct message *ret_message);
/* Reads one answer to the end of the connection. */
bool answer_read(int fd, struct message *ret_message);
bool write_all(int fd, const void *data, size_t size);
void message_done(struct message *message);
