/* The pages: a table of paths, everything else is refused. */
#include "admin/admin_internal.h"
#include "admin/process.h"
#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void
page_text(struct page *page, unsigned status, const char *text)
{
    page->status = status;
    page->content_type = "text/plain; charset=utf-8";
    strbuf_append_string(&page->body, text);
    strbuf_append_char(&page->body, '\n');
}

static void
page_no_reactor(struct page *page, int error)
{
    page_text(page, 503,
            error == -ETIMEDOUT ? "the event loop does not answer" : "too many requests at once");
}

static int
healthz_call(void *arg)
{
    (void)arg;
    return 0;
}

static void
nothing_to_free(void *arg)
{
    (void)arg;
}

static void
healthz(struct admin *admin, struct page *page)
{
    int r = door_call(admin->door, healthz_call, NULL, nothing_to_free, ADMIN_HEALTH_TIMEOUT_MS);
    if (r < 0) {
        page_no_reactor(page, r);
        return;
    }
    page_text(page, 200, "ok");
}

struct readiness {
    struct admin *admin;
    char reason[ADMIN_REASON_SIZE];
};

static int
readyz_call(void *arg)
{
    struct readiness *readiness = arg;
    struct admin *admin = readiness->admin;
    /* A readiness function may return any errno, also -ETIMEDOUT, which would mean something else
     * to door_call. */
    return admin->ready(admin->ready_arg, readiness->reason) == 0 ? 0 : 1;
}

static void
readyz(struct admin *admin, struct page *page)
{
    struct readiness *readiness = mem_alloc(sizeof *readiness);
    readiness->admin = admin;
    int r = door_call(admin->door, readyz_call, readiness, mem_free, ADMIN_HEALTH_TIMEOUT_MS);
    if (r < 0) {
        page_no_reactor(page, r);
    } else if (r > 0) {
        page_text(page, 503, readiness->reason[0] ? readiness->reason : "not ready");
    } else {
        page_text(page, 200, "ready");
    }
    if (r != -ETIMEDOUT) {
        mem_free(readiness);
    }
}

struct collection {
    struct admin *admin;
    struct metrics metrics;
};

static void
collection_free(void *arg)
{
    struct collection *collection = arg;
    metrics_done(&collection->metrics);
    mem_free(collection);
}

static int
metrics_call(void *arg)
{
    struct collection *collection = arg;
    struct admin *admin = collection->admin;
    for (size_t i = 0; i < admin->source_count; i++) {
        admin->sources[i].collect(admin->sources[i].arg, &collection->metrics);
    }
    return 0;
}

static void
build_info(struct metrics *metrics, const char *version)
{
    const struct metric_label labels[] = { { "version", version } };
    metrics_family(
            metrics, METRIC_GAUGE, "freshet_build_info", "Always 1; says which Freshet runs.");
    metrics_sample(metrics, labels, 1, 1);
}

static void
metrics_page(struct admin *admin, struct page *page)
{
    struct collection *collection = mem_alloc(sizeof *collection);
    collection->admin = admin;
    metrics_init(&collection->metrics);
    int r = door_call(
            admin->door, metrics_call, collection, collection_free, ADMIN_METRICS_TIMEOUT_MS);
    if (r == -ETIMEDOUT) {
        page_no_reactor(page, r);
        return;
    }
    build_info(&collection->metrics, admin->version);
    process_metrics(&collection->metrics);
    if (r < 0) {
        page_no_reactor(page, r);
    } else if (collection->metrics.text.error) {
        page_text(page, 500, "the metrics are larger than they may be");
    } else {
        page->status = 200;
        page->content_type = "text/plain; version=0.0.4; charset=utf-8";
        strbuf_append(&page->body, strbuf_bytes(&collection->metrics.text));
    }
    collection_free(collection);
}

/* A call of /v1; it owns what it was given. */
struct api_call {
    struct admin *admin;
    char method[16];
    char path[ADMIN_PATH_SIZE];
    char query[QUERY_SIZE];
    struct strbuf body;
    struct strbuf out;
};

static void
api_free(void *arg)
{
    struct api_call *call = arg;
    strbuf_done(&call->body);
    strbuf_done(&call->out);
    mem_free(call);
}

static int
api_call(void *arg)
{
    struct api_call *call = arg;
    const struct admin_request request = { call->method, call->path, call->query,
        strbuf_bytes(&call->body) };
    return (int)call->admin->api(call->admin->api_arg, &request, &call->out);
}

static void
api_page(struct admin *admin, const struct admin_request *request, struct page *page)
{
    struct api_call *call = mem_alloc(sizeof *call);
    call->admin = admin;
    snprintf(call->method, sizeof call->method, "%s", request->method);
    snprintf(call->path, sizeof call->path, "%s", request->path);
    snprintf(call->query, sizeof call->query, "%s", request->query);
    strbuf_init(&call->body, ADMIN_BODY_MAX);
    strbuf_append(&call->body, request->body);
    strbuf_init(&call->out, METRICS_SIZE_MAX);
    int r = door_call(admin->door, api_call, call, api_free, ADMIN_API_TIMEOUT_MS);
    page->content_type = "application/json";
    page->status = r > 0 ? (unsigned)r : 503;
    if (r > 0) {
        strbuf_append(&page->body, strbuf_bytes(&call->out));
    } else {
        strbuf_append_string(&page->body,
                "{\"error\": \"NO_ANSWER\", \"message\": \"no answer in time: ask again\"}");
    }
    strbuf_append_char(&page->body, '\n');
    if (r != -ETIMEDOUT) {
        api_free(call);
    }
}

struct route {
    const char *path;
    void (*answer)(struct admin *admin, struct page *page);
};

static const struct route routes[] = {
    { "/metrics", metrics_page },
    { "/healthz", healthz },
    { "/readyz", readyz },
};

void
pages_answer(struct admin *admin, const struct admin_request *request, struct page *page)
{
    const char *method = request->method;
    const char *path = request->path;
    *page = (struct page){ 0 };
    strbuf_init(&page->body, METRICS_SIZE_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        if (strcmp(path, routes[i].path) != 0) {
            continue;
        }
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
            page->allow = "GET, HEAD";
            page_text(page, 405, "only GET");
            return;
        }
        routes[i].answer(admin, page);
        return;
    }
    if (admin->api && strncmp(path, "/v1/", 4) == 0) {
        api_page(admin, request, page);
        return;
    }
    page_text(page, 404, "there are /metrics, /healthz and /readyz");
}

void
pages_refuse(struct page *page, unsigned status, const char *text)
{
    *page = (struct page){ 0 };
    strbuf_init(&page->body, METRICS_SIZE_MAX);
    page_text(page, status, text);
}

void
page_done(struct page *page)
{
    strbuf_done(&page->body);
}
