/* libmicrohttpd: one thread per connection, so that a page may wait for a reactor; few and short
 * connections (A3). */
#include "admin/admin_internal.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mark.h"
#include "base/mem.h"
#include "reactor/clock.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECTION_MEMORY_SIZE (16 * 1024) /* request line and headers; more is 414 or 431 */
#define CONNECTION_IDLE_SECONDS 5u
#define THREAD_STACK_SIZE (256 * 1024)

struct http_connection {
    struct list link;
    int descriptor;
    uint64_t begun_ns;
};

PRINTF(2, 0) static void http_log(void *arg, const char *format, va_list args)
{
    char text[256];
    (void)arg;
    vsnprintf(text, sizeof text, format, args);
    LOG_DEBUG("admin http", LOG_STR("text", text));
}

/* Paths are compared as they were sent: "%00" must not cut one short. */
static size_t
http_keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg;
    (void)connection;
    return strlen(text);
}

static enum MHD_Result
http_send(struct MHD_Connection *connection, const struct page *page)
{
    struct bytes body = strbuf_bytes(&page->body);
    struct MHD_Response *response =
            MHD_create_response_from_buffer(body.size, page->body.data, MHD_RESPMEM_MUST_COPY);
    if (!response) {
        return MHD_NO;
    }
    bool complete =
            MHD_add_response_header(response, "Content-Type", page->content_type) == MHD_YES &&
            MHD_add_response_header(response, "Cache-Control", "no-store") == MHD_YES &&
            MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES &&
            MHD_add_response_header(response, "Connection", "close") == MHD_YES &&
            (!page->allow || MHD_add_response_header(response, "Allow", page->allow) == MHD_YES);
    enum MHD_Result queued =
            complete ? MHD_queue_response(connection, page->status, response) : MHD_NO;
    MHD_destroy_response(response);
    return queued;
}

struct query {
    char text[QUERY_SIZE];
    size_t size;
    bool is_too_long;
};

/* MHD_KeyValueIterator */
static enum MHD_Result
query_add(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct query *query = arg;
    (void)kind;
    size_t left = sizeof query->text - query->size;
    int size = snprintf(query->text + query->size, left, "%s%s%s%s", query->size ? "&" : "", key,
            value ? "=" : "", value ? value : "");
    query->is_too_long = size < 0 || (size_t)size >= left;
    query->size += query->is_too_long ? 0 : (size_t)size;
    return query->is_too_long ? MHD_NO : MHD_YES;
}

static void
http_page(struct admin *admin, struct MHD_Connection *connection, struct admin_request request,
        struct page *page)
{
    struct query query = { 0 };
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, query_add, &query);
    request.query = query.text;
    if (query.is_too_long) {
        pages_refuse(page, MHD_HTTP_URI_TOO_LONG, "the query is too long");
    } else if (strlen(request.path) >= ADMIN_PATH_SIZE) {
        pages_refuse(page, MHD_HTTP_URI_TOO_LONG, "the path is too long");
    } else {
        pages_answer(admin, &request, page);
    }
}

/* Only what may change something has a body; a strbuf that was too small says so at the end. */
static bool
http_has_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0;
}

/* Called when the headers are there, then for each part of the body, then once more without one.
 * Answering the first call means that a body is never read. */
static enum MHD_Result /* The parameters are the library's. NOLINTNEXTLINE(*-function-size) */
http_answer(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
        const char *version, const char *upload, size_t *upload_size, void **state)
{
    struct admin *admin = arg;
    struct strbuf *body = *state;
    struct page page;
    (void)version;
    if (!body && http_has_body(method)) {
        body = mem_alloc(sizeof *body);
        strbuf_init(body, ADMIN_BODY_MAX);
        *state = body;
        return MHD_YES;
    }
    if (*upload_size) {
        if (body) {
            strbuf_append(body, bytes_of(upload, *upload_size));
        }
        *upload_size = 0;
        return MHD_YES;
    }
    struct admin_request request = { method, path, "", body ? strbuf_bytes(body) : BYTES_NULL };
    if (body && body->error) {
        pages_refuse(&page, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too long");
    } else {
        http_page(admin, connection, request, &page);
    }
    enum MHD_Result sent = http_send(connection, &page);
    page_done(&page);
    return sent;
}

static void
http_completed(void *arg, struct MHD_Connection *connection, void **state,
        enum MHD_RequestTerminationCode code)
{
    struct strbuf *body = *state;
    (void)arg;
    (void)connection;
    (void)code;
    if (body) {
        strbuf_done(body);
        mem_free(body);
        *state = NULL;
    }
}

static void
http_notify(void *arg, struct MHD_Connection *connection, void **state,
        enum MHD_ConnectionNotificationCode code)
{
    struct admin *admin = arg;
    struct http_connection *entry = *state;
    pthread_mutex_lock(&admin->mutex);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        entry = mem_alloc(sizeof *entry);
        entry->descriptor = info ? info->connect_fd : -1;
        entry->begun_ns = clock_mono_ns();
        list_push_back(&admin->connections, &entry->link);
        *state = entry;
    } else if (entry) {
        /* The socket is closed only after this call, so the reaper never meets a descriptor that is
         * somebody else's. */
        list_remove(&entry->link);
        mem_free(entry);
        *state = NULL;
    }
    pthread_mutex_unlock(&admin->mutex);
}

void
http_reap(struct admin *admin)
{
    uint64_t now_ns = clock_mono_ns();
    pthread_mutex_lock(&admin->mutex);
    LIST_FOREACH (node, &admin->connections) {
        struct http_connection *entry = CONTAINER_OF(node, struct http_connection, link);
        if (entry->descriptor >= 0 && now_ns - entry->begun_ns > admin->connection_ns) {
            MARK("admin: slow connection ended");
            shutdown(entry->descriptor, SHUT_RDWR);
            entry->descriptor = -1;
        }
    }
    pthread_mutex_unlock(&admin->mutex);
}

int
http_start(void *arg)
{
    struct admin *admin = arg;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ERROR_LOG | MHD_USE_ITC;
    unsigned per_address =
            admin->connections_max > 4 ? admin->connections_max / 2 : admin->connections_max;
    admin->daemon = MHD_start_daemon(flags, 0, NULL, NULL, http_answer, admin,
            MHD_OPTION_EXTERNAL_LOGGER, http_log, NULL, MHD_OPTION_LISTEN_SOCKET, admin->listener,
            MHD_OPTION_CONNECTION_LIMIT, admin->connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
            per_address, MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_IDLE_SECONDS,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_SIZE,
            MHD_OPTION_THREAD_STACK_SIZE, (size_t)THREAD_STACK_SIZE, MHD_OPTION_UNESCAPE_CALLBACK,
            http_keep_escapes, NULL, MHD_OPTION_NOTIFY_CONNECTION, http_notify, admin,
            MHD_OPTION_NOTIFY_COMPLETED, http_completed, NULL, MHD_OPTION_END);
    if (!admin->daemon) {
        return fault(-EIO, "admin: the HTTP threads did not start: %s", strerrordesc_np(errno));
    }
    admin->listener = -1;
    return 0;
}

int
http_stop(void *arg)
{
    struct admin *admin = arg;
    MHD_stop_daemon(admin->daemon);
    admin->daemon = NULL;
    CHECK(list_is_empty(&admin->connections));
    return 0;
}
