/* The S3 store against a server that lies, stalls, cuts and garbles. */
#include "base/crc.h"
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/internal.h"
#include "objectstore/s3_internal.h"
#include "reactor/clock.h"
#include "unit/broker/objectstore/support_s3.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A GET is answered and the connection kept; whatever comes second on a connection is read and
 * never answered. */
static bool
close_on_second(void *arg, struct server_request *request)
{
    (void)arg;
    if (request->on_connection > 0) {
        return false;
    }
    server_reply(request, 200, "ETag: \"e\"\r\n", "x");
    return true;
}

/* H1 S5: the server may have committed it, so a repetition would be answered with 412. */
FIBER_TEST(a_conditional_write_on_a_connection_that_dies_is_undecided_and_not_sent_again)
{
    static const enum object_condition conditions[] = { OBJECT_CREATE, OBJECT_REPLACE };
    static const char *const bodies[] = { "some bytes", "" };
    for (unsigned i = 0; i < 4; i++) {
        CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
        ASSERT_OK(s3_scene_begin(&scene, close_on_second, NULL, ""));
        ASSERT_OK(s3_scene_get(scene.store, OBJECT_WHOLE, 5000));
        int r = s3_scene_put(
                scene.store, "key", bytes_of_string(bodies[i % 2]), conditions[i / 2], 5000);
        ASSERT_ERROR(r, OBJECT_UNDECIDED);
        ASSERT_EQ(server_count(scene.server, "PUT"), 1);
    }
    ASSERT(mark_count("http: refused to send a request a second time") > 0);
}

/* S4 */
FIBER_TEST(an_unconditional_write_on_a_connection_that_dies_is_written_again)
{
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, close_on_second, NULL, ""));
    ASSERT_OK(s3_scene_get(scene.store, OBJECT_WHOLE, 5000));
    ASSERT_OK(s3_scene_put(scene.store, "key", BYTES_LITERAL("some bytes"), OBJECT_ALWAYS, 5000));
    ASSERT_EQ(server_count(scene.server, "PUT"), 2);
    ASSERT(mark_count("http: libcurl sends an idempotent body again") > 0);
}

/* S1 */
FIBER_TEST(each_answer_to_a_conditional_write_has_its_meaning)
{
    static const struct {
        int status;
        const char *code;
        enum object_condition condition;
        int expected;
    } cases[] = {
        { 412, "PreconditionFailed", OBJECT_CREATE, -EEXIST },
        { 412, "PreconditionFailed", OBJECT_REPLACE, -EEXIST },
        { 404, "NoSuchKey", OBJECT_REPLACE, -ENOENT },
        { 404, "NoSuchKey", OBJECT_CREATE, OBJECT_UNDECIDED },
        { 404, "NoSuchBucket", OBJECT_CREATE, -ENODEV },
        { 409, "ConditionalRequestConflict", OBJECT_CREATE, OBJECT_UNDECIDED },
        { 409, "OperationAborted", OBJECT_REPLACE, OBJECT_UNDECIDED },
        { 409, "ObjectParentIsFile", OBJECT_CREATE, -EINVAL },
        { 500, "InternalError", OBJECT_CREATE, OBJECT_UNDECIDED },
        { 503, "SlowDown", OBJECT_REPLACE, OBJECT_UNDECIDED },
        { 429, "SlowDown", OBJECT_REPLACE, OBJECT_UNDECIDED },
        { 507, "XMinioStorageFull", OBJECT_CREATE, OBJECT_UNDECIDED },
        { 403, "AccessDenied", OBJECT_CREATE, -EACCES },
        { 404, "XAdminUserNotFound", OBJECT_CREATE, -EACCES },
        { 400, "InvalidArgument", OBJECT_CREATE, -EINVAL },
        { 501, "NotImplemented", OBJECT_CREATE, OBJECT_UNDECIDED },
        { 301, "PermanentRedirect", OBJECT_CREATE, OBJECT_UNDECIDED },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct s3_answer answer = { cases[i].status, cases[i].code };
        CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
        ASSERT_OK(s3_scene_begin(&scene, s3_answer_same, &answer, ""));
        int r = s3_scene_put(scene.store, "key", BYTES_LITERAL("body"), cases[i].condition, 5000);
        if (r != cases[i].expected) {
            test_fail(__FILE__, __LINE__, "%d %s gave %d, not %d: %s", cases[i].status,
                    cases[i].code, r, cases[i].expected, test_fault(r));
        }
        ASSERT_EQ(server_count(scene.server, "PUT"), 1);
    }
    ASSERT(mark_count("s3: the outcome of a conditional write is unknown") > 0);
}

FIBER_TEST(a_refusal_names_code_message_and_request_but_no_secret)
{
    struct s3_answer answer = { 403, "AccessDenied" };
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, s3_answer_same, &answer, ""));
    int r = s3_scene_get(scene.store, OBJECT_WHOLE, 5000);
    ASSERT_ERROR(r, -EACCES);
    ASSERT(strstr(test_fault(r), "403 AccessDenied: told by the test, request REQ-7") != NULL);
    ASSERT(strstr(test_fault(r), S3_SECRET) == NULL);
    ASSERT_EQ(server_count(scene.server, "GET"), 1);
}

FIBER_TEST(a_404_that_is_not_of_s3_says_nothing_about_the_object)
{
    struct s3_answer answer = { 404, NULL, "", "<html>no such page</html>" };
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, s3_answer_same, &answer, ""));
    ASSERT_ERROR(s3_scene_get(scene.store, OBJECT_WHOLE, 5000), -EIO);
}

FIBER_TEST(a_missing_bucket_is_not_a_missing_object)
{
    struct s3_answer answer = { 404, "NoSuchBucket" };
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, s3_answer_same, &answer, ""));
    ASSERT_ERROR(s3_scene_get(scene.store, OBJECT_WHOLE, 5000), -ENODEV);
}

static bool
short_body(void *arg, struct server_request *request)
{
    (void)arg;
    static const char half[] =
            "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 100\r\n\r\nonly this";
    server_write(request, half, strlen(half));
    return false;
}

/* S3 H3 */
FIBER_TEST(a_body_that_ends_early_is_an_error)
{
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, short_body, NULL, ""));
    ASSERT_ERROR(s3_scene_get(scene.store, OBJECT_WHOLE, 5000), -EIO);
    ASSERT_EQ(server_count(scene.server, "GET"), 3);
}

/* S3 */
FIBER_TEST(an_answer_that_is_not_the_range_is_an_error)
{
    static const struct s3_answer answers[] = {
        { 206, NULL, "ETag: \"e\"\r\nContent-Range: bytes 10-14/100\r\n", "123456" }, /* too long */
        { 206, NULL, "ETag: \"e\"\r\nContent-Range: bytes 10-14/100\r\n", "1234" },  /* too short */
        { 206, NULL, "ETag: \"e\"\r\nContent-Range: bytes 11-15/100\r\n", "12345" }, /* elsewhere */
        { 206, NULL, "ETag: \"e\"\r\nContent-Range: bytes 10-13/100\r\n",
                "1234" }, /* less than there is */
        { 206, NULL, "ETag: \"e\"\r\nContent-Range: bytes 10-14/12\r\n",
                "12345" }, /* beyond the end */
        { 206, NULL, "ETag: \"e\"\r\nContent-Range: bytes +10-14/100\r\n", "12345" },
        { 206, NULL, "ETag: \"e\"\r\n", "12345" },
        { 206, NULL, "Content-Range: bytes 10-14/100\r\n", "12345" }, /* no ETag */
        { 200, NULL, "ETag: \"e\"\r\n", "a whole object that is longer than the range" },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(answers); i++) {
        struct s3_answer answer = answers[i];
        CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
        ASSERT_OK(s3_scene_begin(&scene, s3_answer_same, &answer, ""));
        int r = s3_scene_get(scene.store, (struct object_range){ 10, 5 }, 5000);
        if (r != -EIO) {
            test_fail(__FILE__, __LINE__, "answer %u gave %d", i, r);
        }
    }
}

FIBER_TEST(a_server_that_ignores_ranges_is_understood_when_the_object_is_small)
{
    CLEANUP(buf_unrefp) struct buf *buf = NULL;
    struct s3_answer answer = { 200, NULL, "ETag: \"e\"\r\n", "0123456789" };
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, s3_answer_same, &answer, ""));
    struct object_range range = { 4, 20 };
    struct object_info info;
    ASSERT_OK(objectstore_get(scene.store, "key", range, in_ms(5000), &buf, &info));
    ASSERT_BYTES(buf_bytes(buf), BYTES_LITERAL("456789"));
    ASSERT_EQ(info.size, 10);
    ASSERT(mark_count("s3: the server ignored the range") > 0);
}

/* S3 */
FIBER_TEST(a_checksum_that_does_not_fit_is_an_error)
{
    char crc[16];
    char headers[100];
    s3_crc_text(crc32c(BYTES_LITERAL("other bytes")), crc);
    snprintf(headers, sizeof headers, "ETag: \"e\"\r\nx-amz-checksum-crc32c: %s\r\n", crc);
    struct s3_answer answer = { 200, NULL, headers, "these bytes" };
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, s3_answer_same, &answer, ""));
    ASSERT_ERROR(s3_scene_get(scene.store, OBJECT_WHOLE, 5000), -EIO);
    answer.body = "other bytes";
    ASSERT_OK(s3_scene_get(scene.store, OBJECT_WHOLE, 5000));
}

static bool
say_nothing(void *arg, struct server_request *request)
{
    (void)arg;
    server_pause(request, 10000);
    return false;
}

/* S1 */
FIBER_TEST(a_server_that_says_nothing_costs_no_more_than_the_deadline)
{
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, say_nothing, NULL, ""));
    uint64_t before = clock_mono_ns();
    ASSERT_ERROR(s3_scene_get(scene.store, OBJECT_WHOLE, 300), -ETIMEDOUT);
    ASSERT_ERROR(s3_scene_put(scene.store, "key", BYTES_LITERAL("x"), OBJECT_CREATE, 300),
            OBJECT_UNDECIDED);
    ASSERT_ERROR(
            s3_scene_put(scene.store, "key", BYTES_LITERAL("x"), OBJECT_ALWAYS, 300), -ETIMEDOUT);
    uint64_t took_ms = (clock_mono_ns() - before) / NS_PER_MS;
    ASSERT(took_ms >= 850 && took_ms < 2500);
}

FIBER_TEST(one_silent_try_does_not_use_up_the_deadline)
{
    struct object_stats stats;
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, say_nothing, NULL, "&timeout_ms=150"));
    ASSERT_ERROR(s3_scene_get(scene.store, OBJECT_WHOLE, 1500), -ETIMEDOUT);
    objectstore_stats_get(scene.store, &stats);
    ASSERT(stats.requests[OBJECT_OP_GET] >= 3);
}

struct cancelled {
    struct objectstore *store;
    int get;
    int create;
};

static void
get_until_cancelled(void *arg)
{
    struct cancelled *cancelled = arg;
    cancelled->get = s3_scene_get(cancelled->store, OBJECT_WHOLE, 60000);
}

static void
create_until_cancelled(void *arg)
{
    struct cancelled *cancelled = arg;
    cancelled->create =
            s3_scene_put(cancelled->store, "key", BYTES_LITERAL("x"), OBJECT_CREATE, 60000);
}

/* H2 */
FIBER_TEST(cancelling_a_fiber_aborts_its_request)
{
    struct cancelled cancelled = { 0 };
    struct fiber *fibers[2] = { NULL, NULL };
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, say_nothing, NULL, ""));
    cancelled.store = scene.store;
    ASSERT_OK(fiber_spawn("get", get_until_cancelled, &cancelled, &fibers[0]));
    ASSERT_OK(fiber_spawn("create", create_until_cancelled, &cancelled, &fibers[1]));
    uint64_t before = clock_mono_ns();
    while (server_count(scene.server, "GET") + server_count(scene.server, "PUT") < 2 &&
            clock_mono_ns() - before < 5 * (uint64_t)NS_PER_S) {
        ASSERT_OK(fiber_sleep_ns(NS_PER_MS));
    }
    before = clock_mono_ns();
    for (unsigned i = 0; i < 2; i++) {
        fiber_cancel(fibers[i]);
        fiber_join(fibers[i]);
    }
    ASSERT((clock_mono_ns() - before) / NS_PER_MS < 5000);
    ASSERT_ERROR(cancelled.get, -ECANCELED);
    /* It was sent: nobody knows. */
    ASSERT_ERROR(cancelled.create, OBJECT_UNDECIDED);
    ASSERT(mark_count("http: a cancelled fiber aborts its request") > 0);
}

static bool
raw_bytes(void *arg, struct server_request *request)
{
    const char *text = arg;
    server_write(request, text, strlen(text));
    return false;
}

FIBER_TEST(answers_that_are_not_http_are_errors)
{
    static const char *const garbage[] = { "garbage\r\n\r\n", "HTTP/1.1\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" };
    for (unsigned i = 0; i < ARRAY_SIZE(garbage); i++) {
        CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
        ASSERT_OK(s3_scene_begin(&scene, raw_bytes, (void *)(uintptr_t)garbage[i], ""));
        int r = s3_scene_get(scene.store, (struct object_range){ 0, 5 }, 1000);
        if (r != -EIO && r != -ETIMEDOUT) {
            test_fail(__FILE__, __LINE__, "garbage %u gave %d: %s", i, r, test_fault(r));
        }
        ASSERT_ERROR(s3_scene_put(scene.store, "key", BYTES_LITERAL("x"), OBJECT_CREATE, 1000),
                OBJECT_UNDECIDED);
    }
}

static bool
large_headers(void *arg, struct server_request *request)
{
    (void)arg;
    CLEANUP(mem_freep) char *line = mem_alloc(1001);
    memset(line, 'h', 1000);
    memcpy(line, "x-a: ", 5);
    memcpy(line + 998, "\r\n", 2);
    server_write(request, "HTTP/1.1 200 OK\r\n", 17);
    for (unsigned i = 0; i < 200; i++) {
        server_write(request, line, 1000);
    }
    server_write(request, "\r\n", 2);
    return false;
}

/* H3 */
FIBER_TEST(headers_and_bodies_without_end_cost_bounded_memory)
{
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, large_headers, NULL, ""));
    int r = s3_scene_get(scene.store, OBJECT_WHOLE, 5000);
    ASSERT_ERROR(r, -EIO);
    ASSERT(strstr(test_fault(r), "headers") != NULL);
}

static bool
endless_body(void *arg, struct server_request *request)
{
    (void)arg;
    static const char head[] =
            "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nTransfer-Encoding: chunked\r\n\r\n";
    static const char chunk[] = "10\r\n0123456789abcdef\r\n";
    server_write(request, head, strlen(head));
    for (unsigned i = 0; i < 100000; i++) {
        server_write(request, chunk, strlen(chunk));
    }
    return false;
}

/* H3 */
FIBER_TEST(a_chunked_body_longer_than_asked_for_is_cut_off)
{
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, endless_body, NULL, ""));
    ASSERT_ERROR(s3_scene_get(scene.store, (struct object_range){ 0, 1000 }, 60000), -EIO);
    struct object_list list;
    ASSERT_ERROR(objectstore_list(scene.store, "", NULL, 10, in_ms(60000), &list), -EIO);
}

FIBER_TEST(lists_that_are_not_lists_are_errors)
{
    static const char *const bodies[] = { "", "nothing like XML", "<ListBucketResult>",
        "<Other></Other>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>p/a</Key></Contents></"
        "ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>elsewhere</Key><Size>1</"
        "Size></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<!DOCTYPE a [<!ENTITY b "
        "\"bb\">]><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>" };
    for (unsigned i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct s3_answer answer = { 200, NULL, "", bodies[i] };
        struct object_list list;
        CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
        ASSERT_OK(s3_scene_begin(&scene, s3_answer_same, &answer, ""));
        int r = objectstore_list(scene.store, "", NULL, 10, in_ms(5000), &list);
        if (r != -EIO) {
            test_fail(__FILE__, __LINE__, "list %u gave %d", i, r);
        }
    }
}

struct pages {
    unsigned served;
};

/* The first page has only keys that are not ours. */
static bool
serve_pages(void *arg, struct server_request *request)
{
    struct pages *pages = arg;
    if (pages->served++ == 0) {
        server_reply(request, 200, "",
                "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>p/a "
                "b</Key><Size>1</Size></Contents>"
                "</ListBucketResult>");
    } else {
        bool goes_on = strstr(request->target, "start-after=p%2Fa%20b") != NULL;
        server_reply(request, 200, "",
                goes_on ? "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>p/c</"
                          "Key><Size>7</Size>"
                          "<LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents></"
                          "ListBucketResult>"
                        : "wrong continuation");
    }
    return true;
}

FIBER_TEST(foreign_keys_in_the_bucket_are_passed_over)
{
    struct pages pages = { 0 };
    struct object_list list;
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, serve_pages, &pages, ""));
    ASSERT_OK(objectstore_list(scene.store, "", NULL, 10, in_ms(5000), &list));
    size_t count = list.count;
    struct object_list_entry first = count ? list.entries[0] : (struct object_list_entry){ "" };
    bool more = list.more;
    object_list_done(&list);
    ASSERT_EQ(count, 1);
    ASSERT(!more);
    ASSERT_STRING(first.key, "c");
    ASSERT_EQ(first.size, 7);
    ASSERT_EQ(first.modified_ms, 1767323045678LL);
}

struct busy {
    unsigned times;
    const char *headers;
};

static bool
busy_at_first(void *arg, struct server_request *request)
{
    struct busy *busy = arg;
    if (request->number < busy->times) {
        server_reply(request, 503, busy->headers, "<Error><Code>SlowDown</Code></Error>");
    } else {
        server_reply(request, 200, "ETag: \"e\"\r\n", "x");
    }
    return true;
}

/* S4 */
FIBER_TEST(a_busy_server_is_asked_again_until_it_answers)
{
    struct busy busy = { 3, "" };
    struct object_stats stats;
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, busy_at_first, &busy, ""));
    ASSERT_OK(s3_scene_put(scene.store, "key", BYTES_LITERAL("x"), OBJECT_ALWAYS, 20000));
    objectstore_stats_get(scene.store, &stats);
    ASSERT_EQ(stats.retries[OBJECT_OP_PUT], 3);
    ASSERT_EQ(stats.errors[OBJECT_OP_PUT], 3);
}

FIBER_TEST(a_server_that_asks_for_patience_gets_it)
{
    struct busy busy = { 1, "Retry-After: 1\r\n" };
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, busy_at_first, &busy, ""));
    uint64_t before = clock_mono_ns();
    ASSERT_OK(s3_scene_get(scene.store, OBJECT_WHOLE, 20000));
    ASSERT((clock_mono_ns() - before) / NS_PER_MS >= 1000);
    ASSERT(mark_count("objectstore: waited as long as the server asked") > 0);
}

struct skewed {
    char dates[4][32];
    unsigned count;
};

static bool
two_hours_ahead(void *arg, struct server_request *request)
{
    struct skewed *skewed = arg;
    if (skewed->count < 4) {
        server_header(request, "x-amz-date", skewed->dates[skewed->count], 32);
    }
    if (skewed->count++ == 0) {
        char headers[100];
        char date[64];
        time_t then = (time_t)(clock_wall_ms() / 1000 + 7200);
        struct tm tm;
        gmtime_r(&then, &tm);
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        snprintf(headers, sizeof headers, "Date: %s\r\n", date);
        server_reply(request, 403, headers, "<Error><Code>RequestTimeTooSkewed</Code></Error>");
    } else {
        server_reply(request, 200, "ETag: \"e\"\r\n", "");
    }
    return true;
}

/* S5: a request that was refused for its clock was not executed. */
FIBER_TEST(a_wrong_clock_is_corrected_by_the_servers)
{
    struct skewed skewed = { 0 };
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, two_hours_ahead, &skewed, ""));
    ASSERT_OK(s3_scene_put(scene.store, "key", BYTES_LITERAL("x"), OBJECT_CREATE, 5000));
    ASSERT_OK(s3_scene_put(scene.store, "key", BYTES_LITERAL("x"), OBJECT_CREATE, 5000));
    char expected[2][S3_DATE_SIZE];
    s3_date(clock_wall_ms() + 7200 * 1000 - 60000, expected[0]);
    s3_date(clock_wall_ms() + 7200 * 1000 + 60000, expected[1]);
    ASSERT_EQ(skewed.count, 3);
    for (unsigned i = 1; i < 3; i++) {
        ASSERT(strcmp(skewed.dates[i], expected[0]) > 0 &&
                strcmp(skewed.dates[i], expected[1]) < 0);
    }
    ASSERT(mark_count("s3: clock corrected by the server's") > 0);
}

/* The keys that a server knows. */
static bool
expired_at_first(void *arg, struct server_request *request)
{
    char authorization[512];
    (void)arg;
    server_header(request, "authorization", authorization, sizeof authorization);
    if (strstr(authorization, "Credential=testkey/")) {
        /* The next look at the source finds others, as after a rotation. */
        setenv("AWS_ACCESS_KEY_ID", "rotated", 1);
        server_error(request, 403, "ExpiredToken");
    } else {
        server_reply(request, 200, "ETag: \"e\"\r\n", "x");
    }
    return true;
}

/* C2: refused is not executed, so even a conditional write is sent again. */
FIBER_TEST(credentials_that_the_server_refuses_are_fetched_anew)
{
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, expired_at_first, NULL, ""));
    ASSERT_OK(s3_scene_put(scene.store, "key", BYTES_LITERAL("x"), OBJECT_CREATE, 20000));
    ASSERT_OK(s3_scene_get(scene.store, OBJECT_WHOLE, 20000));
    ASSERT_EQ(server_count(scene.server, "PUT"), 2);
    ASSERT_EQ(server_count(scene.server, "GET"), 1);
    ASSERT(mark_count("s3: the server refused the credentials, new ones are fetched") > 0);
}

FIBER_TEST(nobody_listens)
{
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(s3_scene_begin(&scene, say_nothing, NULL, ""));
    server_stop(TAKE_PTR(scene.server));
    int r = s3_scene_get(scene.store, OBJECT_WHOLE, 300);
    ASSERT_ERROR(r, -ETIMEDOUT);
    ASSERT(strstr(test_fault(r), "127.0.0.1") != NULL);
    ASSERT_ERROR(s3_scene_put(scene.store, "key", BYTES_LITERAL("x"), OBJECT_CREATE, 300),
            OBJECT_UNDECIDED);
}
