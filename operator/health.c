/* The pages. */
#include "health.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "kube/clock.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX_HEALTH 16
#define PAGE_SIZE_MAX 16384

struct health_server {
    struct MHD_Daemon *daemon;
    struct health *health;
};

static uint64_t
resident_bytes(void)
{
    char text[128] = "";
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) {
        return 0;
    }
    if (fgets(text, sizeof text, file)) {
        const char *c = strchr(text, ' ');
        for (c = c ? c + 1 : ""; *c >= '0' && *c <= '9'; c++) {
            pages = pages * 10 + (unsigned)(*c - '0');
        }
    }
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct metric {
    const char *type;
    const char *name;
    const char *help;
    uint64_t value;
};

static void
metrics_page(struct health *health, struct strbuf *out)
{
    const struct metric metrics[] = {
        { "gauge", "freshet_operator_leader", "1 when this process leads.", health->is_leader },
        { "gauge", "freshet_operator_clusters", "Clusters seen.", health->clusters },
        { "gauge", "freshet_operator_clusters_not_ready",
                "Clusters that wish for brokers and whose condition Ready is not True.",
                health->not_ready },
        { "gauge", "freshet_operator_pods", "Pods of brokers seen.", health->pods },
        { "gauge", "freshet_operator_queue_depth", "Clusters that wait for a pass.",
                health->queue_depth },
        { "counter", "freshet_operator_passes_total", "Passes over a cluster.", health->passes },
        { "counter", "freshet_operator_pass_failures_total", "Passes that were cut off.",
                health->failures },
        { "gauge", "freshet_operator_pass_duration_milliseconds", "The last pass.",
                health->pass_ms },
        { "gauge", "freshet_operator_pass_duration_max_milliseconds", "The longest pass.",
                health->pass_ms_max },
        { "gauge", "freshet_operator_loop_silence_milliseconds",
                "Since the loop turned last: /healthz.",
                (uint64_t)MAX(clock_now_ms() - health->turned_ms, (int64_t)0) },
        { "counter", "freshet_operator_api_requests_total", "Requests to the API server.",
                health->calls },
        { "counter", "freshet_operator_api_errors_total", "Those that failed.",
                health->call_errors },
        { "counter", "freshet_operator_writes_total", "Writes to objects and brokers.",
                health->writes },
        { "counter", "freshet_operator_watch_lists_total", "Lists that were begun.",
                health->watch_restarts },
        { "counter", "freshet_operator_watch_expired_total", "Versions that had expired.",
                health->watch_expired },
        { "counter", "freshet_operator_events_dropped_total", "Events that were not told.",
                health->events_dropped },
        { "gauge", "process_resident_memory_bytes", "Memory in use.", resident_bytes() },
    };
    strbuf_printf(out,
            "# HELP freshet_operator_build_info Always 1.\n"
            "# TYPE freshet_operator_build_info gauge\n"
            "freshet_operator_build_info{version=\"%s\"} 1\n",
            health->version);
    for (size_t i = 0; i < ARRAY_SIZE(metrics); i++) {
        const struct metric *metric = &metrics[i];
        strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", metric->name, metric->help,
                metric->name, metric->type, metric->name, (unsigned long long)metric->value);
    }
}

static unsigned
page(struct health *health, const char *path, struct strbuf *out)
{
    if (strcmp(path, "/metrics") == 0) {
        metrics_page(health, out);
        return MHD_HTTP_OK;
    }
    if (strcmp(path, "/healthz") == 0) {
        bool turns = clock_now_ms() - health->turned_ms < HEALTH_STALL_MS;
        strbuf_append_string(out, turns ? "ok\n" : "the loop does not turn\n");
        return turns ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    if (strcmp(path, "/readyz") == 0) {
        bool is_ready = health->is_synced && !health->is_ending;
        strbuf_append_string(out, is_ready ? "ok\n" : "not every list was complete once\n");
        return is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    strbuf_append_string(out, "there are /metrics, /healthz and /readyz\n");
    return MHD_HTTP_NOT_FOUND;
}

static enum MHD_Result /* The parameters are the library's. NOLINTNEXTLINE(*-function-size) */
on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
        const char *version, const char *upload, size_t *upload_size, void **context)
{
    struct health_server *server = arg;
    (void)version;
    (void)upload;
    (void)upload_size;
    (void)context;
    if (strcmp(method, "GET") != 0) {
        return MHD_NO;
    }
    struct strbuf text;
    strbuf_init(&text, PAGE_SIZE_MAX);
    unsigned status = page(server->health, url, &text);
    struct MHD_Response *response =
            MHD_create_response_from_buffer(text.size, text.data, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    strbuf_done(&text);
    return result;
}

int
health_start(struct health *health, int port, struct health_server **ret_server)
{
    struct health_server *server = mem_alloc(sizeof *server);
    server->health = health;
    server->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL,
            (uint16_t)port, NULL, NULL, on_request, server, MHD_OPTION_CONNECTION_LIMIT,
            (unsigned)CONNECTIONS_MAX_HEALTH, MHD_OPTION_CONNECTION_TIMEOUT, 10u,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)8192, MHD_OPTION_END);
    if (!server->daemon) {
        int error = errno ? errno : EADDRINUSE;
        mem_free(server);
        return fault(-error, "cannot listen on port %d: %s", port, strerrordesc_np(error));
    }
    *ret_server = server;
    return 0;
}

void
health_stop(struct health_server *server)
{
    if (server) {
        MHD_stop_daemon(server->daemon);
        mem_free(server);
    }
}
