/* Calls: what the server's answers mean, patience, rotation, and requests whose answer is lost. */
#include "base/fault.h"
#include "base/mem.h"
#include "kube/client.h"
#include "kube/clock.h"
#include "unit/operator/kube/support_server.h"
#include "unit/test.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define STATUS(reason) "{\"kind\":\"Status\",\"reason\":\"" reason "\",\"message\":\"told\"}"
#define SAYS(words) "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"" words "\"}"

struct script {
    int status;
    const char *json;
    _Atomic unsigned busy; /* refuse as many first */
    char seen[2048];       /* the last request: method, path, type, body */
};

static void
answer(struct server_request *request, void *arg)
{
    struct script *script = arg;
    snprintf(script->seen, sizeof script->seen, "%s %s %s %.900s", request->method, request->path,
            request->content_type, request->body);
    if (atomic_load(&script->busy) > 0) {
        atomic_fetch_sub(&script->busy, 1);
        server_send(request, "HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    server_json(request, script->status, script->json);
}

static int
get_pod(struct kube *kube, cJSON **ret_json)
{
    return kube_get(kube, &KUBE_PODS, "ns", "p", ret_json);
}

static const struct {
    int status;
    const char *json;
    int error;
} meanings[] = {
    { 200, "{}", 0 },
    { 404, STATUS("NotFound"), -ENOENT },
    { 409, STATUS("AlreadyExists"), -EEXIST },
    { 409, STATUS("Conflict"), -ESTALE },
    { 410, STATUS("Expired"), -EKEYEXPIRED },
    { 403, SAYS("User \\\"u\\\" cannot create resource \\\"pods\\\""), -EACCES },
    { 403, "", -EACCES },
    { 403, SAYS("exceeded quota: q, requested: pods=1, used: pods=2"), -EDQUOT },
    { 403, SAYS("failed quota: q: must specify limits.cpu"), -EINVAL },
    { 403, SAYS("violates PodSecurity"), -EINVAL },
    { 403, "{\"details\":{\"causes\":[{\"reason\":\"NamespaceTerminating\"}]}}", -ESHUTDOWN },
    { 422, STATUS("Invalid"), -EINVAL },
    { 422, "{\"details\":{\"causes\":[{\"field\":\"metadata.uid\"}]}}", -ESTALE },
    { 415, "no json at all", -EINVAL },
    { 500, STATUS("InternalError"), -EREMOTEIO },
    { 504, STATUS("Timeout"), -ETIMEDOUT },
    { 503, "", -EREMOTEIO },
    { 200, "{\"cut", -EBADMSG },
};

TEST(each_answer_has_its_errno_and_the_servers_words)
{
    struct script script = { .status = 200 };
    struct api api;
    api_begin(&api, answer, &script);
    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
        CLEANUP(json_freep) cJSON *json = NULL;
        script.status = meanings[i].status;
        script.json = meanings[i].json;
        ASSERT_EQ(get_pod(api.kube, &json), meanings[i].error);
        ASSERT((json != NULL) == (meanings[i].error == 0));
        ASSERT(!strstr(meanings[i].json, "told") || strstr(fault_text(), "told"));
    }
    api_end(&api);
}

/* K5 */
TEST(k5_a_busy_server_is_waited_for_but_not_for_ever)
{
    struct script script = { .status = 200, .json = "{}", .busy = 1 };
    struct api api;
    api_begin(&api, answer, &script);
    int64_t began_ms = clock_now_ms();
    ASSERT_OK(get_pod(api.kube, NULL));
    ASSERT(clock_now_ms() - began_ms >= 1000);
    ASSERT_EQ(atomic_load(&api.server->count), 2);
    atomic_store(&script.busy, 100);
    ASSERT_ERROR(get_pod(api.kube, NULL), -EBUSY);
    ASSERT_EQ(atomic_load(&api.server->count), 2 + 1 + KUBE_BUSY_TRIES);
    api_end(&api);
}

/* K5 */
TEST(k5_all_calls_together_keep_to_the_rate)
{
    struct script script = { .status = 200, .json = "{}" };
    struct api api;
    api_begin(&api, answer, &script);
    int64_t began_ms = clock_now_ms();
    for (int i = 0; i < KUBE_BURST + KUBE_RATE / 2; i++) {
        ASSERT_OK(get_pod(api.kube, NULL));
    }
    ASSERT(clock_now_ms() - began_ms >= 400);
    api_end(&api);
}

static void
token_write(const char *token)
{
    char path[512];
    snprintf(path, sizeof path, "%s/token", test_directory());
    FILE *file = fopen(path, "w");
    fputs(token, file);
    fclose(file);
}

static void
want_second(struct server_request *request, void *arg)
{
    (void)arg;
    bool is_good = strcmp(request->authorization, "Bearer second") == 0;
    server_json(request, is_good ? 200 : 401, is_good ? "{}" : STATUS("Unauthorized"));
}

/* K3 */
TEST(k3_a_rotated_token_is_read_again_after_a_401)
{
    struct api api;
    api_begin(&api, want_second, NULL);
    ASSERT_ERROR(get_pod(api.kube, NULL), -EACCES);
    ASSERT_EQ(atomic_load(&api.server->count), 2);
    token_write("second\n");
    ASSERT_OK(get_pod(api.kube, NULL));
    api_end(&api);
}

/* K3 */
TEST(k3_a_token_that_cannot_be_read_leaves_the_old_one_in_force)
{
    struct script script = { .status = 200, .json = "{}" };
    struct api api;
    api_begin(&api, answer, &script);
    char path[512];
    snprintf(path, sizeof path, "%s/token", test_directory());
    unlink(path);
    ASSERT_EQ(credentials_refresh(api.kube->credentials, true), 0);
    ASSERT_STRING(api.kube->credentials->authorization, "Bearer first");
    ASSERT_OK(get_pod(api.kube, NULL));
    token_write("third");
    ASSERT_EQ(credentials_refresh(api.kube->credentials, true), 1);
    ASSERT_STRING(api.kube->credentials->authorization, "Bearer third");
    api_end(&api);
}

/* K4 */
TEST(k4_writes_say_what_they_expect)
{
    struct script script = { .status = 200, .json = "{}" };
    struct api api;
    api_begin(&api, answer, &script);
    CLEANUP(json_freep) cJSON *object = cJSON_CreateObject();
    json_set(json_object(object, "metadata"), "name", "s");
    ASSERT_OK(kube_apply(api.kube, &KUBE_CLUSTERS, "ns", "status", object, NULL));
    ASSERT_STRING(script.seen,
            "PATCH /apis/freshet.dev/v1alpha1/namespaces/ns/freshetclusters/s/status"
            "?fieldManager=freshet-operator&force=true&fieldValidation=Strict "
            "application/apply-patch+yaml {\"metadata\":{\"name\":\"s\"}}");
    struct kube_delete options = { .uid = "u1", .grace_s = 0 };
    ASSERT_OK(kube_delete(api.kube, &KUBE_PODS, "ns", "p", &options));
    ASSERT_STRING(script.seen, "DELETE /api/v1/namespaces/ns/pods/p application/json "
                               "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\","
                               "\"propagationPolicy\":\"Background\","
                               "\"preconditions\":{\"uid\":\"u1\"},\"gracePeriodSeconds\":0}");
    api_end(&api);
}

/* K4 */
TEST(k4_deleting_what_is_gone_or_another_is_done)
{
    struct script script = { .status = 404, .json = STATUS("NotFound") };
    struct api api;
    api_begin(&api, answer, &script);
    struct kube_delete options = { .uid = "u1", .grace_s = -1 };
    ASSERT_OK(kube_delete(api.kube, &KUBE_PODS, "ns", "p", &options));
    script.status = 409;
    script.json = STATUS("Conflict");
    ASSERT_OK(kube_delete(api.kube, &KUBE_PODS, "ns", "p", &options));
    options.resource_version = "7";
    ASSERT_ERROR(kube_delete(api.kube, &KUBE_PODS, "ns", "p", &options), -ESTALE);
    api_end(&api);
}

static void
hang(struct server_request *request, void *arg)
{
    (void)arg;
    server_hang(request);
}

static void
cut(struct server_request *request, void *arg)
{
    (void)arg;
    server_send(request, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"kind\":");
    request->is_closing = true;
}

static void
endless(struct server_request *request, void *arg)
{
    (void)arg;
    server_send(request, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
    char piece[4097];
    memset(piece, ' ', sizeof piece - 1);
    piece[sizeof piece - 1] = 0;
    while (!request->is_closing) {
        server_send(request, piece);
    }
}

static int
error_with(server_handler handler)
{
    struct api api;
    api_begin(&api, handler, NULL);
    api.kube->timeout_ms = handler == endless ? 60000 : 300;
    int r = get_pod(api.kube, NULL);
    api_end(&api);
    return r;
}

/* K2 */
TEST(k2_an_answer_that_never_or_half_comes_is_an_unknown_outcome)
{
    ASSERT_ERROR(error_with(hang), -ETIMEDOUT);
    ASSERT(strstr(fault_text(), "Timeout was reached"));
    ASSERT(kube_is_unknown(-ETIMEDOUT));
    ASSERT_ERROR(error_with(cut), -EIO);
    ASSERT(kube_is_unknown(-EIO));
    ASSERT(!kube_is_unknown(-ECONNREFUSED));
}

/* K1 */
TEST(k1_an_answer_without_end_costs_bounded_memory)
{
    ASSERT_ERROR(error_with(endless), -EMSGSIZE);
}

TEST(a_server_that_is_not_there_is_refused_and_known_not_to_have_acted)
{
    struct script script = { .status = 200, .json = "{}" };
    struct api api;
    api_begin(&api, answer, &script);
    server_stop(TAKE_PTR(api.server));
    ASSERT_ERROR(get_pod(api.kube, NULL), -ECONNREFUSED);
    /* The words come into conditions: how long it took is not among them (T2). */
    ASSERT(strstr(fault_text(), ": Couldn't connect"));
    ASSERT(!strstr(fault_text(), " ms"));
    api_end(&api);
}
