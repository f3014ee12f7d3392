#pragma once
/* Shared by the files of this room. */

#include "admin/admin.h"
#include "admin/door.h"
#include "base/list.h"

#include <pthread.h>

struct fiber;
struct MHD_Daemon;

struct admin {
    struct door *door;
    struct MHD_Daemon *daemon;
    int listener; /* socket; -1 once the daemon owns it */
    uint16_t port;
    unsigned connections_max;
    uint64_t connection_ns;
    const char *version;
    struct admin_source sources[ADMIN_SOURCES_MAX];
    size_t source_count;
    int (*ready)(void *arg, char reason[ADMIN_REASON_SIZE]);
    void *ready_arg;
    unsigned (*api)(void *arg, const struct admin_request *request, struct strbuf *out);
    void *api_arg;
    pthread_mutex_t mutex; /* of the connections */
    struct list connections;
    struct fiber *reaper;
};

/* One answer; the body belongs to the page. */
struct page {
    unsigned status;
    const char *content_type;
    const char *allow; /* for 405; or NULL */
    struct strbuf body;
};

#define QUERY_SIZE 256 /* with NUL; longer ones are refused */

/* Fills in the answer to one request, on an HTTP thread. The page is initialised by the callee,
 * done by page_done. */
void pages_answer(struct admin *admin, const struct admin_request *request, struct page *page);
/* A request that is too long in one of its parts: 413 or 414. */
void pages_refuse(struct page *page, unsigned status, const char *text);
void page_done(struct page *page);

/* Starts and stops the HTTP threads (http.c). Blocking: called through offload_run. `arg` is the
 * admin. */
MUST_CHECK int http_start(void *arg);
MUST_CHECK int http_stop(void *arg);
/* Ends connections that are older than connection_ns (A3). */
void http_reap(struct admin *admin);
