/* Uploads in parts and removals of many, against a server that fails at any of their requests. */
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/objectstore.h"
#include "unit/broker/objectstore/support_s3.h"
#include "unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct uploads {
    pthread_mutex_t mutex;
    unsigned parts;
    unsigned failing_part; /* answered with `status` */
    int status;
    const char *complete_body;
    int complete_status;
    bool lose_complete;
    unsigned begun;
    unsigned completed;
    unsigned aborted;
    char complete_xml[2000];
};

static bool
serve_upload(void *arg, struct server_request *request)
{
    struct uploads *uploads = arg;
    unsigned part = 0;
    pthread_mutex_lock(&uploads->mutex);
    bool keep = true;
    if (strcmp(request->method, "HEAD") == 0) {
        server_reply(request, 404, "", "");
    } else if (strstr(request->target, "?uploads=") && strcmp(request->method, "POST") == 0) {
        uploads->begun++;
        server_reply(request, 200, "",
                "<InitiateMultipartUploadResult><UploadId>ID/7+x</UploadId></"
                "InitiateMultipartUploadResult>");
    } else if (strcmp(request->method, "DELETE") == 0) {
        uploads->aborted++;
        server_reply(request, 204, "", "");
    } else if (sscanf(request->target, "/bucket/p/key?partNumber=%u&uploadId=ID%%2F7%%2Bx",
                       &part) == 1) {
        if (part == uploads->failing_part && uploads->status) {
            server_error(
                    request, uploads->status, uploads->status == 503 ? "SlowDown" : "AccessDenied");
            uploads->status = uploads->status == 503 ? 0 : uploads->status;
        } else {
            uploads->parts++;
            char headers[64];
            snprintf(headers, sizeof headers, "ETag: \"part%u\"\r\n", part);
            server_reply(request, 200, headers, "");
        }
    } else {
        uploads->completed++;
        snprintf(uploads->complete_xml, sizeof uploads->complete_xml, "%s", (char *)request->body);
        keep = !uploads->lose_complete;
        if (keep) {
            server_reply(request, uploads->complete_status, "", uploads->complete_body);
        }
    }
    pthread_mutex_unlock(&uploads->mutex);
    return keep;
}

#define COMPLETED                                                                                  \
    "<CompleteMultipartUploadResult><ETag>&quot;all-3&quot;</ETag></"                              \
    "CompleteMultipartUploadResult>"

static int
put_large(struct s3_scene *scene, struct uploads *uploads, enum object_condition condition,
        struct object_etag *ret_etag)
{
    int r = s3_scene_begin(scene, serve_upload, uploads, "&part_size=5242880");
    if (r < 0) {
        return r;
    }
    size_t size = 11 * MIB;
    CLEANUP(mem_freep) char *body = mem_alloc(size);
    struct iovec part = { body, size };
    struct object_put what = { "key", &part, 1, condition, { "\"old\"" }, in_ms(8000) };
    return objectstore_put(scene->store, &what, ret_etag);
}

FIBER_TEST(a_large_object_is_uploaded_in_parts_and_a_busy_part_again)
{
    struct uploads uploads = { .mutex = PTHREAD_MUTEX_INITIALIZER,
        .failing_part = 2,
        .status = 503,
        .complete_status = 200,
        .complete_body = COMPLETED };
    struct object_etag etag;
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    ASSERT_OK(put_large(&scene, &uploads, OBJECT_CREATE, &etag));
    ASSERT_STRING(etag.text, "\"all-3\"");
    ASSERT_EQ(uploads.parts, 3);
    ASSERT_EQ(uploads.aborted, 0);
    ASSERT(strstr(uploads.complete_xml, "<PartNumber>3</PartNumber><ETag>&#34;part3&#34;</ETag>") !=
            NULL);
    ASSERT(mark_count("s3: a part is uploaded again") > 0);
}

FIBER_TEST(an_upload_that_fails_is_aborted)
{
    struct uploads uploads = { .mutex = PTHREAD_MUTEX_INITIALIZER,
        .failing_part = 3,
        .status = 403,
        .complete_status = 200,
        .complete_body = COMPLETED };
    struct object_etag etag;
    CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
    int r = put_large(&scene, &uploads, OBJECT_ALWAYS, &etag);
    ASSERT_ERROR(r, -EACCES);
    ASSERT(strstr(test_fault(r), "AccessDenied") != NULL);
    ASSERT_EQ(uploads.aborted, 1);
    ASSERT_EQ(uploads.completed, 0);
    ASSERT(mark_count("s3: an upload was aborted") > 0);
}

/* S1 */
FIBER_TEST(the_end_of_a_conditional_upload_has_the_outcomes_of_a_conditional_write)
{
    static const struct {
        int status;
        const char *body;
        bool lose;
        int expected;
        unsigned aborted;
    } cases[] = {
        { 412, "<Error><Code>PreconditionFailed</Code></Error>", false, -EEXIST, 1 },
        { 409, "<Error><Code>ConditionalRequestConflict</Code></Error>", false, OBJECT_UNDECIDED,
                0 },
        { 500, "", false, OBJECT_UNDECIDED, 0 },
        { 200, "<Error><Code>InternalError</Code></Error>", false, OBJECT_UNDECIDED, 0 },
        { 200, "<Error><Code>PreconditionFailed</Code></Error>", false, -EEXIST, 1 },
        { 200, "", false, OBJECT_UNDECIDED, 0 },
        { 0, "", true, OBJECT_UNDECIDED, 0 },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct uploads uploads = { .mutex = PTHREAD_MUTEX_INITIALIZER,
            .complete_status = cases[i].status,
            .complete_body = cases[i].body,
            .lose_complete = cases[i].lose };
        struct object_etag etag;
        CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
        int r = put_large(&scene, &uploads, OBJECT_CREATE, &etag);
        if (r != cases[i].expected) {
            test_fail(__FILE__, __LINE__, "case %u gave %d: %s", i, r, test_fault(r));
        }
        ASSERT_EQ(uploads.completed, 1);
        ASSERT_EQ(uploads.aborted, cases[i].aborted);
    }
    ASSERT(mark_count("s3: an error came with status 200") > 0);
}

FIBER_TEST(keys_that_could_not_be_deleted_are_errors)
{
    static const struct s3_answer answers[] = {
        { 200, NULL, "",
                "<DeleteResult><Error><Key>p/k</Key><Code>AccessDenied</Code></Error></"
                "DeleteResult>" },
        { 200, NULL, "",
                "<DeleteResult><Error><Key>p/k</Key><Code>NoSuchKey</Code></Error></"
                "DeleteResult>" },
        { 200, NULL, "", "<DeleteResult></DeleteResult>" },
        { 200, NULL, "", "<Something/>" },
        { 200, NULL, "",
                "<DeleteResult><Error><Key>p/k</Key><Code>InternalError</Code></Error></"
                "DeleteResult>" },
    };
    static const int expected[] = { -EACCES, 0, 0, -ETIMEDOUT, -ETIMEDOUT };
    static const char *const keys[] = { "k", "l" };
    for (unsigned i = 0; i < ARRAY_SIZE(answers); i++) {
        struct s3_answer answer = answers[i];
        CLEANUP(s3_scene_end) struct s3_scene scene = { 0 };
        ASSERT_OK(s3_scene_begin(&scene, s3_answer_same, &answer, ""));
        ASSERT_EQ(objectstore_delete_many(scene.store, keys, 2, in_ms(300)), expected[i]);
    }
}
