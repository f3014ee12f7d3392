/* Credentials from every source, against a server that plays STS, the container's agent and the
 * metadata service. */
#include "base/mark.h"
#include "base/mem.h"
#include "objectstore/s3_credentials.h"
#include "reactor/clock.h"
#include "unit/broker/objectstore/support_http_server.h"
#include "unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const variables[] = { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT" };

struct scene {
    struct http_client *client;
    struct s3_provider *provider;
    struct http_server *server;
};

static void
scene_end(struct scene *scene)
{
    s3_provider_free(scene->provider);
    http_client_close(scene->client);
    if (scene->server) {
        server_stop(scene->server);
    }
}

/* A provider in an environment where no source is configured. */
static int
scene_begin(struct scene *scene, server_fn fn, void *arg)
{
    struct http_client_options options = { 0 };
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
        unsetenv(variables[i]);
    }
    setenv("HOME", test_directory(), 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    scene->server = fn ? server_start(fn, arg) : NULL;
    int r = http_client_open(&options, &scene->client);
    scene->provider = s3_provider_new(scene->client, "eu-west-1");
    return r;
}

static void
set_url(const struct scene *scene, const char *variable, const char *path)
{
    char url[200];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", server_port(scene->server), path);
    setenv(variable, url, 1);
}

static const char *
write_file(const char *name, const char *text)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", test_directory(), name);
    FILE *file = fopen(path, "w");
    if (file) {
        fputs(text, file);
        fclose(file);
    }
    return path;
}

static int
provide(struct scene *scene, struct s3_credentials **ret_credentials)
{
    return s3_provider_get(
            scene->provider, clock_mono_ns() + 5 * (uint64_t)NS_PER_S, ret_credentials);
}

FIBER_TEST(without_any_source_the_refusal_says_where_it_looked)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    struct s3_credentials *credentials = NULL;
    ASSERT_OK(scene_begin(&scene, NULL, NULL));
    int r = provide(&scene, &credentials);
    ASSERT_ERROR(r, -EACCES);
    const char *story = test_fault(r);
    ASSERT(strstr(story, "environment: no AWS_ACCESS_KEY_ID") != NULL);
    ASSERT(strstr(story, "web identity: no AWS_WEB_IDENTITY_TOKEN_FILE") != NULL);
    ASSERT(strstr(story, "/.aws/credentials") != NULL);
    ASSERT(strstr(story, "container: no AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL);
    ASSERT(strstr(story, "instance metadata: AWS_EC2_METADATA_DISABLED") != NULL);
}

FIBER_TEST(the_environment_comes_first)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    CLEANUP(s3_credentials_unrefp) struct s3_credentials *credentials = NULL;
    ASSERT_OK(scene_begin(&scene, NULL, NULL));
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/does/not/exist", 1);
    setenv("AWS_ACCESS_KEY_ID", "key", 1);
    int r = provide(&scene, &credentials);
    ASSERT_ERROR(r, -EINVAL);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    setenv("AWS_SESSION_TOKEN", "token", 1);
    ASSERT_OK(provide(&scene, &credentials));
    ASSERT_STRING(credentials->access_key, "key");
    ASSERT_STRING(credentials->secret_key, "secret");
    ASSERT_STRING(credentials->token, "token");
}

/* C1: a newline in a secret would end the header line that it goes into. */
FIBER_TEST(credentials_that_cannot_be_in_a_header_are_refused_unseen)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    struct s3_credentials *credentials = NULL;
    ASSERT_OK(scene_begin(&scene, NULL, NULL));
    setenv("AWS_ACCESS_KEY_ID", "key", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "HIDDEN\r\nx-evil: 1", 1);
    int r = provide(&scene, &credentials);
    ASSERT_ERROR(r, -EINVAL);
    ASSERT(strstr(test_fault(r), "HIDDEN") == NULL);
}

TEST(profiles_are_read_as_aws_writes_them)
{
    static const char text[] =
            "# comment\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=s1\n\n"
            "; comment\n[ other ]\r\naws_access_key_id=AKIA2\r\naws_secret_access_key = s/2+=\r\n"
            "aws_session_token = t2\r\nregion = x\n[empty]\n[half]\naws_access_key_id = k\n";
    CLEANUP(s3_credentials_unrefp) struct s3_credentials *first = NULL;
    CLEANUP(s3_credentials_unrefp) struct s3_credentials *second = NULL;
    struct s3_credentials *none = NULL;
    ASSERT_OK(s3_profile_parse(bytes_of_string(text), "default", &first));
    ASSERT_STRING(first->access_key, "AKIA1");
    ASSERT_STRING(first->secret_key, "s1");
    ASSERT(first->token == NULL);
    ASSERT_OK(s3_profile_parse(bytes_of_string(text), "other", &second));
    ASSERT_STRING(second->secret_key, "s/2+=");
    ASSERT_STRING(second->token, "t2");
    ASSERT_ERROR(s3_profile_parse(bytes_of_string(text), "missing", &none), -ENOENT);
    ASSERT_ERROR(s3_profile_parse(bytes_of_string(text), "empty", &none), -ENOENT);
    ASSERT_ERROR(s3_profile_parse(bytes_of_string(text), "half", &none), -ENOENT);
    ASSERT_ERROR(s3_profile_parse(BYTES_NULL, "default", &none), -ENOENT);
}

FIBER_TEST(the_credentials_file_is_found_by_home_or_by_its_variable)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    CLEANUP(s3_credentials_unrefp) struct s3_credentials *credentials = NULL;
    ASSERT_OK(scene_begin(&scene, NULL, NULL));
    const char *path =
            write_file("creds", "[default]\naws_access_key_id=a\naws_secret_access_key=b\n"
                                "[p]\naws_access_key_id=c\naws_secret_access_key=d\n");
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    setenv("AWS_PROFILE", "nobody", 1);
    int r = provide(&scene, &credentials);
    ASSERT_ERROR(r, -EACCES); /* C3 */
    ASSERT(strstr(test_fault(r), "no profile [nobody]") != NULL);
    setenv("AWS_PROFILE", "p", 1);
    ASSERT_OK(provide(&scene, &credentials));
    ASSERT_STRING(credentials->access_key, "c");
}

struct sts {
    pthread_mutex_t mutex;
    unsigned asked;
    int status;
    int64_t life_s;
    unsigned delay_ms;
    char form[1000];
};

static bool
serve_sts(void *arg, struct server_request *request)
{
    struct sts *sts = arg;
    char body[1000];
    char expiration[40];
    pthread_mutex_lock(&sts->mutex);
    unsigned number = ++sts->asked;
    int status = sts->status;
    snprintf(sts->form, sizeof sts->form, "%s", (char *)request->body);
    time_t end = (time_t)(clock_wall_ms() / 1000 + sts->life_s);
    pthread_mutex_unlock(&sts->mutex);
    server_pause(request, sts->delay_ms);
    if (status != 200) {
        server_reply(request, status, "",
                "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>bad</Message></"
                "Error></ErrorResponse>");
        return true;
    }
    struct tm tm;
    gmtime_r(&end, &tm);
    strftime(expiration, sizeof expiration, "%Y-%m-%dT%H:%M:%SZ", &tm);
    snprintf(body, sizeof body,
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><"
            "AccessKeyId>A%u</AccessKeyId>"
            "<SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken><Expiration>%s</"
            "Expiration></Credentials>"
            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
            number, expiration);
    server_reply(request, 200, "", body);
    return true;
}

static int
scene_begin_sts(struct scene *scene, struct sts *sts)
{
    pthread_mutex_init(&sts->mutex, NULL);
    int r = scene_begin(scene, serve_sts, sts);
    set_url(scene, "AWS_ENDPOINT_URL_STS", "");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", write_file("token", "eyJ.web+token/=\n"), 1);
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/r", 1);
    setenv("AWS_ROLE_SESSION_NAME", "broker-7", 1);
    return r;
}

FIBER_TEST(a_web_identity_is_traded_for_credentials)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    CLEANUP(s3_credentials_unrefp) struct s3_credentials *credentials = NULL;
    struct sts sts = { .status = 200, .life_s = 3600 };
    ASSERT_OK(scene_begin_sts(&scene, &sts));
    ASSERT_OK(provide(&scene, &credentials));
    ASSERT_STRING(credentials->access_key, "A1");
    ASSERT_STRING(credentials->token, "T");
    ASSERT_STRING(sts.form, "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%"
                            "3Aiam%3A%3A1%3Arole%2Fr"
                            "&RoleSessionName=broker-7&WebIdentityToken=eyJ.web%2Btoken%2F%3D");
    struct s3_credentials *again = NULL;
    ASSERT_OK(provide(&scene, &again));
    ASSERT(again == credentials);
    s3_credentials_unref(again);
    ASSERT_EQ(sts.asked, 1);
}

FIBER_TEST(a_refused_web_identity_is_not_replaced_by_another_source)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    struct s3_credentials *credentials = NULL;
    struct sts sts = { .status = 400, .life_s = 3600 };
    ASSERT_OK(scene_begin_sts(&scene, &sts));
    setenv("AWS_SHARED_CREDENTIALS_FILE",
            write_file("creds", "[default]\naws_access_key_id=a\naws_secret_access_key=b\n"), 1);
    int r = provide(&scene, &credentials);
    ASSERT_ERROR(r, -EACCES); /* C3 */
    ASSERT(strstr(test_fault(r), "InvalidIdentityToken") != NULL);
    ASSERT(strstr(test_fault(r), "eyJ") == NULL);
}

/* C2 */
FIBER_TEST(credentials_are_renewed_before_they_end)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    struct sts sts = { .status = 200, .life_s = 2 };
    ASSERT_OK(scene_begin_sts(&scene, &sts));
    struct s3_credentials *first = NULL;
    ASSERT_OK(provide(&scene, &first));
    s3_credentials_unref(first);
    /* Half the life is over after about a second. */
    uint64_t end_ns = clock_mono_ns() + 3 * (uint64_t)NS_PER_S;
    unsigned asked = 1;
    while (asked == 1 && clock_mono_ns() < end_ns) {
        struct s3_credentials *now = NULL;
        ASSERT_OK(fiber_sleep_ns(50 * NS_PER_MS));
        ASSERT_OK(provide(&scene, &now));
        ASSERT(clock_wall_ms() < now->expires_ms);
        s3_credentials_unref(now);
        pthread_mutex_lock(&sts.mutex);
        asked = sts.asked;
        pthread_mutex_unlock(&sts.mutex);
    }
    ASSERT_EQ(asked, 2);
}

/* C2 */
FIBER_TEST(a_renewal_that_fails_leaves_the_old_ones_in_use)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    struct sts sts = { .status = 200, .life_s = 3 };
    ASSERT_OK(scene_begin_sts(&scene, &sts));
    struct s3_credentials *credentials = NULL;
    ASSERT_OK(provide(&scene, &credentials));
    s3_credentials_unref(credentials);
    pthread_mutex_lock(&sts.mutex);
    sts.status = 500;
    pthread_mutex_unlock(&sts.mutex);
    ASSERT_OK(fiber_sleep_ns(2 * (uint64_t)NS_PER_S));
    for (unsigned i = 0; i < 3; i++) {
        ASSERT_OK(provide(&scene, &credentials));
        ASSERT_STRING(credentials->access_key, "A1");
        s3_credentials_unref(credentials);
    }
    ASSERT_EQ(sts.asked, 2);
    ASSERT(mark_count("s3 credentials: renewal failed, the old ones go on") > 0);
}

static int
provide_in_group(void *arg)
{
    struct s3_credentials *credentials = NULL;
    int r = provide(arg, &credentials);
    s3_credentials_unref(credentials);
    return r;
}

/* C2 */
FIBER_TEST(many_fibers_ask_once)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    struct sts sts = { .status = 200, .life_s = 3600, .delay_ms = 100 };
    struct fiber_group group;
    ASSERT_OK(scene_begin_sts(&scene, &sts));
    fiber_group_init(&group);
    for (unsigned i = 0; i < 20; i++) {
        fiber_group_spawn(&group, "asks", provide_in_group, &scene);
    }
    ASSERT_OK(fiber_group_wait(&group));
    ASSERT_EQ(sts.asked, 1);
    struct s3_credentials *credentials = NULL;
    ASSERT_OK(provide(&scene, &credentials));
    s3_provider_refuse(scene.provider, credentials);
    s3_credentials_unref(credentials);
    ASSERT_OK(provide(&scene, &credentials));
    ASSERT_STRING(credentials->access_key, "A2");
    s3_credentials_unref(credentials);
}

#define JSON                                                                                       \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"J\",\"SecretAccessKey\":\"K\",\"Token\":\"L\","       \
    "\"Expiration\":\"2099-01-01T00:00:00Z\"}"

static bool
serve_agent(void *arg, struct server_request *request)
{
    char authorization[100];
    (void)arg;
    server_header(request, "authorization", authorization, sizeof authorization);
    if (strcmp(request->target, "/creds?x=1") != 0 || strcmp(authorization, "agent-token") != 0) {
        server_reply(request, 401, "", "{}");
    } else {
        server_reply(request, 200, "", JSON);
    }
    return true;
}

FIBER_TEST(a_containers_agent_gives_credentials)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    CLEANUP(s3_credentials_unrefp) struct s3_credentials *credentials = NULL;
    ASSERT_OK(scene_begin(&scene, serve_agent, NULL));
    set_url(&scene, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "/creds?x=1");
    ASSERT_ERROR(provide(&scene, &credentials), -EACCES);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", write_file("agent", "agent-token\n"), 1);
    ASSERT_OK(provide(&scene, &credentials));
    ASSERT_STRING(credentials->access_key, "J");
    ASSERT_STRING(credentials->token, "L");
}

FIBER_TEST(an_agent_elsewhere_is_not_asked_in_the_clear)
{
    static const char *const urls[] = { "http://example.com/", "http://127.0.0.1.example.com/",
        "http://127.0.0.1@evil/", "ftp://127.0.0.1/", "http://169.254.170.20/",
        "http://localhost.evil/" };
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        CLEANUP(scene_end) struct scene scene = { 0 };
        struct s3_credentials *credentials = NULL;
        ASSERT_OK(scene_begin(&scene, NULL, NULL));
        setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", urls[i], 1);
        ASSERT_ERROR(provide(&scene, &credentials), -EINVAL);
    }
}

static bool
serve_instance(void *arg, struct server_request *request)
{
    char text[100];
    (void)arg;
    if (strcmp(request->method, "PUT") == 0 && strcmp(request->target, "/latest/api/token") == 0) {
        server_header(request, "x-aws-ec2-metadata-token-ttl-seconds", text, sizeof text);
        server_reply(request, strcmp(text, "21600") == 0 ? 200 : 400, "", "session-token==");
        return true;
    }
    server_header(request, "x-aws-ec2-metadata-token", text, sizeof text);
    if (strcmp(text, "session-token==") != 0) {
        server_reply(request, 401, "", "");
    } else if (strcmp(request->target, "/latest/meta-data/iam/security-credentials/") == 0) {
        server_reply(request, 200, "", "the-role\n");
    } else if (strcmp(request->target, "/latest/meta-data/iam/security-credentials/the-role") ==
               0) {
        server_reply(request, 200, "", JSON);
    } else {
        server_reply(request, 404, "", "");
    }
    return true;
}

FIBER_TEST(the_instances_metadata_service_gives_credentials)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    CLEANUP(s3_credentials_unrefp) struct s3_credentials *credentials = NULL;
    ASSERT_OK(scene_begin(&scene, serve_instance, NULL));
    set_url(&scene, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "");
    unsetenv("AWS_EC2_METADATA_DISABLED");
    ASSERT_OK(provide(&scene, &credentials));
    ASSERT_STRING(credentials->secret_key, "K");
}

FIBER_TEST(where_no_metadata_service_answers_the_search_ends_soon)
{
    CLEANUP(scene_end) struct scene scene = { 0 };
    struct s3_credentials *credentials = NULL;
    ASSERT_OK(scene_begin(&scene, NULL, NULL));
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1", 1);
    uint64_t before = clock_mono_ns();
    int r = provide(&scene, &credentials);
    ASSERT_ERROR(r, -EACCES);
    ASSERT(strstr(test_fault(r), "instance metadata: nobody answers") != NULL);
    ASSERT(clock_mono_ns() - before < 4 * (uint64_t)NS_PER_S);
}

TEST(json_that_is_no_credentials_is_refused)
{
    static const char *const wrong[] = { "", "null", "[]", "{", "{}", "\"x\"",
        "{\"AccessKeyId\":\"a\"}", "{\"AccessKeyId\":1,\"SecretAccessKey\":2}",
        "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"b\",\"Expiration\":\"soon\"}" };
    struct s3_credentials *credentials = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        ASSERT_ERROR(
                s3_credentials_json_parse(bytes_of_string(wrong[i]), "test", &credentials), -EIO);
    }
    CLEANUP(mem_freep) char *deep = mem_alloc(100001);
    memset(deep, '[', 100000);
    ASSERT_ERROR(s3_credentials_json_parse(bytes_of_string(deep), "test", &credentials), -EIO);
}
