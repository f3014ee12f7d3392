/* Real requests over loopback, by libcurl and by hand, on threads beside the reactor. */
#include "admin/admin.h"
#include "base/fault.h"
#include "base/mark.h"
#include "reactor/call.h"
#include "reactor/clock.h"
#include "unit/test.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

DEFINE_CLEANUP(struct admin *, admin_stop);

struct answer {
    /* in */
    uint16_t port;
    const char *path;
    const char *method;
    const char *body;
    /* out */
    long status;
    size_t size;
    char text[65536];
    char content_type[128];
};

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
    struct answer *answer = arg;
    size_t n = size * count;
    if (answer->size + n >= sizeof answer->text) {
        return 0;
    }
    memcpy(answer->text + answer->size, data, n);
    answer->size += n;
    answer->text[answer->size] = 0;
    return n;
}

/* Blocking: on a helper thread. */
static int
request_call(void *arg)
{
    struct answer *answer = arg;
    char *type = NULL;
    size_t url_size = strlen(answer->path) + 64;
    char *url = malloc(url_size);
    CURL *curl = curl_easy_init();
    if (!curl || !url) {
        free(url);
        return -ENOMEM;
    }
    snprintf(url, url_size, "http://127.0.0.1:%u%s", answer->port, answer->path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 20000L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (answer->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, answer->body);
    }
    if (answer->method) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, answer->method);
    }
    if (answer->method && strcmp(answer->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    }
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
    if (curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type) {
        snprintf(answer->content_type, sizeof answer->content_type, "%s", type);
    }
    curl_easy_cleanup(curl);
    free(url);
    return code == CURLE_OK ? 0 : -EIO;
}

static struct answer *
request(const struct admin *admin, const char *method, const char *path, const char *body)
{
    static struct answer answer;
    answer = (struct answer){
        .port = admin_port(admin), .path = path, .method = method, .body = body
    };
    int r = offload_run(request_call, &answer);
    if (r < 0 && answer.status == 0) {
        answer.status = r;
    }
    return &answer;
}

static void
collect_one(void *arg, struct metrics *metrics)
{
    metrics_gauge(metrics, "freshet_test_value", "A value.", *(uint64_t *)arg + reactor_index());
}

static const char *not_ready;

static int
ready(void *arg, char reason[ADMIN_REASON_SIZE])
{
    (void)arg;
    if (not_ready) {
        snprintf(reason, ADMIN_REASON_SIZE, "%s", not_ready);
        return -ETIMEDOUT;
    }
    return 0;
}

/* Says what it was asked. */
static unsigned
echo(void *arg, const struct admin_request *request, struct strbuf *out)
{
    (void)arg;
    strbuf_printf(out, "%s %s [%s]", request->method, request->path, request->query);
    if (request->body.size) {
        strbuf_printf(out, " %zu ", request->body.size);
        strbuf_append(out, bytes_of(request->body.data, MIN(request->body.size, (size_t)20)));
    }
    return 200;
}

static uint64_t test_value = 42;

static int
start(unsigned connections_max, uint64_t connection_ms, struct admin **ret_admin)
{
    const struct admin_source sources[] = { { collect_one, &test_value } };
    const struct admin_options options = { .host = "127.0.0.1",
        .connections_max = connections_max,
        .connection_ms = connection_ms,
        .version = "1.2.3",
        .sources = sources,
        .source_count = 1,
        .ready = ready,
        .api = echo };
    not_ready = NULL;
    return admin_start(&options, ret_admin);
}

FIBER_TEST(metrics_are_what_the_sources_said_on_reactor_0)
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    ASSERT_OK(start(8, 0, &admin));
    struct answer *answer = request(admin, NULL, "/metrics", NULL);
    ASSERT_EQ(answer->status, 200);
    ASSERT_STRING(answer->content_type, "text/plain; version=0.0.4; charset=utf-8");
    ASSERT(strstr(answer->text, "# TYPE freshet_test_value gauge\nfreshet_test_value 42\n"));
    ASSERT(strstr(answer->text, "freshet_build_info{version=\"1.2.3\"} 1\n"));
    ASSERT(strstr(answer->text, "\nprocess_resident_memory_bytes "));
    ASSERT(strstr(answer->text, "\nprocess_cpu_seconds_total "));
    ASSERT(strstr(answer->text, "\nprocess_open_fds "));
    ASSERT(strstr(answer->text, "\nprocess_start_time_seconds "));
}

FIBER_TEST(the_api_hears_of_the_query_as_it_was_sent)
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    ASSERT_OK(start(8, 0, &admin));
    struct answer *answer = request(admin, "DELETE", "/v1/brokers/3?epoch=17&x=%41&y", NULL);
    ASSERT_EQ(answer->status, 200);
    ASSERT_STRING(answer->text, "DELETE /v1/brokers/3 [epoch=17&x=%41&y]\n");
    answer = request(admin, "GET", "/v1/brokers", NULL);
    ASSERT_STRING(answer->text, "GET /v1/brokers []\n");
    char path[400];
    snprintf(path, sizeof path, "/v1/brokers?epoch=%0300d", 1);
    ASSERT_EQ(request(admin, "GET", path, NULL)->status, 414);
}

FIBER_TEST(process_metrics_tell_the_truth)
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    ASSERT_OK(start(8, 0, &admin));
    struct answer *answer = request(admin, NULL, "/metrics", NULL);
    const char *start_time = strstr(answer->text, "\nprocess_start_time_seconds ");
    const char *resident = strstr(answer->text, "\nprocess_resident_memory_bytes ");
    ASSERT(start_time && resident);
    double age = (double)clock_wall_ms() / 1000 - strtod(start_time + 28, NULL);
    ASSERT(age > -2 && age < 600);
    ASSERT(strtod(resident + 31, NULL) > 500000);
}

FIBER_TEST(health_and_readiness_have_their_own_answers)
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    ASSERT_OK(start(8, 0, &admin));
    struct answer *answer = request(admin, NULL, "/healthz", NULL);
    ASSERT_EQ(answer->status, 200);
    ASSERT_STRING(answer->text, "ok\n");
    ASSERT_EQ(request(admin, NULL, "/readyz", NULL)->status, 200);
    not_ready = "recovering the write-ahead log";
    answer = request(admin, NULL, "/readyz", NULL);
    ASSERT_EQ(answer->status, 503);
    ASSERT_STRING(answer->text, "recovering the write-ahead log\n");
    ASSERT_EQ(request(admin, NULL, "/healthz?x=1", NULL)->status, 200);
    ASSERT_EQ(request(admin, "HEAD", "/healthz", NULL)->status, 200);
}

FIBER_TEST(everything_else_is_refused)
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    static char path[40000];
    ASSERT_OK(start(8, 0, &admin));
    ASSERT_EQ(request(admin, NULL, "/", NULL)->status, 404);
    ASSERT_EQ(request(admin, NULL, "/metrics/", NULL)->status, 404);
    ASSERT_EQ(request(admin, NULL, "/../etc/passwd", NULL)->status, 404);
    ASSERT_EQ(request(admin, NULL, "/healthz%00", NULL)->status, 404);
    ASSERT_EQ(request(admin, NULL, "/metrics", "body=1")->status, 405);
    ASSERT_EQ(request(admin, "DELETE", "/readyz", NULL)->status, 405);
    memset(path, 'a', sizeof path - 1);
    path[0] = '/';
    long status = request(admin, NULL, path, NULL)->status;
    ASSERT(status == 414 || status == 431 || status == 413);
    ASSERT_EQ(request(admin, NULL, "/healthz", NULL)->status, 200);
}

FIBER_TEST(the_api_gets_what_was_asked)
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    static char text[ADMIN_BODY_MAX + 2];
    ASSERT_OK(start(8, 0, &admin));
    ASSERT_STRING(request(admin, "POST", "/v1/a", "{}")->text, "POST /v1/a [] 2 {}\n");
    ASSERT_STRING(request(admin, "PUT", "/v1/a?x=1", "{}")->text, "PUT /v1/a [x=1] 2 {}\n");
    ASSERT_STRING(request(admin, "DELETE", "/v1/a", NULL)->text, "DELETE /v1/a []\n");
    memset(text, ' ', sizeof text - 1);
    ASSERT_EQ(request(admin, "POST", "/v1/a", text)->status, 413);
    text[ADMIN_BODY_MAX] = 0;
    ASSERT_EQ(request(admin, "POST", "/v1/a", text)->status, 200);
    snprintf(text, sizeof text, "/v1/%0600d", 1);
    ASSERT_EQ(request(admin, "POST", text, "{}")->status, 414);
    snprintf(text, sizeof text, "/v1/a?%0300d", 1);
    ASSERT_EQ(request(admin, "POST", text, "{}")->status, 414);
    ASSERT_EQ(request(admin, NULL, "/healthz", NULL)->status, 200);
}

static int
request_fiber(void *arg)
{
    return offload_run(request_call, arg);
}

/* Keeps the loop busy without a wait for longer than the health check is patient. */
FIBER_TEST(a_loop_that_hangs_is_unhealthy) /* A1 A2 */
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    static struct answer answer;
    ASSERT_OK(start(8, 0, &admin));
    uint64_t before = mark_count("admin: abandoned call freed");
    answer = (struct answer){ .port = admin_port(admin), .path = "/healthz" };
    struct fiber_group group;
    fiber_group_init(&group);
    fiber_group_spawn(&group, "request", request_fiber, &answer);
    ASSERT_OK(fiber_yield());
    uint64_t end = clock_mono_ns() + (ADMIN_HEALTH_TIMEOUT_MS + 500) * (uint64_t)NS_PER_MS;
    while (clock_mono_ns() < end) {
    }
    ASSERT_OK(fiber_group_wait(&group));
    ASSERT_EQ(answer.status, 503);
    ASSERT_STRING(answer.text, "the event loop does not answer\n");
    ASSERT_EQ(request(admin, NULL, "/healthz", NULL)->status, 200);
    admin_stop(TAKE_PTR(admin));
    ASSERT_EQ(mark_count("admin: abandoned call freed"), before + 1);
}

/* A client that sends one byte now and then keeps the idle timer from running out. */
static int
slow_client_call(void *arg)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(*(uint16_t *)arg) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0 || connect(s, (struct sockaddr *)&address, sizeof address) < 0) {
        return -errno;
    }
    int r = -ETIMEDOUT;
    for (int i = 0; i < 100 && r == -ETIMEDOUT; i++) {
        struct pollfd ended = { .fd = s, .events = POLLIN };
        if (send(s, "G", 1, MSG_NOSIGNAL) < 0 || poll(&ended, 1, 50) > 0) {
            r = i;
        }
    }
    close(s);
    return r;
}

FIBER_TEST(a_client_that_trickles_is_cut_off) /* A3 */
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    ASSERT_OK(start(8, 400, &admin));
    uint16_t port = admin_port(admin);
    int steps = offload_run(slow_client_call, &port);
    ASSERT(steps >= 4 && steps < 60);
    ASSERT(mark_count("admin: slow connection ended") > 0);
    ASSERT_EQ(request(admin, NULL, "/healthz", NULL)->status, 200);
}

static int
silent_client_call(void *arg)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(*(uint16_t *)arg) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s >= 0 && connect(s, (struct sockaddr *)&address, sizeof address) < 0) {
        close(s);
        return -errno;
    }
    return s;
}

FIBER_TEST(silent_clients_keep_nobody_out_for_long) /* A3 */
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    int sockets[32];
    ASSERT_OK(start(8, 300, &admin));
    uint16_t port = admin_port(admin);
    for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
        sockets[i] = offload_run(silent_client_call, &port);
    }
    long status = 0;
    for (int i = 0; i < 50 && status != 200; i++) {
        status = request(admin, NULL, "/healthz", NULL)->status;
        ASSERT_OK(fiber_sleep_ns(50 * NS_PER_MS));
    }
    ASSERT_EQ(status, 200);
    for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
        if (sockets[i] >= 0) {
            close(sockets[i]);
        }
    }
}

FIBER_TEST(stopping_answers_what_is_under_way)
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    static struct answer answers[6];
    struct fiber_group group;
    ASSERT_OK(start(32, 0, &admin));
    fiber_group_init(&group);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        answers[i] = (struct answer){ .port = admin_port(admin), .path = "/metrics" };
        fiber_group_spawn(&group, "request", request_fiber, &answers[i]);
    }
    ASSERT_OK(fiber_sleep_ns(2 * NS_PER_MS));
    admin_stop(TAKE_PTR(admin));
    int r = fiber_group_wait(&group);
    ASSERT(r == 0 || r == -EIO);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        ASSERT(answers[i].status == 200 || answers[i].status == 0);
    }
}

FIBER_TEST(an_address_that_is_taken_is_an_error_that_names_it)
{
    CLEANUP(admin_stopp) struct admin *admin = NULL;
    struct admin *second;
    ASSERT_OK(start(8, 0, &admin));
    struct admin_options options = { .host = "127.0.0.1",
        .port = admin_port(admin),
        .connections_max = 8,
        .version = "1",
        .ready = ready };
    ASSERT_ERROR(admin_start(&options, &second), -EADDRINUSE);
    ASSERT(strstr(fault_text(), "127.0.0.1:"));
    options.host = "no such host.invalid";
    ASSERT_ERROR(admin_start(&options, &second), -EADDRNOTAVAIL);
    ASSERT(strstr(fault_text(), "no such host.invalid"));
    admin_stop(NULL);
}
