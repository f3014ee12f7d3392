#pragma once
/* The HTTP listener for people, Prometheus and Kubernetes: GET /metrics, /healthz and /readyz, and
 * /v1 of docs/admin-api.md, which may change things. Entered from main.c. Runs on threads of
 * libmicrohttpd, never on a reactor; what it says comes through a reactor.
 *
 * A1  in door.h: what a call uses lives until both sides are done with it.
 *
 * A2  /healthz is 200 only when a fiber of reactor 0 ran within ADMIN_HEALTH_TIMEOUT_MS of the
 * request: a loop that hangs is seen from outside although the HTTP threads still answer.
 *
 * A3  Slow or many clients cost bounded memory and threads, and cannot keep the health check out
 * for long: connections are limited over all and by address, and end after ADMIN_CONNECTION_MS
 * whatever they do.
 *
 * Limits: below and admin.max.connections; METRICS_SIZE_MAX. There is no authentication: bind it
 * to an address that only the operator and Prometheus reach. */

#include "admin/metrics.h"

#define ADMIN_HEALTH_TIMEOUT_MS 2000
#define ADMIN_METRICS_TIMEOUT_MS 8000
#define ADMIN_API_TIMEOUT_MS 10000
#define ADMIN_CONNECTION_MS 15000
#define ADMIN_REASON_SIZE 256
#define ADMIN_BODY_MAX ((size_t)64 << 10) /* larger ones are 413 */
#define ADMIN_PATH_SIZE 512               /* with NUL; longer ones are 414 */
#define ADMIN_SOURCES_MAX 16

struct admin;

/* Adds its families to /metrics. Called on a fiber of reactor 0, which it may suspend
 * (reactor_call). */
struct admin_source {
    void (*collect)(void *arg, struct metrics *metrics);
    void *arg;
};

/* What is asked below /v1/. Borrowed. */
struct admin_request {
    const char *method;
    const char *path;  /* without the query */
    const char *query; /* "a=b&c=d", "": none; as it was sent */
    struct bytes body; /* of POST and PUT */
};

struct admin_options {
    const char *host;                   /* numeric, a name, or "" for all addresses */
    uint16_t port;                      /* 0: any */
    unsigned connections_max;           /* admin.max.connections */
    uint64_t connection_ms;             /* 0: ADMIN_CONNECTION_MS; tests use less */
    const char *version;                /* for freshet_build_info; a literal */
    const struct admin_source *sources; /* copied */
    size_t source_count;
    /* 0 when the broker serves; else it writes why not. On a fiber of reactor 0; must not wait
     * long. */
    int (*ready)(void *arg, char reason[ADMIN_REASON_SIZE]);
    void *ready_arg;
    /* What is below /v1/: writes JSON and returns the HTTP status. On a fiber of reactor 0; after
     * ADMIN_API_TIMEOUT_MS the caller is told to ask again. NULL: 404. */
    unsigned (*api)(void *arg, const struct admin_request *request, struct strbuf *out);
    void *api_arg;
};

/* On reactor 0. -EADDRINUSE and the like: the fault names the address. admin_stop must be called
 * before the main fiber ends. */
MUST_CHECK MAY_SUSPEND int admin_start(
        const struct admin_options *options, struct admin **ret_admin);
uint16_t admin_port(const struct admin *admin);
/* Answers what is under way, closes, frees. On reactor 0. Accepts NULL. */
MAY_SUSPEND void admin_stop(struct admin *admin);
